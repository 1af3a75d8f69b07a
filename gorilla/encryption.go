package gorilla

import (
	"bytes"
	"fmt"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// NewEncryptedCodec returns a codec of securecookie for [cookiestore.NewWithCodec], so
// that the visitor can't read the session. It is encrypted with AES in counter mode and
// then signed with HMAC-SHA256.
//
// The codec has no age and no size of its own, where securecookie.New has 30 days and
// 4096 bytes: the session's expiry and the middleware's limit hold instead. It does not
// serialize, since the session is JSON already.
//
// The hash key, which signs, must have at least [cookiestore.MinKeySize] random bytes,
// and the block key, which encrypts, 16, 24 or 32 others, for AES-128, AES-192 or
// AES-256. Anything else is an error. To change them and log nobody out, give the new
// store the old codec:
//
//	store, err := cookiestore.NewWithCodec(newCodec, cookiestore.WithFallbackCodecs(oldCodec))
func NewEncryptedCodec(hashKey, blockKey []byte) (*securecookie.SecureCookie, error) {
	if len(hashKey) < cookiestore.MinKeySize {
		return nil, usage(nil, fmt.Sprintf("the hash key has %d bytes, and must have at least %d random ones", len(hashKey), cookiestore.MinKeySize), nil)
	}
	switch len(blockKey) {
	case 16, 24, 32:
	default:
		return nil, usage(nil, fmt.Sprintf("the block key has %d bytes, and must have 16, 24 or 32 random ones", len(blockKey)), nil)
	}
	return securecookie.New(bytes.Clone(hashKey), bytes.Clone(blockKey)).
		MaxAge(0).
		MaxLength(0).
		SetSerializer(securecookie.NopEncoder{}), nil
}
