// Package cookiestore is Django's session framework for Go, with no session table to
// run: a visitor's session is a dictionary, serialized as JSON, signed, and kept in
// the visitor's own cookie.
//
//	store, err := cookiestore.New(key) // at least 32 random bytes
//	...
//	handler := cookiestore.Middleware(store)(mux)
//
//	func home(w http.ResponseWriter, r *http.Request) {
//		session := cookiestore.FromContext(r.Context())
//		visits := cookiestore.Get(session, "num_visits", 0) + 1
//		session.Set("num_visits", visits)
//		session.SetExpiry(cookiestore.After(30 * time.Minute))
//		fmt.Fprintf(w, "You have visited this page %d times.\n", visits)
//	}
//
// # Sessions
//
// A handler gets its [Session] from [FromContext]. It is loaded when it is first
// used, and saved, if it was changed, just before the first byte of the response.
// If it can't be saved, the visitor gets an error in place of the page: see
// [Middleware]. Code without an http.Handler uses a [Manager]. A [Versioned] keeps one
// struct in place of many keys.
//
// # Options
//
// Keys, format and limits belong to the store; the cookie and the session's age to
// the middleware.
//
//	New, NewWithCodec       WithFallbackKeys, WithFallbackCodecs, WithDjango,
//	                        WithEncryption, WithLegacy, WithCompressionOver,
//	                        WithMaxInflated
//	Middleware, NewManager  the cookie: WithName, WithPath, WithDomain, WithFormerScope,
//	                        WithSecure, WithHTTPOnly, WithSameSite, WithPartitioned,
//	                        WithMaxCookieSize, WithChunks
//	                        its age: WithMaxAge, WithExpireAtBrowserClose, WithRenewal,
//	                        WithSaveEveryRequest, WithLifetime, WithClockSkew, WithClock
//	                        requests: WithBuffer, WithoutCrossSiteSessions,
//	                        WithErrorHandler, WithLogger, WithObserver
//	                        ending sessions early: WithRevocations
//
// # Expiry
//
// A session expires two weeks after it was last saved, unless [WithMaxAge] or
// [Session.SetExpiry] says otherwise. The server enforces it, for every kind of
// [Expiry]. [WithRenewal] also keeps visitors logged in who only read, and
// [WithLifetime] caps a session's total age.
//
// # Signing keys
//
// Anyone who knows the signing key can make any session. Make it of random bytes,
// keep it out of the source code, and use the same one on all servers.
// [CookieStore.SetKeys] and [WithFallbackKeys] change it without logging anybody out.
//
// # What a cookie can't do
//
// The visitor can read the session, unless [WithEncryption] is used, and can send an
// older one again until it expires. A session has to fit in [MaxCookieSize], or in a few
// cookies of that size with [WithChunks]. Of two requests that change it at the same time,
// one loses its change. If you need more, use a server-side store, such as that of package
// dbstore, for all sessions or, with [Spill], for the large ones.
//
// # Compatibility
//
// The format is that of Django's signing module, which [Signer] describes. With
// [WithDjango], a Go program and a Django site share one session. Package gorilla
// reads the cookies of gorilla/sessions, through [WithLegacy], and makes a codec for
// gorilla/sessions of a Signer.
package cookiestore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"example.com/cookiestore/internal/jsonobject"
	"example.com/cookiestore/internal/scratch"
)

// A Loader reads sessions: the half of a [Store] that [WithLegacy] needs.
type Loader interface {
	// Load returns the session that the value of a visitor's cookie stands
	// for. An error for which [IsRefused] holds, such as one that wraps
	// [ErrNoSession], means that there is none, and the visitor gets a new
	// session; any other, that the store failed, and the visitor gets an error.
	Load(ctx context.Context, name, value string) (Record, error)
}

// A Store keeps sessions between requests: all of them in the visitor's cookie,
// as a [CookieStore] does, or in a database under an ID that the cookie holds.
//
// A Store knows nothing of HTTP and does not judge whether a session has expired;
// the middleware does both. Its methods must be safe for concurrent use.
type Store interface {
	Loader

	// Save keeps the session and returns the value of the visitor's new
	// cookie, of the characters that a cookie can hold (RFC 6265, section
	// 4.1.1), and the Version that the record now has. The error is
	// [ErrConflict] if the record was not in the state that rec.Version names,
	// or not there: the middleware then loads it again, merges the two
	// dictionaries key by key, and saves the result. After any error the
	// session is as it was, as far as the store can know: where a connection
	// breaks, it may have been saved.
	Save(ctx context.Context, name string, rec Record) (value, version string, err error)

	// Delete forgets the session that Load has returned for the value. If a
	// version is given and the record is not in that state, or not there, it is
	// left alone, and the error is [ErrConflict]. Without
	// one, a record that isn't there is not an error.
	Delete(ctx context.Context, name, value, version string) error

	// ClearExpired removes the sessions that have expired, as Django's
	// clearsessions does.
	ClearExpired(ctx context.Context) error
}

// A Record is what a [Store] keeps of a session.
type Record struct {
	// Data is the dictionary: a JSON object in UTF-8.
	Data string

	// Saved is when the session was last saved: for Save, now. A store may
	// keep it to the second. From Load, the zero time means that the store
	// can't tell; it then counts as now.
	Saved time.Time

	// Resave is for Load: what was read should be saved again with the next
	// response, because its signing key or its format is outdated.
	Resave bool

	// Expires is when the session expires. From Load it is the end of the
	// record, if the store keeps one: the session expires then, whatever else
	// its Data says. The zero time means that only the Data tells.
	Expires time.Time

	// Version tells this state of the record from every other, in a store
	// whose records can change between a Load and a Save. It is the store's
	// own, and may be anything but "", which is for stores that have no such
	// thing. Save and Delete get what Load or the Save before has returned.
	Version string

	// The rest is for Save.

	// Limit is how many bytes the Set-Cookie field of the cookie may have, or,
	// with [WithChunks], those of all cookies together, and Overhead how many of
	// them are not for the value. Zero means [MaxCookieSize], and the name.
	Limit, Overhead int

	single int // how much of the value fits in one cookie; 0 if there is only one

	// Cookie is the value of the visitor's cookie that the session was loaded
	// from, or that the last Save returned; "" is a session that the store
	// hasn't seen, and gets a new record.
	Cookie string

	// NewID asks a store with records to keep the session under a new ID,
	// and to forget what it was kept under: [Session.CycleKey].
	NewID bool

	// BrowserClose says that the cookie is one that the browser forgets when
	// it is closed.
	BrowserClose bool
}

// EndsAt returns when the session expires if it isn't saved again: as the expiry in
// its Data says, or else maxAge after it was saved, and at Expires at the latest. It
// is the zero time if none of that is known. The error is [ErrMalformed] if Data is
// not a dictionary, or its expiry is not valid.
func (r Record) EndsAt(maxAge time.Duration) (time.Time, error) {
	var c contents
	expiry, err := c.parse(r.Data)
	if err != nil || r.Saved.IsZero() && expiry.kind != atTime {
		return r.Expires, err
	}
	rules := policy{age: maxAge}
	return earlier(rules.end(expiry, r.Saved, time.Time{}), r.Expires), nil
}

// Check refuses the session, at now, as the middleware does with that maximum age:
// with [ErrExpired], [ErrFuture] or [ErrMalformed]. One whose Saved is zero counts
// as saved now.
func (r Record) Check(maxAge time.Duration, now time.Time) error {
	rules := policy{age: maxAge, skew: defaultClockSkew}
	return rules.restore(r, now, new(contents))
}

// A CookieStore keeps the whole session in the visitor's cookie, signed, in the
// format that [Signer] describes. It keeps nothing on the server.
//
// What that means: the visitor can read the session (unless [WithEncryption] is used)
// but not change it; a session has to fit in [MaxCookieSize], or in a few cookies of that
// size with [WithChunks]; of two requests at the same time that change one session, the
// later response wins; and after [Session.Flush], a copy of the cookie works until it
// expires, unless [WithRevocations] is used.
type CookieStore struct {
	codec        codec
	signer       *Signer   // nil with another codec
	keys         keySetter // nil with a codec that has its own
	legacy       []Loader
	compressOver int
	maxInflated  int
}

var _ Store = (*CookieStore)(nil)

// A StoreOption is an option of [New] and [NewWithCodec].
type StoreOption func(*storeOptions)

type storeOptions struct {
	fallbacks    [][]byte
	django       bool
	encrypt      newStoreFunc // nil to sign
	legacy       []Loader
	codecs       []Codec // older ones
	compressOver int
	compressSet  bool // compressOver is not the default
	maxInflated  int
}

// A newStoreFunc makes the store in place of New. That an option brings it keeps it out of
// programs that don't use that option.
type newStoreFunc func(key []byte, o *storeOptions) (*CookieStore, error)

// A keySetter is a codec whose keys the store can replace.
type keySetter interface {
	SetKeys(key []byte, fallbacks ...[]byte) error
	hasFallbacks() bool
}

// WithFallbackKeys accepts cookies that were signed with these keys, newest
// first, and signs them anew with the primary key when they are next read. It is
// Django's SECRET_KEY_FALLBACKS. Default: none.
func WithFallbackKeys(keys ...[]byte) StoreOption {
	return func(o *storeOptions) { o.fallbacks = append(o.fallbacks, keys...) }
}

// WithFallbackCodecs accepts cookies that these codecs have made, newest first, and has
// the codec of [NewWithCodec] make them anew when they are next read: it is what
// [WithFallbackKeys] is for [New]. A site can so replace the keys of its codec, or the
// codec, and log nobody out. Take a codec out when the last cookie that it has made has
// expired. To change between New and NewWithCodec, see [WithLegacy]. Default: none.
func WithFallbackCodecs(codecs ...Codec) StoreOption {
	return func(o *storeOptions) { o.codecs = append(o.codecs, codecs...) }
}

// WithDjango reads and writes the cookies of a Django site whose settings have
//
//	SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
//
// The key is then Django's SECRET_KEY, of any length, and the fallback keys its
// SECRET_KEY_FALLBACKS. JSON is written in ASCII, since Django reads it as
// Latin-1. The cookie's name and attributes are Django's by default, but for
// Secure; see [WithName] and the options after it.
//
// Two things differ. A time that Django writes without a zone (USE_TZ = False) is
// taken as UTC. And a cookie that holds NaN or Infinity, which Python writes though they
// are not JSON, is refused. For the other direction, see [At].
func WithDjango() StoreOption {
	return func(o *storeOptions) { o.django = true }
}

// WithEncryption encrypts sessions, so that the visitor can't read them, in the format
// that [Encrypter] describes, which also says what the length of a cookie tells. The
// key, the fallback keys and everything else are as without it; a cookie is at most 80
// bytes longer than a signed one that isn't compressed. Nothing is compressed unless
// [WithCompressionOver] asks for it.
//
// A signed cookie is refused, as is an encrypted one by a store that signs. To begin to
// encrypt and log nobody out, pass the store that has signed them to [WithLegacy]: signed
// cookies are then encrypted when they are next read. Remove it when the last of them has
// expired. The way back is the same. Default: sessions are signed, and the visitor can
// read them.
func WithEncryption() StoreOption {
	return func(o *storeOptions) { o.encrypt = newEncrypted }
}

// WithLegacy reads the cookies that the store's own format doesn't cover, and writes
// them in that format when they are next saved, which is soon: reading one is enough
// (see [Middleware]). A site can change its format that way, or move to this package, and
// log nobody out. Each Loader is tried in turn: those of package gorilla, or another
// store, such as the [CookieStore] with which the site has written its cookies so
// far. Default: none.
func WithLegacy(loaders ...Loader) StoreOption {
	return func(o *storeOptions) { o.legacy = append(o.legacy, loaders...) }
}

// WithCompressionOver tries zlib on sessions of more than n bytes of JSON, and
// keeps the result where it is shorter. Below, it gains little and costs more
// than all the rest of a request. Zero tries it always, as Django does; a
// negative n, never. Both forms are read in any case. The level is zlib's fastest,
// and its default, which Django uses, if the cookie would be too large otherwise.
// Default: 1024, and never with [WithEncryption].
func WithCompressionOver(n int) StoreOption {
	return func(o *storeOptions) { o.compressOver, o.compressSet = n, true }
}

// WithMaxInflated refuses cookies whose payload inflates to more than n bytes;
// a small cookie could otherwise fill the memory. Sessions with more JSON than
// that are not saved. Default: 64 KiB.
func WithMaxInflated(n int) StoreOption {
	return func(o *storeOptions) { o.maxInflated = n }
}

// New returns a store that signs cookies with key, of at least [MinKeySize]
// random bytes, the same on every server and after every restart. Make it once
// (securecookie.GenerateRandomKey(32), or `openssl rand -hex 32`, whose text
// [ParseKey] reads), and keep it where the program's other secrets are.
func New(key []byte, options ...StoreOption) (*CookieStore, error) {
	o, err := collect(options)
	if err != nil {
		return nil, err
	}
	if o.codecs != nil {
		return nil, usage("WithFallbackCodecs is for NewWithCodec: New has WithFallbackKeys, and WithLegacy for other formats")
	}
	if o.encrypt != nil {
		return o.encrypt(key, o)
	}
	var signer *Signer
	if o.django {
		signer, err = NewDjangoSigner(DjangoCookieSalt, key, o.fallbacks...)
	} else {
		signer, err = NewSigner(key, o.fallbacks...)
	}
	if err != nil {
		return nil, err
	}
	return newStore(signerCodec{signer}, signer, o)
}

func newEncrypted(key []byte, o *storeOptions) (*CookieStore, error) {
	if o.django {
		return nil, usage("WithDjango and WithEncryption contradict each other: Django can't read encrypted cookies")
	}
	encrypter, err := NewEncrypter(key, o.fallbacks...)
	if err != nil {
		return nil, err
	}
	if !o.compressSet {
		o.compressOver = -1
	}
	return newStore(encrypter, nil, o)
}

// NewWithCodec returns a store with another codec in place of the [Signer]. With
// that of NewEncryptedCodec, in package gorilla, the session is encrypted too, so that
// the visitor can't read it. The codec must refuse values that were tampered with.
//
// The codec is handed a []byte, so any serializer of securecookie will do;
// NopEncoder gives the shortest cookies. The time of signing goes into those
// bytes, since a codec can't tell its own: the session's expiry holds as with
// the Signer, and so does the codec's own. The default of securecookie.New is 30 days: no
// session lasts longer, unless its MaxAge method changes that; NewEncryptedCodec sets
// none. The same goes for a codec's own limit of length, which [WithMaxCookieSize] and
// [WithChunks] don't change: MaxLength(0) lifts that of securecookie.New.
// [WithFallbackCodecs] replaces the codec or its keys. [WithFallbackKeys], [WithDjango]
// and [WithEncryption] are for [New], and an error here.
func NewWithCodec(c Codec, options ...StoreOption) (*CookieStore, error) {
	o, err := collect(options)
	switch {
	case err != nil:
		return nil, err
	case isNil(c):
		return nil, usage("NewWithCodec: the codec is nil")
	case o.django || o.encrypt != nil || o.fallbacks != nil:
		return nil, usage("WithDjango, WithEncryption and WithFallbackKeys are for New: another codec has its own format and keys")
	}
	var older []Loader
	for _, c := range o.codecs {
		if isNil(c) {
			return nil, usage("WithFallbackCodecs was given a nil Codec")
		}
		older = append(older, codecLoader{storeCodec(c), o.maxInflated})
	}
	o.legacy = append(older, o.legacy...)
	signer, _ := c.(*Signer)
	return newStore(storeCodec(c), signer, o)
}

func collect(options []StoreOption) (*storeOptions, error) {
	o := &storeOptions{compressOver: defaultCompressOver, maxInflated: defaultMaxInflated}
	for _, option := range options {
		if option == nil {
			return nil, usage("an option is nil")
		}
		option(o)
	}
	return o, nil
}

func newStore(c codec, signer *Signer, o *storeOptions) (*CookieStore, error) {
	switch {
	case o.maxInflated < 1:
		return nil, usage(fmt.Sprintf("WithMaxInflated(%d) leaves no room for a session", o.maxInflated))
	case slices.ContainsFunc(o.legacy, func(l Loader) bool { return isNil(l) }):
		return nil, usage("WithLegacy was given a nil Loader")
	}
	keys, _ := c.(keySetter)
	return &CookieStore{
		codec:        c,
		signer:       signer,
		keys:         keys,
		legacy:       o.legacy,
		compressOver: o.compressOver,
		maxInflated:  o.maxInflated,
	}, nil
}

// SetKeys replaces the signing or encryption keys while the store is in use; see
// [Signer.SetKeys]. With a codec that isn't a Signer it is an error.
func (c *CookieStore) SetKeys(key []byte, fallbacks ...[]byte) error {
	if c.keys == nil {
		return usage("SetKeys needs a store from New, or one with a Signer: another codec has its own keys")
	}
	return c.keys.SetKeys(key, fallbacks...)
}

// isNil reports whether an interface is nil, or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Pointer && value.IsNil()
}

// signsAnew reports whether there may be sessions that the store wants saved anew.
func (c *CookieStore) signsAnew() bool {
	return len(c.legacy) > 0 || c.keys == nil || c.keys.hasFallbacks()
}

// Load verifies the value of a cookie and returns the session in it. All errors
// are refusals: [ErrTampered], [ErrMalformed] or [ErrTooLarge], or what another
// codec says; unless a Loader of [WithLegacy] fails. Whether the session has expired
// is for the middleware to judge.
func (c *CookieStore) Load(ctx context.Context, name, value string) (Record, error) {
	if size := len(name) + len(value); size > MaxCookieSize && ctx.Value(sizeChecked{}) == nil {
		return Record{}, refuseTooLong(size, MaxCookieSize)
	}
	rec, err := c.codec.load(name, value, c.maxInflated)
	if err == nil || len(c.legacy) == 0 {
		return rec, err
	}
	rec, legacyErr := c.loadLegacy(ctx, name, value)
	if legacyErr == nil || errors.Is(err, ErrMalformed) || !IsRefused(legacyErr) {
		return rec, legacyErr
	}
	return rec, err // it has the store's own form
}

// loadLegacy tries the other formats in turn, until one accepts the cookie. The error is that
// of the last one tried.
func (c *CookieStore) loadLegacy(ctx context.Context, name, value string) (rec Record, err error) {
	for _, l := range c.legacy {
		if rec, err = l.Load(ctx, name, value); err == nil {
			rec.Resave, rec.Version = true, ""
			return rec, nil
		}
		if !IsRefused(err) {
			break
		}
	}
	return Record{}, err
}

// Save returns the value of the cookie that holds the session. A session that does
// not fit in rec.Limit is [ErrTooLarge], in an error that names its largest keys;
// Data that Load would refuse is [ErrMalformed].
func (c *CookieStore) Save(_ context.Context, name string, rec Record) (value, version string, err error) {
	if _, err := new(contents).parse(rec.Data); err != nil {
		return "", "", &cookieError{class: usageError, reason: ErrMalformed, detail: "session can't be saved: its Data is not a dictionary", cause: err}
	}
	buf := scratch.Get()
	defer buf.Free()
	room := space{rec.Limit, rec.Overhead, rec.single}
	if room.limit == 0 {
		room = space{limit: MaxCookieSize, overhead: len(name)}
	}
	if buf.B, err = c.appendValue(buf.B, name, []byte(rec.Data), rec.Saved, room); err != nil {
		return "", "", err
	}
	return string(buf.B), "", nil
}

// appendValue appends the value of the cookie that holds the dictionary to dst. It has
// been parsed before, or was made of parts that have.
func (c *CookieStore) appendValue(dst []byte, name string, data []byte, saved time.Time, room space) ([]byte, error) {
	if c.signer != nil && c.signer.ascii {
		ascii := scratch.Get()
		defer ascii.Free()
		ascii.B = jsonobject.AppendASCII(ascii.B, string(data))
		data = ascii.B
	}
	if err := checkReadable(data, c.maxInflated); err != nil {
		return dst, err
	}
	return appendFitting(dst, c.codec, name, data, saved, c.compressOver, room)
}

// Delete has nothing to do: the cookie is all there is.
func (c *CookieStore) Delete(context.Context, string, string, string) error { return nil }

// ClearExpired has nothing to do: there are no records.
func (c *CookieStore) ClearExpired(context.Context) error { return nil }
