package dbstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// sqliteDrivers are the names of the drivers that OpenSQLite is tested with.
var sqliteDrivers = []string{"sqlite", "sqlite3"}

// onEachSQLite runs a test with every driver. That of mattn is written in C.
func onEachSQLite(t *testing.T, test func(t *testing.T, driver string)) {
	for _, name := range sqliteDrivers {
		t.Run(name, func(t *testing.T) {
			if name == "sqlite3" {
				db, err := sql.Open(name, ":memory:")
				require.NoError(t, err)
				defer db.Close()
				needed(t, name, db.Ping(), "mattn/go-sqlite3 needs cgo: install a C compiler (apt-get install gcc) and set CGO_ENABLED=1")
			}
			test(t, name)
		})
	}
}

func newSQLite(t testing.TB, driver, path string, options ...Option) *Store {
	t.Helper()
	store, err := OpenSQLite(driver, path, testKey, options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	require.NoError(t, store.CreateTable(t.Context()))
	return store
}

func TestOpenSQLiteBehaves(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		for name, path := range map[string]string{"a file": "", "memory": ":memory:"} {
			t.Run(name, func(t *testing.T) {
				sessiontest.TestStore(t, func(t testing.TB, clock func() time.Time) cookiestore.Store {
					if path == "" {
						return newSQLite(t, driver, filepath.Join(t.TempDir(), "s.db"), WithClock(clock))
					}
					return newSQLite(t, driver, path, WithClock(clock))
				})
			})
		}
	})
}

func TestOpenSQLiteSettings(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		store := newSQLite(t, driver, filepath.Join(t.TempDir(), "s.db"))
		for _, test := range []struct {
			name, pragma   string
			writing, reads string
		}{
			{"they wait for other programs", "busy_timeout", "5000", "5000"},
			{"readers don't wait for writers", "journal_mode", "wal", "wal"},
			{"the disk is waited for at checkpoints", "synchronous", "1", ""},
			{"reading connections can't write", "query_only", "0", "1"},
		} {
			t.Run(test.name, func(t *testing.T) {
				assert.Equal(t, test.writing, pragma(t, store.db.DB, test.pragma))
				if test.reads != "" {
					assert.Equal(t, test.reads, pragma(t, store.reads.DB, test.pragma))
				}
			})
		}
		assert.Equal(t, 1, store.db.Stats().MaxOpenConnections)
		readers := max(4, runtime.GOMAXPROCS(0))
		assert.Equal(t, readers, store.reads.Stats().MaxOpenConnections)
		var open []*sql.Conn
		for range readers {
			conn, err := store.reads.Conn(t.Context())
			require.NoError(t, err)
			open = append(open, conn)
		}
		for _, conn := range open {
			require.NoError(t, conn.Close())
		}
		assert.Equal(t, readers, store.reads.Stats().Idle, "they stay open")
	})
}

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value))
	return value
}

// A request that only reads is served while another connection writes.
func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		store := newSQLite(t, driver, filepath.Join(t.TempDir(), "s.db"))
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		tx, err := store.db.BeginTx(t.Context(), nil) // has the one connection that writes
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE django_session SET expire_date = expire_date")
		require.NoError(t, err)
		rec, err := store.Load(t.Context(), "sessionid", key)
		require.NoError(t, err)
		require.Equal(t, `{"a":1}`, rec.Data)
		require.NoError(t, tx.Rollback())
	})
}

// Close releases the connections, idle ones too, and what was saved is there when the
// file is opened again.
func TestCloseSQLite(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		path := filepath.Join(t.TempDir(), "sessions.db")
		store, err := OpenSQLite(driver, path, testKey)
		require.NoError(t, err)
		require.NoError(t, store.CreateTable(t.Context()))
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		_, err = store.Load(t.Context(), "sessionid", key)
		require.NoError(t, err)
		require.NoError(t, store.Close())
		require.NoFileExists(t, path+"-wal", "the last connection that is closed removes it")
		_, err = store.Load(t.Context(), "sessionid", key)
		require.ErrorContains(t, err, "closed")

		_, err = newSQLite(t, driver, path).Load(t.Context(), "sessionid", key)
		require.NoError(t, err)
	})
}

func TestCloseLeavesTheCallersDatabaseOpen(t *testing.T) {
	db := openSQLite(t)
	require.NoError(t, newStore(t, db).Close())
	require.NoError(t, db.Ping())
}

func TestSQLitePaths(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		for _, name := range []string{"plain.db", "a session?.db", "100%.db", "a#b&c=d.db", "Größe.db"} {
			t.Run(name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), name)
				newSQLite(t, driver, path)
				require.FileExists(t, path)
			})
		}
		t.Run("a URI is taken as it is", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "none.db")
			store, err := OpenSQLite(driver, "file:"+path+"?mode=rw", testKey)
			require.NoError(t, err, "nothing is opened yet")
			t.Cleanup(func() { store.Close() })
			require.ErrorContains(t, store.CreateTable(t.Context()), "unable to open database file")
			require.NoFileExists(t, path)
		})
	})
}

func TestInMemory(t *testing.T) {
	for uri, is := range map[string]bool{
		"file::memory:":                     true,
		"file::memory:?cache=shared":        true,
		"file:%3Amemory%3A":                 true,
		"file:a?mode=memory":                true,
		"file:a?cache=shared&mode=memory":   true,
		"file:/a?vfs=memdb":                 true,
		"file:":                             true,
		"file:?cache=private":               true,
		"file:memory":                       false,
		"file:a?mode=rwc":                   false,
		"file:a?_pragma=foreign_keys(1)":    false,
		"file:mode=memory":                  false,
		"file:/tmp/%zz?mode=ro&vfs=unix":    false,
		"file:/tmp/a?mode=rw;x&mode=memory": true,
	} {
		assert.Equal(t, is, inMemory(uri), uri)
	}
	assert.Equal(t, "file::memory:", sqliteURI(":memory:"))
	assert.Equal(t, "file:a%3Fb.db", sqliteURI("a?b.db"))
	assert.Equal(t, "file:a%3Fb.db?mode=ro", sqliteURI("file:a%3Fb.db?mode=ro"), "a URI is taken as it is")
}

func TestOpenSQLiteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	for _, test := range []struct {
		name, driver, path, key, message string
	}{
		{"a driver that isn't imported", "sqlite4", path, "key", `unknown driver "sqlite4" (forgotten import?)`},
		{"a driver of another database", "pgx", path, "key", `the driver "pgx" is one for PostgreSQL, not for SQLite`},
		{"no path", "sqlite", "", "key", "the path of the SQLite database is empty"},
		{"no key", "sqlite", path, "", "empty"},
		{"a NUL", "sqlite", path + "\x00.db", "key", "the path of the SQLite database has a NUL byte"},
		{"a NUL in a URI", "sqlite3", "file:" + path + "\x00.db", "key", "the path of the SQLite database has a NUL byte"},
		{"an escaped NUL in a URI", "sqlite", "file:" + path + "%00.db", "key", "the path of the SQLite database has a NUL byte"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenSQLite(test.driver, test.path, []byte(test.key))
			require.ErrorContains(t, err, test.message)
			require.NoFileExists(t, path)
		})
	}
	for name, dialect := range map[string]Dialect{"PostgreSQL": PostgreSQL, "MySQL": MySQL} {
		_, err := OpenSQLite("sqlite", path, testKey, WithDialect(dialect))
		require.ErrorContains(t, err, "OpenSQLite was given WithDialect of "+name)
	}
	store, err := OpenSQLite("sqlite", path, testKey, WithDialect(SQLite))
	require.NoError(t, err)
	require.NoError(t, store.Close())

	options := []Option{WithTable("a"), nil}[:1]
	_, err = OpenSQLite("sqlite", path, testKey, options...)
	require.NoError(t, err)
	require.Nil(t, options[:2][1], "the caller's options are left alone")
}

// tracedDriver is a driver in another, as those that trace queries are.
type tracedDriver struct{ driver.Driver }

// preparing is a driver whose connections run no statement without preparing it.
type preparing struct{ driver.Driver }

func (p preparing) Open(dsn string) (driver.Conn, error) {
	conn, err := p.Driver.Open(dsn)
	return struct{ driver.Conn }{conn}, err
}

func init() {
	sql.Register("sqlite-traced", tracedDriver{&sqlite.Driver{}})
	sql.Register("sqlite-preparing", preparing{&sqlite.Driver{}})
}

func TestOpenSQLiteWithWrappedDrivers(t *testing.T) {
	store := newSQLite(t, "sqlite-traced", filepath.Join(t.TempDir(), "s.db"))
	require.Equal(t, "wal", pragma(t, store.db.DB, "journal_mode"))

	store, err := OpenSQLite("sqlite-preparing", ":memory:", testKey)
	require.NoError(t, err)
	require.ErrorContains(t, store.CreateTable(t.Context()), "can't run statements without preparing them")
}

// A file that is not a database is an error, and its connection is closed.
func TestSettingsFail(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		path := filepath.Join(t.TempDir(), "letter.txt")
		require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("Dear database, ", 100)), 0o600))
		store, err := OpenSQLite(driver, path, testKey)
		require.NoError(t, err)
		defer store.Close()
		require.ErrorContains(t, store.CreateTable(t.Context()), "file is not a database")
		require.Zero(t, store.db.Stats().OpenConnections)
	})
}

func TestDatabasesInMemory(t *testing.T) {
	const refused = "each connection of the pool has a SQLite database of its own in memory"
	onEachSQLite(t, func(t *testing.T, driver string) {
		for _, test := range []struct {
			name, dsn   string
			connections int
			refused     bool
		}{
			{"memory", ":memory:", 0, true},
			{"memory, two connections", ":memory:", 2, true},
			{"memory, one connection", ":memory:", 1, false},
			{"memory, as a URI", "file::memory:", 0, true},
			{"memory with a name", "file:named?mode=memory", 0, true},
			{"a temporary file for each connection", "file:", 0, true},
			{"memory that connections share", "file:shared_" + driver + "?mode=memory&cache=shared", 0, false},
			{"a file", "file:" + filepath.Join(t.TempDir(), "s.db"), 0, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				db := open(t, driver, test.dsn)
				db.SetMaxOpenConns(test.connections)
				store, err := New(db, testKey)
				require.NoError(t, err)
				ended, err := NewRevocations(db)
				require.NoError(t, err)
				of := ended.CreateTable(t.Context())
				err = store.CreateTable(t.Context())
				if test.refused {
					require.ErrorContains(t, of, refused, "revocations")
					require.ErrorContains(t, err, refused)
					require.ErrorContains(t, store.CreateTable(t.Context()), refused, "the second time, too")
					return
				}
				require.NoError(t, err)
				require.NoError(t, of)
				store.insert(t, `{"a":1}`, time.Now(), time.Hour)
				var names int
				require.NoError(t, db.QueryRow("SELECT count(*) FROM sqlite_master WHERE type = 'table'").Scan(&names))
				require.Equal(t, 2, names, "the check leaves nothing behind")
			})
		}
	})
	t.Run("all servers of a program at once", func(t *testing.T) {
		db := open(t, "sqlite", ":memory:")
		db.SetMaxOpenConns(2)
		store, err := New(db, testKey)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { assert.ErrorContains(t, store.CreateTable(t.Context()), refused) })
		}
		all.Wait()
	})
	t.Run("a database that is attached in memory, beside one in a file", func(t *testing.T) {
		db := open(t, "sqlite", sqliteDSN(filepath.Join(t.TempDir(), "s.db")))
		db.SetMaxOpenConns(2)
		attach := func() (*sql.Conn, error) {
			conn, err := db.Conn(t.Context())
			if err == nil {
				_, err = conn.ExecContext(t.Context(), "ATTACH ':memory:' AS shop")
			}
			return conn, err
		}
		one, err := attach()
		require.NoError(t, err)
		other, err := attach()
		require.NoError(t, err)
		one.Close()
		other.Close()
		store, err := New(db, testKey, WithTable("shop.django_session"))
		require.NoError(t, err)
		require.ErrorContains(t, store.CreateTable(t.Context()), refused)
	})
	t.Run("memory that the reading connections don't share", func(t *testing.T) {
		store := newSQLite(t, "sqlite", ":memory:")
		store.reads = &pool{DB: open(t, "sqlite", ":memory:")}
		require.ErrorContains(t, store.CreateTable(t.Context()), refused)
	})
	t.Run("a file is not written to, to find out", func(t *testing.T) {
		store := newStore(t, openSQLite(t))
		before := pragma(t, store.db.DB, "schema_version")
		require.NoError(t, store.CreateTable(t.Context()))
		require.Equal(t, before, pragma(t, store.db.DB, "schema_version"))
	})
	t.Run("a database that can't be reached", func(t *testing.T) {
		store, err := New(open(t, "sqlite", "file:"+t.TempDir()+"/none/s.db"), testKey)
		require.NoError(t, err)
		require.ErrorContains(t, store.CreateTable(t.Context()), "dbstore: ")
	})
}

// A request that ends amid a statement doesn't take the database in memory with it.
func TestMemoryOutlivesContexts(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		t.Run("OpenSQLite", func(t *testing.T) { testMemoryOutlivesContexts(t, newSQLite(t, driver, ":memory:")) })
		t.Run("a pool of one connection", func(t *testing.T) {
			db := open(t, driver, ":memory:")
			db.SetMaxOpenConns(1)
			testMemoryOutlivesContexts(t, newStore(t, db))
		})
	})
}

func testMemoryOutlivesContexts(t *testing.T, store *Store) {
	const rows = 20_000
	store.sql(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO {table} SELECT printf('%032d', i), 'x', '2999-01-01 00:00:00' FROM n`, rows)
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*50*time.Microsecond)
		_, _, _ = store.Count(ctx)
		cancel()
		ctx, cancel = context.WithTimeout(t.Context(), time.Duration(1+i)*50*time.Microsecond)
		for range store.All(ctx) {
		}
		_ = store.ClearExpired(ctx)
		cancel()
		live, _, err := store.Count(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, rows, live)
	}
}

// Many programs open the same new file at once.
func TestOpenSQLiteAtOnce(t *testing.T) {
	onEachSQLite(t, func(t *testing.T, driver string) {
		path := filepath.Join(t.TempDir(), "s.db")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				store, err := OpenSQLite(driver, path, testKey)
				if !assert.NoError(t, err) {
					return
				}
				defer store.Close()
				assert.NoError(t, store.CreateTable(t.Context()))
				resp := visit(t, store, "", func(s *cookiestore.Session) { s.Set("a", 1) })
				assert.Equal(t, http.StatusOK, resp.StatusCode)
			})
		}
		all.Wait()
		require.Equal(t, 8, newSQLite(t, driver, path).count(t))
	})
}

// BenchmarkSQLite measures requests of 64 visitors who change a session of 1,000 bytes
// without a pause, and of 16 who read one every 5 ms: with and without ClearExpired
// beside them.
//
//	go test -run '^$' -bench SQLite -benchtime 20000x ./dbstore
func BenchmarkSQLite(b *testing.B) {
	for _, setup := range []struct {
		name string
		open func(b *testing.B, path string) *Store
	}{
		{"opened with a busy_timeout and WAL", func(b *testing.B, path string) *Store {
			store, err := New(open(b, "sqlite", sqliteDSN(path)), testKey)
			require.NoError(b, err)
			require.NoError(b, store.CreateTable(b.Context()))
			return store
		}},
		{"one connection, synchronous=NORMAL", func(b *testing.B, path string) *Store {
			db := open(b, "sqlite", sqliteDSN(path)+"&_pragma=synchronous(NORMAL)")
			db.SetMaxOpenConns(1)
			store, err := New(db, testKey)
			require.NoError(b, err)
			require.NoError(b, store.CreateTable(b.Context()))
			return store
		}},
		{"OpenSQLite", func(b *testing.B, path string) *Store { return newSQLite(b, "sqlite", path) }},
		{"OpenSQLite, sqlite3", func(b *testing.B, path string) *Store { return newSQLite(b, "sqlite3", path) }},
	} {
		for _, expired := range []int{0, 100_000} {
			b.Run(fmt.Sprintf("%s, %d sessions to clear", setup.name, expired), func(b *testing.B) {
				benchmarkSQLite(b, setup.open(b, filepath.Join(b.TempDir(), "s.db")), expired)
			})
		}
	}
}

func benchmarkSQLite(b *testing.B, store *Store, expired int) {
	const writers, readers = 64, 16
	data := `{"a":"` + strings.Repeat("x", 990) + `"}`
	if expired > 0 {
		store.sql(b, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO {table} SELECT lower(hex(randomblob(16))), ?, '2020-01-01 00:00:00' FROM n`, expired, data)
	}
	manager, err := cookiestore.NewManager(store)
	require.NoError(b, err)
	var failures atomic.Int64
	request := func(key string, change func(*cookiestore.Session)) time.Duration {
		began := time.Now()
		s, err := manager.Load(b.Context(), "sessionid="+key)
		if err == nil {
			change(s)
			_, err = manager.Save(b.Context(), s)
		}
		if err != nil {
			failures.Add(1)
		}
		return time.Since(began)
	}
	var all, reading sync.WaitGroup
	var took, read latencies
	ctx, stop := context.WithCancel(b.Context())
	key := func() string { return store.insert(b, data, time.Now(), time.Hour) }
	for range readers {
		own := key()
		reading.Go(func() {
			for ctx.Err() == nil {
				read.add(request(own, func(s *cookiestore.Session) { s.Get("a") }))
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	keys := make([]string, writers)
	for i := range keys {
		keys[i] = key()
	}
	b.ResetTimer()
	if expired > 0 {
		all.Go(func() { assert.NoError(b, store.ClearExpired(ctx)) })
	}
	for _, own := range keys {
		all.Go(func() {
			for n := range b.N / writers {
				took.add(request(own, func(s *cookiestore.Session) { s.Set("n", n) }))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	stop()
	reading.Wait()
	b.ReportMetric(took.at(0.5), "ms/p50")
	b.ReportMetric(took.at(0.99), "ms/p99")
	b.ReportMetric(read.at(0.99), "ms/p99-reading")
	b.ReportMetric(float64(failures.Load()), "failed")
}

// latencies collects how long requests take.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
}

// at returns a quantile in milliseconds.
func (l *latencies) at(quantile float64) float64 {
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return l.all[int(quantile*float64(len(l.all)-1))].Seconds() * 1000
}
