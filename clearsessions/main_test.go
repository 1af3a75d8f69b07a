package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const password = "correct-horse"

// call runs the command, and returns its exit status and what it says.
func call(t *testing.T, ctx context.Context, environment map[string]string, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(ctx, args, func(name string) string { return environment[name] }, &o, &e)
	assert.NotContains(t, o.String()+e.String(), "horse", "a password must not be printed")
	return status, o.String(), e.String()
}

// sessions makes a database with an expired session and one that lasts.
func sessions(t *testing.T, table string) (path string, store *dbstore.Store, over, kept string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a session?.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	db, err := openDatabase("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	store, err = dbstore.New(db, []byte("the site's own key"), dbstore.WithTable(table))
	require.NoError(t, err)
	require.NoError(t, store.CreateTable(t.Context()))
	return path, store, save(t, store, -time.Minute), save(t, store, time.Hour)
}

// save makes a session of an age, and returns its cookie.
func save(t *testing.T, store *dbstore.Store, age time.Duration) string {
	t.Helper()
	now := time.Now()
	cookie, _, err := store.Save(t.Context(), "", cookiestore.Record{Data: `{"n":1}`, Saved: now, Expires: now.Add(age)})
	require.NoError(t, err)
	return cookie
}

func assertCleared(t *testing.T, store *dbstore.Store, over, kept string) {
	t.Helper()
	_, err := store.Row(t.Context(), over)
	assert.ErrorIs(t, err, cookiestore.ErrNoSession)
	_, err = store.Row(t.Context(), kept)
	assert.NoError(t, err)
}

func TestRemovesWhatIsOverAndSaysNothing(t *testing.T) {
	for _, test := range []struct {
		name, table string
		environment func(path string) map[string]string
		args        func(path string) []string
	}{
		{"as the flags say", "django_session", nil,
			func(path string) []string { return []string{"-store", "sqlite", "-dsn", path} }},
		{"as the environment says", "django_session",
			func(path string) map[string]string { return map[string]string{"STORE": "sqlite", "DSN": path} }, nil},
		{"as the flags say, whatever the environment does", "django_session",
			func(string) map[string]string { return map[string]string{"STORE": "mysql", "DSN": "x"} },
			func(path string) []string { return []string{"-store", "sqlite", "-dsn", path} }},
		{"in another table, with all the time it needs", "shop_session", nil,
			func(path string) []string {
				return []string{"-store", "sqlite", "-dsn", path, "-table", "shop_session", "-timeout", "0"}
			}},
		{"in a file that a URI names", "django_session", nil,
			func(path string) []string { return []string{"-store", "sqlite", "-dsn", sqliteURI(path)} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, store, over, kept := sessions(t, test.table)
			var environment map[string]string
			if test.environment != nil {
				environment = test.environment(path)
			}
			var args []string
			if test.args != nil {
				args = test.args(path)
			}
			status, out, errOut := call(t, t.Context(), environment, args...)
			assert.Equal(t, good, status)
			assert.Empty(t, out+errOut)
			assertCleared(t, store, over, kept)
		})
	}
}

// stopAt is a log that stops the command when it is written to.
type stopAt struct {
	io.Writer
	stop func()
}

func (s stopAt) Write(p []byte) (int, error) {
	defer s.stop()
	return s.Writer.Write(p)
}

func TestEvery(t *testing.T) {
	t.Run("begins at once, and leaves with status 0 when it is stopped", func(t *testing.T) {
		path, store, over, kept := sessions(t, "django_session")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		done := make(chan int)
		go func() {
			status, _, _ := call(t, ctx, nil, "-store", "sqlite", "-dsn", path, "-every", "1h")
			done <- status
		}()
		require.Eventually(t, func() bool {
			_, err := store.Row(t.Context(), over)
			return err != nil
		}, 10*time.Second, time.Millisecond)
		stop()
		assert.Equal(t, good, <-done)
		assertCleared(t, store, over, kept)
	})
	t.Run("logs what fails, and goes on", func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		before := slog.Default()
		defer slog.SetDefault(before)
		slog.SetDefault(slog.New(slog.NewTextHandler(stopAt{&log, stop}, nil)))
		status, _, _ := call(t, ctx, nil, "-store", "postgres", "-dsn", "postgres://shop:"+password+"@127.0.0.1:1/shop", "-every", "1h")
		assert.Equal(t, good, status)
		assert.Contains(t, log.String(), "expired sessions not removed")
		assert.NotContains(t, log.String(), "horse")
	})
}

func TestFailuresAreSaidAndHaveStatusOne(t *testing.T) {
	path, _, _, _ := sessions(t, "django_session")
	missing := filepath.Join(t.TempDir(), "none.db")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, test := range []struct {
		name string
		ctx  context.Context
		args []string
		says string
	}{
		{"a file that isn't there", t.Context(), []string{"-store", "sqlite", "-dsn", missing}, "no connection: unable to open database file (SQLite code 14)"},
		{"a table that isn't there", t.Context(), []string{"-store", "sqlite", "-dsn", path, "-table", "sessions"}, "SQL logic error: no such table: sessions"},
		{"PostgreSQL that is down", t.Context(), []string{"-store", "postgres", "-dsn", "postgres://shop:" + password + "@127.0.0.1:1/shop"}, "no connection: connection refused"},
		{"MySQL that is down", t.Context(), []string{"-store", "mysql", "-dsn", "shop:" + password + "@tcp(127.0.0.1:1)/shop"}, "no connection: connection refused"},
		{"a list of a table that isn't there", t.Context(), []string{"-list", "-store", "sqlite", "-dsn", path, "-table", "sessions"}, "SQL logic error: no such table: sessions"},
		{"a count of a table that isn't there", t.Context(), []string{"-count", "-store", "sqlite", "-dsn", path, "-table", "sessions"}, "SQL logic error: no such table: sessions"},
		{"a signal before it is done", stopped, []string{"-store", "sqlite", "-dsn", path}, "context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, errOut := call(t, test.ctx, nil, test.args...)
			assert.Equal(t, bad, status)
			assert.Empty(t, out)
			assert.Contains(t, errOut, "clearsessions: "+test.says)
		})
	}
	assert.NoFileExists(t, missing, "it must make no database")
}

// Nothing of a DSN is shown, whatever a driver makes of it.
func TestNoDSNIsShown(t *testing.T) {
	for _, test := range []struct{ store, dsn string }{
		{"postgres", "postgres://shop:" + password + "@127.0.0.1:1/shop?sslmode=disable"},
		{"postgres", "postgres://" + password + ":x@127.0.0.1:1/shop?sslmode=disable"},
		{"postgres", "postgres://shop:a@" + password + "@127.0.0.1:1/shop"},
		{"postgres", "postgres://shop:a/" + password + "@127.0.0.1:1/shop"},
		{"postgres", "host=127.0.0.1 port=1 password=a " + password},
		{"postgres", "postgres://shop@127.0.0.1:1/shop?sslmode=" + password},
		{"mysql", "shop:" + password + "@tcp(127.0.0.1:1)/shop"},
		{"mysql", "shop:a@tcp(" + password + ".invalid:1)/shop"},
		{"mysql", "shop:a@" + password + "(127.0.0.1:1)/shop"},
		{"mysql", "shop:a/" + password + "@tcp(127.0.0.1:1)/shop"},
		{"mysql", "shop:a@tcp(127.0.0.1:1)/shop?tls=" + password},
		{"sqlite", "file:x.db?mode=ro&_pragma=key('" + password},
		{"sqlite", "/nowhere/" + password},
	} {
		status, _, errOut := call(t, t.Context(), nil, "-store", test.store, "-dsn", test.dsn)
		assert.NotEqual(t, good, status, test.dsn)
		assert.NotEmpty(t, errOut, test.dsn)
	}
}

// Where nothing would be committed, nothing was removed.
func TestAutocommitOff(t *testing.T) {
	dsn := os.Getenv("TEST_MYSQL_DSN")
	if dsn == "" {
		dsn = "root@tcp(127.0.0.1:3306)/test"
	}
	config, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	config.Params = map[string]string{"autocommit": "0"}
	db, err := openDatabase("mysql", dsn)
	require.NoError(t, err)
	defer db.Close()
	if err := db.PingContext(t.Context()); err != nil {
		const missing = "MariaDB can't be reached: install it (apt-get install mariadb-server) and set TEST_MYSQL_DSN to its address"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	status, _, errOut := call(t, t.Context(), nil, "-store", "mysql", "-dsn", config.FormatDSN())
	assert.Equal(t, bad, status)
	assert.Contains(t, errOut, "clearsessions: autocommit is off")
}

func TestMisuseIsSaidAndHasStatusTwo(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"no store", nil, "-store is missing: sqlite, postgres or mysql"},
		{"the cookie store", []string{"-store", "cookie"}, `-store "cookie" is none of sqlite, postgres, mysql`},
		{"SQLite without a file", []string{"-store", "sqlite"}, "-dsn is missing: the database, such as sessions.db"},
		{"PostgreSQL without an address", []string{"-store", "postgres"}, "-dsn is missing: the database, such as postgres://"},
		{"a password that a URL can't hold", []string{"-store", "postgres", "-dsn", "postgres://shop:" + password + "/@127.0.0.1/shop"}, "-dsn is not one of postgres, such as postgres://"},
		{"a DSN without a database", []string{"-store", "mysql", "-dsn", "shop:" + password + "@tcp(127.0.0.1:1)"}, "-dsn is not one of mysql, such as user:"},
		{"a table that isn't one", []string{"-store", "sqlite", "-dsn", "x", "-table", "a b"}, `table "a b"`},
		{"an interval of nothing", []string{"-store", "sqlite", "-dsn", "x", "-every", "0"}, "-every 0s is not an interval"},
		{"an interval that is none", []string{"-every", "soon"}, `invalid value "soon" for flag -every`},
		{"a negative timeout", []string{"-store", "sqlite", "-dsn", "x", "-timeout", "-1s"}, "the timeout is negative"},
		{"two things at once", []string{"-store", "sqlite", "-dsn", "x", "-list", "-count"}, "-count and -list exclude each other"},
		{"a list again and again", []string{"-store", "sqlite", "-dsn", "x", "-list", "-every", "1h"}, "-every is for removing"},
		{"a count again and again", []string{"-store", "sqlite", "-dsn", "x", "-count", "-every", "1h"}, "-every is for removing"},
		{"values of no list", []string{"-store", "sqlite", "-dsn", "x", "-values"}, "-values is for -list"},
		{"a flag that there isn't", []string{"-nope"}, "flag provided but not defined: -nope"},
		{"a DSN without its flag", []string{"-store", "mysql", "shop:" + password + "@/shop"}, "unexpected argument"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, errOut := call(t, t.Context(), nil, test.args...)
			assert.Equal(t, misuse, status)
			assert.Empty(t, out)
			assert.Contains(t, errOut, test.says)
			assert.Contains(t, errOut, "Run clearsessions -help")
		})
	}
}

// What is given in the wrong place may be a DSN, whose password a log would keep.
func TestMisuseShowsNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@h/db",
		"u:hunter2@tcp(h)/db",
		"host=h password=hunter2",
		"h:hunter2",
		"u@hunter2",
	} {
		for _, test := range []struct {
			name        string
			environment map[string]string
			args        []string
			says        string
		}{
			{"as a store", nil, []string{"-store", dsn, "-dsn", "x"}, "-store is none of sqlite, postgres, mysql"},
			{"as a store, after =", nil, []string{"-store=" + dsn}, "-store is none of sqlite, postgres, mysql"},
			{"as a store in the environment", map[string]string{"STORE": dsn, "DSN": "x"}, nil, "-store is none of sqlite, postgres, mysql"},
			{"as a table", nil, []string{"-store", "sqlite", "-dsn", "x", "-table", dsn}, "-table isn't the name of a table"},
			{"as an interval", nil, []string{"-every", dsn}, "-every isn't a duration, such as 1h"},
			{"as a timeout", nil, []string{"-timeout=" + dsn}, "-timeout isn't a duration, such as 1h"},
			{"as a switch", nil, []string{"-count=" + dsn}, "-count isn't true or false"},
			{"as a flag", nil, []string{"-" + dsn}, "flag provided but not defined"},
			{"as a flag without a name", nil, []string{"-=" + dsn}, "bad flag syntax"},
			{"as a flag of three dashes", nil, []string{"---" + dsn}, "bad flag syntax"},
			{"as an argument", nil, []string{"-store", "sqlite", "-dsn", "x", dsn}, "unexpected argument"},
		} {
			t.Run(test.name+" "+dsn, func(t *testing.T) {
				status, out, errOut := call(t, t.Context(), test.environment, test.args...)
				assert.Equal(t, misuse, status)
				assert.Contains(t, errOut, test.says)
				assert.NotContains(t, out+errOut, "hunter2")
			})
		}
	}
}

func TestHelpNamesEachFlag(t *testing.T) {
	status, out, errOut := call(t, t.Context(), nil, "-help")
	assert.Equal(t, good, status)
	assert.Empty(t, errOut)
	for _, flag := range []string{"store", "dsn", "table", "every", "timeout", "count", "list", "values"} {
		assert.Contains(t, out, "\n  -"+flag)
	}
}
