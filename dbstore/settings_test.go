package dbstore

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// postgresWith is PostgreSQL with more in its address.
func postgresWith(name string, params map[string]string) database {
	return database{"PostgreSQL, " + name, PostgreSQL, func(t testing.TB) *sql.DB {
		address, err := url.Parse(postgresDSN(t))
		require.NoError(t, err)
		query := address.Query()
		for name, value := range params {
			query.Set(name, value)
		}
		address.RawQuery = query.Encode()
		return open(t, "pgx", address.String())
	}}
}

// mysqlWith is MariaDB or MySQL with variables of the connection. The names of those
// about transactions have changed: {tx} is how they begin.
func mysqlWith(name string, variables map[string]string, interpolate bool) database {
	return mysqlConfigured(name, func(t testing.TB, c *mysql.Config) {
		c.InterpolateParams = interpolate
		c.Params = map[string]string{}
		for name, value := range variables {
			if name == "{tx}_isolation" || name == "{tx}_read_only" {
				name = transactionPrefix(t) + name[len("{tx}"):]
			}
			c.Params[name] = value
		}
	})
}

// mysqlConfigured is MariaDB or MySQL with the driver's settings changed.
func mysqlConfigured(name string, change func(t testing.TB, c *mysql.Config)) database {
	return database{"MariaDB, " + name, MySQL, func(t testing.TB) *sql.DB {
		config, err := mysql.ParseDSN(mysqlDSN(t))
		require.NoError(t, err)
		change(t, config)
		return open(t, "mysql", config.FormatDSN())
	}}
}

var mysqlPrefix sync.Once
var mysqlPrefixValue = "tx"

func transactionPrefix(t testing.TB) string {
	mysqlPrefix.Do(func() {
		var value string
		if open(t, "mysql", mysqlDSN(t)).QueryRowContext(t.Context(), "SELECT @@transaction_isolation").Scan(&value) == nil {
			mysqlPrefixValue = "transaction"
		}
	})
	return mysqlPrefixValue
}

// everySetting is each database with the settings of servers and drivers that change
// what a statement does, or how it gets there.
func everySetting() (all []database) {
	all = append(all, databases...)
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		for _, mode := range []string{"simple_protocol", "exec", "cache_describe", "cache_statement", "describe_exec"} {
			all = append(all, postgresWith(level+", "+mode,
				map[string]string{"default_transaction_isolation": level, "default_query_exec_mode": mode}))
		}
	}
	for _, level := range []string{"READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"} {
		for _, mode := range []string{"", "TRADITIONAL", "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH"} {
			for _, interpolate := range []bool{false, true} {
				all = append(all, mysqlWith(fmt.Sprintf("%s, sql_mode '%s', interpolateParams %v", level, mode, interpolate),
					map[string]string{"{tx}_isolation": "'" + level + "'", "sql_mode": "'" + mode + "'"}, interpolate))
			}
		}
	}
	return append(all,
		mysqlWith("safe updates", map[string]string{"sql_safe_updates": "1"}, false),
		mysqlWith("another time zone", map[string]string{"time_zone": "'-11:00'"}, false),
		mysqlWith("a connection in Latin-1", map[string]string{"character_set_client": "latin1", "character_set_connection": "latin1"}, false))
}

// A session lives the same life whatever the database is set to.
func TestEverySetting(t *testing.T) {
	for _, d := range everySetting() {
		t.Run(d.name, func(t *testing.T) {
			store := newStore(t, d.open(t))
			const text = `Größe \ ' " 😀`
			step := func(cookie string, handler func(*cookiestore.Session)) (value string) {
				t.Helper()
				resp := visit(t, store, cookie, handler)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				for _, c := range resp.Cookies() {
					value = c.Value
				}
				return value
			}
			key := step("", func(s *cookiestore.Session) { s.Set("a", text) })
			step(key, func(s *cookiestore.Session) {
				assert.Equal(t, text, s.Get("a"))
				s.Set("b", 1)
			})
			step(key, func(s *cookiestore.Session) {
				s.Set("b", 2)
				step(key, func(s *cookiestore.Session) { s.Set("c", 3) })
			})
			cycled := step(key, func(s *cookiestore.Session) {
				assert.Equal(t, 2, s.Get("b"))
				assert.Equal(t, 3, s.Get("c"), "what two requests change is merged")
				s.CycleKey()
			})
			step(key, func(s *cookiestore.Session) { assert.True(t, s.IsNew(), "the old key is worth nothing") })
			step(cycled, func(s *cookiestore.Session) {
				assert.Equal(t, text, s.Get("a"))
				s.SetModified() // in the same second, perhaps
			})
			begun := step(cycled, func(s *cookiestore.Session) { s.Flush(); s.Set("d", 4) })
			step(cycled, func(s *cookiestore.Session) { assert.True(t, s.IsNew()) })
			step(begun, (*cookiestore.Session).Clear)
			require.Zero(t, store.count(t))

			for range 3 {
				store.insert(t, `{"a":1}`, time.Now().Add(-time.Hour), time.Minute)
			}
			key = store.insert(t, `{"a":1}`, time.Now(), time.Hour)
			require.NoError(t, store.ClearExpired(t.Context()))
			require.Equal(t, 1, store.count(t))
			step(key, func(s *cookiestore.Session) { assert.Equal(t, 1, s.Get("a")) })
		})
	}
}

// strict are the databases that take statements back for the sake of others.
func strict(t testing.TB) []database {
	all := []database{
		databases[2],
		postgresWith("repeatable read", map[string]string{"default_transaction_isolation": "repeatable read"}),
		serializable,
		mysqlWith("serializable", map[string]string{"{tx}_isolation": "'SERIALIZABLE'"}, true),
	}
	if dsn, err := mariadb(); err == nil {
		var on string
		if open(t, "mysql", dsn).QueryRowContext(t.Context(), "SELECT @@innodb_snapshot_isolation").Scan(&on) == nil {
			all = append(all, mysqlWith("snapshot isolation", map[string]string{"innodb_snapshot_isolation": "ON"}, true))
		}
	}
	return all
}

// serializable is a database that takes statements back for the sake of others.
var serializable = postgresWith("serializable", map[string]string{"default_transaction_isolation": "serializable"})

// A visitor who logs out while other requests change the session is logged out, and
// sees no error; nor does anybody else.
func TestLogOutBesideChanges(t *testing.T) {
	for _, d := range strict(t) {
		t.Run(d.name, func(t *testing.T) {
			const visitors = 8
			db := d.open(t)
			db.SetMaxOpenConns(visitors)
			db.SetMaxIdleConns(visitors)
			store := newStore(t, db, WithTimeout(time.Minute))
			for range 8 {
				key := store.insert(t, `{"user":1}`, time.Now(), time.Hour)
				expired := store.insert(t, `{"user":2}`, time.Now().Add(-time.Hour), time.Minute)
				var loaded, all sync.WaitGroup
				loaded.Add(visitors)
				for i := range visitors {
					all.Go(func() {
						var failure error
						resp := visit(t, store, key, func(s *cookiestore.Session) {
							s.Get("user")
							loaded.Done()
							loaded.Wait()
							if i == 0 {
								s.Flush()
							} else {
								s.Set(fmt.Sprint(i), i)
							}
						}, saveErrors(&failure))
						if i == 0 || failure != nil {
							assert.True(t, i > 0 && errorIsInterrupted(failure) || failure == nil && resp.StatusCode == http.StatusOK, "%v", failure)
						}
						resp = visit(t, store, "", func(s *cookiestore.Session) { s.Set("new", i) })
						assert.Equal(t, http.StatusOK, resp.StatusCode)
						assert.NoError(t, store.Delete(t.Context(), "sessionid", resp.Cookies()[0].Value, ""))
					})
				}
				all.Go(func() { assert.NoError(t, store.ClearExpired(t.Context())) })
				all.Wait()
				_, err := store.Row(t.Context(), expired)
				require.ErrorIs(t, err, cookiestore.ErrNoSession)
				require.Zero(t, store.count(t))
			}
		})
	}
}

// Where nothing would be committed, nothing is said to be saved.
func TestAutocommitIsOff(t *testing.T) {
	table := newStore(t, databases[2].open(t))
	key := table.insert(t, `{"a":1}`, time.Now(), time.Hour)
	db := mysqlWith("autocommit off", map[string]string{"autocommit": "0"}, false).open(t)
	store, err := New(db, testKey, WithTable(table.table))
	require.NoError(t, err)
	rec, err := store.Load(t.Context(), "sessionid", key)
	require.NoError(t, err, "reading does no harm")
	rec.Cookie = key
	for name, write := range map[string]func() error{
		"the table is made":             func() error { return store.CreateTable(t.Context()) },
		"a session begins":              func() error { _, _, err := store.Save(t.Context(), "", cookiestore.Record{Data: `{}`}); return err },
		"a session is saved":            func() error { _, _, err := store.Save(t.Context(), "", rec); return err },
		"a session is deleted":          func() error { return store.Delete(t.Context(), "", key, "") },
		"expired sessions are removed":  func() error { return store.ClearExpired(t.Context()) },
		"a session in a state is ended": func() error { return store.Delete(t.Context(), "", key, rec.Version) },
	} {
		require.ErrorContains(t, write(), "dbstore: autocommit is off, and nothing that is written would be committed", name)
	}
	require.Equal(t, 1, table.count(t))
}

// noise is text of n bytes that compression makes little shorter.
func noise(n int) string {
	text := make([]byte, n)
	rand.Read(text)
	for i := range text {
		text[i] = ' ' + text[i]%('~'-' ')
		if text[i] == '"' || text[i] == '\\' {
			text[i] = 'a'
		}
	}
	return string(text)
}

func noiseJSON(n int) string { return `{"a":"` + noise(n) + `"}` }

// MySQL closes the connection on which a packet exceeds its limit, with whatever other
// visitors do on it.
func TestSessionExceedsThePacket(t *testing.T) {
	server := newMariaDB(t)
	server.start(t)
	t.Cleanup(func() { server.stop(t) })
	const limit = 1 << 20
	_, err := open(t, server.driver, server.dsn).ExecContext(t.Context(), fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", limit))
	require.NoError(t, err)
	for _, parameters := range []string{"", "?interpolateParams=true"} {
		db := open(t, server.driver, server.dsn+parameters)
		db.SetMaxOpenConns(1)
		store := newStore(t, db, WithTimeout(time.Minute))
		connection := func() (id int) {
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT connection_id()").Scan(&id))
			return id
		}
		before := connection()
		// A row of over half the limit can be changed: the old one isn't sent along.
		key := store.insert(t, noiseJSON(limit*9/16), time.Now(), time.Hour)
		resp := visit(t, store, key, func(s *cookiestore.Session) { s.Set("b", 1) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		row, err := store.Row(t.Context(), key)
		require.NoError(t, err)
		require.Greater(t, len(row.SessionData), limit/2)
		var failure error
		resp = visit(t, store, key, func(s *cookiestore.Session) { s.Set("c", noise(limit*9/16)) }, saveErrors(&failure))
		requireUnavailable(t, resp)
		require.ErrorIs(t, failure, cookiestore.ErrTooLarge)
		require.ErrorContains(t, failure, fmt.Sprintf("the database accepts %d (max_allowed_packet)", limit))
		require.Equal(t, before, connection())
		visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("b"), "it is as it was") })

		// Up to the limit it works, and just over it is refused.
		for size, fits := range map[int]bool{limit - 1000: true, limit: false} {
			err := store.Delete(t.Context(), "", key, strings.Repeat("x", size))
			if fits {
				require.ErrorIs(t, err, cookiestore.ErrConflict)
			} else {
				require.ErrorIs(t, err, cookiestore.ErrTooLarge)
			}
		}
		require.Equal(t, before, connection())
	}
}

// The limit is asked for again before a session is refused: it may have been raised.
func TestPacketLimitIsAskedForAgain(t *testing.T) {
	store := newStore(t, openSQLite(t))
	limited := *store.dialect
	limited.settings = "SELECT 1, 500"
	store.dialect = &limited
	now := time.Now()
	_, _, err := store.Save(t.Context(), "", cookiestore.Record{Data: noiseJSON(1000), Saved: now, Expires: now})
	require.ErrorIs(t, err, cookiestore.ErrTooLarge)
	require.ErrorContains(t, err, "accepts 500 (max_allowed_packet)")
	store.insert(t, `{"a":1}`, now, time.Hour)
	limited.settings = "SELECT 1, 5000"
	store.insert(t, noiseJSON(1000), now, time.Hour)
	limited.settings = "SELECT nothing of that kind"
	store.insert(t, noiseJSON(5000), now, time.Hour) // an engine without such settings
	require.Equal(t, 3, store.count(t))
}

func errorIsInterrupted(err error) bool { return errors.Is(err, cookiestore.ErrInterrupted) }
