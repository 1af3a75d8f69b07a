package dbstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
	"example.com/cookiestore/sessiontest"
)

// A session behaves as in every other store.
func TestBehaviour(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		sessiontest.TestStore(t, func(t testing.TB, clock func() time.Time) cookiestore.Store {
			return newStore(t, db, WithClock(clock))
		}, cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user"))
	})
}

func TestNewRefuses(t *testing.T) {
	db := openSQLite(t)
	for _, test := range []struct {
		name    string
		db      *sql.DB
		key     string
		option  Option
		message string
	}{
		{"no database", nil, "key", WithTimeout(0), "the database is nil"},
		{"no key", db, "", WithTimeout(0), "empty"},
		{"an empty fallback key", db, "key", WithFallbackKeys(nil), "empty"},
		{"a dialect that there is not", db, "key", WithDialect(7), "there is no Dialect(7)"},
		{"a driver that nobody knows", sql.OpenDB(wrapped{}), "key", WithTimeout(0), "*dbstore.wrappedDriver speaks: use WithDialect"},
		{"no table", db, "key", WithTable(""), `table ""`},
		{"a table with a quote", db, "key", WithTable(`a"b`), `table "a\"b"`},
		{"a table that begins with a digit", db, "key", WithTable("1a"), `table "1a"`},
		{"a table too long for its indexes", db, "key", WithTable(strings.Repeat("a", 38)), "1 to 37 letters"},
		{"a negative timeout", db, "key", WithTimeout(-1), "the timeout is negative"},
		{"no report", db, "key", WithClearProgress(nil), "the function that reports progress is nil"},
		{"no clock", db, "key", WithClock(nil), "the clock is nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.db, []byte(test.key), test.option)
			require.ErrorContains(t, err, test.message)
		})
	}
}

// wrapped is a driver in another, as those that trace queries are.
type wrapped struct{ inner driver.Driver }

type wrappedDriver struct{ driver.Driver }

func (w wrapped) Connect(context.Context) (driver.Conn, error) { return w.inner.Open("file::memory:") }
func (w wrapped) Driver() driver.Driver                        { return &wrappedDriver{w.inner} }

func TestDialectOfWrappedDriver(t *testing.T) {
	db := sql.OpenDB(wrapped{openSQLite(t).Driver()})
	defer db.Close()
	db.SetMaxOpenConns(1) // a connection has a memory of its own
	store := newStore(t, db, WithDialect(SQLite))
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	rec, err := store.Load(t.Context(), "sessionid", key)
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, rec.Data)
}

func TestDialectIsThatOfTheDriver(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store, err := New(d.open(t), testKey)
		require.NoError(t, err)
		require.Same(t, dialects[d.dialect], store.dialect)
		require.NotContains(t, d.dialect.String(), "Dialect(")
	})
}

func TestCreateTable(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		store, err := New(db, testKey, WithTable(fmt.Sprintf("created_%d", tables.Add(1))))
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 8 { // as when all servers of a site start
			all.Go(func() { assert.NoError(t, store.CreateTable(t.Context())) })
		}
		all.Wait()
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		require.NoError(t, store.CreateTable(t.Context()), "it does no harm")
		_, err = store.Load(t.Context(), "sessionid", key)
		require.NoError(t, err)
	})
	byDate, err := indexName("django_session", "expire_date", "")
	require.NoError(t, err)
	require.Equal(t, "django_session_expire_date_a5c62663", byDate)
	byKey, err := indexName("django_session", "session_key", "_like")
	require.NoError(t, err)
	require.Equal(t, "django_session_session_key_c0390e0f_like", byKey)

	store := newStore(t, databases[1].open(t))
	indexes := texts(t, store.db.DB, "SELECT indexname FROM pg_indexes WHERE tablename = $1 ORDER BY 1", store.table)
	byDate, err = indexName(store.table, "expire_date", "")
	require.NoError(t, err)
	byKey, err = indexName(store.table, "session_key", "_like")
	require.NoError(t, err)
	require.Equal(t, []string{byDate, store.table + "_pkey", byKey}, indexes)
}

func TestKeys(t *testing.T) {
	store := newStore(t, openSQLite(t))
	seen := map[string]bool{}
	var letters [256]int
	const keys = 2000
	for range keys {
		key := newKey()
		require.Regexp(t, "^[a-z0-9]{32}$", key)
		require.False(t, seen[key])
		seen[key] = true
		for i := range key {
			letters[key[i]]++
		}
	}
	for _, c := range keyChars {
		require.InDelta(t, keys*keySize/len(keyChars), letters[c], 300, "%c comes as often as the others", c) // 7 standard deviations
	}
	require.Regexp(t, "^[a-z0-9]{32}$", store.insert(t, `{}`, time.Now(), time.Hour))
}

// What cannot be a key is refused without asking the database.
func TestMalformedKeys(t *testing.T) {
	store := newStore(t, openSQLite(t))
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	for name, value := range map[string]string{
		"empty":                "",
		"too short":            key[1:],
		"too long":             key + "a",
		"in capitals":          strings.ToUpper("a" + key[1:]),
		"with a wildcard":      key[1:] + "%",
		"with a quote":         key[1:] + "'",
		"with a letter beyond": key[2:] + "é",
	} {
		_, err := store.Load(t.Context(), "sessionid", value)
		require.ErrorIs(t, err, cookiestore.ErrMalformed, name)
		_, err = store.Row(t.Context(), value)
		require.ErrorIs(t, err, cookiestore.ErrMalformed, name)
	}
	require.NoError(t, store.db.Close())
	_, err := store.Load(t.Context(), "sessionid", "nonsense")
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	_, err = store.Load(t.Context(), "sessionid", key)
	require.ErrorContains(t, err, "database is closed")
	require.False(t, cookiestore.IsRefused(err))
}

// A key that is unknown is found out through the primary key, not by a scan.
func TestUnknownKeyScansNothing(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		for range 100 {
			store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		}
		_, err := store.Load(t.Context(), "sessionid", newKey())
		require.ErrorIs(t, err, cookiestore.ErrNoSession)

		explain := map[Dialect]string{SQLite: "EXPLAIN QUERY PLAN ", PostgreSQL: "EXPLAIN ", MySQL: "EXPLAIN "}[d.dialect]
		conn, err := store.db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		if d.dialect == PostgreSQL { // it scans tables this small
			_, err = conn.ExecContext(t.Context(), "SET enable_seqscan = off")
			require.NoError(t, err)
		}
		rows, err := conn.QueryContext(t.Context(), explain+store.queries.load, newKey())
		require.NoError(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(t, err)
		var plan []string
		for rows.Next() {
			cells := make([]any, len(columns))
			for i := range cells {
				cells[i] = new(sql.NullString)
			}
			require.NoError(t, rows.Scan(cells...))
			for i := range cells {
				plan = append(plan, cells[i].(*sql.NullString).String)
			}
		}
		require.NoError(t, rows.Err())
		require.Regexp(t, map[Dialect]string{
			SQLite:     `SEARCH .* USING INDEX .*session_key=\?`,
			PostgreSQL: `Index (Only )?Scan using`,
			MySQL:      `(const|no matching row in const table|Impossible WHERE)`,
		}[d.dialect], strings.Join(plan, " "))
	})
}

func TestRow(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		for _, fraction := range []time.Duration{0, 500 * time.Millisecond, time.Microsecond} {
			saved := time.Date(2026, 3, 1, 12, 0, 0, int(fraction), time.UTC)
			key := store.insert(t, `{"a":1}`, saved, time.Hour)
			row, err := store.Row(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, key, row.SessionKey)
			require.Equal(t, saved.Add(time.Hour), row.ExpireDate)
			seen, err := inspect.Parse(row.SessionData)
			require.NoError(t, err)
			require.Equal(t, `{"a":1}`, seen.Data)
		}
	})
}

// visit serves one request with the cookie, and returns the answer.
func visit(t *testing.T, store *Store, cookie string, handler func(s *cookiestore.Session), options ...cookiestore.Option) *http.Response {
	t.Helper()
	return visitContext(t.Context(), store, cookie, handler, options...)
}

func visitContext(ctx context.Context, store *Store, cookie string, handler func(s *cookiestore.Session), options ...cookiestore.Option) *http.Response {
	options = append([]cookiestore.Option{cookiestore.WithLogger(slog.New(slog.DiscardHandler))}, options...)
	served := cookiestore.Middleware(store, options...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handler(cookiestore.FromContext(r.Context()))
	}))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: cookie})
	w := httptest.NewRecorder()
	served.ServeHTTP(w, r)
	return w.Result()
}

// What the row says of the end of the session counts, too.
func TestExpireDateCounts(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		now := time.Now().Truncate(time.Second)
		key := store.insert(t, `{"a":1}`, now, time.Hour)
		end := now.Add(time.Minute)
		require.EqualValues(t, 1, store.sql(t, "UPDATE {table} SET expire_date = ?", store.dialect.time(end)))

		at := func(moment time.Time) cookiestore.Option {
			return cookiestore.WithClock(func() time.Time { return moment })
		}
		visit(t, store, key, func(s *cookiestore.Session) {
			require.Equal(t, 1, s.Get("a"))
			require.Equal(t, end.UTC(), s.EndsAt().UTC())
		}, at(end))
		resp := visit(t, store, key, func(s *cookiestore.Session) {
			require.True(t, s.IsNew())
			require.ErrorIs(t, s.Refused(), cookiestore.ErrExpired)
		}, at(end.Add(time.Microsecond)))
		require.Empty(t, resp.Cookies(), "a login that was answered meanwhile would be lost with it")

		resp = visit(t, store, key, func(s *cookiestore.Session) {
			s.Set("a", 2)
			store.sql(t, "UPDATE {table} SET expire_date = ?", store.dialect.time(now.Add(-time.Second)))
		}, at(now))
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "what has expired meanwhile is not brought back")
	})
}

// A session that has ended is not renewed, though it would be saved as it is, in the
// second in which it was saved before.
func TestSessionEndsInTheSameSecond(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		now := time.Now().Truncate(time.Second)
		key := store.insert(t, `{"a":1}`, now, time.Hour)
		at := cookiestore.WithClock(func() time.Time { return now })
		resp := visit(t, store, key, (*cookiestore.Session).SetModified, at)
		require.Equal(t, http.StatusOK, resp.StatusCode, "it is saved as it was")
		resp = visit(t, store, key, func(s *cookiestore.Session) {
			s.SetModified()
			store.sql(t, "UPDATE {table} SET expire_date = ?", store.dialect.time(now.Add(-time.Microsecond)))
		}, at)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Empty(t, resp.Cookies())
	})
}

// What is saved twice in a second, as it was, is saved and no conflict.
func TestSavedTwiceInASecond(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		now := time.Now()
		rec := cookiestore.Record{Data: `{"a":1}`, Saved: now, Expires: now.Add(time.Hour)}
		var err error
		for range 3 {
			before := rec
			rec.Cookie, rec.Version, err = store.Save(t.Context(), "", rec)
			require.NoError(t, err)
			require.True(t, before.Cookie == "" || rec.Cookie == before.Cookie)
		}
		require.ErrorIs(t, store.Delete(t.Context(), "", rec.Cookie, ":"+strings.Repeat("A", 43)), cookiestore.ErrConflict)
		require.NoError(t, store.Delete(t.Context(), "", rec.Cookie, rec.Version))
		require.Zero(t, store.count(t))
	})
}

// The version of a row is its signature, so that the row needn't be sent again; or
// all of a row from before Django 3.1, which ends in none.
func TestVersionIsTheSignature(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t), WithFallbackKeys([]byte("the key before")))
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		row, err := store.Row(t.Context(), key)
		require.NoError(t, err)
		rec, err := store.Load(t.Context(), "", key)
		require.NoError(t, err)
		require.Equal(t, row.SessionData[len(row.SessionData)-signatureSize:], rec.Version)

		store.sql(t, "UPDATE {table} SET session_data = ?", legacyRow)
		rec, err = store.Load(t.Context(), "", key)
		require.NoError(t, err)
		require.Equal(t, legacyRow, rec.Version)
		rec.Cookie = key
		for _, other := range []string{"x" + legacyRow, legacyRow + "x", strings.ToLower(legacyRow), legacyRow[:len(legacyRow)-4]} {
			store.sql(t, "UPDATE {table} SET session_data = ?", other)
			_, _, err = store.Save(t.Context(), "", rec)
			require.ErrorIs(t, err, cookiestore.ErrConflict)
			require.ErrorIs(t, store.Delete(t.Context(), "", key, rec.Version), cookiestore.ErrConflict)
		}
		store.sql(t, "UPDATE {table} SET session_data = ?", legacyRow)
		_, _, err = store.Save(t.Context(), "", rec)
		require.NoError(t, err)
	})
}

// A row is in another state if one letter of it is another, whatever the collation.
func TestVersionIsComparedExactly(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		now := time.Now()
		key := store.insert(t, `{"a":1}`, now, time.Hour)
		rec, err := store.Load(t.Context(), "sessionid", key)
		require.NoError(t, err)
		rec.Cookie, rec.Version = key, strings.ToLower(rec.Version)
		_, _, err = store.Save(t.Context(), "sessionid", rec)
		require.ErrorIs(t, err, cookiestore.ErrConflict)
		require.ErrorIs(t, store.Delete(t.Context(), "sessionid", key, rec.Version), cookiestore.ErrConflict)
		require.ErrorIs(t, store.Delete(t.Context(), "sessionid", newKey(), rec.Version), cookiestore.ErrConflict)
		require.NoError(t, store.Delete(t.Context(), "sessionid", newKey(), ""))
		require.Equal(t, 1, store.count(t))
	})
}

// MySQL can be made to keep text in wide characters.
func TestWideCharacters(t *testing.T) {
	store := newStore(t, open(t, "mysql", mysqlDSN(t)))
	store.sql(t, "ALTER TABLE {table} CONVERT TO CHARACTER SET utf16")
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	resp := visit(t, store, key, func(s *cookiestore.Session) { s.Set("a", 2) })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("a")) })
}

func TestRowsOfOthers(t *testing.T) {
	rows, err := cookiestore.NewDjangoRows(testKey)
	require.NoError(t, err)
	now := time.Now()
	good, err := rows.Encode(`{"a":1}`, now)
	require.NoError(t, err)
	older, err := cookiestore.NewDjangoRows([]byte("the key before"))
	require.NoError(t, err)
	signedBefore, err := older.Encode(`{"a":1}`, now)
	require.NoError(t, err)
	signer, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, testKey)
	require.NoError(t, err)
	cookie, err := signer.Encode("sessionid", map[string]int{"a": 1})
	require.NoError(t, err)

	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t), WithFallbackKeys([]byte("the key before")))
		for _, test := range []struct {
			name, data string
			refused    error
			resaved    bool
		}{
			{"signed with the key", good, nil, false},
			{"signed with the key before", signedBefore, nil, true},
			// what Django 3.0 wrote with SECRET_KEY = "the key before"
			{"from before Django 3.1", legacyRow, nil, true},
			{"with another byte", "a" + good[1:], cookiestore.ErrTampered, false},
			{"that is a cookie's value", cookie, cookiestore.ErrTampered, false},
			{"that is not a session", "pickled", cookiestore.ErrMalformed, false},
			{"that is empty", "", cookiestore.ErrMalformed, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				key := newKey()
				store.sql(t, "INSERT INTO {table} (session_key, session_data, expire_date) VALUES (?, ?, ?)",
					key, test.data, store.dialect.time(now.Add(time.Hour)))
				resp := visit(t, store, key, func(s *cookiestore.Session) {
					if test.refused != nil {
						require.ErrorIs(t, s.Refused(), test.refused)
						return
					}
					require.NoError(t, s.Refused())
					require.Equal(t, 1, s.Get("a"))
				})
				require.Equal(t, http.StatusOK, resp.StatusCode)
				row, err := store.Row(t.Context(), key)
				require.NoError(t, err)
				if !test.resaved {
					require.Equal(t, test.data, row.SessionData, "it is left alone")
					return
				}
				decoded, err := rows.Decode(row.SessionData)
				require.NoError(t, err, "it is signed anew")
				require.Equal(t, `{"a":1}`, decoded.Data)
			})
		}
	})
}

// legacyRow is base64 of the digest, which openssl makes as
//
//	printf %s 'django.contrib.sessionsSessionStorethe key before' | openssl sha1 -binary
//	printf %s '{"a":1}' | openssl sha1 -mac HMAC -macopt hexkey:...
var legacyRow = base64.StdEncoding.EncodeToString([]byte(`b72c873175942952619d2719e175e993ef0f7ea6:{"a":1}`))

func TestSetKeys(t *testing.T) {
	store := newStore(t, openSQLite(t))
	key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	require.NoError(t, store.SetKeys([]byte("another key")))
	_, err := store.Load(t.Context(), "sessionid", key)
	require.ErrorIs(t, err, cookiestore.ErrTampered)
	require.NoError(t, store.SetKeys([]byte("another key"), testKey))
	rec, err := store.Load(t.Context(), "sessionid", key)
	require.NoError(t, err)
	require.True(t, rec.Resave)
	require.Error(t, store.SetKeys(nil))
}

func TestLargeSessions(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		noise := strings.Repeat("Größe 0123456789 ", 20_000) // far more than a cookie, or MySQL's TEXT, could hold
		key := store.insert(t, `{"a":"`+noise+`"}`, time.Now(), time.Hour)
		visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, noise, s.Get("a")) })

		_, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"huge":"` + strings.Repeat("x", 16<<20) + `"}`})
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.ErrorContains(t, err, `"huge"`)
	})
}

// saveErrors makes a handler of errors that notes them.
func saveErrors(into *error) cookiestore.Option {
	return cookiestore.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
		*into = err
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "try again later")
	})
}

// requireDiscreet requires that an error holds nothing that a log must not have.
func requireDiscreet(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, secret := range secrets {
			require.NotContains(t, fmt.Sprintf("%v", e), secret)
		}
	}
}
