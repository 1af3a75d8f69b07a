package interop

import (
	"cmp"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// A database is one that a Django site and a Go site share.
type database struct {
	*sql.DB
	settings settings // Django's DATABASES["default"]
	describe []string // queries that say all about the table django_session
	drop     func()
}

func sqliteSettings(dir string) settings {
	return settings{"ENGINE": "django.db.backends.sqlite3", "NAME": filepath.Join(dir, "site.sqlite3")}
}

func openSQLite(_ *testing.T, dir string) (*database, error) {
	s := sqliteSettings(dir)
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)", s["NAME"]))
	if err != nil {
		return nil, err
	}
	return &database{DB: db, settings: s, drop: func() { db.Close() }, describe: []string{
		`SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'django_session' ORDER BY name`,
		`SELECT * FROM pragma_table_info('django_session')`,
		`SELECT l.name, l."unique", l.origin, l.partial, i.* FROM pragma_index_list('django_session') AS l, pragma_index_xinfo(l.name) AS i ORDER BY l.name, i.seqno`,
	}}, nil
}

func openPostgreSQL(t *testing.T, _ string) (*database, error) {
	config, err := pgx.ParseConfig(cmp.Or(os.Getenv("TEST_POSTGRES_DSN"), "postgres://postgres@127.0.0.1:5432/test?sslmode=disable"))
	if err != nil {
		return nil, err
	}
	db := &database{describe: []string{
		`SELECT ordinal_position, column_name, data_type, character_maximum_length, datetime_precision, is_nullable, column_default, collation_name, is_identity
			FROM information_schema.columns WHERE table_name = 'django_session' ORDER BY ordinal_position`,
		`SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'django_session'::regclass ORDER BY conname`,
		`SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'django_session' ORDER BY indexname`,
	}}
	config.Database, err = db.onServer(t, stdlib.OpenDB(*config), "psycopg2",
		"install Debian's postgresql and python3-psycopg2 packages, and set TEST_POSTGRES_DSN to a database whose user can make others")
	if err != nil {
		return nil, err
	}
	db.DB = stdlib.OpenDB(*config)
	db.settings = settings{
		"ENGINE": "django.db.backends.postgresql", "NAME": config.Database,
		"HOST": config.Host, "PORT": config.Port, "USER": config.User, "PASSWORD": config.Password,
	}
	return db, nil
}

func openMariaDB(t *testing.T, _ string) (*database, error) {
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("TEST_MYSQL_DSN"), "root@tcp(127.0.0.1:3306)/test"))
	if err != nil {
		return nil, err
	}
	server, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		return nil, err
	}
	db := &database{describe: []string{`SHOW CREATE TABLE django_session`}}
	config.DBName, err = db.onServer(t, server, "MySQLdb",
		"install Debian's mariadb-server and python3-mysqldb packages, and set TEST_MYSQL_DSN to a database whose user can make others")
	if err != nil {
		return nil, err
	}
	if db.DB, err = sql.Open("mysql", config.FormatDSN()); err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(config.Addr, ":")
	db.settings = settings{
		"ENGINE": "django.db.backends.mysql", "NAME": config.DBName,
		"HOST": host, "PORT": port, "USER": config.User, "PASSWORD": config.Passwd,
	}
	return db, nil
}

// onServer makes a database of a random name, which drop removes.
func (d *database) onServer(t *testing.T, server *sql.DB, module, help string) (name string, err error) {
	name = "interop_" + strings.ToLower(rand.Text())
	err = exec.Command(pythonWithDjango(t), "-c", "import "+module).Run()
	if err != nil {
		err = fmt.Errorf("the python3 that has django can't import %s", module)
	} else {
		_, err = server.ExecContext(t.Context(), "CREATE DATABASE "+name)
	}
	if err != nil {
		server.Close()
		return "", &missing{fmt.Sprintf("%s (%v)", help, err)}
	}
	d.drop = func() {
		d.Close()
		// Django may not have noticed yet that its site has ended.
		if _, err := server.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			server.Exec("DROP DATABASE " + name)
		}
		server.Close()
	}
	return name, nil
}

// openNew opens a new, empty database of the same kind.
func (s *sharedSite) openNew(t *testing.T) *database {
	t.Helper()
	db, err := s.open(t, t.TempDir())
	skipIfMissing(t, err)
	require.NoError(t, err)
	t.Cleanup(db.drop)
	return db
}

// described returns what the database says of the table django_session, line by
// line.
func (d *database) described(t *testing.T) (lines []string) {
	t.Helper()
	for _, query := range d.describe {
		rows, err := d.QueryContext(t.Context(), query)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			pointers := make([]any, len(columns))
			for i := range values {
				pointers[i] = &values[i]
			}
			require.NoError(t, rows.Scan(pointers...))
			var line strings.Builder
			for i, column := range columns {
				if text, ok := values[i].([]byte); ok {
					values[i] = string(text)
				}
				fmt.Fprintf(&line, "%s: %v; ", column, values[i])
			}
			lines = append(lines, line.String())
		}
		require.NoError(t, rows.Err())
		rows.Close()
	}
	return lines
}
