package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"example.com/cookiestore/example/site"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // cookies are refused here on purpose
	os.Exit(m.Run())
}

func noEnvironment(string) string { return "" }

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		name        string
		args        []string
		environment map[string]string
		store, dsn  string
	}{
		{"SQLite needs no address, and is the default", nil, nil, "sqlite", ""},
		{"SQLite may be named", []string{"-store", "sqlite"}, nil, "sqlite", ""},
		{"a database has one", nil, map[string]string{"STORE": "postgres", "DSN": "postgres://127.0.0.1/test"}, "postgres", "postgres://127.0.0.1/test"},
		{"the cookie store is here, too", []string{"-store", "cookie"}, nil, "cookie", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			shared, err := site.NewFlags("test").Parse(nil, noEnvironment, io.Discard)
			require.NoError(t, err)
			got, err := parseFlags(test.args, func(name string) string { return test.environment[name] }, io.Discard)
			require.NoError(t, err)
			assert.Equal(t, options{shared, test.store, test.dsn, false}, got)
		})
	}
}

func TestRefusedFlags(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"an unknown store", []string{"-store", "redis"}, `-store "redis" is unknown: the stores are cookie, sqlite, postgres, mysql`},
		{"PostgreSQL without an address", []string{"-store", "postgres"}, "-store postgres needs -dsn, such as postgres://"},
		{"MySQL without an address", []string{"-store", "mysql"}, "-store mysql needs -dsn, such as user:password@tcp("},
		{"a database for each connection", []string{"-dsn", "file::memory:"}, "-dsn names a database in memory"},
		{"another store's address", []string{"-dsn", "postgres://user:" + sitetest.HexKey + "@127.0.0.1/name"}, "-dsn is not one of sqlite, such as sessions.db"},
		{"a short key for a database", []string{"-store", "mysql", "-dsn", "/x", "-key", sitetest.HexKey[2:]}, "-key: the key has 31 bytes"},
		{"a short key for the cookie store", []string{"-store", "cookie", "-key", sitetest.HexKey[2:]}, "-key: the key has 31 bytes"},
		{"a database for the cookie store", []string{"-store", "cookie", "-dsn", "x"}, "-dsn names a database"},
		{"a database that only another flag needs", []string{"-store", "cookie", "-dsn", "x", "-revoke", "memory"}, "unless -revoke database uses it"},
		{"revocations in no database", []string{"-store", "cookie", "-revoke", "database"}, "-revoke database beside -store cookie needs -dsn, such as sessions.db, postgres://user"},
		{"revocations in memory that each connection has", []string{"-store", "cookie", "-revoke", "database", "-dsn", "file::memory:"}, "-dsn names a database in memory"},
		{"revocations in what is not a database", []string{"-store", "cookie", "-revoke", "database", "-dsn", "mongodb://" + sitetest.HexKey}, "-dsn is not one of sqlite"},
		{"revocations nowhere", []string{"-store", "cookie", "-revoke", "somewhere"}, "-revoke is none of off, memory, database and the URL of a Redis"},
		{"a Redis that is none", []string{"-store", "cookie", "-revoke", "redis://user:" + sitetest.HexKey + "@host:port"}, "-revoke is not the URL of a Redis"},
		{"large sessions in no database", []string{"-store", "cookie", "-spill"}, "-store cookie has none"},
		{"encryption of rows", []string{"-dsn", "x", "-encrypt"}, "-encrypt is for sessions in cookies, and -store sqlite keeps all of them in rows"},
		{"chunks of rows", []string{"-dsn", "x", "-chunks", "2"}, "-chunks is for sessions in cookies, and -store sqlite keeps all of them in rows"},
		{"a cookie name that isn't one", []string{"-dsn", "x", "-name", "a b"}, `cookie "a b"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // where a file would be made by mistake
			err := run(t.Context(), append([]string{"-addr", "127.0.0.1:0"}, test.args...))
			require.ErrorContains(t, err, test.says)
			assert.ErrorAs(t, err, new(site.UsageError))
			assert.NotContains(t, err.Error(), sitetest.HexKey[2:], "a key must not be printed")
			files, err := os.ReadDir(".")
			require.NoError(t, err)
			assert.Empty(t, files)
		})
	}
}

func TestHelpNamesEachFlagAndItsVariable(t *testing.T) {
	var out bytes.Buffer
	_, err := parseFlags([]string{"-help"}, noEnvironment, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for name, variable := range map[string]string{"addr": "ADDR", "store": "STORE", "dsn": "DSN", "key": "SESSION_KEY",
		"spill": "SPILL", "revoke": "REVOKE", "encrypt": "ENCRYPT", "chunks": "CHUNKS", "dbsc": "DBSC"} {
		assert.Regexp(t, `(?m)^  -`+name+`\b.*\$`+variable+`$`, out.String())
	}
	for _, dsn := range exampleDSNs {
		assert.Contains(t, out.String(), dsn)
	}
}

func TestFormOfADSNSaysWhichKindItIs(t *testing.T) {
	for dsn, want := range map[string]string{
		"sessions.db":                         "sqlite",
		"/var/lib/site/sessions.db":           "sqlite",
		"file:/var/lib/a@b/x.db":              "sqlite",
		"home/me@work/sessions.db":            "sqlite",
		"postgres://user:p@tcp(x)/@host/name": "postgres",
		"postgresql://host/name":              "postgres",
		"user:p/w@tcp(127.0.0.1:3306)/name":   "mysql",
		"user@unix(/run/mysqld.sock)/name":    "mysql",
		"user:password@/name":                 "mysql",
		"tcp(127.0.0.1:3306)/name":            "mysql",
	} {
		assert.Equal(t, want, kindOf(dsn), dsn)
	}
	for kind, dsn := range exampleDSNs {
		assert.Equal(t, kind, kindOf(dsn))
	}
}

// cacheFolder makes a folder that the system takes for the user's cache, and
// returns the environment that says so.
func cacheFolder(t *testing.T) (folder string, environment []string) {
	t.Helper()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("only where XDG_CACHE_HOME names the cache folder can a test have one of its own: run this one on Linux")
	}
	folder = t.TempDir()
	return folder, []string{"XDG_CACHE_HOME=" + folder, "TMPDIR=" + t.TempDir()}
}

func TestProgram(t *testing.T) {
	binary := sitetest.Build(t)

	t.Run("says where its SQLite file is, and goes on with the sessions in it", func(t *testing.T) {
		cache, environment := cacheFolder(t)
		path := filepath.Join(cache, "cookiestore-example", "sessions.sqlite3")
		var page string
		var cookie *http.Cookie
		for _, want := range []string{"1 time.", "2 times."} {
			p := sitetest.Start(t, binary, append(environment, "SESSION_KEY="+sitetest.HexKey))
			url := p.URL()
			p.Says("store=sqlite revoke=off file=" + path)
			page, cookie = sitetest.Fetch(t, url, cookie)
			assert.Contains(t, page, "You have visited this page "+want)
			p.Stop()
		}
		file, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), file.Mode().Perm(), "others must not read the keys of sessions")
	})

	t.Run("says what to open on the cookie store, too", func(t *testing.T) {
		p := sitetest.Start(t, binary, []string{}, "-store", "cookie")
		url := p.URL()
		p.Says("a random one signs")
		p.Says("store=cookie revoke=off")
		page, _ := sitetest.Fetch(t, url, nil)
		assert.Contains(t, page, "You have visited this page 1 time.")
		p.Stop()
	})

	t.Run("says nothing of the password of a database", func(t *testing.T) {
		const dsn = "postgres://shop:correct-horse@127.0.0.1:1/shop"
		p := sitetest.Start(t, binary, []string{"STORE=postgres", "DSN=" + dsn, "SESSION_KEY=" + sitetest.HexKey})
		assert.Equal(t, 1, p.SaysNothingOf("horse"))
	})

	t.Run("refuses to start with a sentence and status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-store", "mysql"}, {"-key", sitetest.HexKey[:60], "-dsn", "x"}, {"-nope"}} {
			assert.NotContains(t, sitetest.RefusesToStart(t, binary, args...), sitetest.HexKey[:60])
		}
		assert.Contains(t, sitetest.RefusesToStart(t, binary), "name a SQLite file with -dsn: there can be none in your cache folder: ")
	})
}

func TestOwnFileIsPrivate(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(folder string) error
		fails   bool
	}{
		{"a folder is made", func(string) error { return nil }, false},
		{"a folder that was open to others is closed", func(folder string) error {
			return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o777))
		}, false},
		{"a file in the way is an error", func(folder string) error { return os.WriteFile(folder, nil, 0o600) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache, _ := cacheFolder(t)
			t.Setenv("XDG_CACHE_HOME", cache)
			folder := filepath.Join(cache, "cookiestore-example")
			require.NoError(t, test.prepare(folder))
			path, err := ownFile()
			if test.fails {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, folder, filepath.Dir(path))
			is, err := os.Stat(folder)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o700), is.Mode().Perm())
		})
	}
}
