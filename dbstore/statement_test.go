package dbstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A faulty is SQLite with errors: fail is asked before each statement, and after if
// late is set, when the statement has been carried out.
type faulty struct {
	inner driver.Driver
	dsn   string
	fail  func(query string) error
	late  func(query string) error
	args  func(query string, args []any) error
	hang  func(query string, args []any) bool // until the context is done
	seen  func(context.Context)
}

func (f *faulty) Connect(context.Context) (driver.Conn, error) {
	conn, err := f.inner.Open(f.dsn)
	return &faultyConn{conn, f}, err
}
func (f *faulty) Driver() driver.Driver { return &wrappedDriver{f.inner} }

type faultyConn struct {
	driver.Conn
	f *faulty
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.f.fail != nil {
		if err := c.f.fail(query); err != nil {
			return nil, err
		}
	}
	values := make([]any, len(args))
	for i := range args {
		values[i] = args[i].Value
	}
	if c.f.args != nil {
		if err := c.f.args(query, values); err != nil {
			return nil, err
		}
	}
	if c.f.seen != nil {
		c.f.seen(ctx)
	}
	if c.f.hang != nil && c.f.hang(query, values) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if err == nil && c.f.late != nil {
		err = c.f.late(query)
	}
	return result, err
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.f.fail != nil {
		if err := c.f.fail(query); err != nil {
			return nil, err
		}
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// newFaulty returns a store whose database fails as another would.
func newFaulty(t *testing.T, as Dialect) (*Store, *faulty) {
	t.Helper()
	dsn := sqliteDSN(filepath.Join(t.TempDir(), "sessions.db")) + "&_pragma=synchronous(OFF)"
	f := &faulty{inner: open(t, "sqlite", dsn).Driver(), dsn: dsn}
	db := sql.OpenDB(f)
	t.Cleanup(func() { db.Close() })
	store := newStore(t, db, WithDialect(SQLite))
	mixed := *dialects[SQLite]
	mixed.code, mixed.failures, mixed.refusals, mixed.codeName = dialects[as].code, dialects[as].failures, dialects[as].refusals, dialects[as].codeName
	store.dialect = &mixed
	return store, f
}

// sqlStateError is an error as those of pgx and pq are.
type sqlStateError string

func (e sqlStateError) Error() string    { return "ERROR: something (SQLSTATE " + string(e) + ")" }
func (e sqlStateError) SQLState() string { return string(e) }

// unsentError is an error of pgx from before a statement was sent.
type unsentError struct{}

func (unsentError) Error() string     { return "write failed" }
func (unsentError) SafeToRetry() bool { return true }

// perhapsSentError is one from after that.
type perhapsSentError struct{ unsentError }

func (perhapsSentError) SafeToRetry() bool { return false }

func TestWhatIsTriedAgain(t *testing.T) {
	mysqlError := func(text string) error { return errors.New("Error " + text) }
	for _, test := range []struct {
		name    string
		dialect Dialect
		err     error
		tries   int // until it works
	}{
		{"PostgreSQL: serialization failure", PostgreSQL, sqlStateError("40001"), 4},
		{"PostgreSQL: deadlock", PostgreSQL, sqlStateError("40P01"), 4},
		{"PostgreSQL: wrapped", PostgreSQL, fmt.Errorf("traced: %w", sqlStateError("40001")), 4},
		{"PostgreSQL: completion unknown", PostgreSQL, sqlStateError("40003"), 2},
		{"PostgreSQL: shutting down", PostgreSQL, sqlStateError("57P01"), 2},
		{"PostgreSQL: connection failure", PostgreSQL, sqlStateError("08006"), 2},
		{"PostgreSQL: read-only", PostgreSQL, sqlStateError("25006"), 2},
		{"PostgreSQL: cached plan", PostgreSQL, sqlStateError("0A000"), 2},
		{"PostgreSQL: no such statement", PostgreSQL, sqlStateError("26000"), 2},
		{"PostgreSQL: not sent", PostgreSQL, unsentError{}, 2},
		{"PostgreSQL: perhaps sent", PostgreSQL, perhapsSentError{}, 1},
		{"PostgreSQL: no such column", PostgreSQL, sqlStateError("42703"), 1},
		{"PostgreSQL: statement_timeout", PostgreSQL, sqlStateError("57014"), 1},
		{"PostgreSQL: disk full", PostgreSQL, sqlStateError("53100"), 1},
		{"MySQL: deadlock", MySQL, mysqlError("1213 (40001): Deadlock found"), 4},
		{"MySQL: deadlock, of an older driver", MySQL, mysqlError("1213: Deadlock found"), 4},
		{"MySQL: wrapped", MySQL, fmt.Errorf("traced: %w", mysqlError("1213 (40001): Deadlock found")), 4},
		{"MySQL: snapshot isolation", MySQL, mysqlError("1020 (HY000): Record has changed"), 4},
		{"MySQL: lock wait timeout", MySQL, mysqlError("1205 (HY000): Lock wait timeout"), 4},
		{"MySQL: TiDB's write conflict", MySQL, mysqlError("9007 (HY000): Write conflict"), 4},
		{"MySQL: --read-only", MySQL, mysqlError("1290 (HY000): running with --read-only"), 2},
		{"MySQL: read-only transaction", MySQL, mysqlError("1792 (25006): READ ONLY"), 2},
		{"MySQL: read-only mode", MySQL, mysqlError("1836 (HY000): read-only mode"), 2},
		{"MySQL: killed", MySQL, mysqlError("1927 (70100): Connection was killed"), 2},
		{"MySQL: invalid connection", MySQL, errors.New("invalid connection"), 2},
		{"MySQL: no such table", MySQL, mysqlError("1146 (42S02): no such table"), 1},
		{"MySQL: a number that begins alike", MySQL, mysqlError("12130 (HY000): another"), 1},
		{"MySQL: the number elsewhere", MySQL, mysqlError("1062 (23000): Duplicate entry '1213'"), 1},
		{"SQLite: locked", SQLite, errors.New("database is locked"), 4},
		{"SQLite: locked, with a shared cache", SQLite, errors.New("database table is locked: session"), 4},
		{"SQLite: full", SQLite, errors.New("database or disk is full"), 1},
		{"any: bad connection", SQLite, driver.ErrBadConn, 2},
		{"any: end of file", PostgreSQL, io.EOF, 2},
		{"any: unexpected end of file", PostgreSQL, fmt.Errorf("receive: %w", io.ErrUnexpectedEOF), 2},
		{"any: closed", PostgreSQL, net.ErrClosed, 2},
		{"any: network", MySQL, &net.OpError{Op: "read", Err: errors.New("no route")}, 2},
		{"any: reset", PostgreSQL, fmt.Errorf("read: %w", syscall.ECONNRESET), 2},
		{"any: something else", PostgreSQL, errors.New("something else"), 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, f := newFaulty(t, test.dialect)
			key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
			rec, err := store.Load(t.Context(), "", key)
			require.NoError(t, err)
			rec.Cookie = key
			for name, run := range map[string]func() error{
				"load": func() error { _, err := store.Load(t.Context(), "", key); return err },
				"save": func() (err error) {
					rec.Saved = time.Now()
					_, rec.Version, err = store.Save(t.Context(), "", rec)
					return err
				},
				"insert": func() error { _, _, err := store.Save(t.Context(), "", cookiestore.Record{Data: "{}"}); return err },
				"delete": func() error { return store.Delete(t.Context(), "", newKey(), "") },
				"clear": func() error {
					_, err := store.clearSome(t.Context(), new(time.Duration), store.dialect.time(time.Time{}), 10, true)
					return err
				},
			} {
				tries := 0
				f.fail = func(string) error {
					if tries++; tries < max(test.tries, 2) {
						return test.err
					}
					return nil
				}
				err := run()
				f.fail = nil
				if test.tries == 1 {
					require.ErrorIs(t, err, test.err, name)
					require.Equal(t, 1, tries, name)
				} else {
					require.NoError(t, err, name)
					require.Equal(t, test.tries, tries, name)
				}
			}
		})
	}
}

// What goes on failing is given up.
func TestTryingAgainIsBounded(t *testing.T) {
	for _, test := range []struct {
		name    string
		err     error
		timeout time.Duration
		most    int
	}{
		{"what is taken back", sqlStateError("40001"), time.Minute, maxTries},
		{"what is taken back, when the time is up", sqlStateError("40001"), 20 * time.Millisecond, 20},
		{"a broken connection", io.ErrUnexpectedEOF, time.Minute, 2},
		{"a read-only server", sqlStateError("25006"), time.Minute, 2 + 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, f := newFaulty(t, PostgreSQL)
			store.timeout = test.timeout
			tries := 0
			f.fail = func(string) error { tries++; return test.err }
			_, err := store.Row(t.Context(), newKey())
			if !errors.Is(err, context.DeadlineExceeded) { // it may be up while a connection is awaited
				require.ErrorIs(t, err, test.err)
			}
			require.Greater(t, tries, 1)
			require.LessOrEqual(t, tries, test.most)
			require.ErrorContains(t, err, "dbstore: ")
		})
	}
}

// Without a bound of the store's own, that of the context holds: the middleware sets one.
// A cancellation ends nothing.
func TestWritesEndAtTheContextsDeadline(t *testing.T) {
	store, f := newFaulty(t, PostgreSQL)
	r := newRevocations(t, store.db.DB, WithDialect(SQLite))
	now := time.Now()
	for name, write := range map[string]func(context.Context) error{
		"Save": func(ctx context.Context) error {
			_, _, err := store.Save(ctx, "", cookiestore.Record{Data: `{"a":1}`, Saved: now, Expires: now.Add(time.Hour)})
			return err
		},
		"Delete":    func(ctx context.Context) error { return store.Delete(ctx, "", newKey(), "") },
		"DeleteRow": func(ctx context.Context) error { return store.DeleteRow(ctx, Row{SessionKey: newKey()}) },
		"Revoke":    func(ctx context.Context) error { return r.Revoke(ctx, "one", now) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, timeout := range []time.Duration{0, time.Minute} {
				store.timeout, r.store.timeout = timeout, timeout
				near := now.Add(time.Hour)
				ctx, cancel := context.WithDeadline(t.Context(), near)
				var deadline time.Time
				f.seen = func(ctx context.Context) { deadline, _ = ctx.Deadline() }
				cancel()
				require.NoError(t, write(ctx), "the visitor has left")
				if timeout == 0 {
					require.Equal(t, near, deadline)
				}

				f.seen = nil
				ctx, cancel = context.WithDeadline(t.Context(), now.Add(-time.Second))
				require.ErrorIs(t, write(ctx), context.DeadlineExceeded)
				cancel()
			}
		})
	}
}

// Where the connection breaks after the statement was carried out, the second time
// finds what the first has done.
func TestStatementIsCarriedOutThoughTheConnectionBreaks(t *testing.T) {
	store, f := newFaulty(t, PostgreSQL)
	breaks := func(times int) {
		f.late = func(string) error {
			if times--; times >= 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
	}
	for times := 1; times <= 2; times++ {
		breaks(times)
		now := time.Now()
		rec := cookiestore.Record{Data: `{"a":1}`, Saved: now, Expires: now.Add(time.Hour)}
		var err error
		rec.Cookie, rec.Version, err = store.Save(t.Context(), "", rec)
		require.NoError(t, err, "a new session")
		require.Equal(t, 1, store.count(t))

		breaks(times)
		rec.Data = `{"a":2}`
		_, rec.Version, err = store.Save(t.Context(), "", rec)
		require.NoError(t, err, "a change")

		breaks(times)
		rec.NewID = true
		old := rec.Cookie
		rec.Cookie, rec.Version, err = store.Save(t.Context(), "", rec)
		require.NoError(t, err, "a new key")
		require.NotEqual(t, old, rec.Cookie)
		loaded, err := store.Load(t.Context(), "", rec.Cookie)
		require.NoError(t, err)
		require.Equal(t, rec.Version, loaded.Version)

		breaks(1)
		require.NoError(t, store.Delete(t.Context(), "", rec.Cookie, ""))
		require.Zero(t, store.count(t))
	}
}

// What broke first is reported, since what came second may name the row: MySQL's
// duplicate entry does.
func TestErrorAfterABrokenConnectionHoldsNoKey(t *testing.T) {
	store, f := newFaulty(t, MySQL)
	down := false
	f.late = func(string) error {
		if down {
			return nil
		}
		down = true
		return io.ErrUnexpectedEOF
	}
	secret := "Error 1062 (23000): Duplicate entry 'k3y' for key 'PRIMARY'"
	f.fail = func(string) error {
		if down {
			return errors.New(secret)
		}
		return nil
	}
	_, _, err := store.Save(t.Context(), "", cookiestore.Record{Data: "{}"})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	requireDiscreet(t, err, "k3y")
}

// That a session isn't there is known from the second time.
func TestNoSessionAfterABrokenConnection(t *testing.T) {
	store, f := newFaulty(t, PostgreSQL)
	once := true
	f.fail = func(string) error {
		if once {
			once = false
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	_, err := store.Row(t.Context(), newKey())
	require.ErrorIs(t, err, cookiestore.ErrNoSession)
	require.False(t, once)
}

// Another request's change on top of a save whose reply was lost is a conflict, which
// the middleware merges.
func TestConflictAfterABrokenConnection(t *testing.T) {
	store, f := newFaulty(t, PostgreSQL)
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	rec, err := store.Load(t.Context(), "", key)
	require.NoError(t, err)
	rec.Cookie, rec.Data = key, `{"a":2}`
	once := true
	f.late = func(string) error {
		if !once {
			return nil
		}
		once = false
		store.sql(t, "UPDATE {table} SET session_data = session_data || 'x'")
		return io.ErrUnexpectedEOF
	}
	_, _, err = store.Save(t.Context(), "", rec)
	require.ErrorIs(t, err, cookiestore.ErrConflict)
}

// A request has as many statements as it needs.
func TestStatementsOfARequest(t *testing.T) {
	config, err := pgx.ParseConfig(postgresDSN(t))
	require.NoError(t, err)
	counter := new(statementCounter)
	config.Tracer = counter
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { db.Close() })
	store := newStore(t, db)
	key := ""
	for _, test := range []struct {
		name       string
		handler    func(s *cookiestore.Session)
		statements int64
	}{
		{"that begins a session", func(s *cookiestore.Session) { s.Set("a", 1) }, 1},
		{"that has nothing to do with it", func(*cookiestore.Session) {}, 0},
		{"that reads it", func(s *cookiestore.Session) { s.Get("a") }, 1},
		{"that changes it", func(s *cookiestore.Session) { s.Set("b", 1) }, 2},
		{"that gives it a new key", (*cookiestore.Session).CycleKey, 2},
		{"that ends it", (*cookiestore.Session).Clear, 2},
	} {
		counter.Store(0)
		for _, c := range visit(t, store, key, test.handler).Cookies() {
			key = c.Value
		}
		require.Equal(t, test.statements, counter.Load(), "a request %s", test.name)
	}
}

type statementCounter struct{ atomic.Int64 }

func (c *statementCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !strings.HasPrefix(data.SQL, "-- ping") {
		c.Add(1)
	}
	return ctx
}

func (c *statementCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
