package cookiestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

type ctx = context.Context

// quiet keeps refusals that a test means to cause out of its output.
var quiet = cookiestore.WithLogger(slog.New(slog.DiscardHandler))

func TestOptionsThatContradict(t *testing.T) {
	type options = []cookiestore.Option
	for _, test := range []struct {
		name    string
		options options
		says    string // "" means that it is fine
	}{
		{"the defaults", nil, ""},
		{"__Host- as it must be", options{cookiestore.WithName("__Host-session")}, ""},
		{"__Host- with a domain", options{cookiestore.WithName("__Host-session"), cookiestore.WithDomain("example.org")}, `cookie "__Host-session": the prefix __Host- allows no Domain, and it is "example.org"`},
		{"__Host- with a path", options{cookiestore.WithName("__Host-session"), cookiestore.WithPath("/app")}, `needs the Path "/", and it is "/app"`},
		{"__Host- without Secure", options{cookiestore.WithName("__Host-session"), cookiestore.WithSecure(false)}, "its prefix needs Secure"},
		{"__host- in lower case", options{cookiestore.WithName("__host-session"), cookiestore.WithSecure(false)}, "its prefix needs Secure"},
		{"__Secure- with domain and path", options{cookiestore.WithName("__Secure-s"), cookiestore.WithDomain("example.org"), cookiestore.WithPath("/app")}, ""},
		{"__Secure- without Secure", options{cookiestore.WithName("__Secure-s"), cookiestore.WithSecure(false)}, "its prefix needs Secure"},
		{"__Http- as it must be", options{cookiestore.WithName("__Http-s")}, ""},
		{"__Http- without HttpOnly", options{cookiestore.WithName("__Http-s"), cookiestore.WithHTTPOnly(false)}, "its prefix needs HttpOnly"},
		{"__Http- without Secure", options{cookiestore.WithName("__Http-s"), cookiestore.WithSecure(false)}, "its prefix needs Secure"},
		{"__Host-Http- without HttpOnly", options{cookiestore.WithName("__Host-Http-s"), cookiestore.WithHTTPOnly(false)}, "its prefix needs HttpOnly"},
		{"__Host-Http- with a domain", options{cookiestore.WithName("__Host-Http-s"), cookiestore.WithDomain("example.org")}, "allows no Domain"},
		{"SameSite=None with Secure", options{cookiestore.WithSameSite(http.SameSiteNoneMode)}, ""},
		{"SameSite=None without Secure", options{cookiestore.WithSameSite(http.SameSiteNoneMode), cookiestore.WithSecure(false)}, "SameSite=None needs Secure"},
		{"Partitioned with Secure", options{cookiestore.WithPartitioned()}, ""},
		{"Partitioned without Secure", options{cookiestore.WithPartitioned(), cookiestore.WithSecure(false)}, "Partitioned needs Secure"},
		{"a domain with a dot before it", options{cookiestore.WithDomain(".example.org")}, ""},
		{"a domain that is none", options{cookiestore.WithDomain("exa mple.org")}, "invalid Cookie.Domain"},
		{"no name", options{cookiestore.WithName("")}, "invalid Cookie.Name"},
		{"a name with a space", options{cookiestore.WithName("session id")}, "invalid Cookie.Name"},
		{"a name that leaves no room", options{cookiestore.WithName(strings.Repeat("x", 4096))}, "leaves no room"},
		{"no path", options{cookiestore.WithPath("")}, "does not begin with a slash"},
		{"a relative path", options{cookiestore.WithPath("app")}, "does not begin with a slash"},
		{"a path with a semicolon", options{cookiestore.WithPath("/a;b")}, "in Cookie.Path"},
		{"an age of nothing", options{cookiestore.WithMaxAge(0)}, "under a second"},
		{"an age under a second", options{cookiestore.WithMaxAge(time.Second - 1)}, "under a second"},
		{"a negative lifetime", options{cookiestore.WithLifetime(-1)}, "the lifetime is negative"},
		{"a negative skew", options{cookiestore.WithClockSkew(-1)}, "the clock skew is negative"},
		{"a renewal of the whole age", options{cookiestore.WithRenewal(1)}, ""},
		{"a renewal of more", options{cookiestore.WithRenewal(1.1)}, "between 0 and 1"},
		{"a renewal in seconds", options{cookiestore.WithRenewal(3600)}, "between 0 and 1"},
		{"a negative renewal", options{cookiestore.WithRenewal(-0.5)}, "between 0 and 1"},
		{"a domain with a dot behind it", options{cookiestore.WithDomain("example.org.")}, `Domain "example.org." ends with a dot`},
		{"a top-level domain", options{cookiestore.WithDomain("org")}, `Domain "org" has no dot in it`},
		{"a top-level domain with a dot before it", options{cookiestore.WithDomain(".org")}, `Domain ".org" has no dot in it`},
		{"localhost", options{cookiestore.WithDomain("Localhost")}, ""},
		{"a path with a blank before it", options{cookiestore.WithPath(" /app")}, "does not begin with a slash"},
		{"a path with a blank behind it", options{cookiestore.WithPath("/app ")}, `Path "/app " ends with a blank`},
		{"a path as long as browsers take", options{cookiestore.WithPath("/" + strings.Repeat("p", 1023))}, ""},
		{"a path that is too long", options{cookiestore.WithPath("/" + strings.Repeat("p", 1024))}, "Path has 1025 bytes, and browsers ignore one of over 1024"},
		{"former scopes", options{cookiestore.WithFormerScope("", "/old"), cookiestore.WithFormerScope("example.org", "/")}, ""},
		{"a former domain with a dot behind it", options{cookiestore.WithFormerScope("", "/"), cookiestore.WithFormerScope("example.org.", "/")}, "ends with a dot"},
		{"a former domain that is none", options{cookiestore.WithFormerScope("exa mple.org", "/")}, "invalid Cookie.Domain"},
		{"no former path", options{cookiestore.WithFormerScope("example.org", "")}, "does not begin with a slash"},
		{"a former path with a semicolon", options{cookiestore.WithFormerScope("", "/a;b")}, "in Cookie.Path"},
		{"__Host- with a former domain", options{cookiestore.WithName("__Host-s"), cookiestore.WithFormerScope("example.org", "/")}, "allows no Domain"},
		{"__Host- with a former path", options{cookiestore.WithName("__Host-s"), cookiestore.WithFormerScope("", "/app")}, `needs the Path "/"`},
		{"no room for a cookie", options{cookiestore.WithMaxCookieSize(0)}, "the maximum cookie size is not positive"},
		{"no room for a value", options{cookiestore.WithMaxCookieSize(109)}, "its name and attributes take 109 bytes of 109, which leaves no room for a value"},
		{"room for a byte", options{cookiestore.WithMaxCookieSize(110)}, ""},
		{"a lifetime under a second", options{cookiestore.WithLifetime(time.Second - 1)}, "the lifetime is under a second"},
		{"a lifetime of a second", options{cookiestore.WithLifetime(time.Second)}, ""},
		{"a negative buffer", options{cookiestore.WithBuffer(-1)}, "the buffer is negative"},
		{"a renewal that is not a number", options{cookiestore.WithRenewal(math.NaN())}, "between 0 and 1"},
		{"no clock", options{cookiestore.WithClock(nil)}, "the clock is nil"},
		{"a SameSite that net/http does not have", options{cookiestore.WithSameSite(5)}, "its SameSite is none of net/http's modes"},
		{"a SameSite of zero", options{cookiestore.WithSameSite(0)}, "its SameSite is none of net/http's modes"},
		{"a nil option", options{nil}, "an option is nil"},
		{"no error handler", options{cookiestore.WithErrorHandler(nil)}, "the error handler is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cookiestore.NewManager(newStore(t), test.options...)
			if test.says == "" {
				require.NoError(t, err)
				require.NotPanics(t, func() { cookiestore.Middleware(newStore(t), test.options...) })
				return
			}
			require.ErrorContains(t, err, test.says)
			require.PanicsWithError(t, err.Error(), func() { cookiestore.Middleware(newStore(t), test.options...) })
		})
	}
	t.Run("no store", func(t *testing.T) {
		_, err := cookiestore.NewManager(nil)
		require.ErrorContains(t, err, "the store is nil")
	})
}

func TestCookieAttributes(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		options []cookiestore.Option
		want    string
	}{
		{"by default they are Django's, with Secure", nil,
			"sessionid={value}; Expires=Sun, 15 Mar 2026 12:00:00 GMT; Max-Age=1209600; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"every option", []cookiestore.Option{
			cookiestore.WithName("s"), cookiestore.WithPath("/app"), cookiestore.WithDomain("example.org"), cookiestore.WithHTTPOnly(false),
			cookiestore.WithSameSite(http.SameSiteNoneMode), cookiestore.WithPartitioned(), cookiestore.WithMaxAge(time.Minute + time.Millisecond),
		}, "s={value}; Expires=Sun, 01 Mar 2026 12:01:00 GMT; Max-Age=60; Path=/app; Domain=example.org; Secure; SameSite=None; Partitioned"},
		{"no SameSite", []cookiestore.Option{cookiestore.WithSameSite(http.SameSiteDefaultMode), cookiestore.WithSecure(false)},
			"sessionid={value}; Expires=Sun, 15 Mar 2026 12:00:00 GMT; Max-Age=1209600; Path=/; HttpOnly"},
		{"browser close", []cookiestore.Option{cookiestore.WithExpireAtBrowserClose(), cookiestore.WithSameSite(http.SameSiteStrictMode)},
			"sessionid={value}; Path=/; HttpOnly; Secure; SameSite=Strict"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := append(test.options, cookiestore.WithClock(func() time.Time { return now }))
			v := newVisitor(t, newStore(t), options...)
			resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
			require.Len(t, resp.Header["Set-Cookie"], 1)
			line := resp.Header["Set-Cookie"][0]
			_, value, _ := strings.Cut(strings.Split(line, ";")[0], "=")
			require.Equal(t, strings.ReplaceAll(test.want, "{value}", value), line)

			// A caller without the middleware gets the same cookie.
			m, err := cookiestore.NewManager(newStore(t), options...)
			require.NoError(t, err)
			var s cookiestore.Session
			s.Set("a", 1)
			cookie, err := saveOne(t.Context(), m, &s)
			require.NoError(t, err)
			parsed, err := http.ParseSetCookie(line)
			require.NoError(t, err)
			again, err := http.ParseSetCookie(cookie.String())
			require.NoError(t, err)
			parsed.Raw, again.Raw = "", ""
			require.Equal(t, parsed, again)
		})
	}
}

func TestLoadAndSaveWithoutMiddleware(t *testing.T) {
	m, err := cookiestore.NewManager(newStore(t), quiet)
	require.NoError(t, err)

	s, err := m.Load(t.Context())
	require.NoError(t, err)
	cookie, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Nil(t, cookie, "nothing was changed")

	s.Set("n", 1)
	cookie, err = saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Equal(t, "sessionid", cookie.Name)
	require.Equal(t, 1209600, cookie.MaxAge)

	for _, header := range [][]string{
		{"sessionid=" + cookie.Value},
		{"a=1; sessionid=" + cookie.Value + "; b=2"},
		{"a=1", "sessionid=" + cookie.Value},
		{"sessionid=bad;sessionid=" + cookie.Value},
		{strings.Repeat("sessionid=bad; ", 20) + "sessionid=" + cookie.Value},
		{`sessionid="` + cookie.Value + `"`},
		{"sessionid =\t" + cookie.Value},
		{"sessionid=" + strings.ReplaceAll(cookie.Value, ":", "%3A")},
		{"sessionid=" + strings.ReplaceAll(cookie.Value, ":", "%3a")},
		{";; ;sessionid; sessionidx=1; =; \t sessionid=" + cookie.Value + " \t"},
	} {
		s, err = m.Load(t.Context(), header...)
		require.NoError(t, err)
		require.Equal(t, 1, s.Get("n"), header)
		require.NoError(t, s.Refused())
	}
	var eightBad string
	for i := range 8 {
		eightBad += fmt.Sprintf("sessionid=bad%d; ", i)
	}
	for _, header := range []string{
		"Sessionid=" + cookie.Value, "xsessionid=" + cookie.Value, `sessionid=""` + cookie.Value + `""`, `sessionid="` + cookie.Value,
		eightBad + "sessionid=" + cookie.Value, // only so many are tried
	} {
		s, err = m.Load(t.Context(), header)
		require.NoError(t, err)
		require.True(t, s.IsNew(), header)
	}

	s, err = m.Load(t.Context(), "sessionid="+cookie.Value)
	require.NoError(t, err)
	s.Flush()
	cookie, err = saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Equal(t, "sessionid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Lax", cookie.String())
}

func TestSaveTwice(t *testing.T) {
	m, err := cookiestore.NewManager(newStore(t))
	require.NoError(t, err)
	var s cookiestore.Session
	s.Set("n", 1)
	first, err := saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.False(t, s.Modified())
	require.False(t, s.IsNew())

	again, err := saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.Nil(t, again, "nothing was changed since")

	s.Set("n", 2)
	again, err = saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.NotEqual(t, first.Value, again.Value)

	s.Flush()
	again, err = saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.Equal(t, -1, again.MaxAge)
	require.True(t, s.IsNew())
	require.True(t, s.SavedAt().IsZero())
	require.True(t, s.EndsAt().IsZero())
	again, err = saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.Nil(t, again)
}

// busyStore is one whose Save takes its time.
type busyStore struct {
	recorder
	during func()
}

func (b *busyStore) Save(c ctx, name string, rec cookiestore.Record) (value, version string, err error) {
	b.during()
	return b.recorder.Save(c, name, rec)
}

func TestChangeWhileTheStoreSaves(t *testing.T) {
	var s cookiestore.Session
	store := &busyStore{}
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)
	s.Set("a", 1)
	store.during = func() { s.Set("b", 2) }
	_, err = m.Save(t.Context(), &s)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, store.saved[0].Data)
	require.True(t, s.Modified())

	store.during = func() {}
	_, err = m.Save(t.Context(), &s)
	require.NoError(t, err)
	require.Equal(t, `{"a":1,"b":2}`, store.saved[1].Data)
	require.Equal(t, "new", store.saved[1].Cookie)
	require.False(t, s.Modified())
}

// recorder is a store that notes what it is asked.
type recorder struct {
	loaded  error
	saved   []cookiestore.Record
	deleted []string
}

func (r *recorder) ClearExpired(ctx) error { return nil }
func (r *recorder) Load(ctx, string, string) (cookiestore.Record, error) {
	return cookiestore.Record{Data: `{"a":1}`, Version: "v1"}, r.loaded
}
func (r *recorder) Save(_ ctx, _ string, rec cookiestore.Record) (value, version string, err error) {
	rec.Limit, rec.Overhead = 0, 0 // see TestMaxCookieSize
	r.saved = append(r.saved, rec)
	return "new", "saved", nil
}
func (r *recorder) Delete(_ ctx, _, value, version string) error {
	if value == "" {
		panic("a session without a cookie is deleted")
	}
	r.deleted = append(r.deleted, strings.TrimSpace(value+" "+version))
	return nil
}

func TestWhatAStoreIsAsked(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	twoWeeks := now.Add(14 * 24 * time.Hour)
	for _, test := range []struct {
		name    string
		cookie  string
		loaded  error
		do      func(s *cookiestore.Session)
		saved   *cookiestore.Record
		deleted string
		ends    bool // the cookie is deleted
	}{
		{"a new session", "", nil, func(s *cookiestore.Session) { s.Set("b", 2) },
			&cookiestore.Record{Data: `{"b":2}`, Saved: now, Expires: twoWeeks}, "", false},
		{"a changed one", "old", nil, func(s *cookiestore.Session) { s.Set("b", 2) },
			&cookiestore.Record{Cookie: "old", Version: "v1", Data: `{"a":1,"b":2}`, Saved: now, Expires: twoWeeks}, "", false},
		{"a new key", "old", nil, (*cookiestore.Session).CycleKey,
			&cookiestore.Record{Cookie: "old", NewID: true, Version: "v1", Data: `{"a":1}`, Saved: now, Expires: twoWeeks}, "", false},
		{"a flush and another session", "old", nil, func(s *cookiestore.Session) { s.Flush(); s.Set("b", 2) },
			&cookiestore.Record{Data: `{"b":2}`, Saved: now, Expires: twoWeeks}, "old", false},
		{"a new key and a flush and another session", "old", nil, func(s *cookiestore.Session) { s.CycleKey(); s.Flush(); s.Set("b", 2) },
			&cookiestore.Record{Data: `{"b":2}`, Saved: now, Expires: twoWeeks}, "old", false},
		{"a flush of a visitor without a cookie", "", nil, (*cookiestore.Session).Flush, nil, "", false},
		{"one that was emptied of a visitor without a cookie", "", nil, (*cookiestore.Session).Clear, nil, "", false},
		{"a flush alone", "old", nil, (*cookiestore.Session).Flush, nil, "old", true},
		{"at browser close", "old", nil, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.AtBrowserClose) },
			&cookiestore.Record{Cookie: "old", Version: "v1", Data: `{"a":1,"_session_expiry":0}`, Saved: now, Expires: twoWeeks, BrowserClose: true}, "", false},
		{"an emptied one", "old", nil, (*cookiestore.Session).Clear, nil, "old v1", true},
		{"one that ends in less than a second", "old", nil, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(now.Add(time.Millisecond))) },
			&cookiestore.Record{Cookie: "old", Version: "v1", Data: `{"a":1,"_session_expiry":"2027-01-15T08:00:00.001000+00:00"}`, Saved: now, Expires: now.Add(time.Millisecond).UTC()}, "", false},
		{"one that ends now", "old", nil, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(now)) }, nil, "old v1", true},
		{"one that is read", "old", nil, func(s *cookiestore.Session) { s.Get("a") }, nil, "", false},
		{"one that is unknown", "old", cookiestore.ErrNoSession, func(s *cookiestore.Session) { s.Get("a") }, nil, "", false},
		{"one that has expired", "old", fmt.Errorf("row: %w", cookiestore.ErrExpired), func(s *cookiestore.Session) { s.Get("a") }, nil, "", false},
		{"one that has expired, flushed", "old", cookiestore.ErrExpired, (*cookiestore.Session).Flush, nil, "", true},
		{"one that has expired, and of which nothing is left that was set", "old", cookiestore.ErrExpired, func(s *cookiestore.Session) { s.Set("b", 2); s.Delete("b") }, nil, "", false},
		{"one that another server may know", "old", cookiestore.ErrTampered, func(s *cookiestore.Session) { s.Get("a") }, nil, "", false},
		{"such a one, cleared", "old", cookiestore.ErrTampered, (*cookiestore.Session).Clear, nil, "", true},
		{"a new one in the place of an expired one", "old", cookiestore.ErrExpired, func(s *cookiestore.Session) { s.Set("b", 2) },
			&cookiestore.Record{Data: `{"b":2}`, Saved: now, Expires: twoWeeks}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &recorder{loaded: test.loaded}
			m, err := cookiestore.NewManager(store, quiet, cookiestore.WithClock(func() time.Time { return now }))
			require.NoError(t, err)
			var header []string
			if test.cookie != "" {
				header = []string{"sessionid=" + test.cookie}
			}
			s, err := m.Load(t.Context(), header...)
			require.NoError(t, err)
			test.do(s)
			cookie, err := saveOne(t.Context(), m, s)
			require.NoError(t, err)
			switch {
			case test.saved != nil:
				require.Equal(t, []cookiestore.Record{*test.saved}, store.saved)
				require.Equal(t, "new", cookie.Value)
			case test.ends:
				require.Empty(t, store.saved)
				require.Equal(t, -1, cookie.MaxAge)
			default:
				require.Empty(t, store.saved)
				require.Nil(t, cookie)
			}
			require.Equal(t, test.deleted, strings.Join(store.deleted, " "))
		})
	}
}

func TestStoreErrorsFromSave(t *testing.T) {
	down := errors.New("the database is down")
	m, err := cookiestore.NewManager(&failingStore{save: down, remove: down})
	require.NoError(t, err)
	for _, change := range []func(*cookiestore.Session){(*cookiestore.Session).SetModified, (*cookiestore.Session).Flush} {
		s, err := m.Load(t.Context(), "sessionid=x")
		require.NoError(t, err)
		change(s)
		cookie, err := saveOne(t.Context(), m, s)
		require.ErrorIs(t, err, down)
		require.Nil(t, cookie)
	}
}

func TestRefusalsAreLogged(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	store := newStore(t)
	sign := func(data string, at time.Time) string {
		value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: at})
		require.NoError(t, err)
		return value
	}
	good := sign(`{"password":"hunter2"}`, now)
	signer, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	for _, test := range []struct{ name, value, reason string }{
		{"tampered", good[:20] + "x" + good[21:], "reason=tampered"},
		{"over", sign(`{"password":"hunter2"}`, now.Add(-15*24*time.Hour)), "reason=expired"},
		{"from the future", sign(`{"password":"hunter2"}`, now.Add(2*time.Minute)), "reason=future"},
		{"malformed", signer.Sign("sessionid", "eyJwYXNzd29yZCI6Imh1bnRlcjIi", now), "reason=malformed"},
		{"too long", strings.Repeat("hunter2", 1000), `reason="too large"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			m, err := cookiestore.NewManager(store,
				cookiestore.WithClock(func() time.Time { return now }),
				cookiestore.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			require.NoError(t, err)
			s, err := m.Load(t.Context(), "sessionid="+test.value)
			require.NoError(t, err)
			require.True(t, s.IsNew())
			require.True(t, cookiestore.IsRefused(s.Refused()))
			level := "level=WARN "
			if test.name == "over" {
				level = "level=INFO "
			}
			require.Contains(t, log.String(), level+`msg="session cookie refused" cookie=sessionid `+test.reason)
			require.Equal(t, 1, strings.Count(log.String(), "\n"))
			require.NotContains(t, log.String(), "hunter2")
			require.NotContains(t, log.String(), string(testKey))
			require.NotContains(t, log.String(), test.value)
		})
	}
}

func TestDefaultLogger(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	m, err := cookiestore.NewManager(newStore(t))
	require.NoError(t, err)
	_, err = m.Load(t.Context(), "sessionid=x")
	require.NoError(t, err)
	require.Contains(t, log.String(), "session cookie refused")
}

func TestLongAges(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m, err := cookiestore.NewManager(newStore(t), cookiestore.WithClock(func() time.Time { return now }))
	require.NoError(t, err)
	var s cookiestore.Session
	s.SetExpiry(cookiestore.At(now.AddDate(200, 0, 0)))
	cookie, err := saveOne(t.Context(), m, &s)
	require.NoError(t, err)
	require.Equal(t, math.MaxInt32, cookie.MaxAge, "an int has no more on every machine")
	require.Equal(t, now.AddDate(200, 0, 0).UTC(), cookie.Expires.UTC())
}

func TestClockSkewOption(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	store := newStore(t)
	value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"a":1}`, Saved: now.Add(time.Hour)})
	require.NoError(t, err)
	for skew, isNew := range map[time.Duration]bool{0: true, time.Hour: false} {
		m, err := cookiestore.NewManager(store, cookiestore.WithClockSkew(skew), quiet, cookiestore.WithClock(func() time.Time { return now }))
		require.NoError(t, err)
		s, err := m.Load(t.Context(), "sessionid="+value)
		require.NoError(t, err)
		require.Equal(t, isNew, s.IsNew(), skew)
	}
}

func TestRotationResignsAtTheNextResponse(t *testing.T) {
	store := newStore(t)
	old := sessiontest.Cookie(t, store, map[string]int{"n": 1})
	require.NoError(t, store.SetKeys(otherKey, testKey))
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)

	s, err := m.Load(t.Context(), "sessionid="+old.Value)
	require.NoError(t, err)
	require.Equal(t, 1, s.Get("n"))
	require.False(t, s.Modified())
	renewed, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.NotNil(t, renewed, "it was only read, but signed with the old key")

	require.NoError(t, store.SetKeys(otherKey))
	require.True(t, sessiontest.Session(t, store, []*http.Cookie{old}, quiet).IsNew())
	s = sessiontest.Session(t, store, []*http.Cookie{renewed})
	require.Equal(t, 1, s.Get("n"))
	cookie, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Nil(t, cookie)
}

// busyRecord is a store with one record, which other requests change between a
// Load and a Save.
type busyRecord struct {
	recorder
	loads     []string // what each Load finds; "" is nothing, the last one stays
	conflicts int      // how many Saves and Deletes find another state
	failure   error    // of the second Load
	loaded    int
	meanwhile func() // runs in each conflict
}

func (b *busyRecord) Load(ctx, string, string) (cookiestore.Record, error) {
	b.loaded++
	if b.loaded == 2 && b.failure != nil {
		return cookiestore.Record{}, b.failure
	}
	data := b.loads[min(b.loaded, len(b.loads))-1]
	if data == "" {
		return cookiestore.Record{}, cookiestore.ErrNoSession
	}
	return cookiestore.Record{Data: data, Version: fmt.Sprint("v", b.loaded)}, nil
}

func (b *busyRecord) conflict() bool {
	b.conflicts--
	if b.conflicts >= 0 && b.meanwhile != nil {
		b.meanwhile()
	}
	return b.conflicts >= 0
}

func (b *busyRecord) Save(c ctx, name string, rec cookiestore.Record) (value, version string, err error) {
	if b.conflict() {
		return "", "", fmt.Errorf("row: %w", cookiestore.ErrConflict)
	}
	return b.recorder.Save(c, name, rec)
}

func (b *busyRecord) Delete(c ctx, name, value, version string) error {
	if version != "" && b.conflict() {
		return cookiestore.ErrConflict
	}
	return b.recorder.Delete(c, name, value, version)
}

func TestConflicts(t *testing.T) {
	addToA := func(s *cookiestore.Session) { require.NoError(t, cookiestore.Modify(s, "a", func(n *int) { *n++ })) }
	set := func(s *cookiestore.Session) { s.Set("b", 2) }
	down := errors.New("the database is down")
	for _, test := range []struct {
		name      string
		loads     []string
		conflicts int
		failure   error
		do        func(s *cookiestore.Session)
		saved     string // data and version
		deleted   string
		err       error
	}{
		{"none", []string{`{"a":1}`}, 0, nil, set, `{"a":1,"b":2} v1`, "", nil},
		{"another key was set", []string{`{"a":1}`, `{"a":1,"c":3}`}, 1, nil, set, `{"a":1,"c":3,"b":2} v2`, "", nil},
		{"and another, and another", []string{`{"a":1}`, `{"a":1,"c":3}`, `{"c":4}`, `{"d":5}`}, 3, nil, set, `{"d":5,"b":2} v4`, "", nil},
		{"an untouched value keeps its bytes", []string{`{"a":1}`, `{"a":1e2,"\u0063":1.0}`}, 1, nil, set, `{"a":1e2,"\u0063":1.0,"b":2} v2`, "", nil},
		{"the session is gone", []string{`{"a":1}`, ``}, 1, nil, set, "", "", cookiestore.ErrInterrupted},
		{"the session has expired", []string{`{"a":1}`, `{"_session_expiry":"2001-01-01T00:00:00"}`}, 1, nil, set, "", "", cookiestore.ErrInterrupted},
		{"the session is gone and was to be renewed", []string{`{"a":1}`, ``}, 1, nil, func(s *cookiestore.Session) { s.Get("a") }, "", "", nil},
		{"the session is gone and was to be emptied", []string{`{"a":1}`, ``}, 1, nil, (*cookiestore.Session).Clear, "", "", nil},
		{"another key was set and the session emptied", []string{`{"a":1}`, `{"a":1,"c":3}`}, 1, nil, (*cookiestore.Session).Clear, `{"c":3} v2`, "", nil},
		{"the same was changed and the session emptied", []string{`{"a":1}`, `{"a":2}`}, 1, nil, (*cookiestore.Session).Clear, "", "old v2", nil},
		{"a flush asks for no state", []string{`{"a":1}`, `{"a":2}`}, 1, nil, (*cookiestore.Session).Flush, "", "old", nil},
		{"a number is added to", []string{`{"a":1}`, `{"a":5}`}, 1, nil, addToA, `{"a":6} v2`, "", nil},
		{"a number is set and added to", []string{`{"a":1}`, `{"a":5}`}, 1, nil, func(s *cookiestore.Session) { s.Set("a", 10); addToA(s) }, `{"a":11} v2`, "", nil},
		{"a number is added to and set", []string{`{"a":1}`, `{"a":5}`}, 1, nil, func(s *cookiestore.Session) { addToA(s); s.Set("a", 10) }, `{"a":10} v2`, "", nil},
		{"one is added to and another set", []string{`{"a":1,"b":1}`, `{"a":5,"b":5}`}, 1, nil, func(s *cookiestore.Session) { addToA(s); s.Set("b", 10) }, `{"a":6,"b":10} v2`, "", nil},
		{"a number is added to twice", []string{`{"a":1}`, `{"a":5}`}, 1, nil, func(s *cookiestore.Session) { addToA(s); addToA(s) }, `{"a":7} v2`, "", nil},
		{"a number is added to after something that can't be stored", []string{`{"a":1}`, `{"a":5}`}, 1, nil, func(s *cookiestore.Session) {
			require.Error(t, cookiestore.Modify(s, "a", func(f *float64) { *f = math.NaN() }))
			addToA(s)
		}, `{"a":6} v2`, "", nil},
		{"a number is added to and the session emptied", []string{`{"a":1}`, `{"a":1,"c":3}`}, 1, nil, func(s *cookiestore.Session) { addToA(s); s.Clear() }, `{"c":3} v2`, "", nil},
		{"added to in two rounds", []string{`{"a":1}`, `{"a":5}`, `{"a":7}`}, 2, nil, addToA, `{"a":8} v3`, "", nil},
		{"the store fails meanwhile", []string{`{"a":1}`}, 1, down, set, "", "", down},
		{"another server has signed it with a newer key", []string{`{"a":1}`}, 1, cookiestore.ErrTampered, set, "", "", cookiestore.ErrTampered},
		{"and it was to be emptied", []string{`{"a":1}`}, 1, cookiestore.ErrTampered, (*cookiestore.Session).Clear, "", "", cookiestore.ErrTampered},
		{"the store fails meanwhile and it was to be renewed", []string{`{"a":1}`}, 1, down, func(s *cookiestore.Session) { s.Get("a") }, "", "", nil},
		{"again and again", []string{`{"a":1}`}, 1e6, nil, set, "", "", cookiestore.ErrConflict},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &busyRecord{loads: test.loads, conflicts: test.conflicts, failure: test.failure}
			m, err := cookiestore.NewManager(store, quiet, cookiestore.WithSaveEveryRequest())
			require.NoError(t, err)
			s, err := m.Load(t.Context(), "sessionid=old")
			require.NoError(t, err)
			test.do(s)
			cookie, err := saveOne(t.Context(), m, s)
			require.ErrorIs(t, err, test.err)
			saved := ""
			for _, rec := range store.saved {
				saved += rec.Data + " " + rec.Version
			}
			require.Equal(t, test.saved, saved)
			require.Equal(t, test.deleted, strings.Join(store.deleted, " "))
			require.Equal(t, test.saved != "", cookie != nil && cookie.Value == "new")
			require.LessOrEqual(t, store.loaded, 102)
		})
	}
}

// A Manager can save one session more than once: it knows the state that its own
// Save has left.
func TestSaveTwiceARecord(t *testing.T) {
	store := &busyRecord{loads: []string{`{"a":1}`, `{"a":1,"b":2,"other":3}`}}
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid=old")
	require.NoError(t, err)
	s.Set("b", 2)
	_, err = m.Save(t.Context(), s)
	require.NoError(t, err)
	store.conflicts = 1
	s.Set("c", 3)
	_, err = m.Save(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, `{"a":1,"b":2,"other":3,"c":3}`, store.saved[1].Data)
	s.Clear()
	_, err = m.Save(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []string{"new saved"}, store.deleted)
}

// Flush counts whenever it comes: neither is the session that was flushed kept
// under its old key, nor does it come back by a merge.
func TestFlushWhileTheStoreSaves(t *testing.T) {
	newSession := func(store cookiestore.Store, cookies ...string) (*cookiestore.Manager, *cookiestore.Session) {
		m, err := cookiestore.NewManager(store, quiet)
		require.NoError(t, err)
		s, err := m.Load(t.Context(), cookies...)
		require.NoError(t, err)
		return m, s
	}
	flushOnce := func(s *cookiestore.Session) func() {
		return sync.OnceFunc(func() { s.Flush(); s.Set("anonymous", 1) })
	}
	t.Run("while a new session is saved", func(t *testing.T) {
		store := &busyStore{}
		m, s := newSession(store)
		s.Set("user", 7)
		store.during = flushOnce(s)
		_, err := m.Save(t.Context(), s)
		require.NoError(t, err)
		_, err = m.Save(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, []string{"new"}, store.deleted)
		require.Equal(t, `{"anonymous":1}`, store.saved[1].Data)
		require.Empty(t, store.saved[1].Cookie)
	})
	t.Run("between a conflict and the merge", func(t *testing.T) {
		store := &busyRecord{loads: []string{`{"user":7}`}, conflicts: 1}
		m, s := newSession(store, "sessionid=old")
		s.Set("b", 2)
		store.meanwhile = flushOnce(s)
		_, err := m.Save(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, []string{"old"}, store.deleted)
		require.Len(t, store.saved, 1)
		require.Equal(t, `{"anonymous":1}`, store.saved[0].Data)
		require.Empty(t, store.saved[0].Cookie)
	})
}

// A visitor who leaves doesn't end a merge; that other requests go on and on does.
func TestConflictsEnd(t *testing.T) {
	store := &busyRecord{loads: []string{`{"a":1}`}, conflicts: 1e6}
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := m.Load(ctx, "sessionid=old")
	require.NoError(t, err)
	s.Set("b", 2)
	store.meanwhile = cancel
	_, err = m.Save(ctx, s)
	require.ErrorIs(t, err, cookiestore.ErrConflict)
	require.ErrorContains(t, err, "changed meanwhile, 100 times in a row, by other processes")
}

func TestInterruptedIsABadRequest(t *testing.T) {
	store := &busyRecord{loads: []string{`{"a":1}`, ``}, conflicts: 1}
	served := cookiestore.Middleware(store, quiet)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("b", 2)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "sessionid=old")
	w := httptest.NewRecorder()
	served.ServeHTTP(w, r)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, w.Body.String(), "Your session ended")
	require.Empty(t, w.Result().Cookies())
}

// The end that a store has for its record counts beside that of the session.
func TestEndOfTheRecord(t *testing.T) {
	saved := time.Unix(1_800_000_000, 0)
	end := saved.Add(time.Hour)
	rec := cookiestore.Record{Data: `{"a":1}`, Saved: saved, Expires: end}
	at, err := rec.EndsAt(14 * 24 * time.Hour)
	require.NoError(t, err)
	require.Equal(t, end, at)
	require.NoError(t, rec.Check(14*24*time.Hour, end))
	require.ErrorIs(t, rec.Check(14*24*time.Hour, end.Add(1)), cookiestore.ErrExpired)

	at, err = rec.EndsAt(time.Minute)
	require.NoError(t, err)
	require.Equal(t, saved.Add(time.Minute), at, "the earlier counts")
	require.ErrorIs(t, rec.Check(time.Minute, saved.Add(2*time.Minute)), cookiestore.ErrExpired)

	at, err = cookiestore.Record{Data: `{}`, Expires: end}.EndsAt(time.Minute)
	require.NoError(t, err)
	require.Equal(t, end, at, "all that is known of a row that doesn't say when it was saved")
}

// The dates in cookies are those of net/http.
func TestExpiresIsAnHTTPDate(t *testing.T) {
	now := time.Date(1994, time.November, 6, 8, 49, 37, 0, time.UTC)
	for range 500 {
		now = now.Add(61*24*time.Hour + 5*time.Hour + 7*time.Minute + 11*time.Second + 13*time.Millisecond)
		m, err := cookiestore.NewManager(newStore(t), cookiestore.WithClock(func() time.Time { return now.In(time.FixedZone("", 5400)) }))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Set("a", 1)
		})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		want := now.Add(14 * 24 * time.Hour).UTC().Format(http.TimeFormat)
		require.Contains(t, w.Header().Get("Set-Cookie"), "; Expires="+want+"; Max-Age=1209600; ")
	}
}

// Manager.Save inside of the middleware takes its place; what is changed afterwards is
// saved by the middleware, in place of what was.
func TestManagerInTheMiddleware(t *testing.T) {
	for kind, store := range bothKinds(t) {
		for _, test := range []struct {
			name  string
			after func(s *cookiestore.Session)
			want  any
			ended bool
		}{
			{"nothing is changed afterwards", func(*cookiestore.Session) {}, 1, false},
			{"it is read", func(s *cookiestore.Session) { s.Get("n") }, 1, false},
			{"it is changed", func(s *cookiestore.Session) { s.Set("n", 2) }, 2, false},
			{"it is flushed", (*cookiestore.Session).Flush, nil, true},
			{"it is emptied, and set again", func(s *cookiestore.Session) { s.Clear(); s.Set("n", 4) }, 4, false},
			{"another begins", func(s *cookiestore.Session) { s.Flush(); s.Set("n", 3) }, 3, false},
		} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				v := newVisitor(t, store)
				m := must(cookiestore.NewManager(store))
				v.serve(m.Handler, false)
				resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
					s.Set("n", 1)
					cookies, err := m.Save(r.Context(), s)
					assert.NoError(t, err)
					assert.Len(t, cookies, 1)
					assert.False(t, s.Modified())
					http.SetCookie(w, cookies[0])
					http.SetCookie(w, &http.Cookie{Name: "theirs", Value: "1"})
					test.after(s)
				})
				var mine []*http.Cookie
				for _, c := range resp.Cookies() {
					if c.Name == "sessionid" {
						mine = append(mine, c)
					}
				}
				require.Len(t, mine, 1)
				require.Len(t, resp.Cookies(), 2)
				require.Equal(t, test.ended, mine[0].MaxAge < 0)
				require.Equal(t, []string{"private"}, resp.Header["Cache-Control"])
				require.Empty(t, v.log.String())
				v.cookie = "sessionid=" + mine[0].Value
				require.Equal(t, test.want, v.value("n"))
			})
		}
	}
}

// The rules are those of the manager that saves, whichever has loaded the session.
func TestSaveByAnotherManager(t *testing.T) {
	clock := newClock()
	store := newStore(t)
	loader := must(cookiestore.NewManager(store, clock.option(), quiet))
	saver := must(cookiestore.NewManager(store, clock.option(), quiet, cookiestore.WithMaxAge(time.Hour), cookiestore.WithLifetime(2*time.Hour)))
	s, err := loader.Load(t.Context(), begin(t, store, clock.time().Add(-90*time.Minute), `{"a":1}`))
	require.NoError(t, err)
	s.Set("a", 2)
	cookie, err := saveOne(t.Context(), saver, s)
	require.NoError(t, err)
	require.Equal(t, 1800, cookie.MaxAge, "it began an hour and a half ago")
	require.Equal(t, 30*time.Minute, s.ExpiryAge(), "its rules are the session's from now on")

	// What is due is due by the saver's options.
	every := must(cookiestore.NewManager(store, clock.option(), quiet, cookiestore.WithSaveEveryRequest()))
	s, err = loader.Load(t.Context(), "sessionid="+cookie.Value)
	require.NoError(t, err)
	cookie, err = saveOne(t.Context(), loader, s)
	require.NoError(t, err)
	require.Nil(t, cookie)
	cookie, err = saveOne(t.Context(), every, s)
	require.NoError(t, err)
	require.Equal(t, 14*24*60*60, cookie.MaxAge)

	// A second later it is not: another request may have saved it meanwhile.
	s, err = loader.Load(t.Context(), "sessionid="+cookie.Value)
	require.NoError(t, err)
	clock.add(time.Second + 1)
	cookie, err = saveOne(t.Context(), every, s)
	require.NoError(t, err)
	require.Nil(t, cookie)
}

// What Manager.Save deletes in other scopes stays deleted when more is changed afterwards.
func TestManagerInTheMiddlewareWithFormerScopes(t *testing.T) {
	store := newStore(t)
	options := []cookiestore.Option{cookiestore.WithDomain("example.org"), cookiestore.WithFormerScope("", "/app")}
	v := newVisitor(t, store)
	m := must(cookiestore.NewManager(store, append(options, cookiestore.WithLogger(logTo(v.log)))...))
	v.serve(m.Handler, false)
	v.cookie = begin(t, store, time.Now(), `{"n":0}`)
	resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		s.Flush()
		s.Set("n", 1)
		cookies, err := m.Save(r.Context(), s)
		assert.NoError(t, err)
		assert.Len(t, cookies, 3)
		for _, c := range cookies {
			http.SetCookie(w, c)
		}
		s.Set("n", 2)
	})
	require.Empty(t, v.log.String())
	var got []string
	for _, c := range resp.Cookies() {
		got = append(got, fmt.Sprint(c.Domain, c.Path, " ", c.MaxAge > 0))
	}
	require.Equal(t, []string{"/ false", "/app false", "example.org/ true"}, got)

	// What the handler sets by itself is another matter.
	for name, line := range map[string]string{
		"another value":    "sessionid=mine; Path=/; Domain=example.org",
		"its own deletion": "sessionid=; Path=/; Domain=example.org; Max-Age=0",
		"another scope":    "sessionid=mine; Path=/",
		"no cookie":        "sessionid",
	} {
		v := newVisitor(t, store, options...)
		v.cookie = begin(t, store, time.Now(), `{"n":0}`)
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			w.Header().Add("Set-Cookie", line)
			s.Set("n", 1)
		})
		require.Len(t, resp.Header["Set-Cookie"], 2, name)
		require.Contains(t, v.log.String(), "session cookie set twice", name)
	}
}

// What a middleware has closed stays closed, though a Manager saves it once more.
func TestManagerSavesAfterTheFirstByte(t *testing.T) {
	v := newVisitor(t, newStore(t))
	m := must(cookiestore.NewManager(v.store))
	v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		s.Get("a")
		fmt.Fprint(w, "page")
		_, err := m.Save(r.Context(), s)
		assert.NoError(t, err)
		s.Set("a", 1)
	})
	v.server.Close()
	require.Contains(t, v.log.String(), `session key \"a\" is not saved`)
}

func TestLifetimeOfANewSession(t *testing.T) {
	clock := newClock()
	m := must(cookiestore.NewManager(newStore(t), clock.option(), cookiestore.WithLifetime(time.Hour)))
	s, err := m.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, time.Hour, s.ExpiryAge())
	require.Equal(t, clock.time().Add(time.Hour), s.ExpiryDate().UTC())
	s.Set("a", 1)
	_, err = saveOne(t.Context(), m, s)
	require.NoError(t, err)
	clock.add(40 * time.Minute)
	require.Equal(t, 20*time.Minute, s.ExpiryAge(), "saved twice, it began once")
}

// A store may have kept blanks behind the dictionary.
func TestBlanksBehindTheDictionary(t *testing.T) {
	clock := newClock()
	store := newRows()
	m := must(cookiestore.NewManager(store, clock.option(), cookiestore.WithLifetime(time.Hour)))
	s, err := m.Load(t.Context(), begin(t, store, clock.time(), "{\"a\":1} \n"))
	require.NoError(t, err)
	s.SetModified()
	cookie, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf(`{"a":1,"_session_created":%d}`, clock.time().Unix()), store.rows[cookie.Value].Data)
}

// Of several errors the store's comes first, and then that of the first key.
func TestFirstError(t *testing.T) {
	var s cookiestore.Session
	for _, key := range []string{"c", "a", "b", "d", "e"} {
		s.Set(key, func() {})
	}
	for range 20 { // a map has no order
		require.ErrorContains(t, s.Err(), `"a"`)
	}
	down := errors.New("the database is down")
	failed, err := must(cookiestore.NewManager(&failingStore{load: down})).Load(t.Context(), "sessionid=x")
	require.ErrorIs(t, err, down)
	failed.Set("a", func() {})
	require.ErrorIs(t, failed.Err(), down)
}

// Where every request saves, one whose save is left out doesn't ask the store.
func TestSaveEveryRequestLoadsOnlyToSave(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"a status of 500":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a status of 404":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"a public response": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "public") },
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "sessionid=x")
		w := httptest.NewRecorder()
		cookiestore.Middleware(&failingStore{panics: true}, cookiestore.WithSaveEveryRequest())(serve).ServeHTTP(w, r)
		require.Empty(t, w.Header()["Vary"], name)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	store := newRows()
	r.Header.Set("Cookie", begin(t, store, time.Now(), `{"a":1}`))
	w := httptest.NewRecorder()
	cookiestore.Middleware(store, cookiestore.WithSaveEveryRequest())(http.NotFoundHandler()).ServeHTTP(w, r)
	require.Empty(t, w.Header()["Set-Cookie"])
	w = httptest.NewRecorder()
	cookiestore.Middleware(store, cookiestore.WithSaveEveryRequest())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	require.Len(t, w.Header()["Set-Cookie"], 1)
	require.Equal(t, []string{"Cookie"}, w.Header()["Vary"], "it depends on the cookie, though the handler doesn't")
}

// If a session has no room for its flash messages, the oldest go.
func TestFlashMessagesGiveWay(t *testing.T) {
	v := newVisitor(t, newStore(t, cookiestore.WithCompressionOver(-1)))
	resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("user", "ann")
		for i := range 8 {
			s.AddFlash(fmt.Sprint(i, strings.Repeat("x", 600)))
		}
	})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, v.log.String(), `level=WARN msg="flash messages dropped"`)
	require.Contains(t, v.log.String(), "the session has no room for the oldest 4")
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		assert.True(t, s.Accessed() == false && s.Get("user") == "ann" && s.Accessed())
		messages := s.Flashes()
		if assert.Len(t, messages, 4) {
			assert.Equal(t, "4", messages[0].(string)[:1])
		}
	})
}

// At most a hundred wait, and it is said how many had to go.
func TestFlashMessagesBeyondAHundred(t *testing.T) {
	for kind, store := range bothKinds(t) {
		t.Run(kind, func(t *testing.T) {
			var o observed
			v := newVisitor(t, store, o.option())
			add := func(n int) sessionHandler {
				return func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
					for i := range n {
						s.AddFlash(i)
					}
				}
			}
			v.get(add(100))
			require.NotContains(t, v.log.String(), "dropped")
			v.get(add(3))
			v.get(add(2))
			require.Contains(t, v.log.String(), "the session has no room for the oldest 3\"")
			require.Contains(t, v.log.String(), "the session has no room for the oldest 2\"")
			require.Equal(t, []string{"saved asked", "loaded", "failed flash", "saved asked", "loaded", "failed flash", "saved asked"}, o.take())
		})
	}
}

// What another request has deleted is not there to be emptied; the cookie goes.
func TestEmptiedAndDeletedMeanwhile(t *testing.T) {
	m := must(cookiestore.NewManager(&busyRecord{loads: []string{`{"a":1}`, ``}, conflicts: 1}, quiet))
	s, err := m.Load(t.Context(), "sessionid=old")
	require.NoError(t, err)
	s.Clear()
	cookie, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Equal(t, -1, cookie.MaxAge)
	require.True(t, s.IsNew())
}

func TestNilPointersAreMisuse(t *testing.T) {
	_, err := cookiestore.NewManager((*cookiestore.CookieStore)(nil))
	require.ErrorContains(t, err, "the store is nil")
	require.PanicsWithValue(t, "cookiestore: CachedRevocations needs Revocations, and a positive time and number of sessions", func() {
		cookiestore.CachedRevocations((*cookiestore.MemoryRevocations)(nil), time.Second, 1)
	})
}

func TestWhatIsNilIsSaid(t *testing.T) {
	_, err := cookiestore.NewManager(&cookiestore.CookieStore{})
	require.EqualError(t, err, "cookiestore: the CookieStore is an empty one: make it with New")
	m, err := cookiestore.NewManager(newStore(t))
	require.NoError(t, err)
	_, err = m.Save(t.Context(), nil)
	require.EqualError(t, err, "cookiestore: the session is nil")
	require.PanicsWithValue(t, "cookiestore: the handler is nil", func() { m.Handler(nil) })
	require.PanicsWithValue(t, "cookiestore: the handler is nil", func() { m.Handler((*http.ServeMux)(nil)) })
	require.PanicsWithValue(t, "cookiestore: an option of NewMemoryRevocations is nil", func() { cookiestore.NewMemoryRevocations(nil) })
	require.PanicsWithValue(t, "cookiestore: an option of CachedRevocations is nil", func() {
		cookiestore.CachedRevocations(cookiestore.NewMemoryRevocations(), time.Second, 1, nil)
	})
}
