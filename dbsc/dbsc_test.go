package dbsc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

func TestABrowserRegistersAndRefreshes(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		w := b.send("GET", "/login", nil)
		require.Equal(t, `(ES256);path="/dbsc/register";challenge="`+b.challenge+`"`, w.Header().Get("Secure-Session-Registration"))
		w = b.register(b.proof(true))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.JSONEq(t, `{"session_identifier":"`+b.identifier+`","refresh_url":"/dbsc/refresh",`+
			`"scope":{"origin":"https://shop.example","include_site":false,"scope_specification":[`+
			`{"type":"exclude","domain":"shop.example","path":"/login"},{"type":"exclude","domain":"shop.example","path":"/logout"},`+
			`{"type":"exclude","domain":"shop.example","path":"/static/"}]},`+
			`"credentials":[{"type":"cookie","name":"__Host-dbsc","attributes":"Path=/; Secure; HttpOnly; SameSite=Lax"}]}`, w.Body.String())
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		set := w.Header().Values("Set-Cookie")
		require.Contains(t, set[0]+set[len(set)-1], "; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax")
		require.Equal(t, "200 ann", b.get("/account"))

		for range 3 {
			b.end()
			require.Equal(t, http.StatusUnauthorized, b.status("/account"))
			w = b.refresh("")
			require.Equal(t, http.StatusForbidden, w.Code)
			require.NotContains(t, s.refused, "forged proof")
			require.Equal(t, `"`+b.challenge+`";id="`+b.identifier+`"`, w.Header().Get("Secure-Session-Challenge"))
			require.Equal(t, http.StatusUnauthorized, b.status("/account"), "a challenge alone gives nothing")
			before := b.identifier
			require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
			require.Equal(t, before, b.identifier)
			require.Equal(t, "200 ann", b.get("/account"))
		}
	})
}

func TestACopyIsWorthMinutes(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.login()
		thief := b.copied()
		s.clock.Advance(10*time.Minute - time.Second)
		require.Equal(t, "200 ann", thief.get("/account"))
		s.clock.Advance(time.Second)
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
		require.Equal(t, "unbound", s.refused[len(s.refused)-1])
		require.Contains(t, s.log.String(), `msg="unbound request of a bound session"`)

		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
		require.Equal(t, "200 ann", b.get("/account"), "the visitor goes on")
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
	})
}

// A login's cookie that was copied before the browser had registered.
func TestACopyFromBeforeTheRegistration(t *testing.T) {
	for _, tt := range []struct {
		name     string
		store    cookiestore.Store
		revoking bool
		want     int
	}{
		{"it ends with revocations", newStore(t), true, http.StatusUnauthorized},
		{"it ends where there are records", newRecords(), false, http.StatusUnauthorized},
		{"without either it remains", newStore(t), false, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.store, tt.revoking)
			b := newBrowser(s)
			b.send("GET", "/login", nil)
			thief := b.copied()
			require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
			require.Equal(t, "200 ann", b.get("/account"))
			s.clock.Advance(time.Minute - time.Second)
			require.Equal(t, http.StatusOK, thief.status("/account"), "requests that were under way are good")
			s.clock.Advance(time.Second)
			require.Equal(t, tt.want, thief.status("/account"))
			if tt.want == http.StatusUnauthorized {
				require.Equal(t, []string{"unbound"}, s.refused)
			}
		})
	}
}

// The response of a request that was under way during the registration sets the session
// as it was before.
func TestARequestUnderWayDoesNotUnbind(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		under := b.copied()
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		under.get("/set?key=cart&value=full")
		b.cookies["sessionid"] = under.cookies["sessionid"] // it is answered last

		require.Equal(t, "200 ann", b.get("/account"))
		stolen := b.copied()
		delete(stolen.cookies, "__Host-dbsc")
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, http.StatusUnauthorized, stolen.status("/account"), "it is bound again")
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	})

	t.Run("the refresh knows the session of before, too", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		before := b.cookies["sessionid"]
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		b.end()
		b.cookies["sessionid"] = before
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
		require.Equal(t, "200 ann", b.get("/account"))
	})
}

func TestBrowsersWithoutDBSC(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		require.Equal(t, "200 nobody", b.get("/account"))
		b.send("GET", "/login", nil)
		for range 3 {
			s.clock.Advance(24 * time.Hour)
			require.Equal(t, "200 ann", b.get("/account"))
		}
		require.Empty(t, s.refused)
		require.NotContains(t, b.cookies, "__Host-dbsc")
	})
}

// The page after the login and the registration are under way at the same time, and the
// later response of two that set a session's cookie would win.
func TestTheRegistrationLeavesTheSessionAlone(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		before := b.cookies["sessionid"]
		b.get("/set?key=cart&value=full")
		changed := b.cookies["sessionid"]
		b.cookies["sessionid"] = before
		require.Len(t, b.register(b.proof(true)).Result().Cookies(), 1)
		require.Equal(t, before, b.cookies["sessionid"])
		b.cookies["sessionid"] = changed
		if s.revocations != nil {
			page := map[string]string{"Sec-Fetch-Mode": "navigate"}
			require.Empty(t, b.send("GET", "/account", page).Result().Cookies(), "nor does the page beside it")
			s.clock.Advance(time.Minute)
			require.Empty(t, b.send("GET", "/account", nil).Result().Cookies(), "nor a request of a page's, later")
			s.clock.Advance(-time.Minute)
		}
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, "full", cookiestore.Get(sessionOf(b), "cart", ""))
		require.Equal(t, 2, strings.Count(cookiestore.Get(sessionOf(b), dbsc.Key, ""), "."), "it notes the binding")
		require.Empty(t, b.send("GET", "/account", nil).Result().Cookies(), "once")
	})
}

func TestOfferCyclesTheKey(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.get("/set?key=user&value=ann")
	thief := b.copied()
	require.Equal(t, "200 ann", thief.get("/account"))
	s.sessions.Handler(http.HandlerFunc(s.binder.Offer)).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
		return r
	}())
	require.Equal(t, "200 nobody", thief.get("/account"))
}

// Revocations forget an offer after 400 days, in which a thief may keep a copy alive.
func TestAnOldOfferIsNoLongerGood(t *testing.T) {
	for _, revoking := range []bool{true, false} {
		s := newSite(t, newStore(t), revoking)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		for range 399 {
			s.clock.Advance(24 * time.Hour)
			b.get("/set?key=day&value=" + s.clock.Now().String()[:10])
		}
		s.clock.Advance(24*time.Hour - time.Second)
		require.Equal(t, "200 ann", b.get("/account"))
		b.get("/set?key=day&value=400")
		s.clock.Advance(time.Second)
		require.Equal(t, map[bool]int{true: 401, false: 200}[revoking], b.status("/account"))
	}
}

// Browsers register without the session's cookie if another site has led to the login.
func TestARegistrationWithoutTheSession(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		cookie := b.cookies["sessionid"]
		b.cookies = map[string]string{}
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		b.cookies["sessionid"] = cookie
		require.Equal(t, "200 ann", b.get("/account"))
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		delete(b.cookies, "__Host-dbsc")
		require.Equal(t, http.StatusUnauthorized, b.status("/account"))
	})
}

func TestTheEndOfASession(t *testing.T) {
	for name, end := range map[string]func(*browser){
		"logout":              func(b *browser) { b.send("POST", "/logout", nil) },
		"sign out everywhere": func(b *browser) { require.NoError(b, b.sessions.RevokeUser(b.Context(), "ann")) },
		"it has expired":      func(b *browser) { b.clock.Advance(15 * 24 * time.Hour) },
		"another login":       func(b *browser) { b.send("GET", "/login", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, newStore(t), true)
			b := newBrowser(s)
			b.login()
			thief := b.copied()
			end(b)
			b.refresh("")
			w := b.refresh(b.proof(false))
			require.Equal(t, http.StatusOK, w.Code)
			require.JSONEq(t, `{"session_identifier":"`+b.identifier+`","continue":false}`, w.Body.String())
			require.Equal(t, "200 nobody", thief.get("/account"))
		})
	}
}
