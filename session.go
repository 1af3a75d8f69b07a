package cookiestore

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Session is the dictionary that belongs to one visitor, with the methods of
// Django's request.session. In a handler, get it with [FromContext].
//
// Keys are strings, and values whatever JSON holds. A value is encoded when it
// is set, so that changing a map or slice afterwards does not change the
// session ([Modify] does); it is decoded when it is asked for, as the type that
// is asked for, by the functions [Get] and [Lookup]. What nobody touches stays
// as the bytes that it was.
//
// The session is loaded when it is first used. Where that fails because of the
// store (a bad cookie is no failure, but a new session), or where a value can't
// be encoded, the methods go on working, [Session.Err] tells, and in place of
// the response the visitor gets the middleware's error (see [Middleware]).
//
// Two requests of one visitor at the same time have a Session each. With a store
// that keeps records, what both have changed is merged, key by key; a cookie store
// keeps what the later response holds.
//
// The zero value is an empty session. A Session is safe for concurrent use.
type Session struct {
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

	// lateChange is told the key of a change that comes too late.
	lateChange(key string)
}

// contents is a session as a store has kept it, with the changes since.
type contents struct {
	members []member
	data    string // the JSON that members came from; "" once they differ
	base    string // the same, but kept
	version string // the store's word for the state that base was in
	value   string // of the cookie that it came from
	left    string // of the cookie of a session that was flushed
	saved   time.Time
	ends    time.Time
	created int64 // Unix seconds; kept where there is a lifetime
	loaded  bool  // from what a visitor sent
	sent    bool  // the visitor sent a cookie, good or bad
	resave  bool  // the store wants it saved again
	refused error // why what the visitor sent was refused
	failure error // of the store

	modified bool
	newKey   bool             // CycleKey was called
	told     bool             // the handler knows of an error
	changes  int              // how often it was modified
	flushes  int              // how often it was flushed
	bad      map[string]error // why the values of these keys couldn't be set
	lateKeys []string         // changed since it was closed; not reported yet
}

// FlashKey is the key under which flash messages wait, the one that
// gorilla/sessions uses.
const FlashKey = "_flash"

// The key and the value with which Django tests whether a browser takes cookies.
const (
	testCookieKey   = "testcookie"
	testCookieValue = "worked"
)

// open locks the session, which it loads at the first use.
func (s *Session) open() {
	s.mu.Lock()
	s.accessed = true
	if s.contents != nil {
		return
	}
	s.mu.Unlock()
	s.load()
}

// load has the host fill in the session, once, and locks it.
func (s *Session) load() {
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
	}
	returned = true
}

var errStorePanicked = errors.New("cookiestore: the store panicked")

// unlock ends what open began, and reports changes that came too late.
func (s *Session) unlock() {
	keys := s.lateKeys
	s.lateKeys = nil
	s.mu.Unlock()
	for _, key := range keys {
		s.host.lateChange(key)
	}
}

func (s *Session) policy() *policy {
	if s.rules == nil {
		return &defaultPolicy
	}
	return s.rules
}

// changed notes that the session is no longer what it was loaded as. The key is
// for the log, where the change comes too late.
func (s *Session) changed(key string) {
	s.modified = true
	s.changes++
	s.data = ""
	if s.closed && s.host != nil {
		s.lateKeys = append(s.lateKeys, key)
	}
}

// find returns the JSON under key, or "".
func (s *Session) find(key string) string {
	if i := indexOf(s.members, key); i >= 0 {
		return s.members[i].value
	}
	return ""
}

// put stores JSON under key, or the reason why there is none.
func (s *Session) put(key, value string, err error) {
	switch {
	case err != nil:
	case key == ExpiryKey:
		if _, perr := parseExpiry(value); perr != nil {
			err = usage(perr.Error())
		}
	case key == createdKey && s.policy().lifetime > 0:
		err = usage(createdKey + " is reserved for WithLifetime")
	}
	if err != nil {
		s.reject(key, err)
		return
	}
	delete(s.bad, key)
	if i := indexOf(s.members, key); i >= 0 {
		s.members[i].value = value
	} else {
		s.members = append(s.members, member{key: key, token: quoteKey(key), value: value})
	}
	s.changed(key)
}

// reject keeps what is under key, and the error for Err and the save.
func (s *Session) reject(key string, err error) {
	if s.bad == nil {
		s.bad = map[string]error{}
	}
	s.bad[key] = err
	s.changed(key)
}

// encode returns v as JSON for the given key.
func encode(key string, v any) (string, error) {
	buf := getBuffer()
	defer buf.free()
	var err error
	if _, err = appendString(buf.b, key); err != nil {
		return "", usage(fmt.Sprintf("session key %q is not UTF-8", key))
	}
	if buf.b, err = appendValue(buf.b, v); err != nil {
		return "", &cookieError{class: usageError, detail: fmt.Sprintf("session key %q can't be set: %v", key, err), cause: err}
	}
	return string(buf.b), nil
}

// quoteKey returns the JSON of a key. A key that is not UTF-8 is rejected when
// it is set, and can't come here.
func quoteKey(key string) string {
	token, _ := appendString(make([]byte, 0, len(key)+2), key)
	return string(token)
}

func (s *Session) remove(key string) bool {
	delete(s.bad, key)
	i := indexOf(s.members, key)
	if i < 0 {
		return false
	}
	s.members = slices.Delete(s.members, i, i+1)
	s.changed(key)
	return true
}

// Get returns the value under key as the type T, or otherwise, if there is none
// or it is no T. It is Django's session.get(key, default).
//
// Any T that encoding/json can decode will do; null is no string, number or
// bool. In an any, map[string]any or []any, a number is an int where it fits,
// else a uint64 or a float64, and a [encoding/json.Number] where only that is
// exact.
func Get[T any](s *Session, key string, otherwise T) T {
	if value, err := s.lookup(key); err == nil {
		if v, err := decode[T](value); err == nil {
			return v
		}
	}
	return otherwise
}

// Lookup returns the value under key as the type T. The error is [ErrNoKey] if
// there is none, [ErrType] if it is no T, or that of [Session.Err] if the
// session could not be loaded. It is Django's session[key].
func Lookup[T any](s *Session, key string) (T, error) {
	var v T
	value, err := s.lookup(key)
	if err == nil {
		v, err = decode[T](value)
	}
	if err != nil {
		return v, keyError(key, err)
	}
	return v, nil
}

// lookup returns the JSON under key.
func (s *Session) lookup(key string) (string, error) {
	s.open()
	defer s.mu.Unlock()
	if s.failure != nil {
		return "", s.failure
	}
	value := s.find(key)
	if value == "" {
		return "", ErrNoKey
	}
	return value, nil
}

func keyError(key string, err error) error {
	return fmt.Errorf("cookiestore: session key %q: %w", key, err)
}

// Modify reads the value under key as a T, lets change alter it and stores the
// result. Without a value it begins with the zero T. It is what replaces
//
//	request.session["my_car"]["wheels"] = "alloy"
//	request.session.modified = True
//
// If the value is no T, or the result is nothing that JSON can hold, nothing is
// changed, and the error that is returned also stops the session from being
// saved, until the key is set or deleted.
//
// If another goroutine changes the value meanwhile, change runs again, on the new
// value. It may use the session, but not change this key.
func Modify[T any](s *Session, key string, change func(*T)) error {
	for range maxRaces {
		before, err := s.lookup(key)
		var v T
		switch {
		case err == nil:
			v, err = decode[T](before)
		case errors.Is(err, ErrNoKey):
			err = nil
		default:
			return err
		}
		var after string
		if err == nil {
			change(&v)
			after, err = encode(key, v)
		} else {
			err = keyError(key, err)
		}
		if s.replace(key, before, after, err) {
			return err
		}
	}
	return keyError(key, errors.New("the value is changed again and again while Modify changes it"))
}

// maxRaces is how often Modify begins anew.
const maxRaces = 1000

// replace puts after, or the reason why there is none, in the place of before,
// and reports whether that was still there.
func (s *Session) replace(key, before, after string, err error) bool {
	s.open()
	defer s.unlock()
	if s.find(key) != before {
		return false
	}
	s.put(key, after, err)
	s.told = s.told || err != nil
	return true
}

// Get returns the value under key, or nil. A template can use it:
// {{.Session.Get "name"}}. For the types see the function [Get], with which Go
// code asks for the type it wants.
func (s *Session) Get(key string) any {
	value, err := s.lookup(key)
	if err != nil {
		return nil
	}
	return decodeAny(value)
}

// Has reports whether there is a value under key.
func (s *Session) Has(key string) bool {
	_, err := s.lookup(key)
	return err == nil
}

// Set stores value under key. It takes what encoding/json takes; a value that
// JSON can't hold (a channel, a NaN, a string that is not UTF-8) leaves what was
// there, and is an error when the session is saved, and from [Session.Err].
func (s *Session) Set(key string, value any) {
	text, err := encode(key, value)
	s.open()
	defer s.unlock()
	s.put(key, text, err)
}

// SetDefault stores value under key if there is none yet, and returns what is
// there then.
func (s *Session) SetDefault(key string, value any) any {
	text, err := encode(key, value)
	stored := s.setDefault(key, text, err)
	if stored == "" {
		return nil
	}
	return decodeAny(stored)
}

func (s *Session) setDefault(key, text string, err error) string {
	s.open()
	defer s.unlock()
	if s.find(key) == "" {
		s.put(key, text, err)
	}
	return s.find(key)
}

// Update stores every entry of values: a map with string keys, or a struct,
// whose fields are named as encoding/json names them. What it can't take is an
// error when the session is saved, and from [Session.Err].
func (s *Session) Update(values any) {
	entries := encodeAll(values)
	s.open()
	defer s.unlock()
	for _, e := range entries {
		s.put(e.key, e.value, e.err)
	}
}

// An entry is a member to be, or the reason why it can't be one.
type entry struct {
	key, value string
	err        error
}

// notOneKey stands for all keys of an Update. No key is spelled like that.
const notOneKey = "\xff"

// encodeAll returns the entries of a map or a struct.
func encodeAll(values any) []entry {
	var entries []entry
	if m, ok := values.(map[string]any); ok {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			text, err := encode(key, m[key])
			entries = append(entries, entry{key, text, err})
		}
		return entries
	}
	text, err := appendValue(nil, values)
	if err == nil {
		var members []member
		members, err = splitObject(string(text))
		for _, m := range members {
			entries = append(entries, entry{key: m.key, value: m.value})
		}
	}
	if err != nil {
		err = &cookieError{class: usageError, detail: fmt.Sprintf("session can't be updated from a %T: %v", values, err), cause: err}
		return []entry{{key: notOneKey, err: err}}
	}
	return entries
}

// Delete removes the keys. One that isn't there is no error.
func (s *Session) Delete(keys ...string) {
	s.open()
	defer s.unlock()
	for _, key := range keys {
		s.remove(key)
	}
}

// Pop removes key and returns the value that was there, or nil.
func (s *Session) Pop(key string) any {
	s.open()
	defer s.unlock()
	value := s.find(key)
	if !s.remove(key) {
		return nil
	}
	return decodeAny(value)
}

// Keys returns the keys in stored order, with Django's own such as [ExpiryKey].
func (s *Session) Keys() []string {
	s.open()
	defer s.mu.Unlock()
	keys := make([]string, len(s.members))
	for i := range s.members {
		keys[i] = s.members[i].key
	}
	return keys
}

// All iterates over keys and values, in stored order, as they are when it
// begins. For the types see the function [Get].
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		s.open()
		members := slices.Clone(s.members)
		s.mu.Unlock()
		for _, m := range members {
			if !yield(m.key, decodeAny(m.value)) {
				return
			}
		}
	}
}

// Decode stores the whole dictionary in dst, a pointer to a struct or a map, as
// encoding/json would. The error is [ErrType] if it doesn't fit.
func (s *Session) Decode(dst any) error {
	data, err := s.MarshalJSON()
	if err != nil {
		return err
	}
	if err := unmarshal(string(data), dst); err != nil {
		return fmt.Errorf("cookiestore: session: %w", mismatch(string(data), reflect.TypeOf(dst), err))
	}
	return nil
}

// MarshalJSON returns the dictionary as it is stored: what is in the cookie, if
// nobody has changed it.
func (s *Session) MarshalJSON() ([]byte, error) {
	s.open()
	defer s.mu.Unlock()
	if s.failure != nil {
		return nil, s.failure
	}
	return s.appendJSON(nil), nil
}

func (s *Session) appendJSON(dst []byte) []byte {
	if s.data != "" {
		return append(dst, s.data...)
	}
	dst = joinObject(dst, s.members)
	if s.created == 0 {
		return dst
	}
	dst = dst[:len(dst)-1]
	if len(s.members) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `"`+createdKey+`":`...)
	dst = strconv.AppendInt(dst, s.created, 10)
	return append(dst, '}')
}

// Clear removes all keys. An empty session is not kept: unless a key is set
// afterwards, the visitor's cookie is deleted.
func (s *Session) Clear() {
	s.open()
	defer s.unlock()
	s.clear()
}

func (s *Session) clear() {
	s.members = nil
	s.bad = nil
	s.changed("")
}

// IsEmpty reports whether the session has no keys.
func (s *Session) IsEmpty() bool {
	s.open()
	defer s.mu.Unlock()
	return len(s.members) == 0
}

// Flush ends the session: its keys are removed, and a store with records forgets
// it. What is set afterwards belongs to a new session. It is for logging out.
//
// In a cookie store nothing on the server can take back the cookie that the
// visitor had: who kept a copy of it can use it until it expires.
func (s *Session) Flush() {
	s.open()
	defer s.unlock()
	s.clear()
	s.flushes++
	s.created = 0
	s.newKey = false
	if s.value != "" {
		s.left = s.value
	}
	s.value, s.base, s.version = "", "", ""
}

// CycleKey has the session kept under a new key, and what it was kept under
// forgotten, to stop session fixation: call it when a visitor logs in. A cookie
// store has no such keys, and only writes a new cookie.
func (s *Session) CycleKey() {
	s.open()
	defer s.unlock()
	s.newKey = true
	s.changed("")
}

// Accessed reports whether the session has been read or changed. The response
// then depends on the cookie, and the middleware says so in its Vary field.
func (s *Session) Accessed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accessed
}

// Modified reports whether the session will be saved because it was changed.
func (s *Session) Modified() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents != nil && s.modified
}

// SetModified has the session saved, and so its time begin anew, though nothing
// in it was changed.
func (s *Session) SetModified() {
	s.open()
	defer s.unlock()
	s.changed("")
}

// IsNew reports whether the session began with this request: the visitor sent
// none, or none that is valid.
func (s *Session) IsNew() bool {
	s.open()
	defer s.mu.Unlock()
	return !s.loaded
}

// Refused returns why the cookie that the visitor sent was refused, so that a
// handler can tell who comes back after [ErrExpired] from who is new. It is nil
// if the cookie was good, or if there was none.
func (s *Session) Refused() error {
	s.open()
	defer s.mu.Unlock()
	return s.refused
}

// SavedAt returns when the session was last saved, to the second, and the zero
// time for a new one.
func (s *Session) SavedAt() time.Time {
	s.open()
	defer s.mu.Unlock()
	return s.saved
}

// Err returns why the session can't be saved: the store failed to load it, or a
// value was set that JSON can't hold. Nil means that all is well so far.
func (s *Session) Err() error {
	s.open()
	defer s.mu.Unlock()
	err := s.err()
	s.told = s.told || err != nil
	return err
}

func (s *Session) err() error {
	if s.failure != nil || len(s.bad) == 0 {
		return s.failure
	}
	return s.bad[slices.Min(slices.Collect(maps.Keys(s.bad)))]
}

// SetExpiry sets when the session ends; see [Expiry].
func (s *Session) SetExpiry(e Expiry) {
	s.open()
	defer s.unlock()
	if e.kind == byDefault {
		s.remove(ExpiryKey)
		return
	}
	var value [40]byte
	s.put(ExpiryKey, string(e.appendJSON(value[:0])), nil)
}

// expiry returns what SetExpiry was told. What stands there has been checked
// when it was loaded or set.
func (s *Session) expiry() Expiry {
	if value := s.find(ExpiryKey); value != "" {
		e, _ := parseExpiry(value)
		return e
	}
	return Default
}

// endIfSaved returns when the session ends, with that expiry, if it is saved at now.
func (s *Session) endIfSaved(e Expiry, now time.Time) time.Time {
	created := now
	if s.created != 0 {
		created = time.Unix(s.created, 0)
	}
	return s.policy().end(e, now, created)
}

// ExpiryAge returns how long the session lasts if it is saved now. It is
// Django's get_expiry_age(): for a session that ends at browser close it is the
// default maximum age. Once the session is over it is zero or less.
func (s *Session) ExpiryAge() time.Duration {
	s.open()
	defer s.mu.Unlock()
	now := s.policy().now()
	return s.endIfSaved(s.expiry(), now).Sub(now)
}

// ExpiryDate returns when the session ends if it is saved now. It is Django's
// get_expiry_date(). A session that is not saved ends earlier: see [Session.EndsAt].
func (s *Session) ExpiryDate() time.Time {
	s.open()
	defer s.mu.Unlock()
	return s.endIfSaved(s.expiry(), s.policy().now())
}

// EndsAt returns when the session that the visitor has ends, if it isn't saved
// again, and the zero time for a new one.
func (s *Session) EndsAt() time.Time {
	s.open()
	defer s.mu.Unlock()
	return s.ends
}

// ExpiresAtBrowserClose reports whether the cookie is one that the browser
// forgets when it is closed. It is Django's get_expire_at_browser_close().
func (s *Session) ExpiresAtBrowserClose() bool {
	s.open()
	defer s.mu.Unlock()
	return s.policy().closesWithBrowser(s.expiry())
}

// SetTestCookie stores a test value, to find out with the next request whether
// the browser takes cookies.
func (s *Session) SetTestCookie() { s.Set(testCookieKey, testCookieValue) }

// TestCookieWorked reports whether the value of SetTestCookie came back.
func (s *Session) TestCookieWorked() bool {
	return Get(s, testCookieKey, "") == testCookieValue
}

// DeleteTestCookie removes the value of SetTestCookie.
func (s *Session) DeleteTestCookie() { s.Delete(testCookieKey) }

// AddFlash adds a message for [Session.Flashes] to return once, in this request
// or a later one: after a redirect, say.
func (s *Session) AddFlash(message any) {
	text, err := encode(FlashKey, message)
	s.open()
	defer s.unlock()
	list := "[" + text + "]"
	if waiting, ok := strings.CutSuffix(s.find(FlashKey), "]"); ok {
		if waiting = strings.TrimRight(waiting, " \t\r\n"); waiting != "[" {
			list = waiting + "," + text + "]"
		}
	}
	s.put(FlashKey, list, err)
}

// Flashes returns the messages that wait, the oldest first, and removes them.
func (s *Session) Flashes() []any {
	s.open()
	defer s.unlock()
	value := s.find(FlashKey)
	if !s.remove(FlashKey) {
		return nil
	}
	messages, _ := decode[[]any](value)
	return messages
}

// String says how many keys the session has. It shows no values, so that they
// don't end up in a log; see [Session.MarshalJSON] for those.
func (s *Session) String() string {
	return fmt.Sprintf("session with %d keys", len(s.Keys()))
}

// GoString keeps the values out of %#v.
func (s *Session) GoString() string { return s.String() }

// LogValue keeps the values out of log/slog, too. A JSON logger that is given a
// struct or map with a session in it calls MarshalJSON and shows them.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// restore fills c with the session that the store has kept, or returns why it is
// to be refused.
func (p *policy) restore(rec Record, c *contents) error {
	members, expiry, err := parseData(rec.Data)
	if err != nil {
		return err
	}
	c.members, c.data, c.base, c.version = members, rec.Data, rec.Data, rec.Version
	c.saved, c.resave, c.loaded = rec.Saved, rec.Resave, true
	now := p.now()
	if c.saved.IsZero() {
		c.saved = now
	}
	if p.lifetime > 0 {
		c.takeCreated()
	}
	if c.ends, err = p.check(expiry, c.saved, time.Unix(c.created, 0), rec.Expires, now); err != nil {
		*c = contents{sent: c.sent, refused: c.refused}
	}
	return err
}

// parseData takes a dictionary apart and finds its expiry, or refuses it.
func parseData(data string) ([]member, Expiry, error) {
	members, err := splitObject(data)
	if err != nil {
		return nil, Default, refuse(ErrMalformed, err.Error())
	}
	i := indexOf(members, ExpiryKey)
	if i < 0 {
		return members, Default, nil
	}
	expiry, err := parseExpiry(members[i].value)
	if err != nil {
		return nil, Default, refuse(ErrMalformed, err.Error())
	}
	return members, expiry, nil
}

// takeCreated takes the time at which the session began out of its members. One
// without began when it was last saved.
func (c *contents) takeCreated() {
	c.created = c.saved.Unix()
	i := indexOf(c.members, createdKey)
	if i < 0 {
		c.data = "" // it lacks what the next save adds
		return
	}
	if at, err := strconv.ParseInt(c.members[i].value, 10, 64); err == nil {
		c.created = min(max(at, 1), c.created) // 0 is none, and it began before it was saved
	}
	c.members = slices.Delete(c.members, i, i+1)
}

// adopt gives the rules to a session that has none of its own.
func (s *Session) adopt(rules *policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rules == nil {
		s.rules = rules
	}
}

// abandon makes later changes too late, without anything being saved.
func (s *Session) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// toldWhy reports whether a value that couldn't be set is all that stops the
// session from being saved, and the handler knows.
func (s *Session) toldWhy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contents != nil && s.failure == nil && len(s.bad) > 0 && s.told
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
	what     outcome
	rec      Record // what to save, or of which session nothing is left
	left     string // the cookie of a session that was flushed
	changes  int    // how often it had been modified
	flushes  int    // and how often flushed
	accessed bool   // the response depends on it
	modified bool   // by the handler; otherwise it is only to be renewed
}

// close decides what becomes of the session, and notes it in c. Later changes are too
// late. A session that nobody used is not even loaded, unless every request is to save
// it.
func (s *Session) close(everyRequest bool, c *closing) error {
	if everyRequest {
		s.open()
	} else {
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.closed = true
	*c = closing{accessed: s.accessed}
	if s.contents == nil {
		return nil
	}
	if err := s.err(); err != nil {
		return err
	}
	rules := s.policy()
	if !s.modified && !everyRequest && !s.resave && s.refused == nil && rules.renewal == 0 {
		return nil // it was only read, as most are
	}
	now := rules.now()
	c.rec = Record{Cookie: s.value, Version: s.version, NewKey: s.newKey, Saved: now}
	c.left, c.modified = s.left, s.modified
	c.changes, c.flushes = s.changes, s.flushes
	expiry := s.expiry()
	end := s.endIfSaved(expiry, now)
	empty := len(s.members) == 0 || end.Sub(now) < time.Second
	renew := s.loaded && (s.resave || everyRequest || rules.renewalDue(expiry, s.saved, now))
	switch {
	case empty && s.sent && (s.modified || renew || s.isOver()):
		c.what = endSession
		return nil
	case empty || !s.modified && !renew:
		return nil
	}
	if rules.lifetime > 0 && s.created == 0 {
		s.created, s.data = now.Unix(), ""
	}
	c.rec.Data = s.data
	if c.rec.Data == "" {
		buf := getBuffer()
		defer buf.free()
		buf.b = s.appendJSON(buf.b)
		c.rec.Data = string(buf.b)
	}
	c.rec.Expires = end
	c.rec.BrowserClose = rules.closesWithBrowser(expiry)
	c.what = saveSession
	return nil
}

// rebase puts the changes since the session was loaded on top of what the store
// has now; or none of it, if the session was flushed since it was closed.
func (s *Session) rebase(c *closing, theirs *contents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushes != c.flushes {
		return
	}
	base, _ := splitObject(s.base) // has been checked
	s.members = mergeMembers(base, s.members, theirs.members)
	s.data, s.base, s.version = "", theirs.base, theirs.version
	s.saved, s.ends, s.created = theirs.saved, theirs.ends, theirs.created
}

// isOver reports whether the visitor's cookie is known to be worth nothing any
// more. One that was merely refused may be good to another server, which has a
// newer key.
func (c *contents) isOver() bool {
	return errors.Is(c.refused, ErrExpired) || errors.Is(c.refused, ErrNoSession)
}

// kept makes the session one that the store has, under the cookie's new value, or
// "" if it has none any more. What was changed while the store worked is still to
// be saved.
func (s *Session) kept(c *closing, value, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.resave = "", false
	s.loaded, s.sent = value != "", value != ""
	s.saved, s.ends = time.Time{}, time.Time{}
	if s.flushes != c.flushes { // since it was closed
		s.left, s.loaded = value, false
		return
	}
	s.value, s.version, s.base = value, version, c.rec.Data
	if s.loaded {
		s.saved, s.ends = c.rec.Saved.Truncate(time.Second), c.rec.Expires
	}
	if s.changes == c.changes {
		s.modified, s.newKey = false, false
	}
}
