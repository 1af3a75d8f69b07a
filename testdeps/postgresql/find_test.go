package postgresql

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

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
	address := cmp.Or(os.Getenv("TEST_POSTGRES_DSN"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
	db, err := sql.Open("pgx", address)
	if err != nil {
		return fmt.Errorf("TEST_POSTGRES_DSN: %w", err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
