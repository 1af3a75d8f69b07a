// Package dbsc binds sessions to the device of the browser, so that a stolen cookie is
// worth minutes: Device Bound Session Credentials, as Chrome has them. It is experimental:
// the protocol still moves (https://w3c.github.io/webappsec-dbsc), and so may this package.
//
//	binder, err := dbsc.New(sessions, key) // sessions is a *cookiestore.Manager
//	...
//	handler := sessions.Handler(binder.Require(mux))
//
//	func login(w http.ResponseWriter, r *http.Request) {
//		...
//		session.Flush()
//		session.Set("user", user)
//		binder.Offer(w, r)
//	}
//
// After a login, a browser that knows the protocol makes a key pair that does not leave
// the device, where the hardware can see to that, and registers the public key. The
// session is then bound: a request has to come with a second cookie, the bound cookie,
// which lives for ten minutes, and which the browser gets anew only by signing with that
// key. It does so by itself. Whoever copies the cookies has a session until the bound one
// ends.
//
// Other browsers never register, and nothing changes for them: their sessions are not bound.
//
// # How it works
//
// Nothing is kept on the server. The session's dictionary says that it is bound, and to
// what. What else the server needs to know, the browser has in signed form: who it is, with
// the public key, in the session identifier of the protocol; what it has to sign in a
// challenge, which is good for 30 seconds and for one use.
//
//	offer        the login answers with Secure-Session-Registration and a challenge, and the
//	             session notes an offer
//	register     the browser sends its public key and the challenge, signed, and gets the
//	             bound cookie; the offer is withdrawn, and the session notes the binding
//	             with a later request that has that cookie
//	refresh      when the bound cookie is about to end, the browser asks for a challenge,
//	             signs it, and gets another
//
// docs/dbsc.md says what that gives and what not.
package dbsc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	gopath "path"
	"strings"
	"time"

	"example.com/cookiestore"
)

// Key is the dictionary key that says whether a session is bound, and to what. [Binder.Status]
// reads it.
const Key = "_dbsc"

const (
	registerPath = "/dbsc/register"
	refreshPath  = "/dbsc/refresh"

	// cookieName is that of the bound cookie. No other host can set one.
	cookieName = "__Host-dbsc"

	// challengeLife is for how long a browser may use a challenge. It takes a second.
	challengeLife = 30 * time.Second

	// skew is how far the clock of another server may be ahead.
	skew = time.Minute

	// grace is for how long after the offer a session is good without the bound cookie:
	// requests that were sent before the browser had it arrive later. It is longer than
	// challengeLife, the last moment at which a session can become bound.
	grace = time.Minute

	// offerEnds is for how long revocations remember an offer that was taken. After that,
	// all offers count as taken.
	offerEnds = 400 * 24 * time.Hour
)

// A Binder binds the sessions of a [cookiestore.Manager] to browsers. It is safe for
// concurrent use.
type Binder struct {
	sessions   *cookiestore.Manager
	signer     *cookiestore.Signer
	lifetime   time.Duration // of the bound cookie
	attributes string        // of it, as the browser is told them
	origin     string
	excluded   []string
	fallbacks  [][]byte
	reportOnly bool
	unbound    UnboundHandler
	used       memory
}

// An Option is an option of [New].
type Option func(*Binder)

// WithFallbackKeys accepts what was signed with these keys, newest first, as
// [cookiestore.WithFallbackKeys] does. Without the key that it was bound under, a bound
// session ends: the protocol lets nobody sign a session identifier anew. So keep a key for
// as long as sessions last, from their login on. Default: none.
func WithFallbackKeys(keys ...[]byte) Option {
	return func(b *Binder) { b.fallbacks = append(b.fallbacks, keys...) }
}

// WithLifetime sets how long a bound cookie lasts, which is what a stolen one is worth.
// Browsers refresh it from two minutes before its end, and sign about six times in nine
// minutes, for all sessions of a site: less than five minutes is for tests. Default: ten
// minutes.
func WithLifetime(d time.Duration) Option {
	return func(b *Binder) { b.lifetime = d.Truncate(time.Second) }
}

// WithOrigin sets the origin whose requests the browser is to hold back for a refresh,
// such as https://www.example.org. It is needed behind a proxy that changes the Host
// field. Default: https:// and the host of the request.
func WithOrigin(origin string) Option { return func(b *Binder) { b.origin = origin } }

// WithExcluded leaves out paths and what is below them, or, of a path that ends with a
// slash, what is below it: there the browser doesn't refresh, and [Binder.Require]
// doesn't look. Login should be among them, or who has lost the key can't log in again;
// logout, or the browser first refreshes what is about to end; and static files. Their
// handlers have the session of whoever has a copy of the cookies: a login should Flush it.
// Default: none.
func WithExcluded(paths ...string) Option {
	return func(b *Binder) { b.excluded = append(b.excluded, paths...) }
}

// An UnboundHandler answers a request of a bound session that has come without the bound
// cookie: that of a thief, of a browser whose refresh has failed, or a click on another
// site, for which browsers don't refresh. Next is the handler that the request was for.
type UnboundHandler func(w http.ResponseWriter, r *http.Request, session *cookiestore.Session, next http.Handler)

// WithUnbound sets what such requests get. Default: [Refuse].
func WithUnbound(h UnboundHandler) Option { return func(b *Binder) { b.unbound = h } }

// WithReportOnly lets such requests through, and only logs and counts them: to see
// what would happen before it does. Default: off.
func WithReportOnly() Option { return func(b *Binder) { b.reportOnly = true } }

// New returns a Binder for the sessions of a manager, one for each host. The key, of at
// least [cookiestore.MinKeySize] random bytes, may be that of the store: what is signed
// here is of no use there. If the manager has [cookiestore.WithRevocations], as it should,
// they remember the offers that were taken, so that copies of the cookies from before the
// registration end, and the challenges that were used. The session's cookie must have the
// path "/", and not be partitioned. Errors are about the key and the options.
func New(sessions *cookiestore.Manager, key []byte, options ...Option) (*Binder, error) {
	if sessions == nil {
		return nil, errors.New("dbsc: the manager is nil")
	}
	b := &Binder{sessions: sessions, lifetime: 10 * time.Minute, unbound: Refuse, attributes: "Path=/; Secure; HttpOnly"}
	session := sessions.Cookie()
	if mode := sameSites[session.SameSite]; mode != "" {
		b.attributes += "; SameSite=" + mode
	}
	for _, option := range options {
		if option == nil {
			return nil, errors.New("dbsc: an option is nil")
		}
		option(b)
	}
	origin, err := url.Parse(b.origin)
	switch {
	case err != nil || b.origin != "" && (origin.Host == "" || "https://"+origin.Host != b.origin):
		return nil, fmt.Errorf("dbsc: the origin %q is not https:// and a host", b.origin)
	case session.Path != "/" || session.Partitioned:
		return nil, errors.New("dbsc: the session's cookie has another path than /, or is partitioned, and browsers would not send it along")
	case b.lifetime < time.Second:
		return nil, errors.New("dbsc: the lifetime is under a second")
	case b.unbound == nil:
		return nil, errors.New("dbsc: the unbound handler is nil")
	}
	for _, path := range b.excluded {
		if clean := gopath.Clean("/" + path); clean == "/" || clean != strings.TrimSuffix(path, "/") {
			return nil, fmt.Errorf("dbsc: the excluded path %q is everything, or not as a URL has it", path)
		}
	}
	if b.signer, err = cookiestore.NewSigner(key, b.fallbacks...); err != nil {
		return nil, err
	}
	return b, nil
}

// SetKeys replaces all keys, as [cookiestore.Signer.SetKeys] does.
func (b *Binder) SetKeys(key []byte, fallbacks ...[]byte) error {
	return b.signer.SetKeys(key, fallbacks...)
}

// Offer has the browser of the request register a key, if it can, and the session bound to
// it. Call it when somebody has logged in, before the first byte of the response. It
// cycles the session's key, so that a copy from before the login isn't bound along. A
// binding that the session had is replaced.
func (b *Binder) Offer(w http.ResponseWriter, r *http.Request) {
	s := state{offer: newID(), at: b.sessions.Now().Unix()}
	session := b.session(r)
	session.CycleKey()
	session.Set(Key, s.String())
	challenge := b.newChallenge(offerName, s.offer)
	w.Header().Add("Secure-Session-Registration", fmt.Sprintf(`(ES256);path="%s";challenge="%s"`, registerPath, challenge))
}

var sameSites = map[http.SameSite]string{
	http.SameSiteLaxMode: "Lax", http.SameSiteStrictMode: "Strict", http.SameSiteNoneMode: "None",
}

// session returns the manager's session. Other middlewares may be around the handler, too.
func (b *Binder) session(r *http.Request) *cookiestore.Session {
	name := b.sessions.Cookie().Name
	session, ok := cookiestore.FromContextNamed(r.Context(), name)
	if !ok {
		panic(fmt.Sprintf("dbsc: no session of the cookie %q in this request: put Require inside of the manager's Handler", name))
	}
	return session
}
