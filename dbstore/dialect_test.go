package dbstore

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// The types are those that each package registers with database/sql.
func TestDialectOfADriver(t *testing.T) {
	for _, test := range []struct {
		driver string
		from   string
		want   Dialect // 0 is none
	}{
		{"*sqlite.Driver", "modernc.org/sqlite", SQLite},
		{"*sqlite3.SQLiteDriver", "github.com/mattn/go-sqlite3", SQLite},
		{"*driver.SQLite", "github.com/ncruces/go-sqlite3/driver", SQLite},
		{"*stdlib.Driver", "github.com/jackc/pgx/v5/stdlib", PostgreSQL},
		{"*pq.Driver", "github.com/lib/pq", PostgreSQL},
		{"*mysql.MySQLDriver", "github.com/go-sql-driver/mysql", MySQL},
		{"*mssql.Driver", "github.com/microsoft/go-mssqldb", 0},
		{"*other.Driver", "anywhere", 0},
		{"pq.Driver", "a copy, not a pointer", 0},
		{"", "nowhere", 0},
	} {
		t.Run(test.from, func(t *testing.T) {
			got, err := dialectOf(test.driver)
			if test.want == 0 {
				require.EqualError(t, err, "dbstore: no telling which SQL the driver "+test.driver+" speaks: use WithDialect")
				return
			}
			require.NoError(t, err)
			require.Same(t, dialects[test.want], got)
		})
	}
	for _, d := range databases {
		t.Run("the driver of the tests on "+d.name, func(t *testing.T) {
			got, err := findDialect(d.open(t), 0)
			require.NoError(t, err)
			require.Same(t, dialects[d.dialect], got)
		})
	}
}

// Of the 256 bytes, 252 make 36 characters seven times each. The rest would make some of
// them more likely.
func TestSessionKeysAreNotBiased(t *testing.T) {
	random := rand.Reader
	t.Cleanup(func() { rand.Reader = random })
	from := func(first byte, before ...byte) io.Reader {
		all := append([]byte(nil), before...)
		for i := range 256 {
			all = append(all, first+byte(i))
		}
		return bytes.NewReader(all)
	}
	unfair := bytes.Repeat([]byte{252, 253, 254, 255}, 2*keySize/4)
	for _, test := range []struct {
		name   string
		random io.Reader
		want   string
	}{
		{"each byte counts once", from(0), "abcdefghijklmnopqrstuvwxyz012345"},
		{"they go round", from(30), "456789abcdefghijklmnopqrstuvwxyz"},
		{"the last fair ones count, and the unfair ones don't", from(248), "6789abcdefghijklmnopqrstuvwxyz01"},
		{"more are read where they don't suffice", from(0, unfair...), "abcdefghijklmnopqrstuvwxyz012345"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rand.Reader = test.random
			key := newKey()
			require.Equal(t, test.want, key)
			require.True(t, isKey(key))
		})
	}
}
