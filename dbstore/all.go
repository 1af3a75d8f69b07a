package dbstore

import (
	"context"
	"fmt"
	"iter"

	"example.com/cookiestore"
)

// An Entry is a live session, as [Store.All] finds it.
type Entry struct {
	Row

	// Record is what Load returns for the session: its dictionary, and when it was
	// saved. It is empty if the row doesn't verify.
	Record cookiestore.Record
}

// allBatch is how many rows All asks for at first, and allBytes how many bytes of
// session_data it wants to hold at a time. It asks for more or fewer rows, allRows at
// the most, once it knows how large they are.
const (
	allBatch = 100
	allRows  = 1000
	allBytes = 1 << 20
)

// All iterates over the rows that haven't expired, by their expire_date, in the order
// of their session keys.
//
// A row that doesn't verify comes with the error that Load gives, for which
// [cookiestore.IsRefused] holds, and the iteration goes on. Any other error is one of
// the database: it comes with an empty Entry, and is the last.
//
// Rows are read in batches, each in one query under [WithTimeout]. Between them
// nothing is locked and no connection is held, so the body of the loop can use the
// store, for example to end sessions with [Store.DeleteRow]. Sessions that begin, end
// or get a new key meanwhile may be met or not; no row is met twice under one key.
//
// With [WithHashedKeys], SessionKey is the hash: a list of sessions logs nobody in.
// Without, anyone who sees a SessionKey can hijack the session.
func (s *Store) All(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		now := s.dialect.time(s.now())
		last, limit := "", allBatch
		for {
			rows, err := s.rowsAfter(ctx, last, now, limit)
			size := 0
			for _, row := range rows {
				last = row.SessionKey
				size += len(row.SessionData)
				if !yield(s.entry(row)) {
					return
				}
			}
			switch {
			case err != nil:
				yield(Entry{}, err)
				return
			case len(rows) < limit:
				return
			}
			limit = nextPage(len(rows), size)
		}
	}
}

// nextPage returns how many rows to ask for after a batch of so many, with so many
// bytes of session_data.
func nextPage(rows, size int) int {
	return max(1, min(allRows, allBytes*rows/max(size, 1)))
}

// entry verifies a row.
func (s *Store) entry(row Row) (Entry, error) {
	if row.ExpireDate.IsZero() {
		return Entry{Row: row}, errNoDate
	}
	rec, err := s.record(row)
	return Entry{Row: row, Record: rec}, err
}

// errNoDate is about a row that another program wrote.
var errNoDate = fmt.Errorf("dbstore: the row's expire_date is not a time: %w", cookiestore.ErrMalformed)

// rowsAfter returns the next rows whose session keys come after one.
func (s *Store) rowsAfter(ctx context.Context, key string, now any, limit int) ([]Row, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	return s.queryRows(ctx, s.queries.all, key, now, limit)
}

// DeleteRow ends the session of a row that [Store.All] or [Store.Row] has returned,
// whatever state it is in by now. A row that isn't there is not an error. A session that
// has got a new key meanwhile ([cookiestore.Session.CycleKey]) is another row. As Save does, it runs to its end under the store's timeout.
func (s *Store) DeleteRow(ctx context.Context, row Row) error {
	ctx, cancel := s.detached(ctx)
	defer cancel()
	_, _, err := s.exec(ctx, s.queries.remove, row.SessionKey)
	return err
}

// Count returns how many sessions are live and how many have expired, by their
// expire_date, without being removed yet. It reads all rows in one query under
// [WithTimeout].
func (s *Store) Count(ctx context.Context) (live, expired int64, err error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	now := s.dialect.time(s.now())
	err = s.query(ctx, s.queries.count, []any{now, now}, &live, &expired)
	return live, expired, err
}
