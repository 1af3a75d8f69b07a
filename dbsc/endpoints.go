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
	case b.session(r).Err() != nil: // the middleware answers
	case !isHost(r.Host):
		http.Error(w, "The Host field is not one.", http.StatusServiceUnavailable)
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

// register binds the session to the key that the browser has made. It leaves the session's
// cookie alone, which the page after the login may be changing at the same time.
func (b *Binder) register(w http.ResponseWriter, r *http.Request) {
	own, err := b.accept(r)
	if err != nil {
		b.refuse(w, r, "registration refused", err, http.StatusBadRequest)
		return
	}
	b.answer(w, r, own)
}

// accept checks a registration, and withdraws the offer: from now on a session that has no
// more than that, a copy from before, has to come with the bound cookie.
func (b *Binder) accept(r *http.Request) (own binding, err error) {
	s, err := stateOf(b.session(r))
	switch {
	case err != nil:
		return own, err
	case s.offer == "":
		return own, errors.New("nothing was offered to the session")
	case s.bound != "":
		return own, errors.New("the session is bound already")
	}
	key, err := b.prove(r, nil, s.offer)
	if err != nil {
		return own, err
	}
	if shared := b.sessions.Revocations(); shared != nil {
		if err := shared.Revoke(r.Context(), "dbsc."+s.offer, b.sessions.Now().Add(offerEnds)); err != nil {
			return own, &unavailable{err}
		}
	}
	return b.newBinding(s.offer, key), nil
}

// refresh gives the browser another bound cookie, if it has the key.
func (b *Binder) refresh(w http.ResponseWriter, r *http.Request) {
	session := b.session(r)
	s, err := stateOf(session)
	if err != nil {
		b.refuse(w, r, "refresh refused", err, http.StatusBadRequest)
		return
	}
	own, err := b.parseIdentifier(unquoted(r.Header.Get("Sec-Secure-Session-Id")))
	switch {
	case !isKnown(session): // in a roll-out, this server may lack the store's key
		b.refuse(w, r, "refresh refused", session.Refused(), http.StatusServiceUnavailable)
	case err != nil && s.isOf(own.id, own.offer): // or that of the binding
		b.refuse(w, r, "refresh refused", err, http.StatusServiceUnavailable)
	case err != nil:
		b.refuse(w, r, "refresh refused", err, http.StatusBadRequest)
	case s.isOf(own.id, own.offer):
		b.renew(w, r, own)
	default:
		writeJSON(w, map[string]any{"session_identifier": own.identifier, "continue": false})
	}
}

// isKnown reports that a browser's session isn't one that this server just can't read: it
// is there, or it has ended.
func isKnown(session *cookiestore.Session) bool {
	why := session.Refused()
	return why == nil || errors.Is(why, cookiestore.ErrExpired) || errors.Is(why, cookiestore.ErrRevoked) || errors.Is(why, cookiestore.ErrNoSession)
}

// renew answers a refresh by its proof.
func (b *Binder) renew(w http.ResponseWriter, r *http.Request, own binding) {
	if r.Header.Get("Secure-Session-Response") == "" {
		b.challenge(w, own)
		return
	}
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
	challenge, key, err := readProof(unquoted(r.Header.Get("Secure-Session-Response")), key)
	if err != nil {
		return nil, &forged{err}
	}
	return key, b.useChallenge(r, challenge, id)
}

// challenge has the browser come again with a proof.
func (b *Binder) challenge(w http.ResponseWriter, own binding) {
	challenge := b.newChallenge(own.id, b.sessions.Now())
	w.Header().Set("Secure-Session-Challenge", `"`+challenge+`";id="`+own.identifier+`"`)
	w.WriteHeader(http.StatusForbidden)
}

// answer sets the bound cookie, and tells the browser about it.
func (b *Binder) answer(w http.ResponseWriter, r *http.Request, own binding) {
	origin, _ := url.Parse(b.originOf(r))
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
			"type": "cookie", "name": cookieName, "attributes": b.attributes,
		}},
	})
}

// originOf returns the origin of a request, without looking at it.
func (b *Binder) originOf(r *http.Request) string { return cmp.Or(b.origin, "https://"+r.Host) }

func isHost(host string) bool {
	_, err := url.Parse("https://" + host)
	return err == nil
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
