package dbstore

import (
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

func TestHashedKeysBehave(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		sessiontest.TestStore(t, func(t testing.TB, clock func() time.Time) cookiestore.Store {
			return newStore(t, db, WithHashedKeys(), WithClock(clock))
		})
	})
}

// sessionKeys returns what the column holds.
func (s *Store) sessionKeys(t testing.TB) []string {
	t.Helper()
	return texts(t, s.db.DB, "SELECT session_key FROM "+s.dialect.quotedTable(s.table)+" ORDER BY session_key")
}

func TestTheTableHoldsAHash(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t), WithHashedKeys())
		cookie := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		require.Regexp(t, "^[a-z0-9]{32}$", cookie)
		sum := sha256.Sum256([]byte("cookiestore/dbstore session key:" + cookie))
		want := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:25]))
		require.Equal(t, []string{want}, store.sessionKeys(t))
		require.Len(t, want, 40, "the size of the column")

		row, err := store.Row(t.Context(), cookie)
		require.NoError(t, err)
		require.Equal(t, want, row.SessionKey)

		// Every kind of statement finds the row.
		resp := visit(t, store, cookie, func(s *cookiestore.Session) { s.Set("a", 2) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		resp = visit(t, store, cookie, func(s *cookiestore.Session) {
			require.Equal(t, 2, s.Get("a"))
			s.CycleKey()
		})
		cycled := resp.Cookies()[0].Value
		require.NotEqual(t, cookie, cycled)
		require.Equal(t, []string{store.rowKey(cycled)}, store.sessionKeys(t))
		visit(t, store, cycled, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("a")); s.Flush() })
		require.Zero(t, store.count(t))

		cookie = store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		require.NoError(t, store.Delete(t.Context(), "sessionid", cookie, ""))
		require.Zero(t, store.count(t))
	})
}

// An attacker who reads and writes the table, and has a session, gets no other's.
func TestHashedKeysAgainstSomeoneWhoHasTheTable(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		for _, test := range []struct {
			name   string
			cookie func(store *Store, victim, own string) string // that the attacker sends
		}{
			{"sends what the table holds", func(store *Store, victim, _ string) string {
				return store.rowKey(victim)
			}},
			{"sends the beginning of what it holds", func(store *Store, victim, _ string) string {
				return store.rowKey(victim)[:keySize]
			}},
			{"copies the victim's data into a row of theirs", func(store *Store, victim, own string) string {
				row, err := store.Row(t.Context(), victim)
				require.NoError(t, err)
				store.sql(t, "UPDATE {table} SET session_data = ? WHERE session_key = ?", row.SessionData, store.rowKey(own))
				return own
			}},
			{"gives the victim's row the hash of a cookie of theirs", func(store *Store, victim, own string) string {
				store.sql(t, "DELETE FROM {table} WHERE session_key = ?", store.rowKey(own))
				store.sql(t, "UPDATE {table} SET session_key = ? WHERE session_key = ?", store.rowKey(own), store.rowKey(victim))
				return own
			}},
			{"gives the victim's row a session key that is not a hash", func(store *Store, victim, own string) string {
				store.sql(t, "UPDATE {table} SET session_key = ? WHERE session_key = ?", own, store.rowKey(victim))
				return own
			}},
		} {
			t.Run(test.name, func(t *testing.T) {
				store := newStore(t, d.open(t), WithHashedKeys())
				victim := store.insert(t, `{"user":"admin"}`, time.Now(), time.Hour)
				own := store.insert(t, `{"user":"mallory"}`, time.Now(), time.Hour)
				visit(t, store, test.cookie(store, victim, own), func(s *cookiestore.Session) {
					require.NotEqual(t, "admin", s.Get("user"))
				})
			})
		}
	})
}

// The rows of a store without the option, such as Django's, are none of one with it,
// and the other way round.
func TestHashedKeysKeepToThemselves(t *testing.T) {
	db := openSQLite(t)
	plain := newStore(t, db)
	hashed, err := New(db, testKey, WithTable(plain.table), WithHashedKeys())
	require.NoError(t, err)
	now := time.Now()
	for _, test := range []struct {
		name          string
		writes, reads *Store
	}{
		{"a plain row", plain, hashed},
		{"a hashed row", hashed, plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			cookie := test.writes.insert(t, `{"a":1}`, now, time.Hour)
			_, err := test.reads.Load(t.Context(), "sessionid", cookie)
			require.ErrorIs(t, err, cookiestore.ErrNoSession)
			test.writes.sql(t, "UPDATE {table} SET session_key = ? WHERE session_key = ?", test.reads.rowKey(cookie), test.writes.rowKey(cookie))
			_, err = test.reads.Load(t.Context(), "sessionid", cookie)
			require.ErrorIs(t, err, cookiestore.ErrTampered, "not even under the right session key")
		})
	}
	t.Run("a row from before Django 3.1", func(t *testing.T) {
		old, err := New(db, []byte("the key before"), WithTable(plain.table), WithHashedKeys())
		require.NoError(t, err)
		cookie := newKey()
		old.sql(t, "INSERT INTO {table} VALUES (?, ?, ?)", old.rowKey(cookie), legacyRow, old.dialect.time(now.Add(time.Hour)))
		_, err = old.Load(t.Context(), "sessionid", cookie)
		require.ErrorIs(t, err, cookiestore.ErrMalformed)
	})
}

func TestHashedKeysChangeTheSigningKey(t *testing.T) {
	store := newStore(t, openSQLite(t), WithHashedKeys())
	cookie := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
	require.NoError(t, store.SetKeys([]byte("a newer key"), testKey))
	resp := visit(t, store, cookie, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("a")) })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, store.SetKeys([]byte("a newer key")))
	_, err := store.Load(t.Context(), "sessionid", cookie)
	require.NoError(t, err, "it has been signed anew")
}
