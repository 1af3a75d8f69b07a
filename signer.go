package cookiestore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"example.com/cookiestore/internal/jsonobject"
	"example.com/cookiestore/internal/payload"
	"example.com/cookiestore/internal/scratch"
)

// DjangoCookieSalt is the salt with which Django's signed_cookies session
// engine signs.
const DjangoCookieSalt = "django.contrib.sessions.backends.signed_cookies"

// packageSalt is the salt of this package, before the name of the cookie.
const packageSalt = "cookiestore:"

// A Signer signs values, and verifies values that it, or a Signer with the same key,
// signed. The form is that of Django's signing module:
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
// it doesn't: anybody can read a value, and anyone who has one can send it again until
// it expires.
//
// There is one primary key, which signs, and any number of fallback keys, which
// only verify. To change keys, make the old one a fallback key, and drop it
// when the last cookie that it signed has expired; see [Signer.SetKeys].
//
// A Signer is safe for concurrent use. It implements securecookie.Codec, for values
// that JSON can hold. Those of gorilla/sessions are not: package gorilla makes a codec
// of a Signer that takes them.
type Signer struct {
	salt      string
	nameBound bool // the cookie's name follows the salt
	ascii     bool // Django reads JSON as Latin-1, so it must be ASCII
	keys      keyring

	maxAge time.Duration // for Decode alone
	now    func() time.Time
}

// NewSigner returns a Signer that signs with key and also accepts what the
// fallback keys, newest first, have signed. Each must have at least
// [MinKeySize] random bytes, not all of them zero. It keeps copies of them. The text of a
// hex or padded base64 key works, but is logged once as a likely mistake: [ParseKey]
// decodes it.
func NewSigner(key []byte, fallbacks ...[]byte) (*Signer, error) {
	s := &Signer{salt: packageSalt, nameBound: true}
	return s.init(MinKeySize, key, fallbacks)
}

// NewDjangoSigner returns a Signer whose values are those of Django's
// signing.dumps with the given salt, such as [DjangoCookieSalt]; secret is
// Django's SECRET_KEY, and fallbacks its SECRET_KEY_FALLBACKS. As in Django, a
// secret may be any text that is not empty; one that consists of zero bytes is refused,
// since it is a buffer that was never filled. The cookie's name plays no part.
func NewDjangoSigner(salt string, secret []byte, fallbacks ...[]byte) (*Signer, error) {
	s := &Signer{salt: salt, ascii: true}
	return s.init(1, secret, fallbacks)
}

func (s *Signer) init(minKey int, key []byte, fallbacks [][]byte) (*Signer, error) {
	s.maxAge = defaultMaxAge
	s.now = time.Now
	s.keys.minSize = minKey
	s.keys.derive = s.derivedKey
	if err := s.SetKeys(key, fallbacks...); err != nil {
		return nil, err
	}
	return s, nil
}

// derivedKey returns the key of the HMAC.
func (s *Signer) derivedKey(secret []byte, name string) []byte {
	h := sha256.New()
	h.Write([]byte(s.salt + name + "signer"))
	h.Write(secret)
	return h.Sum(nil)
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
	return s.keys.set(key, fallbacks)
}

func (s *Signer) hasFallbacks() bool { return s.keys.hasFallbacks() }

// SetMaxAge sets how old a value may be when [Signer.Decode] reads it: two weeks
// unless set, without limit if zero. Call it before the Signer is used. A
// [CookieStore] does not use it: there the session's own expiry counts.
func (s *Signer) SetMaxAge(d time.Duration) { s.maxAge = d }

// MaxAge returns what [Signer.SetMaxAge] has set.
func (s *Signer) MaxAge() time.Duration { return s.maxAge }

// Signed is a value whose signature is right, taken apart.
type Signed struct {
	Payload  string    // as it was signed, not decoded
	At       time.Time // when it was signed, to the second
	KeyIndex int       // of the key that signed it: 0 the primary one, 1 the first fallback key, and so on
}

// Sign returns payload ":" timestamp ":" signature for the cookie of the given
// name. It signs any payload without looking at it. A time before 1970 counts
// as 1970, and one past the year 9999 as its last second.
func (s *Signer) Sign(name, payload string, at time.Time) string {
	buf := scratch.Get()
	defer buf.Free()
	buf.B = append(buf.B, payload...)
	buf.B = s.appendSignature(buf.B, 0, name, at)
	return string(buf.B)
}

// Verify takes a signed value apart. The error says why it is refused, as
// [ErrMalformed] or [ErrTampered]. How old the value is, is for the caller to
// judge.
func (s *Signer) Verify(name, value string) (Signed, error) {
	buf := scratch.Get()
	defer buf.Free()
	buf.B = append(buf.B, value...)
	v, err := s.verify(name, buf.B)
	if err != nil {
		return Signed{}, err
	}
	return Signed{Payload: string(v.payload), At: time.Unix(v.at, 0), KeyIndex: v.key}, nil
}

// Encode serializes value as JSON and signs it. It takes what encoding/json
// takes. With Decode it makes a Signer a securecookie.Codec. For gorilla/sessions,
// whose values JSON can't hold, see package gorilla.
func (s *Signer) Encode(name string, value any) (string, error) {
	if _, ok := value.(map[any]any); ok {
		return "", usage("a map[any]any can't be JSON: gorilla.NewCodec makes a codec of a Signer that takes the values of gorilla/sessions")
	}
	buf := scratch.Get()
	defer buf.Free()
	var err error
	if buf.B, err = jsonobject.AppendValue(buf.B, value); err != nil {
		return "", &cookieError{class: usageError, detail: err.Error(), cause: err}
	}
	if s.ascii {
		buf.B = jsonobject.AppendASCII(nil, string(buf.B))
	}
	if err := checkReadable(buf.B, defaultMaxInflated); err != nil {
		return "", err
	}
	signed := scratch.Get()
	defer signed.Free()
	signed.B, err = appendFitting(signed.B, signerCodec{s}, name, buf.B, s.now(), defaultCompressOver, space{limit: MaxCookieSize, overhead: len(name)})
	return string(signed.B), err
}

// Decode verifies value and stores what it holds in dst, a pointer that
// encoding/json takes. In an interface, an integer comes back as an int where it
// fits, never as a float64.
func (s *Signer) Decode(name, value string, dst any) error {
	if len(name)+len(value) > MaxCookieSize {
		return refuseTooLong(len(name)+len(value), MaxCookieSize)
	}
	buf, data := scratch.Get(), scratch.Get()
	defer buf.Free()
	defer data.Free()
	buf.B = append(buf.B, value...)
	v, err := s.verify(name, buf.B)
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
	if data.B, err = payload.AppendDecoded(data.B, v.payload, defaultMaxInflated); err != nil {
		return refusePayload(err)
	}
	if !json.Valid(data.B) {
		return refuse(ErrMalformed, "payload is not JSON")
	}
	if err := jsonobject.Unmarshal(string(data.B), dst); err != nil {
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
	switch {
	case end < 0 && looksEncrypted(value):
		return verified{}, refuse(ErrMalformed, "it looks like an encrypted cookie, and only signed ones are accepted")
	case end < 0:
		return verified{}, refuse(ErrMalformed, "no signature")
	}
	signed, signature := value[:end], value[end+1:]
	key := s.match(name, signed, signature)
	if key < 0 {
		return verified{}, refuse(ErrTampered, "")
	}
	sep := bytes.LastIndexByte(signed, ':')
	if sep < 0 {
		return verified{}, refuse(ErrMalformed, "no timestamp")
	}
	at, err := payload.ParseTimestamp(signed[sep+1:])
	if err != nil {
		return verified{}, refusePayload(err)
	}
	return verified{payload: signed[:sep], at: at, key: key}, nil
}

// signData returns the signed value of data.
func (s *Signer) signData(name string, data []byte, at time.Time, how payload.Compression) string {
	buf := scratch.Get()
	defer buf.Free()
	buf.B = s.appendSigned(buf.B, name, data, at, how)
	return string(buf.B)
}

// appendSigned is signData, appended to dst.
func (s *Signer) appendSigned(dst []byte, name string, data []byte, at time.Time, how payload.Compression) []byte {
	start := len(dst)
	return s.appendSignature(payload.Append(dst, data, how), start, name, at)
}

// appendSignature appends ":" timestamp ":" signature to the payload that begins at
// start.
func (s *Signer) appendSignature(dst []byte, start int, name string, at time.Time) []byte {
	dst = append(dst, ':')
	dst = payload.AppendTimestamp(dst, at)
	pool := s.macs(name)[0]
	m := pool.Get().(*mac)
	defer pool.Put(m)
	signature := m.sign(dst[start:])
	dst = append(dst, ':')
	return append(dst, signature...)
}

// macs returns for each key a pool of its HMAC states for the name.
func (s *Signer) macs(name string) []*sync.Pool {
	if !s.nameBound {
		name = ""
	}
	return s.keys.macs(name)
}

// match returns the index of the key that gives the signature, or -1.
func (s *Signer) match(name string, signed, signature []byte) int {
	if len(signature) != signatureSize {
		return -1
	}
	for i, pool := range s.macs(name) {
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
