package payload

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBase62(t *testing.T) {
	for _, test := range []struct {
		n    int64
		text string
	}{{0, "0"}, {9, "9"}, {10, "A"}, {35, "Z"}, {36, "a"}, {61, "z"}, {62, "10"}, {1528093791, "1fPj03"}, {math.MaxInt64, "AzL8n0Y58m7"}} {
		require.Equal(t, test.text, string(appendBase62(nil, test.n)))
		n, ok := parseBase62([]byte(test.text))
		require.True(t, ok)
		require.Equal(t, test.n, n)
	}
	for _, text := range []string{"", "00", "01", "-1", "+1", "1.", " 1", "é", "AzL8n0Y58m8", "zzzzzzzzzzz", "111111111111"} {
		_, ok := parseBase62([]byte(text))
		require.False(t, ok, text)
	}
}
