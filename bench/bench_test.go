package main

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchmark runs a sub-benchmark for every peer and every size.
func benchmark(b *testing.B, sizes []int, handler func(peer) http.Handler) {
	for _, size := range sizes {
		for _, p := range peersFor(size) {
			b.Run(fmt.Sprintf("json=%d/peer=%s", size, benchName(p)), func(b *testing.B) {
				cookie, err := logIn(p, sample(size))
				if errors.As(err, new(errTooLarge)) {
					b.Skip(err)
				}
				require.NoError(b, err)
				c := newCaller(handler(p), cookie)
				b.ReportAllocs()
				for b.Loop() {
					c.call()
				}
			})
		}
	}
}

// benchName is the peer's name as benchstat can have it: a slash ends a key there.
func benchName(p peer) string {
	return strings.NewReplacer("/", "-", ",", "", " ", "-").Replace(p.name)
}

// BenchmarkChange counts one more visit and saves the session.
func BenchmarkChange(b *testing.B) {
	benchmark(b, speedSizes, func(p peer) http.Handler { return p.change(noAnswer) })
}

// BenchmarkRead reads the number of visits.
func BenchmarkRead(b *testing.B) {
	benchmark(b, speedSizes, func(p peer) http.Handler { return p.read(noAnswer) })
}

// BenchmarkUntouched has the session's middleware around a handler that does nothing.
func BenchmarkUntouched(b *testing.B) {
	benchmark(b, []int{smallSize}, func(p peer) http.Handler { return p.untouched })
}

// BenchmarkNoMiddleware is the handler that does nothing, alone.
func BenchmarkNoMiddleware(b *testing.B) {
	c := newCaller(nothing, nil)
	b.ReportAllocs()
	for b.Loop() {
		c.call()
	}
}

// BenchmarkParallel changes sessions in 64 goroutines on all cores. What they wait
// for shows in a profile:
//
//	go test -run '^$' -bench Parallel -mutexprofile mutex.out -blockprofile block.out .
//	go tool pprof -top mutex.out
func BenchmarkParallel(b *testing.B) {
	for _, p := range cookiePeers()[:2] {
		b.Run("peer="+benchName(p), func(b *testing.B) {
			cookie, err := logIn(p, smallVisit)
			require.NoError(b, err)
			handler := p.change(noAnswer)
			b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := newCaller(handler, cookie)
				for pb.Next() {
					c.call()
				}
			})
		})
	}
}
