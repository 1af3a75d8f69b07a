// Command wasm is a small site as WebAssembly, for hosts that start a program for each
// request and speak CGI with it (RFC 3875), as WAGI hosts do. At the top of a checkout,
//
//	GOOS=wasip1 GOARCH=wasm go build -o site.wasm ./frameworks/wasm
//
// builds it; with GOOS=js for Node and its kind. Nothing in it is special to either.
package main

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"

	"example.com/cookiestore"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "wasm:", err)
		os.Exit(1)
	}
}

func serve() error {
	key, err := cookiestore.ParseKey(os.Getenv("SESSION_KEY"))
	if err != nil {
		return fmt.Errorf("SESSION_KEY: %w", err)
	}
	store, err := cookiestore.New(key)
	if err != nil {
		return err
	}
	return cgi.Serve(cookiestore.Middleware(store)(http.HandlerFunc(visits)))
}

func visits(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)
	fmt.Fprintf(w, "You have visited this page %d times.\n", visits)
}
