package prom

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/metrics/visit"
)

// scrape reads /metrics as Prometheus does.
func scrape(t *testing.T, reg *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	server := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	defer server.Close()
	response, err := http.Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(t, err)
	return families
}

func labels(m *dto.Metric) map[string]string {
	all := map[string]string{}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	return all
}

// counted are the counters of a family that aren't zero.
func counted(family *dto.MetricFamily) map[[4]string]int {
	counts := map[[4]string]int{}
	for _, m := range family.GetMetric() {
		if v := m.GetCounter().GetValue(); v > 0 {
			l := labels(m)
			counts[[4]string{l["cookie"], l["event"], l["reason"], l["beside"]}] = int(v)
		}
	}
	return counts
}

// histogram is that of a cookie.
func histogram(family *dto.MetricFamily, cookie string) (sum float64, count int) {
	for _, m := range family.GetMetric() {
		if labels(m)["cookie"] == cookie {
			sum += m.GetHistogram().GetSampleSum()
			count += int(m.GetHistogram().GetSampleCount())
		}
	}
	return sum, count
}

func TestWhatPrometheusScrapes(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	want := visit.Run(t, Observer(reg, "sessionid"), func(h http.Handler) http.Handler { return h })
	families := scrape(t, reg)
	require.Equal(t, want.Events, counted(families["cookiestore_session_events_total"]))
	require.Equal(t, map[[4]string]int{{"record"}: want.Conflicts}, counted(families["cookiestore_session_conflicts_total"]))
	for name, total := range map[string]int{
		"cookiestore_cookie_size_bytes": want.CookieBytes, "cookiestore_cookie_chunks": want.Chunks, "cookiestore_json_size_bytes": want.JSONBytes,
	} {
		sum, count := histogram(families[name], "sessionid")
		require.InDelta(t, total, sum, 0, name)
		require.Equal(t, want.Saved, count, name)
	}
	for _, cookie := range []string{"sessionid", "record"} {
		loadsAndSaves := 0
		for event, n := range want.Events {
			if event[0] == cookie && event[2] != "late" { // which is only noted
				loadsAndSaves += n
			}
		}
		if cookie == "sessionid" {
			loadsAndSaves -= 2 // refused cookies beside the one that was loaded
		}
		sum, count := histogram(families["cookiestore_store_duration_seconds"], cookie)
		require.Equal(t, loadsAndSaves, count, cookie)
		require.Positive(t, sum)
	}
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	reg := prometheus.NewRegistry()
	observe := Observer(reg, "sessionid", "cart")
	series := testutil.CollectAndCount(reg, "cookiestore_session_events_total")
	require.Equal(t, 2*42, series)
	for _, kind := range []cookiestore.EventKind{"loaded", "refused", "saved", "deleted", "failed"} {
		for _, reason := range cookiestore.EventReasons(kind) {
			observe(t.Context(), cookiestore.Event{Kind: kind, Reason: reason, Cookie: "cart"})
			observe(t.Context(), cookiestore.Event{Kind: kind, Reason: reason, Cookie: "cart", Beside: kind == "refused"})
		}
	}
	require.Equal(t, series, testutil.CollectAndCount(reg, "cookiestore_session_events_total"))
}

// What visitors send makes no series.
func TestVisitorsMakeNoSeries(t *testing.T) {
	reg := prometheus.NewRegistry()
	store, err := cookiestore.New([]byte("at least thirty-two random bytes"))
	require.NoError(t, err)
	handler := cookiestore.Middleware(store,
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
		cookiestore.WithObserver(Observer(reg, "sessionid")),
	)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Has("a")
	}))
	before := testutil.CollectAndCount(reg, "cookiestore_session_events_total")
	for i := range 200 {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/%d", i), nil)
		r.Header.Set("Cookie", fmt.Sprintf("sessionid=%d%s; sessionid%d=1", i, strings.Repeat(":x", i%4), i))
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Equal(t, before, testutil.CollectAndCount(reg, "cookiestore_session_events_total"))
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	Observer(reg)
	require.Panics(t, func() { Observer(reg) })
}

// BenchmarkObserver is the two events of a request that changes a session.
func BenchmarkObserver(b *testing.B) {
	observe := Observer(prometheus.NewRegistry(), "sessionid")
	b.ReportAllocs()
	for b.Loop() {
		observe(b.Context(), cookiestore.Event{Kind: cookiestore.EventLoaded, Cookie: "sessionid", Took: time.Microsecond})
		observe(b.Context(), cookiestore.Event{
			Kind: cookiestore.EventSaved, Reason: "asked", Cookie: "sessionid",
			CookieBytes: 300, Chunks: 1, JSONBytes: 145, Took: time.Microsecond,
		})
	}
}
