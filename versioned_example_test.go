package cookiestore_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"example.com/cookiestore"
)

// Visit is all that the site keeps of a visitor. In version 1, the cart was a list of IDs.
type Visit struct {
	User string `json:"user,omitempty"`
	Cart []Item `json:"cart,omitempty"`
}

type Item struct {
	ID string `json:"id"`
	N  int    `json:"n"`
}

var visit = cookiestore.Versioned[Visit]{Key: "visit", Version: 2, Upgrade: upgradeVisit}

func upgradeVisit(from int, stored json.RawMessage) (Visit, error) {
	if from != 1 {
		return Visit{}, errors.New("there has been no such version")
	}
	var old struct {
		User string   `json:"user"`
		Cart []string `json:"cart"`
	}
	if err := json.Unmarshal(stored, &old); err != nil {
		return Visit{}, err
	}
	v := Visit{User: old.User}
	for _, id := range old.Cart {
		v.Cart = append(v.Cart, Item{ID: id, N: 1})
	}
	return v, nil
}

func ExampleVersioned() {
	var session cookiestore.Session // in a handler: cookiestore.FromContext(r.Context())
	v, err := visit.Get(&session)
	fmt.Println(v, err)
	err = visit.Set(&session, Visit{User: "Ankit"})
	fmt.Println(session.Get("visit"), err)

	// A visitor comes back with what the site stored before version 2.
	session.Set("visit", map[string]any{"data": map[string]any{"user": "Ankit", "cart": []string{"tea"}}, "v": 1})
	v, err = visit.Get(&session)
	fmt.Println(v, err)
	err = visit.Modify(&session, func(v *Visit) { v.Cart[0].N++ })
	fmt.Println(session.Get("visit"), err)

	// Version 3 was deployed, and rolled back.
	session.Set("visit", map[string]any{"data": "of version 3", "v": 3})
	err = visit.Set(&session, Visit{User: "Ankit"})
	fmt.Println(errors.Is(err, cookiestore.ErrNewerVersion), err)
	visit.Delete(&session) // gives up what is there
	err = visit.Set(&session, Visit{User: "Ankit"})
	fmt.Println(session.Get("visit"), err)
	// Output:
	// { []} <nil>
	// map[data:map[user:Ankit] v:2] <nil>
	// {Ankit [{tea 1}]} <nil>
	// map[data:map[cart:[map[id:tea n:2]] user:Ankit] v:2] <nil>
	// true cookiestore: session key "visit", version 3 (the program's is 2): a newer version of the program has stored it
	// map[data:map[user:Ankit] v:2] <nil>
}
