package cookiestore_test

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// What can't be saved after a flush doesn't keep the visitor logged in.
func TestFlushHoldsWhereWhatFollowsCannotBeSaved(t *testing.T) {
	random := make([]byte, 5000)
	_, _ = rand.Read(random)
	for _, test := range []struct {
		name         string
		value        any
		told         bool // the handler asks for the error
		status, sent int
	}{
		{"a value that isn't JSON", make(chan int), false, 200, 500},
		{"a value that isn't JSON, of which the handler knows", make(chan int), true, 400, 400},
		{"a session that is too large", hex.EncodeToString(random), false, 200, 500},
		{"a session that is too large, in a bad request", hex.EncodeToString(random), false, 400, 500},
		{"a value that isn't JSON, and a failure", make(chan int), false, 503, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("user", 7) })
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Flush()
				s.Set("x", test.value)
				if test.told {
					assert.Error(t, s.Err())
				}
				w.Header().Set("Cache-Control", "max-age=3600")
				w.WriteHeader(test.status)
			})
			require.Equal(t, test.sent, resp.StatusCode)
			require.Len(t, resp.Cookies(), 1)
			require.Negative(t, resp.Cookies()[0].MaxAge)
			require.Regexp(t, "private|no-store", resp.Header.Get("Cache-Control"))
			require.Len(t, strings.Split(strings.TrimSpace(v.log.String()), "\n"), 1, v.log.String())
		})
	}
	t.Run("and the copies are ended, too", func(t *testing.T) {
		r := cookiestore.NewMemoryRevocations()
		v := newVisitor(t, newStore(t), cookiestore.WithRevocations(r, "user"))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("user", 7) })
		copied := v.cookie
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Flush()
			s.Set("x", make(chan int))
		})
		v.cookie = copied
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			assert.ErrorIs(t, s.Refused(), cookiestore.ErrRevoked)
		})
	})
	t.Run("without a flush the cookie stays", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("user", 7) })
		resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("x", make(chan int)) })
		require.Equal(t, 500, resp.StatusCode)
		require.Empty(t, resp.Cookies())
	})
}

// Another site may have the browser make a request without the cookie. A failure of its
// handler must not log the visitor out.
func TestFailedResponsesToVisitorsWithoutACookieDeleteNone(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter, *cookiestore.Session){
		"by a status":                     func(w http.ResponseWriter, _ *cookiestore.Session) { w.WriteHeader(500) },
		"by a value that can't be stored": func(_ http.ResponseWriter, s *cookiestore.Session) { s.Set("x", make(chan int)) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Flush()
				fail(w, s)
			})
			require.Equal(t, 500, resp.StatusCode)
			require.Empty(t, resp.Cookies())
		})
	}
}

// A session that the handler itself has saved after a flush is not flushed again.
func TestFailedResponsesKeepWhatTheHandlerHasSaved(t *testing.T) {
	store := newStore(t)
	m, err := cookiestore.NewManager(store, quiet)
	require.NoError(t, err)
	v := newVisitor(t, store)
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("user", 7) })
	resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		s.Flush()
		s.Set("user", 8)
		cookies, err := m.Save(r.Context(), s)
		assert.NoError(t, err)
		for _, cookie := range cookies {
			http.SetCookie(w, cookie)
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	require.Len(t, resp.Cookies(), 1)
	require.Equal(t, 8, v.value("user"))
}
