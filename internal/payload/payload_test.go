package payload

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/scratch"
)

func zlibStream(tb testing.TB, data []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return out.Bytes()
}

func TestPayload(t *testing.T) {
	long := []byte(strings.Repeat("abc", 1000))
	for _, test := range []struct {
		name       string
		data       []byte
		threshold  int
		compressed bool
	}{
		{"short data stays as it is", []byte("{}"), 1024, false},
		{"data at the threshold stays as it is", long[:1024], 1024, false},
		{"data over the threshold is compressed", long[:1025], 1024, true},
		{"a threshold of zero compresses what gets shorter", long[:100], 0, true},
		{"what gets no shorter stays as it is", []byte("abcdefgh"), 0, false},
		{"a negative threshold never compresses", long, -1, false},
		{"nothing is nothing", nil, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			payload := Append([]byte("x"), test.data, Compression{Over: test.threshold})[1:]
			require.Equal(t, test.compressed, bytes.HasPrefix(payload, []byte(".")))
			got, err := AppendDecoded([]byte("y"), payload, len(test.data))
			require.NoError(t, err)
			require.Equal(t, "y"+string(test.data), string(got))
		})
	}
}

func TestPayloadRefused(t *testing.T) {
	stream := zlibStream(t, []byte(`{"a":1}`))
	packed := func(b []byte) string { return "." + base64.RawURLEncoding.EncodeToString(b) }
	damaged := bytes.Clone(stream)
	damaged[len(damaged)-1] ^= 1
	for _, test := range []struct {
		name, payload, says string
		tooLarge            bool
	}{
		{"padding", "e30=", "not base64url", false},
		{"the other base64 alphabet", "+/+/", "not base64url", false},
		{"stray bits at the end", "e31", "not base64url", false},
		{"one character too many", "e30ae", "not base64url", false},
		{"a line break", "e3\n0", "line break", false},
		{"a line break in whole groups", "eyJh\nIjoxMjN9", "line break", false},
		{"a line break at the end", "eyJhIjoxMjN9\r", "line break", false},
		{"four line breaks", "eyJh\n\n\n\nIjoxMjN9", "line break", false},
		{"a space", "e3 0", "not base64url", false},
		{"a dot alone", ".", "not a zlib stream", false},
		{"a dot before plain data", ".e30", "not a zlib stream", false},
		{"bad base64 after the dot", ".!", "not base64url", false},
		{"a stream cut short", packed(stream[:len(stream)-5]), "damaged", false},
		{"a wrong check sum", packed(damaged), "damaged", false},
		{"bytes after the stream", packed(append(bytes.Clone(stream), 0)), "bytes after the zlib stream", false},
		{"two streams", packed(append(bytes.Clone(stream), stream...)), "bytes after the zlib stream", false},
		{"one byte too much", packed(zlibStream(t, make([]byte, 1001))), "inflates to over 1000 bytes", true},
	} {
		t.Run(test.name+" is refused", func(t *testing.T) {
			_, err := AppendDecoded(nil, []byte(test.payload), 1000)
			require.ErrorContains(t, err, test.says)
			require.Equal(t, test.tooLarge, err.(*Error).TooLarge)
		})
	}
}

// A bomb is refused within a fixed memory bound, however much is in it.
func TestBombIsRefusedWithinBounds(t *testing.T) {
	bomb := zlibStream(t, make([]byte, 50<<20))
	payload := append([]byte{Mark}, base64.RawURLEncoding.AppendEncode(nil, bomb)...)
	refuse := func() {
		buf := scratch.Get()
		defer buf.Free()
		_, err := AppendDecoded(buf.B, payload, 64<<10)
		require.True(t, err.(*Error).TooLarge)
	}
	refuse() // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refuse()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "the limit is 64 KiB, and buffers double")
}

func TestNoLimitIsNoPanic(t *testing.T) {
	payload := Append(nil, make([]byte, 100_000), Compression{})
	got, err := AppendDecoded(nil, payload, math.MaxInt)
	require.NoError(t, err)
	require.Len(t, got, 100_000)
}
