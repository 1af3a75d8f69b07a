package cookiestore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"example.com/cookiestore/internal/jsonobject"
)

// An Expiry says when a session ends. Make one with [After] or [At], or use
// [AtBrowserClose] or [Default], and hand it to [Session.SetExpiry]. The zero
// value is Default.
//
// It is kept in the session under [ExpiryKey], as Django keeps it, and holds on
// the server: a copied cookie is worth nothing once its session has
// expired. (Django's own signed cookies don't enforce it: its ticket 27775.)
type Expiry struct {
	kind expiryKind
	age  time.Duration // of kind afterSave
	at   time.Time     // of kind atTime
}

type expiryKind uint8

const (
	byDefault expiryKind = iota
	atBrowserClose
	afterSave
	atTime
)

var (
	// Default ends the session as the middleware's options say: after its
	// maximum age, two weeks unless set. It is Django's set_expiry(None).
	Default = Expiry{}

	// AtBrowserClose makes the cookie one that the browser forgets when it is
	// closed. On the server the session ends after the default maximum age,
	// since a browser may be open for long, and some restore such cookies. It
	// is Django's set_expiry(0).
	AtBrowserClose = Expiry{kind: atBrowserClose}
)

// After ends the session when it has not been saved for d: each save begins the
// time anew, and so renews the visitor's cookie. It is Django's
// set_expiry(seconds). Part of a second counts as a whole one, and a session
// with a d of zero or less has expired when it is saved. For Django's
// set_expiry(timedelta), which later saves don't move, use
// At(time.Now().Add(d)).
func After(d time.Duration) Expiry {
	if d <= 0 {
		return Expiry{kind: afterSave, age: -time.Second}
	}
	whole := d.Truncate(time.Second)
	if whole < d && whole < maxAge {
		whole += time.Second
	}
	return Expiry{kind: afterSave, age: whole}
}

// At ends the session at t, to the microsecond, however often it is saved. It
// is Django's set_expiry(datetime). A time outside Python's years, 1 to 9999,
// becomes the first or the last moment in them.
//
// It is stored as Django 4.1 and later store it with USE_TZ = True. An older Django,
// or one without time zones, fails on such an expiry: if you share sessions with
// one, use [After].
func At(t time.Time) Expiry {
	t = t.UTC().Truncate(time.Microsecond)
	switch {
	case t.Year() < 1 || t.IsZero(): // not the zero time, which is none
		t = time.Time{}.Add(time.Microsecond)
	case t.Year() > 9999:
		t = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
	}
	return Expiry{kind: atTime, at: t}
}

// String describes the expiry, as "after 30m0s" or "at browser close".
func (e Expiry) String() string {
	switch e.kind {
	case atBrowserClose:
		return "at browser close"
	case afterSave:
		return "after " + e.age.String()
	case atTime:
		return "at " + e.at.Format(time.RFC3339)
	}
	return "default"
}

// The keys of a session's dictionary that mean something to this package.
const (
	// ExpiryKey is where Django keeps what set_expiry was told: seconds since
	// the last save, 0 for browser close, or an ISO 8601 time.
	ExpiryKey = "_session_expiry"

	// createdKey holds the time in Unix seconds at which a session began.
	// It is there only where [WithLifetime] is used.
	createdKey = "_session_created"
)

// maxBrowserAge is how long browsers keep a cookie at most (RFC 6265bis, section 5.5).
const maxBrowserAge = 400 * 24 * time.Hour

const (
	defaultMaxAge    = 14 * 24 * time.Hour
	defaultClockSkew = time.Minute

	// maxAge is the longest age: over 290 years, the most whole seconds that a
	// time.Duration holds.
	maxAge = math.MaxInt64 / time.Second * time.Second
)

// isoTime is how Python's datetime.isoformat() writes a time with its zone, but
// for the fraction, which time.Parse reads after any seconds.
const isoTime = "2006-01-02T15:04:05-07:00"

// isoTimes are the forms read: as above, from other writers of ISO 8601, with a
// zone that has seconds in it, and with none, which is taken as UTC.
var isoTimes = [...]string{time.RFC3339, "2006-01-02T15:04:05Z07:00:00", "2006-01-02T15:04:05"}

// appendJSON appends what stands under ExpiryKey. Default has no such entry.
func (e Expiry) appendJSON(dst []byte) []byte {
	switch e.kind {
	case atBrowserClose:
		return append(dst, '0')
	case afterSave:
		return strconv.AppendInt(dst, int64(e.age/time.Second), 10)
	case atTime:
		layout := isoTime
		if e.at.Nanosecond() != 0 {
			layout = "2006-01-02T15:04:05.000000-07:00" // Python has microseconds
		}
		dst = append(dst, '"')
		dst = e.at.AppendFormat(dst, layout)
		return append(dst, '"')
	}
	return append(dst, "null"...)
}

// parseExpiry reads what stands under ExpiryKey.
func parseExpiry(value string) (Expiry, error) {
	switch c := value[0]; {
	case value == "null":
		return Default, nil
	case c == '"':
		text, _ := jsonobject.Decode[string](value)
		for _, layout := range isoTimes {
			if t, err := time.Parse(layout, text); err == nil {
				return At(t), nil
			}
		}
		return Expiry{}, fmt.Errorf("%s is not an ISO 8601 time", ExpiryKey)
	case c == '-' || '0' <= c && c <= '9':
		return parseAge(value)
	}
	return Expiry{}, fmt.Errorf("%s holds %s, and neither seconds nor a time", ExpiryKey, jsonobject.KindOf(value))
}

func parseAge(number string) (Expiry, error) {
	seconds, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return Expiry{}, fmt.Errorf("%s is not a number", ExpiryKey)
	case seconds == 0:
		return AtBrowserClose, nil
	case seconds >= maxAge.Seconds():
		return After(maxAge), nil
	case seconds < 0:
		return After(-1), nil
	case !strings.ContainsAny(number, ".eE"):
		whole, _ := strconv.ParseInt(number, 10, 64) // as small as that, and exact
		return After(time.Duration(whole) * time.Second), nil
	}
	return After(time.Duration(seconds * float64(time.Second))), nil
}

// policy is what the middleware's options say of expiry. It is the one place
// that decides when a session ends.
type policy struct {
	age          time.Duration // the default maximum age
	browserClose bool          // Default is a browser-session cookie
	lifetime     time.Duration // none if 0
	renewal      float64       // the part of the age; none if 0
	skew         time.Duration
	now          func() time.Time
	revocations  Revocations // nil for none
	moments      *moments    // with revocations
	userKey      string
}

var defaultPolicy = policy{age: defaultMaxAge, skew: defaultClockSkew, now: time.Now}

// longest returns until when copies of a session may last of which one lasts until latest:
// others may have been saved since, up to now, and have been given another expiry.
func (p *policy) longest(latest, now time.Time) time.Time {
	until := now.Add(max(p.age, maxBrowserAge))
	if latest.After(until) {
		until = latest
	}
	if p.lifetime > 0 {
		return earlier(until, now.Add(p.lifetime))
	}
	return until
}

// end returns when a session ends that was last saved at saved. When it began, at
// created, counts only if there is a lifetime.
func (p *policy) end(e Expiry, saved, created time.Time) time.Time {
	var end time.Time
	switch e.kind {
	case atTime:
		end = e.at
	case afterSave:
		end = saved.Add(e.age)
	default:
		end = saved.Add(p.age)
	}
	if p.lifetime > 0 {
		if last := created.Add(p.lifetime); last.Before(end) {
			return last
		}
	}
	return end
}

// check returns the end of a session, or refuses one that has expired, or that was
// saved in the future. Last is the end of the store's record, if not zero.
func (p *policy) check(e Expiry, saved, created, last, now time.Time) (time.Time, error) {
	if saved.After(now.Add(p.skew)) {
		return time.Time{}, refuse(ErrFuture, "signed "+saved.UTC().Format(time.RFC3339))
	}
	if !last.IsZero() && now.After(last) {
		return time.Time{}, ended(last)
	}
	end := p.end(e, saved, created)
	if hasEnded(e, end, now) {
		return time.Time{}, ended(end)
	}
	return earlier(end, last), nil
}

// afterAll returns the time to note for a session that is saved at now, where the visitor
// has other cookies of its name, the newest from the second of last: the time has to be
// later, since the newest cookie counts, but not so late that it would be refused.
func (p *policy) afterAll(last, now time.Time) time.Time {
	next := last.Add(time.Second)
	if latest := now.Add(p.skew); next.After(latest) {
		next = latest
	}
	if next.After(now) {
		return next
	}
	return now
}

func ended(at time.Time) error {
	return refuse(ErrExpired, "ended "+at.UTC().Format(time.RFC3339))
}

// earlier returns the earlier of two times, of which last may be zero for none.
func earlier(end, last time.Time) time.Time {
	if !last.IsZero() && last.Before(end) {
		return last
	}
	return end
}

// hasEnded reports whether a session that ends at end has ended at now. Stores round the
// time of saving down to the second; so, as in Django's max_age, the last second still
// counts.
func hasEnded(e Expiry, end, now time.Time) bool {
	if e.kind != atTime {
		now = now.Truncate(time.Second)
	}
	return now.After(end)
}

// closesWithBrowser reports whether the cookie gets no Max-Age and no Expires.
func (p *policy) closesWithBrowser(e Expiry) bool {
	return e.kind == atBrowserClose || e.kind == byDefault && p.browserClose
}

// renewalDue reports whether a session that was only read should be saved
// again: when more than the part of its age that WithRenewal names has passed.
// A session that ends at a fixed time gains nothing from it.
func (p *policy) renewalDue(e Expiry, saved, now time.Time) bool {
	if p.renewal == 0 || e.kind == atTime {
		return false
	}
	age := min(p.end(e, saved, saved).Sub(saved), maxBrowserAge)
	return now.Sub(saved).Seconds() > p.renewal*age.Seconds()
}
