package cookiestore_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

func TestCachedRevocations(t *testing.T) {
	for name, sessions := range map[string]int{"with room": 1000, "with no room": 1} {
		t.Run(name, func(t *testing.T) {
			sessiontest.TestRevocations(t, func(_ testing.TB, clock func() time.Time) cookiestore.Revocations {
				r := cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(clock))
				return cookiestore.CachedRevocations(r, time.Minute, sessions, cookiestore.WithCacheClock(clock))
			})
		})
	}
}

// A backend is what other processes share with this one. It can be made to fail.
type backend struct {
	cookiestore.Revocations

	mu    sync.Mutex
	asked int
	err   error
	hook  func(ctx context.Context) // runs before an answer is looked up
	late  func()                    // and after it was
}

func newBackend() *backend { return &backend{Revocations: cookiestore.NewMemoryRevocations()} }

func (b *backend) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	b.mu.Lock()
	b.asked++
	err, hook, late := b.err, b.hook, b.late
	b.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return false, err
	}
	revoked, err := b.Revocations.Revoked(ctx, s)
	if late != nil {
		late()
	}
	return revoked, err
}

func (b *backend) Revoke(ctx context.Context, id string, until time.Time) error {
	_ = b.Revocations.Revoke(ctx, id, until) // although it says that it failed
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *backend) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *backend) set(hook func(context.Context), late func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook, b.late = hook, late
}

var errBackendDown = errors.New("connection refused")

// A cacheTest has two processes' caches of one backend; the test is at the first one.
type cacheTest struct {
	*backend
	here, other cookiestore.Revocations
	now         time.Time
	until       time.Time
	log         bytes.Buffer
}

const keep = 10 * time.Second

func newCacheTest(sessions int, options ...cookiestore.CacheOption) *cacheTest {
	c := &cacheTest{backend: newBackend(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	c.until = time.Now().Add(time.Hour)
	options = append([]cookiestore.CacheOption{
		cookiestore.WithCacheClock(func() time.Time { return c.now }),
		cookiestore.WithCacheLogger(slog.New(slog.NewTextHandler(&c.log, nil))),
	}, options...)
	c.here = cookiestore.CachedRevocations(c.backend, keep, sessions, options...)
	c.other = cookiestore.CachedRevocations(c.backend.Revocations, keep, sessions, options...)
	return c
}

func (c *cacheTest) wait(d time.Duration) { c.now = c.now.Add(d) }

var (
	zoe = cookiestore.Identity{ID: "zoe's phone", User: "zoe", StartedAt: time.Unix(1000, 0)}
	pad = cookiestore.Identity{ID: "zoe's pad", User: "zoe", StartedAt: time.Unix(2000, 0)}
	tom = cookiestore.Identity{ID: "tom's phone", User: "tom", StartedAt: time.Unix(1000, 0)}
)

// requireAsked requires that a session is found ended or not, with so many questions.
func (c *cacheTest) requireAsked(t *testing.T, questions int, revoked bool, s cookiestore.Identity) {
	t.Helper()
	before := c.asked
	got, err := c.here.Revoked(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, revoked, got)
	require.Equal(t, questions, c.asked-before, "questions")
}

func TestCachedRevocationsAskOnceInATime(t *testing.T) {
	c := newCacheTest(100)
	c.requireAsked(t, 1, false, zoe)
	c.requireAsked(t, 0, false, zoe)
	c.requireAsked(t, 1, false, tom)
	c.wait(keep - 1)
	c.requireAsked(t, 0, false, zoe)
	require.NoError(t, c.other.Revoke(t.Context(), zoe.ID, c.until))
	c.requireAsked(t, 0, false, zoe) // nobody has told this process
	c.wait(1)
	c.requireAsked(t, 1, true, zoe)
	c.wait(1000 * keep)
	c.requireAsked(t, 0, true, zoe) // which is never taken back
	c.requireAsked(t, 1, false, tom)
}

func TestCachedRevocationsAskAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		s    cookiestore.Identity
	}{
		{"when somebody has logged in", cookiestore.Identity{ID: zoe.ID, User: "tom", StartedAt: zoe.StartedAt}},
		{"when somebody has logged out", cookiestore.Identity{ID: zoe.ID, StartedAt: zoe.StartedAt}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCacheTest(100)
			c.requireAsked(t, 1, false, zoe)
			c.requireAsked(t, 1, false, test.s)
			c.requireAsked(t, 0, false, test.s)
		})
	}
	t.Run("about each session without an ID", func(t *testing.T) {
		c := newCacheTest(100)
		require.NoError(t, c.RevokeUser(t.Context(), "zoe", time.Unix(1000, 0), c.until))
		c.requireAsked(t, 1, false, cookiestore.Identity{User: "zoe", StartedAt: time.Unix(2000, 0)})
		c.requireAsked(t, 1, true, cookiestore.Identity{User: "zoe", StartedAt: time.Unix(1000, 0)})
		c.requireAsked(t, 1, false, cookiestore.Identity{User: "zoe", StartedAt: time.Unix(2000, 0)})
	})
}

func TestCachedRevocationsKnowAtOnceWhatEndsHere(t *testing.T) {
	t.Run("a session", func(t *testing.T) {
		c := newCacheTest(100)
		c.requireAsked(t, 1, false, zoe)
		c.requireAsked(t, 1, false, tom)
		require.NoError(t, c.here.Revoke(t.Context(), zoe.ID, c.until))
		c.requireAsked(t, 0, true, zoe)
		c.requireAsked(t, 0, false, tom)
	})
	t.Run("a session though the backend says that it failed", func(t *testing.T) {
		c := newCacheTest(100)
		c.requireAsked(t, 1, false, zoe)
		c.fail(errBackendDown)
		require.ErrorIs(t, c.here.Revoke(t.Context(), zoe.ID, c.until), errBackendDown)
		c.fail(nil)
		c.requireAsked(t, 1, true, zoe)
	})
	t.Run("a session of the old generation though the backend says that it failed", func(t *testing.T) {
		c := newCacheTest(2)
		c.requireAsked(t, 1, false, zoe)
		c.requireAsked(t, 1, false, tom)
		c.requireAsked(t, 0, false, zoe)
		c.fail(errDown)
		require.ErrorIs(t, c.here.Revoke(t.Context(), zoe.ID, c.until), errDown)
		c.fail(nil)
		c.requireAsked(t, 1, true, zoe)
	})
	t.Run("a session that is ended a second time, when that fails", func(t *testing.T) {
		c := newCacheTest(100)
		require.NoError(t, c.here.Revoke(t.Context(), zoe.ID, c.until))
		c.fail(errBackendDown)
		require.ErrorIs(t, c.here.Revoke(t.Context(), zoe.ID, c.until), errBackendDown)
		c.requireAsked(t, 0, true, zoe)
	})
	t.Run("a user's sessions", func(t *testing.T) {
		c := newCacheTest(100)
		c.requireAsked(t, 1, false, zoe)
		c.requireAsked(t, 1, false, pad)
		c.requireAsked(t, 1, false, tom)
		require.NoError(t, c.here.RevokeUser(t.Context(), "zoe", zoe.StartedAt, c.until))
		c.requireAsked(t, 1, true, zoe)
		c.requireAsked(t, 1, false, pad)
		c.requireAsked(t, 0, false, pad)
		c.requireAsked(t, 0, false, tom)
	})
	t.Run("the sessions of more users than there is room for", func(t *testing.T) {
		c := newCacheTest(4)
		c.requireAsked(t, 1, false, zoe)
		require.NoError(t, c.here.RevokeUser(t.Context(), "zoe", zoe.StartedAt, c.until))
		for i := range 10 {
			require.NoError(t, c.here.RevokeUser(t.Context(), strconv.Itoa(i), zoe.StartedAt, c.until))
		}
		c.requireAsked(t, 1, true, zoe)
	})
	t.Run("all sessions", func(t *testing.T) {
		c := newCacheTest(100)
		require.NoError(t, c.here.RevokeUser(t.Context(), "tom", time.Unix(1, 0), c.until))
		c.requireAsked(t, 1, false, zoe)
		c.requireAsked(t, 1, false, pad)
		require.NoError(t, c.here.RevokeAll(t.Context(), zoe.StartedAt, c.until))
		c.requireAsked(t, 1, true, zoe)
		c.requireAsked(t, 1, false, pad)
		c.requireAsked(t, 0, false, pad)
	})
}

// An answer on its way says what was true when it was looked up.
func TestCachedRevocationsDistrustAnswersFromBeforeAnEnding(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *cacheTest) error
	}{
		{"of the session", func(c *cacheTest) error { return c.here.Revoke(context.Background(), zoe.ID, c.until) }},
		{"of the user's sessions", func(c *cacheTest) error {
			return c.here.RevokeUser(context.Background(), "zoe", zoe.StartedAt, c.until)
		}},
		{"of all sessions", func(c *cacheTest) error { return c.here.RevokeAll(context.Background(), zoe.StartedAt, c.until) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCacheTest(100)
			ended := false
			c.set(nil, func() {
				c.set(nil, nil)
				require.NoError(t, test.end(c))
				ended = true
				// Another request, while the first one still waits for its answer.
				revoked, err := c.here.Revoked(t.Context(), zoe)
				require.NoError(t, err)
				require.True(t, revoked)
			})
			revoked, err := c.here.Revoked(t.Context(), zoe)
			require.NoError(t, err)
			require.False(t, revoked, "it came before the ending")
			require.True(t, ended)
			revoked, err = c.here.Revoked(t.Context(), zoe)
			require.NoError(t, err)
			require.True(t, revoked)
		})
	}
}

func TestCachedRevocationsCountFromTheQuestion(t *testing.T) {
	c := newCacheTest(100)
	c.set(nil, func() { c.wait(keep - time.Second) })
	c.requireAsked(t, 1, false, zoe)
	c.set(nil, nil)
	require.NoError(t, c.other.Revoke(t.Context(), zoe.ID, c.until))
	c.wait(time.Second)
	c.requireAsked(t, 1, true, zoe)
}

func TestCachedRevocationsShareOnlyFreshQuestions(t *testing.T) {
	c := newCacheTest(100)
	c.set(nil, func() { // the first answer takes longer than answers count
		c.set(nil, nil)
		require.NoError(t, c.other.Revoke(t.Context(), zoe.ID, c.until))
		c.wait(keep)
		c.requireAsked(t, 1, true, zoe)
	})
	_, err := c.here.Revoked(t.Context(), zoe)
	require.NoError(t, err)
	c.requireAsked(t, 0, true, zoe) // the first answer didn't replace the second
}

func TestCachedRevocationsKeepTheLaterOfTwoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCacheTest(100)
		ask := func() (answer chan struct{}, done chan error) {
			answer, done = make(chan struct{}), make(chan error)
			c.set(func(context.Context) { <-answer }, nil)
			go func() {
				_, err := c.here.Revoked(t.Context(), zoe)
				done <- err
			}()
			synctest.Wait()
			return answer, done
		}
		first, firstDone := ask()
		c.wait(keep)
		second, secondDone := ask()
		close(first)
		require.NoError(t, <-firstDone)
		close(second)
		require.NoError(t, <-secondDone)
		require.Equal(t, 2, c.asked)
		c.wait(keep - 1)
		c.requireAsked(t, 0, false, zoe)
	})
}

func TestCachedRevocationsShareARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCacheTest(100)
		answer := make(chan struct{})
		c.set(func(context.Context) { <-answer }, nil)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				revoked, err := c.here.Revoked(t.Context(), zoe)
				assert.NoError(t, err)
				assert.False(t, revoked)
			})
		}
		synctest.Wait()
		wg.Go(func() { // not one for another user
			_, err := c.here.Revoked(t.Context(), cookiestore.Identity{ID: zoe.ID, User: "tom"})
			assert.NoError(t, err)
		})
		synctest.Wait()
		close(answer)
		wg.Wait()
		require.Equal(t, 2, c.asked)
	})
}

func TestCachedRevocationsWaitNoLongerThanTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCacheTest(100, cookiestore.WithUnansweredAccepted())
		answer := make(chan struct{})
		c.set(func(ctx context.Context) {
			select {
			case <-answer:
			case <-ctx.Done():
			}
		}, nil)
		request := func() (cancel func(), result chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			result = make(chan error, 1)
			go func() {
				_, err := c.here.Revoked(ctx, zoe)
				result <- err
			}()
			synctest.Wait()
			return cancel, result
		}
		leaveFirst, first := request()
		leaveSecond, second := request()
		leaveThird, third := request()
		leaveSecond()
		require.ErrorIs(t, <-second, context.Canceled, "it waits for another request's answer")
		leaveFirst()
		require.ErrorIs(t, <-first, context.Canceled, "it asks")
		synctest.Wait()
		require.Equal(t, 2, c.asked, "the third asks in its place")
		close(answer)
		require.NoError(t, <-third)
		leaveThird()
		c.requireAsked(t, 0, false, zoe)
		require.Empty(t, c.log.String())
	})
}

func TestCachedRevocationsSurviveAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCacheTest(100)
		goOn := make(chan struct{})
		c.set(func(context.Context) { <-goOn; panic("the backend panicked") }, nil)
		panicked := make(chan any, 2)
		for range 2 {
			go func() {
				defer func() { panicked <- recover() }()
				_, _ = c.here.Revoked(t.Context(), zoe)
			}()
		}
		synctest.Wait()
		close(goOn)
		require.Equal(t, "the backend panicked", <-panicked)
		require.Equal(t, "the backend panicked", <-panicked, "each request has its own")
		c.set(nil, nil)
		c.requireAsked(t, 1, false, zoe)
		c.requireAsked(t, 0, false, zoe)
	})
}

func TestCachedRevocationsPanicsWhileEnding(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *cacheTest)
	}{
		{"a session", func(c *cacheTest) { _ = c.here.Revoke(context.Background(), zoe.ID, c.until) }},
		{"a user's sessions", func(c *cacheTest) { _ = c.here.RevokeUser(context.Background(), "zoe", c.now, c.until) }},
		{"all sessions", func(c *cacheTest) { _ = c.here.RevokeAll(context.Background(), c.now, c.until) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCacheTest(100)
			c.requireAsked(t, 1, false, zoe)
			memory := c.Revocations
			c.Revocations = nil
			require.Panics(t, func() { test.end(c) })
			c.Revocations = memory
			c.requireAsked(t, 1, false, zoe) // it may have been ended before the panic
		})
	}
}

func TestCachedRevocationsBoundTheirMemory(t *testing.T) {
	c := newCacheTest(100)
	for i := range 1000 {
		c.requireAsked(t, 1, false, cookiestore.Identity{ID: strconv.Itoa(i)})
	}
	before := c.asked
	for i := range 1000 {
		_, err := c.here.Revoked(t.Context(), cookiestore.Identity{ID: strconv.Itoa(999 - i)})
		require.NoError(t, err)
		if c.asked > before {
			require.GreaterOrEqual(t, i, 50, "half of all are known at any time")
			require.LessOrEqual(t, i, 100)
			return
		}
	}
	t.Fatal("all are known")
}

// The text of an ID is a part of a cookie, which must not stay in memory with it.
func TestCachedRevocationsKeepNoCookies(t *testing.T) {
	c := newCacheTest(1000)
	const cookieSize = 1 << 20
	before := heapInUse()
	for i := range 32 {
		cookie := strings.Repeat(strconv.Itoa(i%10), cookieSize) + strconv.Itoa(i)
		id, user := cookie[cookieSize:], cookie[cookieSize-1:]
		c.requireAsked(t, 1, false, cookiestore.Identity{ID: id, User: user})
		require.NoError(t, c.here.RevokeUser(t.Context(), user, time.Unix(1, 0), c.until))
		require.NoError(t, c.here.Revoke(t.Context(), id+"!", c.until))
	}
	after := heapInUse()
	require.Less(t, int64(after)-int64(before), int64(8*cookieSize))
	runtime.KeepAlive(c)
}

func TestCachedRevocationsWhenTheBackendIsDown(t *testing.T) {
	stale := cookiestore.WithStaleAnswers(time.Minute)
	accept := cookiestore.WithUnansweredAccepted()
	for _, test := range []struct {
		name    string
		options []cookiestore.CacheOption
		after   time.Duration // since the backend was asked about zoe

		known, unknown, noID bool // are accepted
	}{
		{"a known answer counts for its time", nil, keep - 1, true, false, false},
		{"then the request fails", nil, keep, false, false, false},
		{"a stale answer counts for its time", []cookiestore.CacheOption{stale}, time.Minute - 1, true, false, false},
		{"then the request fails with stale answers, too", []cookiestore.CacheOption{stale}, time.Minute, false, false, false},
		{"all are accepted where that was said", []cookiestore.CacheOption{accept}, time.Hour, true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCacheTest(100, test.options...)
			c.requireAsked(t, 1, false, zoe)
			require.NoError(t, c.here.Revoke(t.Context(), "ended here", c.until))
			require.NoError(t, c.other.Revoke(t.Context(), "ended elsewhere", c.until))
			c.requireAsked(t, 1, true, cookiestore.Identity{ID: "ended elsewhere"})
			c.wait(test.after)
			c.fail(errBackendDown)
			for s, accepted := range map[cookiestore.Identity]bool{zoe: test.known, tom: test.unknown, {User: "zoe"}: test.noID} {
				revoked, err := c.here.Revoked(t.Context(), s)
				require.False(t, revoked)
				if accepted {
					require.NoError(t, err, "%v", s)
				} else {
					require.ErrorIs(t, err, errBackendDown, "%v", s)
				}
			}
			c.requireAsked(t, 0, true, cookiestore.Identity{ID: "ended here"})
			c.requireAsked(t, 0, true, cookiestore.Identity{ID: "ended elsewhere"})
			if logged := c.log.String(); len(test.options) > 0 && (test.known || test.unknown) {
				require.Equal(t, 1, strings.Count(logged, "level=WARN"), logged)
				require.Contains(t, logged, errBackendDown.Error())
				require.NotContains(t, logged, "zoe")
			} else {
				require.Empty(t, logged)
			}

			c.fail(nil)
			c.wait(time.Second)
			c.requireAsked(t, 1, false, tom)
			require.NoError(t, c.other.Revoke(t.Context(), zoe.ID, c.until))
			c.wait(keep)
			c.requireAsked(t, 1, true, zoe)
		})
	}
}

func TestCachedRevocationsAcceptNoStaleAnswerFromBeforeAnEnding(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(c *cacheTest) error
	}{
		{"of the session", func(c *cacheTest) error { return c.here.Revoke(context.Background(), zoe.ID, c.until) }},
		{"of the user's sessions", func(c *cacheTest) error { return c.here.RevokeUser(context.Background(), "zoe", c.now, c.until) }},
		{"of all sessions", func(c *cacheTest) error { return c.here.RevokeAll(context.Background(), c.now, c.until) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCacheTest(100, cookiestore.WithStaleAnswers(time.Hour))
			c.requireAsked(t, 1, false, zoe)
			require.NoError(t, test.end(c))
			c.fail(errBackendDown)
			revoked, err := c.here.Revoked(t.Context(), zoe)
			require.True(t, revoked || err != nil)
		})
	}
}

func TestCachedRevocationsLeaveABackendThatIsDownAlone(t *testing.T) {
	c := newCacheTest(100, cookiestore.WithStaleAnswers(time.Hour))
	c.requireAsked(t, 1, false, zoe)
	c.requireAsked(t, 1, false, pad)
	c.wait(keep)
	c.fail(errBackendDown)
	c.requireAsked(t, 1, false, zoe)
	c.wait(time.Second - 1)
	c.requireAsked(t, 0, false, zoe)
	c.requireAsked(t, 0, false, pad)
	before := c.asked
	_, err := c.here.Revoked(t.Context(), tom) // it needs an answer
	require.ErrorIs(t, err, errBackendDown)
	require.Equal(t, before+1, c.asked)
	c.wait(time.Second)
	c.set(func(context.Context) { // one request waits, and the others don't
		c.set(nil, nil)
		c.requireAsked(t, 0, false, zoe)
		c.requireAsked(t, 0, false, pad)
		c.wait(time.Second - 1)
		c.requireAsked(t, 0, false, pad)
		c.wait(1)
		c.requireAsked(t, 1, false, pad)
	}, nil)
	_, err = c.here.Revoked(t.Context(), zoe)
	require.NoError(t, err)
	c.wait(time.Second)
	c.fail(nil)
	c.requireAsked(t, 1, false, zoe)
	c.requireAsked(t, 1, false, pad)

	c.wait(keep)
	c.fail(errBackendDown)
	c.requireAsked(t, 1, false, zoe)
	require.Equal(t, 2, strings.Count(c.log.String(), "level=WARN"), "ten seconds later it is said again: %s", c.log.String())
	require.Contains(t, c.log.String(), "times=1")
}

func TestCachedRevocationsLogHowOftenAnAnswerWasMissing(t *testing.T) {
	c := newCacheTest(100, cookiestore.WithUnansweredAccepted())
	c.fail(errBackendDown)
	for range 11 {
		c.requireAsked(t, 1, false, zoe)
		c.wait(time.Second)
	}
	lines := strings.Split(strings.TrimSpace(c.log.String()), "\n")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "times=1")
	require.Contains(t, lines[1], "times=10")
}

func TestCachedRevocationsLogToTheDefaultLogger(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	c := newCacheTest(100, cookiestore.WithUnansweredAccepted(), cookiestore.WithCacheLogger(nil))
	c.fail(errBackendDown)
	c.requireAsked(t, 1, false, zoe)
	require.Contains(t, log.String(), errBackendDown.Error())
}

func TestCachedRevocationsWantPositiveNumbers(t *testing.T) {
	r := cookiestore.NewMemoryRevocations()
	require.Panics(t, func() { cookiestore.CachedRevocations(nil, time.Second, 1) })
	require.Panics(t, func() { cookiestore.CachedRevocations(r, 0, 1) })
	require.Panics(t, func() { cookiestore.CachedRevocations(r, time.Second, 0) })
	require.NotPanics(t, func() { cookiestore.CachedRevocations(r, 1, 1) })
}

func TestCachedRevocationsAreSafeForConcurrentUse(t *testing.T) {
	c := cookiestore.CachedRevocations(cookiestore.NewMemoryRevocations(), time.Nanosecond, 16)
	until := time.Now().Add(time.Hour)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				s := cookiestore.Identity{ID: strconv.Itoa(i % 20), User: strconv.Itoa(g), StartedAt: until}
				_, err := c.Revoked(context.Background(), s)
				assert.NoError(t, err)
				assert.NoError(t, c.RevokeUser(context.Background(), s.User, time.Unix(int64(i), 0), until))
				mine := strconv.Itoa(g) + "-" + strconv.Itoa(i)
				assert.NoError(t, c.Revoke(context.Background(), mine, until))
				revoked, err := c.Revoked(context.Background(), cookiestore.Identity{ID: mine, User: s.User})
				assert.True(t, revoked && err == nil)
			}
			assert.NoError(t, c.RevokeAll(context.Background(), time.Unix(1, 0), until))
		})
	}
	wg.Wait()
}

func benchIdentity(i int) cookiestore.Identity {
	return cookiestore.Identity{ID: strings.Repeat("A", 15) + strconv.Itoa(1_000_000+i), User: strconv.Itoa(i), StartedAt: time.Unix(1000, 0)}
}

// What a request pays where the answer is known, among 100,000.
func BenchmarkCachedRevocations(b *testing.B) {
	c := cookiestore.CachedRevocations(cookiestore.NewMemoryRevocations(), time.Hour, 100_000)
	for i := range 100_000 {
		_, _ = c.Revoked(context.Background(), benchIdentity(i))
	}
	_ = c.RevokeUser(context.Background(), "somebody", time.Unix(1, 0), time.Now())
	s := benchIdentity(99_000)
	b.ReportAllocs()
	for b.Loop() {
		if revoked, err := c.Revoked(context.Background(), s); revoked || err != nil {
			b.Fatal(revoked, err)
		}
	}
}

// The same with requests on all processors.
func BenchmarkCachedRevocationsParallel(b *testing.B) {
	c := cookiestore.CachedRevocations(cookiestore.NewMemoryRevocations(), time.Hour, 100_000)
	s := benchIdentity(1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = c.Revoked(context.Background(), s)
		}
	})
}

// A million answers, as they are in memory.
func BenchmarkCachedRevocationsMemory(b *testing.B) {
	const million = 1_000_000
	r := cookiestore.NewMemoryRevocations()
	for b.Loop() {
		b.StopTimer()
		before := heapInUse()
		c := cookiestore.CachedRevocations(r, time.Hour, million)
		b.StartTimer()
		for i := range million {
			_, _ = c.Revoked(context.Background(), benchIdentity(i))
		}
		b.StopTimer()
		b.ReportMetric(float64(heapInUse()-before)/1e6, "MB/million")
		runtime.KeepAlive(c)
		b.StartTimer()
	}
}
