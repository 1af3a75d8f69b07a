package sessiontest_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// A session expires, and nobody has waited.
func ExampleClock() {
	clock := sessiontest.NewClock(time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC))
	store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		panic(err)
	}
	handler := cookiestore.Middleware(store,
		cookiestore.WithClock(clock.Now),
		cookiestore.WithMaxAge(time.Hour),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
	)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.SetDefault("began", clock.Now().Format(time.TimeOnly))
		fmt.Println(clock.Now().Format(time.TimeOnly), "in the session of", session.Get("began"))
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	r.AddCookie(w.Result().Cookies()[0])
	for range 2 {
		clock.Advance(40 * time.Minute)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	// Output:
	// 12:00:00 in the session of 12:00:00
	// 12:40:00 in the session of 12:00:00
	// 13:20:00 in the session of 13:20:00
}

func TestClock(t *testing.T) {
	begin := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	clock := sessiontest.NewClock(begin)
	require.Equal(t, begin, clock.Now())
	clock.Advance(time.Hour)
	require.Equal(t, begin.Add(time.Hour), clock.Now())
	clock.Advance(-time.Minute)
	require.Equal(t, begin.Add(59*time.Minute), clock.Now())
	clock.Set(begin)
	require.Equal(t, begin, clock.Now())
}

func TestAClockMayBeMovedWhileItIsRead(t *testing.T) {
	begin := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	clock := sessiontest.NewClock(begin)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { clock.Advance(time.Second) })
		wg.Go(func() { clock.Now() })
	}
	wg.Wait()
	require.Equal(t, begin.Add(10*time.Second), clock.Now())
}
