package cookiestore

import (
	"context"
	"crypto/sha256"
	"math"
	"sync"
	"time"
)

// MemoryRevocations are [Revocations] in the memory of one process: for a program of
// which one instance runs, and for tests. When the process ends, they are gone: the
// sessions that were ended are accepted again until they expire.
//
// A million ended sessions take about 56 MB (BenchmarkMemoryRevocations measures it).
// Entries of sessions that would have expired are removed bit by bit as others are
// added. With a million log-outs a day and a [WithLifetime] of two weeks, that is about
// 900 MB; without it, entries stay for 400 days. Use a database or Redis before that.
type MemoryRevocations struct {
	now func() time.Time

	mu       sync.RWMutex
	sessions map[shortHash]int64 // until, in Unix microseconds
	users    map[shortHash]cutoff
	all      cutoff
}

var _ Revocations = (*MemoryRevocations)(nil)

// A cutoff ends the sessions that began at upTo or before. It is needed until then.
type cutoff struct{ upTo, until int64 } // Unix microseconds

// noCutoff ends no session.
var noCutoff = cutoff{upTo: math.MinInt64, until: math.MinInt64}

// A MemoryOption is an option of [NewMemoryRevocations].
type MemoryOption func(*MemoryRevocations)

// WithMemoryClock replaces time.Now, which says which entries aren't needed any more.
func WithMemoryClock(now func() time.Time) MemoryOption {
	return func(m *MemoryRevocations) { m.now = now }
}

// NewMemoryRevocations returns Revocations for one process.
func NewMemoryRevocations(options ...MemoryOption) *MemoryRevocations {
	m := &MemoryRevocations{
		now:      time.Now,
		sessions: map[shortHash]int64{},
		users:    map[shortHash]cutoff{},
		all:      noCutoff,
	}
	for _, option := range options {
		if option == nil {
			panic("cookiestore: an option of NewMemoryRevocations is nil")
		}
		option(m)
	}
	return m
}

// A shortHash stands for a session ID or a user: it takes less memory than the text
// does, which may be a part of a whole cookie. Nobody can find two with the same.
type shortHash [16]byte

func shortHashOf(text string) shortHash {
	sum := sha256.Sum256([]byte(text))
	return shortHash(sum[:])
}

// revocationGrace is how much longer than until an entry is kept.
const revocationGrace = time.Hour

// keepUntil returns until when an entry is kept, in Unix microseconds.
func keepUntil(until time.Time) int64 {
	if until.IsZero() {
		return math.MaxInt64
	}
	return until.Add(revocationGrace).UnixMicro()
}

// Revoked reports whether the session was ended. The error is nil.
func (m *MemoryRevocations) Revoked(_ context.Context, s Identity) (bool, error) {
	id, user := shortHashOf(s.ID), shortHash{}
	if s.User != "" {
		user = shortHashOf(s.User)
	}
	began := s.StartedAt.UnixMicro()
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, ended := m.sessions[id]; ended || began <= m.all.upTo {
		return true, nil
	}
	theirs, ok := m.users[user]
	return ok && began <= theirs.upTo, nil
}

// Revoke ends a session. The error is nil unless the ID is empty.
func (m *MemoryRevocations) Revoke(_ context.Context, id string, until time.Time) error {
	if id == "" {
		return errNoID
	}
	hash := shortHashOf(id)
	now := m.now().UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[hash] = max(m.sessions[hash], keepUntil(until))
	m.forget(now)
	return nil
}

// RevokeUser ends the sessions of a user. The error is nil unless the user is empty.
func (m *MemoryRevocations) RevokeUser(_ context.Context, user string, upTo, until time.Time) error {
	if user == "" {
		return errNoUser
	}
	hash := shortHashOf(user)
	now := m.now().UnixMicro()
	m.mu.Lock()
	defer m.mu.Unlock()
	theirs, ok := m.users[hash]
	if !ok {
		theirs = noCutoff
	}
	m.users[hash] = theirs.later(upTo, until)
	m.forget(now)
	return nil
}

// RevokeAll ends all sessions. The error is nil.
func (m *MemoryRevocations) RevokeAll(_ context.Context, upTo, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = m.all.later(upTo, until)
	return nil
}

func (c cutoff) later(upTo, until time.Time) cutoff {
	return cutoff{max(c.upTo, upTo.UnixMicro()), max(c.until, keepUntil(until))}
}

// forgetAtOnce is how many entries are looked at whenever one is added. Those that
// aren't needed any more then make up about an eighth of all: where they are more,
// more than one is found among eight.
const forgetAtOnce = 8

// forget removes entries that aren't needed any more, if it comes across some. A map is
// iterated over from a random entry on.
func (m *MemoryRevocations) forget(now int64) {
	forgetSome(m.sessions, func(until int64) bool { return until < now })
	forgetSome(m.users, func(c cutoff) bool { return c.until < now })
}

func forgetSome[V any](entries map[shortHash]V, expired func(V) bool) {
	n := 0
	for hash, entry := range entries {
		if expired(entry) {
			delete(entries, hash)
		}
		if n++; n == forgetAtOnce {
			return
		}
	}
}
