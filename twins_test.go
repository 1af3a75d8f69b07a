package cookiestore_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// Browsers send one cookie of a name for each scope. The newest valid one counts,
// wherever it stands.
func TestNewestCookieCounts(t *testing.T) {
	for kind, store := range bothKinds(t) {
		t.Run(kind, func(t *testing.T) {
			clock := newClock()
			now := clock.time()
			cookie := func(age time.Duration, user string) string {
				return begin(t, store, now.Add(-age), fmt.Sprintf(`{"user":%q}`, user))
			}
			old, newer, newest := cookie(2*time.Hour, "old"), cookie(time.Hour, "newer"), cookie(time.Minute, "newest")
			sameSecond := cookie(time.Minute, "newest, too")
			expired := cookie(15*24*time.Hour, "expired")
			for _, test := range []struct {
				name    string
				cookies []string
				want    any
				valid   int
				refused int
			}{
				{"the newest comes last", []string{old, newest}, "newest", 2, 0},
				{"the newest comes first", []string{newest, old}, "newest", 2, 0},
				{"the newest is in the middle", []string{old, newest, newer}, "newest", 3, 0},
				{"the order falls", []string{newest, newer, old}, "newest", 3, 0},
				{"of two that are equally new the later counts", []string{newest, sameSecond}, "newest, too", 2, 0},
				{"and in the other order", []string{sameSecond, newest}, "newest", 2, 0},
				{"an expired one does not count", []string{expired, old}, "old", 1, 1},
				{"nor does one that is not valid", []string{old, "sessionid=bad"}, "old", 1, 1},
				{"the same cookie twice is one", []string{old, old}, "old", 1, 0},
				{"in whatever spelling", []string{old, strings.ReplaceAll(old, ":", "%3A"), strings.ReplaceAll(old, "sessionid=", `sessionid="`) + `"`}, "old", 1, 0},
				{"an older one in two spellings is one", []string{old, strings.ReplaceAll(old, ":", "%3a"), newest}, "newest", 2, 0},
				{"empty ones are none", []string{"sessionid=", newest, `sessionid=""`, "sessionid"}, "newest", 1, 0},
				{"other names are others", []string{"sessionidx=bad", "sessionid x=bad", "xsessionid=bad", newest}, "newest", 1, 0},
				{"none is valid", []string{expired, "sessionid=bad"}, nil, 0, 2},
				{"eight are looked at", append(bad(7), newest), "newest", 1, 7},
				{"a ninth is not", append(bad(8), newest), nil, 0, 8},
				{"the same bad one is looked at once", []string{strings.Repeat("sessionid=bad; ", 100) + newest}, "newest", 1, 1},
			} {
				t.Run(test.name, func(t *testing.T) {
					v := newVisitor(t, store, clock.option())
					v.cookie = strings.Join(test.cookies, "; ")
					require.Equal(t, test.want, v.value("user"))
					log := v.log.String()
					switch {
					case test.refused > 0:
						require.Contains(t, log, fmt.Sprintf("refused=%d", test.refused))
					case test.valid > 1:
						require.Contains(t, log, `level=WARN msg="several session cookies"`)
						require.Contains(t, log, fmt.Sprintf("the newest of %d valid cookies counts: see WithFormerScope", test.valid))
					}
					lines := 0
					if test.refused > 0 || test.valid > 1 {
						lines = 1
					}
					require.Equal(t, lines, strings.Count(log, "\n"), log)
				})
			}
		})
	}
}

// bad returns n cookies, each of which is refused.
func bad(n int) (cookies []string) {
	for i := range n {
		cookies = append(cookies, fmt.Sprintf("sessionid=bad%d", i))
	}
	return cookies
}

func TestRefusedBesideValidOnesAreNumbered(t *testing.T) {
	clock := newClock()
	store := newStore(t)
	v := newVisitor(t, store, clock.option())
	v.cookie = "sessionid=bad; " + begin(t, store, clock.time(), `{"n":1}`) + "; " + begin(t, store, clock.time(), `{"n":2}`)
	require.Equal(t, 2, v.value("n"))
	require.Contains(t, v.log.String(), "refused=1 valid=2")
	require.Equal(t, 1, strings.Count(v.log.String(), "\n"))
}

// What is saved over an older twin is the newest cookie from then on, wherever the
// browser puts it, in the same second, too.
func TestASaveIsNewerThanAllTwins(t *testing.T) {
	for kind, store := range bothKinds(t) {
		for name, change := range map[string]func(*cookiestore.Session){
			"a change":          func(s *cookiestore.Session) { s.Set("user", "new") },
			"a flush and login": func(s *cookiestore.Session) { s.Flush(); s.Set("user", "new") },
			"a cycled login":    func(s *cookiestore.Session) { s.CycleKey(); s.Set("user", "new") },
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				clock := newClock()
				a, b := begin(t, store, clock.time(), `{"user":"a"}`), begin(t, store, clock.time(), `{"user":"b"}`)
				v := newVisitor(t, store, clock.option())
				v.cookie = a + "; " + b
				resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { change(s) })
				saved := "sessionid=" + resp.Cookies()[0].Value
				for _, order := range []string{saved + "; " + a + "; " + b, a + "; " + saved + "; " + b, a + "; " + b + "; " + saved} {
					v.cookie = order
					require.Equal(t, "new", v.value("user"))
				}
			})
		}
	}
}

// However many saves there are in one second, none is refused as one from the future.
func TestManySavesBesideATwin(t *testing.T) {
	for _, skew := range []time.Duration{0, time.Second, time.Minute} {
		clock := newClock()
		store := newStore(t)
		v := newVisitor(t, store, clock.option(), cookiestore.WithClockSkew(skew))
		twin := begin(t, store, clock.time().Add(-time.Hour), `{"n":-1}`)
		v.cookie = begin(t, store, clock.time(), `{"n":0}`)
		for want := 1; want <= 100; want++ {
			v.cookie = twin + "; " + v.cookie
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				assert.NoError(t, cookiestore.Modify(s, "n", func(n *int) { *n++ }))
				assert.Equal(t, want, s.Get("n"))
			})
		}
		s, err := must(cookiestore.NewManager(store, clock.option(), cookiestore.WithClockSkew(skew))).Load(t.Context(), v.cookie)
		require.NoError(t, err)
		require.Equal(t, 100, s.Get("n"))
		require.False(t, s.SavedAt().After(clock.time().Add(skew)), skew)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Logging out ends the sessions of all of a visitor's cookies.
func TestFlushEndsTwins(t *testing.T) {
	for name, end := range map[string]func(*cookiestore.Session){
		"flushed":             (*cookiestore.Session).Flush,
		"flushed, with a key": func(s *cookiestore.Session) { s.Flush(); s.Set("anonymous", true) },
		"cleared":             (*cookiestore.Session).Clear,
		"emptied":             func(s *cookiestore.Session) { s.Delete("user") },
	} {
		t.Run(name, func(t *testing.T) {
			store := newRows()
			clock := newClock()
			a, b, c := begin(t, store, clock.time(), `{"user":"a"}`), begin(t, store, clock.time(), `{"user":"b"}`), begin(t, store, clock.time(), `{"user":"c"}`)
			v := newVisitor(t, store, clock.option())
			v.cookie = strings.Join([]string{a, b, "sessionid=bad", c}, "; ")
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { end(s) })
			for _, cookie := range []string{a, b, c} {
				_, err := store.Load(t.Context(), "sessionid", strings.TrimPrefix(cookie, "sessionid="))
				require.ErrorIs(t, err, cookiestore.ErrNoSession)
			}
		})
	}
}

// A site may name a former scope and return to it. What a log-in has set there after a flush
// isn't deleted again.
func TestAFormerScopeThatIsTheCurrentOneIsNotDeleted(t *testing.T) {
	for name, options := range map[string][]cookiestore.Option{
		"the host's own":    {cookiestore.WithFormerScope("", "/")},
		"a domain":          {cookiestore.WithDomain("example.org"), cookiestore.WithFormerScope("example.org", "/")},
		"one with a dot":    {cookiestore.WithDomain("example.org"), cookiestore.WithFormerScope(".example.org", "/")},
		"one in capitals":   {cookiestore.WithDomain("example.org"), cookiestore.WithFormerScope("EXAMPLE.org", "/")},
		"the dot was first": {cookiestore.WithDomain(".example.org"), cookiestore.WithFormerScope("example.org", "/")},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := cookiestore.NewManager(newStore(t), options...)
			require.NoError(t, err)
			var session cookiestore.Session
			session.Set("user", "ada")
			_, err = m.Save(t.Context(), &session)
			require.NoError(t, err)
			session.Flush()
			session.Set("user", "bob")
			cookies, err := m.Save(t.Context(), &session)
			require.NoError(t, err)
			require.NotEmpty(t, cookies)
			for _, other := range cookies[1:] {
				require.NotEqual(t, strings.TrimPrefix(strings.ToLower(cookies[0].Domain), "."), strings.TrimPrefix(strings.ToLower(other.Domain), "."))
			}
		})
	}
}

// The cookie is deleted in every scope in which the site may have set it.
func TestDeletionInFormerScopes(t *testing.T) {
	type options = []cookiestore.Option
	domain := cookiestore.WithDomain("example.org")
	const gone = "sessionid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; "
	flush := (*cookiestore.Session).Flush
	for _, test := range []struct {
		name    string
		options options
		twin    bool
		end     func(*cookiestore.Session)
		want    []string // of the fields that delete it
	}{
		{"only its own", nil, false, flush, []string{"Path=/; HttpOnly; Secure; SameSite=Lax"}},
		{"the host's own where there is a domain", options{domain}, false, flush, []string{
			"Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax",
			"Path=/; HttpOnly; Secure; SameSite=Lax",
		}},
		{"on the same path", options{domain, cookiestore.WithPath("/app")}, false, flush, []string{
			"Path=/app; Domain=example.org; HttpOnly; Secure; SameSite=Lax",
			"Path=/app; HttpOnly; Secure; SameSite=Lax",
		}},
		{"former scopes", options{cookiestore.WithFormerScope(".example.org", "/"), cookiestore.WithFormerScope("", "/app")}, false, flush, []string{
			"Path=/; HttpOnly; Secure; SameSite=Lax",
			"Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax",
			"Path=/app; HttpOnly; Secure; SameSite=Lax",
		}},
		{"the partitioned one if there are two", nil, true, flush, []string{
			"Path=/; HttpOnly; Secure; SameSite=Lax",
			"Path=/; HttpOnly; Secure; SameSite=Lax; Partitioned",
		}},
		{"the one that is not partitioned if there are two", options{cookiestore.WithPartitioned()}, true, flush, []string{
			"Path=/; HttpOnly; Secure; SameSite=Lax; Partitioned",
			"Path=/; HttpOnly; Secure; SameSite=Lax",
		}},
		{"no partitioned one over plain HTTP", options{cookiestore.WithSecure(false)}, true, flush, []string{"Path=/; HttpOnly; SameSite=Lax"}},
		{"all when it is emptied", options{domain}, true, (*cookiestore.Session).Clear, []string{
			"Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax",
			"Path=/; HttpOnly; Secure; SameSite=Lax",
			"Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax; Partitioned",
		}},
		{"the others when another session begins", options{domain}, true, func(s *cookiestore.Session) { s.Flush(); s.Set("a", 1) }, []string{
			"Path=/; HttpOnly; Secure; SameSite=Lax",
			"Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax; Partitioned",
		}},
		{"none when it is changed", options{domain}, true, func(s *cookiestore.Session) { s.Set("a", 2) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := newClock()
			store := newStore(t)
			cookie := begin(t, store, clock.time(), `{"a":1}`)
			if test.twin {
				cookie += "; sessionid=bad"
			}
			v := newVisitor(t, store, append(test.options, clock.option())...)
			v.cookie = cookie
			resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { test.end(s) })
			var lines []string
			for _, line := range resp.Header["Set-Cookie"] {
				if attributes, ok := strings.CutPrefix(line, gone); ok {
					lines = append(lines, attributes)
				}
			}
			require.Equal(t, test.want, lines)

			// A caller without the middleware gets the same cookies.
			m := must(cookiestore.NewManager(store, append(test.options, clock.option(), quiet)...))
			s, err := m.Load(t.Context(), cookie)
			require.NoError(t, err)
			test.end(s)
			cookies, err := m.Save(t.Context(), s)
			require.NoError(t, err)
			var again []string
			for _, c := range cookies {
				if line, ok := strings.CutPrefix(c.String(), "sessionid=; Path="+c.Path); ok {
					domain, rest, _ := strings.Cut(line, "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0")
					again = append(again, "Path="+c.Path+domain+rest)
				}
			}
			require.Equal(t, test.want, again)
		})
	}
}

// A session that can't be loaded is not taken for an older one that can.
func TestStoreFailsForOneOfSeveral(t *testing.T) {
	store := &failsFor{rows: newRows(), value: "down"}
	good := begin(t, store, time.Now(), `{"a":1}`)
	for _, cookies := range []string{good + "; sessionid=down", "sessionid=down; " + good} {
		v := newVisitor(t, store)
		v.cookie = cookies
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			assert.Error(t, s.Err())
			assert.Nil(t, s.Get("a"))
		})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	}
}

// failsFor is a store that fails for one cookie.
type failsFor struct {
	*rows
	value string
}

func (s *failsFor) Load(c ctx, name, value string) (cookiestore.Record, error) {
	if value == s.value {
		return cookiestore.Record{}, errDown
	}
	return s.rows.Load(c, name, value)
}

// A store of one's own may have percent signs in its values: they come back as they are.
func TestPercentSignsOfAStore(t *testing.T) {
	v := newVisitor(t, percents{newRows()})
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
	require.Contains(t, v.cookie, "%3A")
	require.Equal(t, 1, v.value("a"))
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 2) })
	require.Equal(t, 2, v.value("a"))
}

// percents is a store whose values are escaped.
type percents struct{ *rows }

func (p percents) Load(c ctx, name, value string) (cookiestore.Record, error) {
	if strings.Contains(value, ":") {
		return cookiestore.Record{}, cookiestore.ErrTampered
	}
	return p.rows.Load(c, name, strings.ReplaceAll(value, "%3A", ":"))
}

func (p percents) Save(c ctx, name string, rec cookiestore.Record) (value, version string, err error) {
	rec.Cookie = strings.ReplaceAll(rec.Cookie, "%3A", ":")
	value, version, err = p.rows.Save(c, name, rec)
	return strings.ReplaceAll(value, ":", "%3A"), version, err
}

// An inner handler that strips the Cookie field changes nothing.
func TestCookiesAreTakenWhenTheRequestComes(t *testing.T) {
	store := newStore(t)
	v := newVisitor(t, store)
	v.cookie = begin(t, store, time.Now(), `{"a":1}`)
	v.get(func(_ http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		r.Header.Del("Cookie")
		assert.Equal(t, 1, s.Get("a"))
	})
}

// The other spelling of a cookie is tried where the first is refused, and its error counts
// only if the store has failed.
func TestErrorsOfSpellings(t *testing.T) {
	down := &failsFor{rows: newRows(), value: "a:b"}
	for _, test := range []struct {
		name    string
		store   cookiestore.Store
		cookie  string
		refused error
		fails   bool
	}{
		{"both are refused", percents{newRows()}, "x%3Ay", cookiestore.ErrNoSession, false},
		{"the second fails", down, "a%3Ab", nil, true},
		{"the first fails", &failsFor{rows: newRows(), value: "a%3Ab"}, "a%3Ab", nil, true},
		{"another sign is left alone", percents{newRows()}, "x%3By", cookiestore.ErrNoSession, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := must(cookiestore.NewManager(test.store, quiet)).Load(t.Context(), "sessionid="+test.cookie)
			require.Equal(t, test.fails, err != nil)
			if test.refused != nil {
				require.ErrorIs(t, s.Refused(), test.refused)
			}
		})
	}
}

// A record that can't be deleted is an error, whichever cookie's it is.
func TestTwinThatCantBeDeleted(t *testing.T) {
	for name, end := range map[string]func(*cookiestore.Session){"flushed": (*cookiestore.Session).Flush, "cleared": (*cookiestore.Session).Clear} {
		t.Run(name, func(t *testing.T) {
			store := &keeps{newRows(), ""}
			old := begin(t, store, time.Now().Add(-time.Hour), `{"a":1}`)
			store.value = strings.TrimPrefix(old, "sessionid=")
			m := must(cookiestore.NewManager(store, quiet))
			s, err := m.Load(t.Context(), old+"; "+begin(t, store, time.Now(), `{"a":2}`))
			require.NoError(t, err)
			end(s)
			cookies, err := m.Save(t.Context(), s)
			require.ErrorIs(t, err, errDown)
			require.Empty(t, cookies)
		})
	}
}

// keeps is a store that can't delete one record.
type keeps struct {
	*rows
	value string
}

func (s *keeps) Delete(c ctx, name, value, version string) error {
	if value == s.value {
		return errDown
	}
	return s.rows.Delete(c, name, value, version)
}
