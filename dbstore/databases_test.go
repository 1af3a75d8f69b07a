package dbstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"example.com/cookiestore"
)

// A database is one that the tests run on.
type database struct {
	name    string
	dialect Dialect
	open    func(t testing.TB) *sql.DB // closed, and gone, when the test ends
}

var databases = []database{
	{"SQLite", SQLite, openSQLite},
	{"PostgreSQL", PostgreSQL, func(t testing.TB) *sql.DB { return open(t, "pgx", postgresDSN(t)) }},
	{"MariaDB or MySQL", MySQL, func(t testing.TB) *sql.DB { return open(t, "mysql", mysqlDSN(t)) }},
}

// onEach runs a test on every database.
func onEach(t *testing.T, test func(t *testing.T, d database)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

var testKey = []byte("django-insecure-8(w3k$2^x!m=u5vq#z@c9&t0_r7)y*e-hb+n1jd4a6")

var tables atomic.Int64

// newStore returns a store with a table of its own.
func newStore(t testing.TB, db *sql.DB, options ...Option) *Store {
	t.Helper()
	table := WithTable(fmt.Sprintf("session_%d", tables.Add(1)))
	store, err := New(db, testKey, append([]Option{table}, options...)...)
	require.NoError(t, err)
	require.NoError(t, store.CreateTable(t.Context()))
	return store
}

func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func sqliteDSN(path string) string {
	return "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"
}

func openSQLite(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, "sqlite", sqliteDSN(filepath.Join(t.TempDir(), "sessions.db")))
}

// The tests of a server use one database, which they make and drop. Its address,
// or why there is none, is found once.
var (
	postgres = sync.OnceValues(func() (string, error) {
		return ownDatabase("pgx", cmp.Or(os.Getenv("TEST_POSTGRES_DSN"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"),
			func(dsn, name string) (string, error) {
				u, err := url.Parse(dsn)
				if err != nil {
					return "", err
				}
				u.Path = "/" + name
				return u.String(), nil
			})
	})
	mariadb = sync.OnceValues(func() (string, error) {
		return ownDatabase("mysql", cmp.Or(os.Getenv("TEST_MYSQL_DSN"), "root@tcp(127.0.0.1:3306)/test"),
			func(dsn, name string) (string, error) {
				c, err := mysql.ParseDSN(dsn)
				if err != nil {
					return "", err
				}
				c.DBName = name
				return c.FormatDSN(), nil
			})
	})
	dropAll []func()
)

// silent is the driver's own log, which tells of connections that tests have cut.
type silent struct{}

func (silent) Print(...any) {}

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(silent{}) // fails where there is none
	code := m.Run()
	for _, drop := range dropAll {
		drop()
	}
	os.Exit(code)
}

// ownDatabase makes a database on the server and returns its address.
func ownDatabase(driver, dsn string, withName func(dsn, name string) (string, error)) (string, error) {
	server, err := sql.Open(driver, dsn)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	name := fmt.Sprintf("dbstore_test_%d_%d", os.Getpid(), time.Now().UnixNano())
	if _, err := server.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		server.Close()
		return "", err
	}
	dropAll = append(dropAll, func() {
		_, _ = server.Exec("DROP DATABASE " + name)
		server.Close()
	})
	return withName(dsn, name)
}

func postgresDSN(t testing.TB) string {
	t.Helper()
	dsn, err := postgres()
	return needed(t, dsn, err, "PostgreSQL can't be reached: install it (apt-get install postgresql) and set TEST_POSTGRES_DSN to an address where databases can be made")
}

func mysqlDSN(t testing.TB) string {
	t.Helper()
	dsn, err := mariadb()
	return needed(t, dsn, err, "MariaDB can't be reached: install it (apt-get install mariadb-server) and set TEST_MYSQL_DSN to an address where databases can be made")
}

// needed returns what was found, or skips the test; in CI, nothing may skip.
func needed(t testing.TB, found string, err error, missing string) string {
	t.Helper()
	if err == nil {
		return found
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s (%v)", missing, err)
	}
	t.Skipf("%s (%v)", missing, err)
	return ""
}

// sql runs a statement on the store's table, which it calls {table}.
func (s *Store) sql(t testing.TB, statement string, args ...any) int64 {
	t.Helper()
	q := strings.ReplaceAll(statement, "{table}", s.dialect.quotedTable(s.table))
	if s.dialect.numbered {
		for i := range args {
			q = strings.Replace(q, "?", fmt.Sprintf("$%d", i+1), 1)
		}
	}
	result, err := s.db.ExecContext(t.Context(), q, args...)
	require.NoError(t, err)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	return n
}

// texts returns the first column of what a query finds.
func texts(t testing.TB, db *sql.DB, query string, args ...any) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		all = append(all, text)
	}
	require.NoError(t, rows.Err())
	return all
}

func (s *Store) count(t testing.TB) (n int) {
	t.Helper()
	require.NoError(t, s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+s.dialect.quotedTable(s.table)).Scan(&n))
	return n
}

// insert saves a session as the middleware would, and returns its key.
func (s *Store) insert(t testing.TB, data string, saved time.Time, age time.Duration) string {
	t.Helper()
	key, _, err := s.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: saved, Expires: saved.Add(age)})
	require.NoError(t, err)
	return key
}
