package cookiestore_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// optionalSaves are the three that no handler asks for.
func optionalSaves(t *testing.T) map[string]struct {
	store   cookiestore.Store
	options []cookiestore.Option
} {
	type how = struct {
		store   cookiestore.Store
		options []cookiestore.Option
	}
	turned := newStore(t)
	require.NoError(t, turned.SetKeys(otherKey, testKey))
	every := []cookiestore.Option{cookiestore.WithSaveEveryRequest()}
	return map[string]how{
		"renewal":                   {newStore(t), []cookiestore.Option{cookiestore.WithRenewal(0.5)}},
		"save every request":        {newStore(t), every},
		"another signing key":       {turned, nil},
		"another format":            {newStore(t, cookiestore.WithLegacy(legacy{newStore(t)})), nil},
		"save every request, a row": {newRows(), every},
	}
}

// legacy reads cookies whose value begins with "old.".
type legacy struct{ store cookiestore.Store }

func (l legacy) Load(c ctx, name, value string) (cookiestore.Record, error) {
	value, ok := strings.CutPrefix(value, "old.")
	if !ok {
		return cookiestore.Record{}, cookiestore.ErrMalformed
	}
	return l.store.Load(c, name, value)
}

// dueCookie is one that is due for an optional save.
func dueCookie(t *testing.T, name string, store cookiestore.Store, now time.Time) string {
	at := now.Add(-8 * 24 * time.Hour)
	switch name {
	case "another signing key":
		return begin(t, newStore(t), at, `{"user":"ann"}`) // the old key signed it
	case "another format":
		return strings.Replace(begin(t, newStore(t), at, `{"user":"ann"}`), "=", "=old.", 1)
	}
	return begin(t, store, at, `{"user":"ann"}`)
}

// A save that nobody asked for gives way.
func TestOptionalSavesGiveWay(t *testing.T) {
	read := func(s *cookiestore.Session) { s.Get("user") }
	header := func(name string, values ...string) func(http.ResponseWriter, *cookiestore.Session, *clock) {
		return func(w http.ResponseWriter, s *cookiestore.Session, _ *clock) { read(s); w.Header()[name] = values }
	}
	status := func(status int) func(http.ResponseWriter, *cookiestore.Session, *clock) {
		return func(w http.ResponseWriter, s *cookiestore.Session, _ *clock) { read(s); w.WriteHeader(status) }
	}
	after := func(d time.Duration) func(http.ResponseWriter, *cookiestore.Session, *clock) {
		return func(_ http.ResponseWriter, s *cookiestore.Session, clock *clock) { read(s); clock.add(d) }
	}
	for _, test := range []struct {
		name  string
		serve func(http.ResponseWriter, *cookiestore.Session, *clock)
		saved bool
	}{
		{"the session is read", func(_ http.ResponseWriter, s *cookiestore.Session, _ *clock) { read(s) }, true},
		{"the handler skips it", func(_ http.ResponseWriter, s *cookiestore.Session, _ *clock) { read(s); s.SkipRenewal() }, false},
		{"the handler skips it, and changes the session", func(_ http.ResponseWriter, s *cookiestore.Session, _ *clock) { s.SkipRenewal(); s.Set("a", 1) }, true},
		{"the handler sets the cookie", header("Set-Cookie", "sessionid=mine"), false},
		{"the handler deletes the cookie", header("Set-Cookie", "other=1", "sessionid=; Max-Age=0"), false},
		{"the handler sets the cookie with a blank", header("Set-Cookie", " sessionid =mine"), false},
		{"the handler sets another cookie", header("Set-Cookie", "sessionid2=1", "my=sessionid=2"), true},
		{"the status is 200", status(200), true},
		{"the status is 304", status(304), true},
		{"the status is 399", status(399), true},
		{"the status is 400", status(400), false},
		{"the status is 500", status(500), false},
		{"it is quick", after(time.Second), true},
		{"it takes over a second", after(time.Second + 1), false},
		{"the clock is set back", after(-time.Hour), true},
		{"it took over a second before the session was used", func(_ http.ResponseWriter, s *cookiestore.Session, clock *clock) {
			clock.add(2 * time.Second)
			read(s)
		}, false},
		{"the response is public", header("Cache-Control", "max-age=0, Public"), false},
		{"shared caches may keep it", header("Cache-Control", "s-maxage=60"), false},
		{"all caches may keep it", header("Cache-Control", "no-transform", "max-age=60"), false},
		{"none but the browser's may keep it", header("Cache-Control", "max-age=60, private"), true},
		{"none may keep it", header("Cache-Control", "public, no-store"), true},
		{"they may for no time at all", header("Cache-Control", `max-age=0, s-maxage="0", must-revalidate`), true},
		{"one field may not be kept", header("Cache-Control", `public, private="x-a, x-b"`), false},
		{"it is public, though it has no age", header("Cache-Control", "public, max-age=0"), false},
		{"a quoted word is none", header("Cache-Control", `no-cache="public, s-maxage=3"`), true},
		{"a CDN may keep it", header("Cdn-Cache-Control", "max-age=60"), false},
		{"a surrogate may keep it", header("Surrogate-Control", "max-age=60"), false},
		{"Cloudflare may keep it", header("Cloudflare-Cdn-Cache-Control", "public"), false},
		{"a surrogate may not keep it", header("Surrogate-Control", "no-store"), true},
	} {
		for name, how := range optionalSaves(t) {
			t.Run(test.name+", "+name, func(t *testing.T) {
				clock := newClock()
				v := newVisitor(t, how.store, append(how.options, clock.option())...)
				v.cookie = dueCookie(t, name, how.store, clock.time())
				resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { test.serve(w, s, clock) })
				saved := false
				for _, c := range resp.Cookies() {
					saved = saved || c.Name == "sessionid" && c.MaxAge == 14*24*60*60
				}
				require.Equal(t, test.saved, saved, resp.Header["Set-Cookie"])
				require.Empty(t, v.log.String())
			})
		}
	}
}

// What another request of the same browser does meanwhile stands: neither is a login
// deleted nor a logout undone.
func TestRequestsThatOnlyRead(t *testing.T) {
	for name, how := range optionalSaves(t) {
		for what, act := range map[string]func(*cookiestore.Session){
			"logs out":        (*cookiestore.Session).Flush,
			"logs in":         func(s *cookiestore.Session) { s.CycleKey(); s.Set("user", "bob") },
			"begins anew":     func(s *cookiestore.Session) { s.Flush(); s.Set("user", "bob") },
			"fills a basket":  func(s *cookiestore.Session) { s.Set("basket", 3) },
			"empties its own": func(s *cookiestore.Session) { s.Delete("user") },
		} {
			t.Run(name+", another "+what, func(t *testing.T) {
				clock := newClock()
				v := newVisitor(t, how.store, append(how.options, clock.option())...)
				cookie := dueCookie(t, name, how.store, clock.time())
				served := cookiestore.Middleware(how.store, append(how.options, clock.option(), quiet)...)(
					http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						s := cookiestore.FromContext(r.Context())
						s.Get("user")
						v.cookie = cookie
						v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { act(s) })
						clock.add(2 * time.Second) // a poll, a report
					}))
				w := httptest.NewRecorder()
				r := httptest.NewRequest(http.MethodGet, "/poll", nil)
				r.Header.Set("Cookie", cookie)
				served.ServeHTTP(w, r)
				require.Empty(t, w.Result().Cookies())
			})
		}
	}
	for name, store := range bothKinds(t) {
		for _, dead := range []string{"expired", "unknown", "never valid"} {
			t.Run("the session is "+dead+", "+name, func(t *testing.T) {
				clock := newClock()
				v := newVisitor(t, store, clock.option(), cookiestore.WithSaveEveryRequest())
				v.cookie = "sessionid=x"
				switch dead {
				case "expired":
					v.cookie = begin(t, store, clock.time().Add(-15*24*time.Hour), `{"a":1}`)
				case "unknown":
					v.cookie = begin(t, newStore(t), clock.time(), `{"a":1}`)
					v.cookie = strings.ReplaceAll(v.cookie, ":", "_")
				}
				for _, read := range []func(*cookiestore.Session){
					func(s *cookiestore.Session) { s.Get("a") },
					func(s *cookiestore.Session) { s.Flashes(); s.Pop("a"); s.Delete("a"); s.SetExpiry(cookiestore.Default) },
					func(s *cookiestore.Session) { s.Set("a", 1); s.Delete("a") },
				} {
					resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { read(s) })
					require.Empty(t, resp.Header["Set-Cookie"])
				}
			})
		}
	}
}

// With records, a renewal at the same time as a login or logout gives way even within
// the second.
func TestRenewalGivesWayToTheRecord(t *testing.T) {
	for what, act := range map[string]func(*cookiestore.Session){
		"a logout": (*cookiestore.Session).Flush,
		"a login":  func(s *cookiestore.Session) { s.CycleKey(); s.Set("user", "bob") },
		"a change": func(s *cookiestore.Session) { s.Set("basket", 3) },
	} {
		t.Run(what, func(t *testing.T) {
			store := newRows()
			v := newVisitor(t, store, cookiestore.WithSaveEveryRequest())
			cookie := begin(t, store, time.Now(), `{"user":"ann"}`)
			v.cookie = cookie
			resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Get("user")
				m := must(cookiestore.NewManager(store))
				other, err := m.Load(t.Context(), cookie)
				assert.NoError(t, err)
				act(other)
				_, err = m.Save(t.Context(), other)
				assert.NoError(t, err)
			})
			require.Empty(t, resp.Cookies())
			require.Empty(t, v.log.String())
		})
	}
}

// A backend behind a proxy of Go's sets the cookie that the proxy's middleware has, too.
func TestProxyInTheMiddleware(t *testing.T) {
	for _, test := range []struct {
		name    string
		backend string
		proxy   func(*cookiestore.Session)
		cookies int
		logged  string
	}{
		{"the backend sets it, and the proxy would renew it", "sessionid=theirs", func(s *cookiestore.Session) { s.Get("a") }, 1, ""},
		{"the backend deletes it", "sessionid=; Max-Age=0", func(s *cookiestore.Session) { s.Get("a") }, 1, ""},
		{"the backend sets another", "theirs=1", func(s *cookiestore.Session) { s.Get("a") }, 2, ""},
		{"both set it", "sessionid=theirs", func(s *cookiestore.Session) { s.Set("a", 2) }, 2, `level=ERROR msg="session cookie set twice"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public, max-age=60")
				w.Header().Set("Set-Cookie", test.backend)
				fmt.Fprint(w, "backend")
			}))
			defer backend.Close()
			proxy := httputil.NewSingleHostReverseProxy(must(url.Parse(backend.URL)))
			if test.cookies == 2 {
				proxy.ModifyResponse = func(r *http.Response) error { r.Header.Del("Cache-Control"); return nil }
			}
			store := newStore(t)
			v := newVisitor(t, store, cookiestore.WithSaveEveryRequest())
			v.cookie = begin(t, store, time.Now(), `{"a":1}`)
			resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
				test.proxy(s)
				proxy.ServeHTTP(w, r)
			})
			require.Equal(t, "backend", v.body)
			require.Len(t, resp.Cookies(), test.cookies)
			if strings.Contains(test.backend, "sessionid") {
				require.NotContains(t, resp.Header.Get("Cache-Control"), "public")
				require.Contains(t, resp.Header.Get("Cache-Control"), "private")
			}
			if test.logged == "" {
				require.Empty(t, v.log.String())
				return
			}
			require.Contains(t, v.log.String(), test.logged)
			require.Equal(t, 2, sessiontest.Session(t, store, resp.Cookies()[1:], quiet).Get("a"), "the browser keeps the last")
		})
	}
}

// Browsers keep a cookie for 400 days at most: a longer age is renewed in time.
func TestRenewalOfVeryLongAges(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		age, wait time.Duration
		renewed   bool
	}{
		{100 * day, 50 * day, false},
		{100 * day, 50*day + time.Second, true},
		{400 * day, 200 * day, false},
		{400 * day, 200*day + time.Second, true},
		{4000 * day, 200 * day, false},
		{4000 * day, 200*day + time.Second, true},
	} {
		clock := newClock()
		store := newStore(t)
		v := newVisitor(t, store, clock.option(), cookiestore.WithMaxAge(test.age), cookiestore.WithRenewal(0.5))
		v.cookie = begin(t, store, clock.time().Add(-test.wait), `{"a":1}`)
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Get("a") })
		require.Equal(t, test.renewed, len(resp.Cookies()) == 1, test)
	}
}

// Two middlewares of one name are one: a router has it, and so has a group of its.
func TestTheSameMiddlewareTwice(t *testing.T) {
	store := newStore(t)
	outer := cookiestore.Middleware(store)
	for name, inner := range map[string]func(http.Handler) http.Handler{
		"the same":                outer,
		"one of the same options": cookiestore.Middleware(store),
		"one of another store":    cookiestore.Middleware(newRows(), cookiestore.WithSaveEveryRequest()),
		"one with a third between": func(next http.Handler) http.Handler {
			return cookiestore.Middleware(newStore(t), cookiestore.WithName("other"))(outer(next))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, store)
			v.serve(func(next http.Handler) http.Handler {
				return outer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := cookiestore.FromContext(r.Context())
					s.Set("outer", 1)
					inner(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						same, ok := cookiestore.FromContextNamed(r.Context(), "sessionid")
						assert.True(t, ok)
						assert.Same(t, s, same)
						assert.Same(t, s, cookiestore.FromContext(r.Context()), "the innermost middleware's")
						same.Set("inner", 2)
						next.ServeHTTP(w, r)
					})).ServeHTTP(w, r)
				}))
			}, false)
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, _ *cookiestore.Session) { fmt.Fprint(w, "page") })
			require.Len(t, resp.Cookies(), 1)
			s := sessiontest.Session(t, store, resp.Cookies())
			requireJSON(t, `{"outer":1,"inner":2}`, s)
		})
	}
}

// A group of a router has the middleware of the site inside one of its own. To find that
// out, neither session is taken hold of: the response depends on no cookie.
func TestTheSameMiddlewareTwiceHoldsNothing(t *testing.T) {
	store := newStore(t)
	outer := cookiestore.Middleware(store)
	between := cookiestore.Middleware(store, cookiestore.WithName("other"))
	var other *cookiestore.Session
	page := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		other, _ = cookiestore.FromContextNamed(r.Context(), "other")
	})
	w := httptest.NewRecorder()
	outer(between(outer(http.NotFoundHandler()))).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Empty(t, w.Header()["Vary"])
	outer(between(outer(page))).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	require.NotNil(t, other, "the one in between is still found by its name")
}

// A renewal that fails is logged; the page is as good as before.
func TestRenewalThatFails(t *testing.T) {
	v := newVisitor(t, &failingStore{save: errDown}, cookiestore.WithSaveEveryRequest())
	v.cookie = "sessionid=x"
	resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Get("a")
		fmt.Fprint(w, "page")
	})
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "page", v.body)
	require.Empty(t, resp.Cookies())
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
	require.Contains(t, v.log.String(), `level=ERROR msg="session not renewed" cookie=sessionid`)
	require.Contains(t, v.log.String(), "the database is down")
	require.Equal(t, 1, strings.Count(v.log.String(), "\n"))
}

// What SetOptional stores is saved as a renewal is, or with what the handler changes.
func TestSetOptional(t *testing.T) {
	type how = struct {
		name    string
		handler sessionHandler
		options []cookiestore.Option
		saved   bool // what was set
	}
	note := func(s *cookiestore.Session) { s.SetOptional("seen", 1) }
	for kind, store := range bothKinds(t) {
		for _, tt := range []how{
			{"with a page that reads", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s) }, nil, true},
			{"with renewals, too", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s) }, []cookiestore.Option{cookiestore.WithRenewal(0.5)}, true},
			{"with a change", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s); s.Set("b", 2) }, nil, true},
			{"with a change and status 400", func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				note(s)
				s.Set("b", 2)
				w.WriteHeader(http.StatusBadRequest)
			}, nil, true},
			{"not with status 400", func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				note(s)
				w.WriteHeader(http.StatusBadRequest)
			}, nil, false},
			{"not where a cache may keep the page", func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				note(s)
				w.Header().Set("Cache-Control", "public, max-age=60")
			}, nil, false},
			{"not after SkipRenewal", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s); s.SkipRenewal() }, nil, false},
			{"not after the first byte", func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Get("a")
				fmt.Fprint(w, "hello")
				note(s)
			}, nil, false},
			{"not if it was cleared since", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				note(s)
				s.Clear()
				s.Set("a", 1)
			}, nil, false},
			{"not in a session that was flushed", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				note(s)
				s.Flush()
				s.Set("a", 1)
			}, nil, false},
		} {
			t.Run(kind+", "+tt.name, func(t *testing.T) {
				now := newClock()
				v := newVisitor(t, store, append(tt.options, now.option())...)
				v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
				v.get(tt.handler)
				require.Equal(t, tt.saved, v.value("seen") != nil)
				require.Equal(t, 1, v.value("a"))
				require.NotContains(t, v.log.String(), "after the response began")
			})
		}
	}

	t.Run("what is there already isn't saved again", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("seen", 1) })
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s) })
		require.Empty(t, resp.Cookies())
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.SetOptional("seen", 2) })
		require.Len(t, resp.Cookies(), 1)
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.SetOptional("seen", 2) })
		require.Empty(t, resp.Cookies())
	})
	t.Run("it begins no session, and changes nothing for the handler", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s) })
		require.Empty(t, resp.Cookies())
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1); note(s) })
		require.Len(t, resp.Cookies(), 1)
		require.Nil(t, v.value("seen"), "it is noted again")
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			note(s)
			require.False(t, s.Modified())
			require.Equal(t, 1, s.Get("seen"))
		})
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush(); note(s) })
		require.Equal(t, -1, resp.Cookies()[0].MaxAge, "the cookie is deleted, and no other set")
	})
	t.Run("what is set back isn't saved", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
		for _, first := range []string{"a", "new"} {
			resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				before := s.Get(first)
				s.SetOptional(first, 2)
				s.SetOptional(first, 3)
				if before == nil {
					s.Delete(first)
					s.SkipRenewal()
					return
				}
				s.SetOptional(first, before)
			})
			if first == "a" {
				require.Empty(t, resp.Cookies())
			}
		}
	})
	t.Run("where there is no room it is left out, and nothing else", func(t *testing.T) {
		store, err := cookiestore.New(testKey, cookiestore.WithCompressionOver(-1))
		require.NoError(t, err)
		v := newVisitor(t, store, cookiestore.WithMaxCookieSize(400))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.AddFlash("hello")
			s.Set("seen", 0)
			s.Set("pad", strings.Repeat("x", 90))
		})
		large := strings.Repeat("y", 100)
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.SetOptional("seen", large) })
		require.Empty(t, resp.Cookies())
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.SetOptional("other", large)
			s.SetOptional("seen", large)
			s.Set("b", 2)
		})
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, 2, v.value("b"))
		require.Equal(t, 0, v.value("seen"))
		require.Nil(t, v.value("other"))
		require.Equal(t, []any{"hello"}, v.value("_flash"))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.SetOptional("seen", large)
			s.Set("seen", 3) // it is the handler's now
		})
		require.Equal(t, 3, v.value("seen"))
		require.NotContains(t, v.log.String(), "ERROR")
	})
	t.Run("a record keeps it, however late, and on top of what others have changed", func(t *testing.T) {
		now := newClock()
		store := newRows()
		v := newVisitor(t, store, now.option())
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			note(s)
			now.add(time.Minute)
			cookie := v.cookie[len("sessionid="):]
			rec, err := store.Load(t.Context(), "sessionid", cookie)
			require.NoError(t, err)
			rec.Data, rec.Cookie = `{"a":2}`, cookie
			_, _, err = store.Save(t.Context(), "sessionid", rec)
			require.NoError(t, err)
		})
		require.Equal(t, 1, v.value("seen"))
		require.Equal(t, 2, v.value("a"))
	})
	t.Run("a value that can't be stored is an error, as with Set", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.SetOptional("a", func() {})
			s.SetOptional("a", 2)
		})
		require.Equal(t, http.StatusOK, resp.StatusCode, "until there is another")
		for _, bad := range []any{func() {}, "\xff"} {
			resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.SetOptional("a", bad) })
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		}
		resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.SetOptional("_session_expiry", "x")
		})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	})
	t.Run("an observer is told of a renewal", func(t *testing.T) {
		var o observed
		store := newStore(t)
		respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { note(s) },
			[]string{begin(t, store, time.Now(), `{"a":1}`)}, o.option())
		require.Equal(t, []string{"loaded", "saved renewal"}, o.take())
	})
}

// A middleware notes when the visitor was last here: to the hour, so that few responses
// set a cookie for it.
func ExampleSession_SetOptional() {
	lastSeen := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session := cookiestore.FromContext(r.Context())
			session.SetOptional("last_seen", time.Date(2026, 3, 1, 12, 34, 56, 0, time.UTC).Truncate(time.Hour))
			next.ServeHTTP(w, r)
		})
	}
	store, err := cookiestore.New([]byte("at least thirty-two random bytes"))
	if err != nil {
		panic(err)
	}
	handler := cookiestore.Middleware(store)(lastSeen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		fmt.Println(session.Get("last_seen"), session.Modified())
	})))
	value, _, err := store.Save(context.Background(), "sessionid", cookiestore.Record{Data: `{"user":"ann"}`, Saved: time.Now()})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: value})
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 2026-03-01T12:00:00Z false
}
