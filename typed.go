package cookiestore

import (
	"errors"
	"fmt"

	"example.com/cookiestore/internal/jsonobject"
	"example.com/cookiestore/internal/scratch"
)

// The values of a session as Go types.

// Get returns the value under key as the type T, or fallback, if it is missing or
// not a T. It is Django's session.get(key, default).
//
// Any T that encoding/json can decode will do; null is not a string, number or
// bool. In an any, map[string]any or []any, a number is an int where it fits,
// else a uint64 or a float64, and a [encoding/json.Number] where only that is
// exact.
func Get[T any](s *Session, key string, fallback T) T {
	if value, err := s.lookup(key); err == nil {
		if v, err := jsonobject.Decode[T](value); err == nil {
			return v
		}
	}
	return fallback
}

// Lookup returns the value under key as the type T. The error is [ErrNoKey] if it
// is missing, [ErrType] if it is not a T, or that of [Session.Err] if the session
// could not be loaded. It is Django's session[key].
func Lookup[T any](s *Session, key string) (T, error) {
	var v T
	value, err := s.lookup(key)
	if err == nil {
		v, err = jsonobject.Decode[T](value)
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
// If the value is not a T, or the session can't hold the result, nothing is changed,
// and the error that is returned also stops the session from being saved, until the
// key is set or deleted.
//
// If another goroutine changes the value meanwhile, change runs again, on the new
// value; and, with a store that keeps records, also if another request has. It may
// use the session, but not change this key, and must not depend on how often it
// runs.
func Modify[T any](s *Session, key string, change func(*T)) error {
	return s.modify(key, func(before string) (string, error) {
		var v T
		if before != "" {
			var err error
			if v, err = jsonobject.Decode[T](before); err != nil {
				return "", keyError(key, err)
			}
		}
		change(&v)
		return encode(key, v)
	})
}

// modify puts what altered makes of the JSON under key, or of "", in its place.
func (s *Session) modify(key string, altered func(before string) (string, error)) error {
	for range maxRaces {
		before, err := s.lookup(key)
		if err != nil && !errors.Is(err, ErrNoKey) {
			return err
		}
		after, err := altered(before)
		if replaced, err := s.replace(key, before, after, err, altered); replaced {
			return err
		}
	}
	return keyError(key, errors.New("other goroutines keep changing the value while Modify changes it"))
}

// maxRaces is how often modify begins anew.
const maxRaces = 1000

// replace puts after, or the reason why there is none, in the place of before, and
// reports whether that was still there. The error is the one that stops the save.
func (s *Session) replace(key, before, after string, err error, change func(string) (string, error)) (bool, error) {
	s.open()
	defer s.unlock()
	if s.find(key) != before {
		return false, nil
	}
	err = s.put(key, after, err)
	s.told = s.told || err != nil
	if err == nil {
		s.replayable(key, change)
	}
	return true, err
}

// encode returns v as JSON for the given key.
func encode(key string, v any) (string, error) {
	if err := jsonobject.CheckKey(key); err != nil {
		return "", usage(fmt.Sprintf("session key %q is not UTF-8", key))
	}
	buf := scratch.Get()
	defer buf.Free()
	var err error
	if buf.B, err = jsonobject.AppendValue(buf.B, v); err != nil {
		return "", &cookieError{class: usageError, detail: fmt.Sprintf("session key %q can't be set: %v", key, err), cause: err}
	}
	return string(buf.B), nil
}
