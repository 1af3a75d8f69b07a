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
