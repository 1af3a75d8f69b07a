package site

import (
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
)

// userKey is the dictionary key under which the session says who is signed in.
const userKey = "user"

// rememberFor is how long a visitor who ticks the box stays signed in.
const rememberFor = 30 * 24 * time.Hour

// showLogin shows the form.
func showLogin(w http.ResponseWriter, r *http.Request) {
	render(w, r, "login.html", nil)
}

// login signs a visitor in. It asks for no password, since this is a demo.
func login(w http.ResponseWriter, r *http.Request) {
	user := strings.TrimSpace(r.PostFormValue("user"))
	if user == "" {
		badField(w, r, "user", "missing")
		return
	}
	session := cookiestore.FromContext(r.Context())
	if before := cookiestore.Get(session, userKey, user); before != user {
		session.Flush() // the last user's data is not for this one
	}
	session.CycleKey() // stops session fixation
	session.Set(userKey, user)
	if r.PostFormValue("remember") == "on" {
		session.SetExpiry(cookiestore.After(rememberFor))
	} else {
		session.SetExpiry(cookiestore.AtBrowserClose)
	}
	session.AddFlash("Welcome, " + user + ".")
	offerBinding(w, r)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// account is for visitors who are signed in.
func account(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	user, err := cookiestore.Lookup[string](session, userKey)
	if err != nil {
		renderStatus(w, r, http.StatusUnauthorized, "unauthorized.html", nil)
		return
	}
	render(w, r, "account.html", user)
}

// logout ends the session: everything in it goes, and the cookie too.
func logout(w http.ResponseWriter, r *http.Request) {
	cookiestore.FromContext(r.Context()).Flush()
	render(w, r, "logout.html", nil)
}
