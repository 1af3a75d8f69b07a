package redisrevoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

func newRevocations(t testing.TB, client redis.UniversalClient, options ...Option) *Revocations {
	t.Helper()
	r, err := New(client, options...)
	require.NoError(t, err)
	return r
}

func (r *Revocations) requireRevoked(t testing.TB, want bool, s cookiestore.Identity) {
	t.Helper()
	revoked, err := r.Revoked(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, want, revoked, "%+v", s)
}

func TestRevocations(t *testing.T) {
	sessiontest.TestRevocations(t, func(t testing.TB, clock func() time.Time) cookiestore.Revocations {
		client, prefix := sharedRedis(t)
		return newRevocations(t, client, WithPrefix(prefix), WithClock(clock))
	})
}

func TestNewRefuses(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	for _, test := range []struct {
		name   string
		client redis.UniversalClient
		option Option
		want   string
	}{
		{"no client", nil, WithPrefix("x:"), "the client is nil"},
		{"no client of the type of one", (*redis.Client)(nil), WithPrefix("x:"), "the client is nil"},
		{"no client of a cluster", (*redis.ClusterClient)(nil), WithPrefix("x:"), "the client is nil"},
		{"no clock", client, WithClock(nil), "the clock is nil"},
		{"a prefix that puts all keys into one slot", client, WithPrefix("{x}"), "has braces"},
		{"half of such a prefix", client, WithPrefix("x}"), "has braces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.client, test.option)
			require.ErrorContains(t, err, test.want)
		})
	}
	r := newRevocations(t, client)
	require.Equal(t, "cookiestore:revoked:", r.prefix)
}

// Anyone who can read the keys learns no session ID.
func TestKeysHoldHashes(t *testing.T) {
	client, prefix := sharedRedis(t)
	r := newRevocations(t, client, WithPrefix(prefix))
	until := time.Now().Add(time.Hour)
	require.NoError(t, r.Revoke(t.Context(), "session one", until))
	require.NoError(t, r.RevokeUser(t.Context(), "user zoe", time.UnixMicro(1772366400123456), until))
	require.NoError(t, r.RevokeAll(t.Context(), time.UnixMicro(-5), until))
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])[:32]
	}
	want := map[string]string{
		prefix + "s:" + hash("session one"): "9007199254740991",
		prefix + "u:" + hash("user zoe"):    "1772366400123456",
		prefix + "a":                        "-5",
	}
	found, err := client.Keys(t.Context(), prefix+"*").Result()
	require.NoError(t, err)
	require.Len(t, found, len(want))
	for key, value := range want {
		require.Equal(t, value, client.Get(t.Context(), key).Val(), key)
	}
}

func TestKeysLiveAsLongAsTheSessions(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const forGood = -1 // as go-redis has it
	for _, test := range []struct {
		name  string
		until []time.Time
		want  time.Duration
	}{
		{"until an hour after the end", []time.Time{now.Add(24 * time.Hour)}, 25 * time.Hour},
		{"for the hour that is left", []time.Time{now.Add(-59 * time.Minute)}, time.Minute},
		{"until the later of two ends", []time.Time{now.Add(time.Hour), now.Add(24 * time.Hour)}, 25 * time.Hour},
		{"until the later of two ends that came first", []time.Time{now.Add(24 * time.Hour), now.Add(time.Hour)}, 25 * time.Hour},
		{"for good if the end is not known", []time.Time{{}}, forGood},
		{"for good after an end that was known", []time.Time{now, {}}, forGood},
		{"for good although there is an end, too", []time.Time{{}, now}, forGood},
		{"for centuries", []time.Time{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, 1<<63 - 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, prefix := sharedRedis(t)
			r := newRevocations(t, client, WithPrefix(prefix), WithClock(func() time.Time { return now }))
			for _, until := range test.until {
				require.NoError(t, r.Revoke(t.Context(), "one", until))
				require.NoError(t, r.RevokeUser(t.Context(), "zoe", now, until))
				require.NoError(t, r.RevokeAll(t.Context(), now, until))
			}
			keys, err := client.Keys(t.Context(), prefix+"*").Result()
			require.NoError(t, err)
			require.Len(t, keys, 3)
			for _, key := range keys {
				left := client.PTTL(t.Context(), key).Val()
				require.LessOrEqual(t, left, test.want)
				require.Greater(t, left, test.want-30*time.Second, "it was just set")
			}
		})
	}
	t.Run("not at all if the sessions have expired", func(t *testing.T) {
		client, prefix := sharedRedis(t)
		r := newRevocations(t, client, WithPrefix(prefix), WithClock(func() time.Time { return now }))
		require.NoError(t, r.Revoke(t.Context(), "one", now.Add(-time.Hour)))
		r.requireRevoked(t, false, cookiestore.Identity{ID: "one"})
	})
}

// A counter counts the round trips of a client.
type counter struct{ trips int }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.trips++
		return next(ctx, cmd)
	}
}
func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.trips++
		return next(ctx, cmds)
	}
}

func TestOneRoundTrip(t *testing.T) {
	client, prefix := sharedRedis(t)
	r := newRevocations(t, client, WithPrefix(prefix))
	require.NoError(t, r.Revoke(t.Context(), "one", time.Now())) // Redis knows the script now
	count := &counter{}
	client.AddHook(count)
	r.requireRevoked(t, true, cookiestore.Identity{ID: "one", User: "zoe", StartedAt: time.Now()})
	require.Equal(t, 1, count.trips)
	require.NoError(t, r.RevokeUser(t.Context(), "zoe", time.Now(), time.Now()))
	require.Equal(t, 2, count.trips)
}

func TestForeignValues(t *testing.T) {
	client, prefix := sharedRedis(t)
	r := newRevocations(t, client, WithPrefix(prefix))
	require.NoError(t, client.Set(t.Context(), prefix+"a", "yes", time.Minute).Err())
	_, err := r.Revoked(t.Context(), cookiestore.Identity{ID: "one"})
	require.ErrorContains(t, err, "doesn't hold a time")
	require.NoError(t, r.Revoke(t.Context(), "one", time.Now()))
	r.requireRevoked(t, true, cookiestore.Identity{ID: "one"})

	require.NoError(t, client.Del(t.Context(), prefix+"a").Err())
	require.NoError(t, client.LPush(t.Context(), prefix+"a", "yes").Err())
	_, err = r.Revoked(t.Context(), cookiestore.Identity{ID: "two"})
	require.ErrorContains(t, err, "redisrevoke: WRONGTYPE")
	require.ErrorContains(t, r.RevokeAll(t.Context(), time.Now(), time.Now()), "redisrevoke: WRONGTYPE")
}

func TestNoConnection(t *testing.T) {
	for name, retries := range map[string]int{"tried once": -1, "tried as often as go-redis does": 0} {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: retries})
			defer client.Close()
			r := newRevocations(t, client)
			_, asked := r.Revoked(t.Context(), cookiestore.Identity{ID: "one", User: "zoe", StartedAt: time.Now()})
			told := r.Revoke(t.Context(), "one", time.Now().Add(time.Hour))
			for _, err := range []error{asked, told} {
				require.ErrorContains(t, err, "connection refused")
				var network *net.OpError
				require.ErrorAs(t, err, &network)
			}
		})
	}
}

// A server that is gone after it has answered one of the three questions.
func TestConnectionIsLost(t *testing.T) {
	for name, answers := range map[string]string{"before all answers": "", "after the first": "$-1\r\n", "amid the second": "$-1\r\n$5\r\n12"} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go answerAndClose(conn, answers)
				}
			}()
			client := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: -1, Protocol: 2, DisableIdentity: true})
			defer client.Close()
			_, err = newRevocations(t, client).Revoked(t.Context(), cookiestore.Identity{ID: "one", User: "zoe", StartedAt: time.Now()})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "in use for something else")
		})
	}
}

// answerAndClose refuses what a client says of itself, and answers its first GETs.
func answerAndClose(conn net.Conn, answers string) {
	defer conn.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if strings.Contains(strings.ToLower(string(buffer[:n])), "\r\nget\r\n") {
			_, _ = conn.Write([]byte(answers))
			return
		}
		_, _ = conn.Write([]byte("-ERR unknown command\r\n"))
	}
}

// A user of Redis who may do what the package comment lists can do everything.
func TestCommands(t *testing.T) {
	source, err := os.ReadFile("redisrevoke.go")
	require.NoError(t, err)
	list := regexp.MustCompile(`The commands are ([^.(]+?), the same`).FindStringSubmatch(strings.ReplaceAll(string(source), "\n//", ""))
	require.NotNil(t, list)
	rules := []string{"on", "nopass", "~cookiestore:revoked:*", "-@all"}
	for _, command := range regexp.MustCompile(`[A-Z]+`).FindAllString(list[1], -1) {
		rules = append(rules, "+"+strings.ToLower(command))
	}
	s := newServer(t)
	s.start(t)
	require.NoError(t, s.client(t).ACLSetUser(t.Context(), "shop", rules...).Err())
	client := redis.NewClient(&redis.Options{Addr: s.address, Username: "shop", Password: "any", MaxRetries: -1})
	defer client.Close()
	r := newRevocations(t, client)
	now := time.Now()
	require.NoError(t, r.Revoke(t.Context(), "one", now.Add(time.Hour)), "the server doesn't know the script")
	require.NoError(t, r.RevokeUser(t.Context(), "zoe", now, now.Add(time.Hour)), "the server knows the script")
	r.requireRevoked(t, true, cookiestore.Identity{ID: "one", StartedAt: now})
	r.requireRevoked(t, false, cookiestore.Identity{ID: "two", User: "amy", StartedAt: now})
	require.Error(t, client.Keys(t.Context(), "*").Err(), "the rules apply")
}

func TestRequestThatIsGone(t *testing.T) {
	client, prefix := sharedRedis(t)
	r := newRevocations(t, client, WithPrefix(prefix))
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := r.Revoked(gone, cookiestore.Identity{ID: "one"})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, r.Revoke(gone, "one", time.Now()), context.Canceled)
}

func TestRedisStops(t *testing.T) {
	s := newServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s.start(t)
	r := newRevocations(t, s.client(t))
	now := time.Now()
	const keep = 10 * time.Second
	cached := func(options ...cookiestore.CacheOption) cookiestore.Revocations {
		options = append(options, cookiestore.WithCacheClock(func() time.Time { return now }), cookiestore.WithCacheLogger(slog.New(slog.DiscardHandler)))
		return cookiestore.CachedRevocations(r, keep, 100, options...)
	}
	modes := map[string]cookiestore.Revocations{
		"refuse": cached(),
		"stale":  cached(cookiestore.WithStaleAnswers(time.Minute)),
		"accept": cached(cookiestore.WithUnansweredAccepted()),
	}
	known := cookiestore.Identity{ID: "a secret ID", User: "zoe", StartedAt: now}
	ended := cookiestore.Identity{ID: "ended before", User: "zoe", StartedAt: now}
	require.NoError(t, r.Revoke(t.Context(), ended.ID, now.Add(time.Hour)))
	for mode, cached := range modes {
		for s, want := range map[cookiestore.Identity]bool{known: false, ended: true} {
			revoked, err := cached.Revoked(t.Context(), s)
			require.NoError(t, err, mode)
			require.Equal(t, want, revoked, mode)
		}
	}

	s.kill()
	require.ErrorContains(t, r.Revoke(t.Context(), "a secret ID", now.Add(time.Hour)), "redisrevoke: ")
	requireModes := func(what string, s cookiestore.Identity, accepting ...string) {
		t.Helper()
		for mode, cached := range modes {
			revoked, err := cached.Revoked(t.Context(), s)
			require.False(t, revoked, "%s, %s", what, mode)
			if strings.Contains(strings.Join(accepting, " "), mode) {
				require.NoError(t, err, "%s, %s", what, mode)
				continue
			}
			require.ErrorContains(t, err, "redisrevoke: ", "%s, %s", what, mode)
			require.NotContains(t, err.Error(), "a secret ID")
			require.NotContains(t, err.Error(), "zoe")
		}
	}
	requireModes("a known answer", known, "refuse", "stale", "accept")
	requireModes("an unknown session", cookiestore.Identity{ID: "new"}, "accept")
	now = now.Add(keep)
	requireModes("a stale answer", known, "stale", "accept")
	now = now.Add(time.Minute)
	requireModes("an answer that is too old", known, "accept")
	for mode, cached := range modes {
		revoked, err := cached.Revoked(t.Context(), ended)
		require.NoError(t, err, mode)
		require.True(t, revoked, "what was heard to be ended stays so: %s", mode)
	}

	s.start(t)
	now = now.Add(time.Minute)
	r.requireRevoked(t, true, ended) // it was in the append-only file
	require.NoError(t, r.Revoke(t.Context(), known.ID, now.Add(time.Hour)))
	for mode, cached := range modes {
		revoked, err := cached.Revoked(t.Context(), known)
		require.NoError(t, err, mode)
		require.True(t, revoked, mode)
	}
}

// The package comment says so.
func TestRedisWithoutPersistenceForgets(t *testing.T) {
	s := newServer(t)
	s.start(t)
	r := newRevocations(t, s.client(t))
	require.NoError(t, r.Revoke(t.Context(), "one", time.Now().Add(time.Hour)))
	r.requireRevoked(t, true, cookiestore.Identity{ID: "one"})
	s.kill()
	s.start(t)
	r.requireRevoked(t, false, cookiestore.Identity{ID: "one"})
	require.NoError(t, r.Revoke(t.Context(), "one", time.Now().Add(time.Hour)), "it has forgotten the script, too")
	r.requireRevoked(t, true, cookiestore.Identity{ID: "one"})
}

func TestRedisIsFull(t *testing.T) {
	fill := func(t *testing.T, policy string) (lost int, failure error) {
		s := newServer(t, "--maxmemory", "3mb", "--maxmemory-policy", policy)
		s.start(t)
		r := newRevocations(t, s.client(t))
		n := 0
		for ; n < 30_000 && failure == nil; n++ {
			failure = r.Revoke(t.Context(), strconv.Itoa(n), time.Now().Add(time.Hour))
		}
		for i := range n {
			revoked, err := r.Revoked(t.Context(), cookiestore.Identity{ID: strconv.Itoa(i)})
			require.NoError(t, err)
			if !revoked {
				lost++
			}
		}
		return lost, failure
	}
	t.Run("and drops nothing: the program learns that it can't end a session", func(t *testing.T) {
		lost, failure := fill(t, "noeviction")
		require.ErrorContains(t, failure, "redisrevoke: OOM")
		require.Equal(t, 1, lost, "the one that failed")
	})
	t.Run("and drops keys: sessions that were ended are accepted", func(t *testing.T) {
		lost, failure := fill(t, "volatile-ttl")
		require.NoError(t, failure)
		require.NotZero(t, lost)
	})
}

func TestCluster(t *testing.T) {
	nodes := []*server{
		newServer(t, "--cluster-enabled", "yes"),
		newServer(t, "--cluster-enabled", "yes"),
	}
	addresses := []string{}
	for i, n := range nodes {
		n.start(t)
		addresses = append(addresses, n.address)
		require.NoError(t, n.client(t).ClusterAddSlotsRange(t.Context(), i*8192, i*8192+8191).Err())
	}
	host, port, _ := strings.Cut(nodes[1].address, ":")
	require.NoError(t, nodes[0].client(t).ClusterMeet(t.Context(), host, port).Err())
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	t.Cleanup(func() { client.Close() })
	for _, n := range nodes {
		require.Eventually(t, func() bool {
			info := n.client(t).ClusterInfo(context.Background()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:2")
		}, time.Minute, 50*time.Millisecond)
	}
	sessiontest.TestRevocations(t, func(t testing.TB, clock func() time.Time) cookiestore.Revocations {
		return newRevocations(t, client, WithPrefix(fmt.Sprintf("test:%d:", prefixes.Add(1))), WithClock(clock))
	})

	t.Run("a node is down", func(t *testing.T) {
		r := newRevocations(t, client)
		down := 0
		for i := range 20 {
			require.NoError(t, r.Revoke(t.Context(), strconv.Itoa(i), time.Now().Add(time.Hour)))
		}
		nodes[1].kill()
		for i := range 20 {
			revoked, err := r.Revoked(t.Context(), cookiestore.Identity{ID: strconv.Itoa(i), User: "zoe", StartedAt: time.Now()})
			if err != nil {
				down++
				continue
			}
			require.True(t, revoked, "nobody takes a session for a good one")
		}
		require.NotZero(t, down)
	})
}
