package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/example/site"
	"example.com/cookiestore/redisrevoke"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"
)

const stores = "cookie, sqlite, postgres, mysql"

// exampleDSNs are for the help. Their keys are the stores that are databases.
var exampleDSNs = map[string]string{
	"sqlite":   "sessions.db",
	"postgres": "postgres://user:password@127.0.0.1:5432/name",
	"mysql":    "user:password@tcp(127.0.0.1:3306)/name",
}

// A backend is an open store, and where it is noted which sessions were ended.
type backend struct {
	site.Backend
	kind   string // of the database
	tables []table
	closes []io.Closer
}

// A table is one of the database that the site needs.
type table interface {
	CreateTable(ctx context.Context) error
	ClearEvery(ctx context.Context, interval time.Duration, report func(error))
}

func (b *backend) createTables(ctx context.Context) error {
	for _, table := range b.tables {
		if err := table.CreateTable(ctx); err != nil {
			return fmt.Errorf("the %s database can't be used: %w", b.kind, err)
		}
	}
	return nil
}

func (b *backend) close() (err error) {
	for _, one := range b.closes {
		err = errors.Join(err, one.Close())
	}
	return err
}

// openStore opens what the flags ask for. A database is not connected to yet.
func openStore(o options, now func() time.Time) (_ *backend, err error) {
	b := &backend{kind: o.databaseKind()}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	var db *sql.DB
	if o.store != "cookie" || o.Revoke() == "database" {
		if db, err = openDatabase(b.kind, o.dsn); err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(16) // PostgreSQL has 100 for all its clients
		db.SetMaxIdleConns(16)
		b.closes = append(b.closes, db)
	}
	if err := b.openSessions(o, db); err != nil {
		return nil, err
	}
	return b, b.openRevocations(o, db, now)
}

// openSessions opens where sessions are kept.
func (b *backend) openSessions(o options, db *sql.DB) (err error) {
	if o.store == "cookie" || o.spill {
		if b.Backend, err = o.CookieStore(); err != nil || !o.spill {
			return err
		}
	}
	key, old, err := o.Keys()
	if err != nil {
		return err
	}
	rows, err := b.openRows(o, db, key, dbstore.WithFallbackKeys(old...))
	if err != nil {
		return site.UsageError{Err: err}
	}
	b.tables = append(b.tables, rows)
	readRow := func(ctx context.Context, key string) (site.Row, error) {
		row, err := rows.Row(ctx, key)
		return site.Row(row), err
	}
	if o.spill {
		b.Backend = b.Spill(o.store, rows, readRow)
	} else {
		b.Backend = site.Backend{Name: o.store, Store: rows, Row: readRow}
	}
	return nil
}

// openRows opens the table of sessions. SQLite's is fast with settings of its own.
func (b *backend) openRows(o options, db *sql.DB, key []byte, fallbacks dbstore.Option) (*dbstore.Store, error) {
	if b.kind != "sqlite" {
		return dbstore.New(db, key, fallbacks)
	}
	rows, err := dbstore.OpenSQLite("sqlite", o.dsn, key, fallbacks)
	if err == nil {
		b.closes = append(b.closes, rows)
	}
	return rows, err
}

// openRevocations opens where it is noted which sessions were ended, if that is shared
// by all instances of the site.
func (b *backend) openRevocations(o options, db *sql.DB, now func() time.Time) error {
	switch revoke := o.Revoke(); {
	case revoke == "database":
		ended, err := dbstore.NewRevocations(db, dbstore.WithClock(now))
		if err != nil {
			return err
		}
		b.Revocations = ended
		b.tables = append(b.tables, ended)
	case isRedis(revoke):
		options, err := redis.ParseURL(revoke)
		if err != nil { // which may hold a part of the password
			return site.Usagef("-revoke is not the URL of a Redis, such as redis://user:password@127.0.0.1:6379/0")
		}
		options.DialTimeout, options.ReadTimeout, options.ContextTimeoutEnabled = 2*time.Second, time.Second, true
		options.DialerRetries = 1 // or a visitor waits half a second for a Redis that isn't running
		client := redis.NewClient(options)
		b.closes = append(b.closes, client)
		ended, err := redisrevoke.New(client, redisrevoke.WithClock(now))
		if err != nil {
			return err
		}
		b.Revocations = ended
	case revoke != "off" && revoke != "memory":
		return site.Usagef("-revoke is none of off, memory, database and the URL of a Redis, such as redis://127.0.0.1:6379")
	}
	return nil
}

// isRedis reports whether -revoke names a Redis.
func isRedis(revoke string) bool {
	return strings.HasPrefix(revoke, "redis://") || strings.HasPrefix(revoke, "rediss://")
}

// mysqlAddress is what a DSN of MySQL has before its last slash.
var mysqlAddress = regexp.MustCompile(`@(\w+\(.*\))?/|^(tcp|unix)\(`)

// kindOf returns what kind of database a DSN is for, by its form.
func kindOf(dsn string) string {
	switch {
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return "postgres"
	case strings.HasPrefix(dsn, "file:"):
		return "sqlite"
	case mysqlAddress.MatchString(dsn):
		return "mysql"
	}
	return "sqlite" // a path
}

// openDatabase returns a database, which connects when it is first used. Where
// the DSN is wrong, the driver's own error may hold a part of the password.
func openDatabase(store, dsn string) (*sql.DB, error) {
	badDSN := site.Usagef("-dsn is not one of %s, such as %s", store, exampleDSNs[store])
	switch store {
	case "sqlite":
		if strings.Contains(dsn, "://") && !strings.HasPrefix(dsn, "file:") {
			return nil, badDSN // SQLite would make a file of that name
		}
		return sql.Open("sqlite", sqliteURI(dsn))
	case "postgres":
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, badDSN
		}
		return stdlib.OpenDB(*config), nil
	default:
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, badDSN
		}
		config.InterpolateParams = true // one round trip a query, not three
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, badDSN
		}
		return sql.OpenDB(connector), nil
	}
}

// ownFile returns the file that SQLite uses where -dsn names none. Anyone who can
// read the table can hijack any session, so it is in a folder that this user alone
// can enter; in a shared one, others could also put a file or link of theirs there
// first.
func ownFile() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "cookiestore-example")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	if err := os.Chmod(folder, 0o700); err != nil { // it may have been there; this fails for another's
		return "", err
	}
	path := filepath.Join(folder, "sessions.sqlite3")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	return path, file.Close()
}

// sqliteURI has writers wait for each other, and not for readers. What is a URI
// already says itself what it wants.
func sqliteURI(dsn string) string {
	if strings.HasPrefix(dsn, "file:") {
		return dsn
	}
	path := url.URL{Path: dsn}
	return "file:" + path.EscapedPath() + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"
}
