package sessiontest

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStore tests that sessions behave on a store as they do on every other:
// each subtest gets a store of its own from newStore and drives handlers that
// know nothing of it. No test sleeps: they move a clock, and a store that has to
// know the time, to remove expired sessions, uses that clock.
//
// The options are for every session's middleware, such as [cookiestore.WithChunks]. They
// must leave room for some 500 bytes of JSON, and name no cookie, clock or logger.
func TestStore(t *testing.T, newStore func(t testing.TB, clock func() time.Time) cookiestore.Store, options ...cookiestore.Option) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *visitor)
	}{
		{"a session survives from request to request", testSurvives},
		{"every kind of value comes back as it was set", testValues},
		{"an untouched value is preserved byte for byte", testUntouched},
		{"only a change sets a cookie", testOnlyChanges},
		{"a session without keys is never begun", testNeverBegun},
		{"a session that is emptied is deleted", testEmptied},
		{"a flushed session has ended and a new one may follow", testFlush},
		{"a cycled key keeps the values", testCycleKey},
		{"abandoned records are deleted", testForgets},
		{"a record is deleted once", testDeletedOnce},
		{"expired sessions are removed and the rest is not", testClearExpired},
		{"two requests that change different keys lose nothing", testMerge},
		{"many requests of one session at once lose nothing", testAtOnce},
		{"a session that was deleted meanwhile is not brought back", testInterrupted},
		{"a status of 500 saves nothing", testServerError},
		{"a value that can't be kept is an error and the old session stays", testBadValue},
		{"a flash message survives a redirect and is read once", testFlash},
		{"the test cookie works from the second request on", testTestCookie},
		{"a cookie that means nothing is a new session", testNonsense},
		{"several cookies are loaded as each of them is alone", testLoadMany},
		{"a session ends after the default age", testDefaultAge},
		{"an age counts from the last save", testAfter},
		{"a fixed end is not moved by saves", testAt},
		{"browser close gives a cookie without times and the default age", testBrowserClose},
		{"a session whose end has passed is deleted", testOverAtOnce},
		{"the default expiry takes an earlier one back", testBackToDefault},
		{"a lifetime ends a session however often it is saved", testLifetime},
		{"a session that is only read is renewed when due", testRenewal},
		{"every request saves if the option says so", testEveryRequest},
		{"goroutines of one request share its session", testConcurrent},
		{"of two cookies of one name the newest counts", testTwins},
		{"a flush ends the sessions of all cookies", testFlushTwins},
		{"a flush holds in a response that fails", testFlushFailed},
		{"a request that only reads a dead session sets no cookie", testDeadSession},
		{"what two requests add to one value is counted twice", testReplays},
		{"a renewal gives way to what another request has done", testRenewalGivesWay},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := &visitor{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), common: options}
			v.store = newStore(t, func() time.Time { return v.now })
			test.run(t, v)
		})
	}
}

// visitor is a browser that has at most the session's cookies, with a clock.
type visitor struct {
	store   cookiestore.Store
	now     time.Time
	cookie  string // the Cookie field: "name=value", and the chunks
	common  []cookiestore.Option
	options []cookiestore.Option // of the test
}

// cookieName is the default, as [cookiestore.WithName] says.
const cookieName = "sessionid"

// accept does with a Set-Cookie field as a browser does.
func (v *visitor) accept(c *http.Cookie) {
	var kept []string
	for pair := range strings.SplitSeq(v.cookie, "; ") {
		if pair != "" && !strings.HasPrefix(pair, c.Name+"=") {
			kept = append(kept, pair)
		}
	}
	if c.MaxAge >= 0 {
		kept = append(kept, c.Name+"="+c.Value)
	}
	v.cookie = strings.Join(kept, "; ")
}

// sessionCookies returns the session's cookies that a response sets or deletes, but for
// those of further chunks.
func sessionCookies(resp *http.Response) []*http.Cookie {
	return slices.DeleteFunc(resp.Cookies(), func(c *http.Cookie) bool { return c.Name != cookieName })
}

// site returns a handler behind the middleware.
func (v *visitor) site(handler http.HandlerFunc) http.Handler {
	options := append([]cookiestore.Option{
		cookiestore.WithClock(func() time.Time { return v.now }),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
	}, slices.Concat(v.common, v.options)...)
	return cookiestore.Middleware(v.store, options...)(handler)
}

// visit sends a request and does with the cookie as a browser would.
func (v *visitor) visit(t *testing.T, handler func(w http.ResponseWriter, s *cookiestore.Session)) *http.Response {
	t.Helper()
	served := v.site(func(w http.ResponseWriter, r *http.Request) {
		handler(w, cookiestore.FromContext(r.Context()))
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	w := httptest.NewRecorder()
	served.ServeHTTP(w, r)
	resp := w.Result()
	for _, c := range resp.Cookies() {
		v.accept(c)
	}
	return resp
}

// use visits with a handler that needs only the session.
func (v *visitor) use(t *testing.T, handler func(s *cookiestore.Session)) *http.Response {
	t.Helper()
	return v.visit(t, func(_ http.ResponseWriter, s *cookiestore.Session) { handler(s) })
}

func (v *visitor) set(t *testing.T, key string, value any) *http.Response {
	t.Helper()
	return v.use(t, func(s *cookiestore.Session) { s.Set(key, value) })
}

// requireSession requires that the visitor has a session, or has none.
func (v *visitor) requireSession(t *testing.T, alive bool, why string) {
	t.Helper()
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, !alive, s.IsNew(), why) })
}

func (v *visitor) wait(d time.Duration) { v.now = v.now.Add(d) }

func testSurvives(t *testing.T, v *visitor) {
	for want := 1; want <= 5; want++ {
		v.use(t, func(s *cookiestore.Session) {
			visits := cookiestore.Get(s, "num_visits", 0) + 1
			s.Set("num_visits", visits)
			require.Equal(t, want, visits)
			require.Equal(t, want == 1, s.IsNew())
		})
	}
}

func testValues(t *testing.T, v *visitor) {
	values := map[string]any{
		"text":     "naïve café Ωmega 😀 \u2028 </script>& \x00\x1f\"\\",
		"empty":    "",
		"int":      1207,
		"negative": -7,
		"unsigned": uint64(1<<64 - 1),
		"huge":     json.Number("1000000000000000000000000000000"),
		"float":    0.1,
		"whole":    2.0,
		"small":    -2.5e-7,
		"large":    1e22,
		"true":     true,
		"null":     nil,
		"list":     []any{1, "two", 3.0, nil, []any{}, map[string]any{}},
		"map":      map[string]any{"wheels": "alloy", "doors": 5, "price": 100.0},
		"a.b c":    "a key with a dot and a space",
		"":         "an empty key",
		"😀":        "a key beyond the BMP",
	}
	check := func(s *cookiestore.Session) {
		for key, want := range values {
			assert.Equal(t, want, s.Get(key), "key %q", key)
		}
		assert.Equal(t, int64(1<<53+1), cookiestore.Get(s, "big", int64(0)), "past what a float64 holds")
		assert.Len(t, s.Keys(), len(values)+1)
	}
	v.use(t, func(s *cookiestore.Session) {
		s.Update(values)
		s.Set("big", int64(1<<53+1))
		check(s)
	})
	v.use(t, check)
}

func testUntouched(t *testing.T, v *visitor) {
	const raw = `{"z":1.0,"a":9007199254740993,"n":1e2,"lone":"\ud800","b":[ 1 , {"q":1E5} ]}`
	v.set(t, "before", json.RawMessage(raw))
	v.set(t, "after", 1)
	v.use(t, func(s *cookiestore.Session) {
		// encoding/json takes the spaces out when the value is set.
		require.Equal(t, `{"before":`+strings.ReplaceAll(raw, " ", "")+`,"after":1}`, whole(t, s))
	})
}

var identity = regexp.MustCompile(`,?"_session_id":"[^"]*"`)

// whole returns the dictionary as JSON, without what WithRevocations keeps in it.
func whole(t *testing.T, s *cookiestore.Session) string {
	data, err := s.MarshalJSON()
	require.NoError(t, err)
	return identity.ReplaceAllString(string(data), "")
}

func testOnlyChanges(t *testing.T, v *visitor) {
	resp := v.set(t, "a", 1)
	require.Len(t, sessionCookies(resp), 1)
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])

	resp = v.use(t, func(s *cookiestore.Session) { s.Get("a"); s.Has("b"); s.Keys() })
	require.Empty(t, resp.Cookies(), "reading sets no cookie")
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])

	resp = v.use(t, func(*cookiestore.Session) {})
	require.Empty(t, resp.Cookies(), "an untouched session sets no cookie")
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"], "the handler got hold of the session")

	resp = v.use(t, func(s *cookiestore.Session) { s.Delete("b"); s.Pop("b"); s.SetExpiry(cookiestore.Default) })
	require.Empty(t, resp.Cookies(), "removing what isn't there changes nothing")

	resp = v.use(t, (*cookiestore.Session).SetModified)
	require.Len(t, sessionCookies(resp), 1)
}

func testNeverBegun(t *testing.T, v *visitor) {
	resp := v.use(t, func(s *cookiestore.Session) {
		require.True(t, s.IsEmpty())
		s.Set("a", 1)
		s.Delete("a")
	})
	require.Empty(t, resp.Cookies())
}

func testEmptied(t *testing.T, v *visitor) {
	for _, empty := range []func(*cookiestore.Session){
		func(s *cookiestore.Session) { s.Delete("a", "b") },
		(*cookiestore.Session).Clear,
		(*cookiestore.Session).Flush,
	} {
		v.use(t, func(s *cookiestore.Session) { s.Update(map[string]int{"a": 1, "b": 2}) })
		v.requireSession(t, true, "it was just set")
		resp := v.use(t, empty)
		require.Len(t, sessionCookies(resp), 1)
		require.Equal(t, -1, sessionCookies(resp)[0].MaxAge)
		require.Empty(t, sessionCookies(resp)[0].Value)
		require.Equal(t, time.Unix(0, 0).UTC(), sessionCookies(resp)[0].Expires)
		v.requireSession(t, false, "it was emptied")
	}
}

func testFlush(t *testing.T, v *visitor) {
	v.set(t, "user", 1)
	v.use(t, func(s *cookiestore.Session) {
		s.Flush()
		require.True(t, s.IsEmpty())
		s.Set("greeting", "bye")
	})
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, []string{"greeting"}, s.Keys()) })
}

func testCycleKey(t *testing.T, v *visitor) {
	v.set(t, "cart", "A-1")
	resp := v.use(t, (*cookiestore.Session).CycleKey)
	require.Len(t, sessionCookies(resp), 1)
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, "A-1", s.Get("cart")) })
}

// hasRecords reports whether the store keeps records: the cookie is then the key
// of one, and stays the same when the session changes. Otherwise it is the session
// itself, can't be taken back, and of two the later one counts.
func (v *visitor) hasRecords(t *testing.T) bool {
	t.Helper()
	v.set(t, "a", 1)
	before := v.cookie
	v.set(t, "a", 2)
	defer func() { v.cookie = "" }()
	if v.cookie == before {
		return true
	}
	t.Log("the session is in the cookie itself")
	return false
}

// testMerge has one request served in the middle of another of the same visitor.
func testMerge(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	const twoWeeks = 14 * 24 * time.Hour
	type session = *cookiestore.Session
	for _, test := range []struct {
		name         string
		outer, inner func(session)
		want         string
		age          time.Duration
	}{
		{"each sets a key of its own",
			func(s session) { s.Set("x", 1) }, func(s session) { s.Set("y", 2) },
			`{"a":1,"b":2,"y":2,"x":1}`, twoWeeks},
		{"both change keys that were there",
			func(s session) { s.Set("a", 10) }, func(s session) { s.Set("b", 20) },
			`{"a":10,"b":20}`, twoWeeks},
		{"of two changes of one key the one that is saved last counts",
			func(s session) { s.Set("a", 10) }, func(s session) { s.Set("a", 20) },
			`{"a":10,"b":2}`, twoWeeks},
		{"one deletes what the other leaves",
			func(s session) { s.Set("x", 1) }, func(s session) { s.Delete("a") },
			`{"b":2,"x":1}`, twoWeeks},
		{"one deletes and the other sets",
			func(s session) { s.Delete("a") }, func(s session) { s.Set("y", 2) },
			`{"b":2,"y":2}`, twoWeeks},
		{"one empties it and the other sets",
			func(s session) { s.Clear() }, func(s session) { s.Set("y", 2) },
			`{"y":2}`, twoWeeks},
		{"one cycles the key after the other has saved",
			func(s session) { s.CycleKey(); s.Set("x", 1) }, func(s session) { s.Set("y", 2) },
			`{"a":1,"b":2,"y":2,"x":1}`, twoWeeks},
		{"the expiry of the other counts for the cookie, too",
			func(s session) { s.Set("x", 1) }, func(s session) { s.SetExpiry(cookiestore.After(time.Minute)) },
			`{"a":1,"b":2,"_session_expiry":60,"x":1}`, time.Minute},
	} {
		v.cookie = ""
		v.use(t, func(s session) { s.Set("a", 1); s.Set("b", 2) })
		cookie := v.cookie
		resp := v.use(t, func(s session) {
			require.Equal(t, 1, s.Get("a"), test.name)
			v.use(t, test.inner)
			v.cookie = cookie
			test.outer(s)
		})
		require.Equal(t, http.StatusOK, resp.StatusCode, test.name)
		require.Equal(t, int(test.age.Seconds()), sessionCookies(resp)[0].MaxAge, test.name)
		v.use(t, func(s session) { require.JSONEq(t, test.want, whole(t, s), test.name) })
		v.wait(test.age - time.Second)
		v.requireSession(t, true, test.name)
		v.wait(2 * time.Second)
		v.requireSession(t, false, test.name)
	}
}

// testAtOnce has many requests load the session before the first of them saves it.
func testAtOnce(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	const requests = 12
	v.use(t, func(s *cookiestore.Session) {
		s.Set("n", 0)
		s.AddFlash("first")
	})
	var loaded, done sync.WaitGroup
	loaded.Add(requests)
	served := v.site(func(_ http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		assert.Zero(t, s.Get("n"))
		loaded.Done()
		loaded.Wait()
		assert.NoError(t, cookiestore.Modify(s, "n", func(n *int) { *n++ }))
		s.AddFlash(r.URL.Path)
		s.Set(r.URL.Path, true)
	})
	for i := range requests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+strconv.Itoa(i), nil)
		r.Header.Set("Cookie", v.cookie)
		done.Go(func() {
			w := httptest.NewRecorder()
			served.ServeHTTP(w, r)
			assert.Equal(t, http.StatusOK, w.Code)
		})
	}
	done.Wait()
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, requests, s.Get("n"), "Modify counts all")
		messages := s.Flashes()
		require.Len(t, messages, requests+1)
		require.Equal(t, "first", messages[0])
		for i := range requests {
			path := "/" + strconv.Itoa(i)
			require.Equal(t, true, s.Get(path))
			require.Contains(t, messages, any(path))
		}
	})
}

func testInterrupted(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	var failed error
	v.options = []cookiestore.Option{
		cookiestore.WithRenewal(0.5),
		cookiestore.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
			failed = err
			w.WriteHeader(http.StatusTeapot)
		}),
	}
	type session = *cookiestore.Session
	for how, leave := range map[string]func(session){
		"flushed": session.Flush,
		"emptied": session.Clear,
		"cycled":  session.CycleKey,
		"over":    func(s session) { s.SetExpiry(cookiestore.After(0)) },
	} {
		for what, test := range map[string]struct {
			change func(session)
			status int
		}{
			"changed": {func(s session) { s.Set("a", 2) }, http.StatusTeapot},
			"cycled":  {session.CycleKey, http.StatusTeapot},
			"ended":   {session.Flush, http.StatusOK},
			"emptied": {session.Clear, http.StatusOK},
			"renewed": {func(s session) { s.Get("a") }, http.StatusOK},
		} {
			name := what + " after it was " + how
			failed = nil
			cookie := v.begin(t, "a", 1)
			v.wait(8 * 24 * time.Hour) // so that a renewal is due
			resp := v.use(t, func(s session) {
				s.Get("a")
				v.use(t, leave)
				v.cookie = cookie
				test.change(s)
			})
			require.Equal(t, test.status, resp.StatusCode, name)
			for _, c := range resp.Cookies() {
				require.Empty(t, c.Value, "nothing was saved, "+name)
			}
			if test.status == http.StatusTeapot {
				require.ErrorIs(t, failed, cookiestore.ErrInterrupted, name)
				require.Equal(t, cookie, v.cookie, "the error handler has the word")
			}
			v.cookie = cookie
			v.requireSession(t, false, name)
		}
	}
}

// testForgets is about stores with records.
func testForgets(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	for name, leave := range map[string]func(*cookiestore.Session){
		"cycled":         (*cookiestore.Session).CycleKey,
		"cleared":        (*cookiestore.Session).Clear,
		"flushed":        (*cookiestore.Session).Flush,
		"begun anew":     func(s *cookiestore.Session) { s.Flush(); s.Set("b", 1) },
		"over":           func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(0)) },
		"without a key":  func(s *cookiestore.Session) { s.Delete("a") },
		"cycled, at 404": (*cookiestore.Session).CycleKey,
	} {
		left := v.begin(t, "a", 1)
		v.visit(t, func(w http.ResponseWriter, s *cookiestore.Session) {
			leave(s)
			if strings.HasSuffix(name, "404") {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		require.NotEqual(t, left, v.cookie, name)
		v.cookie = left
		v.requireSession(t, false, "it was "+name)
	}

	left := v.begin(t, "a", 1)
	v.visit(t, func(w http.ResponseWriter, s *cookiestore.Session) {
		s.CycleKey()
		w.WriteHeader(http.StatusInternalServerError)
	})
	require.Equal(t, left, v.cookie)
	v.requireSession(t, true, "a status of 500 changes nothing")

	v.cookie = "sessionid=chosenbythevisitor0123456789abcd"
	v.set(t, "a", 1)
	require.NotContains(t, v.cookie, "chosenbythevisitor", "the visitor does not choose the key")
}

// testDeletedOnce is about stores with records: of two requests that delete one in the
// state that they know, the later is told.
func testDeletedOnce(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	v.set(t, "a", 1)
	value := strings.TrimPrefix(v.cookie, cookieName+"=")
	rec, err := v.store.Load(t.Context(), cookieName, value)
	require.NoError(t, err)
	if rec.Version == "" {
		return
	}
	require.NoError(t, v.store.Delete(t.Context(), cookieName, value, rec.Version))
	require.ErrorIs(t, v.store.Delete(t.Context(), cookieName, value, rec.Version), cookiestore.ErrConflict)
	require.NoError(t, v.store.Delete(t.Context(), cookieName, value, ""), "without a version, it is enough that it is gone")
}

func testServerError(t *testing.T, v *visitor) {
	v.set(t, "a", 1)
	resp := v.visit(t, func(w http.ResponseWriter, s *cookiestore.Session) {
		s.Set("a", 2)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	require.Empty(t, resp.Cookies())
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("a")) })
}

func testBadValue(t *testing.T, v *visitor) {
	v.set(t, "a", 1)
	resp := v.use(t, func(s *cookiestore.Session) {
		s.Set("a", 2)
		s.Set("channel", make(chan int))
		require.ErrorContains(t, s.Err(), `"channel"`)
	})
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Empty(t, resp.Cookies())
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("a")) })
}

func testFlash(t *testing.T, v *visitor) {
	resp := v.visit(t, func(w http.ResponseWriter, s *cookiestore.Session) {
		s.AddFlash("Saved.")
		s.AddFlash(map[string]any{"level": "warning", "count": 2})
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusSeeOther)
	})
	require.Equal(t, http.StatusSeeOther, resp.StatusCode)
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, []any{"Saved.", map[string]any{"level": "warning", "count": 2}}, s.Flashes())
		require.Empty(t, s.Flashes())
	})
	v.use(t, func(s *cookiestore.Session) { require.Empty(t, s.Flashes()) })
}

func testTestCookie(t *testing.T, v *visitor) {
	v.use(t, func(s *cookiestore.Session) {
		require.False(t, s.TestCookieWorked())
		s.SetTestCookie()
	})
	v.use(t, func(s *cookiestore.Session) {
		require.True(t, s.TestCookieWorked())
		s.DeleteTestCookie()
	})
	v.use(t, func(s *cookiestore.Session) { require.False(t, s.TestCookieWorked()) })
}

func testNonsense(t *testing.T, v *visitor) {
	v.set(t, "a", 1)
	good := v.cookie
	for _, bad := range []string{
		"sessionid=", "sessionid=x", "sessionid=::", "sessionid=" + strings.Repeat("x", 5000),
		"sessionid=abcdefghijklmnopqrstuvwxyz012345", "other=1", "sessionid", "=", good[:len(good)-1], good + "x",
	} {
		v.cookie = bad
		resp := v.use(t, func(s *cookiestore.Session) {
			assert.True(t, s.IsNew(), bad)
			assert.True(t, s.IsEmpty(), bad)
			assert.NoError(t, s.Err(), bad)
		})
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		for _, c := range resp.Cookies() {
			assert.Empty(t, c.Value, "there is nothing to save")
		}
	}
	v.cookie = "sessionid=x; " + good
	v.requireSession(t, true, "a cookie that is not valid doesn't hide the one that is")
}

// testLoadMany is about stores that can load several sessions at once.
func testLoadMany(t *testing.T, v *visitor) {
	store, ok := v.store.(cookiestore.ManyLoader)
	if !ok {
		return
	}
	values := []string{"", "x", strings.Repeat("x", 5000), "chosenbythevisitor0123456789abcd"}
	for i := range 10 {
		values = append(values, strings.TrimPrefix(v.begin(t, "a", i), "sessionid="))
	}
	left := v.cookie
	v.use(t, (*cookiestore.Session).Clear)
	values = append(values, values[4])
	for n := range len(values) + 1 {
		results := store.LoadMany(t.Context(), "sessionid", values[:n])
		require.Len(t, results, n)
		for i, result := range results {
			rec, err := store.Load(t.Context(), "sessionid", values[i])
			require.Equal(t, err, result.Err)
			require.Equal(t, rec, result.Record)
		}
	}
	v.cookie = left + "; sessionid=" + values[5] + "; sessionid=" + values[6]
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, 2, s.Get("a"), "of those that are valid the last counts")
	})

	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	result := store.LoadMany(stopped, "sessionid", values[4:5])[0]
	_, err := store.Load(stopped, "sessionid", values[4])
	require.Equal(t, err == nil, result.Err == nil, "a failure is that of each")
	if err != nil {
		require.False(t, cookiestore.IsRefused(result.Err))
	}
}

func testDefaultAge(t *testing.T, v *visitor) {
	resp := v.set(t, "a", 1)
	twoWeeks := 14 * 24 * time.Hour
	require.Equal(t, int(twoWeeks.Seconds()), sessionCookies(resp)[0].MaxAge)
	require.Equal(t, v.now.Add(twoWeeks), sessionCookies(resp)[0].Expires)
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, twoWeeks, s.ExpiryAge())
		require.Equal(t, v.now.Add(twoWeeks), s.ExpiryDate())
		require.Equal(t, v.now.Add(twoWeeks), s.EndsAt().UTC())
		require.False(t, s.ExpiresAtBrowserClose())
	})
	v.wait(twoWeeks - time.Second)
	v.requireSession(t, true, "a second is left")
	v.wait(2 * time.Second)
	v.requireSession(t, false, "it has expired")
}

func testAfter(t *testing.T, v *visitor) {
	v.use(t, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(30 * time.Second)) })
	for range 3 {
		v.wait(20 * time.Second)
		resp := v.set(t, "a", 1)
		require.Equal(t, 30, sessionCookies(resp)[0].MaxAge)
	}
	v.wait(20 * time.Second)
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, 30*time.Second, s.ExpiryAge(), "as if it were saved now")
		require.Equal(t, v.now.Add(10*time.Second), s.EndsAt().UTC(), "but it isn't")
	})
	v.wait(11 * time.Second)
	v.requireSession(t, false, "30 seconds have passed since the last save")
}

func testAt(t *testing.T, v *visitor) {
	end := v.now.Add(time.Minute)
	v.use(t, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(end)) })
	v.wait(50 * time.Second)
	resp := v.set(t, "a", 1)
	require.Equal(t, 10, sessionCookies(resp)[0].MaxAge)
	require.Equal(t, end, sessionCookies(resp)[0].Expires)
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, 10*time.Second, s.ExpiryAge())
		require.Equal(t, end, s.ExpiryDate())
	})
	v.wait(11 * time.Second)
	v.requireSession(t, false, "the time has come")
}

func testBrowserClose(t *testing.T, v *visitor) {
	resp := v.use(t, func(s *cookiestore.Session) {
		s.SetExpiry(cookiestore.AtBrowserClose)
		require.True(t, s.ExpiresAtBrowserClose())
		require.Equal(t, 14*24*time.Hour, s.ExpiryAge())
	})
	require.Zero(t, sessionCookies(resp)[0].MaxAge)
	require.True(t, sessionCookies(resp)[0].Expires.IsZero())
	v.wait(14 * 24 * time.Hour)
	v.requireSession(t, true, "the browser is still open")
	v.wait(2 * time.Second)
	v.requireSession(t, false, "on the server the default age holds")
}

func testOverAtOnce(t *testing.T, v *visitor) {
	for _, over := range []cookiestore.Expiry{
		cookiestore.After(0), cookiestore.After(-time.Hour), cookiestore.At(v.now), cookiestore.At(v.now.Add(-time.Hour)),
	} {
		v.set(t, "a", 1)
		resp := v.use(t, func(s *cookiestore.Session) { s.SetExpiry(over) })
		require.Equal(t, -1, sessionCookies(resp)[0].MaxAge, over.String())
		v.requireSession(t, false, over.String())
	}
}

func testBackToDefault(t *testing.T, v *visitor) {
	v.use(t, func(s *cookiestore.Session) {
		s.Set("a", 1)
		s.SetExpiry(cookiestore.After(time.Second))
	})
	v.use(t, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.Default) })
	v.wait(time.Hour)
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, []string{"a"}, s.Keys()) })
}

func testLifetime(t *testing.T, v *visitor) {
	v.options = []cookiestore.Option{cookiestore.WithLifetime(time.Hour)}
	v.set(t, "a", 1)
	v.wait(40 * time.Minute)
	resp := v.set(t, "a", 2)
	require.Equal(t, 20*60, sessionCookies(resp)[0].MaxAge)
	v.use(t, func(s *cookiestore.Session) {
		require.Equal(t, 20*time.Minute, s.ExpiryAge())
		require.Equal(t, []string{"a"}, s.Keys(), "when it began is not a key of the application")
		s.Clear()
		s.Set("b", 1)
	})
	v.wait(20*time.Minute + time.Second)
	v.requireSession(t, false, "it began over an hour ago")

	v.set(t, "a", 1)
	v.wait(40 * time.Minute)
	v.use(t, func(s *cookiestore.Session) { s.Flush(); s.Set("a", 1) })
	v.wait(40 * time.Minute)
	v.requireSession(t, true, "a flush begins another session")
}

func testRenewal(t *testing.T, v *visitor) {
	v.options = []cookiestore.Option{cookiestore.WithRenewal(0.5), cookiestore.WithMaxAge(time.Hour)}
	read := func(s *cookiestore.Session) { s.Get("a") }
	v.set(t, "a", 1)
	v.wait(29 * time.Minute)
	require.Empty(t, v.use(t, read).Cookies(), "not half of its age has passed")
	v.wait(2 * time.Minute)
	require.Len(t, sessionCookies(v.use(t, read)), 1, "more than half has")
	require.Empty(t, v.use(t, read).Cookies(), "and it was renewed")
	v.wait(59 * time.Minute)
	require.Empty(t, v.use(t, func(*cookiestore.Session) {}).Cookies(), "who doesn't read doesn't renew")
	v.requireSession(t, true, "it was renewed 59 minutes ago")

	v.use(t, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(v.now.Add(time.Hour))) })
	v.wait(50 * time.Minute)
	require.Empty(t, v.use(t, read).Cookies(), "a fixed end can't be moved")
}

func testEveryRequest(t *testing.T, v *visitor) {
	v.options = []cookiestore.Option{cookiestore.WithSaveEveryRequest(), cookiestore.WithMaxAge(time.Hour)}
	nothing := func(*cookiestore.Session) {}
	require.Empty(t, v.use(t, nothing).Cookies(), "there is no session to save")
	v.set(t, "a", 1)
	for range 3 {
		v.wait(50 * time.Minute)
		require.Len(t, sessionCookies(v.use(t, nothing)), 1)
	}
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("a")) })
}

func testConcurrent(t *testing.T, v *visitor) {
	const goroutines, rounds = 8, 50
	v.use(t, func(s *cookiestore.Session) {
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range rounds {
					assert.NoError(t, cookiestore.Modify(s, "n", func(n *int) { *n++ }))
				}
			})
		}
		wg.Wait()
	})
	v.use(t, func(s *cookiestore.Session) { require.Equal(t, goroutines*rounds, s.Get("n")) })
}

func testClearExpired(t *testing.T, v *visitor) {
	v.use(t, func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(time.Hour)) })
	v.wait(59 * time.Minute)
	require.NoError(t, v.store.ClearExpired(t.Context()))
	v.requireSession(t, true, "it has not expired")
	v.wait(2 * time.Minute)
	require.NoError(t, v.store.ClearExpired(t.Context()))
	v.wait(-2 * time.Minute)
	if _, err := v.store.Load(t.Context(), "sessionid", strings.TrimPrefix(v.cookie, "sessionid=")); err != nil {
		require.True(t, cookiestore.IsRefused(err), "its record was removed")
	}
}
