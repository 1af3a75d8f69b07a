package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"example.com/cookiestore"
)

// A statement that the database has taken back is tried again until it has been
// tried this often, and for this long.
const (
	maxTries   = 50
	maxTryTime = 10 * time.Second
)

// limit bounds the time of a statement, with all that is tried for it.
func (s *Store) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.timeout, timeoutError{s.timeout})
}

// detached is limit for what goes on when the visitor leaves. The context's cancellation
// doesn't end it, but its deadline does: the middleware sets one for all that a request
// does to save its session.
func (s *Store) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	kept := context.WithoutCancel(ctx)
	deadline, ok := ctx.Deadline()
	if !ok {
		return s.limit(kept)
	}
	kept, cancel := context.WithDeadline(kept, deadline)
	kept, cancelLimit := s.limit(kept)
	return kept, func() { cancelLimit(); cancel() }
}

// exec runs a statement and returns how many rows it has changed. If torn is true,
// a connection broke meanwhile: the statement was then carried out once, twice or
// not at all, and changed counts the last time only.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (changed int64, torn bool, err error) {
	return s.execTimed(ctx, new(time.Duration), statement, args...)
}

// execTimed also tells how long the statement took, without the wait for its turn.
func (s *Store) execTimed(ctx context.Context, took *time.Duration, statement string, args ...any) (changed int64, torn bool, err error) {
	if s.dialect.oneWriter {
		leave, err := s.writers.enter(ctx, 1)
		if err != nil {
			return 0, false, failed(ctx, err)
		}
		defer leave()
	}
	tear, err := s.attempt(ctx, s.db, func(ctx context.Context, conn *sql.Conn) error {
		if err := s.vet(ctx, conn, packetSize(statement, args)); err != nil {
			return err
		}
		began := time.Now()
		result, err := conn.ExecContext(ctx, statement, args...)
		*took = time.Since(began)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	if err != nil && tear != nil {
		err = tear // the other may name the row that the first statement has made
	}
	return changed, tear != nil, err
}

// query runs a query for one row. The error is [sql.ErrNoRows] if there is none.
func (s *Store) query(ctx context.Context, query string, args []any, into ...any) error {
	_, err := s.attempt(ctx, s.reads, func(ctx context.Context, conn *sql.Conn) error {
		return conn.QueryRowContext(ctx, query, args...).Scan(into...)
	})
	return err
}

// queryRows runs a query for any number of rows. The zero ExpireDate is one that is not
// a time.
func (s *Store) queryRows(ctx context.Context, query string, args ...any) ([]Row, error) {
	var rows []Row
	_, err := s.attempt(ctx, s.reads, func(ctx context.Context, conn *sql.Conn) error {
		found, err := conn.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer found.Close()
		var all []Row // of this try
		for found.Next() {
			var row Row
			var expires moment
			if err := found.Scan(&row.SessionKey, &row.SessionData, &expires); err != nil {
				return err
			}
			row.ExpireDate = expires.Time
			all = append(all, row)
		}
		rows = all
		return found.Err()
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// attempt does what a statement is for on a connection of the pool, and again
//
//   - after a pause, if the database has taken the statement back;
//   - on another connection, if it was the connection's fault, and nothing was done;
//   - once more, if the connection broke, so that the statement may have been carried
//     out: the caller must see to it that twice is as good as once. That error is tear.
//
// Each statement is a transaction of its own.
func (s *Store) attempt(ctx context.Context, db *pool, work func(context.Context, *sql.Conn) error) (tear, err error) {
	began := time.Now()
	others := -1 // how many connections may be as bad as one that was
	for try := 1; ; try++ {
		var what failure
		what, err = s.once(ctx, db, tear != nil, work)
		switch {
		case what == takenBack && try < maxTries && time.Since(began) < maxTryTime && pause(ctx, backoff(try)) == nil:
			continue
		case what == misplaced && others != 0:
			if others < 0 {
				others = 1 + db.Stats().Idle
			}
			others--
			continue
		case what == cutOff && tear == nil:
			tear = failed(ctx, err)
			continue
		case err != nil:
			return tear, failed(ctx, err)
		}
		return tear, nil
	}
}

// once does it on one connection, or says what the error means.
func (s *Store) once(ctx context.Context, db *pool, sound bool, work func(context.Context, *sql.Conn) error) (failure, error) {
	leave, err := db.queue.enter(ctx, db.Stats().MaxOpenConnections)
	if err != nil {
		return final, s.connectFailure(ctx, db, err)
	}
	defer leave()
	conn, err := db.connect(ctx, sound)
	if err != nil {
		what := s.dialect.classify(err)
		if what != takenBack || ctx.Err() != nil {
			what = final // a driver tries more than once itself
		}
		return what, s.connectFailure(ctx, db, err)
	}
	defer conn.Close()
	running := ctx
	if s.volatile.Load() {
		// A driver that interrupts a statement may give the connection up, and the
		// database would go with it.
		running = context.WithoutCancel(ctx)
	}
	err = work(running, conn)
	if err == nil || ctx.Err() != nil {
		return final, err
	}
	what := s.dialect.classify(err)
	if what == misplaced || what == cutOff {
		drop(conn)
		s.vetted.Store(nil) // the next may lead to another server
	}
	return what, err
}

// backoff is how long to wait after a try: a random time, so that those who were in
// each other's way don't meet again.
func backoff(try int) time.Duration {
	return time.Millisecond + rand.N(min(time.Millisecond<<min(try, 10), 50*time.Millisecond))
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settings are those of a server that decide what can be written.
type settings struct {
	autocommit bool
	maxPacket  int
}

var errAutocommit = errors.New("autocommit is off, and nothing that is written would be committed: remove autocommit=0 from the DSN or from the server's settings")

// vet refuses to write where the database would not commit it, or not take a packet
// of that size. It asks before the first write, after a connection broke, and before
// it refuses.
func (s *Store) vet(ctx context.Context, conn *sql.Conn, size int) error {
	if s.dialect.settings == "" {
		return nil
	}
	now := s.vetted.Load()
	if now == nil || size > now.maxPacket {
		now = &settings{}
		err := conn.QueryRowContext(ctx, s.dialect.settings).Scan(&now.autocommit, &now.maxPacket)
		switch {
		case err != nil && (ctx.Err() != nil || s.dialect.classify(err) != final):
			return err
		case err != nil:
			*now = settings{autocommit: true, maxPacket: math.MaxInt} // it has no such settings
		case !now.autocommit:
			return errAutocommit
		}
		s.vetted.Store(now)
	}
	if size > now.maxPacket {
		return fmt.Errorf("%w: writing the session takes a packet of %d bytes, and the database accepts %d (max_allowed_packet)",
			cookiestore.ErrTooLarge, size, now.maxPacket)
	}
	return nil
}

// packetSize is how much a statement takes on the wire, at most: base64 needs no
// escapes.
func packetSize(statement string, args []any) int {
	size := len(statement) + 64
	for _, arg := range args {
		size += 32
		if text, ok := arg.(string); ok {
			size += len(text)
		}
	}
	return size
}
