//go:build go1.26

package dbstore

import (
	"crypto/fips140"
	"crypto/md5"
)

// md5Sum returns the MD5 of a name, also where GODEBUG=fips140=only forbids MD5:
// nothing depends on its strength here.
func md5Sum(name string) (sum [md5.Size]byte, err error) {
	fips140.WithoutEnforcement(func() { sum = md5.Sum([]byte(name)) })
	return sum, nil
}
