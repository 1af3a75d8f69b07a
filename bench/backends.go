package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2/memstore"
)

// A backend is a store that the stores command compares.
type backend struct {
	name string
	db   *database // nil without one
	open func(context.Context) (peer, error)

	// fill adds sessions until there are n, and returns what they take, once
	// the peer has written the first ones. It is nil where nobody asks.
	fill func(ctx context.Context, n int) (bytes int64, err error)
}

// backends lists the stores in the order in which they are shown.
func backends() []backend {
	list := []backend{
		{name: "cookiestore", open: func(context.Context) (peer, error) {
			store, err := cookiestore.New(key)
			return cookiestorePeer("cookiestore", store), err
		}},
		{name: "gorilla", open: func(context.Context) (peer, error) { return gorillaPeer(), nil }},
	}
	return append(list,
		dbstoreSQLite(),
		dbstoreServer("dbstore-postgresql", postgres, openPostgres),
		dbstoreServer("dbstore-mariadb", mariadb, func() (*sql.DB, error) { return openMySQL(schema) }),
		backend{name: "scs-memory", open: func(context.Context) (peer, error) {
			return scsPeer("scs-memory", memstore.NewWithCleanupInterval(0)), nil
		}},
		backend{name: "scs-sqlite", db: sqlite, open: openSCSSQLite},
		backend{name: "scs-postgresql", db: postgres, open: openSCSPostgres, fill: fillSCSPostgres},
		backend{name: "scs-redis", db: redisDB, open: openSCSRedis, fill: fillSCSRedis},
	)
}

// dbstoreSQLite is dbstore as its documentation has it opened.
func dbstoreSQLite() backend {
	const file = "dbstore.db"
	return dbstoreBackend("dbstore-sqlite", sqlite, func() (*dbstore.Store, error) {
		return dbstore.OpenSQLite("sqlite", sqlitePath(file), key)
	}, func() (*sql.DB, error) { return openSQLite(file) })
}

func dbstoreServer(name string, db *database, open func() (*sql.DB, error)) backend {
	return dbstoreBackend(name, db, func() (*dbstore.Store, error) {
		pool, err := open()
		if err != nil {
			return nil, err
		}
		return dbstore.New(pool, key)
	}, open)
}

func dbstoreBackend(name string, db *database, openStore func() (*dbstore.Store, error), open func() (*sql.DB, error)) backend {
	return backend{
		name: name,
		db:   db,
		open: func(ctx context.Context) (peer, error) {
			store, err := openStore()
			if err != nil {
				return peer{}, err
			}
			return cookiestorePeer(name, store), store.CreateTable(ctx)
		},
		fill: func(ctx context.Context, n int) (int64, error) {
			pool, err := open()
			if err != nil {
				return 0, err
			}
			defer pool.Close()
			return fillTable(ctx, pool, db, "django_session", "session_data, expire_date", n)
		},
	}
}

func findBackend(name string) (backend, error) {
	for _, b := range backends() {
		if b.name == name {
			return b, nil
		}
	}
	return backend{}, fmt.Errorf("no store is called %q", name)
}

func openSCSSQLite(ctx context.Context) (peer, error) {
	db, err := openSQLite("scs.db")
	if err != nil {
		return peer{}, err
	}
	err = execAll(ctx, db, // as its documentation has it
		"CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)",
		"CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions(expiry)")
	return scsPeer("scs-sqlite", sqlite3store.NewWithCleanupInterval(db, 0)), err
}

func openSCSPostgres(ctx context.Context) (peer, error) {
	pool, err := openPostgresPool(ctx)
	if err != nil {
		return peer{}, err
	}
	for _, s := range []string{ // as its documentation has it
		"CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)",
		"CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions (expiry)",
	} {
		if _, err := pool.Exec(ctx, s); err != nil {
			return peer{}, err
		}
	}
	return scsPeer("scs-postgresql", pgxstore.NewWithCleanupInterval(pool, 0)), nil
}

func openSCSRedis(context.Context) (peer, error) {
	client, err := openRedis()
	if err != nil {
		return peer{}, err
	}
	return scsPeer("scs-redis", goredisstore.NewWithPrefix(client, schema+":")), nil
}

// reachable sorts out the stores whose database does not answer, and begins the
// places of the others. It returns what the databases say of themselves, and why
// stores were left out.
func reachable(ctx context.Context, all []backend) (use []backend, about, left []string) {
	failed := map[*database]error{}
	begun := map[*database]bool{}
	for _, b := range all {
		if db := b.db; db != nil && !begun[db] && failed[db] == nil {
			text, err := db.begin(ctx)
			if err != nil {
				failed[db] = err
			} else {
				begun[db] = true
				about = append(about, text)
			}
		}
		if err := failed[b.db]; b.db != nil && err != nil {
			left = append(left, fmt.Sprintf("%s is left out: %s does not answer: %v", b.name, b.db.name, oneLine(err)))
			continue
		}
		use = append(use, b)
	}
	return use, about, left
}

// oneLine is the error that says most: drivers list every attempt.
func oneLine(err error) error {
	for e := err; e != nil; {
		if op, ok := e.(*net.OpError); ok {
			return op
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		e = u.Unwrap()
	}
	return err
}
