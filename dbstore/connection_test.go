package dbstore

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// held takes connections from the pool, and has each of them run a statement or
// return a number. They are idle afterwards.
func held(t *testing.T, db *sql.DB, n int, query string) (numbers []int) {
	t.Helper()
	db.SetMaxIdleConns(n)
	var all []*sql.Conn
	for range n {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		for conn.PingContext(t.Context()) != nil { // it was spoilt before
			_ = conn.Close()
			conn, err = db.Conn(t.Context())
			require.NoError(t, err)
		}
		all = append(all, conn)
		if strings.HasPrefix(query, "SELECT") {
			var number int
			require.NoError(t, conn.QueryRowContext(t.Context(), query).Scan(&number))
			numbers = append(numbers, number)
		} else {
			_, err = conn.ExecContext(t.Context(), query)
			require.NoError(t, err)
		}
	}
	for _, conn := range all {
		require.NoError(t, conn.Close())
	}
	require.Equal(t, n, db.Stats().Idle)
	return numbers
}

// writes are all that is done to a session, each of which must work at once.
func writes(t *testing.T, store *Store, spoil func()) {
	t.Helper()
	step := func(cookie string, handler func(*cookiestore.Session)) (value string) {
		t.Helper()
		spoil()
		var failure error
		for _, c := range visit(t, store, cookie, handler, saveErrors(&failure)).Cookies() {
			value = c.Value
		}
		require.NoError(t, failure)
		return value
	}
	key := step("", func(s *cookiestore.Session) { s.Set("n", 1) })
	step(key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")) })
	step(key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")); spoil(); s.Set("n", 2) })
	key = step(key, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("n")); spoil(); s.CycleKey() })
	step(key, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("n")); spoil(); s.Flush() })
	store.insert(t, `{}`, time.Now().Add(-time.Hour), time.Minute)
	spoil()
	require.NoError(t, store.ClearExpired(t.Context()))
	spoil()
	require.NoError(t, store.CreateTable(t.Context()))
	require.Zero(t, store.count(t))
}

// All connections of the pool were cut by the server, or by what is between: requests
// notice nothing.
func TestConnectionsOfThePoolAreDead(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db := d.open(t)
		store, other := newStore(t, db), d.open(t)
		id := map[Dialect]string{PostgreSQL: "SELECT pg_backend_pid()", MySQL: "SELECT connection_id()"}[d.dialect]
		kill := map[Dialect]string{PostgreSQL: "SELECT pg_terminate_backend(%d)", MySQL: "KILL %d"}[d.dialect]
		writes(t, store, func() {
			for _, n := range held(t, db, 3, id) {
				_, err := other.ExecContext(t.Context(), fmt.Sprintf(kill, n))
				require.NoError(t, err)
			}
		})
	})
}

// After a failover the old server may be up, and read-only: connections to it are
// given up for new ones.
func TestConnectionsOfThePoolAreReadOnly(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db := d.open(t)
		store := newStore(t, db)
		writes(t, store, func() {
			held(t, db, 3, map[Dialect]string{
				PostgreSQL: "SET default_transaction_read_only = on",
				MySQL:      "SET SESSION TRANSACTION READ ONLY",
			}[d.dialect])
		})
	})
}

// pgx keeps prepared statements, whose plans ALTER TABLE makes invalid, and which
// the server may forget.
func TestStatementsOfThePoolAreStale(t *testing.T) {
	for name, spoil := range map[string]func(*Store, *sql.DB){
		"since the table was altered": func(store *Store, _ *sql.DB) {
			store.sql(t, "ALTER TABLE {table} ALTER expire_date TYPE timestamp(3) with time zone")
		},
		"since the server has forgotten them": func(_ *Store, db *sql.DB) { held(t, db, 5, "DEALLOCATE ALL") },
	} {
		t.Run(name, func(t *testing.T) {
			db := databases[1].open(t)
			store := newStore(t, db)
			key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
			held(t, db, 5, "SELECT 1")
			var all []*sql.Conn
			for range 5 { // each knows the statement
				conn, err := db.Conn(t.Context())
				require.NoError(t, err)
				var data string
				var date time.Time
				require.NoError(t, conn.QueryRowContext(t.Context(), store.queries.load, key).Scan(&data, &date))
				all = append(all, conn)
			}
			for _, conn := range all {
				require.NoError(t, conn.Close())
			}
			spoil(store, db)
			visit(t, store, key, func(s *cookiestore.Session) {
				require.NoError(t, s.Err())
				require.Equal(t, 1, s.Get("a"))
			})
		})
	}
}

// leaky is a database that can't be connected to, and whose driver says all it knows.
type leaky struct {
	inner   driver.Driver
	err     error
	dialect Dialect
}

type leakyDriver struct {
	driver.Driver
	dialect Dialect
}

func (l leaky) Connect(context.Context) (driver.Conn, error) { return nil, l.err }
func (l leaky) Driver() driver.Driver                        { return &leakyDriver{l.inner, l.dialect} }

// What a driver says of a DSN that it can't use is not shown: it may repeat it, or take
// a part of a password for a host, a user or an option.
func TestErrorsHoldNoPassword(t *testing.T) {
	secrets := []string{"s3cr3t", "pa55", "horse"}
	check := func(t *testing.T, db *sql.DB, options ...Option) {
		t.Helper()
		store, err := New(db, testKey, append([]Option{WithTimeout(5 * time.Second)}, options...)...)
		require.NoError(t, err)
		_, err = store.Row(t.Context(), newKey())
		require.ErrorContains(t, err, "dbstore: no connection: ")
		requireDiscreet(t, err, secrets...)
		for _, err := range []error{store.CreateTable(t.Context()), store.ClearExpired(t.Context()), store.Delete(t.Context(), "", newKey(), "")} {
			require.Error(t, err)
			requireDiscreet(t, err, secrets...)
		}
	}
	for _, dsn := range []string{
		"postgres://shop:s3cr3t/pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t%zzpa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t#pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t?pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t[pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t@pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t:pa55@127.0.0.1:1/shop",
		"postgres://shop:s3cr3t@127.0.0.1:pa55/shop",
		"postgres://shop:s3cr3t@127.0.0.1:1/shop?sslmode=pa55",
		"postgres://s3cr3t:pa55@127.0.0.1:1/shop?connect_timeout=horse",
		"postgres://shop@127.0.0.1:1/shop?password=s3cr3t&sslmode=bogus",
		"host=127.0.0.1 port=1 user=shop password = s3cr3t sslmode=bogus",
		"host=127.0.0.1 port=1 user=shop password=s3cr3t pa55 horse",
		"host=127.0.0.1 port=1 user=shop password='s3cr3t\\'pa55 sslmode=disable",
		"host=127.0.0.1 port=1 user=shop password=s3cr3t sslmode=disable",
		"shop:s3cr3t@tcp(127.0.0.1:1)/shop",
	} {
		t.Run("pgx: "+dsn, func(t *testing.T) { check(t, open(t, "pgx", dsn)) })
	}
	for _, dsn := range []string{
		"shop:s3cr3t@tcp(127.0.0.1:1)/shop",
		"shop:s3cr3t@pa55@tcp(127.0.0.1:1)/shop",
		"shop:s3cr3t/pa55@tcp(127.0.0.1:1)/shop",
		"shop:s3cr3t@tcp(pa55.invalid:1)/shop",
		"shop:s3cr3t@unix(/pa55/socket)/shop",
		"shop:s3cr3t@pa55(127.0.0.1:1)/shop",
	} {
		t.Run("mysql: "+dsn, func(t *testing.T) { check(t, open(t, "mysql", dsn)) })
	}
	for _, dsn := range []string{
		"file:" + filepath.Join(t.TempDir(), "s3cr3t", "none.db"),
		"file:" + filepath.Join(t.TempDir(), "a.db") + "?_pragma=key('s3cr3t",
		"file:" + filepath.Join(t.TempDir(), "a.db") + "?_txlock=s3cr3t",
	} {
		t.Run("sqlite: "+dsn[:5], func(t *testing.T) { check(t, open(t, "sqlite", dsn)) })
	}
	for name, err := range map[string]error{
		"an address": &url.Error{Op: "parse", URL: "postgres://u:s3cr3t@127.0.0.1:x/x", Err: errors.New(`invalid port ":pa55"`)}, // pq's
		"a host":     &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "s3cr3t"}},
		"a server's": sqlStateError("28P01: s3cr3t"),
	} {
		for _, d := range []Dialect{SQLite, PostgreSQL, MySQL} {
			t.Run(fmt.Sprint(name, " ", d), func(t *testing.T) {
				check(t, sql.OpenDB(leaky{openSQLite(t).Driver(), fmt.Errorf("can't connect to postgres://u:s3cr3t@x: %w", err), d}), WithDialect(d))
			})
		}
	}
}

// All the same, the error says what is wrong.
func TestErrorsSayWhyThereIsNoConnection(t *testing.T) {
	postgres, err := url.Parse(postgresDSN(t))
	require.NoError(t, err)
	noDatabase := *postgres
	noDatabase.Path = "/not_there"
	noUser := *postgres
	noUser.User = url.UserPassword("nobody_of_that_name", "s3cr3t")
	closed := openSQLite(t)
	require.NoError(t, closed.Close())
	inner := openSQLite(t).Driver()
	leak := func(d Dialect, err error) *sql.DB {
		return sql.OpenDB(leaky{inner, fmt.Errorf("postgres://u:s3cr3t@x: %w", err), d})
	}
	for _, test := range []struct {
		name string
		db   *sql.DB
		says string
	}{
		{"PostgreSQL that is down", open(t, "pgx", "postgres://127.0.0.1:1/x?sslmode=disable"), "no connection: connection refused"},
		{"MySQL that is down", open(t, "mysql", "u:p@tcp(127.0.0.1:1)/x"), "no connection: connection refused"},
		{"a host that isn't there", open(t, "mysql", "u:p@tcp(nowhere.invalid:1)/x"), "no connection: the host in the DSN can't be looked up"},
		{"a database that isn't there", open(t, "pgx", noDatabase.String()), "no connection: there is no such database (SQLSTATE 3D000)"},
		{"a user that isn't there", open(t, "pgx", noUser.String()), "no connection: the user may not connect (SQLSTATE 28000)"},
		{"a database that isn't there, MySQL", open(t, "mysql", strings.Replace(mysqlDSN(t), "/dbstore_test_", "/not_there_", 1)), "no connection: there is no such database (error 1049)"},
		{"a file that isn't there", open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "no", "x.db")), "no connection: unable to open database file (SQLite code 14)"},
		{"a pool that is closed", closed, "no connection: sql: database is closed"},
		{"another code", leak(PostgreSQL, sqlStateError("XX000")), "no connection: SQLSTATE XX000"},
		{"a code that isn't one", leak(PostgreSQL, sqlStateError("s3cr3t")), "no connection: the driver's error, a "},
		{"another driver of SQLite", leak(SQLite, errors.New("unable to open database file: s3cr3t")), "no connection: unable to open database file (SQLite code 14)"},
		{"a server without TLS, pgx", leak(PostgreSQL, errors.New("server refused TLS connection")), "no connection: server refused TLS connection"},
		{"a server without TLS, MySQL", leak(MySQL, errors.New("TLS requested but server does not support TLS")), "no connection: TLS requested but server does not support TLS"},
		{"a server without TLS, pq", leak(PostgreSQL, errors.New("SSL is not enabled on the server")), "no connection: SSL is not enabled on the server"},
		{"a certificate of another", leak(PostgreSQL, &tls.CertificateVerificationError{Err: errors.New("s3cr3t")}), "no connection: the server's certificate is not trusted"},
		{"a DSN that isn't one", open(t, "pgx", "postgres://a:b/c"), "no connection: the driver's error, a *pgconn.ParseConfigError, is not shown, since it may repeat a password: check the DSN"},
		{"a server that asks for TLS in vain", open(t, "mysql", "u:p@tcp("+answering(t, "")+")/x"), "no connection: it was closed, or the server can't be reached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var options []Option
			if connector, ok := test.db.Driver().(*leakyDriver); ok {
				options = append(options, WithDialect(connector.dialect))
			}
			store, err := New(test.db, testKey, options...)
			require.NoError(t, err)
			_, err = store.Row(t.Context(), newKey())
			require.ErrorContains(t, err, "dbstore: "+test.says)
			requireDiscreet(t, err, "s3cr3t")
		})
	}
}

// answering returns the address of a server that says one thing and hangs up.
func answering(t *testing.T, what string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(what))
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// A handler that keeps all connections for itself waits for one in vain, and is told.
func TestPoolIsExhausted(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		db.SetMaxOpenConns(2)
		db.SetMaxIdleConns(2)
		patient := newStore(t, db)
		store, err := New(db, testKey, WithTable(patient.table), WithTimeout(30*time.Millisecond))
		require.NoError(t, err)
		key := patient.insert(t, `{"a":1}`, time.Now(), time.Hour)
		var mine []*sql.Conn
		for range 2 {
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			mine = append(mine, conn)
		}
		_, _, saving := store.Save(t.Context(), "", cookiestore.Record{Data: "{}"})
		_, loading := store.Row(t.Context(), key)
		for _, err := range []error{saving, loading, store.Delete(t.Context(), "", key, ""), store.ClearExpired(t.Context())} {
			require.ErrorContains(t, err, "dbstore: the database took over 30ms: no connection: all 2 of the pool are in use (does a handler keep one, in a transaction of its own?)")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		for _, conn := range mine {
			require.NoError(t, conn.Close())
		}
		_, err = patient.Row(t.Context(), key)
		require.NoError(t, err)
	})
}

// Those who wait for a connection get it in the order in which they came.
func TestConnectionsAreGivenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue
		leave, err := q.enter(t.Context(), 1)
		require.NoError(t, err)
		served := make(chan int)
		for i := range 20 {
			go func() {
				leave, err := q.enter(t.Context(), 1)
				if err == nil {
					served <- i
					leave()
				}
			}()
			synctest.Wait() // it waits, too
		}
		leave()
		for i := range 20 {
			require.Equal(t, i, <-served)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		synctest.Wait()
		leave, err = q.enter(t.Context(), 1)
		require.NoError(t, err)
		_, err = q.enter(canceled, 1)
		require.ErrorIs(t, err, context.Canceled)
		_, err = q.enter(canceled, 0)
		require.NoError(t, err, "where there is no limit, nobody waits")
		for range 2 {
			_, err = q.enter(t.Context(), 2)
			require.NoError(t, err, "the limit was raised")
		}
		_, err = q.enter(canceled, 2)
		require.ErrorIs(t, err, context.Canceled)
		leave()
	})
}

// A visitor who closes the page has logged out, or paid, all the same.
func TestVisitorLeaves(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		for name, change := range map[string]func(s *cookiestore.Session){
			"changes":   func(s *cookiestore.Session) { s.Set("n", 2) },
			"cycles":    (*cookiestore.Session).CycleKey,
			"logs out":  (*cookiestore.Session).Flush,
			"clears":    (*cookiestore.Session).Clear,
			"begins":    func(s *cookiestore.Session) { s.Flush(); s.Set("n", 2) },
			"only read": func(*cookiestore.Session) {},
		} {
			key := store.insert(t, `{"n":1}`, time.Now(), time.Hour)
			before, err := store.Row(t.Context(), key)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var failure error
			resp := visitContext(ctx, store, key, func(s *cookiestore.Session) { s.Get("n"); change(s); cancel() }, saveErrors(&failure))
			require.NoError(t, failure, name)
			require.Equal(t, http.StatusOK, resp.StatusCode, name)
			after, err := store.Row(t.Context(), key)
			if name == "only read" {
				require.Equal(t, before, after)
			} else if err == nil {
				require.NotEqual(t, before, after, name)
			}
			visitContext(ctx, store, key, func(s *cookiestore.Session) {
				require.ErrorIs(t, s.Err(), context.Canceled, "there is nobody left to read for")
			}, saveErrors(&failure))
		}
	})
}

// A save without a visitor still ends when the time is up.
func TestVisitorLeavesADeadDatabase(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db, cable := throughCable(t, d)
		store := newStore(t, db)
		impatient, err := New(db, testKey, WithTable(store.table), WithTimeout(20*time.Millisecond))
		require.NoError(t, err)
		cable.setDead(true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err = impatient.Save(ctx, "", cookiestore.Record{Data: "{}"})
		require.ErrorContains(t, err, "the database took over 20ms")
		require.ErrorContains(t, impatient.Delete(ctx, "", newKey(), ""), "the database took over 20ms")
		require.ErrorContains(t, impatient.Delete(ctx, "", newKey(), "v"), "the database took over 20ms")
	})
}

// SQLite's writers take turns, and no longer than the time allows. Those who read
// don't wait.
func TestWritersTakeTurns(t *testing.T) {
	store := newStore(t, openSQLite(t))
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	leave, err := store.writers.enter(t.Context(), 1)
	require.NoError(t, err)
	store.timeout = 30 * time.Millisecond
	for _, err := range []error{store.Delete(t.Context(), "", key, ""), store.ClearExpired(t.Context())} {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "dbstore: the database took over 30ms")
	}
	store.timeout = 0
	_, err = store.Row(t.Context(), key)
	require.NoError(t, err)
	leave()
	require.NoError(t, store.Delete(t.Context(), "", key, ""))
	require.Zero(t, store.count(t))
}
