// Package authboss has the sessions and the remember-me cookies of
// github.com/aarondl/authboss/v3 kept by this package.
package authboss

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"example.com/cookiestore"
	"github.com/aarondl/authboss/v3"
)

// State has authboss keep its state in the session of the cookie with that name. Put
// the middleware of that cookie around authboss's LoadClientStateMiddleware.
type State struct{ Cookie string }

type state struct{ session *cookiestore.Session }

// Get returns the text under key.
func (s state) Get(key string) (string, bool) {
	text, err := cookiestore.Lookup[string](s.session, key)
	return text, err == nil
}

// ReadState returns the session.
func (s State) ReadState(r *http.Request) (authboss.ClientState, error) {
	session, ok := cookiestore.FromContextNamed(r.Context(), s.Cookie)
	if !ok {
		return nil, errors.New("there is no middleware for the cookie " + s.Cookie)
	}
	return state{session}, session.Err()
}

// WriteState does to the session what authboss has noted, just before the first byte.
func (s State) WriteState(_ http.ResponseWriter, was authboss.ClientState, events []authboss.ClientStateEvent) error {
	read, ok := was.(state)
	if !ok {
		return errors.New("authboss has not read the session that it changes")
	}
	session := read.session
	for _, e := range events {
		switch e.Kind {
		case authboss.ClientStateEventPut:
			if e.Key == authboss.SessionKey { // somebody signs in
				if cookiestore.Get(session, e.Key, e.Value) != e.Value {
					session.Flush() // and somebody else was signed in here
				}
				session.CycleKey()
			}
			session.Set(e.Key, e.Value)
		case authboss.ClientStateEventDel:
			session.Delete(e.Key)
		case authboss.ClientStateEventDelAll:
			keep := map[string]any{}
			for key, value := range session.All() {
				if slices.Contains(strings.Split(e.Key, ","), key) {
					keep[key] = value
				}
			}
			session.Flush()
			session.Update(keep)
		}
	}
	return session.Err()
}
