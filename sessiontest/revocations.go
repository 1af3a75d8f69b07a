package sessiontest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRevocations tests that revocations end the sessions that they should, and no
// others: each subtest gets some of its own, with nothing ended, from newRevocations.
// The clock's time, in 2026, is when the sessions of the test are ended.
func TestRevocations(t *testing.T, newRevocations func(t testing.TB, clock func() time.Time) cookiestore.Revocations) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *revoker)
	}{
		{"nothing is ended at first", testNothingEnded},
		{"a session is ended by its ID", testRevoke},
		{"a user's sessions are ended up to a moment", testRevokeUser},
		{"all sessions are ended up to a moment", testRevokeAll},
		{"of several moments the latest counts", testLatestCounts},
		{"of several moments at the same time the latest counts", testLatestOfMany},
		{"of several ends the latest counts", testLatestEnd},
		{"a session whose end is not known stays ended", testNoEnd},
		{"IDs and users may be any text", testAnyText},
		{"an ID and a user of the same text are two things", testSameText},
		{"an empty ID or user is an error", testEmpty},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			r := newRevocations(t, func() time.Time { return now })
			test.run(t, &revoker{Revocations: r, now: now, until: now.Add(time.Hour)})
		})
	}
}

// A revoker has revocations, the time of the test, and one until which entries last.
type revoker struct {
	cookiestore.Revocations
	now, until time.Time
}

func (r *revoker) require(t *testing.T, revoked bool, s cookiestore.Identity) {
	t.Helper()
	got, err := r.Revoked(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, revoked, got, "%+v", s)
}

// at is a session of zoe's that began so long after the time of the test.
func (r *revoker) at(d time.Duration) cookiestore.Identity {
	return cookiestore.Identity{ID: "one", User: "zoe", StartedAt: r.now.Add(d)}
}

func testNothingEnded(t *testing.T, r *revoker) {
	r.require(t, false, r.at(0))
	r.require(t, false, cookiestore.Identity{ID: "two"})
	r.require(t, false, cookiestore.Identity{User: "zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{})
}

func testRevoke(t *testing.T, r *revoker) {
	require.NoError(t, r.Revoke(t.Context(), "one", r.until))
	r.require(t, true, r.at(0))
	r.require(t, true, cookiestore.Identity{ID: "one", User: "tom", StartedAt: r.now.Add(time.Hour)})
	r.require(t, false, cookiestore.Identity{ID: "two", User: "zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "One", User: "zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{User: "zoe", StartedAt: r.now})
}

func testRevokeUser(t *testing.T, r *revoker) {
	require.NoError(t, r.RevokeUser(t.Context(), "zoe", r.now, r.until))
	r.require(t, true, cookiestore.Identity{ID: "a", User: "zoe", StartedAt: r.now.Add(-time.Hour)})
	r.require(t, true, cookiestore.Identity{ID: "b", User: "zoe", StartedAt: r.now.Add(-time.Microsecond)})
	r.require(t, true, cookiestore.Identity{ID: "c", User: "zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "d", User: "zoe", StartedAt: r.now.Add(time.Microsecond)})
	r.require(t, true, cookiestore.Identity{User: "zoe", StartedAt: r.now})
	r.require(t, true, cookiestore.Identity{ID: "e", User: "zoe"})
	r.require(t, false, cookiestore.Identity{ID: "f", User: "Zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "g", User: "tom", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "h", StartedAt: r.now})
}

func testRevokeAll(t *testing.T, r *revoker) {
	require.NoError(t, r.RevokeAll(t.Context(), r.now, r.until))
	r.require(t, true, cookiestore.Identity{ID: "a", User: "zoe", StartedAt: r.now})
	r.require(t, true, cookiestore.Identity{ID: "b", StartedAt: r.now.Add(-time.Hour)})
	r.require(t, true, cookiestore.Identity{StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "c", User: "zoe", StartedAt: r.now.Add(time.Microsecond)})
	r.require(t, false, cookiestore.Identity{ID: "d", StartedAt: r.now.Add(time.Hour)})
}

func testLatestCounts(t *testing.T, r *revoker) {
	for _, d := range []time.Duration{-time.Minute, 0, -time.Hour} {
		require.NoError(t, r.RevokeUser(t.Context(), "zoe", r.now.Add(d), r.until))
	}
	r.require(t, true, cookiestore.Identity{ID: "a", User: "zoe", StartedAt: r.now})
	r.require(t, false, cookiestore.Identity{ID: "b", User: "zoe", StartedAt: r.now.Add(time.Microsecond)})
	r.require(t, false, cookiestore.Identity{ID: "c", User: "tom", StartedAt: r.now})
	for _, d := range []time.Duration{time.Minute, time.Hour, 0} {
		require.NoError(t, r.RevokeAll(t.Context(), r.now.Add(d), r.until))
	}
	r.require(t, true, cookiestore.Identity{ID: "d", User: "tom", StartedAt: r.now.Add(time.Hour)})
	r.require(t, false, cookiestore.Identity{ID: "e", User: "tom", StartedAt: r.now.Add(time.Hour + time.Microsecond)})
}

func testLatestOfMany(t *testing.T, r *revoker) {
	const calls = 16
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			assert.NoError(t, r.RevokeUser(t.Context(), "zoe", r.now.Add(time.Duration(i)*time.Second), r.until))
		})
	}
	all.Wait()
	r.require(t, true, cookiestore.Identity{ID: "a", User: "zoe", StartedAt: r.now.Add((calls - 1) * time.Second)})
	r.require(t, false, cookiestore.Identity{ID: "b", User: "zoe", StartedAt: r.now.Add(calls * time.Second)})
}

func testLatestEnd(t *testing.T, r *revoker) {
	testEnds(t, r, r.until, r.now.Add(-24*time.Hour))
}

func testNoEnd(t *testing.T, r *revoker) {
	testEnds(t, r, time.Time{}, r.until)
}

// testEnds ends sessions until one time and then until another.
func testEnds(t *testing.T, r *revoker, untils ...time.Time) {
	t.Helper()
	for _, until := range untils {
		require.NoError(t, r.Revoke(t.Context(), "one", until))
		require.NoError(t, r.RevokeUser(t.Context(), "tom", r.now, until))
		require.NoError(t, r.RevokeAll(t.Context(), r.now.Add(-time.Hour), until))
	}
	r.require(t, true, cookiestore.Identity{ID: "one", StartedAt: r.now})
	r.require(t, true, cookiestore.Identity{ID: "two", User: "tom", StartedAt: r.now})
	r.require(t, true, cookiestore.Identity{ID: "three", StartedAt: r.now.Add(-time.Hour)})
}

func testAnyText(t *testing.T, r *revoker) {
	texts := []string{" ", "'", `"`, "%", "a:b", "*", "é", "e\u0301", "\x00", "\xff", strings.Repeat("long", 1000)}
	for i, text := range texts {
		r.require(t, false, cookiestore.Identity{ID: text, StartedAt: r.now})
		require.NoError(t, r.Revoke(t.Context(), text, r.until))
		r.require(t, true, cookiestore.Identity{ID: text, StartedAt: r.now})
		r.require(t, false, cookiestore.Identity{ID: "other", User: text, StartedAt: r.now})
		require.NoError(t, r.RevokeUser(t.Context(), text, r.now, r.until))
		r.require(t, true, cookiestore.Identity{ID: "other", User: text, StartedAt: r.now})
		for _, other := range texts[i+1:] {
			r.require(t, false, cookiestore.Identity{ID: other, User: other, StartedAt: r.now})
		}
	}
}

func testSameText(t *testing.T, r *revoker) {
	require.NoError(t, r.Revoke(t.Context(), "zoe", r.until))
	r.require(t, false, r.at(0))
	require.NoError(t, r.RevokeUser(t.Context(), "one", r.now, r.until))
	r.require(t, false, r.at(0))
}

func testEmpty(t *testing.T, r *revoker) {
	require.ErrorContains(t, r.Revoke(t.Context(), "", r.until), "ID is empty")
	require.ErrorContains(t, r.RevokeUser(t.Context(), "", r.now, r.until), "user is empty")
	r.require(t, false, cookiestore.Identity{StartedAt: r.now})
	r.require(t, false, r.at(0))
}
