package prom_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/metrics/prom"
)

// A site, and the page of it that Prometheus reads.
func ExampleObserver() {
	store, err := cookiestore.New([]byte("at least thirty-two random bytes"))
	if err != nil {
		panic(err)
	}
	shop := http.NewServeMux()
	shop.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("num_visits", 1)
	})

	reg := prometheus.NewRegistry() // or prometheus.DefaultRegisterer, with promhttp.Handler()
	withSessions := cookiestore.Middleware(store,
		cookiestore.WithObserver(prom.Observer(reg, "sessionid")), // the cookie's name
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)))     // a real site has one
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.Handle("/", withSessions(shop))

	server := httptest.NewServer(mux)
	defer server.Close()
	visit := func(path string) string {
		r, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		r.Header.Set("Cookie", "sessionid=signed.with:another:key")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return string(body)
	}
	visit("/")
	for line := range strings.Lines(visit("/metrics")) {
		if strings.HasPrefix(line, "cookiestore_session_events_total") && !strings.HasSuffix(line, " 0\n") {
			fmt.Print(line)
		}
	}
	// Output:
	// cookiestore_session_events_total{beside="",cookie="sessionid",event="refused",reason="tampered"} 1
	// cookiestore_session_events_total{beside="",cookie="sessionid",event="saved",reason="asked"} 1
}
