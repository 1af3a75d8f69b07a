package cookiestore_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// benchRequest serves one request over and over, as a server would with
// keep-alive, and without a server's own costs.
func benchRequest(b *testing.B, handler http.HandlerFunc, options ...cookiestore.Option) {
	store := newStore(b)
	served := cookiestore.Middleware(store, options...)(handler)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(sessiontest.Cookie(b, store, jsonObject(b, benchSession), options...))
	w := &discard{header: http.Header{}}
	served.ServeHTTP(w, r) // what the first request alone pays is left out
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		served.ServeHTTP(w, r)
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func countVisit(_ http.ResponseWriter, r *http.Request) {
	s := cookiestore.FromContext(r.Context())
	s.Set("num_visits", cookiestore.Get(s, "num_visits", 0)+1)
}

func BenchmarkChange(b *testing.B) { benchRequest(b, countVisit) }

// BenchmarkChangeObserved is the same with an observer that does nothing.
func BenchmarkChangeObserved(b *testing.B) {
	benchRequest(b, countVisit, cookiestore.WithObserver(func(context.Context, cookiestore.Event) {}))
}

func readVisits(b *testing.B) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		if cookiestore.Get(s, "num_visits", 0) == 0 {
			b.Error("the session is not there")
		}
	}
}

func BenchmarkRead(b *testing.B) { benchRequest(b, readVisits(b)) }

// What revocations add to a request whose answer is known.
func BenchmarkReadRevocations(b *testing.B)   { benchRevocations(b, readVisits(b)) }
func BenchmarkChangeRevocations(b *testing.B) { benchRevocations(b, countVisit) }

func benchRevocations(b *testing.B, handler http.HandlerFunc) {
	b.Run("off", func(b *testing.B) { benchRequest(b, handler) })
	b.Run("on", func(b *testing.B) {
		counted := &countingRevocations{Revocations: cookiestore.NewMemoryRevocations()}
		cached := cookiestore.CachedRevocations(counted, time.Hour, 100_000)
		benchRequest(b, handler, cookiestore.WithRevocations(cached, "_auth_user_id"))
		if counted.asked != 1 {
			b.Errorf("the revocations behind the cache were asked %d times", counted.asked)
		}
	})
}

func BenchmarkUntouched(b *testing.B) {
	benchRequest(b, func(w http.ResponseWriter, r *http.Request) {})
}
