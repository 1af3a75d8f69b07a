package cookiestore

import (
	"encoding/json"
	"strconv"
)

// AsDecoded is what an integer of the visitor's JSON is in an any, on a machine with
// ints of 32 or of 64 bits. It is exported for the tests of package cookiestore_test.
func AsDecoded(n int64) any {
	switch {
	case int64(int(n)) == n:
		return int(n)
	case n > 0:
		return uint64(n)
	}
	return json.Number(strconv.FormatInt(n, 10))
}
