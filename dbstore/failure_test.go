package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A server is a database server that a test has for itself, so that it can stop
// it.
type server struct {
	driver, dsn string
	start, stop func(t *testing.T)
}

var servers = []struct {
	name string
	make func(t *testing.T) server
}{
	{"PostgreSQL", newPostgres},
	{"MariaDB", newMariaDB},
}

// notAsRoot returns a command that refuses to run as root: under root, it runs as
// postgres.
func notAsRoot(command ...string) []string {
	if os.Getuid() != 0 {
		return command
	}
	return append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, command...)
}

// newPostgres makes a PostgreSQL server, which doesn't run yet.
func newPostgres(t *testing.T) server {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if path, err := exec.LookPath("pg_ctl"); err == nil {
		found = append(found, path)
	}
	bin, err := "", errors.New("no pg_ctl")
	if len(found) > 0 {
		bin, err = filepath.Dir(found[len(found)-1]), nil
	}
	needed(t, bin, err, "there is no PostgreSQL server to start and stop: install it (apt-get install postgresql)")
	dir, port := serverDir(t, "postgres"), freePort(t)
	as := func(name string, args ...string) {
		t.Helper()
		run(t, notAsRoot(append([]string{filepath.Join(bin, name)}, args...)...)...)
	}
	data := filepath.Join(dir, "data")
	as("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
	control := func(args ...string) func(*testing.T) {
		return func(t *testing.T) { as("pg_ctl", append([]string{"-D", data, "-w"}, args...)...) }
	}
	return server{"pgx", fmt.Sprintf("postgres://postgres:not-to-be-told@127.0.0.1:%d/postgres?sslmode=disable", port),
		control("-o", fmt.Sprintf("-F -p %d -k %s -c listen_addresses=127.0.0.1", port, dir), "-l", filepath.Join(dir, "log"), "start"),
		control("-m", "immediate", "stop")}
}

// newMariaDB makes a MariaDB server, which doesn't run yet.
func newMariaDB(t *testing.T) server {
	path := os.Getenv("PATH") + ":/usr/sbin"
	t.Setenv("PATH", path)
	install, err := exec.LookPath("mariadb-install-db")
	needed(t, install, err, "there is no MariaDB server to start and stop: install it (apt-get install mariadb-server)")
	dir, port := serverDir(t, "mysql"), freePort(t)
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "socket")
	as := []string{}
	if os.Getuid() == 0 {
		as = append(as, "--user=mysql")
	}
	run(t, append([]string{install, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db"}, as...)...)
	var running *exec.Cmd
	s := server{driver: "mysql", dsn: fmt.Sprintf("root@tcp(127.0.0.1:%d)/mysql", port)}
	s.start = func(t *testing.T) {
		t.Helper()
		running = exec.Command("mariadbd", append([]string{"--no-defaults", "--datadir=" + data, "--socket=" + socket,
			"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--log-error=" + filepath.Join(dir, "log")}, as...)...)
		require.NoError(t, running.Start())
		db, err := sql.Open(s.driver, s.dsn)
		require.NoError(t, err)
		defer db.Close()
		require.Eventually(t, func() bool { return db.Ping() == nil }, time.Minute, 20*time.Millisecond)
	}
	s.stop = func(t *testing.T) {
		if running != nil {
			require.NoError(t, running.Process.Kill())
			_ = running.Wait()
			running = nil
		}
	}
	return s
}

// serverDir is a folder that the server's own user can write to. Its name is short,
// since that of a socket may be no longer than 107 bytes.
func serverDir(t *testing.T, account string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "db")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		owner, err := user.Lookup(account)
		require.NoError(t, err)
		uid, err := strconv.Atoi(owner.Uid)
		require.NoError(t, err)
		require.NoError(t, os.Chown(dir, uid, -1))
	}
	return dir
}

func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 11_000 + rand.N(20_000) // below those that the system gives to clients
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}

func run(t *testing.T, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = "/"
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a server keeps its output open
	if err := cmd.Run(); !errors.Is(err, exec.ErrWaitDelay) {
		require.NoError(t, err, out.String())
	}
}

// A database that is down is an error page, and the visitor keeps the cookie. When
// it is up again, so are the sessions.
func TestDatabaseStopsAndStarts(t *testing.T) {
	for _, test := range servers {
		t.Run(test.name, func(t *testing.T) {
			s := test.make(t)
			db := open(t, s.driver, s.dsn)
			store, err := New(db, testKey)
			require.NoError(t, err, "a program can start before its database")
			require.Error(t, store.CreateTable(t.Context()))

			s.start(t)
			t.Cleanup(func() { s.stop(t) })
			require.NoError(t, store.CreateTable(t.Context()))
			key := store.insert(t, `{"secret":"s3same"}`, time.Now(), time.Hour)

			s.stop(t)
			var failure error
			resp := visit(t, store, key, func(s *cookiestore.Session) {
				s.Set("b", 2)
				require.Error(t, s.Err(), "the handler can know")
			}, saveErrors(&failure))
			requireUnavailable(t, resp)
			require.ErrorContains(t, failure, "session can't be loaded: dbstore: ")
			requireDiscreet(t, failure, key, "s3same", string(testKey), "not-to-be-told")

			failure = nil
			resp = visit(t, store, "", func(s *cookiestore.Session) { s.Set("b", 2) }, saveErrors(&failure))
			requireUnavailable(t, resp)
			require.ErrorContains(t, failure, "session can't be saved: dbstore: ")

			s.start(t)
			resp = visit(t, store, key, func(s *cookiestore.Session) {
				require.Equal(t, "s3same", s.Get("secret"))
				s.Set("b", 2)
			})
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, key, resp.Cookies()[0].Value)

			// It goes away while a handler runs.
			resp = visit(t, store, key, func(session *cookiestore.Session) {
				session.Set("b", 3)
				s.stop(t)
			}, saveErrors(&failure))
			requireUnavailable(t, resp)
			require.ErrorContains(t, failure, "session can't be saved: dbstore: ")
			requireDiscreet(t, failure, key, "s3same", string(testKey), "not-to-be-told")
			resp = visit(t, store, key, (*cookiestore.Session).Flush, saveErrors(&failure))
			requireUnavailable(t, resp)

			s.start(t)
			visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 2, s.Get("b"), "nothing was changed") })
		})
	}
}

// requireUnavailable requires the error handler's answer and nothing else.
func requireUnavailable(t *testing.T, resp *http.Response) {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "try again later", string(body))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Empty(t, resp.Cookies(), "the visitor keeps the cookie")
}

// A cable is a TCP proxy to a server, that can be cut or go dead.
type cable struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	dead     bool
	cutReply bool
	to       string
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{listener: l, to: to}
	t.Cleanup(func() { l.Close(); c.cut() })
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", c.to)
			if err != nil {
				here.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, here, there)
			c.mu.Unlock()
			go c.carry(here, there, true)
			go c.carry(there, here, false)
		}
	}()
	return c
}

func (c *cable) carry(to, from net.Conn, isReply bool) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		dead, cut := c.dead, c.cutReply && isReply
		c.mu.Unlock()
		switch {
		case dead:
			continue // neither side learns of it
		case cut:
			c.setCutReply(false)
			c.cut()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// setCutReply has the cable cut when the server answers next: it has then done what
// it was asked to.
func (c *cable) setCutReply(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutReply = cut
}

func (c *cable) setDead(dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = dead
}

// throughCable returns a database behind a cable.
func throughCable(t *testing.T, d database) (*sql.DB, *cable) {
	t.Helper()
	if d.dialect == PostgreSQL {
		u, err := url.Parse(postgresDSN(t))
		require.NoError(t, err)
		c := newCable(t, u.Host)
		u.Host = c.listener.Addr().String()
		return open(t, "pgx", u.String()), c
	}
	config, err := mysql.ParseDSN(mysqlDSN(t))
	require.NoError(t, err)
	c := newCable(t, config.Addr)
	config.Net, config.Addr = "tcp", c.listener.Addr().String()
	return open(t, "mysql", config.FormatDSN()), c
}

func onEachServer(t *testing.T, test func(t *testing.T, d database)) {
	for _, d := range databases[1:] {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

// A connection that is cut in the middle of a request is replaced, and nobody notices.
func TestConnectionIsCut(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db, cable := throughCable(t, d)
		store := newStore(t, db)
		key := store.insert(t, `{"n":0}`, time.Now(), time.Hour)
		for n := range 10 {
			resp := visit(t, store, key, func(s *cookiestore.Session) {
				require.Equal(t, n, s.Get("n"))
				s.Set("n", n+1)
				cable.cut()
			})
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
	})
}

// Where the reply to a statement is lost, the statement is sent again, and has been
// carried out once in the end.
func TestReplyIsLost(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db, cable := throughCable(t, d)
		store := newStore(t, db)
		key := store.insert(t, `{"n":0}`, time.Now(), time.Hour)
		for n := range 5 {
			resp := visit(t, store, key, func(s *cookiestore.Session) {
				require.Equal(t, n, s.Get("n"))
				s.Set("n", n+1)
				cable.setCutReply(true)
			})
			require.Equal(t, http.StatusOK, resp.StatusCode)
			resp = visit(t, store, "", func(s *cookiestore.Session) { s.Set("n", 1); cable.setCutReply(true) })
			require.Equal(t, http.StatusOK, resp.StatusCode)
			begun := resp.Cookies()[0].Value
			resp = visit(t, store, begun, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")); s.CycleKey(); cable.setCutReply(true) })
			require.Equal(t, http.StatusOK, resp.StatusCode)
			visit(t, store, resp.Cookies()[0].Value, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")) })
			require.Equal(t, 2+n, store.count(t), "no session is made twice")
		}
		resp := visit(t, store, key, func(s *cookiestore.Session) { s.Get("n"); s.Clear(); cable.setCutReply(true) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, 5, store.count(t))
	})
}

// A database that has gone dead holds a request up for the timeout, or until its
// visitor has gone, and no longer.
func TestDatabaseGoesDead(t *testing.T) {
	onEachServer(t, func(t *testing.T, d database) {
		db, cable := throughCable(t, d)
		store := newStore(t, db)
		key := store.insert(t, `{"n":1}`, time.Now(), time.Hour)
		impatient, err := New(db, testKey, WithTable(store.table), WithTimeout(20*time.Millisecond))
		require.NoError(t, err)

		cable.setDead(true)
		var failure error
		resp := visit(t, impatient, key, func(s *cookiestore.Session) { s.Set("n", 2) }, saveErrors(&failure))
		requireUnavailable(t, resp)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
		require.ErrorContains(t, failure, "the database took over 20ms")
		requireDiscreet(t, failure, key, string(testKey))

		patient, err := New(db, testKey, WithTable(store.table), WithTimeout(0))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		resp = visitContext(ctx, patient, key, func(s *cookiestore.Session) { cancel(); s.Get("n") }, saveErrors(&failure))
		requireUnavailable(t, resp)
		require.ErrorIs(t, failure, context.Canceled)

		cable.setDead(false)
		cable.cut()
		visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")) })
	})
}

// A database that can't be written to serves those who only read.
func TestReadOnlyDatabase(t *testing.T) {
	readOnly := []database{
		{"SQLite", SQLite, func(t testing.TB) *sql.DB { return openSQLite(t) }},
		postgresWith("read-only", map[string]string{"default_transaction_read_only": "on"}),
		mysqlWith("read-only", map[string]string{"{tx}_read_only": "1"}, false),
	}
	for i, d := range readOnly {
		t.Run(d.name, func(t *testing.T) {
			db := databases[i].open(t)
			writable := newStore(t, db)
			key := writable.insert(t, `{"n":1}`, time.Now(), time.Hour)
			if d.dialect == SQLite {
				db.SetMaxOpenConns(1)
				_, err := db.ExecContext(t.Context(), "PRAGMA query_only = 1")
				require.NoError(t, err)
			} else {
				db = d.open(t)
			}
			store, err := New(db, testKey, WithTable(writable.table))
			require.NoError(t, err)

			require.NoError(t, store.CreateTable(t.Context()), "it is there, and a program can start")
			resp := visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")) })
			require.Equal(t, http.StatusOK, resp.StatusCode)
			for name, change := range map[string]func(s *cookiestore.Session){
				"changed": func(s *cookiestore.Session) { s.Set("n", 2) },
				"cycled":  (*cookiestore.Session).CycleKey,
				"cleared": (*cookiestore.Session).Clear,
				"flushed": (*cookiestore.Session).Flush,
				"begun":   func(s *cookiestore.Session) { s.Flush(); s.Set("n", 2) },
			} {
				var failure error
				resp := visit(t, store, key, change, saveErrors(&failure))
				requireUnavailable(t, resp)
				require.ErrorContains(t, failure, "dbstore: ", name)
				requireDiscreet(t, failure, key, string(testKey))
			}
			require.ErrorContains(t, store.ClearExpired(t.Context()), "dbstore: ")
			var failure error
			resp = visit(t, store, key, func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("n")) },
				saveErrors(&failure), cookiestore.WithSaveEveryRequest())
			require.Equal(t, http.StatusOK, resp.StatusCode, "a renewal that fails spoils no page")
			require.NoError(t, failure)
		})
	}
}

// What the table holds that is not a session is not taken for one.
func TestTablesOfAnotherShape(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		store := newStore(t, d.open(t))
		key := store.insert(t, `{"n":1}`, time.Now(), time.Hour)
		store.sql(t, "DROP TABLE {table}")
		var failure error
		resp := visit(t, store, key, func(s *cookiestore.Session) { s.Get("n") }, saveErrors(&failure))
		requireUnavailable(t, resp)
		require.ErrorContains(t, failure, "session_")
		store.sql(t, "CREATE TABLE {table} (session_key varchar(40))")
		require.Error(t, store.CreateTable(t.Context()), "it is not what Django makes, and can't be made so")
	})
}

func TestDateThatIsNone(t *testing.T) {
	store := newStore(t, openSQLite(t)) // the others hold nothing but times
	key := store.insert(t, `{"n":1}`, time.Now(), time.Hour)
	store.sql(t, "UPDATE {table} SET expire_date = 'soon'")
	_, err := store.Row(t.Context(), key)
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	require.ErrorContains(t, err, "expire_date")
}
