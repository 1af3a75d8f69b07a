package cookiestore

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"example.com/cookiestore/internal/jsonobject"
)

// identityKey holds who a session is, as ID "." began "." latest. It is there only where
// [WithRevocations] is used. Get, Keys, All and Len leave it out; MarshalJSON shows it as
// it is stored.
const identityKey = "_session_id"

// An identity is what a session can be ended by before it expires. It is new with each
// login and each new session, and moved by no save.
type identity struct {
	id     string
	began  int64 // Unix microseconds
	latest int64 // Unix seconds: the latest that a cookie before this one, or it, expires
}

// newIdentity returns the identity of a session that begins now.
func (p *policy) newIdentity(now time.Time) *identity {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return &identity{id: base64.RawURLEncoding.EncodeToString(random[:]), began: p.moments.after(now)}
}

// moments tell apart what happens in one process within a microsecond, or under a clock
// that stands: whether a session began before its user's were ended, or after.
type moments struct{ last atomic.Int64 } // Unix microseconds

// maxLead is how far moments may be ahead of the clock. Beyond it, the clock was set back.
const maxLead = 10_000 // microseconds

// after returns now, or a later moment than any that it has returned before.
func (m *moments) after(now time.Time) int64 {
	micros := now.UnixMicro()
	if m == nil {
		return micros
	}
	for {
		last := m.last.Load()
		next := micros
		if last >= micros && last-micros < maxLead {
			next = last + 1
		}
		if m.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// appendJSON appends what stands under identityKey.
func (i *identity) appendJSON(dst []byte) []byte {
	dst = append(append(dst, '"'), i.id...)
	dst = strconv.AppendInt(append(dst, '.'), i.began, 36)
	dst = strconv.AppendInt(append(dst, '.'), i.latest, 36)
	return append(dst, '"')
}

// parseIdentity reads what stands under identityKey. It returns nil if that is malformed.
func parseIdentity(value string) *identity {
	text, err := jsonobject.Decode[string](value)
	id, times, ok := strings.Cut(text, ".")
	began, latest, ok2 := strings.Cut(times, ".")
	if err != nil || !ok || !ok2 {
		return nil
	}
	i := &identity{id: id}
	var errBegan, errLatest error
	i.began, errBegan = strconv.ParseInt(began, 36, 64)
	i.latest, errLatest = strconv.ParseInt(latest, 36, 64)
	if id == "" || errBegan != nil || errLatest != nil {
		return nil
	}
	return i
}

// idOf returns the ID of a session from before there were any: all copies of its cookie
// have the same, so that they can be ended, and the next save keeps it.
func idOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// takeIdentity takes the identity out of the dictionary. A session from before there
// were any has no ID in it, and began when it was last saved.
func (c *contents) takeIdentity() {
	var found *identity
	if value, ok := c.object.Find(identityKey); ok {
		found = parseIdentity(value)
		c.object.Delete(identityKey)
	}
	if found == nil {
		found = &identity{began: c.saved.UnixMicro()}
	}
	c.identity = found
}

// identify gives the session an identity, if it has none, and an ID, before it is saved
// with that end.
func (s *lifecycle) identify(rules *policy, now, end time.Time) {
	switch {
	case s.identity == nil && s.value == "":
		s.object.Delete(identityKey)
		s.identity = rules.newIdentity(now)
	case s.identity == nil: // it was loaded under rules without revocations
		s.takeIdentity()
	}
	if s.identity.id == "" {
		s.identity.id = idOf(s.value)
	}
	s.identity.latest = max(s.identity.latest, end.Unix())
}

// renewIdentity begins a session in the place of one that is to be ended, when somebody
// logs in.
func (s *lifecycle) renewIdentity(rules *policy) {
	if s.identity != nil && s.identity.id != "" {
		o := s.other()
		o.cycled = append(o.cycled, *s.identity)
		s.others = &o
	}
	s.identity = rules.newIdentity(rules.now())
}

// userOf returns whose session it is: the value under the dictionary key that
// [WithRevocations] names, as text. 42, 42.0 and "42" are one user.
func (c *contents) userOf(userKey string) string {
	value, ok := c.object.Find(userKey)
	if !ok || value == "null" {
		return ""
	}
	if text, err := jsonobject.Decode[string](value); err == nil {
		return text
	}
	if strings.ContainsAny(value, ".eE") { // a float, as numbers of JSON become in an any
		if f, err := strconv.ParseFloat(value, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10)
		}
	}
	return value
}

// ID returns the session ID, by which [Revocations] end the session: 128 random bits in
// base64url. It is new after [Session.CycleKey] and [Session.Flush], and kept by every
// save. That of a session from before [WithRevocations] is a hash of its cookie. It is ""
// without that option, and for a new session until it is saved or cycled.
//
// It is not the value of the cookie: knowing it opens nothing.
func (s *Session) ID() string {
	s.open()
	defer s.mu.Unlock()
	if s.identity == nil {
		return ""
	}
	return s.identity.id
}

// StartedAt returns when the session began: at the last CycleKey or Flush, or when it was
// first saved. A session from before [WithRevocations] counts as begun when it was last
// saved then. It is the zero time without that option, and for a new session.
func (s *Session) StartedAt() time.Time {
	s.open()
	defer s.mu.Unlock()
	if s.identity == nil {
		return time.Time{}
	}
	return time.UnixMicro(s.identity.began)
}
