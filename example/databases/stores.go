package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"

	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/example/site"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

const stores = "cookie, sqlite, postgres, mysql"

// exampleDSNs are for the help. Their keys are the stores that are databases.
var exampleDSNs = map[string]string{
	"sqlite":   "sessions.db",
	"postgres": "postgres://user:password@127.0.0.1:5432/name",
	"mysql":    "user:password@tcp(127.0.0.1:3306)/name",
}

// A backend is an open store.
type backend struct {
	site.Backend
	rows  *dbstore.Store // nil if the store is not a database
	close func() error
}

// openStore opens the store that the flags ask for. A database is not connected to
// yet.
func openStore(o options) (backend, error) {
	if o.store == "cookie" {
		cookies, err := o.CookieStore()
		return backend{Backend: cookies, close: func() error { return nil }}, err
	}
	key, old, err := o.Keys()
	if err != nil {
		return backend{}, err
	}
	rows, end, err := openRows(o.store, o.dsn, key, dbstore.WithFallbackKeys(old...))
	if err != nil {
		return backend{}, err
	}
	readRow := func(ctx context.Context, value string) (site.Row, error) {
		row, err := rows.Row(ctx, value)
		return site.Row(row), err
	}
	return backend{site.Backend{Name: o.store, Store: rows, Row: readRow}, rows, end}, nil
}

// openRows opens the store on a database, which connects when it is first used, and
// returns what closes it.
func openRows(store, dsn string, key []byte, fallbacks dbstore.Option) (rows *dbstore.Store, end func() error, err error) {
	if store == "sqlite" {
		if strings.Contains(dsn, "://") && !strings.HasPrefix(dsn, "file:") {
			return nil, nil, badDSN(store) // SQLite would make a file of that name
		}
		if rows, err = dbstore.OpenSQLite("sqlite", dsn, key, fallbacks); err != nil {
			return nil, nil, site.UsageError{Err: err}
		}
		return rows, rows.Close, nil
	}
	db, err := openServer(store, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(16) // PostgreSQL has 100 for all its clients
	db.SetMaxIdleConns(16)
	if rows, err = dbstore.New(db, key, fallbacks); err != nil {
		db.Close()
		return nil, nil, site.UsageError{Err: err}
	}
	return rows, db.Close, nil
}

func badDSN(store string) error {
	return site.Usagef("-dsn is not one of %s, such as %s", store, exampleDSNs[store])
}

// openServer returns the database of a server. Where the DSN is wrong, the driver's own
// error may hold a part of the password.
func openServer(store, dsn string) (*sql.DB, error) {
	switch store {
	case "postgres":
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, badDSN(store)
		}
		return stdlib.OpenDB(*config), nil
	default:
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, badDSN(store)
		}
		config.InterpolateParams = true // one round trip a query, not three
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, badDSN(store)
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
