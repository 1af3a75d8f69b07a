package cookiestore_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

func TestMemoryRevocations(t *testing.T) {
	sessiontest.TestRevocations(t, func(_ testing.TB, clock func() time.Time) cookiestore.Revocations {
		return cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(clock))
	})
}

// logOuts is what a test of what is forgotten works on.
type logOuts struct {
	r   *cookiestore.MemoryRevocations
	now time.Time
}

func newLogOuts() *logOuts {
	l := &logOuts{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	l.r = cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(func() time.Time { return l.now }))
	return l
}

// some ends n sessions, and those of n users, until then.
func (l *logOuts) some(t *testing.T, name string, n int, until time.Time) {
	for i := range n {
		require.NoError(t, l.r.Revoke(t.Context(), name+strconv.Itoa(i), until))
		require.NoError(t, l.r.RevokeUser(t.Context(), name+strconv.Itoa(i), l.now, until))
	}
}

// known counts the sessions and users of that name that are ended.
func (l *logOuts) known(t *testing.T, name string, n int) (sessions, users int) {
	for i := range n {
		text := name + strconv.Itoa(i)
		ended, err := l.r.Revoked(t.Context(), cookiestore.Identity{ID: text, StartedAt: l.now})
		require.NoError(t, err)
		if ended {
			sessions++
		}
		ended, err = l.r.Revoked(t.Context(), cookiestore.Identity{User: text, StartedAt: l.now.Add(-100 * time.Hour)})
		require.NoError(t, err)
		if ended {
			users++
		}
	}
	return sessions, users
}

func TestMemoryRevocationsForgetWhatHasExpired(t *testing.T) {
	const n = 3000
	l := newLogOuts()
	l.some(t, "short", n, l.now.Add(time.Hour))
	l.some(t, "long", n, l.now.Add(48*time.Hour))
	l.some(t, "for good", n, time.Time{})

	l.now = l.now.Add(2 * time.Hour) // as long as they could last, and the hour more
	l.some(t, "next", n, l.now.Add(time.Hour))
	sessions, users := l.known(t, "short", n)
	assert.Equal(t, n, sessions, "the hour in which they are kept has not ended")
	assert.Equal(t, n, users)

	l.now = l.now.Add(time.Microsecond)
	l.some(t, "later", 4*n, l.now.Add(time.Hour))
	sessions, users = l.known(t, "short", n)
	assert.Less(t, sessions, n/2)
	assert.Less(t, users, n/2)
	for _, name := range []string{"long", "for good", "next"} {
		sessions, users = l.known(t, name, n)
		assert.Equal(t, n, sessions, name)
		assert.Equal(t, n, users, name)
	}
}

func TestMemoryRevocationsAreSafeForConcurrentUse(t *testing.T) {
	r := cookiestore.NewMemoryRevocations()
	until := time.Now().Add(time.Hour)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				id := strconv.Itoa(g*1000 + i)
				assert.NoError(t, r.Revoke(context.Background(), id, until))
				assert.NoError(t, r.RevokeUser(context.Background(), id, until, until))
				assert.NoError(t, r.RevokeAll(context.Background(), time.Unix(int64(i), 0), until))
				revoked, err := r.Revoked(context.Background(), cookiestore.Identity{ID: id, User: id, StartedAt: until})
				assert.True(t, revoked && err == nil)
			}
		})
	}
	wg.Wait()
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// A million sessions that were ended, as they are in memory.
func BenchmarkMemoryRevocations(b *testing.B) {
	const million = 1_000_000
	until := time.Now().Add(time.Hour)
	for b.Loop() {
		b.StopTimer()
		before := heapInUse()
		b.StartTimer()
		r := cookiestore.NewMemoryRevocations()
		for i := range million {
			_ = r.Revoke(context.Background(), strconv.Itoa(i), until)
		}
		b.StopTimer()
		b.ReportMetric(float64(heapInUse()-before)/1e6, "MB/million")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/million, "ns/revoke")
		runtime.KeepAlive(r)
		b.StartTimer()
	}
}

func BenchmarkMemoryRevoked(b *testing.B) {
	r := cookiestore.NewMemoryRevocations()
	for i := range 100_000 {
		_ = r.Revoke(context.Background(), strconv.Itoa(i), time.Now().Add(time.Hour))
		_ = r.RevokeUser(context.Background(), strconv.Itoa(i), time.Unix(0, 0), time.Now().Add(time.Hour))
	}
	s := cookiestore.Identity{ID: "3q2-7wAAAAAAAAAAAAAAAA", User: "4711", StartedAt: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if revoked, err := r.Revoked(context.Background(), s); revoked || err != nil {
			b.Fatal(revoked, err)
		}
	}
}
