package cookiestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"example.com/cookiestore/internal/jsonobject"
)

// A Versioned declares one value of a session: its dictionary key, its type T, and the
// version of that type. It is for programs that keep a struct in the session rather than
// many keys, and it says what happens when the struct changes while visitors still have
// old ones: Upgrade converts them when they are read. What a newer program has stored, as
// after the rollback of a deploy, is an error, and stays as it is. Make it a variable of
// the package:
//
//	var visit = cookiestore.Versioned[Visit]{Key: "visit", Version: 2, Upgrade: upgradeVisit}
//
// It is stored as {"data": T, "v": 2}, so Django has it in request.session["visit"]["data"].
// An object with both members has a version, whatever else it holds. Declare one Versioned
// for each key: nothing tells two of them apart, and each would take the other's values for
// its own. Begin with a key that the program hasn't used before: a release from before
// Versioned would read the stored object as a struct without any of its fields, and
// overwrite it.
//
// The error of Get, Set and Modify wraps
//
//   - [ErrNewerVersion], if a newer version of the program has stored the value;
//   - [ErrType], if the value has the program's version, but is not a T; or if it has
//     members besides "data" and "v", or a "v" that is not a whole number over 0;
//   - what Upgrade returned, whose text is left out, since it could hold the value;
//   - or that of [Session.Err], if the session could not be loaded.
//
// The value then stays in the session byte for byte. Delete removes it, and Set replaces
// what is not a T or can't be upgraded, but nothing newer and no members that it doesn't
// know. Until then, an error of Set or Modify also stops the session from being saved, as
// one of the function [Modify] does; an error of Get does not.
//
// With an invalid Key or Version, Get, Set and Modify always fail.
//
// A Versioned is safe for concurrent use if its Upgrade is.
type Versioned[T any] struct {
	// Key is the dictionary key. It must not be empty, nor begin with an underscore: such
	// keys are Django's and this package's.
	Key string

	// Version is that of T in this program: at least 1. Raise it by one when stored values
	// no longer fit T, or when an older program must not change what this one stores: it
	// would drop the fields that it doesn't know.
	Version int

	// Upgrade returns as a T what an older version has stored, which is JSON. From is 0
	// for a value without a version, as [Session.Set] and Django store it.
	//
	// A value is upgraded each time that it is read, until Set or Modify stores it in the
	// new version. Without Upgrade, an older version is an error.
	Upgrade func(from int, stored json.RawMessage) (T, error)
}

// Get returns the value, or the zero T if there is none. It changes nothing: an upgraded
// value is not saved.
func (v Versioned[T]) Get(s *Session) (T, error) {
	stored, err := s.lookup(v.Key)
	if err != nil && !errors.Is(err, ErrNoKey) {
		var none T
		return none, keyError(v.Key, err)
	}
	return v.decode(stored)
}

// Set stores the value, in the program's version. It need not be able to read what it
// replaces. Of two requests that set it at the same time, the later wins with the whole T,
// since requests are merged key by key.
func (v Versioned[T]) Set(s *Session, value T) error {
	text, err := v.encode(value)
	return s.modify(v.Key, func(before string) (string, error) {
		if _, _, err := v.split(before); err != nil {
			return "", err
		}
		return text, err
	})
}

// Modify lets change alter the value, and stores it in the program's version. Without a
// value it begins with the zero T. The rules for change are those of the function [Modify]:
// it runs again if another request has stored the value meanwhile, where the store can tell.
func (v Versioned[T]) Modify(s *Session, change func(*T)) error {
	return s.modify(v.Key, func(before string) (string, error) {
		value, err := v.decode(before)
		if err != nil {
			return "", err
		}
		change(&value)
		return v.encode(value)
	})
}

// Delete removes the value, of whichever version it is. If there is none, it does nothing.
func (v Versioned[T]) Delete(s *Session) { s.Delete(v.Key) }

// The members of what is stored. By their names Django's side can read it. An array, [2, T],
// would be shorter, but many a list of numbers that has no version looks like that.
const (
	versionMember = "v"
	dataMember    = "data"
)

func (v Versioned[T]) encode(value T) (string, error) {
	return encode(v.Key, map[string]any{versionMember: v.Version, dataMember: value})
}

// decode returns as a T what is stored; "" is nothing.
func (v Versioned[T]) decode(stored string) (value T, err error) {
	from, data, err := v.split(stored)
	switch {
	case err != nil || data == "":
		return value, err
	case from == int64(v.Version):
		value, err = jsonobject.Decode[T](data)
		if err != nil {
			err = v.fault(from, err.Error(), err)
		}
	case v.Upgrade == nil:
		err = v.fault(from, "there is no Upgrade", nil)
	default:
		value, err = v.Upgrade(int(from), json.RawMessage(data))
		if err != nil {
			err = v.fault(from, "the upgrade failed", err)
		}
	}
	if err != nil {
		var none T
		return none, err
	}
	return value, nil
}

// split returns the version of what is stored, and its data. The error is about what must
// not be replaced, or about the declaration.
func (v Versioned[T]) split(stored string) (from int64, data string, err error) {
	if err := v.check(); err != nil {
		return 0, "", err
	}
	object, _ := jsonobject.Parse(stored) // what isn't an object has no members
	number, versioned := object.Find(versionMember)
	data, ok := object.Find(dataMember)
	if !versioned || !ok {
		return 0, stored, nil
	}
	from, _ = strconv.ParseInt(number, 10, 64) // 0 if it isn't one, and the largest if it is too large
	switch {
	case from > int64(v.Version):
		return 0, "", v.fault(from, ErrNewerVersion.Error(), ErrNewerVersion)
	case from < 1 || object.Len() > 2:
		return 0, "", &cookieError{class: usageError, cause: ErrType, detail: fmt.Sprintf(
			"session key %q: beside %q there may only be %q, a whole number over 0", v.Key, dataMember, versionMember)}
	}
	return from, data, nil
}

// check refuses an invalid declaration.
func (v Versioned[T]) check() error {
	switch {
	case v.Key == "":
		return usage(fmt.Sprintf("%T has no Key", v))
	case v.Key[0] == '_':
		return usage(fmt.Sprintf("%T has Key %q: keys that begin with an underscore are reserved", v, v.Key))
	case v.Version < 1:
		return usage(fmt.Sprintf("%T with Key %q has Version %d: it must be at least 1", v, v.Key, v.Version))
	}
	return nil
}

// fault returns the error about a value of that version.
func (v Versioned[T]) fault(from int64, why string, cause error) error {
	return &cookieError{class: usageError, cause: cause, detail: fmt.Sprintf(
		"session key %q, version %d (the program's is %d): %s", v.Key, from, v.Version, why)}
}
