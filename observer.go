package cookiestore

import (
	"context"
	"time"
)

// An Event is what has happened to a session, as [WithObserver] reports it. No field of it
// holds a key or a value of the session.
type Event struct {
	Kind   EventKind
	Cookie string // the cookie's name

	// Reason is one of few words, fit for the label of a metric. Why a session was
	// saved: "asked" for a change, "renewal", or "key" if its signing key or its format
	// was outdated. Why a cookie was refused or something failed: "tampered",
	// "malformed", "expired", "revoked", "unknown", "future", "too large",
	// "interrupted", "conflict", "cross-site", "refused" and "failed", which are the reasons
	// in the log; or "late", for changes after the first byte of the response.
	Reason string

	// Err is the whole error of a refusal or a failure.
	Err error

	// CookieBytes is how much the Set-Cookie fields of a saved session take, Chunks how
	// many cookies they set, and JSONBytes how much JSON the dictionary is.
	CookieBytes, Chunks, JSONBytes int

	// Conflicts is how often what was to be saved or deleted had been changed meanwhile,
	// and was merged.
	Conflicts int

	// Took is how long the store and the revocations took: in the last event of a load or
	// a save, for all of it.
	Took time.Duration
}

// An EventKind says what an [Event] is about.
type EventKind string

// What happens to sessions. A request may cause several of them, or none: if it has no
// cookie, or no handler uses the session, nothing is loaded.
const (
	EventLoaded  EventKind = "loaded"  // a visitor's session was found
	EventRefused EventKind = "refused" // a cookie was, one event for each
	EventSaved   EventKind = "saved"
	EventDeleted EventKind = "deleted" // a session was ended, by Flush or because nothing was left in it
	EventFailed  EventKind = "failed"  // a session could not be loaded, saved or deleted: a change is lost
)

// WithObserver calls observe for each [Event], for metrics and traces, with the context of
// the request. It is called while the request waits, by many requests at the same time, and
// must not use the session. Unlike the log, it is told of every refusal. Default: none, and
// nothing is measured.
func WithObserver(observe func(context.Context, Event)) Option {
	return func(o *settings) { o.observe, o.observes = observe, true }
}

// An effort is what saving a session has taken, where there is an observer.
type effort struct {
	took      time.Duration // by the store
	conflicts int
}

// A stopwatch measures how long the store takes. It stands still without an observer.
type stopwatch struct {
	rules *policy
	start time.Time
}

func (m *Manager) stopwatch() stopwatch {
	if m.observe == nil {
		return stopwatch{}
	}
	return stopwatch{&m.rules, m.rules.now()}
}

func (w stopwatch) elapsed() time.Duration {
	if w.rules == nil {
		return 0
	}
	return w.rules.now().Sub(w.start)
}

// observeLoad reports what has become of the cookies of a visitor.
func (m *Manager) observeLoad(ctx context.Context, into *contents, refused []refusal, took time.Duration) {
	if m.observe == nil {
		return
	}
	for i, r := range refused {
		e := failed(EventRefused, r.err)
		if last := i == len(refused)-1; last && !into.loaded && into.failure == nil {
			e.Took = took
		}
		m.notify(ctx, e)
	}
	switch {
	case into.failure != nil:
		e := failed(EventFailed, into.failure)
		e.Took = took
		m.notify(ctx, e)
	case into.loaded:
		m.notify(ctx, Event{Kind: EventLoaded, Took: took})
	}
}

// observeSave reports what was done at the end of a request, for that reason.
func (m *Manager) observeSave(ctx context.Context, c *closing, change *cookieChange, reason string, err error) {
	if m.observe == nil {
		return
	}
	e := Event{Conflicts: c.conflicts, Took: c.took}
	switch {
	case err != nil:
		e.Kind, e.Reason, e.Err = EventFailed, reasonOf(err), err
	case !change.set:
		return
	case c.what == endSession:
		e.Kind = EventDeleted
	default:
		if change.ended {
			m.notify(ctx, Event{Kind: EventDeleted})
		}
		e.Kind, e.Reason, e.JSONBytes = EventSaved, reason, len(c.data.B)
		lines := []string{change.line}
		if change.pieces != nil {
			lines = m.jar.lines(change)
		}
		for _, line := range lines {
			e.Chunks++
			e.CookieBytes += len(line)
		}
	}
	m.notify(ctx, e)
}

// failed returns the event of an error.
func failed(kind EventKind, err error) Event {
	return Event{Kind: kind, Reason: reasonOf(err), Err: err}
}

func (m *Manager) notify(ctx context.Context, e Event) {
	e.Cookie = m.cookie.Name
	m.observe(ctx, e)
}
