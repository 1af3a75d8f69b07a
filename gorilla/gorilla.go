// Package gorilla is for sites that use gorilla/sessions, or have used it.
//
// A site that moves to package cookiestore reads the cookies that its visitors have
// with a [Loader], and logs nobody out:
//
//	codecs := securecookie.CodecsFromPairs(hashKey, blockKey) // as before
//	old, err := gorilla.NewLoader(codecs...)
//	...
//	store, err := cookiestore.New(key, cookiestore.WithLegacy(old))
//
// A site that stays with gorilla/sessions, or with goth, can have its cookies signed by
// a [cookiestore.Signer], whose signing keys can be replaced while it is in use: see
// [NewCodec]. It can share its sessions with a Django site: see [NewJSONCodec].
//
// [NewEncryptedCodec] has securecookie encrypt the sessions of package cookiestore.
//
// Package cookiestore does not import this package, and so not encoding/gob.
package gorilla

import "reflect"

// isNil reports whether an interface is nil, or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Pointer && value.IsNil()
}
