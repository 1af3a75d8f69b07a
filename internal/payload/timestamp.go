package payload

import (
	"math"
	"time"
)

// MaxTimestamp is the last second of the year 9999, the last that Python and RFC 3339 can
// write. Near the end of an int64, a time.Time would wrap round to the past.
const MaxTimestamp = 253_402_300_799

// AppendTimestamp appends a time as it is signed.
func AppendTimestamp(dst []byte, at time.Time) []byte {
	return appendBase62(dst, min(max(at.Unix(), 0), MaxTimestamp))
}

// ParseTimestamp is the inverse of AppendTimestamp.
func ParseTimestamp(text []byte) (int64, error) {
	at, ok := parseBase62(text)
	switch {
	case !ok:
		return 0, malformed("timestamp is not base62")
	case at > MaxTimestamp:
		return 0, malformed("timestamp is past the year 9999")
	}
	return at, nil
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendBase62 appends n, which is not negative, as Django's b62_encode writes it.
func appendBase62(dst []byte, n int64) []byte {
	var digits [11]byte // enough for 1<<63 - 1
	i := len(digits)
	for {
		i--
		digits[i] = base62[n%62]
		if n /= 62; n == 0 {
			return append(dst, digits[i:]...)
		}
	}
}

// parseBase62 is the inverse of appendBase62, and accepts nothing else.
func parseBase62(text []byte) (int64, bool) {
	if len(text) == 0 || len(text) > 11 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var n int64
	for _, c := range text {
		var digit int64
		switch {
		case '0' <= c && c <= '9':
			digit = int64(c - '0')
		case 'A' <= c && c <= 'Z':
			digit = int64(c-'A') + 10
		case 'a' <= c && c <= 'z':
			digit = int64(c-'a') + 36
		default:
			return 0, false
		}
		if n > (math.MaxInt64-digit)/62 {
			return 0, false
		}
		n = n*62 + digit
	}
	return n, true
}
