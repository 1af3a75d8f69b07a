// Package prom counts what happens to sessions, for Prometheus. Copy this file.
package prom

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"example.com/cookiestore"
)

// Observer returns the function for [cookiestore.WithObserver] that counts events in reg.
// It serves any number of middlewares, whose cookies have these names: their series are there
// from the start, since PromQL's increase() doesn't see the first event of a series that
// begins with it. No label has a value that comes from a visitor. It panics if reg has such
// metrics already.
func Observer(reg prometheus.Registerer, cookies ...string) func(context.Context, cookiestore.Event) {
	metrics := promauto.With(reg)
	events := metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "cookiestore_session_events_total",
		Help: "What happened to sessions, and why.",
	}, []string{"cookie", "event", "reason", "beside"})
	conflicts := metrics.NewCounterVec(prometheus.CounterOpts{
		Name: "cookiestore_session_conflicts_total",
		Help: "How often a session had been changed meanwhile, and was merged.",
	}, []string{"cookie"})
	cookieSize := metrics.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "cookiestore_cookie_size_bytes",
		Help:    "The Set-Cookie fields of a saved session.",
		Buckets: []float64{128, 256, 512, 1024, 2048, 3072, 4096, 8192, 16384},
	}, []string{"cookie"})
	chunks := metrics.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "cookiestore_cookie_chunks",
		Help:    "How many cookies a saved session takes.",
		Buckets: []float64{1, 2, 3, 4, 6, 8},
	}, []string{"cookie"})
	jsonSize := metrics.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "cookiestore_json_size_bytes",
		Help:    "The dictionary of a saved session, as JSON.",
		Buckets: prometheus.ExponentialBuckets(128, 2, 10), // to 64 KiB
	}, []string{"cookie"})
	seconds := metrics.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "cookiestore_store_duration_seconds",
		Help:    "The time that the store and the revocations took, in all, of a load or a save.",
		Buckets: prometheus.ExponentialBuckets(10e-6, 4, 11), // 10 µs to 10 s
	}, []string{"cookie", "event"})
	for _, cookie := range cookies {
		conflicts.WithLabelValues(cookie)
		for _, kind := range []cookiestore.EventKind{
			cookiestore.EventLoaded, cookiestore.EventRefused, cookiestore.EventSaved, cookiestore.EventDeleted, cookiestore.EventFailed,
		} {
			for _, reason := range cookiestore.EventReasons(kind) {
				events.WithLabelValues(cookie, string(kind), reason, "")
				if kind == cookiestore.EventRefused {
					events.WithLabelValues(cookie, string(kind), reason, "true")
				}
			}
		}
	}
	return func(_ context.Context, e cookiestore.Event) {
		beside := "" // as if the label weren't there
		if e.Beside {
			beside = "true"
		}
		events.WithLabelValues(e.Cookie, string(e.Kind), e.Reason, beside).Inc()
		if e.Conflicts > 0 {
			conflicts.WithLabelValues(e.Cookie).Add(float64(e.Conflicts))
		}
		if e.Kind == cookiestore.EventSaved {
			cookieSize.WithLabelValues(e.Cookie).Observe(float64(e.CookieBytes))
			chunks.WithLabelValues(e.Cookie).Observe(float64(e.Chunks))
			jsonSize.WithLabelValues(e.Cookie).Observe(float64(e.JSONBytes))
		}
		if e.Took > 0 { // several events of one load have the time once
			seconds.WithLabelValues(e.Cookie, string(e.Kind)).Observe(e.Took.Seconds())
		}
	}
}
