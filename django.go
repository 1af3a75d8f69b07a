package cookiestore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // what Django signed with before 3.1
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"
)

// DjangoDatabaseSalt is the salt with which Django 3.1 and later sign the
// sessions that they keep in a database, a cache or files.
const DjangoDatabaseSalt = "django.contrib.sessions.SessionStore"

// djangoLegacySalt is the same for Django before 3.1, which made the key of it
// and the secret with SHA-1.
const djangoLegacySalt = "django.contrib.sessionsSessionStore"

// maxRow bounds what a row may inflate to. Django has no bound, and rows are not
// held to the size of a cookie.
const maxRow = 16 << 20

// A DjangoRows reads and writes the column session_data of Django's table
// django_session, with Django's SECRET_KEY. The form is that of a [Signer] with
// the salt [DjangoDatabaseSalt], so a row can't be used as a cookie, nor a cookie
// as a row.
//
// It also reads rows from before Django 3.1, which have another form:
//
//	base64( hex of HMAC-SHA1(key, json) ":" json )    key = SHA-1(salt secret)
//
// A DjangoRows is safe for concurrent use.
type DjangoRows struct{ signer *Signer }

// NewDjangoRows returns a DjangoRows that signs with secret, Django's SECRET_KEY,
// and also accepts what the fallback keys, newest first, have signed. They may
// have any length but zero.
func NewDjangoRows(secret []byte, fallbacks ...[]byte) (*DjangoRows, error) {
	signer, err := NewDjangoSigner(DjangoDatabaseSalt, secret, fallbacks...)
	if err != nil {
		return nil, err
	}
	return &DjangoRows{signer}, nil
}

// boundSalt is the salt of rows that are bound to their session key, before that key.
const boundSalt = "cookiestore.row:"

// NewBoundRows returns a DjangoRows whose signatures also cover the session key of the
// row: see [DjangoRows.EncodeFor]. Someone who can write to the table, but has no
// signing key, can't give one row's data to another. Django can't read these rows, and
// rows of Django are refused.
func NewBoundRows(secret []byte, fallbacks ...[]byte) (*DjangoRows, error) {
	s := &Signer{salt: boundSalt, nameBound: true, ascii: true, minKey: 1}
	signer, err := s.init(secret, fallbacks)
	if err != nil {
		return nil, err
	}
	return &DjangoRows{signer}, nil
}

// SetKeys replaces the keys while they are in use; see [Signer.SetKeys].
func (d *DjangoRows) SetKeys(secret []byte, fallbacks ...[]byte) error {
	return d.signer.SetKeys(secret, fallbacks...)
}

// Encode returns the session_data of a dictionary, a JSON object, that is saved
// at a time. It is deflated where that makes it shorter, as Django does it. A
// dictionary of more than 16 MiB, which Decode would refuse, is [ErrTooLarge].
func (d *DjangoRows) Encode(data string, at time.Time) (string, error) {
	return d.EncodeFor("", data, at)
}

// EncodeFor is Encode for the row of one session key, which plays a part with
// [NewBoundRows] alone.
func (d *DjangoRows) EncodeFor(sessionKey, data string, at time.Time) (string, error) {
	text := getBuffer()
	defer text.free()
	text.b = appendASCII(text.b, data)
	if err := checkReadable(text.b, maxRow); err != nil {
		return "", err
	}
	return d.signer.signData(sessionKey, text.b, at, compression{over: 0}), nil
}

// A DjangoRow is what a session_data holds.
type DjangoRow struct {
	// Record has the dictionary; when it was saved, unless it is a legacy row,
	// which doesn't say, so that only its expire_date ends it; and Resave where a
	// fallback key signed it, or where its form is the legacy one.
	Record

	Key    int  // which key signed it: 0 the primary one, 1 the first fallback key, and so on
	Legacy bool // it is from before Django 3.1
}

// Decode verifies a session_data and returns what it holds. The error says why it
// is refused: [ErrTampered], [ErrMalformed], or [ErrTooLarge] if it inflates to
// more than 16 MiB. Whether the session is over is for the row's expire_date to
// say.
func (d *DjangoRows) Decode(sessionData string) (DjangoRow, error) {
	return d.DecodeFor("", sessionData)
}

// DecodeFor is Decode for the row of one session key. With [NewBoundRows], data that
// was signed for another key is [ErrTampered], and a legacy row, which is bound to
// none, is refused.
func (d *DjangoRows) DecodeFor(sessionKey, sessionData string) (DjangoRow, error) {
	if legacy, ok := splitLegacyRow(sessionData); ok && !d.signer.nameBound {
		return d.decodeLegacy(legacy)
	}
	rec, key, err := signerCodec{d.signer}.open(sessionKey, sessionData, maxRow)
	if err != nil {
		return DjangoRow{}, err
	}
	return checkedRow(DjangoRow{Record: rec, Key: key})
}

// legacyRow is a session_data from before Django 3.1, decoded.
type legacyRow struct{ digest, data []byte }

// splitLegacyRow decodes the base64 of a legacy row. That does not tell whether
// it is one that Django made.
func splitLegacyRow(text string) (legacyRow, bool) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return legacyRow{}, false
	}
	digest, data, ok := bytes.Cut(decoded, []byte(":"))
	return legacyRow{digest, data}, ok && len(digest) == hex.EncodedLen(sha1.Size)
}

// decodeLegacy verifies a legacy row. HMAC-SHA1 is still sound for that, though
// SHA-1 by itself is not; it is read here, and never written.
func (d *DjangoRows) decodeLegacy(row legacyRow) (DjangoRow, error) {
	for i, secret := range d.signer.keys.Load().secrets {
		key := sha1.Sum(append([]byte(djangoLegacySalt), secret...))
		mac := hmac.New(sha1.New, key[:])
		mac.Write(row.data)
		if hmac.Equal(hex.AppendEncode(nil, mac.Sum(nil)), row.digest) {
			return checkedRow(DjangoRow{Record: Record{Data: string(row.data), Resave: true}, Key: i, Legacy: true})
		}
	}
	return DjangoRow{}, refuse(ErrTampered, "")
}

// checkedRow refuses what is no dictionary.
func checkedRow(row DjangoRow) (DjangoRow, error) {
	if _, err := splitObject(row.Data); err != nil {
		return DjangoRow{}, refuse(ErrMalformed, err.Error())
	}
	return row, nil
}

// An Unverified is a session value taken apart by [Inspect]. Nobody has checked
// its signature, so nothing in it is to be believed.
type Unverified struct {
	Payload   string // base64url, with a dot before it if it is compressed
	Timestamp string // base62
	Signature string // base64url, or the hex digest of a legacy row

	Compressed bool
	Legacy     bool      // a row of Django's table from before 3.1, which has no timestamp
	At         time.Time // what the timestamp says
	Data       string    // what the payload says: a JSON object, if all is well
}

// Inspect takes a cookie or a session_data apart without a key, for tools that
// show what is in it. The error is [ErrMalformed] or [ErrTooLarge]; the parts that
// could be read are there nevertheless. What inflates to more than 16 MiB is too
// large.
//
// Programs that act on what they read use [Signer.Verify], [CookieStore.Load] or
// [DjangoRows.Decode].
func Inspect(value string) (Unverified, error) {
	if row, ok := splitLegacyRow(value); ok {
		return Unverified{Signature: string(row.digest), Legacy: true, Data: string(row.data)}, nil
	}
	end := strings.LastIndexByte(value, ':')
	if end < 0 {
		return Unverified{Payload: value}, refuse(ErrMalformed, "no signature")
	}
	middle := strings.LastIndexByte(value[:end], ':')
	if middle < 0 {
		return Unverified{Payload: value[:end], Signature: value[end+1:]}, refuse(ErrMalformed, "no timestamp")
	}
	v := Unverified{Payload: value[:middle], Timestamp: value[middle+1 : end], Signature: value[end+1:]}
	v.Compressed = len(v.Payload) > 0 && v.Payload[0] == compressionMark
	at, ok := parseBase62([]byte(v.Timestamp))
	if !ok {
		return v, refuse(ErrMalformed, "timestamp is not base62")
	}
	v.At = time.Unix(at, 0)
	data, err := appendDecoded(nil, []byte(v.Payload), maxRow)
	if err != nil {
		return v, err
	}
	v.Data = string(data)
	return v, nil
}
