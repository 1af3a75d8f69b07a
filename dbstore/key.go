package dbstore

import "crypto/rand"

const (
	keySize  = 32 // over 165 bits, so two are never the same
	keyChars = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// newKey returns a random key of the form that Django gives keys.
func newKey() string {
	const fair = 256 / len(keyChars) * len(keyChars) // bytes below this are spread evenly
	key := make([]byte, 0, keySize)
	var random [2 * keySize]byte
	for {
		rand.Read(random[:]) // never fails
		for _, b := range random {
			if int(b) < fair {
				key = append(key, keyChars[int(b)%len(keyChars)])
			}
			if len(key) == keySize {
				return string(key)
			}
		}
	}
}

func isKey(value string) bool {
	if len(value) != keySize {
		return false
	}
	for i := range len(value) {
		if c := value[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
