package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"
)

// How many rows one statement of ClearExpired removes: few at first, twice as many
// while it is quick, half as many when it is slow.
const (
	firstBatch = 100
	maxBatch   = 1000
)

// slowBatch is how long a statement of ClearExpired may take. In SQLite, all others
// who write wait for it; elsewhere it locks only rows that nobody wants.
func (d *dialect) slowBatch() time.Duration {
	if d.oneWriter {
		return 20 * time.Millisecond
	}
	return 200 * time.Millisecond
}

// maxStalls is how often in a row ClearExpired finds rows to remove, and removes
// none.
const maxStalls = 100

var errStalled = errors.New("dbstore: expired rows are left, and something keeps them from being removed")

// ClearExpired removes the rows past their expire_date, as Django's clearsessions
// does, and returns nil when none is left. It removes them in batches, with pauses as
// long as a batch took, so that others get their turn. Rows that somebody else has
// locked come last. When it fails, what it has removed until then stays removed.
//
// Any number of processes may run it at the same time.
func (s *Store) ClearExpired(ctx context.Context) error {
	return s.clearBefore(ctx, s.dialect.time(s.now()))
}

func (s *Store) clearBefore(ctx context.Context, now any) error {
	size := firstBatch
	for stalls := 0; ; {
		var took time.Duration
		removed, err := s.clearSome(ctx, &took, now, size, stalls > 0)
		switch {
		case err != nil && size > 1 && stalls == 0 && ctx.Err() == nil && s.isTooMuch(err):
			size /= 2
		case err != nil:
			return err
		case removed < int64(size):
			left, err := s.hasExpired(ctx, now)
			if err != nil || !left {
				return err
			}
		}
		switch {
		case removed > 0:
			stalls = 0
			size = nextBatch(size, took, s.dialect.slowBatch())
		case err == nil:
			if stalls++; stalls > maxStalls {
				return errStalled
			}
			took = max(took, backoff(stalls))
		}
		if err := pause(ctx, min(took, time.Second)); err != nil {
			return failed(ctx, err)
		}
	}
}

func nextBatch(size int, took, slow time.Duration) int {
	switch {
	case took > slow:
		return max(size/2, 1)
	case took < slow/4:
		return min(2*size, maxBatch)
	}
	return size
}

// isTooMuch reports whether a smaller batch may do where one has failed.
func (s *Store) isTooMuch(err error) bool {
	if errors.As(err, new(timeoutError)) {
		return true
	}
	what := s.dialect.classify(err)
	return what == takenBack || what == tooSlow
}

// clearSome removes some rows and returns how many. It passes over the rows that
// others have locked, or waits for them.
func (s *Store) clearSome(ctx context.Context, took *time.Duration, now any, size int, wait bool) (int64, error) {
	if !wait && s.queries.clearUnlocked != "" && !s.mustWait.Load() {
		removed, err := s.clearWith(ctx, took, s.queries.clearUnlocked, now, size)
		if err == nil || ctx.Err() != nil || s.isTooMuch(err) || s.dialect.classify(err) == cutOff || errors.As(err, new(*connectError)) {
			return removed, err
		}
		// Older servers, and engines that speak a part of the SQL, don't know
		// SKIP LOCKED. Where it was something else, waiting fails, too.
		removed, err = s.clearWith(ctx, took, s.queries.clear, now, size)
		s.mustWait.Store(err == nil)
		return removed, err
	}
	return s.clearWith(ctx, took, s.queries.clear, now, size)
}

func (s *Store) clearWith(ctx context.Context, took *time.Duration, statement string, now any, size int) (int64, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	removed, _, err := s.execTimed(ctx, took, statement, now, size)
	if err == nil {
		s.cleared(removed)
	}
	return removed, err
}

// hasExpired reports whether there are rows to remove.
func (s *Store) hasExpired(ctx context.Context, now any) (bool, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	var key string
	err := s.query(ctx, s.queries.expired, []any{now}, &key)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// ClearEvery runs ClearExpired now and then after each interval, until the context
// is done. Run it in a goroutine; in more than one process it does no harm. Errors
// go to report, or, if that is nil, to slog.Default(). It panics if the interval is
// not positive, as time.NewTicker does.
func (s *Store) ClearEvery(ctx context.Context, interval time.Duration, report func(error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	s.clearOn(ctx, ticker.C, report)
}

func (s *Store) clearOn(ctx context.Context, ticks <-chan time.Time, report func(error)) {
	clearOn(ctx, ticks, s.ClearExpired, "expired sessions not removed", report)
}

func clearOn(ctx context.Context, ticks <-chan time.Time, clear func(context.Context) error, what string, report func(error)) {
	if report == nil {
		report = func(err error) { slog.ErrorContext(ctx, what, "error", err) }
	}
	for {
		if err := clear(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
	}
}
