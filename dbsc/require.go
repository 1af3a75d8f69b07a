package dbsc

import (
	"errors"
	"net/http"
	gopath "path"
	"slices"
	"strings"
	"time"

	"example.com/cookiestore"
)

// Require refuses the requests of bound sessions that come without the bound cookie, and
// answers registrations and refreshes. Put it inside of the session's middleware. Sessions
// that are not bound are those of browsers without DBSC, and pass.
func (b *Binder) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == registerPath, r.URL.Path == refreshPath:
			b.ServeHTTP(w, r)
			return
		case len(r.Header["Cookie"]) == 0, b.isExcluded(r.URL.Path): // nothing can be bound
			next.ServeHTTP(w, r)
			return
		}
		err := b.check(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
			return
		case b.reportOnly:
			b.report(r, unboundRequest, err)
			next.ServeHTTP(w, r)
			return
		case errors.As(err, new(*unavailable)):
			b.refuse(w, r, unboundRequest, err, http.StatusServiceUnavailable)
			return
		}
		b.report(r, unboundRequest, err)
		b.session(r).SkipRenewal() // a stolen session doesn't last longer by this
		if len(r.CookiesNamed(cookieName)) > 0 {
			b.dropBoundCookie(w)
		}
		b.unbound(w, r, b.session(r), next)
	})
}

const unboundRequest = "unbound request of a bound session"

// isExcluded reports whether a path is one of those, or below. A path that some server
// behind may take for another one is not.
func (b *Binder) isExcluded(path string) bool {
	if strings.ContainsAny(path, `\;%`) || gopath.Clean(path) != strings.TrimSuffix(path, "/") {
		return false
	}
	return slices.ContainsFunc(b.excluded, func(excluded string) bool {
		return path == excluded || strings.HasPrefix(path, strings.TrimSuffix(excluded, "/")+"/")
	})
}

var (
	errUnbound   = errors.New("the bound cookie is missing, has ended, or is another session's")
	errWithdrawn = errors.New("the session is from before it was bound, and comes without the bound cookie")
)

// check returns why a request must not have its session, or nil.
func (b *Binder) check(r *http.Request) error {
	session := b.session(r)
	s, err := stateOf(session)
	if err != nil || s.offer == "" {
		return err
	}
	now := b.sessions.Now()
	offered, shared := time.Unix(s.at, 0), b.sessions.Revocations()
	settled := !now.Before(offered.Add(grace))
	if id, _, ok := b.boundBy(r, s, now); ok {
		// In a cookie, a note may overwrite what another response changes. Where the offer was
		// withdrawn, there is time until a page is loaded.
		if s.bound == "" && (shared == nil || settled && r.Header.Get("Sec-Fetch-Mode") == "navigate") {
			s.bound = id
			session.SetOptional(Key, s.String())
		}
		return nil
	}
	switch {
	case !settled:
		return nil
	case s.bound != "":
		return errUnbound
	case shared == nil:
		return nil
	case !now.Before(offered.Add(offerEnds)):
		return errWithdrawn
	}
	switch withdrawn, err := shared.Revoked(r.Context(), cookiestore.Identity{ID: "dbsc." + s.offer, StartedAt: now}); {
	case err != nil:
		return &unavailable{err}
	case withdrawn:
		return errWithdrawn
	}
	return nil
}

// Refuse answers an unbound request with 401, and a click on another site with a page that
// has the browser come again: then it refreshes first. It is the default.
func Refuse(w http.ResponseWriter, r *http.Request, _ *cookiestore.Session, _ http.Handler) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if isClick(r) {
		_, _ = w.Write([]byte(`<!DOCTYPE html><meta http-equiv="refresh" content="0"><title>One moment</title>`))
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`<!DOCTYPE html><title>Not signed in</title><p>This session belongs to another browser, or could not be refreshed. ` +
		`Load the page again, or sign in again.</p>`))
}

// isClick reports whether a request is a navigation that another site has caused.
func isClick(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && isFromElsewhere(r)
}

// isFromElsewhere reports whether another site, or another host of this one, has caused a
// request: browsers don't refresh for those.
func isFromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// StartOver ends the session, for every copy of its cookies where it can, and has the
// handler answer a visitor without one: for an [UnboundHandler] of sites where somebody
// who is logged out can go on. Requests that other sites cause get what [Refuse] answers.
// Mind that a refresh that failed logs the visitor out, too.
func StartOver(w http.ResponseWriter, r *http.Request, session *cookiestore.Session, next http.Handler) {
	if isFromElsewhere(r) {
		Refuse(w, r, session, next)
		return
	}
	session.Flush()
	next.ServeHTTP(w, r)
}

// A Status says whether a session is bound.
type Status struct {
	Offered time.Time // when a browser was last asked to register; zero for never
	Bound   bool
	Until   time.Time // when the bound cookie of the request ends; zero without a good one
}

// Status returns that of the request's session, for pages that show it.
func (b *Binder) Status(r *http.Request) Status {
	s, err := stateOf(b.session(r))
	if err != nil || s.offer == "" {
		return Status{}
	}
	_, until, good := b.boundBy(r, s, b.sessions.Now())
	return Status{Offered: time.Unix(s.at, 0), Bound: good || s.bound != "", Until: until}
}

// report logs and counts a refusal: once for each session and cause.
func (b *Binder) report(r *http.Request, what string, err error) {
	subject := cookiestore.Get(b.session(r), Key, "") + r.Header.Get("Sec-Secure-Session-Id") + err.Error()
	b.sessions.Report(r, what, subject, cookiestore.Event{Kind: cookiestore.EventRefused, Reason: reasonOf(err), Err: err})
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, errUnbound), errors.Is(err, errWithdrawn):
		return "unbound"
	case errors.Is(err, errStale):
		return "stale challenge"
	case errors.Is(err, errReplayed):
		return "replayed challenge"
	case errors.As(err, new(*forged)):
		return "forged proof"
	case errors.As(err, new(*unavailable)):
		return "failed"
	}
	return "refused"
}
