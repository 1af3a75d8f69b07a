package mariadb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"example.com/cookiestore/testdeps"
)

// find finds a server that runs, and one to start and stop.
func find() error {
	if err := testdeps.Program("mariadbd", "/usr/sbin/mariadbd"); err != nil {
		return err
	}
	db, err := sql.Open("mysql", cmp.Or(os.Getenv("TEST_MYSQL_DSN"), "root@tcp(127.0.0.1:3306)/test"))
	if err != nil {
		return fmt.Errorf("TEST_MYSQL_DSN: %w", err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
