package cookiestore

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// What a handler does with its session after the first byte of the response: it can't be
// saved, renewed or answered with an error any more, and so it is logged.

// lateUses counts what came after the first byte.
type lateUses struct {
	loaded  bool
	failure error // of the store, when it was loaded
	changes int
	keys    []string // the first of them
}

// maxLateKeys is how many keys of late changes are named.
const maxLateKeys = 5

// lateLoad notes that a handler first uses the session after the first byte, to be
// logged when it has returned.
func (x *exchange) lateLoad(failure error) {
	x.lateUse(func(late *lateUses) { late.loaded, late.failure = true, failure })
}

// lateChange notes a change after the first byte.
func (x *exchange) lateChange(key string) {
	x.lateUse(func(late *lateUses) {
		late.changes++
		if len(late.keys) < maxLateKeys {
			late.keys = append(late.keys, key)
		}
	})
}

func (x *exchange) lateUse(note func(*lateUses)) {
	e := x.extra()
	e.lateMu.Lock()
	note(&e.late)
	e.lateMu.Unlock()
	if x.left.Load() {
		x.reportLate(e)
	}
}

// reportLate writes a line about each kind of what came too late since the last time.
func (x *exchange) reportLate(e *extras) {
	e.lateMu.Lock()
	late := e.late
	e.late = lateUses{}
	e.lateMu.Unlock()
	if late.loaded {
		x.logLateLoad(late.failure)
	}
	if late.changes > 0 {
		x.logLateChanges(late.changes, late.keys)
	}
}

var errLateLoad = errors.New("cookiestore: it is not renewed, and an error could not be shown: render the page into a buffer first, or see WithBuffer")

func (x *exchange) logLateLoad(failure error) {
	level, err := slog.LevelWarn, errLateLoad
	if failure != nil {
		level, err = slog.LevelError, failure
	}
	x.log(level, "session first used after the response began", err)
}

func (x *exchange) logLateChanges(changes int, keys []string) {
	named := make([]string, 0, len(keys))
	for _, key := range keys {
		if key == "" {
			named = append(named, "the whole session")
		} else {
			named = append(named, fmt.Sprintf("session key %q", key))
		}
	}
	err := fmt.Errorf("cookiestore: a change of %s is not saved", strings.Join(named, ", "))
	x.manager.lost(x.parent, x.request, slog.LevelError, "session changed after the response began", "late", err, slog.Int("changes", changes))
}

var errPast = errors.New("cookiestore: the session is not saved: let the handler write to the ResponseWriter that it was given")

// logPast reports a response that was written past the middleware.
func (x *exchange) logPast() {
	const what = "response written past the middleware"
	if x.session.Modified() {
		x.manager.lost(x.parent, x.request, slog.LevelError, what, "late", errPast)
	} else {
		x.log(slog.LevelError, what, errPast)
	}
}
