package cookiestore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // what Django signed with before 3.1
	"encoding/base64"
	"encoding/hex"
	"hash"
	"time"

	"example.com/cookiestore/internal/jsonobject"
	"example.com/cookiestore/internal/payload"
	"example.com/cookiestore/internal/scratch"
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

// rowCompressOver is the size of the JSON from which on a row is deflated. That takes
// 50 µs, the larger part of what a request that changes a session costs this side of the
// database.
const rowCompressOver = 1024

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
// have any length except zero.
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
	s := &Signer{salt: boundSalt, nameBound: true, ascii: true}
	signer, err := s.init(1, secret, fallbacks)
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
// at a time. What is over 1 KiB is deflated, where that makes it shorter: Django deflates
// smaller ones, too, and reads both. A dictionary of more than 16 MiB, which Decode would
// refuse, is [ErrTooLarge].
func (d *DjangoRows) Encode(data string, at time.Time) (string, error) {
	return d.EncodeFor("", data, at)
}

// EncodeFor is Encode for the row of one session key, which plays a part with
// [NewBoundRows] alone.
func (d *DjangoRows) EncodeFor(sessionKey, data string, at time.Time) (string, error) {
	text := scratch.Get()
	defer text.Free()
	text.B = jsonobject.AppendASCII(text.B, data)
	if err := checkReadable(text.B, maxRow); err != nil {
		return "", err
	}
	return d.signer.signData(sessionKey, text.B, at, payload.Compression{Over: rowCompressOver}), nil
}

// A DjangoRow is the content of a session_data.
type DjangoRow struct {
	// Record has the dictionary; when it was saved, unless it is a legacy row,
	// which doesn't say, so that only its expire_date ends it; and Resave, if a fallback
	// key signed it or its form is the legacy one.
	Record

	KeyIndex int  // of the key that signed it: 0 the primary one, 1 the first fallback key, and so on
	Legacy   bool // it is from before Django 3.1
}

// Decode verifies a session_data and returns what it holds. The error says why it
// is refused: [ErrTampered], [ErrMalformed], or [ErrTooLarge] if it inflates to
// more than 16 MiB. Whether the session has expired is for the row's expire_date to
// say. A program that runs under GODEBUG=fips140=only refuses all legacy rows, since
// SHA-1 is not allowed there.
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
	return checkedRow(DjangoRow{Record: rec, KeyIndex: key})
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
	if !sha1Allowed() {
		return DjangoRow{}, refuse(nil, "a row from before Django 3.1 is signed with HMAC-SHA1, which GODEBUG=fips140=only does not allow")
	}
	for i, secret := range d.signer.keys.current.Load().secrets {
		if hmac.Equal(saltedHMAC(sha1.New, djangoLegacySalt, secret, row.data), row.digest) {
			return checkedRow(DjangoRow{Record: Record{Data: string(row.data), Resave: true}, KeyIndex: i, Legacy: true})
		}
	}
	return DjangoRow{}, refuse(ErrTampered, "")
}

// saltedHMAC is Django's salted_hmac(), in hex.
func saltedHMAC(newHash func() hash.Hash, salt string, secret, text []byte) []byte {
	key := newHash()
	key.Write([]byte(salt))
	key.Write(secret)
	mac := hmac.New(newHash, key.Sum(nil))
	mac.Write(text)
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// sha1Allowed reports whether the program may use SHA-1. Where it may not, Write alone
// returns an error, and the rest of crypto/sha1 panics. (crypto/fips140 tells as much
// since Go 1.26, with Enforced.)
func sha1Allowed() bool {
	_, err := sha1.New().Write(nil)
	return err == nil
}

// checkedRow refuses what is not a dictionary.
func checkedRow(row DjangoRow) (DjangoRow, error) {
	if _, err := jsonobject.Parse(row.Data); err != nil {
		return DjangoRow{}, refuse(ErrMalformed, err.Error())
	}
	return row, nil
}
