// Package chi is a program with github.com/go-chi/chi: its middleware is net/http's.
package chi

import (
	"net/http"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Use(sessions.Handler) // or cookiestore.Middleware(store)
	for pattern, handler := range plain.Handlers(sessions, news) {
		method, path, _ := strings.Cut(pattern, " ")
		router.Method(method, path, handler)
	}
	return router
}
