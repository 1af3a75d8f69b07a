package cookiestore

import (
	"errors"
	"slices"
	"sync"
	"time"

	"example.com/cookiestore/internal/scratch"
)

// How a session is loaded, closed and kept: what the middleware and stores see of it.
// session.go has what handlers see.

// lifecycle is the part of a [Session] that its host and its manager see to.
type lifecycle struct {
	mu        sync.Mutex // guards the fields below; never held while other code runs, but the clock
	*contents            // nil until the session is used: most requests do without
	accessed  bool
	closed    bool    // the response has begun
	host      host    // nil without one
	rules     *policy // nil means defaultPolicy

	loading sync.Mutex // held while the host loads
}

// A host is where a session lives: the middleware's side of a request.
type host interface {
	// load fills in what the store has kept, at the first use.
	load(*contents)

	// lateLoad is told of a first use after the response began, and of the store's
	// failure.
	lateLoad(failure error)

	// lateChange is told of a change that can't be kept since the response has begun:
	// of a dictionary key, or, with "", of the whole session.
	lateChange(key string)
}

// open locks the session, which it loads at the first use.
func (s *lifecycle) open() {
	s.mu.Lock()
	s.accessed = true
	if s.contents != nil {
		return
	}
	s.mu.Unlock()
	s.load()
}

// load has the host fill in the session, once, and locks it.
func (s *lifecycle) load() {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.contents != nil { // set under both locks: another goroutine was first
		s.mu.Lock()
		return
	}
	found := new(contents)
	returned := false
	defer func() {
		s.mu.Lock()
		s.contents = found
		if !returned {
			*found = contents{failure: errStorePanicked}
			s.mu.Unlock()
		}
	}()
	if s.host != nil {
		s.host.load(found)
		s.mu.Lock()
		closed := s.closed
		s.mu.Unlock()
		if closed {
			s.host.lateLoad(found.failure)
		}
	}
	returned = true
}

var errStorePanicked = errors.New("cookiestore: the store panicked")

// unlock ends what open began, and reports changes that came too late.
func (s *lifecycle) unlock() {
	keys := s.lateKeys
	s.lateKeys = nil
	s.mu.Unlock()
	for _, key := range keys {
		s.host.lateChange(key)
	}
}

func (s *lifecycle) policy() *policy {
	if s.rules == nil {
		return &defaultPolicy
	}
	return s.rules
}

// changed notes that the session is no longer what it was loaded as. The key is
// for the log, where the change comes too late.
func (s *lifecycle) changed(key string) {
	s.modified = true
	s.changes++
	s.sinceFlush++
	if s.closed && s.host != nil {
		s.lateKeys = append(s.lateKeys, key)
	}
}

// clear empties the dictionary. What cookies the visitor has are worth nothing
// then, and their sessions are to be deleted.
func (s *lifecycle) clear() {
	s.object.Clear()
	s.bad = nil
	if s.record != nil {
		s.record.replays = nil
	}
	s.cleared, s.notes = true, nil
	s.changed("")
}

// flush ends the session, and begins another.
func (s *lifecycle) flush() {
	s.clear()
	s.flushes++
	s.sinceFlush = 0
	s.created = 0
	s.newID = false
	o := s.other()
	if s.value != "" {
		o.left = append(o.left, s.value)
	}
	o.left = append(o.left, o.twins...)
	ids := slices.Concat(o.leftIDs, s.liveIDs())
	if len(o.left) > 0 || len(ids) > 0 {
		s.others = &otherCookies{left: o.left, leftIDs: ids}
	}
	s.value, s.record, s.identity = "", nil, nil
}

// An ending says how a request ends, as far as its session is concerned.
type ending struct {
	rules    *policy
	came     int64 // when the request came, in Unix nanoseconds; 0 if unknown
	every    bool  // every request saves
	optional bool  // what nobody asked for may be saved
	failed   bool  // nothing is saved, and only a flush holds
	final    bool  // later changes are too late
	after    error // why something couldn't be saved; then only a flush is left
}

// outcome is what becomes of a session at the end of a request.
type outcome int

const (
	keepCookie outcome = iota // nothing to do
	saveSession
	endSession // nothing is left of it
)

// A closing is what is to be done at the end of a request.
type closing struct {
	what outcome
	rec  Record          // what to save but for Data, or of which session nothing is left
	data *scratch.Buffer // the dictionary to save; nil for none
	otherCookies
	several  bool     // the visitor sent more than one, good or bad
	chunks   chunkSet // that the visitor may have
	changes  int32    // how often it had been modified
	flushes  int32    // and how often flushed
	accessed bool     // the response depends on it
	modified bool     // by the handler; otherwise it is only to be renewed
	dropped  bool     // there are changes that are not saved
	begins   bool     // the visitor has sent no cookie, and there is a session now
	resaved  bool     // the store wants it saved again
	noted    bool     // SetOptional was called
	bad      bool     // it has values that couldn't be set
	effort
}

// asked reports whether a handler has asked for what is to be done.
func (c *closing) asked() bool { return c.what == endSession || c.modified }

// ends reports whether there are sessions to be ended, and not only a cookie to be deleted.
func (c *closing) ends() bool { return c.rec.Cookie != "" || len(c.left) > 0 }

// reason is why the session is saved: see [Event].
func (c *closing) reason() string {
	switch {
	case c.asked():
		return "asked"
	case c.resaved:
		return "key"
	}
	return "renewal"
}

// decideAnew is decide, after what was to be saved has changed.
func (s *lifecycle) decideAnew(how *ending, c *closing) {
	c.free()
	*c = closing{accessed: c.accessed, effort: c.effort}
	s.decide(how, c)
}

// free gives the text of the dictionary back.
func (c *closing) free() {
	if c.data != nil {
		c.data.Free()
		c.data = nil
	}
}

// close decides what becomes of the session, and notes it in c. A session that
// nobody used is not even loaded, unless every request is to save it.
func (s *lifecycle) close(how *ending, c *closing) error {
	if how.every && how.optional && !how.failed {
		s.open()
	} else {
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.closed = s.closed || how.final
	*c = closing{accessed: s.accessed}
	if s.contents == nil {
		return nil
	}
	if how.failed {
		s.closeFailed(c)
		return s.failure
	}
	if err := s.err(); err != nil {
		c.bad = s.failure == nil
		return err
	}
	if !s.modified && (!how.optional || s.skipRenew || !how.every && !s.resave && len(s.notes) == 0 && how.rules.renewal == 0) {
		return nil // it was only read, as most are
	}
	s.decide(how, c)
	return nil
}

// closeFailed is close for a response that failed: what was flushed stays flushed, unless
// the visitor sent no cookie. Then there is nothing to end, or another site has had the
// browser withhold it, and must not be able to log the visitor out.
func (s *lifecycle) closeFailed(c *closing) {
	c.dropped = s.modified && s.sinceFlush > 0
	if s.sent && s.flushes > s.keptFlush {
		o := s.other()
		c.what, c.left, c.leftIDs, c.several, c.chunks = endSession, o.left, o.leftIDs, s.several, s.chunks
		c.changes, c.flushes = s.changes, s.flushes
	}
}

// decide is close for a session that was changed, or may be due for a renewal.
func (s *lifecycle) decide(how *ending, c *closing) {
	rules := how.rules
	now := rules.now()
	c.rec = Record{Cookie: s.value, Version: s.version(), NewID: s.newID, Saved: now}
	c.otherCookies, c.several, c.chunks, c.modified, c.resaved = s.other(), s.several, s.chunks, s.modified, s.resave
	c.noted = len(s.notes) > 0
	c.changes, c.flushes = s.changes, s.flushes
	expiry := s.expiry()
	if rules.lifetime > 0 && s.created == 0 {
		s.begin(now)
	}
	end := s.endIfSaved(rules, expiry, now)
	empty := s.object.Len() == 0 || hasEnded(expiry, end, now) || expiry.kind == atTime && end.Equal(now)
	switch {
	case !s.modified && (empty || !s.renewalDue(how, expiry, now)):
		return
	case empty && s.sent && (s.loaded || s.cleared):
		c.what = endSession
		c.cycled = s.liveIDs()
		return
	case empty:
		return
	}
	if s.several {
		c.rec.Saved = rules.afterAll(s.saved, now)
	}
	if rules.revocations != nil {
		s.identify(rules, now, end)
	}
	c.data = scratch.Get()
	c.data.B = s.appendJSON(c.data.B)
	c.rec.Expires = end
	c.rec.BrowserClose = rules.closesWithBrowser(expiry)
	c.what = saveSession
	c.begins = !s.sent
}

// again is decide, after the manager has taken something out of the session.
func (s *lifecycle) again(how *ending, c *closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decideAnew(how, c)
}

// closeLate closes a session of which nobody has got hold before the response began.
func (s *lifecycle) closeLate() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

// isUsed reports whether the session has been read or changed.
func (s *lifecycle) isUsed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents != nil
}

// isNoted reports whether SetOptional wants the session to be saved.
func (s *lifecycle) isNoted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents != nil && len(s.notes) > 0
}

// dropNotes takes back what SetOptional has stored, and reports whether there was any.
func (s *lifecycle) dropNotes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, before := range s.notes {
		restoreKey(&s.object, key, before, before != "")
	}
	dropped := len(s.notes) > 0
	s.notes = nil
	return dropped
}

// begin notes when the session began: now, if it is new; otherwise it was loaded under
// rules without a lifetime, and says so itself.
func (s *lifecycle) begin(now time.Time) {
	if s.value != "" {
		s.takeCreated()
		return
	}
	s.object.Delete(createdKey)
	s.created = now.Unix()
}

// renewalDue reports whether a session that was only read is to be saved. What it
// was read from may be out of date if that was a while ago: another response may
// have set a newer cookie meanwhile.
func (s *lifecycle) renewalDue(how *ending, e Expiry, now time.Time) bool {
	since := s.asOf
	if how.came != 0 {
		since = how.came
	}
	if s.loaded && len(s.notes) > 0 && s.version() != "" {
		return true // it is merged with what others have done meanwhile
	}
	return s.loaded && now.Sub(time.Unix(0, since)) <= maxRenewalDelay &&
		(s.resave || len(s.notes) > 0 || how.every || how.rules.renewalDue(e, s.saved, now))
}

// maxRenewalDelay is how long after a session was loaded it is still renewed.
const maxRenewalDelay = time.Second

// closingErr is err, for those who don't hold the lock.
func (s *lifecycle) closingErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err()
}

// kept makes the session one that the store has, under the cookie's new value, or
// "" if it has none any more. What was changed while the store worked is still to
// be saved.
func (s *lifecycle) kept(c *closing, value, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resave, s.notes = false, nil
	s.chunks |= c.chunks
	s.loaded, s.sent = value != "", value != ""
	s.saved, s.ends = time.Time{}, time.Time{}
	if s.flushes != c.flushes { // since it was closed
		s.loaded = false
		s.others = nil
		if value != "" {
			s.others = &otherCookies{left: []string{value}} // its ID is among those to be ended
		}
		return
	}
	if value != "" {
		s.keptFlush = c.flushes
	}
	s.value, s.record = value, nil
	if version != "" {
		s.record = &recordState{base: c.rec.Data, version: version}
	}
	twins, twinIDs := s.other().twins, s.other().twinIDs
	s.others = nil
	if s.loaded {
		s.saved, s.ends = c.rec.Saved.Truncate(time.Second), c.rec.Expires
		if len(twins) > 0 {
			s.others = &otherCookies{twins: twins, twinIDs: twinIDs}
		}
	} else {
		s.identity = nil
	}
	if s.changes == c.changes {
		s.modified, s.newID, s.cleared = false, false, false
	}
}

// use gives a session to the manager that saves it: its rules count from now on.
func (s *lifecycle) use(rules *policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rules
}

// toldWhy reports whether a value that couldn't be set is all that stops the
// session from being saved, and the handler knows.
func (s *lifecycle) toldWhy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents != nil && s.failure == nil && len(s.bad) > 0 && s.told
}
