package dbsc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

// The session's cookie may be cycled while a browser asks for a challenge.
func TestARefreshWhileTheKeyIsCycled(t *testing.T) {
	s := newSite(t, newRecords(), true)
	b := newBrowser(s)
	b.login()
	old := b.cookies["sessionid"]
	s.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).CycleKey()
	})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: old})
		return r
	}())
	require.Equal(t, http.StatusForbidden, b.refresh("").Code, "and not that it has ended")
}

// A record that is gone has ended, and a browser need not ask again.
func TestARefreshOfARecordThatIsGone(t *testing.T) {
	store := newRecords()
	b := newBrowser(newSite(t, store, false))
	b.login()
	clear(store.all)
	b.refresh("")
	require.Contains(t, b.refresh(b.proof(false)).Body.String(), `"continue":false`)
}

// A server that can't read the session for now doesn't say that it has ended.
func TestARefreshWhereTheSessionCannotBeRead(t *testing.T) {
	store, err := cookiestore.New([]byte("another-0123456789abcdef012345678"))
	require.NoError(t, err)
	s := newSite(t, newStore(t), false)
	b := newBrowser(s)
	b.login()
	other := newSite(t, store, false)
	other.clock.Set(s.clock.Now())
	b.handler = other.handler
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code)
	require.Equal(t, []string{"tampered", "refused"}, other.refused)
	require.NoError(t, other.binder.SetKeys([]byte("another-0123456789abcdef012345678")))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "nor where the binding can't be read either")
}

func TestKeysAreRotated(t *testing.T) {
	newKey := []byte("another-0123456789abcdef012345678")
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.login()
	b.end()
	b.refresh("")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code, "what the old key has signed counts")
	require.Equal(t, "200 ann", b.get("/account"))

	b.end()
	require.NoError(t, s.binder.SetKeys(newKey))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "the session is bound to it: the key may come back")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	require.NoError(t, s.binder.SetKeys(newKey))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "also while the bound cookie is good")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)

	require.NoError(t, s.binder.SetKeys(newKey))
	b.send("GET", "/login", nil)
	require.Equal(t, http.StatusBadRequest, b.refresh("").Code, "no session needs it any more")
	old := b.identifier
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	b.identifier = old
	require.Equal(t, http.StatusBadRequest, b.refresh("").Code, "the session has another binding, whose cookie is good")

	require.Error(t, s.binder.SetKeys([]byte("short")))
	fallback := newSite(t, newStore(t), true, dbsc.WithFallbackKeys(newKey))
	fallback.clock.Set(s.clock.Now())
	moved := b.copied()
	moved.site = fallback
	require.Equal(t, "200 ann", moved.get("/account"))
}

func TestRevocationsThatAreDown(t *testing.T) {
	t.Run("nothing is registered", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.revocations.down = true
		require.Equal(t, http.StatusServiceUnavailable, b.register(b.proof(true)).Code)
		require.NotContains(t, b.cookies, "__Host-dbsc")
		require.Equal(t, []string{"failed"}, s.refused)
	})
	t.Run("an offer that can't be withdrawn is not taken", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		offer, _, _ := strings.Cut(cookiestore.Get(sessionOf(b), dbsc.Key, ""), ".")
		s.revocations.mute = "dbsc." + offer
		w := b.register(b.proof(true))
		require.Equal(t, "503 Service Unavailable\n", fmt.Sprint(w.Code, " ", w.Body))
		require.Empty(t, w.Result().Cookies())
	})
	t.Run("with report only they are let through", func(t *testing.T) {
		s := newSite(t, newStore(t), true, dbsc.WithReportOnly())
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.clock.Advance(time.Hour)
		s.revocations.down = true
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, []string{"failed"}, s.refused)
	})
	t.Run("a challenge of which nobody knows whether it was used", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.refresh("")
		s.revocations.deaf = true
		require.Equal(t, http.StatusServiceUnavailable, b.refresh(b.proof(false)).Code)
	})
	t.Run("the browser keeps its key", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.end()
		b.refresh("")
		s.revocations.down = true
		require.Equal(t, http.StatusServiceUnavailable, b.refresh(b.proof(false)).Code)
		require.Equal(t, "failed", s.refused[len(s.refused)-1])
		s.revocations.down = false
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	})
	t.Run("a session that may be bound is not let through", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.clock.Advance(time.Hour)
		s.revocations.down = true
		require.Equal(t, "503 Service Unavailable", b.get("/account"))
		require.Equal(t, []string{"failed"}, s.refused)
		require.Contains(t, s.log.String(), `msg="unbound request of a bound session"`)
		require.Equal(t, "200 nobody", newBrowser(s).get("/account"))
		b.get("/logout")
		b.get("/set?key=a&value=b")
		require.Equal(t, "200 nobody", b.get("/account"), "nothing was offered to this one")
	})
	t.Run("a challenge that another instance has seen", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.refresh("")
		proof := b.proof(false)
		other, err := dbsc.New(s.sessions, testKey)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, b.refresh(proof).Code)
		s.handler = s.sessions.Handler(other.Require(http.NotFoundHandler()))
		require.Equal(t, http.StatusForbidden, b.refresh(proof).Code)
		require.Equal(t, "replayed challenge", s.refused[len(s.refused)-1])
	})
}

// What is remembered lasts as long as it may be of use, and no longer.
func TestWhatRevocationsAreTold(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	start := s.clock.Now().Truncate(time.Second)
	b.login()
	for id := range s.revocations.until {
		if !strings.HasPrefix(id, "dbsc.") {
			delete(s.revocations.until, id) // Offer cycles the key
		}
	}
	offer, _, _ := strings.Cut(cookiestore.Get(sessionOf(b), dbsc.Key, ""), ".")
	require.Equal(t, start.Add(400*24*time.Hour), s.revocations.until["dbsc."+offer])
	delete(s.revocations.until, "dbsc."+offer)
	for id, until := range s.revocations.until {
		if strings.HasPrefix(id, "dbsc.") {
			require.Equal(t, start.Add(30*time.Second).UTC(), until.UTC(), "the challenge")
			delete(s.revocations.until, id)
		}
	}
	b.end()
	b.refresh("")
	require.Empty(t, s.revocations.until, "the session itself isn't ended, and a challenge costs nothing")
	require.NoError(t, s.revocations.RevokeAll(t.Context(), start.Add(-time.Hour), time.Time{}))
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	require.Len(t, s.revocations.until, 1)
	for id := range s.revocations.until {
		require.True(t, strings.HasPrefix(id, "dbsc."), id)
	}
}

// A store that is down gives no reason to forget a key.
func TestAStoreThatIsDown(t *testing.T) {
	store := newRecords()
	s := newSite(t, store, false)
	b := newBrowser(s)
	b.login()
	b.end()
	store.failure = errDown
	require.Equal(t, http.StatusInternalServerError, b.refresh("").Code)
	require.Equal(t, http.StatusInternalServerError, b.register(b.proof(true)).Code)
	require.Equal(t, http.StatusInternalServerError, b.status("/account"))
	require.Empty(t, s.refused, "nobody is to blame")
	store.failure = nil
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
}
