package dbstore

import (
	"crypto/sha256"
	"encoding/base32"
)

// WithHashedKeys keeps a hash of the cookie's value in the table, and not the value
// itself, and signs each row for its hash alone. Default: as Django, which keeps the
// value.
//
// What it gives: someone who can read the table, a backup or a replica finds no cookie
// there to send. Someone who can also write to it, but doesn't have the signing key,
// can't copy the data of one session to another, whose cookie they have.
//
// What it doesn't: a writer can delete sessions, and can put back an older state of a
// session whose cookie they have, until that state expires.
//
// It is not for a table that Django reads or writes. In a table that has been used
// without this option, the sessions begin anew, and the old rows stay until they
// expire; the same the other way round.
//
// The hash is the first 200 bits of the SHA-256 of a prefix and the cookie's value, in
// base32: 40 characters of a-z2-7, which is what Django's column holds. It needs no
// key, since a cookie's value has 165 random bits, which can't be guessed; and without
// one, SetKeys leaves all rows where they are.
func WithHashedKeys() Option { return func(o *options) { o.hashed = true } }

// hashPrefix makes the hash another than any that is taken of a cookie elsewhere, such
// as in a log.
const hashPrefix = "cookiestore/dbstore session key:"

// hashSize is the number of bytes kept of the hash. Their base32 fills the 40
// characters of the column.
const hashSize = 25

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567")

// rowKey returns the session_key under which the table holds the session of a cookie.
func (s *Store) rowKey(cookie string) string {
	if !s.hashed {
		return cookie
	}
	sum := sha256.Sum256([]byte(hashPrefix + cookie))
	return lowerBase32.EncodeToString(sum[:hashSize])
}
