package dbstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// counted is a connector whose connections count the statements that run.
type counted struct {
	driver.Connector
	statements *atomic.Int64
}

func (c counted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c.statements}, nil
}

type countedConn struct {
	driver.Conn
	statements *atomic.Int64
}

func (c countedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if err != driver.ErrSkip { // it is prepared then, and not run yet
		c.statements.Add(1)
	}
	return result, err
}

func (c countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if err != driver.ErrSkip {
		c.statements.Add(1)
	}
	return rows, err
}

func (c countedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, options)
}

func (c countedConn) CheckNamedValue(value *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(value)
	}
	return driver.ErrSkip
}

// dsnConnector is for drivers that have no connectors.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }

// openCounted opens a database, and counts the statements that run there.
func openCounted(t testing.TB, d database) (*sql.DB, *atomic.Int64) {
	t.Helper()
	var name, dsn string
	switch d.dialect {
	case SQLite:
		name, dsn = "sqlite", sqliteDSN(filepath.Join(t.TempDir(), "s.db"))
	case PostgreSQL:
		name, dsn = "pgx", postgresDSN(t)
	case MySQL:
		name, dsn = "mysql", mysqlDSN(t)+"?interpolateParams=true"
	}
	known := open(t, name, dsn).Driver()
	connector := driver.Connector(dsnConnector{known, dsn})
	if with, ok := known.(driver.DriverContext); ok {
		var err error
		connector, err = with.OpenConnector(dsn)
		require.NoError(t, err)
	}
	statements := new(atomic.Int64)
	db := sql.OpenDB(counted{connector, statements})
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	return db, statements
}

// atOnce has many requests of one session load it before the first of them saves it, and
// returns how many failed.
func atOnce(t testing.TB, store *Store, key string, requests int) (failed int64) {
	var loaded, done sync.WaitGroup
	var failures atomic.Int64
	loaded.Add(requests)
	served := cookiestore.Middleware(store, cookiestore.WithLogger(slog.New(slog.DiscardHandler)))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		s.Get("n")
		loaded.Done()
		loaded.Wait()
		assert.NoError(t, cookiestore.Modify(s, "n", func(n *int) { *n++ }))
		s.AddFlash(r.URL.Path)
		s.Set(r.URL.Path, 1)
	}))
	for i := range requests {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+strconv.Itoa(i), nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: key})
		done.Go(func() {
			w := httptest.NewRecorder()
			if served.ServeHTTP(w, r); w.Code != http.StatusOK {
				failures.Add(1)
			}
		})
	}
	done.Wait()
	return failures.Load()
}

// Each of many requests of one session takes a query to load it and a statement to save
// it, and all of their changes are kept.
func TestManyRequestsOfOneSession(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const requests = 60
		db, statements := openCounted(t, d)
		store := newStore(t, db, WithTimeout(time.Minute))
		key := store.insert(t, `{"n":0}`, time.Now(), time.Hour)
		before := statements.Load()
		require.Zero(t, atOnce(t, store, key, requests))
		// Two each while they wait in line. One that comes when the line has just gone
		// learns from its first UPDATE that it isn't the first, and loads again.
		require.LessOrEqual(t, statements.Load()-before, int64(4*requests))
		visit(t, store, key, func(s *cookiestore.Session) {
			require.Equal(t, requests, s.Get("n"))
			require.Len(t, s.Flashes(), requests)
			require.Len(t, s.Keys(), requests+1)
		})
	})
}

// Servers that don't know of each other merge through the database.
func TestManyRequestsOfOneSessionOnTwoServers(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		const requests = 20
		db := d.open(t)
		store := newStore(t, db, WithTimeout(time.Minute))
		key := store.insert(t, `{"n":0}`, time.Now(), time.Hour)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { assert.Zero(t, atOnce(t, store, key, requests)) }) // each has a middleware of its own
		}
		both.Wait()
		visit(t, store, key, func(s *cookiestore.Session) {
			require.Equal(t, 2*requests, s.Get("n"))
			require.Len(t, s.Flashes(), 2*requests)
		})
	})
}

// However many cookies of one name a visitor sends, they are one query at most.
func TestManyCookiesAreOneQuery(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db, statements := openCounted(t, d)
		store := newStore(t, db)
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		for _, test := range []struct {
			name    string
			cookies []string
			queries int64
			found   bool
		}{
			{"none", nil, 0, false},
			{"one", []string{key}, 1, true},
			{"one that is not a key", []string{"x"}, 0, false},
			{"50 random keys", randomKeys(50), 1, false},
			{"the session among random keys", append(randomKeys(5), key), 1, true},
			{"the session behind the same junk 50 times", append(slices.Repeat([]string{"x"}, 50), key), 1, true},
			{"50 times the same", slices.Repeat([]string{key}, 50), 1, true},
		} {
			t.Run(test.name, func(t *testing.T) {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				for _, value := range test.cookies {
					r.AddCookie(&http.Cookie{Name: "sessionid", Value: value})
				}
				before := statements.Load()
				found := false
				cookiestore.Middleware(store, cookiestore.WithLogger(slog.New(slog.DiscardHandler)))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					found = cookiestore.FromContext(r.Context()).Has("a")
				})).ServeHTTP(httptest.NewRecorder(), r)
				require.Equal(t, test.found, found)
				require.Equal(t, test.queries, statements.Load()-before)
			})
		}
	})
}

func randomKeys(n int) (keys []string) {
	for range n {
		keys = append(keys, newKey())
	}
	return keys
}

// BenchmarkOneSession measures requests of one session that all load it before the first
// saves it: the time until the last has saved it, and the statements of each.
//
//	go test -run '^$' -bench OneSession -benchtime 3x ./dbstore
func BenchmarkOneSession(b *testing.B) {
	for _, d := range databases {
		for _, requests := range []int{1, 10, 200, 1000} {
			b.Run(fmt.Sprintf("%s, %d requests", d.name, requests), func(b *testing.B) {
				db, statements := openCounted(b, d)
				store := newStore(b, db, WithTimeout(time.Minute))
				failed := int64(0)
				var ran int64
				for range b.N {
					b.StopTimer()
					key := store.insert(b, `{"n":0}`, time.Now(), time.Hour)
					before := statements.Load()
					b.StartTimer()
					failed += atOnce(b, store, key, requests)
					ran += statements.Load() - before
				}
				b.ReportMetric(float64(ran)/float64(b.N*requests), "statements/request")
				b.ReportMetric(float64(failed), "failed")
			})
		}
	}
}
