package mariadb

import (
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"example.com/cookiestore/testdeps"
)

// find finds a server that runs, and one to start and stop.
func find() error {
	if err := testdeps.Program("mariadbd", "/usr/sbin/mariadbd"); err != nil {
		return err
	}
	return testdeps.Database("mysql", "TEST_MYSQL_DSN", "root@tcp(127.0.0.1:3306)/test")
}

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
