package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeWatch stands still but for its steps, which are twice as long as those asked for.
func fakeWatch() watch {
	var mu sync.Mutex
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	return watch{
		now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return at
		},
		step: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			at = at.Add(2 * d)
		},
	}
}

// quiet keeps what the demo logs of each refused cookie out of the test's output.
func quiet(t *testing.T) {
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(logger) })
}

// few are enough to see what must be, whatever it takes.
var few = throng{users: 8, jars: 2}

// requireOwn starts a server, or skips the test with a sentence that says which software
// is missing; where CI is set, it fails instead.
func requireOwn(t *testing.T, start func(context.Context) (*ownServer, error)) *ownServer {
	t.Helper()
	server, err := start(t.Context())
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(server.end)
	return server
}

func TestNoInstanceAcceptsAnEndedSessionPastTheBound(t *testing.T) {
	quiet(t)
	open := map[string]func(t *testing.T) opener{
		"Redis": func(t *testing.T) opener { return requireOwn(t, newRedisServer).open },
	}
	for _, db := range []*database{sqlite, postgres, mariadb} {
		open[db.name] = func(t *testing.T) opener {
			requireDatabase(t, db)
			return endedInDatabase(t.Context(), db)
		}
	}
	for name, open := range open {
		t.Run(name, func(t *testing.T) {
			row, err := measureEndings(t.Context(), fakeWatch(), 2*time.Second, open(t), few)
			require.NoError(t, err)
			require.Len(t, row.after, few.users/2*few.jars)
			require.Positive(t, row.others)
		})
	}
}

func TestABackendIsKilledAndStartedAgain(t *testing.T) {
	quiet(t)
	bound := 2 * time.Second
	for _, own := range ownServers {
		t.Run(own.name, func(t *testing.T) {
			server := requireOwn(t, own.start)
			watch := fakeWatch() // one for all modes, since the server keeps what was ended
			for _, mode := range downModes(bound) {
				t.Run(mode.name, func(t *testing.T) {
					o, err := measureOutage(t.Context(), watch, bound, server, mode, few)
					require.NoError(t, err)
					require.Positive(t, o.accepted, "what is known")
					require.Equal(t, mode.most != 0, o.failed > 0)
				})
			}
		})
	}
}

// The measuring must see what it is there to see.
func TestSessionsThatWorkPastTheBoundAreSeen(t *testing.T) {
	quiet(t)
	requireDatabase(t, sqlite)
	f, err := newFleet(fakeWatch(), time.Hour, endedInDatabase(t.Context(), sqlite))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.close()) })
	c, err := gather(t.Context(), f, few.users, few.jars)
	require.NoError(t, err)
	var all tally
	require.NoError(t, c.wait(t.Context(), time.Second, &all))
	leaving := c.users[:1]
	require.NoError(t, c.leave(t.Context(), leaving))
	for range 4 { // which instance gets a request is chance
		require.NoError(t, c.wait(t.Context(), 30*time.Second, &all))
	}
	require.False(t, refusedEverywhere(leaving))
	require.ErrorContains(t, within(honoured(leaving), 2*time.Second), "a session that was ended worked for")

	c.users[1].jars[0].cookie = leaving[0].jars[0].cookie
	c.step(time.Hour)
	require.ErrorContains(t, c.sweep(t.Context(), &all), "user1 has not logged out, and was refused")
}
