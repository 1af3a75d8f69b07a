package cookiestore_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A site is a manager with revocations and a clock, and what a test does with it.
type revokingSite struct {
	t     *testing.T
	m     *cookiestore.Manager
	now   time.Time
	store cookiestore.Store
	r     *countingRevocations
}

// countingRevocations counts the questions, and fails if told to.
type countingRevocations struct {
	cookiestore.Revocations
	asked int
	down  error
	lasts []time.Time
}

func (c *countingRevocations) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	if c.asked++; c.down != nil {
		return false, c.down
	}
	return c.Revocations.Revoked(ctx, s)
}

func (c *countingRevocations) Revoke(ctx context.Context, id string, until time.Time) error {
	if err := cmp.Or(c.down, ctx.Err()); err != nil {
		return err
	}
	c.lasts = append(c.lasts, until)
	return c.Revocations.Revoke(ctx, id, until)
}

func (c *countingRevocations) RevokeUser(ctx context.Context, user string, upTo, until time.Time) error {
	c.lasts = append(c.lasts, until)
	return c.Revocations.RevokeUser(ctx, user, upTo, until)
}

func newRevokingSite(t *testing.T, options ...cookiestore.Option) *revokingSite {
	site := &revokingSite{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), store: newStore(t)}
	clock := func() time.Time { return site.now }
	site.r = &countingRevocations{Revocations: cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(clock))}
	all := append([]cookiestore.Option{quiet, cookiestore.WithClock(clock), cookiestore.WithRevocations(site.r, "user")}, options...)
	var err error
	site.m, err = cookiestore.NewManager(site.store, all...)
	require.NoError(t, err)
	return site
}

// load returns the session of a cookie, and save the cookie of a session.
func (s *revokingSite) load(cookie string) *cookiestore.Session {
	session, err := s.m.Load(s.t.Context(), "sessionid="+cookie)
	require.NoError(s.t, err)
	return session
}

func (s *revokingSite) save(session *cookiestore.Session) string {
	cookies, err := s.m.Save(s.t.Context(), session)
	require.NoError(s.t, err)
	if len(cookies) == 0 || cookies[0].MaxAge < 0 {
		return ""
	}
	return cookies[0].Value
}

// login begins a session of a user, as a login does.
func (s *revokingSite) login(user any) string {
	session, err := s.m.Load(s.t.Context())
	require.NoError(s.t, err)
	session.CycleKey()
	session.Set("user", user)
	return s.save(session)
}

func (s *revokingSite) wait(d time.Duration) { s.now = s.now.Add(d) }

func TestIdentity(t *testing.T) {
	site := newRevokingSite(t)
	session, err := site.m.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, session.ID())
	require.Zero(t, session.StartedAt())
	session.Set("a", 1)
	cookie := site.save(session)
	id := session.ID()
	require.Len(t, id, 22, "128 bits in base64url")
	require.Equal(t, site.now, session.StartedAt().UTC())

	began := site.now
	for range 3 {
		site.wait(time.Hour)
		session = site.load(cookie)
		require.Equal(t, id, session.ID(), "no save moves it")
		require.Equal(t, began, session.StartedAt().UTC())
		require.Equal(t, []string{"a"}, session.Keys(), "it is not a key of the handler's")
		session.Set("a", 2)
		session.Delete("_session_id")
		session.Clear()
		session.Set("a", 3)
		cookie = site.save(session)
	}

	session = site.load(cookie)
	session.CycleKey()
	require.NotEqual(t, id, session.ID(), "new at once")
	require.Equal(t, site.now, session.StartedAt().UTC())
	cycled := session.ID()
	cookie = site.save(session)
	require.Equal(t, cycled, site.load(cookie).ID())

	session = site.load(cookie)
	session.Flush()
	require.Empty(t, session.ID())
	session.Set("a", 1)
	site.save(session)
	require.NotContains(t, []string{"", id, cycled}, session.ID())

	session = site.load(cookie)
	session.Set("_session_id", "mine")
	require.ErrorContains(t, session.Err(), "reserved for WithRevocations")
}

func TestIdentityWithoutRevocations(t *testing.T) {
	m, err := cookiestore.NewManager(newStore(t), quiet)
	require.NoError(t, err)
	var s cookiestore.Session
	s.Set("a", 1)
	s.CycleKey()
	cookie, err := saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.Empty(t, s.ID())
	require.Zero(t, s.StartedAt())
	rec, err := newStore(t).Load(t.Context(), "sessionid", cookie.Value)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, rec.Data)
	require.ErrorContains(t, m.RevokeUser(t.Context(), "7"), "RevokeUser needs WithRevocations")
	_, err = cookiestore.NewManager(newStore(t), cookiestore.WithRevocations(nil, "user"))
	require.ErrorContains(t, err, "the revocations are nil")
}

func TestWhatEndsCopiesOfACookie(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(site *revokingSite, s *cookiestore.Session)
		ends bool
	}{
		{"a flush", func(_ *revokingSite, s *cookiestore.Session) { s.Flush() }, true},
		{"a flush and another session", func(_ *revokingSite, s *cookiestore.Session) { s.Flush(); s.Set("user", 8) }, true},
		{"two flushes", func(_ *revokingSite, s *cookiestore.Session) { s.Flush(); s.Set("a", 1); s.Flush() }, true},
		{"a cycled key", func(_ *revokingSite, s *cookiestore.Session) { s.CycleKey() }, true},
		{"two cycled keys", func(_ *revokingSite, s *cookiestore.Session) { s.CycleKey(); s.CycleKey() }, true},
		{"a cycled key and then a flush", func(_ *revokingSite, s *cookiestore.Session) { s.CycleKey(); s.Flush() }, true},
		{"clearing it", func(_ *revokingSite, s *cookiestore.Session) { s.Clear() }, true},
		{"deleting all that is in it", func(_ *revokingSite, s *cookiestore.Session) { s.Delete("user") }, true},
		{"an expiry in the past", func(_ *revokingSite, s *cookiestore.Session) { s.SetExpiry(cookiestore.After(-1)) }, true},
		{"signing out everywhere", func(site *revokingSite, _ *cookiestore.Session) {
			require.NoError(site.t, site.m.RevokeUser(site.t.Context(), "7"))
		}, true},
		{"signing somebody else out", func(site *revokingSite, _ *cookiestore.Session) {
			require.NoError(site.t, site.m.RevokeUser(site.t.Context(), "8"))
		}, false},
		{"a change", func(_ *revokingSite, s *cookiestore.Session) { s.Set("a", 1) }, false},
		{"reading it", func(_ *revokingSite, s *cookiestore.Session) { s.Get("user") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := newRevokingSite(t)
			copied := site.login(7)
			site.wait(time.Minute)
			session := site.load(copied)
			require.Equal(t, 7, session.Get("user"))
			test.end(site, session)
			site.save(session)
			for range 3 {
				site.wait(time.Hour)
				again := site.load(copied)
				require.Equal(t, test.ends, again.IsNew())
				if test.ends {
					require.ErrorIs(t, again.Refused(), cookiestore.ErrRevoked)
					require.Empty(t, again.Keys())
				}
			}
		})
	}
}

// A visitor who leaves before the answer has still logged out, or in.
func TestSessionsAreEndedThoughTheVisitorLeaves(t *testing.T) {
	for name, end := range map[string]func(*cookiestore.Session){
		"Flush":    (*cookiestore.Session).Flush,
		"CycleKey": (*cookiestore.Session).CycleKey,
	} {
		t.Run(name, func(t *testing.T) {
			site := newRevokingSite(t)
			cookie := site.login("zoe")
			session := site.load(cookie)
			end(session)
			gone, leave := context.WithCancel(t.Context())
			leave()
			_, err := site.m.Save(gone, session)
			require.NoError(t, err)
			require.ErrorIs(t, site.load(cookie).Refused(), cookiestore.ErrRevoked)
		})
	}
}

func TestSigningOutEverywhere(t *testing.T) {
	site := newRevokingSite(t)
	phone, laptop, other := site.login(7), site.login("7"), site.login("8")
	site.wait(time.Second)
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	require.True(t, site.load(phone).IsNew(), "a number and a string are one user")
	require.True(t, site.load(laptop).IsNew())
	require.False(t, site.load(other).IsNew())
	site.wait(time.Microsecond)
	require.False(t, site.load(site.login("7")).IsNew(), "a login that follows lasts")
}

// A session from before the option began when it was last saved, once, and gets an ID at
// the next save.
func TestSessionsFromBeforeRevocations(t *testing.T) {
	site := newRevokingSite(t)
	old, _, err := site.store.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: site.now.Add(-time.Hour)})
	require.NoError(t, err)
	session := site.load(old)
	id := session.ID()
	require.Len(t, id, 22)
	require.Equal(t, id, site.load(old).ID(), "all copies have the same")
	require.Equal(t, site.now.Add(-time.Hour), session.StartedAt().UTC())
	session.Set("a", 1)
	saved := site.save(session)
	require.Equal(t, id, site.load(saved).ID(), "and the save keeps it")
	require.Equal(t, site.now.Add(-time.Hour), site.load(saved).StartedAt().UTC(), "the save has not moved it")
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	require.True(t, site.load(old).IsNew())
	require.True(t, site.load(saved).IsNew())

	old, _, err = site.store.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"user":8}`, Saved: site.now})
	require.NoError(t, err)
	session = site.load(old)
	session.Flush()
	site.save(session)
	require.ErrorIs(t, site.load(old).Refused(), cookiestore.ErrRevoked, "a flush ends its copies")
}

// An entry must last as long as any copy of the cookie could, also one that was saved after
// the copy in hand, or given another expiry.
func TestRevocationsOutliveEveryCopy(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name    string
		options []cookiestore.Option
		thief   cookiestore.Expiry
		until   time.Duration // from the log-out
		lasts   time.Duration // the thief's copy, from the log-out
	}{
		{"one that was saved later", nil, cookiestore.Default, 400 * day, 6 * day},
		{"one that was given a longer expiry", nil, cookiestore.After(365 * day), 400 * day, 363 * day},
		{"one under a long maximum age", []cookiestore.Option{cookiestore.WithMaxAge(500 * day)}, cookiestore.Default, 500 * day, 498 * day},
		{"one that has a lifetime", []cookiestore.Option{cookiestore.WithLifetime(20 * day)}, cookiestore.After(365 * day), 20 * day, 10 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			site := newRevokingSite(t, test.options...)
			stolen := site.login(7)
			site.wait(7 * day)
			thief := site.load(stolen)
			thief.Set("a", 1)
			thief.SetExpiry(test.thief)
			copied := site.save(thief)
			site.wait(day)
			session := site.load(stolen)
			session.Flush()
			site.save(session)
			require.Equal(t, site.now.Add(test.until).Unix(), site.r.lasts[len(site.r.lasts)-1].Unix())
			site.wait(test.lasts)
			require.ErrorIs(t, site.load(copied).Refused(), cookiestore.ErrRevoked)
		})
	}
}

func TestEndingAUsersSessionsLasts(t *testing.T) {
	const year = 365 * 24 * time.Hour
	site := newRevokingSite(t)
	cookie := site.login(7)
	session := site.load(cookie)
	session.SetExpiry(cookiestore.After(5 * year))
	cookie = site.save(session)
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	require.True(t, site.r.lasts[len(site.r.lasts)-1].IsZero(), "SetExpiry has no bound")
	site.wait(4 * year)
	require.NoError(t, site.r.Revoke(t.Context(), "somebody else", site.now.Add(year))) // which forgets old entries
	require.ErrorIs(t, site.load(cookie).Refused(), cookiestore.ErrRevoked)

	site = newRevokingSite(t, cookiestore.WithLifetime(year))
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	require.Equal(t, site.now.Add(year), site.r.lasts[len(site.r.lasts)-1])
}

// What happens one after the other within a microsecond is told apart.
func TestSessionsThatBeginAfterTheirUsersWereEnded(t *testing.T) {
	site := newRevokingSite(t)
	session := site.load(site.login(7))
	for range 3 {
		session.SetModified()
		before := site.save(session)
		require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
		session.CycleKey()
		kept := site.save(session)
		require.ErrorIs(t, site.load(before).Refused(), cookiestore.ErrRevoked)
		session = site.load(kept)
		require.NoError(t, session.Refused(), "the clock stood still")
	}
	require.NoError(t, site.load(site.login(7)).Refused(), "and so for a login")
	last := site.login(7)
	site.wait(-time.Hour)
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	site.wait(time.Hour)
	require.NoError(t, site.load(last).Refused(), "a clock that was set back counts")
}

func TestOneUserInSeveralSpellings(t *testing.T) {
	for _, id := range []any{7, "7", int64(7), 7.0, float32(7), json.Number("7.0"), json.Number("7e0"), json.Number("0.7e1")} {
		site := newRevokingSite(t)
		cookie := site.login(id)
		require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
		require.ErrorIs(t, site.load(cookie).Refused(), cookiestore.ErrRevoked, "%T %v", id, id)
	}
	for _, id := range []any{7.5, "7.0", "7e0", 70, json.Number("1e300")} {
		site := newRevokingSite(t)
		cookie := site.login(id)
		require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
		require.NoError(t, site.load(cookie).Refused(), "%T %v", id, id)
	}
}

func TestRevocationsThatCannotBeAsked(t *testing.T) {
	down := errors.New("the backend is down")
	site := newRevokingSite(t)
	cookie := site.login(7)
	site.r.down = down
	_, err := site.m.Load(t.Context(), "sessionid="+cookie)
	require.ErrorIs(t, err, down)
	require.ErrorContains(t, err, "revocations can't be asked")

	site.r.down = nil
	for _, end := range []func(*cookiestore.Session){(*cookiestore.Session).Flush, (*cookiestore.Session).CycleKey} {
		session := site.load(cookie)
		site.r.down = down
		end(session)
		cookies, err := site.m.Save(t.Context(), session)
		require.ErrorIs(t, err, down)
		require.ErrorContains(t, err, "session can't be revoked")
		require.Empty(t, cookies, "the visitor is told, and stays logged in")
		site.r.down = nil
		require.Equal(t, 7, site.load(cookie).Get("user"))
	}
}

// A store of records has deleted the old one by then: an error would cost the session.
func TestCyclingARecordWhenRevocationsCannotBeTold(t *testing.T) {
	site := newRevokingSite(t)
	store := newRows()
	var log syncBuffer
	var err error
	site.m, err = cookiestore.NewManager(store, cookiestore.WithRevocations(site.r, "user"),
		cookiestore.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	cookie := site.login(7)
	session := site.load(cookie)
	session.CycleKey()
	site.r.down = errors.New("the backend is down")
	cycled := site.save(session)
	site.r.down = nil
	require.NotEqual(t, cookie, cycled)
	require.Equal(t, 7, site.load(cycled).Get("user"))
	require.ErrorIs(t, site.load(cookie).Refused(), cookiestore.ErrNoSession)
	require.Contains(t, log.String(), "its old ID not revoked")
}

func TestUntouchedRequestsAskNobody(t *testing.T) {
	site := newRevokingSite(t)
	cookie := site.login(7)
	v := newVisitor(t, site.store, cookiestore.WithClock(func() time.Time { return site.now }), cookiestore.WithRevocations(site.r, "user"))
	v.cookie = "sessionid=" + cookie
	before := site.r.asked
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {})
	require.Equal(t, before, site.r.asked)
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Get("a")
		s.Get("b")
		s.Set("c", 1)
	})
	require.Equal(t, before+1, site.r.asked, "once a request")
}

// Several cookies of one name are ended together.
func TestFlushRevokesEveryCookie(t *testing.T) {
	site := newRevokingSite(t)
	older := site.login(7)
	site.wait(time.Minute)
	newer := site.login(7)
	session, err := site.m.Load(t.Context(), "sessionid="+older+"; sessionid="+newer)
	require.NoError(t, err)
	session.Flush()
	cookies, err := site.m.Save(t.Context(), session)
	require.NoError(t, err)
	require.NotEmpty(t, cookies)
	for _, cookie := range []string{older, newer} {
		require.ErrorIs(t, site.load(cookie).Refused(), cookiestore.ErrRevoked)
	}
}

// A thief with a cookie that was ended tries everything that saves a session.
func TestAStolenCookieStaysWorthless(t *testing.T) {
	site := newRevokingSite(t, cookiestore.WithRenewal(0.01), cookiestore.WithSaveEveryRequest(), cookiestore.WithLifetime(300*24*time.Hour))
	stolen := site.login(7)
	site.wait(time.Hour)
	session := site.load(stolen)
	session.Set("a", 1)
	renewed := site.save(session)
	require.NoError(t, site.m.RevokeUser(t.Context(), "7"))
	for _, endpoint := range []func(*cookiestore.Session){
		func(s *cookiestore.Session) { s.Get("user") },
		func(s *cookiestore.Session) { s.Set("user", s.Get("user")) },
		func(s *cookiestore.Session) { s.CycleKey() },
		func(s *cookiestore.Session) { s.SetModified() },
		func(s *cookiestore.Session) { s.AddFlash("please log in") },
		func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(365 * 24 * time.Hour)) },
		func(s *cookiestore.Session) { s.SetTestCookie() },
		func(s *cookiestore.Session) { s.Flush(); s.Set("a", 1) },
	} {
		for _, cookie := range []string{stolen, renewed} {
			for range 2 {
				session := site.load(cookie)
				require.ErrorIs(t, session.Refused(), cookiestore.ErrRevoked)
				require.Nil(t, session.Get("user"))
				endpoint(session)
				if won := site.save(session); won != "" {
					require.Nil(t, site.load(won).Get("user"), "what it gets is a new session")
				}
				site.wait(time.Minute)
			}
		}
	}
	require.False(t, strings.Contains(stolen, "user"))
}

// A request empties the session while another one puts something in: it isn't ended.
func TestASessionThatIsEmptiedAndUsedMeanwhileIsNotEnded(t *testing.T) {
	for name, inner := range map[string]struct {
		does  func(*cookiestore.Session)
		empty bool
	}{
		"the other sets a value": {func(s *cookiestore.Session) { s.Set("b", 2) }, false},
		"the other flushes it":   {func(s *cookiestore.Session) { s.Flush() }, true},
		"the other only reads":   {func(s *cookiestore.Session) { s.Get("a") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			revocations := cookiestore.NewMemoryRevocations()
			v := newVisitor(t, newRows(), cookiestore.WithRevocations(revocations, "user"))
			var id string
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.CycleKey()
				s.Set("a", 1)
				id = s.ID()
			})
			cookie := v.cookie
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Clear()
				v.get(func(_ http.ResponseWriter, _ *http.Request, other *cookiestore.Session) { inner.does(other) })
			})
			v.cookie = cookie
			if inner.empty {
				require.Nil(t, v.value("a"))
			} else {
				require.Equal(t, 2, v.value("b"))
			}
			revoked, err := revocations.Revoked(t.Context(), cookiestore.Identity{ID: id, StartedAt: time.Now()})
			require.NoError(t, err)
			require.Equal(t, inner.empty, revoked)
		})
	}
}
