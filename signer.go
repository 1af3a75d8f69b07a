package cookiestore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MinKeySize is the least number of bytes of a signing key: the size of an
// HMAC-SHA256, below which the key would be easier to guess than its output.
const MinKeySize = 32

// DjangoCookieSalt is the salt with which Django's signed_cookies session
// engine signs.
const DjangoCookieSalt = "django.contrib.sessions.backends.signed_cookies"

// packageSalt is the salt of this package, before the name of the cookie.
const packageSalt = "cookiestore:"

// A Signer signs values and tells whether it, or one with the same key, signed
// them. The form is that of Django's signing module:
//
//	eyJudW1fdmlzaXRzIjoxfQ : 1fPj03    : 3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI
//	payload                  timestamp   signature
//
//	payload     base64url, without padding, of the data; or "." and then the
//	            base64url of its zlib stream
//	timestamp   Unix seconds in base62 (0-9A-Za-z)
//	signature   base64url, without padding, of HMAC-SHA256(key, payload ":" timestamp)
//	key         SHA-256(salt "signer" secret)
//
// The salt of a Signer made by [NewSigner] has the cookie's name in it, so that
// a value signed for one cookie is refused in another. One made by
// [NewDjangoSigner] has a fixed salt.
//
// What a signature gives: nobody without a key can make or change a value. What
// it doesn't: anybody can read a value, and whoever holds one can send it again
// until it expires.
//
// There is one primary key, which signs, and any number of fallback keys, which
// only verify. To change keys, make the old one a fallback key, and drop it
// when the last cookie that it signed has expired; see [Signer.SetKeys].
//
// A Signer is safe for concurrent use. It implements securecookie.Codec, so
// gorilla/sessions and anything else that takes one can use it.
type Signer struct {
	salt      string
	nameBound bool // the cookie's name follows the salt
	ascii     bool // Django reads JSON as Latin-1, so it must be ASCII
	minKey    int
	keys      atomic.Pointer[keyring]

	maxAge time.Duration // for Decode alone
	now    func() time.Time
}

// NewSigner returns a Signer that signs with key and also accepts what the
// fallback keys, newest first, have signed. Each must have at least
// [MinKeySize] random bytes, and not only zeros. It keeps copies of them. A key that is
// hex or padded base64, as text, works, but is logged once as a likely mistake: such text
// is for [ParseKey].
func NewSigner(key []byte, fallbacks ...[]byte) (*Signer, error) {
	s := &Signer{salt: packageSalt, nameBound: true, minKey: MinKeySize}
	return s.init(key, fallbacks)
}

// NewDjangoSigner returns a Signer whose values are those of Django's
// signing.dumps with the given salt, such as [DjangoCookieSalt]; secret is
// Django's SECRET_KEY, and fallbacks its SECRET_KEY_FALLBACKS. As in Django, a
// secret may be any text that is not empty; one of zero bytes alone is refused, since it
// is a buffer that nobody has filled. The cookie's name plays no part.
func NewDjangoSigner(salt string, secret []byte, fallbacks ...[]byte) (*Signer, error) {
	s := &Signer{salt: salt, ascii: true, minKey: 1}
	return s.init(secret, fallbacks)
}

func (s *Signer) init(key []byte, fallbacks [][]byte) (*Signer, error) {
	s.maxAge = defaultMaxAge
	s.now = time.Now
	if err := s.SetKeys(key, fallbacks...); err != nil {
		return nil, err
	}
	return s, nil
}

// SetKeys replaces all keys: from now on key signs, and only key and the
// fallback keys verify. It may be called while the Signer is in use; a call
// under way keeps the keys it began with. After an error the keys are as
// before.
//
// Where several servers share a key, rotate in two steps, or a server that
// hasn't the new key yet will refuse what another one signed: first add the new
// key as a fallback key everywhere, then make it the primary key everywhere.
func (s *Signer) SetKeys(key []byte, fallbacks ...[]byte) error {
	ring := &keyring{}
	for i, secret := range append([][]byte{key}, fallbacks...) {
		switch {
		case len(secret) < s.minKey:
			return keySizeError(i, len(secret), s.minKey)
		case !slices.ContainsFunc(secret, func(c byte) bool { return c != 0 }):
			return usage(whichKey(i) + " has only zero bytes: was its buffer ever filled?")
		}
		ring.secrets = append(ring.secrets, bytes.Clone(secret))
	}
	if s.minKey == MinKeySize && isKeyText(key) {
		warnOfKeyText()
	}
	s.keys.Store(ring)
	return nil
}

func whichKey(index int) string {
	if index > 0 {
		return fmt.Sprintf("fallback key %d", index)
	}
	return "the key"
}

// isKeyText reports whether the bytes of a key are text that ParseKey is for: hex of at
// least 32 bytes, or base64 that ends in padding. Neither is likely to be random bytes or
// a passphrase, as base64 without padding may be.
func isKeyText(key []byte) bool {
	key = bytes.TrimSpace(key) // a file ends in a line break
	isHex := !slices.ContainsFunc(key, func(c byte) bool { return !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') })
	isBase64 := len(key)%4 == 0 && bytes.HasSuffix(key, []byte("="))
	if !isBase64 && !(isHex && len(key) >= 2*MinKeySize) {
		return false
	}
	_, err := ParseKey(string(key))
	return err == nil
}

// warnOfKeyText does so once in a process. A fallback key is no reason: it may be there
// since the mistake was mended.
var warnOfKeyText = sync.OnceFunc(func() {
	slog.Warn("cookiestore: the signing key is hex or base64 text: pass it to ParseKey, and the text as a fallback key until the cookies that it signed have expired")
})

func keySizeError(index, size, minimum int) error {
	which := whichKey(index)
	detail := fmt.Sprintf("%s has %d bytes, and must have at least %d random ones: "+
		"make one with securecookie.GenerateRandomKey(32), or with `openssl rand -hex 32` and ParseKey",
		which, size, minimum)
	if minimum < MinKeySize {
		detail = which + " is empty: pass Django's SECRET_KEY"
	}
	return usage(detail)
}

// ParseKey reads a signing key from text, such as an environment variable holds:
// hex, or else any kind of base64. The error says what is wrong, and never shows
// the text.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	key, err := hex.DecodeString(text) // first: all hex is base64, too, of another key
	if err != nil {
		standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		key, err = base64.RawStdEncoding.DecodeString(standard)
	}
	switch {
	case err != nil:
		return nil, usage("the key is neither hex nor base64: make one with `openssl rand -hex 32`")
	case len(key) < MinKeySize:
		return nil, keySizeError(0, len(key), MinKeySize)
	}
	return key, nil
}

// SetMaxAge sets how old a value may be when [Signer.Decode] reads it: two weeks
// unless set, without limit if zero. Call it before the Signer is used. A
// [CookieStore] does not use it: there the session's own expiry counts.
func (s *Signer) SetMaxAge(d time.Duration) { s.maxAge = d }

// Signed is a value whose signature is right, taken apart.
type Signed struct {
	Payload string    // as it was signed, not decoded
	At      time.Time // when it was signed, to the second
	Key     int       // which key signed it: 0 the primary one, 1 the first fallback key, and so on
}

// Sign returns payload ":" timestamp ":" signature for the cookie of the given
// name. It signs any payload without looking at it. A time before 1970 counts
// as 1970, and one past the year 9999 as its last second.
func (s *Signer) Sign(name, payload string, at time.Time) string {
	buf := getBuffer()
	defer buf.free()
	buf.b = append(buf.b, payload...)
	buf.b = s.appendSignature(buf.b, 0, name, at)
	return string(buf.b)
}

// Verify takes a signed value apart. The error says why it is refused, as
// [ErrMalformed] or [ErrTampered]. How old the value is, is for the caller to
// judge.
func (s *Signer) Verify(name, value string) (Signed, error) {
	buf := getBuffer()
	defer buf.free()
	buf.b = append(buf.b, value...)
	v, err := s.verify(name, buf.b)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Payload: string(v.payload), At: time.Unix(v.at, 0), Key: v.key}, nil
}

// Encode serializes value as JSON and signs it. It takes what encoding/json
// takes, and also the map[any]any with string keys that gorilla/sessions keeps
// its values in. With Decode it makes a Signer a securecookie.Codec.
func (s *Signer) Encode(name string, value any) (string, error) {
	if m, ok := value.(map[any]any); ok {
		named, err := stringKeys(m)
		if err != nil {
			return "", err
		}
		value = named
	}
	buf := getBuffer()
	defer buf.free()
	var err error
	if buf.b, err = appendValue(buf.b, value); err != nil {
		return "", &cookieError{class: usageError, detail: err.Error(), cause: err}
	}
	if s.ascii {
		buf.b = appendASCII(nil, string(buf.b))
	}
	if err := checkReadable(buf.b, defaultMaxInflated); err != nil {
		return "", err
	}
	signed := getBuffer()
	defer signed.free()
	signed.b, err = appendFitting(signed.b, signerCodec{s}, name, buf.b, s.now(), defaultCompressOver)
	return string(signed.b), err
}

// Decode verifies value and stores what it holds in dst, a pointer that
// encoding/json takes or the *map[any]any of gorilla/sessions. In an interface,
// an integer comes back as an int where it fits, never as a float64.
func (s *Signer) Decode(name, value string, dst any) error {
	if len(name)+len(value) > MaxCookieSize {
		return refuseTooLong(len(name) + len(value))
	}
	buf, data := getBuffer(), getBuffer()
	defer buf.free()
	defer data.free()
	buf.b = append(buf.b, value...)
	v, err := s.verify(name, buf.b)
	if err != nil {
		return err
	}
	rules := policy{age: s.maxAge, skew: defaultClockSkew}
	if s.maxAge == 0 {
		rules.age = math.MaxInt64
	}
	if _, err := rules.check(Default, time.Unix(v.at, 0), time.Time{}, time.Time{}, s.now()); err != nil {
		return err
	}
	if data.b, err = appendDecoded(data.b, v.payload, defaultMaxInflated); err != nil {
		return err
	}
	if !json.Valid(data.b) {
		return refuse(ErrMalformed, "payload is not JSON")
	}
	if m, ok := dst.(*map[any]any); ok {
		return decodeLooseMap(string(data.b), m)
	}
	if err := unmarshal(string(data.b), dst); err != nil {
		return &cookieError{class: decodeError, reason: ErrType, detail: fmt.Sprintf("the value does not fit in a %T", dst), cause: err}
	}
	return nil
}

// verified is a value whose signature is right, still in the caller's buffer.
type verified struct {
	payload []byte
	at      int64
	key     int
}

// verify checks the signature before it looks at anything else.
func (s *Signer) verify(name string, value []byte) (verified, error) {
	end := bytes.LastIndexByte(value, ':')
	if end < 0 {
		return verified{}, refuse(ErrMalformed, "no signature")
	}
	signed, signature := value[:end], value[end+1:]
	key := s.keys.Load().match(s, name, signed, signature)
	if key < 0 {
		return verified{}, refuse(ErrTampered, "")
	}
	sep := bytes.LastIndexByte(signed, ':')
	if sep < 0 {
		return verified{}, refuse(ErrMalformed, "no timestamp")
	}
	at, err := parseTimestamp(signed[sep+1:])
	if err != nil {
		return verified{}, err
	}
	return verified{payload: signed[:sep], at: at, key: key}, nil
}

// signData returns the signed value of data.
func (s *Signer) signData(name string, data []byte, at time.Time, how compression) string {
	buf := getBuffer()
	defer buf.free()
	buf.b = s.appendSigned(buf.b, name, data, at, how)
	return string(buf.b)
}

// appendSigned is signData, appended to dst.
func (s *Signer) appendSigned(dst []byte, name string, data []byte, at time.Time, how compression) []byte {
	start := len(dst)
	return s.appendSignature(appendPayload(dst, data, how), start, name, at)
}

// appendSignature appends ":" timestamp ":" signature to the payload that begins at
// start.
func (s *Signer) appendSignature(dst []byte, start int, name string, at time.Time) []byte {
	dst = append(dst, ':')
	dst = appendTimestamp(dst, at)
	pool := s.keys.Load().derived(s, name)[0]
	m := pool.Get().(*mac)
	defer pool.Put(m)
	signature := m.sign(dst[start:])
	dst = append(dst, ':')
	return append(dst, signature...)
}

// keyring is one generation of keys. It does not change once it is in use, but
// for the derived keys, which it makes as it meets names.
type keyring struct {
	secrets [][]byte // the primary key first

	mu     sync.Mutex // guards writes to byName
	byName atomic.Pointer[map[string][]*sync.Pool]
}

// maxNames bounds the derived keys kept. Names come from the program, which has
// few; if they come from elsewhere, keys are derived anew for each call.
const maxNames = 64

// derived returns for each key a pool of HMAC states, keyed for the name.
func (r *keyring) derived(s *Signer, name string) []*sync.Pool {
	if !s.nameBound {
		name = ""
	}
	known := r.byName.Load()
	if known != nil {
		if pools, ok := (*known)[name]; ok {
			return pools
		}
	}
	pools := make([]*sync.Pool, len(r.secrets))
	for i, secret := range r.secrets {
		h := sha256.New()
		h.Write([]byte(s.salt + name + "signer"))
		h.Write(secret)
		key := h.Sum(nil)
		pools[i] = &sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key)} }}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	grown := map[string][]*sync.Pool{name: pools}
	if known = r.byName.Load(); known != nil {
		if len(*known) >= maxNames {
			return pools
		}
		maps.Copy(grown, *known)
	}
	r.byName.Store(&grown)
	return pools
}

// match returns the index of the key that gives the signature, or -1.
func (r *keyring) match(s *Signer, name string, signed, signature []byte) int {
	if len(signature) != signatureSize {
		return -1
	}
	for i, pool := range r.derived(s, name) {
		m := pool.Get().(*mac)
		// The text is compared and not the bytes that it stands for, so that
		// one signature has one spelling.
		ok := hmac.Equal(m.sign(signed), signature)
		pool.Put(m)
		if ok {
			return i
		}
	}
	return -1
}

// signatureSize is the length of an HMAC-SHA256 in base64url.
var signatureSize = base64.RawURLEncoding.EncodedLen(sha256.Size)

// mac is a keyed HMAC with room for its output, so that signing allocates nothing.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
	text [(sha256.Size*8 + 5) / 6]byte
}

// sign returns the signature of text in base64url, valid until the next call.
func (m *mac) sign(text []byte) []byte {
	m.hash.Reset()
	m.hash.Write(text)
	base64.RawURLEncoding.Encode(m.text[:], m.hash.Sum(m.sum[:0]))
	return m.text[:]
}

// maxTimestamp is the last second of the year 9999, the last that Python and RFC 3339 can
// write. Near the end of an int64, a time.Time would wrap round to the past.
const maxTimestamp = 253_402_300_799

// appendTimestamp appends a time as it is signed.
func appendTimestamp(dst []byte, at time.Time) []byte {
	return appendBase62(dst, min(max(at.Unix(), 0), maxTimestamp))
}

// parseTimestamp is the inverse of appendTimestamp.
func parseTimestamp(text []byte) (int64, error) {
	at, ok := parseBase62(text)
	switch {
	case !ok:
		return 0, refuse(ErrMalformed, "timestamp is not base62")
	case at > maxTimestamp:
		return 0, refuse(ErrMalformed, "timestamp is past the year 9999")
	}
	return at, nil
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendBase62 appends n, which is not negative, as Django's b62_encode writes it.
func appendBase62(dst []byte, n int64) []byte {
	var digits [11]byte // enough for 1<<63 - 1
	i := len(digits)
	for {
		i--
		digits[i] = base62[n%62]
		if n /= 62; n == 0 {
			return append(dst, digits[i:]...)
		}
	}
}

// parseBase62 is the inverse of appendBase62, and accepts nothing else.
func parseBase62(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 11 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range text {
		var digit int64
		switch {
		case '0' <= c && c <= '9':
			digit = int64(c - '0')
		case 'A' <= c && c <= 'Z':
			digit = int64(c-'A') + 10
		case 'a' <= c && c <= 'z':
			digit = int64(c-'a') + 36
		default:
			return 0, false
		}
		if n > (math.MaxInt64-digit)/62 {
			return 0, false
		}
		n = n*62 + digit
	}
	return n, true
}
