package otel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	promclient "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/metrics/fleet"
	"example.com/cookiestore/frameworks/metrics/prom"
	"example.com/cookiestore/frameworks/metrics/visit"
)

// collect returns what a periodic reader would export, by name.
func collect(t *testing.T, reader metric.Reader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	metrics := map[string]metricdata.Metrics{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		metrics[m.Name] = m
	}
	return metrics
}

func attr(set attribute.Set, name string) string {
	value, ok := set.Value(attribute.Key(name))
	if !ok {
		return ""
	}
	return value.String()
}

func words(set attribute.Set) [4]string {
	return [4]string{attr(set, "cookiestore.cookie"), attr(set, "cookiestore.event"), attr(set, "cookiestore.reason"), attr(set, "cookiestore.beside")}
}

func TestWhatOpenTelemetryCollects(t *testing.T) {
	reader := metric.NewManualReader()
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(reader)).Meter("sessions"))
	require.NoError(t, err)
	want := visit.Run(t, observe, func(h http.Handler) http.Handler { return h })
	metrics := collect(t, reader)

	counts := map[[4]string]int{}
	for _, p := range metrics["cookiestore.session.events"].Data.(metricdata.Sum[int64]).DataPoints {
		counts[words(p.Attributes)] = int(p.Value)
		failure := "" // error.type is only there of what failed
		if attr(p.Attributes, "cookiestore.event") == "failed" {
			failure = attr(p.Attributes, "cookiestore.reason")
		}
		require.Equal(t, failure, attr(p.Attributes, "error.type"))
		require.Equal(t, failure != "", p.Attributes.HasValue("error.type"))
	}
	require.Equal(t, want.Events, counts)

	conflicts := metrics["cookiestore.session.conflicts"].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, conflicts, 1)
	require.Equal(t, [4]string{"record"}, words(conflicts[0].Attributes))
	require.EqualValues(t, want.Conflicts, conflicts[0].Value)

	for name, total := range map[string]int{
		"cookiestore.cookie.size": want.CookieBytes, "cookiestore.cookie.chunks": want.Chunks, "cookiestore.json.size": want.JSONBytes,
	} {
		for _, p := range metrics[name].Data.(metricdata.Histogram[int64]).DataPoints {
			if attr(p.Attributes, "cookiestore.cookie") == "sessionid" {
				require.EqualValues(t, total, p.Sum, name)
				require.EqualValues(t, want.Saved, p.Count, name)
			}
		}
	}
	seconds := metrics["cookiestore.store.duration"]
	require.Equal(t, "s", seconds.Unit)
	timed := map[[4]string]bool{}
	for _, p := range seconds.Data.(metricdata.Histogram[float64]).DataPoints {
		require.Positive(t, p.Sum)
		timed[words(p.Attributes)] = true
	}
	for _, event := range [][4]string{{"sessionid", "loaded"}, {"sessionid", "saved"}, {"sessionid", "deleted"}, {"record", "failed"}} {
		require.True(t, timed[event], event)
	}
}

func TestEventsAreInTheSpanOfTheRequest(t *testing.T) {
	observe, err := Observer(noop.Meter{})
	require.NoError(t, err)
	spans := tracetest.NewInMemoryExporter()
	tracer := trace.NewTracerProvider(trace.WithSyncer(spans)).Tracer("shop")
	want := visit.Run(t, observe, func(next http.Handler) http.Handler { // as otelhttp does
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := tracer.Start(r.Context(), r.URL.Path)
			defer span.End()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	})
	counts := map[[4]string]int{}
	for _, span := range spans.GetSpans() {
		for _, e := range span.Events {
			set := attribute.NewSet(e.Attributes...)
			counts[words(set)]++
			kind := attr(set, "cookiestore.event")
			require.Equal(t, "cookiestore.session."+kind, e.Name)
			require.Equal(t, kind == "refused" || kind == "failed", set.HasValue("exception.type"))
			require.False(t, set.HasValue("exception.message"))
			for _, a := range e.Attributes {
				require.NotContains(t, a.Value.String(), "secret value")
			}
			require.True(t, strings.HasPrefix(span.Name, "/cookie/") || strings.HasPrefix(span.Name, "/record/"))
		}
	}
	require.Equal(t, want.Events, counts)
}

func TestEveryCounterBeginsWithZero(t *testing.T) {
	reader := metric.NewManualReader()
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(reader)).Meter("sessions"), "sessionid", "cart")
	require.NoError(t, err)
	require.Len(t, collect(t, reader)["cookiestore.session.conflicts"].Data.(metricdata.Sum[int64]).DataPoints, 2)
	counters := func() (all []metricdata.DataPoint[int64]) {
		return collect(t, reader)["cookiestore.session.events"].Data.(metricdata.Sum[int64]).DataPoints
	}
	require.Len(t, counters(), 2*42)
	for _, kind := range []cookiestore.EventKind{"loaded", "refused", "saved", "deleted", "failed"} {
		for _, reason := range cookiestore.EventReasons(kind) {
			observe(t.Context(), cookiestore.Event{Kind: kind, Reason: reason, Cookie: "cart"})
			if kind == "refused" {
				observe(t.Context(), cookiestore.Event{Kind: kind, Reason: reason, Cookie: "cart", Beside: true})
			}
		}
	}
	require.Len(t, counters(), 2*42)
	for _, p := range counters() {
		require.Equal(t, attr(p.Attributes, "cookiestore.cookie") == "cart", p.Value == 1, p)
	}
}

func TestTheTypeOfAnError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("a secret"), "*errors.errorString"},
		{fmt.Errorf("session can't be loaded: %w", errNoNet{}), "otel.errNoNet"},
		{fmt.Errorf("%w: %w", context.Canceled, errNoNet{}), "otel.errNoNet"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "syscall.Errno"},
	} {
		require.Equal(t, tt.want, typeOf(tt.err))
	}
}

type errNoNet struct{}

func (errNoNet) Error() string { return "a secret" }

func TestConflictsOfASaveThatFailed(t *testing.T) {
	reader := metric.NewManualReader()
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(reader)).Meter("sessions"))
	require.NoError(t, err)
	observe(t.Context(), cookiestore.Event{Kind: cookiestore.EventFailed, Reason: "conflict", Cookie: "cart", Conflicts: 100})
	conflicts := collect(t, reader)["cookiestore.session.conflicts"].Data.(metricdata.Sum[int64]).DataPoints
	require.Len(t, conflicts, 1)
	require.EqualValues(t, 100, conflicts[0].Value)
	require.Equal(t, []attribute.KeyValue{attribute.String("cookiestore.cookie", "cart")}, conflicts[0].Attributes.ToSlice())
}

func TestWithoutASpanNothingIsTraced(t *testing.T) {
	observe, err := Observer(noop.Meter{})
	require.NoError(t, err)
	require.NotPanics(t, func() { observe(context.Background(), cookiestore.Event{Kind: cookiestore.EventLoaded}) })
}

// The dashboard and the alerts are for both: through the Prometheus exporter the names are
// those of package prom, and the labels have a prefix.
func TestTheNamesInPrometheusAreTheSame(t *testing.T) {
	reg := promclient.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(reg), prometheus.WithoutTargetInfo(), prometheus.WithoutScopeInfo())
	require.NoError(t, err)
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(exporter)).Meter("sessions"))
	require.NoError(t, err)
	theirs := promclient.NewRegistry()
	observeToo := prom.Observer(theirs)
	visit.Run(t, func(ctx context.Context, e cookiestore.Event) {
		observe(ctx, e)
		observeToo(ctx, e)
	}, func(h http.Handler) http.Handler { return h })

	require.Equal(t, series(t, theirs), series(t, reg))
}

// Prometheus itself, with prometheus.yml, drops the prefix of the labels.
func TestTheLabelsInPrometheusAreTheSame(t *testing.T) {
	fleet.NeedPrometheus(t)
	reg := promclient.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(reg))
	require.NoError(t, err)
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(exporter)).Meter("sessions"))
	require.NoError(t, err)
	observe(t.Context(), cookiestore.Event{Kind: cookiestore.EventRefused, Reason: "tampered", Cookie: "sessionid", Beside: true})
	site := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	defer site.Close()
	config, err := os.ReadFile("prometheus.yml")
	require.NoError(t, err)
	p, err := fleet.StartPrometheus(t.Context(), t.TempDir(), "global: {scrape_interval: 100ms}\n"+
		strings.ReplaceAll(string(config), "shop.internal:9464", strings.TrimPrefix(site.URL, "http://")))
	require.NoError(t, err)
	defer p.Close()
	require.Eventually(t, func() bool {
		lines, err := p.Query(t.Context(), `cookiestore_session_events_total{cookie="sessionid", event="refused", reason="tampered", beside="true"}`,
			time.Now().Add(-fleet.Interval), time.Now())
		return err == nil && len(lines) == 1
	}, time.Minute, 50*time.Millisecond)
}

// series are the label names of each metric, without what OpenTelemetry adds, and the
// bounds of its buckets.
func series(t *testing.T, reg *promclient.Registry) map[string]map[string]bool {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	all := map[string]map[string]bool{}
	for _, f := range families {
		all[f.GetName()] = map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				all[f.GetName()][fmt.Sprintf("le %.6g", b.GetUpperBound())] = true
			}
			for _, l := range m.GetLabel() {
				if l.GetName() != "error_type" {
					all[f.GetName()][strings.TrimPrefix(l.GetName(), "cookiestore_")] = true
				}
			}
		}
	}
	return all
}

// BenchmarkObserver is the two events of a request that changes a session.
func BenchmarkObserver(b *testing.B) {
	observe, err := Observer(metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())).Meter("sessions"))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		observe(b.Context(), cookiestore.Event{Kind: cookiestore.EventLoaded, Cookie: "sessionid", Took: time.Microsecond})
		observe(b.Context(), cookiestore.Event{
			Kind: cookiestore.EventSaved, Reason: "asked", Cookie: "sessionid",
			CookieBytes: 300, Chunks: 1, JSONBytes: 145, Took: time.Microsecond,
		})
	}
}
