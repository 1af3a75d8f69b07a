package cookiestore

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireRotation requires of something that is made with key1 alone that its keys can be
// replaced. The function write makes a value, and keyIndex says which key reads one.
func requireRotation(t *testing.T, setKeys func(key []byte, fallbacks ...[]byte) error, write func() string, keyIndex func(value string) (int, error)) {
	t.Helper()
	byKey1 := write()
	keyOf := func(value string) int {
		index, err := keyIndex(value)
		if err != nil {
			require.ErrorIs(t, err, ErrTampered)
			return -1
		}
		return index
	}
	require.NoError(t, setKeys(key2, key3, key1))
	byKey2 := write()
	require.Equal(t, []int{2, 0}, []int{keyOf(byKey1), keyOf(byKey2)})
	require.NoError(t, setKeys(key2))
	require.Equal(t, []int{-1, 0}, []int{keyOf(byKey1), keyOf(byKey2)})

	require.ErrorContains(t, setKeys(key3, key2, []byte("short")), "fallback key 2 has 5 bytes")
	require.Equal(t, []int{-1, 0}, []int{keyOf(byKey1), keyOf(byKey2)}, "after an error the keys are as before")

	mine := bytes.Clone(key2)
	require.NoError(t, setKeys(mine))
	mine[0] = 'x'
	require.Equal(t, 0, keyOf(byKey2), "there is a copy of the key")
}

// requireUseWhileKeysAreReplaced has four workers use something that is made with key1 and
// key2 while the two change places: both are always accepted, whichever writes. A worker
// ends when use returns false.
func requireUseWhileKeysAreReplaced(t *testing.T, setKeys func(key []byte, fallbacks ...[]byte) error, use func(worker, i int) bool) {
	t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for worker := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if !use(worker, i) {
					return
				}
			}
		})
	}
	for range 200 {
		require.NoError(t, setKeys(key2, key1))
		require.NoError(t, setKeys(key1, key2))
	}
	close(stop)
	wg.Wait()
}

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
