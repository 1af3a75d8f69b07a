package cookiestore

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// log writes a line. Errors hold no signing key and no value of a session, and the
// request's query, which may hold secrets, is left out.
func (m *Manager) log(ctx context.Context, r *http.Request, level slog.Level, what string, err error, more ...slog.Attr) {
	m.logFor(ctx, r, level, what, reasonOf(err), err, more...)
}

// logFor is log with a reason of one's own. That a client has gone is
// information.
func (m *Manager) logFor(ctx context.Context, r *http.Request, level slog.Level, what, reason string, err error, more ...slog.Attr) {
	logger := m.logger
	if logger == nil {
		logger = slog.Default()
	}
	if reason == "canceled" {
		level = min(level, slog.LevelInfo)
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("cookie", m.jar.cookie.Name), slog.String("reason", reason), slog.Any("error", err)}
	if r != nil {
		attrs = append(attrs, slog.String("method", shortened(r.Method)), slog.String("path", shortened(r.URL.Path)))
	}
	logger.LogAttrs(ctx, level, what, append(attrs, more...)...)
}

// lost logs that data is lost though the visitor sees no error, and tells the observer.
func (m *Manager) lost(ctx context.Context, r *http.Request, level slog.Level, what, reason string, err error, more ...slog.Attr) {
	m.logFor(ctx, r, level, what, reason, err, more...)
	m.notify(ctx, Event{Kind: EventFailed, Reason: reason, Err: err})
}

// maxLogged is how many bytes of what a visitor has sent go into a log.
const maxLogged = 256

func shortened(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "..."
	}
	return text
}

// reportCookies writes at most one line about what was wrong with the visitor's
// cookies: those that were refused, and that there was more than one valid one.
func (m *Manager) reportCookies(ctx context.Context, r *http.Request, refused []refusal, c *contents) {
	twins := len(c.other().twins)
	if len(refused) > 0 {
		last := refused[len(refused)-1]
		level := slog.LevelWarn
		if reasonOf(c.refused) == "expired" {
			level = slog.LevelInfo // every session expires
		}
		level, unsaid := m.reports.level(level, last.value, m.rules.now())
		attrs := []slog.Attr{slog.Int("refused", len(refused))}
		if twins > 0 {
			attrs = append(attrs, slog.Int("valid", 1+twins))
		}
		if unsaid > 0 {
			attrs = append(attrs, slog.Int("unreported", unsaid))
		}
		m.log(ctx, r, level, "session cookie refused", last.err, attrs...)
		return
	}
	level, _ := m.reports.level(slog.LevelWarn, c.value, m.rules.now())
	m.log(ctx, r, level, "several session cookies", fmt.Errorf(
		"cookiestore: the newest of %d valid cookies counts: see WithFormerScope", 1+twins))
}

// reports remembers what was logged about cookies, in bounded memory: the visitor
// decides how often such a line comes, and must not be able to fill a disk.
type reports struct {
	mu     sync.Mutex
	seen   map[uint64]struct{} // cookies that were logged
	minute time.Time           // the current one
	lines  int                 // of it
	unsaid int                 // since the last line
}

const (
	maxReports = 60      // lines a minute
	maxSeen    = 1 << 14 // cookies
)

var reportSeed = maphash.MakeSeed()

// level returns the level at which a line about the cookie is logged at now: debug if
// it was logged before, or if there have been too many, whose number comes with the
// next line.
func (p *reports) level(level slog.Level, value string, now time.Time) (_ slog.Level, unsaid int) {
	cookie := maphash.String(reportSeed, value)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.seen[cookie]; again {
		return slog.LevelDebug, 0
	}
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.lines = minute, 0
	}
	if p.lines == maxReports {
		p.unsaid++
		return slog.LevelDebug, 0
	}
	if p.seen == nil || len(p.seen) == maxSeen {
		p.seen = make(map[uint64]struct{})
	}
	p.seen[cookie] = struct{}{}
	p.lines++
	unsaid, p.unsaid = p.unsaid, 0
	return level, unsaid
}

// Cookie returns the session's cookie as the options say, without a value. With
// Revocations, Now and Report it is for packages that add to sessions, as package dbsc does.
func (m *Manager) Cookie() http.Cookie { return m.cookie }

// Revocations returns those of [WithRevocations], or nil.
func (m *Manager) Revocations() Revocations { return m.rules.revocations }

// Now returns the time, by the clock of [WithClock].
func (m *Manager) Now() time.Time { return m.rules.now() }

// Report logs a warning that something of a request was refused, and tells the observer.
// It fills in the cookie's name. What the log gets is bounded, as for refused cookies: one
// line for each subject, an ID, say, and sixty lines a minute; the rest is at debug level.
// The subject itself isn't logged.
func (m *Manager) Report(r *http.Request, what, subject string, e Event) {
	level, unsaid := m.reports.level(slog.LevelWarn, what+subject, m.rules.now())
	var more []slog.Attr
	if unsaid > 0 {
		more = append(more, slog.Int("unreported", unsaid))
	}
	m.logFor(r.Context(), r, level, what, e.Reason, e.Err, more...)
	if m.observe != nil {
		m.notify(r.Context(), e)
	}
}
