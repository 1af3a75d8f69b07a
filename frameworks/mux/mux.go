// Package mux is a program with github.com/gorilla/mux: its middleware is net/http's.
package mux

import (
	"net/http"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/gorilla/mux"
)

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	router := mux.NewRouter()
	router.Use(sessions.Handler) // of routes; not of what no route matches
	for pattern, handler := range plain.Handlers(sessions, news) {
		method, path, _ := strings.Cut(pattern, " ")
		router.Handle(path, handler).Methods(method)
	}
	return router
}
