// Package webauthn is a site with passkeys, by github.com/go-webauthn/webauthn, whose
// SessionData waits in the visitor's session while the browser asks for the passkey.
package webauthn

import (
	"encoding/json"
	"fmt"
	"net/http"

	"example.com/cookiestore"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Users are the site's table of users and passkeys.
type Users interface {
	// ByHandle returns the user with that WebAuthnID.
	ByHandle(handle []byte) (webauthn.User, error)

	// Add keeps a new passkey of the user, and Update its counter.
	Add(user webauthn.User, credential *webauthn.Credential) error
	Update(user webauthn.User, credential *webauthn.Credential) error
}

// These keys have the SessionData of what was begun last: two of them, so that the answer
// to one is never taken for the other's.
const (
	registerKey = "webauthn_register"
	loginKey    = "webauthn_login"
)

// begin answers with what the browser needs, and keeps what finish needs.
func begin(w http.ResponseWriter, r *http.Request, key string, options any, data *webauthn.SessionData, err error) {
	if err != nil {
		http.Error(w, "This can't begin.", http.StatusBadRequest)
		return
	}
	cookiestore.FromContext(r.Context()).Set(key, data)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(options)
}

// begun returns what begin has kept, once.
func begun(session *cookiestore.Session, key string) (webauthn.SessionData, error) {
	data, err := cookiestore.Lookup[webauthn.SessionData](session, key)
	session.Delete(key)
	return data, err
}

// New returns the site. The function signedIn returns nil if nobody is signed in. Set Enforce in the
// configuration's timeouts: SessionData then has a time after which an older cookie, sent
// again, begins nothing.
func New(sessions *cookiestore.Manager, passkeys *webauthn.WebAuthn, users Users, signedIn func(*http.Request) webauthn.User) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, r *http.Request) {
		user := signedIn(r)
		if user == nil {
			http.Error(w, "Please sign in.", http.StatusUnauthorized)
			return
		}
		options, data, err := passkeys.BeginRegistration(user,
			webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired))
		begin(w, r, registerKey, options, data, err)
	})
	mux.HandleFunc("POST /register/finish", func(w http.ResponseWriter, r *http.Request) {
		user := signedIn(r)
		if user == nil {
			http.Error(w, "Please sign in.", http.StatusUnauthorized)
			return
		}
		data, err := begun(cookiestore.FromContext(r.Context()), registerKey)
		if err != nil {
			http.Error(w, "Nothing was begun.", http.StatusBadRequest)
			return
		}
		credential, err := passkeys.FinishRegistration(user, data, r)
		if err != nil || users.Add(user, credential) != nil {
			http.Error(w, "The passkey was not added.", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		options, data, err := passkeys.BeginDiscoverableLogin()
		begin(w, r, loginKey, options, data, err)
	})
	mux.HandleFunc("POST /login/finish", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		data, err := begun(session, loginKey)
		if err != nil {
			http.Error(w, "Nothing was begun.", http.StatusBadRequest)
			return
		}
		user, credential, err := passkeys.FinishPasskeyLogin(
			func(_, handle []byte) (webauthn.User, error) { return users.ByHandle(handle) }, data, r)
		if err != nil || credential.Authenticator.CloneWarning || users.Update(user, credential) != nil {
			http.Error(w, "You are not signed in.", http.StatusUnauthorized)
			return
		}
		id := user.WebAuthnID()
		if string(cookiestore.Get(session, "user", id)) != string(id) {
			session.Flush() // somebody else was signed in here
		}
		session.CycleKey()
		session.Set("user", id)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "You are %q.\n", cookiestore.Get(cookiestore.FromContext(r.Context()), "user", []byte(nil)))
	})
	return http.NewCrossOriginProtection().Handler(sessions.Handler(mux))
}
