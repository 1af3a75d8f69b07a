package cookiestore

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Requests of one session that save at the same time, within this process: they take
// turns, since all but one of them would only find that another was first.

// maxSaveTime bounds what a request does to save its session, the wait for others and
// all merging included.
const maxSaveTime = 30 * time.Second

var errSaveTime = fmt.Errorf("saving it took over %v: too many requests change it at the same time, or the store is slow", maxSaveTime)

// maxPast is how many versions of a record a line remembers.
const maxPast = 1024

// turns has a line for each session that is being saved, by the cookie's value. A line
// is gone when nobody stands in it any more.
type turns struct {
	mu    sync.Mutex
	lines map[string]*line
}

// A line is where the requests of one session stand, in the order in which they came.
type line struct {
	front chan struct{} // has what lets one save; channels serve first who waits longest
	there int           // how many stand in the line, guarded by the turns' mutex
	last  Record        // what the one before has saved; without a Version, nothing
	past  []string      // versions that those in the line have replaced
}

// A turn is one request's place in a line. A nil *turn is that of a session for which
// there is no line: one that is new, or whose store has no versions.
type turn struct {
	of   *turns
	key  string
	line *line
}

// take waits until it is this request's turn to save the session of a cookie.
func (t *turns) take(ctx context.Context, key string) (*turn, error) {
	t.mu.Lock()
	l := t.lines[key]
	if l == nil {
		l = &line{front: make(chan struct{}, 1)}
		if t.lines == nil {
			t.lines = map[string]*line{}
		}
		t.lines[key] = l
	}
	l.there++
	t.mu.Unlock()
	select {
	case l.front <- struct{}{}:
		return &turn{t, key, l}, nil
	case <-ctx.Done():
		t.leave(key, l)
		return nil, fmt.Errorf("session can't be saved: %w", context.Cause(ctx))
	}
}

func (t *turns) leave(key string, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.there--; l.there == 0 {
		delete(t.lines, key)
	}
}

// pass lets the next one save.
func (t *turn) pass() {
	if t != nil {
		<-t.line.front
		t.of.leave(t.key, t.line)
	}
}

// isBehind reports whether the requests before have changed the record since this one
// loaded it in that version. One that it doesn't know may be newer, of another process.
func (t *turn) isBehind(version string) bool {
	if t == nil || t.line.last.Version == "" || t.line.last.Version == version {
		return false
	}
	return slices.Contains(t.line.past, version)
}

// saved hands what has replaced a version of the record on to the next one.
func (t *turn) saved(version string, rec Record) {
	l := t.line
	l.last = Record{Data: rec.Data, Saved: rec.Saved.Truncate(time.Second), Expires: rec.Expires, Version: rec.Version}
	if len(l.past) == maxPast {
		l.past = slices.Delete(l.past, 0, maxPast/2)
	}
	l.past = append(l.past, version)
}

// detached is the context in which a session is saved. A visitor who leaves has still
// paid, or logged out, so it ends by its own bound alone.
func (m *Manager) detached(ctx context.Context, c *closing) (context.Context, context.CancelFunc) {
	if m.signing != nil && len(c.leftIDs) == 0 && len(c.cycled) == 0 { // no server is asked
		return ctx, func() {}
	}
	return context.WithTimeoutCause(context.WithoutCancel(ctx), maxSaveTime, errSaveTime)
}

// takeTurn waits until no other request of this process saves the same record.
func (m *Manager) takeTurn(ctx context.Context, c *closing) (*turn, error) {
	if c.rec.Version == "" {
		return nil, nil
	}
	return m.turns.take(ctx, c.rec.Cookie)
}

// tryInTurn is try, but for a save that is known to be in vain.
func (m *Manager) tryInTurn(ctx context.Context, t *turn, r *http.Request, s *Session, how *ending, c *closing) (cookieChange, error) {
	version := c.rec.Version
	if t.isBehind(version) {
		return cookieChange{}, ErrConflict
	}
	watch := m.stopwatch()
	change, err := m.try(ctx, r, s, how, c)
	c.took += watch.elapsed()
	if t == nil {
		return change, err
	}
	if err == nil && change.value == t.key {
		t.saved(version, c.rec)
	} else { // it has ended, or has another ID, or another process has changed it
		t.line.last = Record{}
	}
	return change, err
}

// latest returns what there is of the session now, from the request before if it can.
func (m *Manager) latest(ctx context.Context, t *turn, c *closing) (Record, error) {
	if t.isBehind(c.rec.Version) {
		return t.line.last, nil
	}
	watch := m.stopwatch()
	rec, err := m.store.Load(ctx, m.cookie.Name, c.rec.Cookie)
	c.took += watch.elapsed()
	return rec, err
}
