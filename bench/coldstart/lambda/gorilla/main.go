// Command gorilla is a function of `coldstart -lambda`: with gorilla/sessions.
package main

import (
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/gorilla/sessions"
)

func main() {
	store := sessions.NewCookieStore([]byte("the benchmarks' key, which is not secret"))
	lambdaurl.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := store.Get(r, "sessionid")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		visits, _ := session.Values["num_visits"].(int)
		visits++
		session.Values["num_visits"] = visits
		if err := session.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, visits)
	}))
}
