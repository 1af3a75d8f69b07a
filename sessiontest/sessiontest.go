// Package sessiontest helps to test programs that use cookiestore: it makes the
// cookie of a visitor who has a given session, reads the session that a response
// sets, and has a clock that a test moves. docs/testing.md shows such tests. Authors of
// a [cookiestore.Store] run [TestStore] on it, and those of [cookiestore.Revocations]
// [TestRevocations].
package sessiontest

import (
	"net/http"
	"testing"

	"example.com/cookiestore"
	"github.com/stretchr/testify/require"
)

// Cookie returns the cookie of a visitor whose session holds values, a map or a
// struct as [cookiestore.Session.Update] takes it. The options are those of the
// program's middleware.
func Cookie(tb testing.TB, store cookiestore.Store, values any, options ...cookiestore.Option) *http.Cookie {
	tb.Helper()
	cookies := Cookies(tb, store, values, options...)
	require.Len(tb, cookies, 1, "the session takes several cookies: see Cookies")
	return cookies[0]
}

// Cookies is [Cookie] for sessions that may take several, by [cookiestore.WithChunks].
func Cookies(tb testing.TB, store cookiestore.Store, values any, options ...cookiestore.Option) []*http.Cookie {
	tb.Helper()
	m, err := cookiestore.NewManager(store, options...)
	require.NoError(tb, err)
	s, err := m.Load(tb.Context())
	require.NoError(tb, err)
	s.Update(values)
	cookies, err := m.Save(tb.Context(), s)
	require.NoError(tb, err)
	require.NotEmpty(tb, cookies, "a session without values has no cookie")
	return cookies
}

// Session returns the session that cookies hold: those of a request, or of an
// http.Response. It is empty and new if none of them is a valid session.
func Session(tb testing.TB, store cookiestore.Store, cookies []*http.Cookie, options ...cookiestore.Option) *cookiestore.Session {
	tb.Helper()
	m, err := cookiestore.NewManager(store, options...)
	require.NoError(tb, err)
	fields := make([]string, len(cookies))
	for i, c := range cookies {
		fields[i] = c.Name + "=" + c.Value
	}
	s, err := m.Load(tb.Context(), fields...)
	require.NoError(tb, err)
	return s
}
