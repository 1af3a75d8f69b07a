package redisrevoke

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would tell of servers that tests have stopped
	os.Exit(m.Run())
}

// skipOrFail skips the test, for want of software; in CI, nothing may skip.
func skipOrFail(t testing.TB, missing string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

var prefixes atomic.Int64

// sharedRedis returns a client of the server that is there anyway, and a prefix of
// the test's own, whose keys are gone when it ends.
func sharedRedis(t testing.TB) (client *redis.Client, prefix string) {
	t.Helper()
	address := cmp.Or(os.Getenv("TEST_REDIS"), "redis://127.0.0.1:6379/0")
	options, err := redis.ParseURL(address)
	require.NoError(t, err, "TEST_REDIS is not the URL of a Redis")
	client = redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	if err := client.Ping(t.Context()).Err(); err != nil {
		skipOrFail(t, fmt.Sprintf("Redis can't be reached: install it (apt-get install redis-server) and set TEST_REDIS to its address, as in redis://127.0.0.1:6379/0 (%v)", err))
	}
	prefix = fmt.Sprintf("redisrevoke-test:%d:%d:", os.Getpid(), prefixes.Add(1))
	t.Cleanup(func() {
		ctx := context.Background()
		for keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator(); keys.Next(ctx); {
			client.Del(ctx, keys.Val())
		}
	})
	return client, prefix
}

// A server is a Redis that a test has for itself, so that it can stop it.
type server struct {
	address string
	args    []string
	running *exec.Cmd
}

// newServer returns a server that doesn't run yet, with arguments of the test's own.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		skipOrFail(t, "there is no redis-server to start and stop: install it (apt-get install redis-server)")
	}
	port := freePort(t)
	s := &server{address: "127.0.0.1:" + strconv.Itoa(port)}
	s.args = append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", t.TempDir(), "--save", ""}, args...)
	t.Cleanup(func() { s.kill() })
	return s
}

// freePort returns a port that is free, as is that of a cluster's bus, 10,000 above. Both are
// below those that the system hands out to whoever connects somewhere in the meantime.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 11_000 + rand.N(9_000)
		if isFree(port) && isFree(port+10_000) {
			return port
		}
	}
	require.Fail(t, "no port is free")
	return 0
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// start starts the server and waits until it answers.
func (s *server) start(t testing.TB) {
	t.Helper()
	var log strings.Builder
	s.running = exec.Command("redis-server", s.args...)
	s.running.Stdout, s.running.Stderr = &log, &log
	require.NoError(t, s.running.Start())
	client := s.client(t)
	require.Eventually(t, func() bool { return client.Ping(context.Background()).Err() == nil },
		time.Minute, 10*time.Millisecond, "redis-server doesn't answer: %s", &log)
}

// kill ends the server as a crash would.
func (s *server) kill() {
	if s.running != nil {
		_ = s.running.Process.Kill()
		_ = s.running.Wait()
		s.running = nil
	}
}

// client returns a client that doesn't try again for long.
func (s *server) client(t testing.TB) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1, DialTimeout: 5 * time.Second, ContextTimeoutEnabled: true})
	t.Cleanup(func() { c.Close() })
	return c
}
