package cookiestore

import (
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"example.com/cookiestore/internal/jsonobject"
)

// A Session is the dictionary that belongs to one visitor, with the methods of
// Django's request.session. In a handler, get it with [FromContext].
//
// Dictionary keys are strings, and values whatever JSON holds. A value is encoded
// when it is set, so that changing a map or slice afterwards does not change the
// session ([Modify] does); it is decoded when it is asked for, as the type that is
// asked for, by the functions [Get] and [Lookup]. Untouched values are preserved
// byte for byte.
//
// The session is loaded when it is first used. If the store fails then, or if
// a value can't be encoded, the methods go on working, [Session.Err] returns the error,
// and the visitor gets an error page in place of the response (see [Middleware]). A bad
// cookie is not a failure, but means a new session.
//
// Two requests of one visitor at the same time have a Session each. With a store
// that keeps records, the changes of both are merged, key by key; with a cookie
// store, the later response wins.
//
// The zero value is an empty session. A Session is safe for concurrent use.
type Session struct{ lifecycle }

// maxDictionary is how many bytes of JSON a session may have in any store: what exceeds
// every limit is refused early, before it costs more.
const maxDictionary = maxRow

// find returns the JSON under key, or "".
func (s *Session) find(key string) string {
	value, _ := s.object.Find(key)
	return value
}

// put stores JSON under key, or why there is none, which it returns.
func (s *Session) put(key, value string, err error) error {
	if err == nil {
		err = s.check(key, value)
	}
	if err != nil {
		s.reject(key, err)
		return err
	}
	delete(s.bad, key)
	delete(s.notes, key)
	s.object.Set(key, value)
	s.changed(key)
	return nil
}

// check refuses what must not stand under a key of this package's, and what makes
// the session too large for any store.
func (s *Session) check(key, value string) error {
	switch {
	case key == ExpiryKey:
		if _, err := parseExpiry(value); err != nil {
			return usage(err.Error())
		}
	case key == createdKey && s.policy().lifetime > 0:
		return usage(createdKey + " is reserved for WithLifetime")
	case key == identityKey && s.policy().revocations != nil:
		return usage(identityKey + " is reserved for WithRevocations")
	}
	if size := s.object.Size() + len(value); size > maxDictionary {
		return &cookieError{class: usageError, reason: ErrTooLarge, detail: fmt.Sprintf(
			"session key %q can't be set: the session would have %d bytes of JSON, and the limit is %d", key, size, maxDictionary)}
	}
	return nil
}

// reject leaves what is under key, and remembers the error for Err and the save.
func (s *Session) reject(key string, err error) {
	if s.bad == nil {
		s.bad = map[string]error{}
	}
	s.bad[key] = byValue(err)
	s.changed(key)
}

func (s *Session) remove(key string) bool {
	delete(s.bad, key)
	delete(s.notes, key)
	if !s.object.Delete(key) {
		return false
	}
	s.changed(key)
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
	return jsonobject.DecodeAny(value)
}

// Has reports whether there is a value under key.
func (s *Session) Has(key string) bool {
	_, err := s.lookup(key)
	return err == nil
}

// Set stores value under key. It takes what encoding/json takes. A value that JSON
// can't hold (a channel, a NaN, a string that is not UTF-8) leaves what was there,
// and is an error when the session is saved, and from [Session.Err].
//
// A float64 keeps its point, as 1.0, in a map[string]any and []any, too, so that it
// is a float again when it is read.
func (s *Session) Set(key string, value any) {
	text, err := encode(key, value)
	s.open()
	defer s.unlock()
	s.plain(key)
	s.put(key, text, err)
}

// SetOptional is Set for what a middleware notes in a session that is there, and notes again
// if it was not saved, such as the time of the last visit. Modified doesn't tell of it. The
// session is saved for it as for a renewal, which gives way to much (see [Middleware]), but
// in a store with records however late, since there the changes of others are merged. If
// the session is too large with it, it is left out. It begins no session, nor one after
// Flush or Clear.
func (s *Session) SetOptional(key string, value any) {
	text, err := encode(key, value)
	s.open()
	defer s.unlock()
	if s.closed || !s.loaded || s.cleared {
		return
	}
	if err == nil {
		err = s.check(key, text)
	}
	before := s.find(key)
	switch {
	case err != nil:
		s.reject(key, err)
		return
	case before == text:
		return
	}
	was, again := s.notes[key]
	if !again {
		was = before
	}
	if s.notes == nil {
		s.notes = map[string]string{}
	}
	s.notes[key] = was
	if was == text {
		delete(s.notes, key) // as it is stored
	}
	delete(s.bad, key)
	s.plain(key)
	s.object.Set(key, text)
}

// SetDefault stores value under key if there is none yet, and returns what is
// there then.
func (s *Session) SetDefault(key string, value any) any {
	text, err := encode(key, value)
	stored := s.setDefault(key, text, err)
	if stored == "" {
		return nil
	}
	return jsonobject.DecodeAny(stored)
}

func (s *Session) setDefault(key, text string, err error) string {
	s.open()
	defer s.unlock()
	if s.find(key) == "" {
		s.plain(key)
		s.put(key, text, err)
	}
	return s.find(key)
}

// Update stores every entry of values: a map with string keys, or a struct,
// whose fields are named as encoding/json names them. What it can't take is an
// error when the session is saved, and from [Session.Err].
func (s *Session) Update(values any) {
	entries, bad := encodeAll(values)
	s.open()
	defer s.unlock()
	for key, value := range entries.All() {
		if err := s.check(key, value); err != nil {
			bad = append(bad, badEntry{key, err})
		}
	}
	for _, b := range bad {
		entries.Delete(b.key)
		s.plain(b.key)
		s.reject(b.key, b.err)
	}
	for key := range entries.All() {
		delete(s.bad, key)
		s.plain(key)
		s.changed(key)
	}
	s.object.SetAll(&entries)
}

// A badEntry is why a value can't be stored.
type badEntry struct {
	key string
	err error
}

// notOneKey stands for all keys of an Update. No key is spelled like that.
const notOneKey = "\xff"

// encodeAll returns the entries of a map or a struct.
func encodeAll(values any) (entries jsonobject.Object, bad []badEntry) {
	if m, ok := values.(map[string]any); ok {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			text, err := encode(key, m[key])
			if err != nil {
				bad = append(bad, badEntry{key, err})
				continue
			}
			entries.Set(key, text)
		}
		return entries, bad
	}
	text, err := jsonobject.AppendValue(nil, values)
	if err == nil {
		entries, err = jsonobject.Parse(string(text))
	}
	if err != nil {
		err = &cookieError{class: usageError, detail: fmt.Sprintf("session can't be updated from a %T: %v", values, err), cause: err}
		return jsonobject.Object{}, []badEntry{{notOneKey, err}}
	}
	return entries, nil
}

// Delete removes the keys. One that isn't there is not an error.
func (s *Session) Delete(keys ...string) {
	s.open()
	defer s.unlock()
	for _, key := range keys {
		s.plain(key)
		s.remove(key)
	}
}

// Pop removes key and returns the value that was there, or nil.
func (s *Session) Pop(key string) any {
	s.open()
	defer s.unlock()
	value := s.find(key)
	s.plain(key)
	if !s.remove(key) {
		return nil
	}
	return jsonobject.DecodeAny(value)
}

// Keys returns the keys in stored order, with Django's own such as [ExpiryKey].
func (s *Session) Keys() []string {
	s.open()
	defer s.mu.Unlock()
	keys := make([]string, 0, s.object.Len())
	for key := range s.object.All() {
		keys = append(keys, key)
	}
	return keys
}

// All iterates over keys and values, in stored order, as they are when it
// begins. For the types see the function [Get].
func (s *Session) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		s.open()
		members := s.object.All() // as they are now
		s.mu.Unlock()
		for key, value := range members {
			if !yield(key, jsonobject.DecodeAny(value)) {
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
	if err := jsonobject.Unmarshal(string(data), dst); err != nil {
		return fmt.Errorf("cookiestore: session: %w", err)
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

// Clear removes all keys. An empty session is not kept: unless a key is set
// afterwards, the visitor's cookie is deleted.
func (s *Session) Clear() {
	s.open()
	defer s.unlock()
	s.clear()
}

// IsEmpty reports whether the session has no keys.
func (s *Session) IsEmpty() bool {
	s.open()
	defer s.mu.Unlock()
	return s.object.Len() == 0
}

// Flush ends the session, for logging out: the dictionary is emptied, a store with
// records deletes the record, and the browser is told to delete the cookie, in
// every scope (see [WithFormerScope]). It holds at every status of the response,
// and after a panic. What is set afterwards belongs to a new session.
//
// In a cookie store nothing on the server can take back the cookie that the
// visitor had: a copy of it works until it expires, unless [WithRevocations] is used.
func (s *Session) Flush() {
	s.open()
	defer s.unlock()
	s.flush()
}

// CycleKey gives the session a new ID and makes the old one worthless. Call it when a
// visitor logs in: it prevents session fixation. It is Django's cycle_key(),
// whose word for the session ID is "session key". A cookie store has no IDs without
// [WithRevocations], and then only writes a new cookie.
func (s *Session) CycleKey() {
	s.open()
	defer s.unlock()
	s.newID = true
	if rules := s.policy(); rules.revocations != nil {
		s.renewIdentity(rules)
	}
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

// SetModified has the session saved even if nothing in it was changed. Its age then
// starts again.
func (s *Session) SetModified() {
	s.open()
	defer s.unlock()
	s.changed("")
}

// SkipRenewal keeps this response from saving a session that the handler hasn't
// changed: by [WithRenewal], [WithSaveEveryRequest] or signing with a new key. It is
// for responses that must not count as a visit, such as those of a poll.
func (s *Session) SkipRenewal() {
	s.open()
	defer s.unlock()
	s.skipRenew = true
}

// IsNew reports whether the session began with this request: the visitor sent no
// valid cookie.
func (s *Session) IsNew() bool {
	s.open()
	defer s.mu.Unlock()
	return !s.loaded
}

// Refused returns why the cookie that the visitor sent was refused, so that a
// handler can tell visitors who come back after [ErrExpired] from new ones. It is
// nil if there was a valid cookie, or none.
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

// ExpiryAge returns how long the session would last, counted from now, if it were
// saved now; [Session.EndsAt] says when the one that the visitor has ends. It is
// Django's get_expiry_age(): for a session that ends at browser close it is the
// default maximum age. For an expired session it is zero or less.
func (s *Session) ExpiryAge() time.Duration {
	s.open()
	defer s.mu.Unlock()
	rules := s.policy()
	now := rules.now()
	return s.endIfSaved(rules, s.expiry(), now).Sub(now)
}

// ExpiryDate returns when the session would end, counted from now, if it were saved
// now; [Session.EndsAt] says when the one that the visitor has ends. It is Django's
// get_expiry_date().
func (s *Session) ExpiryDate() time.Time {
	s.open()
	defer s.mu.Unlock()
	rules := s.policy()
	return s.endIfSaved(rules, s.expiry(), rules.now())
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

// String says how many keys the session has. It shows no values, so that none end up
// in a log; [Session.MarshalJSON] returns them.
func (s *Session) String() string {
	return fmt.Sprintf("session with %d keys", len(s.Keys()))
}

// GoString keeps the values out of %#v.
func (s *Session) GoString() string { return s.String() }

// LogValue keeps the values out of log/slog, too. A JSON logger that is given a
// struct or map with a session in it calls MarshalJSON and shows them.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }
