package cookiestore

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesDontFillTheMemory(t *testing.T) {
	s := newSigner(t, key1)
	for i := range 3 * maxNames {
		name := fmt.Sprint("cookie", i)
		_, err := s.Verify(name, s.Sign(name, "x", signedAt))
		require.NoError(t, err)
	}
	require.Len(t, *s.keys.current.Load().byName.Load(), maxNames)
}

func TestParseKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for _, text := range []string{
		hex.EncodeToString(key), strings.ToUpper(hex.EncodeToString(key)) + "\n", base64.StdEncoding.EncodeToString(key),
		base64.URLEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key), " " + base64.RawStdEncoding.EncodeToString(key),
	} {
		got, err := ParseKey(text)
		require.NoError(t, err)
		require.Equal(t, key, got)
	}
	for text, says := range map[string]string{
		"":                            "the key has 0 bytes",
		"hunter2!":                    "neither hex nor base64",
		strings.Repeat("A", 43) + "~": "neither hex nor base64",
		"68756e7465":                  "the key has 5 bytes, and must have at least 32 random ones",
	} {
		_, err := ParseKey(text)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestParseKeys(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{0xfb}, 33)
	hex, base64 := hex.EncodeToString(one), base64.URLEncoding.EncodeToString(two)
	for _, test := range []struct {
		name, list string
		want       [][]byte
	}{
		{"one key", hex, [][]byte{one}},
		{"commas", hex + "," + base64, [][]byte{one, two}},
		{"commas with spaces", " " + base64 + " ,\t" + hex + " ", [][]byte{two, one}},
		{"lines", hex + "\n" + base64 + "\n", [][]byte{one, two}},
		{"lines of Windows", hex + "\r\n" + base64 + "\r\n", [][]byte{one, two}},
		{"commas and lines", "\n" + hex + ",\n" + base64 + ",\n" + hex + ",", [][]byte{one, two, one}},
		{"nothing", "", nil},
		{"separators alone", " ,\n, \r\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseKeys(test.list)
			require.NoError(t, err)
			require.Equal(t, test.want, keys)
		})
	}
	for _, test := range []struct{ name, list, says string }{
		{"a short key", hex + ",\n" + hex[2:], "cookiestore: key 2 of the list has 31 bytes, and must have at least 32 random ones"},
		{"text", "hunter2!," + hex, "cookiestore: key 1 of the list is neither hex nor base64"},
		{"a space between keys", hex + " " + hex, "cookiestore: key 1 of the list is neither hex nor base64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseKeys(test.list)
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), "hunter2")
			require.Nil(t, keys)
		})
	}
}
