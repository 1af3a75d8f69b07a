package dbstore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// newRevocations returns revocations with a table of their own.
func newRevocations(t testing.TB, db *sql.DB, options ...Option) *Revocations {
	t.Helper()
	table := WithTable(fmt.Sprintf("revocations_%d", tables.Add(1)))
	r, err := NewRevocations(db, append([]Option{table}, options...)...)
	require.NoError(t, err)
	require.NoError(t, r.CreateTable(t.Context()))
	return r
}

// rows returns the subjects of all rows.
func (r *Revocations) rows(t testing.TB) []string {
	t.Helper()
	return texts(t, r.store.db.DB, "SELECT subject FROM "+r.store.dialect.quoted(r.store.table))
}

func (r *Revocations) requireRevoked(t *testing.T, want bool, s cookiestore.Identity) {
	t.Helper()
	revoked, err := r.Revoked(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, want, revoked, "%+v", s)
}

func TestRevocations(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		sessiontest.TestRevocations(t, func(t testing.TB, clock func() time.Time) cookiestore.Revocations {
			return newRevocations(t, db, WithClock(clock))
		})
	})
}

func TestNewRevocationsRefuses(t *testing.T) {
	db := openSQLite(t)
	for _, test := range []struct {
		name   string
		db     *sql.DB
		option Option
		want   string
	}{
		{"no database", nil, WithTimeout(1), "the database is nil"},
		{"an unknown dialect", db, WithDialect(7), "there is no Dialect(7)"},
		{"a table's name that SQL could be put into", db, WithTable("x; DROP TABLE y"), "letters, digits"},
		{"a negative timeout", db, WithTimeout(-1), "the timeout is negative"},
		{"no clock", db, WithClock(nil), "the clock is nil"},
		{"fallback keys", db, WithFallbackKeys(testKey), "WithFallbackKeys is for New"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewRevocations(test.db, test.option)
			require.ErrorContains(t, err, test.want)
		})
	}
	r, err := NewRevocations(db)
	require.NoError(t, err)
	require.Equal(t, "cookiestore_revocations", r.store.table)
}

func TestCreateRevocationsTable(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		table := WithTable(fmt.Sprintf("revocations_%d", tables.Add(1)))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				r, err := NewRevocations(db, table)
				if assert.NoError(t, err) {
					assert.NoError(t, r.CreateTable(t.Context()), "several processes may start at once")
				}
			})
		}
		all.Wait()
		r, err := NewRevocations(db, table)
		require.NoError(t, err)
		require.NoError(t, r.Revoke(t.Context(), "one", time.Now()))
		require.NoError(t, r.CreateTable(t.Context()))
		r.requireRevoked(t, true, cookiestore.Identity{ID: "one"})

		sessions := newStore(t, db)
		other, err := NewRevocations(db, WithTable(sessions.table))
		require.NoError(t, err)
		require.Error(t, other.CreateTable(t.Context()), "the table is another")
	})
}

// Anyone who can read the table learns no session ID.
func TestRevocationsHoldHashes(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		r := newRevocations(t, d.open(t))
		until := time.Now().Add(time.Hour)
		require.NoError(t, r.Revoke(t.Context(), "session one", until))
		require.NoError(t, r.RevokeUser(t.Context(), "user zoe", until, until))
		require.NoError(t, r.RevokeAll(t.Context(), until, until))
		require.ElementsMatch(t, []string{
			"s2ceea2a90af451a0622c2c887249922c", // half of sha256("session one"), and so on
			"u8cb384599478f135f61ec383fd92a942", "a",
		}, r.rows(t))
	})
}

func TestRevocationsAreOneRowEach(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		r := newRevocations(t, d.open(t))
		for i := range 3 {
			require.NoError(t, r.Revoke(t.Context(), "one", time.Now()))
			require.NoError(t, r.RevokeUser(t.Context(), "zoe", time.Unix(int64(i), 0), time.Now()))
			require.NoError(t, r.RevokeAll(t.Context(), time.Unix(int64(i), 0), time.Now()))
		}
		require.Len(t, r.rows(t), 3, "an ending moves what is there")
		r.requireRevoked(t, true, cookiestore.Identity{ID: "one", User: "zoe"})
	})
}

func TestClearExpiredRevocations(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		r := newRevocations(t, d.open(t), WithClock(func() time.Time { return now }))
		for id, until := range map[string]time.Time{
			"expired":       now.Add(-time.Hour - time.Microsecond),
			"just kept":     now.Add(-time.Hour),
			"kept":          now.Add(time.Hour),
			"kept for ever": {},
		} {
			require.NoError(t, r.Revoke(t.Context(), id, until))
			require.NoError(t, r.RevokeUser(t.Context(), id, now, until))
		}
		require.NoError(t, r.Revoke(t.Context(), "kept", now.Add(-2*time.Hour))) // an end isn't moved back
		require.NoError(t, r.RevokeAll(t.Context(), time.Unix(1, 0), now.Add(-2*time.Hour)))
		require.NoError(t, r.ClearExpired(t.Context()))
		require.Len(t, r.rows(t), 6)
		for _, id := range []string{"just kept", "kept", "kept for ever"} {
			r.requireRevoked(t, true, cookiestore.Identity{ID: id, StartedAt: now})
			r.requireRevoked(t, true, cookiestore.Identity{User: id, StartedAt: now})
		}
		r.requireRevoked(t, false, cookiestore.Identity{ID: "expired", User: "expired", StartedAt: now})
	})
}

func TestClearExpiredRevocationsInBatches(t *testing.T) {
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		now := time.Now()
		r := newRevocations(t, db, WithClock(func() time.Time { return now }))
		fill := "INSERT INTO " + r.store.dialect.quoted(r.store.table) + " (subject, up_to, keep_until) VALUES "
		for batch := range 5 {
			rows := make([]string, 500)
			for i := range rows {
				rows[i] = fmt.Sprintf("('s%d', 1, %d)", batch*500+i, now.Add(-time.Hour).UnixMicro())
			}
			_, err := db.ExecContext(t.Context(), fill+strings.Join(rows, ","))
			require.NoError(t, err)
		}
		require.NoError(t, r.Revoke(t.Context(), "one", now))
		var all sync.WaitGroup
		for range 3 { // any number of processes may clear at once
			all.Go(func() { assert.NoError(t, r.ClearExpired(t.Context())) })
		}
		all.Wait()
		require.Len(t, r.rows(t), 1)
	})
}

func TestClearRevocationsEvery(t *testing.T) {
	now := time.Now()
	r := newRevocations(t, openSQLite(t), WithClock(func() time.Time { return now }))
	expire := func() { require.NoError(t, r.Revoke(t.Context(), "one", now.Add(-2*time.Hour))) }
	isClear := func() bool { return len(r.rows(t)) == 0 }
	expire()
	ticks, done := make(chan time.Time), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var failures []error
	go func() {
		defer close(done)
		r.clearOn(ctx, ticks, func(err error) { failures = append(failures, err) })
	}()
	require.Eventually(t, isClear, time.Minute, time.Millisecond)
	expire()
	ticks <- now
	require.Eventually(t, isClear, time.Minute, time.Millisecond)
	require.NoError(t, r.store.db.Close())
	ticks <- now
	ticks <- now // is taken when the run before has failed
	cancel()
	<-done
	require.NotEmpty(t, failures)

	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel = context.WithCancel(t.Context())
	go func() { ticks <- now; cancel() }()
	r.clearOn(ctx, ticks, nil)
	require.Contains(t, log.String(), "expired revocations not removed")
	require.Panics(t, func() { r.ClearEvery(t.Context(), 0, nil) })
}

func TestRevocationsWhenTheDatabaseStops(t *testing.T) {
	for _, test := range servers {
		t.Run(test.name, func(t *testing.T) {
			s := test.make(t)
			s.start(t)
			running := true
			t.Cleanup(func() {
				if running {
					s.stop(t)
				}
			})
			r := newRevocations(t, open(t, s.driver, s.dsn))
			now := time.Now()
			clock := cookiestore.WithCacheClock(func() time.Time { return now })
			quiet := cookiestore.WithCacheLogger(slog.New(slog.DiscardHandler))
			const keep = 10 * time.Second
			refuse := cookiestore.CachedRevocations(r, keep, 100, clock)
			stale := cookiestore.CachedRevocations(r, keep, 100, clock, quiet, cookiestore.WithStaleAnswers(time.Minute))
			accept := cookiestore.CachedRevocations(r, keep, 100, clock, quiet, cookiestore.WithUnansweredAccepted())
			all := map[string]cookiestore.Revocations{"refuse": refuse, "stale": stale, "accept": accept}

			known := cookiestore.Identity{ID: "a secret ID", User: "zoe", StartedAt: now}
			for _, cached := range all {
				revoked, err := cached.Revoked(t.Context(), known)
				require.False(t, revoked || err != nil)
			}
			s.stop(t)
			running = false
			requireModes := func(name string, s cookiestore.Identity, accepting ...string) {
				t.Helper()
				for mode, cached := range all {
					revoked, err := cached.Revoked(t.Context(), s)
					require.False(t, revoked, "%s, %s", name, mode)
					if strings.Contains(strings.Join(accepting, " "), mode) {
						require.NoError(t, err, "%s, %s", name, mode)
						continue
					}
					require.ErrorContains(t, err, "dbstore: ", "%s, %s", name, mode)
					requireDiscreet(t, err, "a secret ID", "zoe", "not-to-be-told")
				}
			}
			requireModes("a known answer", known, "refuse", "stale", "accept")
			requireModes("an unknown session", cookiestore.Identity{ID: "new"}, "accept")
			now = now.Add(keep)
			requireModes("a stale answer", known, "stale", "accept")
			now = now.Add(time.Minute)
			requireModes("an answer that is too old", known, "accept")
			for mode, cached := range all {
				require.ErrorContains(t, cached.Revoke(t.Context(), "a secret ID", now), "dbstore: ", mode)
			}

			s.start(t)
			running = true
			now = now.Add(time.Minute)
			require.NoError(t, r.Revoke(t.Context(), "a secret ID", now))
			for mode, cached := range all {
				revoked, err := cached.Revoked(t.Context(), known)
				require.NoError(t, err, mode)
				require.True(t, revoked, mode)
			}
		})
	}
}

func TestRevocationsTakeNoLongerThanTheTimeout(t *testing.T) {
	db := openSQLite(t)
	r := newRevocations(t, db)
	r.store.timeout = 1
	_, err := r.Revoked(t.Context(), cookiestore.Identity{ID: "one"})
	require.ErrorContains(t, err, "the database took over 1ns")
	require.ErrorContains(t, r.Revoke(t.Context(), "one", time.Now()), "the database took over 1ns")
	r.store.timeout = 0
	require.NoError(t, r.Revoke(t.Context(), "one", time.Now()))

	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = r.Revoked(gone, cookiestore.Identity{ID: "one"})
	require.ErrorIs(t, err, context.Canceled)
}
