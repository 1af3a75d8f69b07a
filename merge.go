package cookiestore

import (
	"slices"

	"example.com/cookiestore/internal/jsonobject"
)

// How the changes of two requests to one record become one.

// recordState is what merging needs, with stores whose records can change meanwhile.
type recordState struct {
	base      string          // the dictionary as it was loaded
	version   string          // the store's word for the state that base was in
	replays   []replay        // changes that can be made again
	plainKeys map[string]bool // keys with changes that can't be
}

// version returns the state of the record that the session came from, or "".
func (c *contents) version() string {
	if c.record == nil {
		return ""
	}
	return c.record.version
}

// A replay is a change of the value under one key that can be made again, on what
// another request has stored there meanwhile.
type replay struct {
	key    string
	change func(value string) (string, error) // "" means no value
}

// plain notes that a key is about to be changed whatever its value is.
func (s *lifecycle) plain(key string) {
	if s.record == nil {
		return
	}
	if s.record.plainKeys == nil {
		s.record.plainKeys = map[string]bool{}
	}
	s.record.plainKeys[key] = true
	s.record.replays = slices.DeleteFunc(s.record.replays, func(r replay) bool { return r.key == key })
}

// replayable notes how the value under a key has been changed.
func (s *lifecycle) replayable(key string, change func(string) (string, error)) {
	if s.record != nil && !s.cleared && !s.record.plainKeys[key] {
		s.record.replays = append(s.record.replays, replay{key, change})
	}
}

// rebase puts the changes since the session was loaded on top of what the store
// has now, and closes it again. If it was flushed since it was closed, there is
// nothing to merge.
func (s *lifecycle) rebase(how *ending, c *closing, theirs *contents) error {
	c.free()
	for {
		s.mu.Lock()
		flushed, changes := s.flushes != c.flushes, s.changes
		ours := s.object.Clone()
		var was recordState
		if s.record != nil {
			was = *s.record
			was.replays = slices.Clone(was.replays)
		}
		s.mu.Unlock()
		var merged jsonobject.Object
		if !flushed {
			var err error
			if merged, err = merge(&was, &ours, &theirs.object); err != nil {
				return err
			}
		}
		if s.adoptMerged(how, c, theirs, merged, changes) {
			return s.closingErr()
		}
	}
}

// adoptMerged makes the session what merging has made of it, and decides what
// becomes of it, unless it was changed meanwhile.
func (s *lifecycle) adoptMerged(how *ending, c *closing, theirs *contents, merged jsonobject.Object, changes int32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes {
		return false
	}
	if s.flushes == c.flushes {
		s.object = merged
		s.adoptState(theirs.record)
		s.saved, s.ends, s.created = theirs.saved, theirs.ends, theirs.created
		if !s.newID {
			s.identity = theirs.identity
		}
	}
	s.decideAnew(how, c)
	return true
}

// adoptState makes the state of a record, as another request has left it, the one that
// further changes are made to.
func (s *lifecycle) adoptState(theirs *recordState) {
	if theirs == nil || s.record == nil {
		s.record = theirs
		return
	}
	s.record.base, s.record.version = theirs.base, theirs.version
}

// merge returns theirs with the changes between base and ours made to it. Those that
// can be made again are, so that a counter counts both.
func merge(was *recordState, ours, theirs *jsonobject.Object) (jsonobject.Object, error) {
	base, _ := jsonobject.Parse(was.base) // has been checked
	merged := jsonobject.Merge(&base, ours, theirs)
	for i, r := range was.replays {
		if i == slices.IndexFunc(was.replays, func(other replay) bool { return other.key == r.key }) {
			value, ok := theirs.Find(r.key)
			restoreKey(&merged, r.key, value, ok)
		}
		value, _ := merged.Find(r.key)
		after, err := r.change(value)
		if err != nil {
			return merged, byValue(err)
		}
		restoreKey(&merged, r.key, after, after != "")
	}
	return merged, nil
}

// restoreKey puts a value under key, or removes what is there.
func restoreKey(object *jsonobject.Object, key, value string, ok bool) {
	if ok {
		object.Set(key, value)
	} else {
		object.Delete(key)
	}
}
