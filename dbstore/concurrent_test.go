package dbstore

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// Many requests of one visitor change one session at the same time, each a key of
// its own, and no change is lost.
func TestNoUpdateIsLost(t *testing.T) {
	for _, d := range append(slices.Clip(databases), serializable) {
		t.Run(d.name, func(t *testing.T) { testNoUpdateIsLost(t, d) })
	}
}

func testNoUpdateIsLost(t *testing.T, d database) {
	const visitors, rounds = 16, 8
	db := d.open(t)
	db.SetMaxOpenConns(visitors)
	store := newStore(t, db, WithTimeout(time.Minute))
	key := store.insert(t, `{"began":true}`, time.Now(), time.Hour)
	var loaded sync.WaitGroup // all have read the same session before the first saves
	loaded.Add(visitors)
	var all sync.WaitGroup
	for i := range visitors {
		all.Go(func() {
			for round := range rounds {
				resp := visit(t, store, key, func(s *cookiestore.Session) {
					own := fmt.Sprintf("visitor %d", i)
					assert.Equal(t, round, cookiestore.Get(s, own, 0), own)
					s.Set(own, round+1)
					if round == 0 {
						loaded.Done()
						loaded.Wait()
					}
				})
				assert.Equal(t, http.StatusOK, resp.StatusCode)
			}
		})
	}
	all.Wait()
	visit(t, store, key, func(s *cookiestore.Session) {
		require.Equal(t, true, s.Get("began"))
		for i := range visitors {
			require.Equal(t, rounds, s.Get(fmt.Sprintf("visitor %d", i)))
		}
	})
}

// A session that one request ends, while others change it, stays ended.
func TestNoSessionIsBroughtBack(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const visitors = 8
		db := d.open(t)
		db.SetMaxOpenConns(visitors)
		store := newStore(t, db, WithTimeout(time.Minute))
		for range 10 {
			key := store.insert(t, `{"user":1}`, time.Now(), time.Hour)
			var loaded, all sync.WaitGroup
			loaded.Add(visitors)
			var interrupted atomic.Int64
			for i := range visitors {
				all.Go(func() {
					resp := visit(t, store, key, func(s *cookiestore.Session) {
						s.Get("user")
						loaded.Done()
						loaded.Wait()
						switch i {
						case 0:
							s.Flush()
						default:
							s.Set(fmt.Sprint(i), i)
						}
					})
					if resp.StatusCode == http.StatusBadRequest {
						interrupted.Add(1)
						assert.Empty(t, resp.Cookies(), "the cookie is left alone")
					} else {
						assert.Equal(t, http.StatusOK, resp.StatusCode)
					}
				})
			}
			all.Wait()
			require.Zero(t, store.count(t))
			require.Less(t, interrupted.Load(), int64(visitors), "the one that ended it did not fail")
		}
	})
}

// Of many requests that cycle the key at once, one gets a new one, and there is
// one row in the end.
func TestOneCyclesTheKey(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const visitors = 8
		db := d.open(t)
		db.SetMaxOpenConns(visitors)
		store := newStore(t, db, WithTimeout(time.Minute))
		key := store.insert(t, `{"user":1}`, time.Now(), time.Hour)
		var loaded, all sync.WaitGroup
		loaded.Add(visitors)
		var cycled atomic.Value
		var succeeded atomic.Int64
		for range visitors {
			all.Go(func() {
				resp := visit(t, store, key, func(s *cookiestore.Session) {
					s.CycleKey()
					loaded.Done()
					loaded.Wait()
				})
				if resp.StatusCode == http.StatusOK {
					succeeded.Add(1)
					cycled.Store(resp.Cookies()[0].Value)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, succeeded.Load())
		require.Equal(t, 1, store.count(t))
		rec, err := store.Load(t.Context(), "sessionid", cycled.Load().(string))
		require.NoError(t, err)
		require.Equal(t, `{"user":1}`, rec.Data)
	})
}

// Servers that clear at the same time, and sessions that are renewed meanwhile, are
// in nobody's way.
func TestManyClearAtOnce(t *testing.T) {
	for _, d := range append(slices.Clip(databases), serializable) {
		t.Run(d.name, func(t *testing.T) {
			now := time.Now()
			store := newStore(t, d.open(t), WithTimeout(time.Minute), WithClock(func() time.Time { return now }))
			var over, alive []string
			for range 200 {
				over = append(over, store.insert(t, `{"a":1}`, now.Add(-time.Hour), time.Minute))
				alive = append(alive, store.insert(t, `{"a":1}`, now, time.Hour))
			}
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { assert.NoError(t, store.ClearExpired(t.Context())) })
			}
			all.Go(func() {
				for _, key := range alive {
					resp := visit(t, store, key, func(s *cookiestore.Session) { s.Set("b", 2) })
					assert.Equal(t, http.StatusOK, resp.StatusCode)
				}
			})
			all.Wait()
			require.Equal(t, len(alive), store.count(t), "and not %d", len(over)+len(alive))
		})
	}
}

// A row that is renewed after ClearExpired has found it, and before it comes to
// remove it, stays.
func TestRenewedWhileItIsCleared(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		now := time.Now()
		store := newStore(t, d.open(t), WithTimeout(time.Minute), WithClock(func() time.Time { return now }))
		key := store.insert(t, `{"a":1}`, now.Add(-time.Hour), time.Minute)
		renewal, err := store.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer renewal.Rollback()
		_, err = renewal.ExecContext(t.Context(), fmt.Sprintf("UPDATE %s SET expire_date = '%s'", store.table, now.Add(time.Hour).UTC().Format(textTime)))
		require.NoError(t, err)
		cleared := make(chan error)
		go func() { cleared <- store.ClearExpired(t.Context()) }()
		waiting := map[Dialect]string{
			PostgreSQL: "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%" + store.table + "%'",
			MySQL:      "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
		}[d.dialect]
		require.Eventually(t, func() bool {
			var n int
			return store.db.QueryRowContext(t.Context(), waiting).Scan(&n) == nil && n > 0
		}, time.Minute, 150*time.Millisecond, "it waits for the lock on the row") // MariaDB tells nothing new sooner
		require.NoError(t, renewal.Commit())
		require.NoError(t, <-cleared)
		_, err = store.Row(t.Context(), key)
		require.NoError(t, err)
	})
}
