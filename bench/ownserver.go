package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/redisrevoke"
	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// An ownServer is a backend of the program's own, so that it can be killed. It forgets
// nothing: what was acknowledged is on the disk.
type ownServer struct {
	open    opener
	ping    func(context.Context) error
	command []string
	crash   syscall.Signal // ends it at once, with nothing tidied up
	dir     string
	running *exec.Cmd
}

// ownServers start one each, on a free port. Where the software is missing, the error is
// exec.ErrNotFound.
var ownServers = []struct {
	name  string
	start func(context.Context) (*ownServer, error)
}{
	{"PostgreSQL", newPostgresServer},
	{"MariaDB", newMariaDBServer},
	{"Redis", newRedisServer},
}

// newRedisServer starts a Redis.
func newRedisServer(ctx context.Context) (*ownServer, error) {
	program, err := program("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	s, port, err := newOwnServer("")
	if err != nil {
		return nil, err
	}
	logging.Disable() // each connection that fails while it is down
	connect := func() *redis.Client {
		return redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, PoolSize: connections, MaxRetries: -1,
			DialerRetries: 1, DialerRetryTimeout: time.Millisecond, DialTimeout: 2 * time.Second, ReadTimeout: time.Second, ContextTimeoutEnabled: true})
	}
	s.open = func(now func() time.Time) (cookiestore.Revocations, func() error, error) {
		client := connect()
		ended, err := redisrevoke.New(client, redisrevoke.WithClock(now))
		return ended, client.Close, err
	}
	s.ping = func(ctx context.Context) error {
		client := connect()
		defer client.Close()
		return client.Ping(ctx).Err()
	}
	s.command = []string{program, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always"}
	s.crash = syscall.SIGKILL
	return s.begin(ctx)
}

// newPostgresServer starts a PostgreSQL with its default settings.
func newPostgresServer(ctx context.Context) (*ownServer, error) {
	program, err := program("postgres", "postgresql", "/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, err
	}
	s, port, err := newOwnServer("postgres")
	if err != nil {
		return nil, err
	}
	var as []string
	if os.Getuid() == 0 { // as which it refuses to run
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	s.inDatabase(ctx, func() (*sql.DB, error) {
		return sql.Open("pgx", fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port))
	})
	data := filepath.Join(s.dir, "data")
	s.command = append(slices.Clone(as), program, "-D", data, "-p", port, "-k", s.dir, "-c", "listen_addresses=127.0.0.1")
	s.crash = syscall.SIGQUIT // SIGKILL leaves its children behind, for which the next start would have to wait
	return s.begin(ctx, append(as, filepath.Join(filepath.Dir(program), "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale")...)
}

// newMariaDBServer starts a MariaDB with its default settings.
func newMariaDBServer(ctx context.Context) (*ownServer, error) {
	program, err := program("mariadbd", "mariadb-server", "/usr/sbin/mariadbd")
	if err != nil {
		return nil, err
	}
	s, port, err := newOwnServer("mysql")
	if err != nil {
		return nil, err
	}
	s.inDatabase(ctx, func() (*sql.DB, error) {
		config, err := mysql.ParseDSN("root@tcp(127.0.0.1:" + port + ")/test?interpolateParams=true")
		if err != nil {
			return nil, err
		}
		config.Logger = &mysql.NopLogger{} // each connection that fails while it is down
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	})
	flags := []string{"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data")}
	if os.Getuid() == 0 { // as which it refuses to run
		flags = append(flags, "--user=mysql")
	}
	s.command = slices.Concat([]string{program}, flags, []string{"--socket=" + filepath.Join(s.dir, "socket"), "--bind-address=127.0.0.1", "--port=" + port})
	s.crash = syscall.SIGKILL
	return s.begin(ctx, append([]string{"mariadb-install-db", "--auth-root-authentication-method=normal"}, flags...)...)
}

// program finds a program in the PATH, or else where a pattern says, and the newest there.
func program(name, debian string, elsewhere ...string) (string, error) {
	path, err := exec.LookPath(name)
	for _, pattern := range elsewhere {
		if found, _ := filepath.Glob(pattern); err != nil && len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("a %s to start and to kill is needed (apt-get install %s): %w", name, debian, err)
	}
	return path, nil
}

// newOwnServer returns one with a folder that the account can write to, and a port.
func newOwnServer(account string) (*ownServer, string, error) {
	dir, err := os.MkdirTemp("", "own")
	if err != nil {
		return nil, "", err
	}
	s := &ownServer{dir: dir}
	if os.Getuid() == 0 && account != "" {
		var uid int
		owner, err := osuser.Lookup(account)
		if err == nil {
			uid, err = strconv.Atoi(owner.Uid)
		}
		if err == nil {
			err = os.Chown(dir, uid, -1)
		}
		if err != nil {
			s.end()
			return nil, "", err
		}
	}
	for {
		// Below those that the system gives to clients: they could take it while the server is down.
		port := strconv.Itoa(11_000 + rand.N(20_000))
		if free, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return s, port, free.Close()
		}
	}
}

// inDatabase has the server be a database.
func (s *ownServer) inDatabase(ctx context.Context, connect func() (*sql.DB, error)) {
	s.open = endedIn(ctx, connect)
	s.ping = func(ctx context.Context) error {
		db, err := connect()
		if err != nil {
			return err
		}
		defer db.Close()
		return db.PingContext(ctx)
	}
}

// begin runs a command that makes the server's files, if there is one, and starts it.
func (s *ownServer) begin(ctx context.Context, install ...string) (*ownServer, error) {
	var err error
	if len(install) > 0 {
		cmd := exec.CommandContext(ctx, install[0], install[1:]...)
		cmd.Dir = s.dir
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%s: %w: %.500s", filepath.Base(install[0]), err, out)
		}
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// start starts it and waits until it answers.
func (s *ownServer) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.running = cmd
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = s.ping(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		s.kill()
		said, _ := os.ReadFile(log.Name())
		return errors.Join(fmt.Errorf("%s does not answer: %w", filepath.Base(s.command[0]), err), fmt.Errorf("it says: %.1000s", said))
	}
	return nil
}

// kill ends it as a crash would.
func (s *ownServer) kill() {
	if s.running != nil {
		_ = s.running.Process.Signal(s.crash)
		_ = s.running.Wait()
		s.running = nil
	}
}

// end ends it for good.
func (s *ownServer) end() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}
