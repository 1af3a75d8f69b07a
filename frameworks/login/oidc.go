package login

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	attemptKey  = "login"    // a visitor who is at the provider
	verifiedKey = "verified" // one who is back, in the login cookie
)

// An attempt is a login under way. The visitor may read it: it is worthless without
// the code, which the provider sends to this browser.
type attempt struct {
	State    string // ties the answer to this browser
	Nonce    string // ties the ID token to this attempt
	Verifier string // ties the code to this attempt (PKCE)
	Next     string
	Remember bool
	Until    time.Time
}

// begin sends the visitor to the provider. It takes a form of this site: a link of another
// one would replace the login that is under way.
func (s *site) begin(w http.ResponseWriter, r *http.Request) {
	login := attempt{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		Next:     LocalPath(r.FormValue("next")),
		Remember: r.PostFormValue("remember") == "on", // a link can't choose that
		Until:    s.Now().Add(loginTime),
	}
	session, _ := loginSession(r)
	session.Set(attemptKey, login)
	options := []oauth2.AuthCodeOption{oidc.Nonce(login.Nonce), oauth2.S256ChallengeOption(login.Verifier)}
	if s.FormPost {
		options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
	}
	http.Redirect(w, r, s.oauth.AuthCodeURL(login.State, options...), http.StatusSeeOther)
}

// callback takes the provider's answer. An answer with another state changes nothing:
// it may be anybody's. One with the right state ends the attempt, unless the provider
// gives no tokens for now.
func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	session, ownCookie := loginSession(r)
	login, err := cookiestore.Lookup[attempt](session, attemptKey)
	if err != nil || !equal(r.FormValue("state"), login.State) {
		s.refuse(w, r, &refusal{http.StatusBadRequest, "This is not the answer to a login that this browser has begun.", err})
		return
	}
	p, refused := s.verify(r, login)
	session.Delete(attemptKey) // which a status of 502 doesn't save: the page can be reloaded
	switch {
	case refused != nil:
		s.refuse(w, r, refused)
	case ownCookie:
		session.Set(verifiedKey, p)
		bounce(w)
	default:
		s.signIn(w, r, p)
	}
}

// verify returns whom the provider's answer is about.
func (s *site) verify(r *http.Request, login attempt) (p pending, refused *refusal) {
	switch {
	case s.Now().After(login.Until):
		return p, &refusal{http.StatusBadRequest, "This login took too long.", nil}
	case r.FormValue("error") != "":
		return p, &refusal{http.StatusForbidden, "The provider has not signed you in.", nil}
	}
	ctx := oidc.ClientContext(r.Context(), s.Client)
	token, err := s.oauth.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(login.Verifier))
	if invalidGrant(err) {
		return p, &refusal{http.StatusBadRequest, "The provider does not accept this login.", err}
	} else if err != nil {
		return p, &refusal{http.StatusBadGateway, "The provider does not answer as it should. Please reload this page.", err}
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := s.provider.Verifier(&oidc.Config{ClientID: s.ClientID, Now: s.Now}).Verify(ctx, raw)
	if noKeys(err) { // the code is used up, so that reloading won't help
		return p, &refusal{http.StatusBadGateway, "The provider's answer can't be checked now.", err}
	} else if err != nil || !equal(id.Nonce, login.Nonce) {
		return p, &refusal{http.StatusBadRequest, "The provider's ID token is not for this login.", err}
	}
	p = pending{Issuer: id.Issuer, Subject: id.Subject, Next: login.Next, Remember: login.Remember, Since: s.Now()}
	if s.KeepTokens {
		p.Tokens = token
	}
	return p, nil
}

// invalidGrant reports whether the provider has said that the code, or the refresh token,
// is worthless. With any other answer, such as too many requests, it may be good later.
func invalidGrant(err error) bool {
	var answer *oauth2.RetrieveError
	return errors.As(err, &answer) && answer.ErrorCode == "invalid_grant"
}

// noKeys reports whether an ID token was refused only because the provider's keys could
// not be fetched. go-oidc has no other sign of it than the text.
func noKeys(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "failed to verify signature: fetching keys ")
}

// equal takes the same time wherever the strings differ.
func equal(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// bounce answers with a page of this site, which asks for the next one. With that
// request, unlike with the provider's, the browser sends the session's cookie.
func bounce(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the code is in this page's address
	io.WriteString(w, `<!DOCTYPE html><title>Signing in</title>
<meta http-equiv="refresh" content="0; url=/login/done">
<p><a href="/login/done">Continue</a></p>
`)
}

// done is the page after the bounce: the login moves from its own cookie to the session.
func (s *site) done(w http.ResponseWriter, r *http.Request) {
	login, _ := loginSession(r)
	p, err := cookiestore.Lookup[pending](login, verifiedKey)
	if err != nil || s.Now().Sub(p.Since) > bounceTime {
		s.refuse(w, r, &refusal{http.StatusBadRequest, "There is no login to finish.", err})
		return
	}
	login.Flush()
	s.signIn(w, r, p)
}

type refusal struct {
	status int
	text   string // for the visitor
	cause  error  // for the log
}

func (s *site) refuse(w http.ResponseWriter, r *http.Request, why *refusal) {
	s.Logger.InfoContext(r.Context(), "login refused", "reason", why.text, "cause", why.cause)
	http.Error(w, why.text+"\nTo try again, go to "+s.URL+"/login", why.status)
}
