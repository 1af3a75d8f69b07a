package cookiestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/cookiestore/internal/scratch"
)

// A Manager loads and saves the sessions that belong to one cookie, by the
// rules that its options set. [Middleware] has one of its own; make one with
// [NewManager] for code that has no http.Handler: a function that gets an API
// Gateway event, a job, a test.
//
// A Manager is safe for concurrent use.
type Manager struct {
	settings
	jar     jar
	store   Store
	signing *CookieStore // the store, if it is one with a format of ours
	outer   any          // asks a context for this middleware

	optional bool  // saves that no handler has asked for are not those of signing anew alone
	turns    turns // of requests that save the same session
	reports  reports

	observerPanicked sync.Once
}

// NewManager returns a Manager for the store. Options that contradict each other,
// or with which browsers would drop the cookie or no session could last, are an
// error.
func NewManager(store Store, options ...Option) (*Manager, error) {
	m := &Manager{store: store, settings: defaultSettings()}
	for _, option := range options {
		if option == nil {
			return nil, usage("an option is nil")
		}
		option(&m.settings)
	}
	m.rules.age = m.rules.age.Truncate(time.Second)
	if isNil(store) {
		return nil, usage("the store is nil")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if own, ok := store.(*CookieStore); ok {
		switch {
		case own.codec == nil:
			return nil, usage("the CookieStore is an empty one: make it with New")
		case own.keys != nil:
			m.signing = own
		}
	}
	m.jar = newJar(&m.settings)
	m.outer = outerName(m.cookie.Name)
	m.optional = m.everyRequest || m.rules.renewal > 0 || m.signing == nil
	return m, nil
}

// Load returns the session that the values of a request's Cookie fields hold:
// in an API Gateway event, say, the cookies. Without a valid one it is empty
// and new; the error is that of a store that failed.
func (m *Manager) Load(ctx context.Context, cookies ...string) (*Session, error) {
	s := &Session{lifecycle{rules: &m.rules, contents: new(contents)}}
	m.load(ctx, nil, cookies, s.contents)
	return s, s.failure
}

// Save saves the session if it was changed or is due, by the rules of this Manager's
// options, whichever loaded it, and returns the cookies to set: none; that of the
// session, and with [WithChunks] those of its other chunks; and, with a negative
// MaxAge, those to delete. The session's own comes first.
// After an error nothing is to be set. A renewal that fails is only logged. A
// response that depends on the session should have Vary: Cookie.
//
// Inside of [Middleware], Save takes its place: what was saved is not saved again,
// and the cookies are the caller's to set.
func (m *Manager) Save(ctx context.Context, s *Session) ([]*http.Cookie, error) {
	if s == nil {
		return nil, usage("the session is nil")
	}
	var r *http.Request
	if x, ok := ctx.Value(m.outer).(*exchangeContext); ok {
		r = x.request
	}
	change, err := m.save(ctx, r, s, &ending{rules: &m.rules, every: m.everyRequest, optional: true})
	if err != nil || !change.set {
		return nil, err
	}
	return m.jar.cookies(&change), nil
}

// load fills in the session of the visitor's cookies.
func (m *Manager) load(ctx context.Context, r *http.Request, fields []string, into *contents) {
	var found candidates
	if m.chunks > 1 {
		found.gather(fields, m.cookie.Name, m.sizeLimit())
	} else {
		for value := range cookieValues(fields, m.cookie.Name) {
			if !found.add(value) {
				break
			}
		}
	}
	values, refused := found.values[:found.n], found.refused
	watch := m.stopwatch()
	returned := false
	defer func() {
		if !returned {
			m.observeLoad(ctx, &contents{failure: errStorePanicked}, nil, watch.elapsed())
		}
	}()
	switch {
	case len(refused) > 0 || len(values) > 1:
		refused = m.loadNewest(ctx, values, refused, into)
	case len(values) == 1:
		refused = m.loadOne(ctx, values[0], into)
	}
	returned = true
	m.observeLoad(ctx, into, refused, watch.elapsed())
	if len(refused) > 0 || len(into.other().twins) > 0 {
		m.reportCookies(ctx, r, refused, into)
	}
	into.sent, into.several, into.chunks = len(values)+len(refused) > 0, found.several, found.chunks
}

// candidates are the values of a visitor's cookies that may be the session.
type candidates struct {
	values  [maxDuplicates]string
	n       int
	several bool      // the visitor sent more than one, good or bad
	refused []refusal // because not all of their chunks are there
	chunks  chunkSet  // that the visitor sent
}

// add notes the value of a cookie, unless it is there already. It reports whether there
// is room for others.
func (c *candidates) add(value string) bool {
	if c.several = c.n > 0; slices.Contains(c.values[:c.n], value) {
		return true
	}
	if c.n == maxDuplicates {
		return false
	}
	c.values[c.n] = value
	c.n++
	return true
}

// loadOne is load for the only cookie. It returns it if it is refused.
func (m *Manager) loadOne(ctx context.Context, value string, into *contents) (refused []refusal) {
	var rec Record
	err := m.loadRecord(ctx, m.loadValue, &value, &rec)
	if err == nil {
		err = m.restore(ctx, value, rec, m.rules.now(), into)
	}
	switch {
	case err == nil:
		into.value = value
	case IsRefused(err):
		into.refused = err
		return []refusal{{value, err}}
	default:
		into.failure = loadError(ctx, err)
	}
	return nil
}

// restore fills in a session, or returns why it is to be refused: it may have been ended.
func (m *Manager) restore(ctx context.Context, value string, rec Record, now time.Time, into *contents) error {
	if err := m.rules.restore(rec, now, into); err != nil || m.rules.revocations == nil {
		return err
	}
	if into.identity.id == "" {
		into.identity.id = idOf(value)
	}
	into.identity.latest = max(into.identity.latest, into.ends.Unix())
	revoked, err := m.rules.revocations.Revoked(ctx, Identity{
		ID: into.identity.id, User: into.userOf(m.rules.userKey), StartedAt: time.UnixMicro(into.identity.began),
	})
	switch {
	case err != nil:
		*into = contents{}
		return fmt.Errorf("revocations can't be asked: %w", err)
	case revoked:
		*into = contents{}
		return refuse(ErrRevoked, "")
	}
	return nil
}

// loadNewest is load for several cookies. Of those that are valid the newest counts. Where
// two are equally new, it is the later in the field: browsers send those that were set
// first before others. It returns those that are refused, too.
func (m *Manager) loadNewest(ctx context.Context, values []string, refused []refusal, into *contents) []refusal {
	var valid []string
	var ids []identity
	load := m.loadFrom(ctx, values)
	now := m.rules.now()
	for _, value := range values {
		var c contents
		var rec Record
		err := m.loadRecord(ctx, load, &value, &rec)
		if err == nil {
			err = m.restore(ctx, value, rec, now, &c)
		}
		switch {
		case err != nil && !IsRefused(err):
			*into = contents{failure: loadError(ctx, err)}
			return refused
		case err != nil:
			refused = append(refused, refusal{value, err})
			continue
		case slices.Contains(valid, value):
			continue // another spelling of the same
		case !c.saved.Before(into.saved):
			*into = c
			into.value = value
		}
		valid, ids = append(valid, value), append(ids, c.endable()...)
	}
	if len(valid) > 1 {
		twins := slices.DeleteFunc(valid, func(value string) bool { return value == into.value })
		twinIDs := slices.DeleteFunc(ids, func(i identity) bool { return into.identity != nil && i.id == into.identity.id })
		into.others = &otherCookies{twins: twins, twinIDs: twinIDs}
	}
	if len(refused) > 0 && !into.loaded {
		into.refused = refused[len(refused)-1].err
	}
	return refused
}

// A refusal is a cookie that was refused, and why.
type refusal struct {
	value string
	err   error
}

// A loadFunc is Store.Load for the cookies of this manager.
type loadFunc func(ctx context.Context, value string) (Record, error)

// loadRecord loads the session of a cookie. Clients and proxies may have percent-encoded
// its colons, as npm's cookie package does: value is then made what it was. A store's own
// value may have such signs in it, too, and so comes first.
func (m *Manager) loadRecord(ctx context.Context, load loadFunc, value *string, rec *Record) (err error) {
	*rec, err = load(ctx, *value)
	if err == nil || strings.IndexByte(*value, '%') < 0 || !IsRefused(err) {
		return err
	}
	plain := percentColons.Replace(*value)
	if plain == *value {
		return err
	}
	again, plainErr := m.loadValue(ctx, plain)
	if plainErr != nil && IsRefused(plainErr) {
		return err
	}
	*value, *rec = plain, again
	return plainErr
}

// loadValue has the store load a session, unless no cookie of this manager's can be that
// large.
func (m *Manager) loadValue(ctx context.Context, value string) (Record, error) {
	if err := m.checkSize(value); err != nil {
		return Record{}, err
	}
	if len(m.cookie.Name)+len(value) > MaxCookieSize {
		ctx = sizeChecked{ctx}
	}
	return m.store.Load(ctx, m.cookie.Name, value)
}

var percentColons = strings.NewReplacer("%3A", ":", "%3a", ":")

// sizeChecked is the context of a load whose cookie is within the manager's own limit,
// which is larger than that of [CookieStore.Load]. Stores that wrap one pass it on.
type sizeChecked struct{ context.Context }

func (c sizeChecked) Value(key any) any {
	if key == any(sizeChecked{}) {
		return true
	}
	return c.Context.Value(key)
}

// sizeLimit is the size of the largest cookie that is looked at, all chunks together.
func (m *Manager) sizeLimit() int {
	return max(m.maxCookieSize, MaxCookieSize) * m.chunks // it may have been larger before
}

// checkSize refuses a cookie that is too large to be one of this manager's.
func (m *Manager) checkSize(value string) error {
	if size := len(m.cookie.Name) + len(value); size > m.sizeLimit() {
		return refuseTooLong(size, m.sizeLimit())
	}
	return nil
}

// loadError returns the error of a store that can't load a session for a request with that
// context.
func loadError(ctx context.Context, err error) error {
	if ctx.Err() == context.Canceled {
		err = fmt.Errorf("%w: %w", errCanceled, err)
	}
	return fmt.Errorf("session can't be loaded: %w", err)
}

// save has the store save the session, or delete it, if that is due. A save that
// nobody asked for and that fails is only logged: the handler has changed nothing.
func (m *Manager) save(ctx context.Context, r *http.Request, s *Session, how *ending) (change cookieChange, err error) {
	var c closing
	defer c.free()
	err = s.close(how, &c)
	vary := c.accessed
	if c.dropped && how.after == nil {
		m.log(ctx, r, slog.LevelWarn, "session changes dropped", errFailedResponse)
	}
	if c.bad {
		m.observeSave(ctx, how, &c, &change, "asked", err)
	}
	if err == nil && c.what != keepCookie {
		s.use(how.rules)
		asked := c.asked()
		change, err = m.settle(ctx, r, s, how, &c)
		if err != nil && !asked {
			m.log(ctx, r, slog.LevelError, "session not renewed", err)
			change, err = cookieChange{}, nil
		}
	}
	change.vary = vary
	return change, err
}

// settle does what is to be done at the end of a request, and tells the observer how that
// went: a store that panics has failed, too.
func (m *Manager) settle(ctx context.Context, r *http.Request, s *Session, how *ending, c *closing) (change cookieChange, err error) {
	reason := c.reason()
	defer func() { m.observeSave(ctx, how, c, &change, reason, err) }()
	if err = m.checkSite(ctx, r, c); err != nil {
		return cookieChange{}, err
	}
	err = errStorePanicked
	return m.carryOut(ctx, r, s, how, c)
}

var errFailedResponse = errors.New("cookiestore: the response has a status of 500 or more, or the handler has panicked")

// checkSite refuses to begin a session in a request from another site to which the
// browser has added no cookie because it is Lax or Strict.
func (m *Manager) checkSite(ctx context.Context, r *http.Request, c *closing) error {
	withheld := m.cookie.SameSite == http.SameSiteLaxMode || m.cookie.SameSite == http.SameSiteStrictMode
	if r == nil || !c.begins || !withheld || !isCrossSite(r) {
		return nil
	}
	if m.noCrossSite {
		return &cookieError{class: usageError, reason: ErrCrossSite, detail: "the browser has withheld the cookie, and a new session would replace the visitor's"}
	}
	m.log(ctx, r, slog.LevelDebug, "session begun in a cross-site request", errWithheld)
	return nil
}

var errWithheld = errors.New("cookiestore: if the visitor has a session, it is replaced: see WithoutCrossSiteSessions")

// isCrossSite reports whether another site has the browser make the request, with a
// method that is not safe (RFC 9110, section 9.2.1).
func isCrossSite(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	return r.Header.Get("Sec-Fetch-Site") == "cross-site"
}

// maxConflicts is how often a session is merged with what other requests have
// made of it meanwhile. Of those that save at the same time one gets through in
// each round.
const maxConflicts = 100

// carryOut does what is to be done at the end of a request, if need be on top of
// what other requests have done meanwhile.
func (m *Manager) carryOut(ctx context.Context, r *http.Request, s *Session, how *ending, c *closing) (cookieChange, error) {
	ctx, cancel := m.detached(ctx, c)
	defer cancel()
	turn, err := m.takeTurn(ctx, c)
	if err != nil {
		return cookieChange{}, err
	}
	defer turn.pass()
	for conflicts := 0; ; conflicts++ {
		change, err := m.tryInTurn(ctx, turn, r, s, how, c)
		switch {
		case !errors.Is(err, ErrConflict):
			return change, err
		case conflicts == maxConflicts:
			return change, fmt.Errorf("%w, %d times in a row, by other processes", err, maxConflicts)
		}
		c.conflicts++
		if !c.asked() && !c.noted {
			return cookieChange{}, nil // the other request has seen to it
		}
		if err := pause(ctx, conflicts); err != nil {
			return cookieChange{}, err
		}
		err = m.merge(ctx, turn, s, how, c)
		switch {
		case err == nil:
		case c.what == endSession && means(err, ErrInterrupted):
			if err := m.revoke(ctx, c.cycled); err != nil {
				return cookieChange{}, err
			}
			return m.ended(s, c), nil
		default:
			return cookieChange{}, err
		}
		if c.what == keepCookie {
			return cookieChange{}, nil
		}
	}
}

// pause lets those go first who are at it already, so that many requests of one
// session at the same time don't do the work of each other over and over.
func pause(ctx context.Context, conflicts int) error {
	if conflicts == 0 {
		return nil
	}
	timer := time.NewTimer(rand.N(time.Duration(min(conflicts, 10)) * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("session can't be saved: %w", context.Cause(ctx))
	}
}

// try does what is to be done once. Sessions that were flushed are deleted first:
// whatever comes then, the visitor is logged out.
func (m *Manager) try(ctx context.Context, r *http.Request, s *Session, how *ending, c *closing) (cookieChange, error) {
	if err := m.revoke(ctx, c.leftIDs); err != nil {
		return cookieChange{}, err
	}
	for _, value := range c.left {
		if err := m.forget(ctx, value, ""); err != nil {
			return cookieChange{}, err
		}
	}
	if c.what == saveSession {
		return m.keep(ctx, r, s, how, c)
	}
	if c.rec.Cookie != "" {
		if err := m.forget(ctx, c.rec.Cookie, c.rec.Version); err != nil {
			return cookieChange{}, err
		}
	}
	for _, value := range c.twins {
		if err := m.forget(ctx, value, ""); err != nil {
			return cookieChange{}, err
		}
	}
	// Not before it is known that no other request has put something into the session.
	if err := m.revoke(ctx, c.cycled); err != nil {
		return cookieChange{}, err
	}
	return m.ended(s, c), nil
}

// keep has the store save a session. If it is too large, flash messages give way.
func (m *Manager) keep(ctx context.Context, r *http.Request, s *Session, how *ending, c *closing) (cookieChange, error) {
	change := cookieChange{
		set: true, age: -1, replaces: c.rec.Cookie, left: c.left, ended: len(c.left) > 0, several: c.several, chunks: c.chunks,
	}
	if !c.rec.BrowserClose {
		change.lasting(c.rec.Saved, c.rec.Expires)
	}
	dropped := 0
	for {
		version, err := m.write(ctx, c, &change)
		if errors.Is(err, ErrTooLarge) && s.dropNotes() {
			if s.again(how, c); c.what != saveSession {
				return cookieChange{}, nil
			}
			continue
		}
		if errors.Is(err, ErrTooLarge) && s.dropFlash() {
			dropped++
			s.again(how, c)
			continue
		}
		if err != nil {
			return cookieChange{}, fmt.Errorf("session can't be saved: %w", err)
		}
		if dropped += s.takeLostFlashes(); dropped > 0 {
			m.lost(ctx, r, slog.LevelWarn, "flash messages dropped", "flash", fmt.Errorf("cookiestore: the session has no room for the oldest %d", dropped))
		}
		switch err := m.revoke(ctx, c.cycled); {
		case err == nil:
		case version == "": // it is not a record
			return cookieChange{}, err // the visitor's cookie is as good as before
		default: // the old record is gone, and with it all that its ID opened
			m.log(ctx, r, slog.LevelError, "session cycled, but its old ID not revoked", err)
		}
		s.kept(c, change.value, version)
		c.rec.Version = version
		return change, nil
	}
}

// write has the store save the dictionary, and writes the Set-Cookie field.
func (m *Manager) write(ctx context.Context, c *closing, change *cookieChange) (version string, err error) {
	line := scratch.Get()
	defer line.Free()
	line.B = append(append(line.B, m.cookie.Name...), '=')
	start := len(line.B)
	var space [maxTimes]byte
	times := appendTimes(space[:0], change)
	room := m.jar.room(len(times))
	if m.signing != nil { // it writes base64 and colons, and no copy is needed
		line.B, err = m.signing.appendValue(line.B, m.cookie.Name, c.data.B, c.rec.Saved, room)
	} else {
		var value string
		c.rec.Data, c.rec.Limit, c.rec.Overhead, c.rec.single = string(c.data.B), room.limit, room.overhead, room.single
		value, version, err = m.store.Save(ctx, m.cookie.Name, c.rec)
		line.B = append(line.B, value...)
		if err == nil {
			err = checkValue(line.B[start:], room)
		}
	}
	if err != nil {
		return "", err
	}
	end := len(line.B)
	if room.needsChunks(line.B[start:]) {
		change.cut(string(line.B[start:]), room)
		c.chunks |= change.chunks
		return version, nil
	}
	line.B = append(append(line.B, times...), m.jar.attributes...)
	change.line = string(line.B)
	change.value = change.line[start:end]
	return version, nil
}

// forget has the store delete the session of a cookie that was good.
func (m *Manager) forget(ctx context.Context, value, version string) error {
	if err := m.store.Delete(ctx, m.cookie.Name, value, version); err != nil {
		return fmt.Errorf("session can't be deleted: %w", err)
	}
	return nil
}

// ended notes that the store has the session no more, and deletes the cookie.
func (m *Manager) ended(s *Session, c *closing) cookieChange {
	s.kept(c, "", "")
	return cookieChange{
		set: true, replaces: c.rec.Cookie, left: c.left, line: deletion(&m.cookie), expires: time.Unix(0, 0),
		ended: true, several: c.several, chunks: c.chunks,
	}
}

// merge puts the session's changes on top of what the store has now. The error is
// [ErrInterrupted] if it has none any more.
func (m *Manager) merge(ctx context.Context, t *turn, s *Session, how *ending, c *closing) error {
	rec, err := m.latest(ctx, t, c)
	var theirs contents
	if err == nil {
		err = how.rules.restore(rec, how.rules.now(), &theirs)
	}
	switch {
	case err == nil:
		return s.rebase(how, c, &theirs)
	case errors.Is(err, ErrNoSession) || errors.Is(err, ErrExpired):
		return &cookieError{class: usageError, reason: ErrInterrupted, detail: "it is not brought back, and the changes are lost"}
	}
	return fmt.Errorf("session can't be loaded again: %w", err)
}
