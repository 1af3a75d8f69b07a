package dbstore

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// newPgbouncer starts a pgbouncer in transaction mode before the tests' PostgreSQL: a
// transaction may run on another server connection than the one before.
func newPgbouncer(t *testing.T) (dsn string) {
	server, err := url.Parse(postgresDSN(t))
	require.NoError(t, err)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // where Debian has it
	bin, err := exec.LookPath("pgbouncer")
	needed(t, bin, err, "there is no pgbouncer: install it (apt-get install pgbouncer)")
	dir, port := serverDir(t, "postgres"), freePort(t)
	config := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `[databases]
* = host=%s port=%s user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
ignore_startup_parameters = extra_float_digits
`, server.Hostname(), cmp.Or(server.Port(), "5432"), server.User.Username(), port), 0o644))
	require.NoError(t, os.Chmod(dir, 0o755))
	command := notAsRoot(bin, config)
	running := exec.Command(command[0], command[1:]...)
	require.NoError(t, running.Start())
	t.Cleanup(func() {
		_ = running.Process.Kill()
		_ = running.Wait()
	})
	server.Host = fmt.Sprintf("127.0.0.1:%d", port)
	db := open(t, "pgx", server.String()+"&default_query_exec_mode=simple_protocol")
	require.Eventually(t, func() bool { return db.PingContext(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
	return server.String()
}

func TestPgbouncer(t *testing.T) {
	address := newPgbouncer(t)
	// cache_statement, pgx's default, needs pgbouncer 1.21 and its
	// max_prepared_statements; describe_exec fails with all.
	for _, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
		t.Run(mode, func(t *testing.T) {
			failed, err := useAll(t, open(t, "pgx", address+"&default_query_exec_mode="+mode))
			require.NoError(t, err)
			require.Zero(t, failed)
		})
	}
}

// useAll runs every statement of a store, from many connections at once, and returns
// how many requests failed.
func useAll(t *testing.T, db *sql.DB) (failed int64, err error) {
	const visitors = 8
	db.SetMaxOpenConns(visitors)
	db.SetMaxIdleConns(visitors)
	store, err := New(db, testKey, WithTable(fmt.Sprintf("session_%d", tables.Add(1))), WithTimeout(time.Minute))
	require.NoError(t, err)
	if err := store.CreateTable(t.Context()); err != nil {
		return 0, err
	}
	var failures atomic.Int64
	var all sync.WaitGroup
	for i := range visitors {
		all.Go(func() {
			cookie := ""
			for round := range 20 {
				resp := visit(t, store, cookie, func(s *cookiestore.Session) {
					s.Set("n", i*round)
					switch round % 7 {
					case 3:
						s.CycleKey()
					case 6:
						s.Flush()
					}
				})
				if resp.StatusCode != http.StatusOK {
					failures.Add(1)
				}
				for _, c := range resp.Cookies() {
					cookie = c.Value
				}
			}
		})
	}
	all.Wait()
	_, _, counted := store.Count(t.Context())
	err = errors.Join(store.ClearExpired(t.Context()), counted)
	for _, failure := range store.All(t.Context()) {
		err = errors.Join(err, failure)
	}
	return failures.Load(), err
}
