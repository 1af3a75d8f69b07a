package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/redisrevoke"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// An opener connects an instance to where it is noted which sessions were ended.
type opener func(now func() time.Time) (r cookiestore.Revocations, closed func() error, err error)

// endedInDatabase returns the opener of a table, which it makes.
func endedInDatabase(ctx context.Context, db *database) opener {
	connect := map[*database]func() (*sql.DB, error){
		sqlite:   func() (*sql.DB, error) { return openSQLite("revocations.db") },
		postgres: openPostgres,
		mariadb:  func() (*sql.DB, error) { return openMySQL(schema) },
	}[db]
	return func(now func() time.Time) (cookiestore.Revocations, func() error, error) {
		pool, err := connect()
		if err != nil {
			return nil, nil, err
		}
		ended, err := dbstore.NewRevocations(pool, dbstore.WithClock(now))
		if err == nil {
			err = ended.CreateTable(ctx)
		}
		if err != nil {
			return nil, nil, errors.Join(err, pool.Close())
		}
		return ended, pool.Close, nil
	}
}

// A redisServer is a Redis of the program's own, so that it can be killed. It forgets
// nothing: what was acknowledged is on the disk.
type redisServer struct {
	address, dir string
	running      *exec.Cmd
}

// newRedisServer starts one on a free port.
func newRedisServer(ctx context.Context, dir string) (*redisServer, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	logging.Disable() // each connection that fails while it is down
	s := &redisServer{address: free.Addr().String(), dir: dir}
	free.Close()
	return s, s.start(ctx)
}

// start starts it and waits until it answers.
func (s *redisServer) start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	s.running = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	s.running.Stderr = os.Stderr
	if err := s.running.Start(); err != nil {
		s.running = nil
		return fmt.Errorf("a redis-server of its own is needed (apt-get install redis-server): %w", err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1})
	defer client.Close()
	for range 3000 {
		if err = client.Ping(ctx).Err(); err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		s.kill()
		return fmt.Errorf("redis-server does not answer: %w", err)
	}
	return nil
}

// kill ends it as a crash would.
func (s *redisServer) kill() {
	if s.running != nil {
		_ = s.running.Process.Kill()
		_ = s.running.Wait()
		s.running = nil
	}
}

// open is an opener.
func (s *redisServer) open(now func() time.Time) (cookiestore.Revocations, func() error, error) {
	client := redis.NewClient(&redis.Options{Addr: s.address, PoolSize: connections, MaxRetries: -1,
		DialerRetries: 1, DialerRetryTimeout: time.Millisecond, DialTimeout: 2 * time.Second, ReadTimeout: time.Second, ContextTimeoutEnabled: true})
	ended, err := redisrevoke.New(client, redisrevoke.WithClock(now))
	return ended, client.Close, err
}
