// Command cookiestore is the server of the coldstart command with cookiestore.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"example.com/cookiestore"
)

func main() {
	store, err := cookiestore.New([]byte("the benchmarks' key, which is not secret"))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.FileListener(os.NewFile(3, "listener")) // which the parent has opened
	if err != nil {
		log.Fatal(err)
	}
	withSessions := cookiestore.Middleware(store)
	log.Fatal(http.Serve(listener, withSessions(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		visits := cookiestore.Get(session, "num_visits", 0) + 1
		session.Set("num_visits", visits)
		fmt.Fprintln(w, visits)
	}))))
}
