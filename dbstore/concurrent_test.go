package dbstore

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
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
	strict := database{"PostgreSQL, serializable", PostgreSQL, func(t testing.TB) *sql.DB {
		address, err := url.Parse(postgresDSN(t))
		require.NoError(t, err)
		query := address.Query()
		query.Set("default_transaction_isolation", "serializable")
		address.RawQuery = query.Encode()
		return open(t, "pgx", address.String())
	}}
	for _, d := range append(slices.Clip(databases), strict) {
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

// A session that one request ends, while others change and cycle it, stays ended.
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
