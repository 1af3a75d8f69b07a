package dbstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
)

// A pool is a pool of connections, which serves first those who came first.
type pool struct {
	*sql.DB
	queue queue
}

// A queue is where those wait for a connection who find none free: in the order in
// which they came. The pool of database/sql serves them at random, and SQLite those
// who happen to ask at the right moment, so that some wait many times as long as
// others.
type queue struct{ places atomic.Pointer[chan struct{}] }

// enter waits for a place, of which there are that many, or, with 0, any number. The
// caller calls leave when it is done with it.
func (q *queue) enter(ctx context.Context, most int) (leave func(), err error) {
	if most <= 0 {
		return func() {}, nil
	}
	places := q.sized(most)
	select {
	case places <- struct{}{}: // channels serve first who waits longest
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sized returns the channel with that many places. A pool may be given another size
// while it is in use; those who have a place of the old channel give it back there.
func (q *queue) sized(most int) chan struct{} {
	for {
		places := q.places.Load()
		if places != nil && cap(*places) == most {
			return *places
		}
		made := make(chan struct{}, most)
		if q.places.CompareAndSwap(places, &made) {
			return made
		}
	}
}

// connect takes a connection from the pool. A sound one is one that answers.
func (p *pool) connect(ctx context.Context, sound bool) (*sql.Conn, error) {
	if !sound {
		return p.Conn(ctx)
	}
	for others := p.Stats().Idle; ; others-- {
		conn, err := p.Conn(ctx)
		if err != nil || others <= 0 || conn.PingContext(ctx) == nil {
			return conn, err
		}
		drop(conn)
	}
}

// drop closes a connection, so that nobody gets it from the pool again.
func drop(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}
