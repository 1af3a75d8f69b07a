package dbstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// found is what All finds.
type found struct {
	keys    []string
	data    []string // of those that verify
	refused map[string]error
	failure error // of the database
}

func findAll(t testing.TB, store *Store) found {
	t.Helper()
	all := found{refused: map[string]error{}}
	for entry, err := range store.All(t.Context()) {
		switch {
		case err == nil:
			all.data = append(all.data, entry.Record.Data)
		case cookiestore.IsRefused(err):
			all.refused[entry.SessionKey] = err
			require.Empty(t, entry.Record)
		default:
			require.Empty(t, entry)
			all.failure = err
			continue
		}
		require.NoError(t, all.failure, "that is the last")
		all.keys = append(all.keys, entry.SessionKey)
	}
	return all
}

func TestAll(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		for name, options := range map[string][]Option{"as in Django": nil, "with hashed keys": {WithHashedKeys()}} {
			t.Run(name, func(t *testing.T) {
				now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
				store := newStore(t, d.open(t), append(options, WithClock(func() time.Time { return now }))...)
				require.Empty(t, findAll(t, store).keys)

				var want []string
				for range allBatch + 3 { // more than one batch
					want = append(want, store.rowKey(store.insert(t, `{"a":1}`, now, time.Hour)))
				}
				want = append(want, store.rowKey(store.insert(t, `{"a":1}`, now, 0))) // ends now
				slices.Sort(want)
				expired := store.insert(t, `{"a":"over"}`, now, -time.Microsecond)

				all := findAll(t, store)
				require.NoError(t, all.failure)
				require.Empty(t, all.refused)
				require.Equal(t, want, all.keys)
				for _, data := range all.data {
					require.Equal(t, `{"a":1}`, data)
				}
				live, over, err := store.Count(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, len(want), live)
				require.EqualValues(t, 1, over)
				_, err = store.Row(t.Context(), expired)
				require.NoError(t, err, "it is left alone")
			})
		}
	})
}

func TestEntries(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		now := time.Now().Truncate(time.Second)
		cookie := store.insert(t, `{"a":1}`, now, time.Hour)
		for entry, err := range store.All(t.Context()) {
			require.NoError(t, err)
			row, err := store.Row(t.Context(), cookie)
			require.NoError(t, err)
			require.Equal(t, row, entry.Row)
			rec, err := store.Load(t.Context(), "sessionid", cookie)
			require.NoError(t, err)
			require.Equal(t, rec, entry.Record)
		}
	})
}

// Rows that don't verify are met as such, and don't hide the others.
func TestAllMeetsWhatDoesNotVerify(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		soon := store.dialect.time(time.Now().Add(time.Hour))
		for range 3 {
			store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		}
		for key, data := range map[string]string{"0000": "pickled", "ffff": "e30:1xocE4:sig", "zzzz": ""} {
			store.sql(t, "INSERT INTO {table} (session_key, session_data, expire_date) VALUES (?, ?, ?)", key, data, soon)
		}
		all := findAll(t, store)
		require.NoError(t, all.failure)
		require.Len(t, all.data, 3)
		require.Len(t, all.refused, 3)
		require.ErrorIs(t, all.refused["0000"], cookiestore.ErrMalformed)
		require.ErrorIs(t, all.refused["ffff"], cookiestore.ErrTampered)
		require.ErrorIs(t, all.refused["zzzz"], cookiestore.ErrMalformed)
	})
	t.Run("a date that is none", func(t *testing.T) {
		store := newStore(t, openSQLite(t)) // the others hold nothing but times
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		store.sql(t, "UPDATE {table} SET expire_date = 'soon'")
		require.ErrorContains(t, findAll(t, store).refused[key], "expire_date is not a time")
	})
}

// Batches become smaller where sessions are large, and larger where they are small,
// and no session is missed.
func TestAllOfAnySize(t *testing.T) {
	for name, test := range map[string]struct{ size, rows int }{
		"small": {10, 3000},
		"large": {300_000, 2*allBatch + 10},
		"huge":  {3 << 20, 4},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, openSQLite(t))
			noise := strings.Repeat("x", test.size)
			store.sql(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
				INSERT INTO {table} SELECT printf('%06d', i), ?, '9999-01-01 00:00:00' FROM n`, test.rows, noise)
			all := findAll(t, store)
			require.NoError(t, all.failure)
			require.Len(t, all.keys, test.rows)
			require.True(t, slices.IsSorted(all.keys))
			require.Len(t, all.refused, test.rows, "each is met once")
		})
	}
}

func TestNextPage(t *testing.T) {
	for _, test := range []struct {
		name             string
		rows, size, want int
	}{
		{"empty rows", 100, 0, 1000},
		{"rows of 100 bytes", 100, 10_000, 1000},
		{"rows of 10 KiB", 100, 1000 << 10, 102},
		{"rows of 256 KiB", 100, 25_600 << 10, 4},
		{"rows larger than a batch", 4, 16 << 20, 1},
	} {
		assert.Equal(t, test.want, nextPage(test.rows, test.size), test.name)
	}
}

// What can't be read ends the iteration with an error, and releases the connection.
func TestAllOfATableOfAnotherShape(t *testing.T) {
	for name, table := range map[string]string{
		"a NULL":                           "CREATE VIEW %s AS SELECT 'k' || n AS session_key, CASE n WHEN 2 THEN NULL ELSE 'x' END AS session_data, '9999-01-01' AS expire_date FROM numbers",
		"a row that the database fails at": "CREATE VIEW %s AS SELECT 'k' || n AS session_key, CASE n WHEN 2 THEN abs(-9223372036854775807 - 1) ELSE 'x' END AS session_data, '9999-01-01' AS expire_date FROM numbers",
	} {
		t.Run(name, func(t *testing.T) {
			db := openSQLite(t)
			db.SetMaxOpenConns(1)
			for _, statement := range []string{"CREATE TABLE numbers (n integer)", "INSERT INTO numbers VALUES (1), (2), (3)", fmt.Sprintf(table, "odd")} {
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
			store, err := New(db, testKey, WithTable("odd"), WithTimeout(time.Minute))
			require.NoError(t, err)
			require.ErrorContains(t, findAll(t, store).failure, "dbstore: ")
			require.Zero(t, db.Stats().InUse)
		})
	}
}

// The loop may use the store, even one with a single connection, and leave early.
func TestTheLoopHasTheStore(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		for name, options := range map[string][]Option{"as in Django": nil, "with hashed keys": {WithHashedKeys()}} {
			t.Run(name, func(t *testing.T) {
				db := d.open(t)
				db.SetMaxOpenConns(1)
				store := newStore(t, db, options...)
				const sessions = allBatch + 10
				for i := range sessions {
					store.insert(t, fmt.Sprintf(`{"user":%d}`, i%2), time.Now(), time.Hour)
				}
				for entry, err := range store.All(t.Context()) {
					require.NoError(t, err)
					if entry.Record.Data == `{"user":1}` {
						require.NoError(t, store.DeleteRow(t.Context(), entry.Row))
						require.NoError(t, store.DeleteRow(t.Context(), entry.Row), "it is gone already")
					}
				}
				require.Equal(t, sessions/2, store.count(t))
				for _, data := range findAll(t, store).data {
					require.Equal(t, `{"user":0}`, data)
				}
				met := 0
				for range store.All(t.Context()) {
					if met++; met == 3 {
						break
					}
				}
				require.Equal(t, 3, met)
			})
		}
	})
}

func TestAllFails(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		for range allBatch + 1 {
			store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		met := 0
		var failure error
		for _, err := range store.All(ctx) {
			if cancel(); err != nil {
				require.NoError(t, failure)
				failure = err
				continue
			}
			met++
		}
		require.ErrorIs(t, failure, context.Canceled)
		require.False(t, cookiestore.IsRefused(failure))
		require.Equal(t, allBatch, met, "what had been read is met")

		live, expired, err := store.Count(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, live+expired)
		key := store.insert(t, `{"a":1}`, time.Now(), time.Hour)
		require.NoError(t, store.DeleteRow(ctx, Row{SessionKey: key}))
		_, err = store.Row(t.Context(), key)
		require.ErrorIs(t, err, cookiestore.ErrNoSession, "a deletion runs to its end")

		store.sql(t, "DROP TABLE {table}")
		require.ErrorContains(t, findAll(t, store).failure, "session_")
	})
}

// A page of the list is found through the primary key, and not sorted.
func TestAllSortsNothing(t *testing.T) {
	store := newStore(t, openSQLite(t))
	rows, err := store.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+store.queries.all, "", "2026-01-01", 10)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var a, b, c int
		var step string
		require.NoError(t, rows.Scan(&a, &b, &c, &step))
		assert.Regexp(t, `SEARCH .* USING INDEX .*\(session_key>\?\)`, step)
	}
	require.NoError(t, rows.Err())
}
