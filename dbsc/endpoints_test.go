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

func TestTheBoundCookieIsAsStrictAsTheSession(t *testing.T) {
	for mode, want := range map[http.SameSite]string{
		http.SameSiteLaxMode: "; SameSite=Lax", http.SameSiteStrictMode: "; SameSite=Strict", http.SameSiteNoneMode: "; SameSite=None", http.SameSiteDefaultMode: "",
	} {
		sessions, err := cookiestore.NewManager(newStore(t), cookiestore.WithSameSite(mode))
		require.NoError(t, err)
		binder, err := dbsc.New(sessions, testKey)
		require.NoError(t, err)
		s := newSite(t, newStore(t), false)
		s.sessions, s.binder = sessions, binder
		s.handler = sessions.Handler(binder.Require(http.HandlerFunc(binder.Offer)))
		b := newBrowser(s)
		b.send("GET", "/", nil)
		w := b.register(b.proof(true))
		require.Contains(t, w.Body.String(), `"attributes":"Path=/; Secure; HttpOnly`+want+`"`)
		require.True(t, strings.HasSuffix(w.Header().Get("Set-Cookie"), "; Max-Age=600; Path=/; Secure; HttpOnly"+want), w.Header())
	}
	for _, option := range []cookiestore.Option{cookiestore.WithPath("/app"), cookiestore.WithPartitioned()} {
		sessions, err := cookiestore.NewManager(newStore(t), option)
		require.NoError(t, err)
		binder, err := dbsc.New(sessions, testKey)
		require.ErrorContains(t, err, "has another path than /, or is partitioned")
		require.Nil(t, binder)
	}
}

func TestEndpoints(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	for _, path := range []string{"/dbsc/register", "/dbsc/refresh"} {
		w := b.send("GET", path, nil)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "Browsers POST here.\n", w.Body.String())
		require.Equal(t, "POST", w.Header().Get("Allow"))
		require.Equal(t, http.StatusBadRequest, b.send("POST", path, nil).Code)
	}
	require.Equal(t, http.StatusNotFound, b.status("/dbsc/other"))
	require.Empty(t, b.send("GET", "/", nil).Header().Get("Vary"), "without a cookie the session isn't looked at")
	w := httptest.NewRecorder()
	s.sessions.Handler(s.binder).ServeHTTP(w, httptest.NewRequest("POST", "/dbsc/other", nil))
	require.Equal(t, http.StatusNotFound, w.Code)

	t.Run("an identifier of 512 bytes is looked at, and none that is longer", func(t *testing.T) {
		b.identifier = strings.Repeat("x", 512)
		require.Equal(t, http.StatusBadRequest, b.refresh("").Code)
		require.Contains(t, s.log.String(), "no signature")
		require.NotContains(t, s.log.String(), "identifier is too long")
		b.identifier = strings.Repeat("x", 513)
		require.Equal(t, http.StatusBadRequest, b.refresh("").Code)
		require.Contains(t, s.log.String(), "identifier is too long")
	})
	t.Run("a quoted identifier is the same", func(t *testing.T) {
		b := newBrowser(s)
		b.login()
		b.identifier = `"` + b.identifier + `"`
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	})
	t.Run("a bound cookie among many isn't looked for", func(t *testing.T) {
		b := newBrowser(s)
		b.login()
		good := "__Host-dbsc=" + b.cookies["__Host-dbsc"]
		delete(b.cookies, "__Host-dbsc")
		s.clock.Advance(2 * time.Minute)
		session := "sessionid=" + b.cookies["sessionid"] + "; "
		b.cookies = nil
		for junk, want := range map[int]int{0: 200, 1: 200, 2: 401} {
			w := b.send("GET", "/account", map[string]string{"Cookie": session + strings.Repeat("__Host-dbsc=x:y:z; ", junk) + good})
			require.Equal(t, want, w.Code)
			b.cookies = nil
		}
	})
	t.Run("an origin behind a proxy", func(t *testing.T) {
		b := newBrowser(newSite(t, newStore(t), true, dbsc.WithOrigin("https://www.example.org:8443")))
		b.send("GET", "/login", nil)
		body := b.register(b.proof(true)).Body.String()
		require.Contains(t, body, `"origin":"https://www.example.org:8443"`)
		require.Contains(t, body, `"domain":"www.example.org"`)
	})
	t.Run("a Host field that isn't one", func(t *testing.T) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		r := httptest.NewRequest("POST", "/dbsc/register", nil)
		r.Host = "[::1"
		r.Header.Set("Secure-Session-Response", b.proof(true))
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "The Host field is not one.\n", w.Body.String())
	})
	t.Run("nothing to leave out", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		plain, err := dbsc.New(s.sessions, testKey)
		require.NoError(t, err)
		s.handler = s.sessions.Handler(plain.Require(http.NotFoundHandler()))
		require.Contains(t, b.register(b.proof(true)).Body.String(), `"scope_specification":[]`)
	})
}

func TestNew(t *testing.T) {
	sessions, err := cookiestore.NewManager(newStore(t))
	require.NoError(t, err)
	for _, tt := range []struct {
		says    string
		options []dbsc.Option
	}{
		{"the lifetime is under a second", []dbsc.Option{dbsc.WithLifetime(time.Second - 1)}},
		{"the unbound handler is nil", []dbsc.Option{dbsc.WithUnbound(nil)}},
		{`the excluded path "logout" is everything, or not as a URL has it`, []dbsc.Option{dbsc.WithExcluded("logout")}},
		{`the excluded path "/" is everything`, []dbsc.Option{dbsc.WithExcluded("/")}},
		{`the excluded path "/a/../b" is everything, or not`, []dbsc.Option{dbsc.WithExcluded("/a/../b")}},
		{`the excluded path "" is everything`, []dbsc.Option{dbsc.WithExcluded("")}},
		{`the origin "http://a.example" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("http://a.example")}},
		{`the origin "https://" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://")}},
		{`the origin "https://a.example/" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://a.example/")}},
		{`the origin "https://[" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://[")}},
		{"fallback key 1 has 5 bytes", []dbsc.Option{dbsc.WithFallbackKeys([]byte("short"))}},
		{"an option is nil", []dbsc.Option{nil}},
	} {
		_, err := dbsc.New(sessions, testKey, tt.options...)
		require.ErrorContains(t, err, tt.says)
	}
	_, err = dbsc.New(sessions, testKey, dbsc.WithLifetime(time.Second))
	require.NoError(t, err)
	_, err = dbsc.New(nil, testKey)
	require.ErrorContains(t, err, "the manager is nil")
	_, err = dbsc.New(sessions, []byte("short"))
	require.ErrorContains(t, err, "the key has 5 bytes")
}
