package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/example/site/sitetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// startRedis starts a Redis that the test has for itself. Stop ends it as a crash would.
func startRedis(t *testing.T) (url string, stop func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "no redis-server: install Debian's redis-server package to run this test: %v", err)
	}
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", port)
	server := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	require.NoError(t, server.Start())
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}
	t.Cleanup(stop)
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	defer client.Close()
	require.Eventually(t, func() bool { return client.Ping(t.Context()).Err() == nil }, time.Minute, 10*time.Millisecond,
		"redis-server doesn't answer")
	return "redis://" + address, stop
}

func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(11_000 + rand.N(20_000)) // below those that the system gives to clients
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}

// bound is what /everywhere says of how long an instance may go on with a session that
// another one has ended.
const bound = 2 * time.Second

// TestInstancesAreOneSite has three instances with one key and one backend, and a visitor
// who signs out everywhere at one of them.
func TestInstancesAreOneSite(t *testing.T) {
	inDatabase := func(store string) func(t *testing.T) sitetest.Place {
		return func(t *testing.T) sitetest.Place {
			return at("cookie", newPlace(t, store).dsn).With("-revoke", "database")
		}
	}
	for _, test := range []struct {
		name  string
		place func(t *testing.T) sitetest.Place
	}{
		{"cookies, ended in SQLite", inDatabase("sqlite")},
		{"cookies, ended in PostgreSQL", inDatabase("postgres")},
		{"cookies, ended in MySQL", inDatabase("mysql")},
		{"cookies, ended in Redis", func(t *testing.T) sitetest.Place {
			url, _ := startRedis(t)
			return at("cookie", "").With("-revoke", url)
		}},
		{"rows, ended in the same database", func(t *testing.T) sitetest.Place {
			return newPlace(t, "sqlite").With("-revoke", "database")
		}},
		{"encrypted chunks, ended in Redis", func(t *testing.T) sitetest.Place {
			url, _ := startRedis(t)
			return at("cookie", "").With("-revoke", url, "-encrypt", "-chunks", "3")
		}},
	} {
		t.Run(test.name, func(t *testing.T) { instancesAreOneSite(t, test.place(t)) })
	}
}

func instancesAreOneSite(t *testing.T, on sitetest.Place) {
	first := on.Visit(t)
	instances := []*sitetest.Visitor{first, on.VisitAt(t, first.Clock), on.VisitAt(t, first.Clock)}
	// Three devices of each user, the nth of which signs in at the nth instance.
	devices := map[string][]*sitetest.Visitor{}
	for _, user := range []string{"Ada", "Grace"} {
		for _, instance := range instances {
			device := instance.Other()
			device.Post("/login", "user", user)
			devices[user] = append(devices[user], device)
		}
	}
	// statuses are those of each device's account at each instance, in order.
	statuses := func(user string) (all string) {
		for _, device := range devices[user] {
			for _, instance := range instances {
				all += fmt.Sprint(device.At(instance).Status("/account"), " ")
			}
		}
		return strings.TrimSpace(all)
	}
	in, out := strings.TrimSpace(strings.Repeat("200 ", 9)), strings.TrimSpace(strings.Repeat("401 ", 9))
	assert.Equal(t, in, statuses("Ada"), "one site")
	assert.Contains(t, first.Get("/everywhere"), "another one may go on with an ended session for up to 2 seconds.")

	first.Clock.Advance(bound / 2)
	stolen := make([]*sitetest.Visitor, len(instances))
	for i, instance := range instances {
		stolen[i] = instance.Other()
		stolen[i].SetCookie(devices["Ada"][0].Cookie())
	}
	leaving := devices["Ada"][0]
	assert.Contains(t, leaving.Post("/logout-everywhere"), "Signed out everywhere")
	assert.Equal(t, http.StatusUnauthorized, leaving.Status("/account"))
	assert.Equal(t, http.StatusUnauthorized, stolen[0].Status("/account"), "the instance that was told knows at once")
	assert.Equal(t, http.StatusUnauthorized, devices["Ada"][1].At(instances[0]).Status("/account"))
	assert.Equal(t, http.StatusOK, devices["Ada"][1].At(instances[1]).Status("/account"), "another one has asked just now")

	first.Clock.Advance(bound / 2)
	assert.Equal(t, out, statuses("Ada"), "what was asked before is too old by now")
	for _, thief := range stolen {
		assert.Equal(t, http.StatusUnauthorized, thief.Status("/account"))
	}
	assert.Equal(t, in, statuses("Grace"), "another user")

	first.Clock.Advance(time.Second)
	devices["Ada"][2].Post("/login", "user", "Ada")
	for _, instance := range instances {
		assert.Equal(t, http.StatusOK, devices["Ada"][2].At(instance).Status("/account"), "a login after that lasts")
	}
	first.Clock.Advance(24 * time.Hour)
	assert.Equal(t, http.StatusUnauthorized, stolen[0].Status("/account"), "for good")
}

func TestSessionsWaitForABackendThatIsDown(t *testing.T) {
	url, stop := startRedis(t)
	v := at("cookie", "").With("-revoke", url).Visit(t)
	v.Post("/login", "user", "Ada")
	assert.Equal(t, http.StatusOK, v.Status("/account"))
	stop()
	assert.Equal(t, http.StatusOK, v.Status("/account"), "the answer is known")
	assert.Equal(t, http.StatusInternalServerError, post(v, "/logout-everywhere"), "nothing is said to have ended")
	v.Clock.Advance(bound)
	status, _, body := v.Do(v.Request("GET", "/account", nil))
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.Equal(t, "The session could not be loaded or saved. Please try again.\n", body)
	assert.NotEmpty(t, v.Cookie(), "the visitor keeps it for later")
}

func post(v *sitetest.Visitor, path string) int {
	v.Helper()
	status, _, _ := v.Do(v.Request("POST", path, sitetest.Fields()))
	return status
}
