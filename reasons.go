package cookiestore

import (
	"errors"
	"slices"
)

// eventReasons are the reasons of events, by their kind.
var eventReasons = map[EventKind][]string{
	EventLoaded: {""},
	EventRefused: {
		"tampered", "malformed", "expired", "revoked", "unknown", "future", "too large", "refused",
		"unbound", "stale challenge", "replayed challenge", "forged proof", "failed", // of package dbsc
	},
	EventSaved:   {"asked", "renewal", "key"},
	EventDeleted: {""},
	EventFailed: {
		"failed", "value", "late", "flash", "too large", "conflict",
		"interrupted", "cross-site", "canceled", "renewal", "key",
	},
}

// EventReasons returns every Reason that an [Event] of that kind can have, for counters that
// must be there before the first event. Events of other packages, by [Manager.Report], keep
// to it if they are package dbsc's.
func EventReasons(kind EventKind) []string { return slices.Clone(eventReasons[kind]) }

// failed returns the event of an error. A store's error may wrap any other, so that its
// reason can be one that such an event doesn't have.
func failed(kind EventKind, err error) Event {
	reason := reasonOf(err)
	if !slices.Contains(eventReasons[kind], reason) {
		reason = string(kind)
	}
	return Event{Kind: kind, Reason: reason, Err: err}
}

// errCanceled means that a session wasn't loaded since the request was canceled, which the
// server does when the client has gone: nobody waits for the answer.
var errCanceled = errors.New("the request was canceled")

// A valueError is why a value that a handler has set can't be stored. It may wrap any error,
// of the value's own methods, say, which says nothing about the session.
type valueError struct{ error }

func (e *valueError) Unwrap() error { return e.error }

// byValue returns the error of a value that couldn't be set.
func byValue(err error) error {
	if e, ok := err.(*cookieError); ok && e.reason == ErrTooLarge {
		return err // there is no room for it, whatever it is
	}
	return &valueError{err}
}

// means reports whether err wraps a reason, and is not about a value.
func means(err, reason error) bool {
	_, ok := errorIn[*valueError](err)
	return !ok && errors.Is(err, reason)
}

// reasonOf sums up an error in a word or two, for a log.
func reasonOf(err error) string {
	if _, ok := errorIn[*valueError](err); ok {
		return "value"
	}
	for _, known := range []struct {
		err  error
		word string
	}{
		{errCanceled, "canceled"},
		{ErrTampered, "tampered"},
		{ErrNoSession, "unknown"},
		{ErrExpired, "expired"},
		{ErrRevoked, "revoked"},
		{ErrFuture, "future"},
		{ErrTooLarge, "too large"},
		{ErrMalformed, "malformed"},
		{ErrInterrupted, "interrupted"},
		{ErrConflict, "conflict"},
		{ErrCrossSite, "cross-site"},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	if IsRefused(err) {
		return "refused"
	}
	return "failed"
}
