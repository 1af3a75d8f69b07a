package dbstore

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClearExpired(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		var removed int64
		store := newStore(t, d.open(t), WithClock(func() time.Time { return now }), WithClearProgress(func(n int64) { removed += n }))
		alive := store.insert(t, `{"a":1}`, now, time.Hour)
		store.insert(t, `{"a":1}`, now, -time.Microsecond)
		last := store.insert(t, `{"a":1}`, now, 0)
		for from := 0; from < 2*maxBatch+1; from += 100 {
			var rows []string
			for i := range 100 {
				rows = append(rows, fmt.Sprintf("('over%d', '', '2020-01-01 00:00:00')", from+i))
			}
			store.sql(t, "INSERT INTO {table} (session_key, session_data, expire_date) VALUES "+strings.Join(rows, ", "))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.ClearExpired(ctx), context.Canceled)
		all := store.count(t)
		require.NoError(t, store.ClearExpired(t.Context()))
		require.Equal(t, 2, store.count(t))
		require.EqualValues(t, all-2, removed, "all of it is reported")
		for _, key := range []string{alive, last} {
			_, err := store.Row(t.Context(), key)
			require.NoError(t, err)
		}
	})
}

func TestClearEvery(t *testing.T) {
	var now time.Time
	store := newStore(t, openSQLite(t), WithClock(func() time.Time { return now }))
	now = time.Now()
	store.insert(t, `{"a":1}`, now, -time.Second)
	store.insert(t, `{"a":1}`, now, time.Minute)
	store.insert(t, `{"a":1}`, now, time.Hour)

	ctx, cancel := context.WithCancel(t.Context())
	ticks, done := make(chan time.Time), make(chan struct{})
	var failures []error
	go func() {
		defer close(done)
		store.clearOn(ctx, ticks, func(err error) { failures = append(failures, err) })
	}()
	ticks <- now // is taken when the first run has ended
	require.Eventually(t, func() bool { return store.count(t) == 2 }, time.Minute, time.Millisecond)
	ticks <- now
	require.NoError(t, store.db.Close())
	ticks <- now // is taken when the run before has seen either
	ticks <- now
	cancel()
	<-done
	require.NotEmpty(t, failures)
	require.ErrorContains(t, failures[0], "database is closed")

	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
	go func() { ticks <- now; cancel() }()
	store.clearOn(ctx, ticks, nil)
	require.Contains(t, log.String(), "database is closed")

	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	log.Reset()
	store.ClearEvery(stopped, time.Hour, nil)
	require.Empty(t, log.String(), "a run that was told to stop has not failed")
	require.Panics(t, func() { store.ClearEvery(t.Context(), 0, nil) })
}

// expire fills the table with rows past their expire_date.
func (s *Store) expire(t testing.TB, rows int) {
	t.Helper()
	for from := 0; from < rows; from += 500 {
		var values []string
		for i := from; i < min(from+500, rows); i++ {
			values = append(values, fmt.Sprintf("('over%07d', '', '2020-01-01 00:%02d:%02d')", i, i/60%60, i%60))
		}
		s.sql(t, "INSERT INTO {table} (session_key, session_data, expire_date) VALUES "+strings.Join(values, ", "))
	}
}

// A process that clears beside others says that all is removed when it is.
func TestNothingIsLeftWhenOneOfManyIsDone(t *testing.T) {
	for _, d := range append(strict(t), databases[:2]...) {
		t.Run(d.name, func(t *testing.T) {
			store := newStore(t, d.open(t), WithTimeout(time.Minute))
			store.expire(t, 3000)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					assert.NoError(t, store.ClearExpired(t.Context()))
					assert.Zero(t, store.count(t))
				})
			}
			all.Wait()
		})
	}
}

// Rows that are renewed while they are removed don't end it.
func TestRowsAreRenewedWhileOthersAreCleared(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		for _, unlocked := range []bool{true, false} {
			store := newStore(t, d.open(t), WithTimeout(time.Minute))
			store.mustWait.Store(!unlocked)
			store.expire(t, 2500)
			renewal, err := store.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer renewal.Rollback()
			_, err = renewal.ExecContext(t.Context(), "UPDATE "+store.table+" SET expire_date = '2100-01-01 00:00:00' WHERE session_key IN ('over0000000', 'over0000007')")
			require.NoError(t, err)
			cleared := make(chan error)
			go func() { cleared <- store.ClearExpired(t.Context()) }()
			if unlocked { // all others go before these are waited for
				require.Eventually(t, func() bool { return store.count(t) == 2 }, time.Minute, 5*time.Millisecond)
			}
			select {
			case err := <-cleared:
				t.Fatalf("two may have expired, but it returned %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			require.NoError(t, renewal.Commit())
			require.NoError(t, <-cleared)
			require.Equal(t, 2, store.count(t))
		}
	})
}

// Servers and engines that know no SKIP LOCKED are cleared all the same.
func TestClearWithoutSkipLocked(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		for name, statement := range map[string]string{
			"a syntax error": "DELETE SOME {table}",
			"no such thing":  "DELETE FROM {table} WHERE session_key = no_such_function()",
		} {
			store := newStore(t, d.open(t))
			store.queries.clearUnlocked = strings.ReplaceAll(statement, "{table}", store.table)
			store.expire(t, 1200)
			require.NoError(t, store.ClearExpired(t.Context()), name)
			require.Zero(t, store.count(t), name)
			require.True(t, store.mustWait.Load(), "it doesn't ask again")
		}
		store := newStore(t, d.open(t))
		store.expire(t, 1200)
		require.NoError(t, store.ClearExpired(t.Context()))
		require.False(t, store.mustWait.Load(), "this server knows it")
	})
}

// A connection that breaks says nothing of what the server knows.
func TestBrokenConnectionKeepsSkipLocked(t *testing.T) {
	store, f := newFaulty(t, PostgreSQL)
	store.queries.clearUnlocked = store.queries.clear + " -- unlocked"
	f.fail = func(query string) error {
		if strings.HasSuffix(query, "-- unlocked") {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	require.ErrorIs(t, store.ClearExpired(t.Context()), io.ErrUnexpectedEOF)
	require.False(t, store.mustWait.Load())
}

func TestBatchesAreOfASizeThatSuits(t *testing.T) {
	for _, test := range []struct {
		size int
		took time.Duration
		next int
	}{
		{100, time.Millisecond, 200},
		{600, time.Millisecond, maxBatch},
		{maxBatch, 0, maxBatch},
		{100, 10 * time.Millisecond, 100},
		{100, 40 * time.Millisecond, 100},
		{100, 41 * time.Millisecond, 50},
		{1, time.Minute, 1},
	} {
		require.Equal(t, test.next, nextBatch(test.size, test.took, 40*time.Millisecond), "%d rows in %v", test.size, test.took)
	}
}

// A batch that takes too long is tried again with half as many rows.
func TestBatchIsTooLarge(t *testing.T) {
	for name, failure := range map[string]error{
		"the server's limit": sqlStateError("57014"),
		"taken back":         fmt.Errorf("wrapped: %w", sqlStateError("40001")),
	} {
		t.Run(name, func(t *testing.T) {
			store, f := newFaulty(t, PostgreSQL)
			store.expire(t, 50)
			f.args = func(query string, args []any) error {
				if strings.HasPrefix(query, "DELETE") && args[1].(int64) > 20 {
					return failure
				}
				return nil
			}
			if name == "taken back" {
				store.timeout = 150 * time.Millisecond // for one batch
			}
			require.NoError(t, store.ClearExpired(t.Context()))
			require.Zero(t, store.count(t))

			if name == "taken back" {
				return
			}
			store.expire(t, 1)
			f.args = func(query string, _ []any) error {
				if strings.HasPrefix(query, "DELETE") {
					return failure
				}
				return nil
			}
			require.ErrorIs(t, store.ClearExpired(t.Context()), failure, "one row is the least")
		})
	}
	t.Run("the store's own limit", func(t *testing.T) {
		store, f := newFaulty(t, PostgreSQL)
		store.expire(t, 50)
		store.timeout = 200 * time.Millisecond
		f.hang = func(query string, args []any) bool { return strings.HasPrefix(query, "DELETE") && args[1].(int64) > 20 }
		require.NoError(t, store.ClearExpired(t.Context()))
		require.Zero(t, store.count(t))
		ctx, cancel := context.WithCancel(t.Context())
		store.expire(t, 50)
		f.hang = func(string, []any) bool { cancel(); return true }
		require.ErrorIs(t, store.ClearExpired(ctx), context.Canceled)
	})
	t.Run("what has nothing to do with size", func(t *testing.T) {
		store, f := newFaulty(t, PostgreSQL)
		store.expire(t, 50)
		tries := 0
		f.fail = func(string) error { tries++; return sqlStateError("53100") }
		require.ErrorIs(t, store.ClearExpired(t.Context()), sqlStateError("53100"))
		require.Equal(t, 1, tries)
		f.fail = func(query string) error {
			if strings.HasPrefix(query, "SELECT") {
				return io.ErrShortWrite
			}
			return nil
		}
		require.ErrorIs(t, store.ClearExpired(t.Context()), io.ErrShortWrite, "whether any are left")
	})
}

// Rows that can't be removed are an error in the end, and not silence.
func TestRowsThatStay(t *testing.T) {
	store := newStore(t, openSQLite(t))
	store.expire(t, 1)
	store.queries.clear = "DELETE FROM " + store.table + " WHERE expire_date < ?1 AND ?2 = 0"
	require.ErrorIs(t, store.ClearExpired(t.Context()), errStalled)
}

// Engines that speak PostgreSQL's SQL may have no advisory locks, and no operator
// classes.
func TestCreateTableOnAnotherEngine(t *testing.T) {
	for name, test := range map[string]struct {
		lock, like string
		indexes    int
	}{
		"with neither":           {"SELECT no_such_lock()", "no_such_ops", 2},
		"without advisory locks": {"SELECT no_such_lock()", "varchar_pattern_ops", 3},
	} {
		t.Run(name, func(t *testing.T) {
			db := databases[1].open(t)
			other := *dialects[PostgreSQL]
			other.lock, other.like = test.lock, test.like
			store, err := New(db, testKey, WithTable(fmt.Sprintf("another_engine_%d", test.indexes)))
			require.NoError(t, err)
			store.dialect = &other
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { assert.NoError(t, store.CreateTable(t.Context())) })
			}
			all.Wait()
			key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
			var indexes int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_indexes WHERE tablename = $1", store.table).Scan(&indexes))
			require.Equal(t, test.indexes, indexes)
			_, err = store.Load(t.Context(), "", key)
			require.NoError(t, err)
		})
	}
}
