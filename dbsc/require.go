package dbsc

import (
	"errors"
	"net/http"
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
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		const what = "unbound request of a bound session"
		if errors.As(err, new(*unavailable)) {
			b.refuse(w, r, what, err, http.StatusServiceUnavailable)
			return
		}
		b.report(r, what, err)
		if b.reportOnly {
			next.ServeHTTP(w, r)
		} else {
			b.unbound(w, r, next)
		}
	})
}

// isExcluded reports whether a path is one of those, or below.
func (b *Binder) isExcluded(path string) bool {
	for _, excluded := range b.excluded {
		rest, ok := strings.CutPrefix(path, strings.TrimSuffix(excluded, "/"))
		if ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

var (
	errUnbound   = errors.New("the bound cookie is missing, has ended, or is another session's")
	errWithdrawn = errors.New("the session is from before it was bound, and comes without the bound cookie")
)

// check returns why a request must not have its session, or nil.
func (b *Binder) check(r *http.Request) error {
	session := cookiestore.FromContext(r.Context())
	s, err := stateOf(session)
	if err != nil {
		return err
	}
	now := b.sessions.Now()
	if id, _, ok := b.boundBy(r, s, now); ok {
		if s.bound == "" { // a response that was under way has set the session from before
			s.bound = id
			b.save(r, s)
		}
		return nil
	}
	shared := b.sessions.Revocations()
	switch {
	case s.offer == "" || now.Before(time.Unix(s.at, 0).Add(grace)):
		return nil
	case s.bound != "":
		return errUnbound
	case shared == nil:
		return nil
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
func Refuse(w http.ResponseWriter, r *http.Request, _ http.Handler) {
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
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && (site == "cross-site" || site == "same-site")
}

// StartOver ends the session, for every copy of its cookies where it can, and has the
// handler answer a visitor without one: for an [UnboundHandler] of sites where somebody
// who is logged out can go on. Mind that a refresh that failed logs the visitor out, too.
func StartOver(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if isClick(r) {
		Refuse(w, r, next)
		return
	}
	cookiestore.FromContext(r.Context()).Flush()
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
	s, err := stateOf(cookiestore.FromContext(r.Context()))
	if err != nil || s.offer == "" {
		return Status{}
	}
	_, until, _ := b.boundBy(r, s, b.sessions.Now())
	return Status{Offered: time.Unix(s.at, 0), Bound: s.bound != "", Until: until}
}

// report logs and counts a refusal: once for each session and cause.
func (b *Binder) report(r *http.Request, what string, err error) {
	subject := cookiestore.Get(cookiestore.FromContext(r.Context()), Key, "") + r.Header.Get("Sec-Secure-Session-Id") + err.Error()
	b.sessions.Report(r, what, subject, cookiestore.Event{Kind: cookiestore.EventRefused, Reason: reasonOf(err), Err: err})
}

func reasonOf(err error) string {
	for known, word := range map[error]string{
		errUnbound: "unbound", errWithdrawn: "unbound", errStale: "stale challenge", errReplayed: "replayed challenge",
	} {
		if errors.Is(err, known) {
			return word
		}
	}
	if errors.As(err, new(*unavailable)) {
		return "failed"
	}
	return "forged proof"
}
