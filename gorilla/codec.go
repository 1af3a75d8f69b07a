package gorilla

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// A Codec has gorilla/sessions, and so goth, sign with a [cookiestore.Signer]. It takes
// all that encoding/gob takes, which is what securecookie takes unless told otherwise,
// and a value comes back exactly as it was: with keys of any type and strings of any
// bytes. The types of values in interfaces have to be registered, with gob.Register.
//
// A cookie is what [cookiestore.Signer] describes, but that its payload is "gob." and
// then base64url, without padding, of the gob stream. A [cookiestore.CookieStore] with
// the same Signer does not take it for one of its own, nor a Codec what that has
// written; a [Loader] reads it. Cookies are a fifth shorter than securecookie's, which are
// base64 twice.
//
// As with the Signer, the visitor can read the session.
//
// A Codec is safe for concurrent use.
type Codec struct {
	signer    *cookiestore.Signer
	maxLength int
}

var _ securecookie.Codec = (*Codec)(nil)

// gobMark tells a payload from JSON, in whose base64url there is no full stop after the
// first place.
const gobMark = "gob."

// NewCodec returns a Codec that signs with the Signer:
//
//	store := &sessions.CookieStore{
//		Codecs:  []securecookie.Codec{codec},
//		Options: &sessions.Options{Path: "/", MaxAge: 1209600, Secure: true, HttpOnly: true},
//	}
//
// [cookiestore.Signer.SetMaxAge] says how old a cookie may be, two weeks unless set;
// the MaxAge method of gorilla/sessions' stores changes that of securecookie's codecs
// alone. It is an error if the Signer is nil.
func NewCodec(signer *cookiestore.Signer) (*Codec, error) {
	if signer == nil {
		return nil, usage(nil, "NewCodec: the Signer is nil", nil)
	}
	return &Codec{signer: signer, maxLength: cookiestore.MaxCookieSize}, nil
}

// SetMaxLength sets how many bytes name and value may have together:
// [cookiestore.MaxCookieSize] unless set, any number if zero. Set it for a store that
// keeps on the server what the codec makes, as sessions.FilesystemStore does. Call it
// before the Codec is used.
func (c *Codec) SetMaxLength(n int) { c.maxLength = n }

// Encode returns value in gob, signed for the cookie of that name. The error is
// [cookiestore.ErrTooLarge] if it doesn't fit in a cookie. It satisfies
// securecookie.Error, and IsUsage holds.
func (c *Codec) Encode(name string, value any) (string, error) {
	var stream bytes.Buffer
	if err := quietly(func() error { return gob.NewEncoder(&stream).Encode(value) }); err != nil {
		return "", usage(nil, fmt.Sprintf("a %T can't be encoded%s", value, because(err)), err)
	}
	signed := c.signer.Sign(name, gobMark+base64.RawURLEncoding.EncodeToString(stream.Bytes()), time.Now())
	if err := c.checkLength(name, signed); err != "" {
		return "", usage(cookiestore.ErrTooLarge, err, nil)
	}
	return signed, nil
}

// Decode verifies a value that Encode has returned and stores what is in it in dst, a
// pointer. The error says why it is refused, as [cookiestore.ErrTampered],
// [cookiestore.ErrMalformed], [cookiestore.ErrExpired], [cookiestore.ErrFuture] or
// [cookiestore.ErrTooLarge]. It satisfies securecookie.Error, and IsDecode holds.
func (c *Codec) Decode(name, value string, dst any) error {
	stream, _, err := c.open(name, value)
	if err != nil {
		return err
	}
	err = quietly(func() error { return gob.NewDecoder(bytes.NewReader(stream)).Decode(dst) })
	if err != nil {
		return refuse(cookiestore.ErrMalformed, fmt.Sprintf("it can't be decoded as a %T%s", dst, because(err)), err)
	}
	return nil
}

// open returns the gob stream of a signed value, and when it was signed.
func (c *Codec) open(name, value string) ([]byte, time.Time, error) {
	if err := c.checkLength(name, value); err != "" {
		return nil, time.Time{}, refuse(cookiestore.ErrTooLarge, err, nil)
	}
	signed, err := c.signer.Verify(name, value)
	if err != nil {
		return nil, time.Time{}, err
	}
	age := c.signer.MaxAge()
	if age == 0 {
		age = math.MaxInt64
	}
	if err := (cookiestore.Record{Data: "{}", Saved: signed.At}).Check(age, time.Now()); err != nil {
		return nil, time.Time{}, err
	}
	text, ok := strings.CutPrefix(signed.Payload, gobMark)
	if !ok {
		return nil, time.Time{}, refuse(cookiestore.ErrMalformed, "its payload is not gob: a Codec did not make it", nil)
	}
	stream, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, time.Time{}, refuse(cookiestore.ErrMalformed, "its payload is not base64url", err)
	}
	return stream, signed.At, nil
}

// checkLength says what is too long, or nothing.
func (c *Codec) checkLength(name, value string) string {
	size := len(name) + len(value)
	if c.maxLength == 0 || size <= c.maxLength {
		return ""
	}
	return fmt.Sprintf("name and value have %d bytes, and may have %d", size, c.maxLength)
}
