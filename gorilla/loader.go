package gorilla

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// A Loader reads the cookies of gorilla/sessions' CookieStore, for
// [cookiestore.WithLegacy]. It is safe for concurrent use.
//
// # Age
//
// The time at which securecookie signed a cookie is when the session was last saved, and
// when it began. So [cookiestore.WithMaxAge] and [cookiestore.WithLifetime] hold for
// it. The codec's own age holds, too: 30 days, unless MaxAge has changed it. A site
// whose sessions last longer than two weeks must say so with WithMaxAge, or visitors
// who haven't come for two weeks are logged out.
//
// The time is known of a *securecookie.SecureCookie and of a [Codec]. Of any other codec
// it isn't: its sessions count as saved when they are read.
//
// # Values
//
// The session becomes a JSON object. What a serializer has written as a JSON object is
// kept byte for byte if the serializer decodes with encoding/json, as
// securecookie.JSONEncoder does. Anything else is decoded to a map first, and then:
//
//   - A key that is a string, of any type, becomes that string. One that is an integer,
//     of any type, becomes its decimal digits: what s.Values[7] was is s.Get("7").
//   - A value becomes what encoding/json makes of it; a float keeps its point (1.0). But
//     a session with no other types than encoding/json decodes into an interface is
//     taken to have come through JSON, where every number is a float64: whole numbers
//     become integers. Both can be read as a float64.
//
// A session is refused, and its visitor begins a new one, if a key is of another type,
// if two keys would become the same one, or if JSON can't hold a value: a complex
// number, NaN, or a string that is not UTF-8, such as compressed data. The error names
// the type. So does the error for a type that gob doesn't know, because the program has
// not called gob.Register for it.
type Loader struct {
	codecs []securecookie.Codec
}

var _ cookiestore.Loader = (*Loader)(nil)

// NewLoader returns a Loader that tries the codecs in turn. Give it the ones that
// sessions.NewCookieStore has used until now, those of securecookie.CodecsFromPairs for
// the same keys, with the same options, or any others.
//
// It is an error if there are none, or if one is nil or has no usable key.
func NewLoader(codecs ...securecookie.Codec) (*Loader, error) {
	if len(codecs) == 0 {
		return nil, usage(nil, "NewLoader needs a codec, and there is none", nil)
	}
	for i, c := range codecs {
		if err := checkCodec(c); err != nil {
			return nil, usage(nil, fmt.Sprintf("codec %d of NewLoader %v", i, err), err)
		}
	}
	return &Loader{slices.Clone(codecs)}, nil
}

// checkCodec says what makes a codec useless.
func checkCodec(c securecookie.Codec) error {
	if isNil(c) {
		return errors.New("is nil")
	}
	switch c := c.(type) {
	case *cookiestore.Signer, *JSONCodec:
		return errors.New("has the cookies of a Signer: read them with cookiestore.NewWithCodec(signer), which knows when it signed them")
	case *securecookie.SecureCookie:
		// securecookie tells of a wrong key at the first use, which this is. With a
		// right one, it has no MAC to accept.
		if err := c.Decode("", "", nil); !errors.Is(err, securecookie.ErrMacInvalid) {
			return fmt.Errorf("has no usable key: %w", err)
		}
	}
	return nil
}

// Load returns the session in a cookie that one of the codecs has made. All errors are
// refusals. If no codec accepts the cookie, the error is that of the last one. If one
// has signed it but it has expired or can't be read, the error says that.
func (l *Loader) Load(_ context.Context, name, value string) (cookiestore.Record, error) {
	var refused error
	for _, c := range l.codecs {
		rec, err := load(c, name, value)
		if err == nil {
			return rec, nil
		}
		if refused == nil || errors.Is(refused, cookiestore.ErrTampered) {
			refused = err
		}
	}
	return cookiestore.Record{}, refused
}

func load(c securecookie.Codec, name, value string) (cookiestore.Record, error) {
	saved, err := verify(c, name, value)
	if err != nil {
		return cookiestore.Record{}, err
	}
	data, err := dictionary(c, name, value)
	if err != nil {
		return cookiestore.Record{}, err
	}
	return cookiestore.Record{Data: data, Saved: saved}, nil
}

// verify checks a cookie before anything is decoded, and returns when it was signed. A
// codec that can't tell verifies when it decodes.
func verify(c securecookie.Codec, name, value string) (time.Time, error) {
	switch c := c.(type) {
	case *securecookie.SecureCookie:
		return verifySecureCookie(c, name, value)
	case *Codec:
		_, at, err := c.open(name, value)
		return at, err
	}
	return time.Time{}, nil
}

// verifySecureCookie reads the time out of what securecookie has verified:
//
//	base64url of  date "|" value "|" mac
func verifySecureCookie(c *securecookie.SecureCookie, name, value string) (time.Time, error) {
	var serialized []byte
	bare := *c // with the same keys and limits, for any serializer
	bare.SetSerializer(securecookie.NopEncoder{})
	if err := bare.Decode(name, value, &serialized); err != nil {
		var reason error
		switch {
		case errors.Is(err, securecookie.ErrMacInvalid):
			reason = cookiestore.ErrTampered
		case bare.MaxAge(0).Decode(name, value, &serialized) == nil:
			reason = cookiestore.ErrExpired
		}
		return time.Time{}, refuse(reason, err.Error(), err)
	}
	// Decode has read the same date by the same means, so there are no errors left.
	decoded, _ := base64.URLEncoding.DecodeString(value)
	date, _, _ := strings.Cut(string(decoded), "|")
	seconds, _ := strconv.ParseInt(date, 10, 64)
	return time.Unix(seconds, 0), nil
}
