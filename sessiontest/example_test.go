package sessiontest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// whoami is a handler of the program under test.
func whoami(w http.ResponseWriter, r *http.Request) {
	s := cookiestore.FromContext(r.Context())
	name, err := cookiestore.Lookup[string](s, "name")
	if err != nil {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	s.Set("seen", true)
	fmt.Fprintf(w, "You are %s.", name)
}

func TestSignedInRequest(t *testing.T) {
	store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	handler := cookiestore.Middleware(store)(http.HandlerFunc(whoami))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusUnauthorized, w.Code)

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(sessiontest.Cookie(t, store, map[string]any{"name": "Ankit"}))
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, "You are Ankit.", w.Body.String())

	after := sessiontest.Session(t, store, w.Result().Cookies())
	require.Equal(t, "Ankit", after.Get("name"))
	require.Equal(t, true, after.Get("seen"))
}

func TestCookiesOfAnotherName(t *testing.T) {
	store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	admin := cookiestore.WithName("__Host-admin")
	cookie := sessiontest.Cookie(t, store, struct{ Role string }{"editor"}, admin)
	require.Equal(t, "__Host-admin", cookie.Name)
	require.Equal(t, "editor", sessiontest.Session(t, store, []*http.Cookie{cookie}, admin).Get("Role"))
	require.True(t, sessiontest.Session(t, store, []*http.Cookie{cookie}).IsNew())

	cookie.Value += "x"
	quiet := cookiestore.WithLogger(slog.New(slog.DiscardHandler))
	require.True(t, sessiontest.Session(t, store, []*http.Cookie{cookie}, admin, quiet).IsNew())
}

// In a test, t is the *testing.T.
func ExampleCookie() {
	signedIn := func(t *testing.T, store cookiestore.Store) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/account", nil)
		r.AddCookie(sessiontest.Cookie(t, store, map[string]any{"user_id": 7}))
		return r
	}
	_ = signedIn
}

// A session that may take several cookies.
func ExampleCookies() {
	signedIn := func(t *testing.T, store cookiestore.Store, token string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/account", nil)
		for _, cookie := range sessiontest.Cookies(t, store, map[string]any{"token": token}, cookiestore.WithChunks(2)) {
			r.AddCookie(cookie)
		}
		return r
	}
	_ = signedIn
}

func ExampleSession() {
	check := func(t *testing.T, store cookiestore.Store, resp *http.Response) {
		s := sessiontest.Session(t, store, resp.Cookies())
		require.Equal(t, 7, s.Get("user_id"))
	}
	_ = check
}

// The author of a Store runs the behaviour suite on it.
func ExampleTestStore() {
	test := func(t *testing.T) {
		sessiontest.TestStore(t, func(tb testing.TB, _ func() time.Time) cookiestore.Store {
			store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32))
			require.NoError(tb, err)
			return store
		})
	}
	_ = test
}
