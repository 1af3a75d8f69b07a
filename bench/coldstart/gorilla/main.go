// Command gorilla is the server of the coldstart command with gorilla/sessions.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/gorilla/sessions"
)

func main() {
	store := sessions.NewCookieStore([]byte("the benchmarks' key, which is not secret"))
	listener, err := net.FileListener(os.NewFile(3, "listener")) // which the parent has opened
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	})))
}
