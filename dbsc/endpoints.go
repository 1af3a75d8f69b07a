package dbsc

import (
	"cmp"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"example.com/cookiestore"
)

// How a browser registers a key, and refreshes the bound cookie. What is answered follows
// what Chromium makes of it: a status of 400 or 403 without a challenge makes it forget the
// key, with which the visitor is logged out; one of 500 or more, or none, doesn't.

// ServeHTTP answers registrations and refreshes, at /dbsc/register and /dbsc/refresh.
// [Binder.Require] calls it for them; it is for programs that route these two themselves,
// inside of the session's middleware.
func (b *Binder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case cookiestore.FromContext(r.Context()).Err() != nil: // the middleware answers
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Browsers POST here.", http.StatusMethodNotAllowed)
	case r.URL.Path == registerPath:
		b.register(w, r)
	case r.URL.Path == refreshPath:
		b.refresh(w, r)
	default:
		http.NotFound(w, r)
	}
}

// register binds the session to the key that the browser has made.
func (b *Binder) register(w http.ResponseWriter, r *http.Request) {
	s, key, err := b.accept(r)
	if err != nil {
		b.refuse(w, r, "registration refused", err, http.StatusBadRequest)
		return
	}
	own := b.newBinding(s.offer, key)
	s.bound = own.id
	b.save(r, s)
	b.answer(w, r, own)
}

// accept checks a registration, and withdraws the offer.
func (b *Binder) accept(r *http.Request) (state, *ecdsa.PublicKey, error) {
	s, err := stateOf(cookiestore.FromContext(r.Context()))
	switch {
	case err != nil:
		return s, nil, err
	case s.offer == "":
		return s, nil, errors.New("nothing was offered to the session")
	case s.bound != "":
		return s, nil, errors.New("the session is bound already")
	}
	key, err := b.prove(r, nil, s.offer)
	if err != nil {
		return s, nil, err
	}
	return s, key, b.withdraw(r, s.offer)
}

// withdraw ends an offer: a session that has no more than that, a copy from before, has
// to come with the bound cookie from now on.
func (b *Binder) withdraw(r *http.Request, offer string) error {
	shared := b.sessions.Revocations()
	if shared == nil {
		return nil
	}
	if err := shared.Revoke(r.Context(), "dbsc."+offer, b.sessions.Now().Add(offerEnds)); err != nil {
		return &unavailable{err}
	}
	return nil
}

// refresh gives the browser another bound cookie, if it has the key.
func (b *Binder) refresh(w http.ResponseWriter, r *http.Request) {
	s, err := stateOf(cookiestore.FromContext(r.Context()))
	if err != nil {
		b.refuse(w, r, "refresh refused", err, http.StatusBadRequest)
		return
	}
	own, err := b.parseIdentifier(unquoted(r.Header.Get("Sec-Secure-Session-Id")))
	switch {
	case err != nil:
		// A server may lack the key for a moment, in a roll-out. Only the session that needs
		// the identifier knows that it is the browser's.
		status := http.StatusBadRequest
		if _, _, ok := b.boundBy(r, s, b.sessions.Now()); s.bound != "" && !ok {
			status = http.StatusServiceUnavailable
		}
		b.refuse(w, r, "refresh refused", err, status)
	case !s.isOf(own.id, own.offer):
		b.end(w, r, own)
	case r.Header.Get("Secure-Session-Response") == "":
		b.challenge(w, own)
	default:
		b.renew(w, r, own)
	}
}

// renew checks the proof of a refresh.
func (b *Binder) renew(w http.ResponseWriter, r *http.Request, own binding) {
	switch _, err := b.prove(r, own.key, own.id); {
	case err == nil:
		b.answer(w, r, own)
	case errors.As(err, new(*unavailable)):
		b.refuse(w, r, "refresh refused", err, http.StatusServiceUnavailable)
	default:
		b.report(r, "refresh refused", err)
		b.challenge(w, own)
	}
}

// prove checks the proof of a request: that the key, or without one that in the proof, has
// signed a challenge for what has that ID. It returns the key.
func (b *Binder) prove(r *http.Request, key *ecdsa.PublicKey, id string) (*ecdsa.PublicKey, error) {
	p, err := parseProof(unquoted(r.Header.Get("Secure-Session-Response")))
	if err != nil {
		return nil, err
	}
	if key == nil {
		if key, err = p.key(); err != nil {
			return nil, err
		}
	}
	challenge, err := p.verify(key)
	if err != nil {
		return nil, err
	}
	return key, b.useChallenge(r, challenge, id)
}

// challenge has the browser come again with a proof.
func (b *Binder) challenge(w http.ResponseWriter, own binding) {
	challenge := b.newChallenge(own.id, b.sessions.Now())
	w.Header().Set("Secure-Session-Challenge", `"`+challenge+`";id="`+own.identifier+`"`)
	w.WriteHeader(http.StatusForbidden)
}

// end tells the browser that a binding has ended, since its session has. A request that other
// sites have caused comes without the session, and says nothing about it.
func (b *Binder) end(w http.ResponseWriter, r *http.Request, own binding) {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		http.Error(w, "The session didn't come along.", http.StatusServiceUnavailable)
	default:
		writeJSON(w, map[string]any{"session_identifier": own.identifier, "continue": false})
	}
}

// answer sets the bound cookie, and tells the browser about it.
func (b *Binder) answer(w http.ResponseWriter, r *http.Request, own binding) {
	origin, err := url.Parse(cmp.Or(b.origin, "https://"+r.Host))
	if err != nil {
		http.Error(w, "The Host field is not one.", http.StatusServiceUnavailable)
		return
	}
	rules := []map[string]string{} // and not null
	for _, path := range b.excluded {
		rules = append(rules, map[string]string{"type": "exclude", "domain": origin.Hostname(), "path": path})
	}
	b.setBoundCookie(w, own)
	writeJSON(w, map[string]any{
		"session_identifier": own.identifier,
		"refresh_url":        refreshPath,
		"scope":              map[string]any{"origin": origin.String(), "include_site": false, "scope_specification": rules},
		"credentials": []map[string]string{{
			"type": "cookie", "name": cookieName, "attributes": attributes,
		}},
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails if the browser has gone, or the session can't be saved
}

// refuse answers with a status, or with 503 if it is not the request's fault.
func (b *Binder) refuse(w http.ResponseWriter, r *http.Request, what string, err error, status int) {
	b.report(r, what, err)
	if errors.As(err, new(*unavailable)) {
		status = http.StatusServiceUnavailable
	}
	http.Error(w, http.StatusText(status), status)
}

// unquoted returns what a structured field's string holds: ours have nothing to escape.
func unquoted(field string) string {
	return strings.TrimSuffix(strings.TrimPrefix(field, `"`), `"`)
}
