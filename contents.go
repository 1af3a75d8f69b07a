package cookiestore

import (
	"slices"
	"strconv"
	"time"

	"example.com/cookiestore/internal/jsonobject"
)

// contents is a session as a store has kept it, with the changes since.
type contents struct {
	object   jsonobject.Object
	value    string        // of the cookie that it came from
	others   *otherCookies // nil for none
	record   *recordState  // nil if the store has no versions
	asOf     int64         // when it was loaded, in Unix nanoseconds
	saved    time.Time
	ends     time.Time
	created  int64     // Unix seconds; kept where there is a lifetime
	identity *identity // kept where there are revocations
	refused  error     // why what the visitor sent was refused
	failure  error     // of the store

	loaded    bool     // from what a visitor sent
	sent      bool     // the visitor sent a cookie, good or bad
	several   bool     // and more than one
	chunks    chunkSet // that the visitor may have
	resave    bool     // the store wants it saved again
	modified  bool
	newID     bool // CycleKey was called
	cleared   bool // Clear or Flush was called
	skipRenew bool
	told      bool // the handler knows of an error

	changes     int32             // how often it was modified
	flushes     int32             // how often it was flushed
	keptFlush   int32             // the flushes before what the store has kept
	sinceFlush  int32             // how often it was modified since
	lostFlashes int32             // messages that had to go for others, and are not logged yet
	notes       map[string]string // what SetOptional has replaced, under these keys; "" for nothing
	bad         map[string]error  // why the values of these keys couldn't be set
	lateKeys    []string          // changed since it was closed; not reported yet
}

// otherCookies are the visitor's beside the one that the session came from.
type otherCookies struct {
	twins []string // older ones that are valid, too
	left  []string // those of sessions that were flushed

	twinIDs []identity // of twins
	leftIDs []identity // of sessions that were flushed
	cycled  []identity // of the session, before CycleKey; and of all that end with it
}

// other returns the visitor's other cookies.
func (c *contents) other() otherCookies {
	if c.others == nil {
		return otherCookies{}
	}
	return *c.others
}

// liveIDs returns what the visitor's sessions can be ended by, but for those that were
// flushed: this one, also from before CycleKey, and its twins.
func (c *contents) liveIDs() []identity {
	o := c.other()
	return slices.Concat(o.cycled, o.twinIDs, c.endable())
}

// restore fills c with the session that the store has kept, or returns why it is
// to be refused.
func (p *policy) restore(rec Record, now time.Time, c *contents) error {
	expiry, err := c.parse(rec.Data)
	if err != nil {
		return err
	}
	c.saved, c.resave, c.asOf, c.loaded = rec.Saved, rec.Resave, now.UnixNano(), true
	if rec.Version != "" {
		c.record = &recordState{base: rec.Data, version: rec.Version}
	}
	if c.saved.IsZero() {
		c.saved = now
	}
	if p.lifetime > 0 {
		c.takeCreated()
	}
	if p.revocations != nil {
		c.takeIdentity()
	}
	if c.ends, err = p.check(expiry, c.saved, time.Unix(c.created, 0), rec.Expires, now); err != nil {
		*c = contents{}
	}
	return err
}

// parse takes a dictionary apart and finds its expiry, or refuses it.
func (c *contents) parse(data string) (Expiry, error) {
	object, err := jsonobject.Parse(data)
	if err != nil {
		return Default, refuse(ErrMalformed, err.Error())
	}
	expiry := Default
	if value, ok := object.Find(ExpiryKey); ok {
		if expiry, err = parseExpiry(value); err != nil {
			return Default, refuse(ErrMalformed, err.Error())
		}
	}
	c.object = object // a refused session is never half read
	return expiry, nil
}

// takeCreated takes the time at which the session began out of the dictionary. One
// without it began when it was last saved.
func (c *contents) takeCreated() {
	c.created = c.saved.Unix()
	value, ok := c.object.Find(createdKey)
	if !ok {
		return
	}
	if at, err := strconv.ParseInt(value, 10, 64); err == nil {
		c.created = min(max(at, 1), c.created) // 0 is none, and it began before it was saved
	}
	c.object.Delete(createdKey)
}

// appendJSON appends the dictionary, with what is kept beside it.
func (c *contents) appendJSON(dst []byte) []byte {
	dst = c.object.AppendTo(dst)
	if c.created == 0 && c.identity == nil {
		return dst
	}
	for dst[len(dst)-1] != '}' { // it was written with a blank behind it
		dst = dst[:len(dst)-1]
	}
	dst = dst[:len(dst)-1]
	if c.object.Len() > 0 {
		dst = append(dst, ',')
	}
	if c.created != 0 {
		dst = append(dst, `"`+createdKey+`":`...)
		dst = append(strconv.AppendInt(dst, c.created, 10), ',')
	}
	if c.identity != nil {
		dst = append(dst, `"`+identityKey+`":`...)
		dst = append(c.identity.appendJSON(dst), ',')
	}
	dst[len(dst)-1] = '}' // in the place of the comma
	return dst
}

// endable returns the identity by which the session can be ended, if it has one.
func (c *contents) endable() []identity {
	if c.identity == nil || c.identity.id == "" {
		return nil
	}
	return []identity{*c.identity}
}

// expiry returns what SetExpiry was told. What stands there has been checked when
// it was loaded or set.
func (c *contents) expiry() Expiry {
	if value, ok := c.object.Find(ExpiryKey); ok {
		e, _ := parseExpiry(value)
		return e
	}
	return Default
}

// endIfSaved returns when the session ends, with that expiry, if it is saved at now.
func (c *contents) endIfSaved(rules *policy, e Expiry, now time.Time) time.Time {
	created := now
	if c.created != 0 {
		created = time.Unix(c.created, 0)
	}
	return rules.end(e, now, created)
}

// err returns why the session can't be saved.
func (c *contents) err() error {
	if c.failure != nil || len(c.bad) == 0 {
		return c.failure
	}
	first := ""
	for key := range c.bad {
		if first == "" || key < first {
			first = key
		}
	}
	return c.bad[first]
}
