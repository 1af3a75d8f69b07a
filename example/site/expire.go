package site

import (
	"errors"
	"net/http"
	"time"

	"example.com/cookiestore"
)

// setSession remembers a name for thirty seconds.
func setSession(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if name == "" {
		badField(w, r, "name", "missing; try /set-session?name=Ankit")
		return
	}
	session := cookiestore.FromContext(r.Context())
	session.Set("name", name)
	session.SetExpiry(cookiestore.After(30 * time.Second))
	render(w, r, "set-session.html", nil)
}

// getSession greets the visitor by the name that setSession remembers.
func getSession(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	expired := errors.Is(session.Refused(), cookiestore.ErrExpired)
	render(w, r, "get-session.html", expired)
}
