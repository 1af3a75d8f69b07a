// Package redisrevoke keeps in Redis or Valkey which sessions were ended before they
// expired, for all processes of a site. It works with any store: sessions in cookies,
// or in a database.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379", ContextTimeoutEnabled: true})
//	ended, err := redisrevoke.New(client)
//	...
//	revocations := cookiestore.CachedRevocations(ended, 10*time.Second, 100_000)
//
// # What is kept
//
// One key for each session that was ended, for each user all of whose sessions were,
// and for all sessions. A key's name has a hash of the session ID or the user; its value
// is the time up to which sessions are ended, in Unix microseconds. Redis removes it an
// hour after the sessions would have expired. A million ended sessions take about 160 MB
// of Redis.
//
// A question is one round trip: three GETs in one pipeline. In a cluster the keys are in
// slots of their own, and go-redis asks their nodes at the same time. An ending is one
// round trip: a script, on one key, that moves times forward only. The commands are GET,
// SET, PTTL, EVALSHA and, where the server doesn't know the script yet, EVAL, the same in
// Redis from 6 on, and in Valkey. The tests run against a Redis 7.
//
// # What Redis can lose
//
// Whatever Redis forgets, the sessions that were ended are accepted again until they
// expire, and nobody is told. So Redis must not be set up as a cache:
//
//   - maxmemory-policy noeviction. With any other policy Redis, when it is full, drops
//     keys like these, since they have a time to live. With noeviction, ending a session
//     fails then, which the program learns.
//   - appendonly yes. Without persistence a restart forgets everything, and with
//     snapshots alone what was ended since the last one. With appendfsync everysec, the
//     default, a crash of the machine loses about a second; with always, nothing.
//   - A failover to a replica loses what the replica hadn't received yet: replication
//     doesn't wait. Questions must go to the primary: not ReadOnly, RouteByLatency or
//     RouteRandomly of go-redis.
//
// Where that isn't enough, use the revocations of package dbstore.
//
// # Timeouts
//
// A request waits for Redis as long as the client does: five seconds to connect and three
// for each read, up to four times. Set DialTimeout, ReadTimeout and MaxRetries to less,
// and ContextTimeoutEnabled, so that the request's own deadline counts, too. A connection
// that is refused is tried five times, 100 ms apart: set DialerRetries to 1, so that
// requests don't wait half a second for a Redis that isn't running.
package redisrevoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/cookiestore"
)

// Revocations are [cookiestore.Revocations] in Redis or Valkey. They are safe for
// concurrent use, by any number of processes.
type Revocations struct {
	client redis.Cmdable
	prefix string
	now    func() time.Time
}

var _ cookiestore.Revocations = (*Revocations)(nil)

// An Option is an option of [New].
type Option func(*Revocations)

// WithPrefix begins the names of all keys. Sites that share a Redis need different
// ones, and must not hold braces, which would put all keys of a cluster into one slot.
// Default: "cookiestore:revoked:".
func WithPrefix(prefix string) Option { return func(r *Revocations) { r.prefix = prefix } }

// WithClock replaces time.Now, for tests: it says how long a key is to live. Default:
// time.Now.
func WithClock(now func() time.Time) Option { return func(r *Revocations) { r.now = now } }

// New returns Revocations in the Redis of a client: a [redis.Client], a
// [redis.ClusterClient], a [redis.Ring] or any other that is a [redis.UniversalClient].
// It doesn't connect: a program can start before its Redis does.
func New(client redis.UniversalClient, options ...Option) (*Revocations, error) {
	r := &Revocations{client: client, prefix: "cookiestore:revoked:", now: time.Now}
	for _, option := range options {
		option(r)
	}
	switch {
	case isNil(client):
		return nil, errors.New("redisrevoke: the client is nil")
	case r.now == nil:
		return nil, errors.New("redisrevoke: the clock is nil")
	case strings.ContainsAny(r.prefix, "{}"):
		return nil, fmt.Errorf("redisrevoke: the prefix %q has braces, which would put all keys of a cluster into one slot", r.prefix)
	}
	return r, nil
}

// isNil reports whether a client is nil, or a nil pointer.
func isNil(client redis.UniversalClient) bool {
	if client == nil {
		return true
	}
	value := reflect.ValueOf(client)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

// The kinds of keys. What follows the prefix of the key for all sessions is its kind.
const (
	oneSession  = "s:"
	ofUser      = "u:"
	allSessions = "a"
)

// key names the key of a session or a user. Half of a SHA-256 is enough that nobody can
// find two that have the same.
func (r *Revocations) key(kind, text string) string {
	sum := sha256.Sum256([]byte(text))
	return r.prefix + kind + hex.EncodeToString(sum[:16])
}

// Revoked asks whether a session was ended.
func (r *Revocations) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	keys := []string{r.key(oneSession, s.ID), r.key(ofUser, s.User), r.prefix + allSessions}
	var answers [3]*redis.StringCmd
	_, pipelineErr := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			answers[i] = p.Get(ctx, key)
		}
		return nil
	})
	if errors.Is(pipelineErr, redis.Nil) {
		pipelineErr = nil
	}
	began := s.StartedAt.UnixMicro()
	var failure error
	for i, answer := range answers {
		upTo, err := parse(keys[i], answer, pipelineErr)
		switch {
		case err != nil:
			failure = err
		case began <= upTo:
			return true, nil // even if a node of a cluster is down
		}
	}
	return false, failure
}

// parse returns up to when the sessions of a key are ended. Each answer has its own error,
// but where the pipeline failed before it was sent, go-redis leaves the answers empty.
func parse(key string, answer *redis.StringCmd, pipelineErr error) (upTo int64, err error) {
	text, err := answer.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return math.MinInt64, nil // none are
	case err != nil:
		return 0, failed(err)
	case text == "" && pipelineErr != nil:
		return 0, failed(pipelineErr)
	}
	upTo, err = strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redisrevoke: the key %s doesn't hold a time: is the prefix in use for something else?", key)
	}
	return upTo, nil
}

// maxTime is a time that no session begins after. The script's numbers are float64, in
// which this is the last exact integer.
const maxTime = 1<<53 - 1

// Revoke ends a session.
func (r *Revocations) Revoke(ctx context.Context, id string, until time.Time) error {
	if id == "" {
		return errors.New("redisrevoke: no session can be ended: its ID is empty")
	}
	return r.end(ctx, r.key(oneSession, id), maxTime, until)
}

// RevokeUser ends the sessions of a user.
func (r *Revocations) RevokeUser(ctx context.Context, user string, upTo, until time.Time) error {
	if user == "" {
		return errors.New("redisrevoke: no sessions can be ended: the user is empty")
	}
	return r.end(ctx, r.key(ofUser, user), upTo.UnixMicro(), until)
}

// RevokeAll ends all sessions.
func (r *Revocations) RevokeAll(ctx context.Context, upTo, until time.Time) error {
	return r.end(ctx, r.prefix+allSessions, upTo.UnixMicro(), until)
}

// endScript sets a key to the later of two times, to live for the longer of two. A time
// to live of 0 is for good; PTTL is -1 for a key that lives for good, and -2 for none.
var endScript = redis.NewScript(`
local upTo, ttl = ARGV[1], tonumber(ARGV[2])
local old, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if old and tonumber(old) > tonumber(upTo) then upTo = old end
if left == -1 or ttl == 0 then
	redis.call('SET', KEYS[1], upTo)
else
	redis.call('SET', KEYS[1], upTo, 'PX', math.max(ttl, left))
end
return 1`)

// graceTime is how much longer than until a key lives; see [cookiestore.Revocations].
const graceTime = time.Hour

func (r *Revocations) end(ctx context.Context, key string, upTo int64, until time.Time) error {
	ttl := int64(0)
	if !until.IsZero() {
		if ttl = until.Add(graceTime).Sub(r.now()).Milliseconds(); ttl <= 0 {
			return nil // the sessions have expired
		}
	}
	if err := endScript.Run(ctx, r.client, []string{key}, min(max(upTo, -maxTime), maxTime), ttl).Err(); err != nil {
		return failed(err)
	}
	return nil
}

func failed(err error) error { return fmt.Errorf("redisrevoke: %w", err) }
