package cookiestore

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// An Event is what has happened to a session, as [WithObserver] reports it. All fields but
// Err are fit for labels of metrics: they hold nothing that a visitor has sent, and neither
// dictionary keys nor values.
type Event struct {
	Kind   EventKind
	Cookie string // the cookie's name

	// Reason is one of the few words of [EventReasons]. Why a session was saved: "asked"
	// for a change, "renewal", or "key" if its signing key or its format was outdated; and
	// for these two, why it couldn't be, which the visitor doesn't notice.
	//
	// Why a cookie was refused: "tampered", "malformed", "expired", "revoked", "unknown",
	// "future" and "too large", which are the package's errors; or "refused", by a codec or
	// a store of one's own. Package dbsc has "unbound", "stale challenge", "replayed
	// challenge", "forged proof", and "failed" if it can't tell.
	//
	// Why a change is lost: "failed" by the store or the revocations; "value", if one can't
	// be stored; "too large", "conflict", "interrupted" and "cross-site", which are the
	// package's errors; "late", after the first byte of the response, or where that was
	// written past the middleware; "flash", for messages that there was no room for, while
	// the rest is saved. "canceled" means that the client had gone when the session was to
	// be loaded.
	Reason string

	// Beside means that a refused cookie came beside a good one: the visitor has a session.
	Beside bool

	// Err is the whole error of a refusal or a failure. Its text has no value of the session
	// and no signing key; but it may have dictionary keys, and what the store and the
	// revocations say. What it wraps may say more, if it is from a value's own methods.
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
	EventRefused EventKind = "refused" // a cookie was, one event for each; or what proves a bound session
	EventSaved   EventKind = "saved"
	EventDeleted EventKind = "deleted" // a session was ended: by Flush, by SetExpiry, or because nothing was left in it
	EventFailed  EventKind = "failed"  // a session could not be loaded, saved, renewed or deleted, or not all of it
)

// WithObserver calls observe for each [Event], for metrics and traces, with the context of
// the request. It is called while the request waits, by many requests at the same time, and
// must not use the session. If it panics, the request goes on, and the first time is logged.
// Unlike the log, it is told of every refusal. Default: none, and nothing is measured.
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
		e.Beside = into.loaded
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

// observeSave reports what was done at the end of a request, for that reason. What has
// failed before, and fails again, is one failure.
func (m *Manager) observeSave(ctx context.Context, how *ending, c *closing, change *cookieChange, reason string, err error) {
	if m.observe == nil {
		return
	}
	var e Event
	switch {
	case err != nil:
		e = failed(EventFailed, err)
		if how.after != nil && e.Reason == failed(EventFailed, how.after).Reason {
			return
		}
		if reason != "asked" && err != errStorePanicked {
			e.Reason = reason // the page is shown all the same
		}
	case !change.set || c.what == endSession && !c.ends():
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
	e.Conflicts, e.Took = c.conflicts, c.took
	m.notify(ctx, e)
}

// notify tells the observer, if there is one. Its mistakes must not be the visitor's: by now
// the store may have saved.
func (m *Manager) notify(ctx context.Context, e Event) {
	if m.observe == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			m.observerPanicked.Do(func() {
				m.log(ctx, nil, slog.LevelError, "observer panicked", fmt.Errorf("cookiestore: %v", p), slog.String("stack", string(debug.Stack())))
			})
		}
	}()
	e.Cookie = m.cookie.Name
	m.observe(ctx, e)
}
