package main

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"github.com/go-sql-driver/mysql"
	"github.com/gorilla/securecookie"
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

// openStore returns the store that the flags ask for, and what closes it. A
// database is not connected to yet.
func openStore(c config) (store cookiestore.Store, closeStore func() error, err error) {
	key, old, err := c.keys()
	if err != nil {
		return nil, nil, err
	}
	if c.store == "cookie" {
		options := []cookiestore.StoreOption{cookiestore.WithFallbackKeys(old...)}
		if c.djangoKey != "" {
			options = append(options, cookiestore.WithDjango())
		}
		store, err = cookiestore.New(key, options...)
		return store, func() error { return nil }, asUsage(err)
	}
	db, err := openDatabase(c.store, c.dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(16) // PostgreSQL has 100 for all its clients
	db.SetMaxIdleConns(16)
	store, err = dbstore.New(db, key, dbstore.WithFallbackKeys(old...))
	return store, db.Close, asUsage(err)
}

// openDatabase returns a database, which connects when it is first used. Where
// the DSN is wrong, the driver's own error may hold a part of the password.
func openDatabase(store, dsn string) (*sql.DB, error) {
	badDSN := usagef("-dsn is not one of %s, such as %s", store, exampleDSNs[store])
	switch store {
	case "sqlite":
		if dsn == "" {
			var err error
			if dsn, err = temporaryFile(); err != nil {
				return nil, err
			}
			slog.Info("sessions are kept in a file", "path", dsn)
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

// temporaryFile returns the file that SQLite uses when it is told of none. It is
// for its owner alone: who can read the key of a session has the session.
func temporaryFile() (string, error) {
	path := filepath.Join(os.TempDir(), "cookiestore-example.sqlite3")
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

// keys returns the key that signs, and the older ones that are accepted.
func (c config) keys() (key []byte, old [][]byte, err error) {
	if c.djangoKey != "" {
		return []byte(c.djangoKey), textKeys(c.oldKeys), nil
	}
	if key, err = signingKey(c.key); err != nil {
		return nil, nil, err
	}
	for i, text := range textKeys(c.oldKeys) {
		k, err := decodeKey(fmt.Sprintf("key %d of -old-keys", i+1), string(text))
		if err != nil {
			return nil, nil, err
		}
		old = append(old, k)
	}
	return key, old, nil
}

// signingKey returns the key given, or a random one.
func signingKey(text string) ([]byte, error) {
	if text != "" {
		return decodeKey("-key", text)
	}
	key := securecookie.GenerateRandomKey(cookiestore.MinKeySize)
	if key == nil {
		return nil, errors.New("the system gives no random bytes for a key")
	}
	slog.Warn("no -key given, so a random one signs: all sessions end when the server stops. " +
		"Make a key that stays with `openssl rand -hex 32`, and pass it as SESSION_KEY")
	return key, nil
}

// decodeKey reads a key in hex or base64.
func decodeKey(which, text string) ([]byte, error) {
	key, err := cookiestore.ParseKey(text)
	if err != nil {
		return nil, usagef("%s: %s", which, strings.TrimPrefix(err.Error(), "cookiestore: "))
	}
	return key, nil
}

// textKeys splits a comma-separated list.
func textKeys(list string) [][]byte {
	var keys [][]byte
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text != "" {
			keys = append(keys, []byte(text))
		}
	}
	return keys
}
