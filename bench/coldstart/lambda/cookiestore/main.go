// Command cookiestore is a function of `coldstart -lambda`: with cookiestore.
package main

import (
	"fmt"
	"log"
	"net/http"

	"example.com/cookiestore"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

func main() {
	store, err := cookiestore.New([]byte("the benchmarks' key, which is not secret"))
	if err != nil {
		log.Fatal(err)
	}
	withSessions := cookiestore.Middleware(store)
	lambdaurl.Start(withSessions(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		visits := cookiestore.Get(session, "num_visits", 0) + 1
		session.Set("num_visits", visits)
		fmt.Fprintln(w, visits)
	})))
}
