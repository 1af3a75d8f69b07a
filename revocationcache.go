package cookiestore

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"
)

// A CacheOption is an option of [CachedRevocations].
type CacheOption func(*revocationCache)

// WithStaleAnswers accepts a session while the backend can't be asked, if less than d
// ago it answered that the session was not ended. Other sessions still get an error.
// Default: 0, so that all do.
func WithStaleAnswers(d time.Duration) CacheOption {
	return func(c *revocationCache) { c.stale = d }
}

// WithUnansweredAccepted accepts sessions while the backend can't be asked. The site
// stays up, and a session that was ended may be accepted until the backend answers
// again, unless this process has ended it, or has heard that it was ended. Default: off.
func WithUnansweredAccepted() CacheOption {
	return func(c *revocationCache) { c.acceptAll = true }
}

// WithCacheLogger sets where it is logged that sessions were accepted while the backend
// couldn't be asked: a warning with the reason, at most one in ten seconds. Default:
// slog.Default(), as it is at the time.
func WithCacheLogger(logger *slog.Logger) CacheOption {
	return func(c *revocationCache) { c.logger = logger }
}

// WithCacheClock replaces time.Now, for tests.
func WithCacheClock(now func() time.Time) CacheOption {
	return func(c *revocationCache) { c.now = now }
}

// CachedRevocations remembers the answers of r for d, for that many sessions at most
// (two at least). So a session costs one round trip in that time in each process, and
// none in between. Requests of one session that ask at the same time share one.
//
// What another process has ended is accepted here for d at most, counted from when
// the question was put. What this process has ended, through the Revocations returned,
// it knows at once.
//
// If the backend can't be asked, the request fails, unless [WithStaleAnswers] or
// [WithUnansweredAccepted] say otherwise. With one of these, after a question that
// failed, only one request a second asks for a session that may be accepted, until the
// backend answers: one that hangs doesn't hold up the others. How long those wait that
// ask is for the backend's own timeouts to say.
//
// A million sessions take about 170 MB (BenchmarkCachedRevocationsMemory measures it).
// It panics if r or an option is nil, or d or sessions is not positive.
func CachedRevocations(r Revocations, d time.Duration, sessions int, options ...CacheOption) Revocations {
	if isNil(r) || d <= 0 || sessions <= 0 {
		panic("cookiestore: CachedRevocations needs Revocations, and a positive time and number of sessions")
	}
	c := &revocationCache{
		inner:    r,
		keep:     d,
		half:     max(1, sessions/2),
		now:      time.Now,
		loggedAt: math.MinInt64 / 2,
		young:    map[string]answer{},
		asking:   map[string]*question{},
		users:    map[string]uint64{},
	}
	for _, option := range options {
		if option == nil {
			panic("cookiestore: an option of CachedRevocations is nil")
		}
		option(c)
	}
	c.start = c.now()
	return c
}

// A revocationCache keeps its answers in two generations. When the young one has half
// of all, the old one is dropped: bounded, with no list to keep in order.
//
// Times are durations since start, which a change of the machine's clock doesn't move.
type revocationCache struct {
	inner     Revocations
	keep      time.Duration
	stale     time.Duration
	acceptAll bool
	half      int // of the number of sessions
	now       func() time.Time
	start     time.Time
	logger    *slog.Logger // nil is slog.Default()

	mu         sync.Mutex
	young, old map[string]answer    // by session ID
	asking     map[string]*question // by session ID
	endings    uint64               // by this process, of the sessions of a user or of all
	users      map[string]uint64    // which of these was the last for a user
	all        uint64               // and for all

	failure  error         // of the last question, if it had no answer
	triedAt  time.Duration // when it was last tried, while there is a failure
	loggedAt time.Duration
	unlogged int // sessions accepted without an answer since
}

// An asOf says for when an answer is true. What this process has ended since makes it
// void.
type asOf struct {
	at      time.Duration
	endings uint64
	user    string // a session may be logged in later
}

type answer struct {
	asOf
	revoked bool
	anyUser bool // it was ended by its ID
}

// A question is a round trip under way. Its result is set when done is closed.
type question struct {
	asOf
	done      chan struct{}
	revoked   bool
	err       error
	abandoned bool // the request that asked ended first, or panicked
}

// retryPause is how long after a question that failed, or is under way, another one is
// put about a session that may be accepted without an answer.
const retryPause = time.Second

// logPause is the least time between two lines about that.
const logPause = 10 * time.Second

func (c *revocationCache) Revoked(ctx context.Context, s Identity) (bool, error) {
	if s.ID == "" { // there may be many such sessions
		revoked, err := c.inner.Revoked(ctx, s)
		if err != nil {
			return c.unanswered(ctx, s, err)
		}
		return revoked, nil
	}
	for {
		now := c.now().Sub(c.start)
		c.mu.Lock()
		known, ok := c.find(s)
		if ok && (known.revoked || now-known.at < c.keep) {
			c.mu.Unlock()
			return known.revoked, nil
		}
		if c.failure != nil && c.mayAccept(known, ok, now) {
			if err := c.failure; now-c.triedAt < retryPause {
				c.mu.Unlock()
				return c.unanswered(ctx, s, err)
			}
			c.triedAt = now // this one finds out whether it is back
		}
		q, isNew := c.join(s, now)
		c.mu.Unlock()
		if isNew {
			c.ask(ctx, s, q)
		} else {
			select {
			case <-q.done:
			case <-ctx.Done():
				return false, ctx.Err()
			}
			if q.abandoned {
				continue
			}
		}
		if q.err != nil {
			return c.unanswered(ctx, s, q.err)
		}
		return q.revoked, nil
	}
}

// find returns the last answer for a session, unless it is void. That a session was
// ended is never taken back.
func (c *revocationCache) find(s Identity) (answer, bool) {
	known, ok := c.young[s.ID]
	if !ok {
		known, ok = c.old[s.ID]
	}
	if ok && (known.anyUser || known.revoked && known.user == s.User || c.holds(&known.asOf, s.User)) {
		return known, true
	}
	return answer{}, false
}

// holds reports whether what was true as of then counts for a session of the user.
func (c *revocationCache) holds(then *asOf, user string) bool {
	return then.user == user && (then.endings == c.endings || then.endings >= c.all && then.endings >= c.users[user])
}

// mayAccept reports whether a session may be accepted while the backend can't be asked.
func (c *revocationCache) mayAccept(known answer, ok bool, now time.Duration) bool {
	return !known.revoked && (c.acceptAll || ok && now-known.at < c.stale)
}

// join returns the question under way about a session, or a new one. One that was put
// so long ago that its answer may be out of date, or before this process has ended the
// session, is not shared.
func (c *revocationCache) join(s Identity, now time.Duration) (q *question, isNew bool) {
	if q := c.asking[s.ID]; q != nil && c.holds(&q.asOf, s.User) && now-q.at < c.keep {
		return q, false
	}
	q = &question{asOf: asOf{now, c.endings, s.User}, done: make(chan struct{})}
	c.asking[s.ID] = q
	return q, true
}

// ask puts a question, and remembers the answer if the question still stands.
func (c *revocationCache) ask(ctx context.Context, s Identity, q *question) {
	q.abandoned = true // if it panics
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		stands := c.asking[s.ID] == q
		if stands {
			delete(c.asking, s.ID)
		}
		switch {
		case q.abandoned:
		case q.err != nil:
			c.failure, c.triedAt = q.err, c.now().Sub(c.start)
		default:
			c.failure = nil
			if stands {
				c.remember(s.ID, answer{asOf: q.asOf, revoked: q.revoked})
			}
		}
		close(q.done)
	}()
	q.revoked, q.err = c.inner.Revoked(ctx, s)
	q.abandoned = q.err != nil && ctx.Err() != nil
}

// remember keeps an answer, and copies of its texts: they may be parts of a cookie.
func (c *revocationCache) remember(id string, a answer) {
	if len(c.young) >= c.half {
		if _, known := c.young[id]; !known {
			c.old, c.young = c.young, map[string]answer{}
		}
	}
	a.user = strings.Clone(a.user)
	c.young[strings.Clone(id)] = a
}

// unanswered accepts the session if that is allowed, or returns the error.
func (c *revocationCache) unanswered(ctx context.Context, s Identity, err error) (bool, error) {
	now := c.now().Sub(c.start)
	c.mu.Lock()
	known, ok := c.find(s)
	accepted := ctx.Err() == nil && c.mayAccept(known, ok, now)
	count := 0
	if accepted {
		c.unlogged++
		if now-c.loggedAt >= logPause {
			count, c.unlogged, c.loggedAt = c.unlogged, 0, now
		}
	}
	c.mu.Unlock()
	if count > 0 {
		logger := c.logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.WarnContext(ctx, "revocations can't be asked, and sessions are accepted", "error", err, "times", count)
	}
	if known.revoked {
		return true, nil
	}
	if !accepted {
		return false, err
	}
	return false, nil
}

func (c *revocationCache) Revoke(ctx context.Context, id string, until time.Time) error {
	ended := false
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asking, id)
		if ended {
			c.remember(id, answer{revoked: true, anyUser: true})
		} else if known, _ := c.find(Identity{ID: id}); !known.anyUser {
			delete(c.young, id) // it may have been ended all the same
			delete(c.old, id)
		}
	}()
	err := c.inner.Revoke(ctx, id, until)
	ended = err == nil
	return err
}

func (c *revocationCache) RevokeUser(ctx context.Context, user string, upTo, until time.Time) error {
	defer c.endedUser(user)
	return c.inner.RevokeUser(ctx, user, upTo, until)
}

func (c *revocationCache) endedUser(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings++
	if len(c.users) >= 2*c.half {
		clear(c.users)
		c.all = c.endings
	}
	c.users[strings.Clone(user)] = c.endings
}

func (c *revocationCache) RevokeAll(ctx context.Context, upTo, until time.Time) error {
	defer c.endedAll()
	return c.inner.RevokeAll(ctx, upTo, until)
}

func (c *revocationCache) endedAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endings++
	c.all = c.endings
}
