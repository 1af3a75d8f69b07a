package cookiestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Manager loads and saves the sessions that belong to one cookie, by the
// rules that its options set. [Middleware] has one of its own; make one with
// [NewManager] for code that has no http.Handler: a function that gets an API
// Gateway event, a job, a test.
//
// A Manager is safe for concurrent use.
type Manager struct {
	store        Store
	signing      *CookieStore // the store, if it is one with a Signer
	cookie       http.Cookie  // a cookie without value and times
	attributes   string       // "; Path=/; HttpOnly..." of cookie
	rules        policy
	everyRequest bool
	logger       *slog.Logger
	onError      func(http.ResponseWriter, *http.Request, error)
}

// An Option is an option of [Middleware] and [NewManager].
type Option func(*Manager)

// WithName names the cookie. The prefixes __Host-, __Secure-, __Http- and
// __Host-Http- make browsers hold it to the rules that they stand for. It is
// Django's SESSION_COOKIE_NAME. Default: sessionid.
func WithName(name string) Option { return func(m *Manager) { m.cookie.Name = name } }

// WithPath has the browser send the cookie only to URLs under this path. It is
// Django's SESSION_COOKIE_PATH. Default: /, the whole site.
func WithPath(path string) Option { return func(m *Manager) { m.cookie.Path = path } }

// WithDomain has the browser send the cookie to this domain and all below it.
// It is Django's SESSION_COOKIE_DOMAIN. Default: none, so that only the very
// host that set it gets it.
func WithDomain(domain string) Option { return func(m *Manager) { m.cookie.Domain = domain } }

// WithSecure says whether the browser sends the cookie over HTTPS alone. It is
// Django's SESSION_COOKIE_SECURE. Default: true, unlike Django. Switch it off
// for plain HTTP in development, where browsers and curl would drop the cookie.
func WithSecure(secure bool) Option { return func(m *Manager) { m.cookie.Secure = secure } }

// WithHTTPOnly says whether the cookie is kept from scripts in the page. It is
// Django's SESSION_COOKIE_HTTPONLY. Default: true.
func WithHTTPOnly(httpOnly bool) Option { return func(m *Manager) { m.cookie.HttpOnly = httpOnly } }

// WithSameSite says with which requests from other sites the browser sends the
// cookie. It is Django's SESSION_COOKIE_SAMESITE. Default: Lax. None needs
// Secure; http.SameSiteDefaultMode leaves the attribute out.
func WithSameSite(mode http.SameSite) Option { return func(m *Manager) { m.cookie.SameSite = mode } }

// WithPartitioned keeps a cookie apart for each site that embeds this one
// (CHIPS). It needs Secure. Default: off.
func WithPartitioned() Option { return func(m *Manager) { m.cookie.Partitioned = true } }

// WithMaxAge sets how long a session lasts after it was saved, unless
// [Session.SetExpiry] says otherwise; to the second. It is Django's
// SESSION_COOKIE_AGE. Default: two weeks.
func WithMaxAge(d time.Duration) Option { return func(m *Manager) { m.rules.age = d } }

// WithExpireAtBrowserClose makes the cookie one that the browser forgets when it
// is closed, unless [Session.SetExpiry] says otherwise. On the server the
// maximum age holds all the same. It is Django's
// SESSION_EXPIRE_AT_BROWSER_CLOSE. Default: off.
func WithExpireAtBrowserClose() Option { return func(m *Manager) { m.rules.browserClose = true } }

// WithSaveEveryRequest saves the session and sends its cookie with every
// response, so that its age counts from the last visit. It is Django's
// SESSION_SAVE_EVERY_REQUEST. Default: off. See [WithRenewal] for the same with
// fewer cookies.
func WithSaveEveryRequest() Option { return func(m *Manager) { m.everyRequest = true } }

// WithRenewal saves a session that was only read, too, when more than this part
// of its age has passed, so that an active visitor is not logged out and not
// every response carries a cookie: with 0.5 and two weeks, once in a week.
// Default: 0, off; at most 1. A session that was set to end [At] a time is not
// renewed.
func WithRenewal(part float64) Option { return func(m *Manager) { m.rules.renewal = part } }

// WithLifetime ends every session this long after it began, however often it is
// saved. Its beginning is kept in the session under "_session_created", for a
// session older than this option from when it was last saved. [Session.Flush]
// begins a new one. Default: 0, no such limit.
func WithLifetime(d time.Duration) Option { return func(m *Manager) { m.rules.lifetime = d } }

// WithClockSkew sets how far in the future a session may have been saved, by a
// server whose clock is ahead. Default: one minute.
func WithClockSkew(d time.Duration) Option { return func(m *Manager) { m.rules.skew = d } }

// WithClock replaces time.Now, for tests.
func WithClock(now func() time.Time) Option { return func(m *Manager) { m.rules.now = now } }

// WithLogger sets where cookies that are refused and sessions that can't be
// saved are logged, with the reason and the session's keys that matter, and never
// with a signing key or a value. A session that is over is logged as information,
// any other refusal as a warning, what is not saved as an error. Default:
// slog.Default(), as it is at the time.
func WithLogger(logger *slog.Logger) Option { return func(m *Manager) { m.logger = logger } }

// WithErrorHandler answers the request where the session can't be loaded or
// saved, in place of the handler, which then has written nothing yet. Default:
// status 500 with a plain sentence, and 400 for [ErrInterrupted], as in Django.
// The error is logged in any case.
func WithErrorHandler(h func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return func(m *Manager) { m.onError = h }
}

// NewManager returns a Manager for the store. Options that contradict each
// other, so that browsers would drop the cookie or no session could last, are
// an error.
func NewManager(store Store, options ...Option) (*Manager, error) {
	m := &Manager{
		store: store,
		cookie: http.Cookie{
			Name:     "sessionid",
			Path:     "/",
			Secure:   true,
			HttpOnly: true,
			SameSite: http.SameSiteLaxMode,
		},
		rules:   defaultPolicy,
		onError: replyNotSaved,
	}
	for _, option := range options {
		option(m)
	}
	m.rules.age = m.rules.age.Truncate(time.Second)
	if err := m.check(); err != nil {
		return nil, err
	}
	if own, ok := store.(*CookieStore); ok && own.keys != nil {
		m.signing = own
	}
	m.attributes = attributesOf(&m.cookie)
	return m, nil
}

// attributesOf writes the attributes that don't change, as net/http does.
func attributesOf(c *http.Cookie) string {
	all := "; Path=" + c.Path
	if c.Domain != "" {
		all += "; Domain=" + strings.TrimPrefix(c.Domain, ".")
	}
	if c.HttpOnly {
		all += "; HttpOnly"
	}
	if c.Secure {
		all += "; Secure"
	}
	switch c.SameSite {
	case http.SameSiteLaxMode:
		all += "; SameSite=Lax"
	case http.SameSiteStrictMode:
		all += "; SameSite=Strict"
	case http.SameSiteNoneMode:
		all += "; SameSite=None"
	}
	if c.Partitioned {
		all += "; Partitioned"
	}
	return all
}

func replyNotSaved(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	if errors.Is(err, ErrInterrupted) { // Django's status for it, too
		http.Error(w, "Your session ended while this page was made. Please try again.", http.StatusBadRequest)
		return
	}
	http.Error(w, "The session could not be loaded or saved. Please try again.", http.StatusInternalServerError)
}

// check looks for contradictions between options. The rules of the prefixes are
// those of RFC 6265bis, which compares them without regard to case.
func (m *Manager) check() error {
	if m.store == nil {
		return usage("the store is nil")
	}
	c := &m.cookie
	lower := strings.ToLower(c.Name)
	host := strings.HasPrefix(lower, "__host-")
	script := strings.HasPrefix(lower, "__http-") || strings.HasPrefix(lower, "__host-http-")
	secure := strings.HasPrefix(lower, "__secure-") || host || script
	probe := *c
	probe.Value = "v"
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{secure && !c.Secure, "its prefix needs Secure"},
		{script && !c.HttpOnly, "its prefix needs HttpOnly"},
		{host && c.Domain != "", fmt.Sprintf("the prefix __Host- allows no Domain, and it is %q", c.Domain)},
		{host && c.Path != "/", fmt.Sprintf(`the prefix __Host- needs the Path "/", and it is %q`, c.Path)},
		{c.Path == "" || c.Path[0] != '/', fmt.Sprintf("Path %q does not begin with a slash", c.Path)},
		{c.SameSite == http.SameSiteNoneMode && !c.Secure, "SameSite=None needs Secure"},
		{c.Partitioned && !c.Secure, "Partitioned needs Secure"},
		{len(c.Name) >= MaxCookieSize, "its name leaves no room for a value"},
		{m.rules.age <= 0, "the maximum age is under a second"},
		{m.rules.lifetime < 0, "the lifetime is negative"},
		{m.rules.skew < 0, "the clock skew is negative"},
		{!(m.rules.renewal >= 0 && m.rules.renewal <= 1), "the renewal is not a part between 0 and 1"},
		{m.rules.now == nil, "the clock is nil"},
		{m.onError == nil, "the error handler is nil"},
	} {
		if rule.broken {
			return usage(fmt.Sprintf("cookie %q: %s", c.Name, rule.what))
		}
	}
	if err := probe.Valid(); err != nil {
		return &cookieError{class: usageError, detail: fmt.Sprintf("cookie %q: %v", c.Name, err), cause: err}
	}
	return nil
}

// Load returns the session that the values of a request's Cookie fields hold:
// in an API Gateway event, say, the cookies. Without a valid one it is empty
// and new; the error is that of a store that failed.
func (m *Manager) Load(ctx context.Context, cookies ...string) (*Session, error) {
	s := &Session{rules: &m.rules, contents: new(contents)}
	m.load(ctx, cookies, s.contents)
	return s, s.failure
}

// Save saves the session if it was changed or is due, by the rules that
// [Middleware] follows, and returns the cookie to set: nil for none, one with a
// negative MaxAge to delete the one that the visitor has. After an error nothing
// is to be set. A renewal that fails is only logged. A response that depends on the
// session should have Vary: Cookie.
func (m *Manager) Save(ctx context.Context, s *Session) (*http.Cookie, error) {
	s.adopt(&m.rules)
	set, err := m.save(ctx, s)
	if err != nil || !set.due {
		return nil, err
	}
	c := m.cookie
	c.Value, c.Expires = set.value, set.expires
	switch {
	case set.age == 0:
		c.MaxAge = -1 // net/http's word for Max-Age=0
	case set.age > 0:
		c.MaxAge = set.age
	}
	return &c, nil
}

// log writes a line. Errors hold no signing key and no value of a session.
func (m *Manager) log(ctx context.Context, level slog.Level, what string, err error) {
	logger := m.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(ctx, level, what, slog.String("cookie", m.cookie.Name), slog.String("reason", reasonOf(err)), slog.Any("error", err))
}

// maxDuplicates is how many cookies of one name are tried. Browsers may send
// one for each path that leads here, and attackers any number.
const maxDuplicates = 8

// load fills in the session of the first cookie that verifies. Browsers send the
// one with the most specific path first.
func (m *Manager) load(ctx context.Context, fields []string, found *contents) {
	tried := 0
	for value := range cookieValues(fields, m.cookie.Name) {
		if tried++; tried > maxDuplicates {
			break
		}
		rec, err := m.store.Load(ctx, m.cookie.Name, value)
		found.sent = true
		if err == nil {
			err = m.rules.restore(rec, found)
		}
		if err == nil {
			found.value, found.refused = value, nil
			return
		}
		if !IsRefused(err) {
			found.failure = fmt.Errorf("session can't be loaded: %w", err)
			break
		}
		found.refused = err
		level := slog.LevelWarn
		if found.isOver() {
			level = slog.LevelInfo // as it must come to each
		}
		m.log(ctx, level, "session cookie refused", err)
	}
}

// cookieValues iterates over the values of the cookies of a name, in order. It
// reads only as much of the Cookie fields as is asked for, and no other cookie.
func cookieValues(fields []string, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, field := range fields {
			for field != "" {
				var pair string
				pair, field, _ = strings.Cut(field, ";")
				pair = strings.Trim(pair, " \t")
				value, ok := strings.CutPrefix(pair, name)
				if ok && len(value) > 1 && value[0] == '=' && !yield(value[1:]) {
					return
				}
			}
		}
	}
}

// setCookie is what a response does with the cookie.
type setCookie struct {
	vary    bool      // it depends on it
	due     bool      // it sets it, and the rest counts
	line    string    // the Set-Cookie field
	value   string    // of the cookie; a part of the line
	age     int       // Max-Age; -1 for none
	expires time.Time // where there is an age
}

// save has the store save the session, or delete it, if that is due. What was only
// to be renewed needs no such success: the handler has changed nothing.
func (m *Manager) save(ctx context.Context, s *Session) (set setCookie, err error) {
	var c closing
	err = s.close(m.everyRequest, &c)
	if err == nil && c.what != keepCookie {
		renewal := c.what == saveSession && !c.modified
		set, err = m.carryOut(ctx, s, &c)
		if err != nil && renewal {
			m.log(ctx, slog.LevelError, "session not renewed", err)
			set, err = setCookie{}, nil
		}
	}
	set.vary = c.accessed
	return set, err
}

// maxConflicts is how often a session is merged with what other requests have
// made of it meanwhile. Of those that save at the same time one gets through in
// each round.
const maxConflicts = 100

// carryOut does what is to be done at the end of a request, if need be on top of
// what other requests have done meanwhile.
func (m *Manager) carryOut(ctx context.Context, s *Session, c *closing) (setCookie, error) {
	for conflicts := 0; ; conflicts++ {
		set, err := m.try(ctx, s, c)
		if !errors.Is(err, ErrConflict) || conflicts == maxConflicts {
			return set, err
		}
		if err := pause(ctx, conflicts); err != nil {
			return setCookie{}, err
		}
		err = m.merge(ctx, s, c)
		switch {
		case err == nil:
		case c.what == endSession && errors.Is(err, ErrInterrupted):
			return m.over(s, c), nil
		default:
			return setCookie{}, err
		}
		if err = s.close(m.everyRequest, c); err != nil || c.what == keepCookie {
			return setCookie{}, err
		}
	}
}

// pause lets those go first who are at it already, so that many requests of one
// session at the same time don't do the work of each other over and over.
func pause(ctx context.Context, conflicts int) error {
	if conflicts == 0 {
		return nil
	}
	timer := time.NewTimer(rand.N(time.Duration(min(conflicts, 10)) * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try does what is to be done once. A session that was flushed is deleted first:
// whatever comes then, the visitor is logged out.
func (m *Manager) try(ctx context.Context, s *Session, c *closing) (setCookie, error) {
	if c.left != "" {
		if err := m.forget(ctx, c.left, ""); err != nil {
			return setCookie{}, err
		}
	}
	if c.what == saveSession {
		return m.keep(ctx, s, c)
	}
	if c.rec.Cookie != "" {
		if err := m.forget(ctx, c.rec.Cookie, c.rec.Version); err != nil {
			return setCookie{}, err
		}
	}
	return m.over(s, c), nil
}

// keep has the store save a session.
func (m *Manager) keep(ctx context.Context, s *Session, c *closing) (setCookie, error) {
	set := setCookie{due: true, age: -1}
	if !c.rec.BrowserClose {
		left := c.rec.Expires.Sub(c.rec.Saved).Truncate(time.Second)
		set.age = int(min(left/time.Second, math.MaxInt32))
		set.expires = c.rec.Saved.Add(left)
	}
	line := getBuffer()
	defer line.free()
	line.b = append(append(line.b, m.cookie.Name...), '=')
	start := len(line.b)
	var version string
	var err error
	if m.signing != nil { // it writes base64 and colons, and no copy is needed
		line.b, err = m.signing.appendValue(line.b, m.cookie.Name, c.rec)
	} else {
		var value string
		value, version, err = m.store.Save(ctx, m.cookie.Name, c.rec)
		line.b = append(line.b, value...)
	}
	if err != nil {
		return setCookie{}, fmt.Errorf("session can't be saved: %w", err)
	}
	end := len(line.b)
	if m.signing == nil {
		if err := checkValue(line.b[start:end]); err != nil {
			return setCookie{}, err
		}
	}
	line.b = m.appendAttributes(line.b, set)
	set.line = string(line.b)
	set.value = set.line[start:end]
	s.kept(c, set.value, version)
	return set, nil
}

// forget has the store delete the session of a cookie that was good.
func (m *Manager) forget(ctx context.Context, value, version string) error {
	if err := m.store.Delete(ctx, m.cookie.Name, value, version); err != nil {
		return fmt.Errorf("session can't be deleted: %w", err)
	}
	return nil
}

// over notes that the store has the session no more, and deletes the cookie.
func (m *Manager) over(s *Session, c *closing) setCookie {
	s.kept(c, "", "")
	set := setCookie{due: true, expires: time.Unix(0, 0)}
	set.line = string(m.appendAttributes([]byte(m.cookie.Name+"="), set))
	return set
}

// merge puts the session's changes on top of what the store has now. The error is
// [ErrInterrupted] if it has none any more.
func (m *Manager) merge(ctx context.Context, s *Session, c *closing) error {
	rec, err := m.store.Load(ctx, m.cookie.Name, c.rec.Cookie)
	var theirs contents
	if err == nil {
		err = m.rules.restore(rec, &theirs)
	}
	switch {
	case err == nil:
		s.rebase(c, &theirs)
		return nil
	case errors.Is(err, ErrNoSession) || errors.Is(err, ErrExpired):
		return &cookieError{class: usageError, reason: ErrInterrupted, detail: "it is not brought back, and the changes are lost"}
	}
	return fmt.Errorf("session can't be loaded again: %w", err)
}

// checkValue refuses what a cookie can't hold (RFC 6265, section 4.1.1), such as
// a line break, with which a store could write fields of its own.
func checkValue(value []byte) error {
	for i := range len(value) {
		if notInCookie[value[i]] {
			return &cookieError{class: internalError, detail: fmt.Sprintf("the store made a value that a cookie can't hold: byte %d is %#02x", i, value[i])}
		}
	}
	return nil
}

var notInCookie = byteSet(func(c byte) bool {
	return c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\'
})

// appendAttributes appends what follows the value in a Set-Cookie field.
func (m *Manager) appendAttributes(dst []byte, set setCookie) []byte {
	if set.age >= 0 {
		dst = append(dst, "; Expires="...)
		dst = appendHTTPTime(dst, set.expires)
		dst = append(dst, "; Max-Age="...)
		dst = strconv.AppendInt(dst, int64(set.age), 10)
	}
	return append(dst, m.attributes...)
}

// appendHTTPTime appends t in http.TimeFormat, which takes time.Time.AppendFormat
// three times as long.
func appendHTTPTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(append(dst, t.Weekday().String()[:3]...), ", "...)
	dst = append(appendTwo(dst, day), ' ')
	dst = append(append(dst, month.String()[:3]...), ' ')
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), ' ')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	return append(appendTwo(dst, second), " GMT"...)
}

// appendTwo appends the last two decimal digits of n.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }
