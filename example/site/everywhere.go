package site

import (
	"context"
	"errors"
	"net/http"
	"time"

	"example.com/cookiestore"
)

// revocations returns where it is noted which sessions were ended, or nil if it is not.
func (c Config) revocations(backend Backend, now func() time.Time) (cookiestore.Revocations, error) {
	switch {
	case backend.Revocations != nil:
		options := append([]cookiestore.CacheOption{cookiestore.WithCacheClock(now)}, backend.WhenDown...)
		// Each instance asks about a session once in that time.
		return cookiestore.CachedRevocations(backend.Revocations, backend.revokedWithin(), 100_000, options...), nil
	case c.revoke == "off":
		return nil, nil
	case c.revoke == "memory":
		return cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(now)), nil
	}
	// What it is may hold a password.
	return nil, Usagef("-revoke is neither off nor memory: a database and Redis are for go run ./example/databases")
}

// An endings says how sessions end on this site.
type endings struct {
	On     bool
	Shared bool // by all instances
	Within remaining
	Ended  bool // the browser's session was, though it could have lasted
}

func (s *site) endings(session *cookiestore.Session) endings {
	return endings{
		On:     s.revocations != nil,
		Shared: s.backend.Revocations != nil,
		Within: remaining{s.backend.revokedWithin()},
		Ended:  errors.Is(session.Refused(), cookiestore.ErrRevoked),
	}
}

// showEverywhere shows whose session this is, and what to do to end all of them.
func (s *site) showEverywhere(w http.ResponseWriter, r *http.Request) {
	render(w, r, "everywhere.html", nil)
}

// logoutEverywhere ends all sessions of the user, on every device, where the site notes
// which sessions were ended.
func (s *site) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	user, err := cookiestore.Lookup[string](session, userKey)
	switch {
	case s.revocations == nil:
		render(w, r, "logout-everywhere.html", nil)
		return
	case err != nil:
		renderStatus(w, r, http.StatusUnauthorized, "unauthorized.html", nil)
		return
	}
	if err := endAllSessions(r.Context(), s.sessions, user); err != nil {
		s.logger.ErrorContext(r.Context(), "sessions can't be ended", "error", err)
		notSaved(w, r, err)
		return
	}
	render(w, r, "logout-everywhere.html", user)
}

// endAllSessions ends all sessions of a user, on every device, and this one.
func endAllSessions(ctx context.Context, sessions *cookiestore.Manager, user string) error {
	if err := sessions.RevokeUser(ctx, user); err != nil {
		return err // nothing was ended, so the visitor stays signed in here, too
	}
	cookiestore.FromContext(ctx).Flush()
	return nil
}
