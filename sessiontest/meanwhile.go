package sessiontest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What must hold where a visitor has more than one cookie, or more than one request at a
// time.

// begin begins a session of its own, and returns its cookie.
func (v *visitor) begin(t *testing.T, key string, value any) string {
	t.Helper()
	v.cookie = ""
	v.set(t, key, value)
	return v.cookie
}

// loads reports whether the store has a session for a cookie.
func (v *visitor) loads(t *testing.T, cookie string) bool {
	t.Helper()
	_, value, _ := strings.Cut(cookie, "=")
	_, err := v.store.Load(t.Context(), "sessionid", value)
	if err != nil {
		require.True(t, cookiestore.IsRefused(err))
	}
	return err == nil
}

func testTwins(t *testing.T, v *visitor) {
	old := v.begin(t, "user", "old")
	v.wait(2 * time.Second)
	fresh := v.begin(t, "user", "new")
	v.wait(2 * time.Second)
	for _, cookies := range []string{old + "; " + fresh, fresh + "; " + old, "sessionid=x; " + fresh + "; " + old} {
		v.cookie = cookies
		v.use(t, func(s *cookiestore.Session) { assert.Equal(t, "new", s.Get("user"), cookies) })
	}
	v.cookie = old + "; " + fresh
	v.set(t, "user", "newest")
	saved := v.cookie
	v.cookie = saved + "; " + old
	v.use(t, func(s *cookiestore.Session) { assert.Equal(t, "newest", s.Get("user")) })
}

func testFlushTwins(t *testing.T, v *visitor) {
	records := v.hasRecords(t)
	old := v.begin(t, "user", "old")
	v.wait(2 * time.Second)
	fresh := v.begin(t, "user", "new")
	v.cookie = old + "; " + fresh
	resp := v.use(t, (*cookiestore.Session).Flush)
	require.NotEmpty(t, resp.Cookies())
	for _, c := range resp.Cookies() {
		require.Negative(t, c.MaxAge)
	}
	if records {
		require.False(t, v.loads(t, old), "the record of the older cookie")
		require.False(t, v.loads(t, fresh), "the record of the newer cookie")
	}
}

func testFlushFailed(t *testing.T, v *visitor) {
	records := v.hasRecords(t)
	for name, fail := range map[string]func(w http.ResponseWriter){
		"a status of 500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"a panic":         func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		cookie := v.begin(t, "user", 7)
		func() {
			defer func() { _ = recover() }()
			resp := v.visit(t, func(w http.ResponseWriter, s *cookiestore.Session) {
				s.Flush()
				s.Set("user", 8) // is dropped
				fail(w)
			})
			require.NotEmpty(t, resp.Cookies(), name)
			for _, c := range resp.Cookies() { // there may be several chunks
				require.Negative(t, c.MaxAge, name)
			}
		}()
		if records {
			require.False(t, v.loads(t, cookie), name)
		}
	}
}

func testDeadSession(t *testing.T, v *visitor) {
	v.begin(t, "user", 7)
	v.wait(15 * 24 * time.Hour)
	expired := v.cookie
	for _, cookie := range []string{expired, "sessionid=abcdefghijklmnopqrstuvwxyz012345"} {
		v.cookie = cookie
		resp := v.use(t, func(s *cookiestore.Session) {
			assert.Nil(t, s.Get("user"))
			assert.Empty(t, s.Flashes())
			s.Delete("user")
		})
		require.Empty(t, resp.Cookies(), "a login that was answered meanwhile would be lost")
		require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
	}
}

// testReplays has one request served in the middle of another of the same visitor.
func testReplays(t *testing.T, v *visitor) {
	if !v.hasRecords(t) {
		return
	}
	v.begin(t, "n", 10)
	add := func(s *cookiestore.Session, message string) {
		assert.NoError(t, cookiestore.Modify(s, "n", func(n *int) { *n++ }))
		s.AddFlash(message)
	}
	cookie := v.cookie
	v.use(t, func(outer *cookiestore.Session) {
		add(outer, "outer")
		v.cookie = cookie
		v.use(t, func(inner *cookiestore.Session) { add(inner, "inner") })
		v.cookie = cookie
	})
	v.use(t, func(s *cookiestore.Session) {
		assert.Equal(t, 12, s.Get("n"))
		assert.ElementsMatch(t, []any{"inner", "outer"}, s.Flashes())
	})
}

// testRenewalGivesWay has a request that is due for a renewal answered after another of
// the same visitor.
func testRenewalGivesWay(t *testing.T, v *visitor) {
	records := v.hasRecords(t)
	for _, option := range []cookiestore.Option{cookiestore.WithRenewal(0.5), cookiestore.WithSaveEveryRequest()} {
		v.options = []cookiestore.Option{option}
		for name, act := range map[string]func(*cookiestore.Session){
			"a log-out": (*cookiestore.Session).Flush,
			"a login":   func(s *cookiestore.Session) { s.CycleKey(); s.Set("user", "bob") },
			"a change":  func(s *cookiestore.Session) { s.Set("cart", "A-1") },
		} {
			for _, slow := range []bool{true, false} {
				if !slow && !records {
					continue // within a second, the later response wins
				}
				v.begin(t, "user", "ann")
				v.wait(8 * 24 * time.Hour)
				cookie, after := v.cookie, ""
				resp := v.use(t, func(poll *cookiestore.Session) {
					poll.Get("user")
					v.cookie = cookie
					v.use(t, act)
					after, v.cookie = v.cookie, cookie
					if slow {
						v.wait(2 * time.Second)
					}
				})
				require.Empty(t, resp.Cookies(), name)
				if v.cookie = after; after != "" {
					v.requireSession(t, true, name)
				}
				if records && after != cookie {
					require.False(t, v.loads(t, cookie), "it is not brought back by "+name)
				}
			}
		}
	}
}
