package cookiestore_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"

	"example.com/cookiestore"
)

// Counters of what happens to sessions. docs/metrics.md has those of Prometheus and
// OpenTelemetry.
func ExampleWithObserver() {
	var mu sync.Mutex
	counts := map[string]int{}
	store, err := cookiestore.New([]byte("at least thirty-two random bytes"))
	if err != nil {
		panic(err)
	}
	middleware := cookiestore.Middleware(store,
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
		cookiestore.WithObserver(func(_ context.Context, e cookiestore.Event) {
			mu.Lock()
			defer mu.Unlock()
			counts[string(e.Kind)+" "+e.Reason]++
		}))
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("num_visits", 1)
	}))

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "sessionid=from.another:site:altogether")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	fmt.Println(counts)
	// Output: map[refused tampered:1 saved asked:1]
}
