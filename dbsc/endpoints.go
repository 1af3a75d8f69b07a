package dbsc

import (
	"cmp"
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
	session := b.session(r)
	session.SkipRenewal() // other responses may be changing the session at the same time
	switch {
	case session.Err() != nil: // the middleware answers
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

// register binds the session of an offer to the key that the browser has made. It needs no
// session's cookie, which browsers leave out if another site has led to the login, and sets
// none, since the page after the login may be changing it.
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
	challenge, key, err := readProof(unquoted(r.Header.Get("Secure-Session-Response")), nil)
	if err != nil {
		return own, &forged{err}
	}
	offer, err := b.useChallenge(r, offerName, challenge)
	if err != nil {
		return own, err
	}
	if s, _ := stateOf(b.session(r)); s.offer != "" && s.offer != offer {
		return own, &forged{errors.New("the challenge is that of another session")}
	}
	if shared := b.sessions.Revocations(); shared != nil {
		if err := shared.Revoke(r.Context(), "dbsc."+offer, b.sessions.Now().Add(offerEnds)); err != nil {
			return own, &unavailable{err}
		}
	}
	return b.newBinding(offer, key), nil
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
	case r.Header.Get("Secure-Session-Response") == "": // the session may be about to get another cookie
		b.challenge(w, own)
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

// renew answers a refresh by its proof: that the key has signed a challenge for it.
func (b *Binder) renew(w http.ResponseWriter, r *http.Request, own binding) {
	challenge, _, err := readProof(unquoted(r.Header.Get("Secure-Session-Response")), own.key)
	if err != nil {
		err = &forged{err}
	} else {
		var id string
		id, err = b.useChallenge(r, refreshName, challenge)
		if err == nil && id != own.id {
			err = &forged{errors.New("the challenge is that of another session")}
		}
	}
	switch {
	case err == nil:
		b.answer(w, r, own)
	case errors.As(err, new(*unavailable)):
		b.refuse(w, r, "refresh refused", err, http.StatusServiceUnavailable)
	default:
		b.report(r, "refresh refused", err)
		b.challenge(w, own)
	}
}

// challenge has the browser come again with a proof.
func (b *Binder) challenge(w http.ResponseWriter, own binding) {
	challenge := b.newChallenge(refreshName, own.id)
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
