package otel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/metrics/otel"
)

func ExampleObserver() {
	store, err := cookiestore.New([]byte("at least thirty-two random bytes"))
	if err != nil {
		panic(err)
	}
	shop := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("num_visits", 1)
	})

	reader := metric.NewManualReader() // a real site has a PeriodicReader, with an exporter
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	observe, err := otel.Observer(provider.Meter("example.com/shop"), "sessionid") // the cookie's name
	if err != nil {
		panic(err)
	}
	handler := cookiestore.Middleware(store,
		cookiestore.WithObserver(observe),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)), // a real site has one
	)(shop)

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "sessionid=signed.with:another:key")
	handler.ServeHTTP(httptest.NewRecorder(), r)

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		panic(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, p := range sum.DataPoints {
				if kind, _ := p.Attributes.Value("cookiestore.event"); p.Value > 0 {
					fmt.Println(m.Name, kind.AsString(), p.Value)
				}
			}
		}
	}
	// Unordered output:
	// cookiestore.session.events refused 1
	// cookiestore.session.events saved 1
}
