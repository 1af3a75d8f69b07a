package postgresql

import (
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"example.com/cookiestore/testdeps"
)

// find finds a server that runs, and one to start and stop.
func find() error {
	if debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl"); debian == nil {
		if err := testdeps.Program("pg_ctl"); err != nil {
			return err
		}
	}
	return testdeps.Database("pgx", "TEST_POSTGRES_DSN", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
}

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
