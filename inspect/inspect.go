// Package inspect takes session cookies and the rows of Django's session table apart
// without a key, for tools that show what is in them. Nothing that it returns has been
// verified, so don't trust it: programs that act on what they read use
// [cookiestore.Signer.Verify], [cookiestore.CookieStore.Load] or
// [cookiestore.DjangoRows.Decode].
package inspect

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/internal/payload"
)

// A Value is a session value taken apart. Nobody has checked its signature.
type Value struct {
	Payload   string // base64url, with a dot before it if it is compressed
	Timestamp string // base62
	Signature string // base64url, or the hex digest of a legacy row

	Compressed bool
	Encrypted  bool      // it has the form of an encrypted cookie, of which only Payload can be told
	Legacy     bool      // a row of Django's table from before 3.1, which has no timestamp
	At         time.Time // what the timestamp says
	Data       string    // what the payload says: a JSON object, if all is well
}

// maxData bounds what a payload may inflate to, as [cookiestore.DjangoRows] does.
const maxData = 16 << 20

// Parse takes a cookie or a session_data apart. The error is [cookiestore.ErrMalformed]
// or [cookiestore.ErrTooLarge]; the parts that could be read are returned all the same.
// What inflates to more than 16 MiB is too large. An encrypted cookie is not an error, but
// nothing in it can be read.
func Parse(value string) (Value, error) {
	if v, ok := parseLegacy(value); ok {
		return v, nil
	}
	if isEncrypted(value) {
		return Value{Payload: value, Encrypted: true}, nil
	}
	end := strings.LastIndexByte(value, ':')
	if end < 0 {
		return Value{Payload: value}, malformed("no signature")
	}
	middle := strings.LastIndexByte(value[:end], ':')
	if middle < 0 {
		return Value{Payload: value[:end], Signature: value[end+1:]}, malformed("no timestamp")
	}
	v := Value{Payload: value[:middle], Timestamp: value[middle+1 : end], Signature: value[end+1:]}
	v.Compressed = strings.HasPrefix(v.Payload, string(payload.Mark))
	at, timeErr := payload.ParseTimestamp([]byte(v.Timestamp))
	if timeErr == nil {
		v.At = time.Unix(at, 0)
	}
	data, dataErr := payload.AppendDecoded(nil, []byte(v.Payload), maxData)
	if dataErr == nil {
		v.Data = string(data)
	}
	return v, refusal(cmp.Or(timeErr, dataErr))
}

// parseLegacy takes a row from before Django 3.1 apart: base64(hex digest ":" JSON).
func parseLegacy(value string) (Value, bool) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return Value{}, false
	}
	digest, data, ok := bytes.Cut(decoded, []byte(":"))
	return Value{Signature: string(digest), Legacy: true, Data: string(data)}, ok && len(digest) == legacyDigest
}

// legacyDigest is the length of a SHA-1 in hex.
const legacyDigest = 40

// isEncrypted reports whether a value has the form of an encrypted cookie. One that has
// gets as far as to be decrypted, under a key that nobody uses.
func isEncrypted(value string) bool {
	e, err := nobodys()
	if err != nil {
		return false
	}
	_, err = e.Decrypt("", value)
	return errors.Is(err, cookiestore.ErrTampered)
}

var nobodys = sync.OnceValues(func() (*cookiestore.Encrypter, error) {
	return cookiestore.NewEncrypter([]byte("a key with which nothing is encrypted"))
})

func malformed(detail string) error {
	return fmt.Errorf("cookiestore: cookie refused: %w: %s", cookiestore.ErrMalformed, detail)
}

func refusal(err error) error {
	e, ok := err.(*payload.Error)
	switch {
	case !ok:
		return err
	case e.TooLarge:
		return fmt.Errorf("cookiestore: cookie refused: %w: %s", cookiestore.ErrTooLarge, e.Detail)
	}
	return malformed(e.Detail)
}
