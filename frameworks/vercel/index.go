// Package handler is a function for Vercel, which serves Handler: copy it to
// api/index.go, and set SESSION_KEY to the output of `openssl rand -hex 32`.
package handler

import (
	"fmt"
	"net/http"
	"os"
	"sync"

	"example.com/cookiestore"
)

// Handler answers each request.
func Handler(w http.ResponseWriter, r *http.Request) {
	site, err := start()
	if err != nil {
		http.Error(w, "The function is not set up.", http.StatusInternalServerError)
		fmt.Fprintln(os.Stderr, err)
		return
	}
	site.ServeHTTP(w, r)
}

// start does what there is to do at a cold start.
var start = sync.OnceValues(func() (http.Handler, error) {
	key, err := cookiestore.ParseKey(os.Getenv("SESSION_KEY"))
	if err != nil {
		return nil, fmt.Errorf("SESSION_KEY: %w", err)
	}
	store, err := cookiestore.New(key)
	if err != nil {
		return nil, err
	}
	return cookiestore.Middleware(store)(http.HandlerFunc(visits)), nil
})

func visits(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)
	fmt.Fprintf(w, "You have visited this page %d times.\n", visits)
}
