package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A visit is the session that everything here is measured with: what a small shop
// keeps of a visitor.
type visit struct {
	UserID string   `json:"_auth_user_id"`
	Visits int      `json:"num_visits"`
	Name   string   `json:"name"`
	Theme  string   `json:"theme"`
	Cart   []item   `json:"cart,omitempty"`
	Recent []string `json:"recent,omitempty"`
	Next   string   `json:"next"`
}

type item struct {
	SKU string `json:"sku"`
	N   int    `json:"n"`
}

// sizes are the bytes of JSON of the sessions that are compared. The cookie
// store tries zlib on the last alone; without, it would fit a cookie too.
var sizes = []int{100, 1000, 3000}

// smallSize is the bytes of JSON of [smallVisit], the session that the benchmarks
// of the root module use.
const smallSize = 145

var smallVisit = visit{
	UserID: "4821", Visits: 1207, Name: "Ankit", Theme: "dark",
	Cart: []item{{"A-1", 2}, {"B-77", 1}}, Next: "/account/home",
}

// sample returns a visit of size bytes of JSON: the bigger ones have more pages
// that were looked at, and a longer cart. The counter keeps its number of digits
// for 800,000 requests.
func sample(size int) visit {
	if size == smallSize {
		return smallVisit
	}
	words := strings.Fields("oak walnut garden kitchen table chair lamp shelf desk sofa linen cotton wool copper glass small large round blue green white red outdoor folding")
	random := rand.New(rand.NewPCG(uint64(size), 7))
	word := func() string { return words[random.IntN(len(words))] }

	v := visit{UserID: "4821", Visits: 100_000, Name: "Ankit", Theme: "dark", Next: "/account"}
	for i := 0; size-jsonSize(v) > 150; i++ {
		if i%4 == 0 {
			v.Cart = append(v.Cart, item{fmt.Sprintf("%s-%04d", strings.ToUpper(word()[:3]), random.IntN(10_000)), 1 + random.IntN(3)})
			continue
		}
		v.Recent = append(v.Recent, fmt.Sprintf("/shop/%s/%s-%s-%d", word(), word(), word(), random.IntN(10_000)))
	}
	for n := size - jsonSize(v); n > 0; n = size - jsonSize(v) {
		more := "/" + word()
		v.Next += more[:min(n, len(more))]
	}
	return v
}

func jsonSize(v visit) int {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // a visit is plain data
	}
	return len(text)
}

// each calls set for every value of the visit, for sessions that are dictionaries.
func (v visit) each(set func(key string, value any)) {
	set("_auth_user_id", v.UserID)
	set("num_visits", v.Visits)
	set("name", v.Name)
	set("theme", v.Theme)
	if v.Cart != nil {
		set("cart", v.Cart)
	}
	if v.Recent != nil {
		set("recent", v.Recent)
	}
	set("next", v.Next)
}
