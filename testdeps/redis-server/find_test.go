package redis

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"example.com/cookiestore/testdeps"
)

// find finds a server that answers, be it to say that it wants a password.
func find() error {
	address, err := url.Parse(cmp.Or(os.Getenv("BENCH_REDIS"), "redis://127.0.0.1:6379/0"))
	if err != nil {
		return fmt.Errorf("BENCH_REDIS: %w", err)
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address.Hostname(), cmp.Or(address.Port(), "6379")), 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer[0] != '+' && answer[0] != '-' {
		err = fmt.Errorf("%s is not a Redis server", address.Host)
	}
	return err
}

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
