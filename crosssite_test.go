package cookiestore_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A request that another site has the browser POST carries no Lax or Strict cookie. A
// session that it begins would replace the visitor's.
func TestCrossSiteRequests(t *testing.T) {
	type options = []cookiestore.Option
	set := func(s *cookiestore.Session) { s.AddFlash("The payment failed.") }
	none := cookiestore.WithSameSite(http.SameSiteNoneMode)
	for _, test := range []struct {
		name    string
		method  string
		site    string
		cookie  bool
		options options
		use     func(*cookiestore.Session)
		refused bool
	}{
		{"a form of another site", "POST", "cross-site", false, nil, set, true},
		{"another unsafe method", "DELETE", "cross-site", false, nil, set, true},
		{"a method that nobody knows", "PURGE", "cross-site", false, nil, set, true},
		{"a Strict cookie", "POST", "cross-site", false, options{cookiestore.WithSameSite(http.SameSiteStrictMode)}, set, true},
		{"a flush and another session", "POST", "cross-site", false, nil, func(s *cookiestore.Session) { s.Flush(); s.Set("a", 1) }, true},
		{"the session is only read", "POST", "cross-site", false, nil, func(s *cookiestore.Session) { s.Get("a") }, false},
		{"a flush", "POST", "cross-site", false, nil, (*cookiestore.Session).Flush, false},
		{"a session that is empty again", "POST", "cross-site", false, nil, func(s *cookiestore.Session) { s.Set("a", 1); s.Delete("a") }, false},
		{"a form of the site's own", "POST", "same-origin", false, nil, set, false},
		{"a form of a subdomain", "POST", "same-site", false, nil, set, false},
		{"a browser that doesn't say", "POST", "", false, nil, set, false},
		{"a link", "GET", "cross-site", false, nil, set, false},
		{"a look", "HEAD", "cross-site", false, nil, set, false},
		{"a preflight", "OPTIONS", "cross-site", false, nil, set, false},
		{"a trace", "TRACE", "cross-site", false, nil, set, false},
		{"the cookie has come, since the browser is old", "POST", "cross-site", true, nil, set, false},
		{"a cookie for all sites", "POST", "cross-site", false, options{none}, set, false},
		{"a cookie without SameSite", "POST", "cross-site", false, options{cookiestore.WithSameSite(http.SameSiteDefaultMode)}, set, false},
	} {
		for _, on := range []bool{true, false} {
			name := test.name
			if !on {
				name += ", with the option off"
			}
			t.Run(name, func(t *testing.T) {
				store := newStore(t)
				var log strings.Builder
				opts := append(test.options, cookiestore.WithLogger(logTo(&log)), cookiestore.WithErrorHandler(
					func(w http.ResponseWriter, _ *http.Request, err error) {
						assert.ErrorIs(t, err, cookiestore.ErrCrossSite)
						http.Error(w, "refused", http.StatusForbidden)
					}))
				if on {
					opts = append(opts, cookiestore.WithoutCrossSiteSessions())
				}
				r := httptest.NewRequest(test.method, "/callback?token=secret", nil)
				if test.site != "" {
					r.Header.Set("Sec-Fetch-Site", test.site)
				}
				if test.cookie {
					r.Header.Set("Cookie", begin(t, store, time.Now(), `{"a":1}`))
				}
				w := httptest.NewRecorder()
				cookiestore.Middleware(store, opts...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					test.use(cookiestore.FromContext(r.Context()))
					w.WriteHeader(http.StatusAccepted)
				})).ServeHTTP(w, r)
				if on && test.refused {
					require.Equal(t, http.StatusForbidden, w.Code)
					require.Empty(t, w.Header()["Set-Cookie"])
					require.Contains(t, log.String(), `level=ERROR msg="session not saved" cookie=sessionid reason=cross-site`)
				} else {
					require.Equal(t, http.StatusAccepted, w.Code)
				}
				require.Equal(t, test.refused && !on, strings.Contains(log.String(), `level=DEBUG msg="session begun in a cross-site request"`), log.String())
				if test.refused && !on {
					require.NotEmpty(t, w.Header()["Set-Cookie"])
					require.Contains(t, log.String(), "method="+test.method+" path=/callback")
				}
				require.NotContains(t, log.String(), "secret")
			})
		}
	}
}

func TestReplyToCrossSiteRequests(t *testing.T) {
	served := cookiestore.Middleware(newStore(t), quiet, cookiestore.WithoutCrossSiteSessions())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
	}))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	served.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Equal(t, "This request came from another site, without your session.\n", w.Body.String())
}

// Manager.Save follows the same rule inside of the middleware, where there is a request.
func TestCrossSiteSaveByAManager(t *testing.T) {
	m := must(cookiestore.NewManager(newStore(t), quiet, cookiestore.WithoutCrossSiteSessions()))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		s.Set("a", 1)
		cookies, err := m.Save(r.Context(), s)
		assert.ErrorIs(t, err, cookiestore.ErrCrossSite)
		assert.Empty(t, cookies)
		s.Clear()
	})).ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)

	var s cookiestore.Session
	s.Set("a", 1)
	cookies, err := m.Save(t.Context(), &s)
	require.NoError(t, err)
	require.Len(t, cookies, 1)
}
