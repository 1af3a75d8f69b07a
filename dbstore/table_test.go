package dbstore

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

func TestTableNames(t *testing.T) {
	const part, schema = "1 to 37 letters", "the schema's name needs 1 to 63 letters"
	for name, problem := range map[string]string{
		"django_session":               "",
		"_":                            "",
		"Shop2.Session_2":              "",
		"azAZ_09":                      "",
		"z9":                           "",
		"A0":                           "",
		"Z":                            "",
		strings.Repeat("a", 37):        "",
		strings.Repeat("b", 63) + ".a": "",
		"":                             part,
		`a"b`:                          part,
		"a`b":                          part,
		"1a":                           part,
		"a-b":                          part,
		"a@":                           part,
		"a[":                           part,
		"a{":                           part,
		"a/":                           part,
		"a:":                           part,
		"größe":                        part,
		strings.Repeat("a", 38):        part,
		"shop.":                        part,
		"shop.1a":                      part,
		`shop."a"`:                     part,
		"server.shop.django_session":   part,
		"shop..django_session":         part,
		".django_session":              schema,
		"1shop.django_session":         schema,
		`sh"op.django_session`:         schema,
		"sh op.django_session":         schema,
		strings.Repeat("b", 64) + ".a": schema,
	} {
		err := checkTable(name)
		if problem == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.ErrorContains(t, err, problem, name)
		assert.ErrorContains(t, err, fmt.Sprintf("table %q", name))
	}
}

// shop is a schema that no other run of the tests has.
var shop = fmt.Sprintf("dbstore_shop_%d", os.Getpid())

// schemas has a database where a table can be in another schema than the first.
var schemas = []struct {
	database
	schema, indexes string
	make            func(t *testing.T, db *sql.DB)
}{
	{database{"SQLite, attached", SQLite, func(t testing.TB) *sql.DB {
		db := openSQLite(t)
		db.SetMaxOpenConns(1) // the one that has it attached
		_, err := db.ExecContext(t.Context(), "ATTACH ? AS shop", filepath.Join(t.TempDir(), "shop.db"))
		require.NoError(t, err)
		return db
	}}, "shop", "SELECT name FROM shop.sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name", func(*testing.T, *sql.DB) {}},
	{database{"SQLite, main", SQLite, openSQLite}, "main",
		"SELECT name FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name", func(*testing.T, *sql.DB) {}},
	{databases[1], shop,
		"SELECT indexname FROM pg_indexes WHERE schemaname = '" + shop + "' AND indexname NOT LIKE '%_pkey' ORDER BY indexname", func(t *testing.T, db *sql.DB) {
			_, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+shop)
			require.NoError(t, err)
			t.Cleanup(func() { _, _ = db.ExecContext(context.Background(), "DROP SCHEMA "+shop+" CASCADE") })
		}},
	{databases[2], shop,
		"SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = '" + shop + "' AND index_name <> 'PRIMARY'", func(t *testing.T, db *sql.DB) {
			_, err := db.ExecContext(t.Context(), "CREATE DATABASE "+shop)
			require.NoError(t, err)
			t.Cleanup(func() { _, _ = db.ExecContext(context.Background(), "DROP DATABASE "+shop) })
		}},
}

func TestTableInASchema(t *testing.T) {
	for _, d := range schemas {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			d.make(t, db)
			beside, err := New(db, testKey) // of the same name, where the database looks first
			require.NoError(t, err)
			if d.schema != "main" {
				require.NoError(t, beside.CreateTable(t.Context()))
				beside.sql(t, "DELETE FROM {table}")
			}
			now := time.Now()
			store, err := New(db, testKey, WithTable(d.schema+".django_session"), WithClock(func() time.Time { return now }))
			require.NoError(t, err)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { assert.NoError(t, store.CreateTable(t.Context())) })
			}
			all.Wait()

			indexes := texts(t, db, d.indexes)
			want := []string{"django_session_expire_date_a5c62663"} // Django's names, of the table alone
			if d.dialect == PostgreSQL {
				want = append(want, "django_session_session_key_c0390e0f_like")
			}
			require.Equal(t, want, indexes)

			key := store.insert(t, `{"a":1}`, now, time.Hour)
			store.insert(t, `{"a":1}`, now.Add(-time.Hour), time.Minute)
			if d.schema != "main" {
				require.Zero(t, beside.count(t))
			}
			require.NoError(t, store.ClearExpired(t.Context()))
			require.Equal(t, 1, store.count(t))
			resp := visit(t, store, key, func(s *cookiestore.Session) { s.Set("a", 2); s.CycleKey() })
			require.Equal(t, http.StatusOK, resp.StatusCode)
			resp = visit(t, store, resp.Cookies()[0].Value, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("a")); s.Flush() })
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Zero(t, store.count(t))
		})
	}
}
