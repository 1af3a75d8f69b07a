// Package goth is a site with github.com/markbates/goth and its package gothic, which
// keep a login under way in the visitor's session.
package goth

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"example.com/cookiestore"
	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
)

// Store is a store of gorilla/sessions for gothic. What gothic keeps during a login,
// tokens among it, is a value of the session of this package, so that it is saved once,
// with the response: when gothic has deleted it again.
type Store struct{}

// Get returns what the session has under that name.
func (s Store) Get(r *http.Request, name string) (*sessions.Session, error) { return s.New(r, name) }

// New is Get: gothic wants what is there.
func (s Store) New(r *http.Request, name string) (*sessions.Session, error) {
	login := sessions.NewSession(s, name)
	login.Options = new(sessions.Options) // of which gothic sets MaxAge
	session := cookiestore.FromContext(r.Context())
	for key, value := range cookiestore.Get(session, name, map[string][]byte(nil)) {
		login.Values[key] = string(value)
	}
	return login, session.Err()
}

// Save sets the value, which has strings of any bytes: gothic compresses them.
func (s Store) Save(r *http.Request, _ http.ResponseWriter, login *sessions.Session) error {
	session := cookiestore.FromContext(r.Context())
	if login.Options.MaxAge < 0 {
		session.Delete(login.Name())
		return nil
	}
	values := map[string][]byte{}
	for key, value := range login.Values {
		values[fmt.Sprint(key)] = fmt.Append(nil, value)
	}
	session.Set(login.Name(), values)
	return session.Err()
}

// New returns the site. Providers are set with goth.UseProviders.
func New(sessions *cookiestore.Manager) http.Handler {
	gothic.Store = Store{}
	gothic.SetState = func(*http.Request) string { return rand.Text() } // not the one of a link

	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/{provider}", gothic.BeginAuthHandler)
	mux.HandleFunc("GET /auth/{provider}/callback", func(w http.ResponseWriter, r *http.Request) {
		user, err := gothic.CompleteUserAuth(w, r)
		if err != nil || user.UserID == "" { // which goth doesn't look at
			http.Error(w, "You are not signed in.", http.StatusBadRequest)
			return
		}
		signIn(cookiestore.FromContext(r.Context()), user)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "You are %s.\n", cookiestore.Get(cookiestore.FromContext(r.Context()), "user", "nobody"))
	})
	return sessions.Handler(mux)
}

func signIn(session *cookiestore.Session, user goth.User) {
	id := user.Provider + " " + user.UserID
	if cookiestore.Get(session, "user", id) != id {
		session.Flush() // somebody else was signed in here
	}
	session.CycleKey()
	session.Set("user", id)
}
