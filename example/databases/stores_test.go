package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/example/site"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A place is where the visitors of a test have their sessions.
type place struct {
	sitetest.Place
	dsn string
}

// at returns the site on a store.
func at(store, dsn string) place {
	return place{sitetest.Place{Store: store, Handler: func(t *testing.T, now func() time.Time, flags ...string) http.Handler {
		t.Helper()
		o, backend := open(t, now, append([]string{"-store", store, "-dsn", dsn}, flags...)...)
		handler, err := o.Handler(backend.Backend, now)
		require.NoError(t, err)
		return handler
	}}, dsn}
}

// open opens what the flags ask for, on HexKey if they name no key, until the test ends.
func open(t *testing.T, now func() time.Time, flags ...string) (options, *backend) {
	t.Helper()
	o, err := parseFlags(append([]string{"-key", sitetest.HexKey}, flags...), noEnvironment, io.Discard)
	require.NoError(t, err)
	backend, err := openStore(o, now)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, backend.close()) })
	require.NoError(t, backend.createTables(t.Context()))
	return o, backend
}

// TestSite runs the scenarios on each store.
func TestSite(t *testing.T) {
	for store := range strings.SplitSeq(stores, ", ") {
		t.Run(store, func(t *testing.T) { sitetest.Run(t, newPlace(t, store).Place) })
	}
	for _, flags := range [][]string{
		{"-revoke", "database"},
		{"-spill"},
		{"-spill", "-encrypt", "-revoke", "memory"},
	} {
		t.Run("sqlite "+strings.Join(flags, " "), func(t *testing.T) {
			sitetest.Run(t, newPlace(t, "sqlite").With(flags...))
		})
	}
}

// onEachDatabase runs a test on the stores that have rows.
func onEachDatabase(t *testing.T, test func(t *testing.T, on place)) {
	for store := range exampleDSNs {
		t.Run(store, func(t *testing.T) { test(t, newPlace(t, store)) })
	}
}

// newPlace returns a store, with a database that is gone when the test ends.
func newPlace(t *testing.T, store string) place {
	t.Helper()
	switch store {
	case "cookie":
		return at(store, "")
	case "sqlite":
		return at(store, filepath.Join(t.TempDir(), "a session?.db"))
	case "postgres":
		address, name := newDatabase(t, store, "TEST_POSTGRES_DSN", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable", "postgresql")
		dsn, err := url.Parse(address)
		require.NoError(t, err, "TEST_POSTGRES_DSN")
		dsn.Path = "/" + name
		return at(store, dsn.String())
	case "mysql":
		address, name := newDatabase(t, store, "TEST_MYSQL_DSN", "root@tcp(127.0.0.1:3306)/test", "mariadb-server")
		dsn, err := mysql.ParseDSN(address)
		require.NoError(t, err, "TEST_MYSQL_DSN")
		dsn.DBName = name
		return at(store, dsn.FormatDSN())
	}
	t.Fatalf("no tests for %s", store)
	return place{}
}

// newDatabase makes a database on a server, and returns the server's address and
// the name. Without a server the test is skipped, but for in CI, where it must run.
func newDatabase(t *testing.T, store, variable, standard, debian string) (address, name string) {
	t.Helper()
	address = cmp.Or(os.Getenv(variable), standard)
	db := connect(t, at(store, address))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		missing(t, "no %s server: install one (apt-get install %s), and set %s where its address is not %s, to run this test: %v",
			store, debian, variable, standard, err)
	}
	name = fmt.Sprintf("example_test_%d_%d", os.Getpid(), time.Now().UnixNano())
	_, err := db.ExecContext(ctx, "CREATE DATABASE "+name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP DATABASE " + name)
		assert.NoError(t, err)
	})
	return address, name
}

// connect opens the database itself, for what the site can't do to it.
func connect(t *testing.T, on place) *sql.DB {
	t.Helper()
	db, err := openDatabase(on.Store, on.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestInspectShowsTheRow(t *testing.T) { onEachDatabase(t, inspectShowsTheRow) }

func inspectShowsTheRow(t *testing.T, on place) {
	v := on.Visit(t)
	db := connect(t, on)
	assert.Contains(t, v.Get("/inspect"), "Your browser sent no session cookie.")

	v.Get("/set-session?name=" + url.QueryEscape("</code>"))
	key := v.Cookie()
	v.Clock.Advance(10 * time.Second)
	var data string
	require.NoError(t, db.QueryRow("SELECT session_data FROM django_session WHERE session_key = '"+key+"'").Scan(&data))
	page := v.Get("/inspect")
	assert.Contains(t, page, "<strong>Verifies:</strong>")
	assert.Equal(t, 2, strings.Count(page, key), "in the cookie and in the row")
	for i, class := range []string{"payload", "timestamp", "signature"} {
		assert.Contains(t, page, `<span class="`+class+`">`+strings.Split(data, ":")[i]+`</span>`)
	}
	assert.Contains(t, page, `<time datetime="2026-03-01T12:00:30Z">1 March 2026, 12:00:30 UTC</time></dd>`, "expire_date")
	assert.Contains(t, page, `<time datetime="2026-03-01T12:00:00Z">1 March 2026, 12:00:00 UTC</time>,`, "timestamp")
	assert.Contains(t, page, `data-seconds="20">20 seconds</span>:`)
	assert.Contains(t, page, fmt.Sprintf("%d bytes. A row can", len(data)))
	assert.Contains(t, html.UnescapeString(page), "{\n  \"name\": \"</code>\",\n  \"_session_expiry\": 30\n}")

	for _, test := range []struct {
		name, cookie, update string
		later                time.Duration
		says                 []string
		saysNot              string
	}{
		{"a key that no row has leads to nothing", strings.Repeat("a", 32), "", 0,
			[]string{"<strong>Leads to no session:</strong> no row has this key."}, "The row of"},
		{"what can't be a key leads to nothing", "rubbish", "", 0,
			[]string{"<strong>Leads to no session:</strong> the key is not 32 characters of a-z0-9"}, "The row of"},
		{"a row past its expire_date does not count", key, "", time.Minute,
			[]string{"<strong>Verifies, but does not count:</strong> expired: ended 2026-03-01T12:00:30Z.", "The row of", "There is no valid session in it."}, "<strong>Verifies:</strong>"},
		{"nor does one whose expire_date was brought forward", key, "expire_date = '2026-02-27 12:00:00'", 0,
			[]string{"<strong>Verifies, but does not count:</strong> expired: ended 2026-02-2", "The row of"}, "<strong>Verifies:</strong>"},
		{"a row that was changed does not verify, and is not decoded", key, "session_data = '" + strings.Replace(data, ":", ":1", 1) + "'", 0,
			[]string{"<strong>Does not verify:</strong> signature does not match.", "what the row says", "Not decoded"}, "_session_expiry"},
		{"a row that is rubbish is malformed", key, "session_data = 'rubbish'", 0,
			[]string{"<strong>Does not verify:</strong> malformed", `<span class="payload">rubbish</span>`}, "_session_expiry"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.update != "" {
				_, err := db.Exec("UPDATE django_session SET " + test.update)
				require.NoError(t, err)
			}
			v.Clock.Advance(test.later)
			defer v.Clock.Advance(-test.later)
			v.SetCookie(test.cookie)
			page := v.Get("/inspect")
			for _, says := range test.says {
				assert.Contains(t, page, says)
			}
			assert.NotContains(t, page, test.saysNot)
			v.SetCookie(test.cookie)
			assert.Contains(t, v.Get("/get-session"), "Session has expired")
		})
	}
	t.Run("a database that fails is an error", func(t *testing.T) {
		_, err := db.Exec("DROP TABLE django_session")
		require.NoError(t, err)
		v.SetCookie(key)
		status, _, body := v.Do(v.Request("GET", "/inspect", nil))
		assert.Equal(t, http.StatusInternalServerError, status)
		assert.Equal(t, "The session could not be loaded or saved. Please try again.\n", body)
		assert.Equal(t, key, v.Cookie(), "the visitor keeps it for later")
	})
}

func TestRowHoldsMoreThanACookie(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, on place) {
		v := on.Visit(t)
		octal := func(c rune) rune { return '0' + c%8 } // Go 1.27 deflates no text of 64 letters
		big := `"` + strings.Map(octal, sitetest.Noise(40_000)) + `"`
		v.Post("/session", "op", "set", "key", "big", "value", big)
		assert.Equal(t, `{"big":`+big+`}`, v.Data())
		assert.Contains(t, v.Get("/inspect"), "compressed JSON")
	})
}

// TestDjangoRow goes on with sessions that Django's database backend began.
func TestDjangoRow(t *testing.T) {
	const secret = "r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"
	onEachDatabase(t, func(t *testing.T, on place) {
		for _, test := range []struct{ name, key, data, says string }{
			{"Django 3.2 wrote", strings.Repeat("3", 32), "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:fWMDCUV6a3m7GFnASmb_t_4LwcHCxXlDskvGKueJsSQ", "HMAC-SHA256"},
			{"Django 3.0 wrote", strings.Repeat("0", 32), "NGI2OGU3NmFhYTcwYmRmNzk0YWU3YjRhMzA2NTRlM2JhODI1MmFjYzp7Im51bV92aXNpdHMiOjF9", "As Django wrote it before 3.1"},
		} {
			t.Run(test.name, func(t *testing.T) {
				v := on.Visit(t, "-key", "", "-django-key", secret)
				v.Clock.Set(time.Unix(1528093791, 0).Add(time.Hour))
				_, err := connect(t, on).Exec("INSERT INTO django_session (session_key, session_data, expire_date) VALUES ('" +
					test.key + "', '" + test.data + "', '2018-06-18 06:29:51')")
				require.NoError(t, err)
				v.SetCookie(test.key)
				page := v.Get("/inspect")
				assert.Contains(t, page, "Verifies")
				assert.Contains(t, page, test.says)
				assert.NotContains(t, page, "an older key")
				assert.Contains(t, v.Get("/"), "You have visited this page 2 times.")
				assert.Equal(t, test.key, v.Cookie(), "Django goes on with it")
			})
		}
	})
}

func TestDatabaseThatCannotBeUsed(t *testing.T) {
	const password = "correct-horse"
	for _, test := range []struct {
		name, store, dsn, says string
		usage                  bool
	}{
		{"PostgreSQL that is down", "postgres", "postgres://shop:" + password + "@127.0.0.1:1/shop", "the postgres database can't be used: dbstore: no connection: connection refused", false},
		{"MySQL that is down", "mysql", "shop:" + password + "@tcp(127.0.0.1:1)/shop", "the mysql database can't be used: dbstore: no connection: connection refused", false},
		{"a folder that isn't there", "sqlite", filepath.Join(t.TempDir(), "none", "x.db"), "the sqlite database can't be used: dbstore: no connection: unable to open", false},
		{"a password that a URL can't hold", "postgres", "postgres://shop:" + password + "/@127.0.0.1/shop", "-dsn is not one of postgres, such as postgres://user:password@", true},
		{"a DSN without a database", "mysql", "shop:" + password + "@tcp(127.0.0.1:1)", "-dsn is not one of mysql, such as user:password@tcp(", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-key", sitetest.HexKey, "-store", test.store, "-dsn", test.dsn})
			require.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "horse")
			assert.Equal(t, test.usage, errors.As(err, new(site.UsageError)))
		})
	}
}
