package cookiestore

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// An Option is an option of [Middleware] and [NewManager].
type Option func(*settings)

// settings are what the options say.
type settings struct {
	cookie        http.Cookie // without value and times
	former        []scope     // where the cookie may also be, from before
	maxCookieSize int
	chunks        int // at most
	rules         policy
	everyRequest  bool
	buffer        int
	noCrossSite   bool
	revokes       bool // WithRevocations was given
	logger        *slog.Logger
	observe       func(context.Context, Event)
	observes      bool // WithObserver was given
	onError       func(http.ResponseWriter, *http.Request, error)
}

func defaultSettings() settings {
	return settings{
		cookie: http.Cookie{
			Name:     "sessionid",
			Path:     "/",
			Secure:   true,
			HttpOnly: true,
			SameSite: http.SameSiteLaxMode,
		},
		maxCookieSize: MaxCookieSize,
		chunks:        1,
		rules:         defaultPolicy,
		onError:       replyFailed,
	}
}

// WithName names the cookie. The prefixes __Host-, __Secure-, __Http- and
// __Host-Http- make browsers hold it to the rules that they stand for. In
// production prefer __Host-: no subdomain can then set a cookie of that name.
// It is Django's SESSION_COOKIE_NAME. Default: sessionid.
func WithName(name string) Option { return func(o *settings) { o.cookie.Name = name } }

// WithPath has the browser send the cookie only to URLs under this path. When it
// changes on a live site, name the old one with [WithFormerScope]. It is Django's
// SESSION_COOKIE_PATH. Default: /, the whole site.
func WithPath(path string) Option { return func(o *settings) { o.cookie.Path = path } }

// WithDomain has the browser send the cookie to this domain and its subdomains.
// When it changes on a live site, name the old one with [WithFormerScope]. It is
// Django's SESSION_COOKIE_DOMAIN. Default: none, so that only the host that set
// the cookie gets it.
func WithDomain(domain string) Option { return func(o *settings) { o.cookie.Domain = domain } }

// WithFormerScope names a domain ("" for the host alone) and a path under which
// the site has set the cookie before, so that browsers may still send that one,
// too. The newest of a visitor's cookies is the session in any case; with this
// option, [Session.Flush] deletes the others as well. It may be given more than
// once. Default: none; where [WithDomain] is set, the host's own cookie is deleted
// without it.
func WithFormerScope(domain, path string) Option {
	return func(o *settings) { o.former = append(o.former, scope{domain: domain, path: path}) }
}

// WithSecure sets whether the browser sends the cookie over HTTPS alone. It is
// Django's SESSION_COOKIE_SECURE. Default: true, unlike Django. Switch it off for
// development over plain HTTP on another host than localhost.
func WithSecure(secure bool) Option { return func(o *settings) { o.cookie.Secure = secure } }

// WithHTTPOnly sets whether the cookie is hidden from page JavaScript. It is
// Django's SESSION_COOKIE_HTTPONLY. Default: true.
func WithHTTPOnly(httpOnly bool) Option { return func(o *settings) { o.cookie.HttpOnly = httpOnly } }

// WithSameSite sets with which requests from other sites the browser sends the
// cookie. It is Django's SESSION_COOKIE_SAMESITE. Default: Lax. None needs
// Secure; http.SameSiteDefaultMode leaves the attribute out.
func WithSameSite(mode http.SameSite) Option { return func(o *settings) { o.cookie.SameSite = mode } }

// WithPartitioned keeps a separate cookie for each site that embeds this one
// (CHIPS). It needs Secure. Default: off.
func WithPartitioned() Option { return func(o *settings) { o.cookie.Partitioned = true } }

// WithMaxCookieSize limits the whole Set-Cookie field, from the cookie's name to
// its last attribute, to n bytes. A session that needs more is [ErrTooLarge], unless
// [WithChunks] lets it take several cookies of that size.
// Browsers keep 4,096 bytes, but some proxies and front ends take less, and drop
// the response or its cookies: nginx, for one, holds all of a response's header in
// proxy_buffer_size, 4 or 8 KiB. Default: [MaxCookieSize].
func WithMaxCookieSize(n int) Option { return func(o *settings) { o.maxCookieSize = n } }

// WithChunks lets a session take up to n cookies, if it is too large for one: the cookie
// itself and NAME-1, NAME-2 and so on, each within [WithMaxCookieSize]. There is one
// signature or ciphertext over the whole, and what isn't complete and of one save is
// refused. Cookies that are no longer needed are deleted. All cookies NAME-1 to NAME-7
// that have the form of a chunk are the session's.
//
// A session is compressed as well as the store can to stay in one cookie, if the store
// compresses at all: the time is less than that of sending more with each request.
//
// Each chunk makes each request of the visitor larger by up to 4 KiB, and servers and
// proxies limit the size of all header fields together, some to 8 KiB: two or three are
// as much as most sites should use. See docs/large-sessions.md. To make n smaller logs
// out those whose sessions need more; at 1, chunks are not looked at. Default: 1; at
// most 8.
func WithChunks(n int) Option { return func(o *settings) { o.chunks = n } }

// WithMaxAge sets how long a session lasts after it was saved, unless
// [Session.SetExpiry] says otherwise. Fractions of a second are cut off. Browsers
// keep no cookie for more than 400 days. It is Django's SESSION_COOKIE_AGE.
// Default: two weeks.
func WithMaxAge(d time.Duration) Option { return func(o *settings) { o.rules.age = d } }

// WithExpireAtBrowserClose makes the cookie one that the browser forgets when it
// is closed, unless [Session.SetExpiry] says otherwise. The server enforces the
// maximum age all the same. It is Django's SESSION_EXPIRE_AT_BROWSER_CLOSE.
// Default: off.
func WithExpireAtBrowserClose() Option { return func(o *settings) { o.rules.browserClose = true } }

// WithSaveEveryRequest saves the session and sends its cookie with every response,
// so that its age counts from the last visit. It is Django's
// SESSION_SAVE_EVERY_REQUEST. Default: off. [WithRenewal] does the same with fewer
// cookies. Both are optional saves, which give way to others: see [Middleware].
func WithSaveEveryRequest() Option { return func(o *settings) { o.everyRequest = true } }

// WithRenewal saves a session that was only read, too, once more than this part
// of its age has passed, so that active visitors stay logged in and most
// responses carry no cookie: with 0.5 and two weeks, it is once in a week. The age
// that counts is 400 days at most, for which browsers keep cookies. A session that
// was set to end [At] a time is not renewed. Default: 0, off; at most 1.
func WithRenewal(part float64) Option { return func(o *settings) { o.rules.renewal = part } }

// WithLifetime caps the total age of a session, however often it is saved. The
// time at which it began is kept in the session under "_session_created"; a
// session from before this option counts from when it was last saved.
// [Session.Flush] begins a new one. Default: 0, no cap; at least a second.
func WithLifetime(d time.Duration) Option { return func(o *settings) { o.rules.lifetime = d } }

// WithRevocations ends sessions before they expire. Each session gets an ID and the time
// at which it began, both new with [Session.CycleKey] and [Session.Flush] and moved by no
// save, in the session under "_session_id". When a session is loaded, r is asked, and one
// that was ended is refused with [ErrRevoked]: the visitor gets a new one. Flush ends the
// session for every copy of its cookie, in a cookie store, too, and CycleKey its copies
// from before. All sessions of a user are ended by [Manager.RevokeUser].
//
// The userKey is the dictionary key whose value says whose session it is, a string or a
// number: Django's is "_auth_user_id". "" is for sites whose sessions belong to nobody.
//
// What Flush and CycleKey have ended stays noted for 400 days, or for the maximum age if
// that is longer, but no longer than [WithLifetime] lets sessions last; what RevokeUser
// has ended, for the lifetime, or for good.
//
// If r can't be asked, the request fails, through [WithErrorHandler]; if it can't be told,
// Flush and CycleKey do. See [WithStaleAnswers] and [WithUnansweredAccepted] for the other ways.
// A session from before this option counts as begun when it was last saved then, and its
// ID is a hash of its cookie. Default: none, so that a copy of a cookie works until it expires.
func WithRevocations(r Revocations, userKey string) Option {
	return func(o *settings) {
		o.rules.revocations, o.rules.userKey, o.rules.moments, o.revokes = r, userKey, new(moments), true
	}
}

// WithClockSkew sets how far in the future a session may have been saved, by a
// server whose clock is ahead. Default: one minute.
func WithClockSkew(d time.Duration) Option { return func(o *settings) { o.rules.skew = d } }

// WithClock replaces time.Now, for tests. It must not use the session.
func WithClock(now func() time.Time) Option { return func(o *settings) { o.rules.now = now } }

// WithBuffer holds back up to n bytes of each response, so that a handler may use
// and change the session while it writes: a template that reads the session as it
// is executed, say. The session is saved when the buffer is full or the handler
// returns, and, so that streams still work, at Flush, Hijack and a copy of a file.
// Default: 0, off. Rendering into a bytes.Buffer before the first Write does the
// same for one handler.
func WithBuffer(n int) Option { return func(o *settings) { o.buffer = n } }

// WithoutCrossSiteSessions begins no session in a request that another site has
// the browser make with an unsafe method (Sec-Fetch-Site: cross-site), if the
// cookie is Lax or Strict and was not sent: the browser withholds it there, so the
// visitor may well have a session, which a new one would replace. What the handler
// sets is then not saved, and the error handler answers with [ErrCrossSite]. It is
// for the callbacks of payment and login providers that POST. Default: off, and
// such a replacement is logged at debug level.
func WithoutCrossSiteSessions() Option { return func(o *settings) { o.noCrossSite = true } }

// WithLogger sets where refused cookies and sessions that can't be saved are
// logged: with the reason, the request's method and path, and the dictionary keys
// that matter, and never with a signing key or a value. Expired sessions are logged
// as information, other refusals as warnings, lost changes as errors. There is at
// most one line a request about refused cookies, and sixty a minute; the same
// cookie again, and what exceeds that, is at debug level. Default: slog.Default(),
// as it is at the time.
func WithLogger(logger *slog.Logger) Option { return func(o *settings) { o.logger = logger } }

// WithErrorHandler answers the request if the session can't be loaded or saved,
// in place of the handler. The header is as it was when the request came to the
// middleware. Default: a plain sentence, or JSON for clients that accept only
// that, with status 500; 400 for [ErrInterrupted], as in Django; 403 for
// [ErrCrossSite]. The error is logged in any case.
func WithErrorHandler(h func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return func(o *settings) { o.onError = h }
}

// maxAttribute is how many bytes of an attribute's value browsers take (RFC
// 6265bis, section 5.6); longer ones they ignore in silence.
const maxAttribute = 1024

// check looks for options that contradict each other, and for values with which
// browsers would drop the cookie, or an attribute, in silence. The rules of the
// prefixes are those of RFC 6265bis, which compares them without regard to case.
func (o *settings) check() error {
	c := &o.cookie
	lower := strings.ToLower(c.Name)
	host := strings.HasPrefix(lower, "__host-")
	script := strings.HasPrefix(lower, "__http-") || strings.HasPrefix(lower, "__host-http-")
	secure := strings.HasPrefix(lower, "__secure-") || host || script
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{secure && !c.Secure, "its prefix needs Secure"},
		{script && !c.HttpOnly, "its prefix needs HttpOnly"},
		{c.SameSite == http.SameSiteNoneMode && !c.Secure, "SameSite=None needs Secure"},
		{c.Partitioned && !c.Secure, "Partitioned needs Secure"},
		{c.SameSite < http.SameSiteDefaultMode || c.SameSite > http.SameSiteNoneMode, "its SameSite is none of net/http's modes"},
		{o.chunks < 1 || o.chunks > maxChunks, fmt.Sprintf("WithChunks takes 1 to %d, and got %d", maxChunks, o.chunks)},
		{o.maxCookieSize < 1, "the maximum cookie size is not positive"},
		{o.rules.age <= 0, "the maximum age is under a second"},
		{o.rules.lifetime < 0, "the lifetime is negative"},
		{0 < o.rules.lifetime && o.rules.lifetime < time.Second, "the lifetime is under a second: nothing could be saved"},
		{o.rules.skew < 0, "the clock skew is negative"},
		{!(o.rules.renewal >= 0 && o.rules.renewal <= 1), "the renewal is not a part between 0 and 1"},
		{o.rules.now == nil, "the clock is nil"},
		{o.revokes && isNil(o.rules.revocations), "the revocations are nil"},
		{o.observes && o.observe == nil, "the observer is nil"},
		{o.buffer < 0, "the buffer is negative"},
		{o.onError == nil, "the error handler is nil"},
	} {
		if rule.broken {
			return usage(fmt.Sprintf("cookie %q: %s", c.Name, rule.what))
		}
	}
	for _, s := range append([]scope{{domain: c.Domain, path: c.Path}}, o.former...) {
		what := s.fault()
		switch {
		case what != "":
		case host && s.domain != "":
			what = fmt.Sprintf("the prefix __Host- allows no Domain, and it is %q", s.domain)
		case host && s.path != "/":
			what = fmt.Sprintf(`the prefix __Host- needs the Path "/", and it is %q`, s.path)
		}
		if what != "" {
			return usage(fmt.Sprintf("cookie %q: %s", c.Name, what))
		}
		probe := *c
		probe.Value, probe.Domain, probe.Path = "v", s.domain, s.path
		if err := probe.Valid(); err != nil {
			return &cookieError{class: usageError, detail: fmt.Sprintf("cookie %q: %v", c.Name, err), cause: err}
		}
	}
	if fixed := len(c.Name) + len("=") + maxTimes + len(attributesOf(c)); fixed >= o.maxCookieSize {
		return usage(fmt.Sprintf("cookie %q: its name and attributes take %d bytes of %d, which leaves no room for a value",
			c.Name, fixed, o.maxCookieSize))
	} else if left := o.maxCookieSize - fixed; o.chunks > 1 && o.chunks*pieceSize(left) < left {
		return usage(fmt.Sprintf("cookie %q: its name and attributes take %d bytes of %d, which leaves no room for chunks",
			c.Name, fixed, o.maxCookieSize))
	}
	return nil
}

// A scope says for which URLs a browser sends a cookie.
type scope struct{ domain, path string }

// is reports whether browsers take both scopes for the same.
func (s scope) is(other scope) bool {
	plain := func(domain string) string { return strings.TrimPrefix(domain, ".") }
	return s.path == other.path && strings.EqualFold(plain(s.domain), plain(other.domain))
}

// fault returns what is wrong with a scope, or "".
func (s scope) fault() string {
	domain := strings.TrimPrefix(s.domain, ".") // as browsers do
	switch {
	case s.path == "" || s.path[0] != '/':
		return fmt.Sprintf("Path %q does not begin with a slash", s.path)
	case strings.TrimSpace(s.path) != s.path:
		return fmt.Sprintf("Path %q ends with a blank, which browsers cut off", s.path)
	case len(s.path) > maxAttribute:
		return fmt.Sprintf("Path has %d bytes, and browsers ignore one of over %d", len(s.path), maxAttribute)
	case strings.HasSuffix(domain, "."):
		return fmt.Sprintf("Domain %q ends with a dot, with which browsers drop the cookie", s.domain)
	case s.domain != "" && !strings.Contains(domain, ".") && !strings.EqualFold(domain, "localhost"):
		return fmt.Sprintf("Domain %q has no dot in it, and browsers drop a cookie for a whole top-level domain", s.domain)
	}
	return ""
}
