//go:build !go1.26

package dbstore

import (
	"crypto/md5"
	"errors"
)

// md5Sum returns the MD5 of a name, or an error where GODEBUG=fips140=only forbids
// MD5: before Go 1.26 there are no exceptions to that.
func md5Sum(name string) (sum [md5.Size]byte, err error) {
	h := md5.New()
	if _, err := h.Write([]byte(name)); err != nil { // Sum would panic
		return sum, errors.New("dbstore: Django names indexes with MD5, which GODEBUG=fips140=only does not allow before Go 1.26: make the table with Django's migrate")
	}
	h.Sum(sum[:0])
	return sum, nil
}
