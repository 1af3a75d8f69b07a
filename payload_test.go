package cookiestore

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
			payload := appendPayload([]byte("x"), test.data, compression{over: test.threshold})[1:]
			require.Equal(t, test.compressed, bytes.HasPrefix(payload, []byte(".")))
			got, err := appendDecoded([]byte("y"), payload, len(test.data))
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
		reason              error
	}{
		{"padding", "e30=", "not base64url", ErrMalformed},
		{"the other base64 alphabet", "+/+/", "not base64url", ErrMalformed},
		{"stray bits at the end", "e31", "not base64url", ErrMalformed},
		{"one character too many", "e30ae", "not base64url", ErrMalformed},
		{"a line break", "e3\n0", "line break", ErrMalformed},
		{"a line break in whole groups", "eyJh\nIjoxMjN9", "line break", ErrMalformed},
		{"a line break at the end", "eyJhIjoxMjN9\r", "line break", ErrMalformed},
		{"four line breaks", "eyJh\n\n\n\nIjoxMjN9", "line break", ErrMalformed},
		{"a space", "e3 0", "not base64url", ErrMalformed},
		{"a dot alone", ".", "not a zlib stream", ErrMalformed},
		{"a dot before plain data", ".e30", "not a zlib stream", ErrMalformed},
		{"bad base64 after the dot", ".!", "not base64url", ErrMalformed},
		{"a stream cut short", packed(stream[:len(stream)-5]), "damaged", ErrMalformed},
		{"a wrong check sum", packed(damaged), "damaged", ErrMalformed},
		{"bytes after the stream", packed(append(bytes.Clone(stream), 0)), "bytes after the zlib stream", ErrMalformed},
		{"two streams", packed(append(bytes.Clone(stream), stream...)), "bytes after the zlib stream", ErrMalformed},
		{"one byte too much", packed(zlibStream(t, make([]byte, 1001))), "inflates to over 1000 bytes", ErrTooLarge},
	} {
		t.Run(test.name+" is refused", func(t *testing.T) {
			_, err := appendDecoded(nil, []byte(test.payload), 1000)
			require.ErrorIs(t, err, test.reason)
			require.ErrorContains(t, err, test.says)
			require.True(t, IsRefused(err))
		})
	}
}

// What fits a cookie at zlib's default level, as Django writes it, can be saved, though
// the level tried first makes more of it.
func TestSessionsThatFitAtTheDefaultLevel(t *testing.T) {
	signer, err := NewSigner(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	items, data, fast := "", "", ""
	for i := 0; len(fast)+1 <= MaxCookieSize; i++ { // a cart that is just too large
		items += fmt.Sprintf(`,{"sku":"SKU-%d","name":"%s","n":%d}`, i*7919%10007, []string{"oak table", "walnut chair", "desk lamp"}[i%3], i%5)
		data = `{"cart":[` + items[1:] + `]}`
		fast = signer.signData("s", []byte(data), time.Unix(1, 0), compression{})
	}
	best := signer.signData("s", []byte(data), time.Unix(1, 0), compression{best: true})
	require.LessOrEqual(t, len(best)+1, MaxCookieSize)

	store, err := New(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	value, _, err := store.Save(t.Context(), "s", Record{Data: data, Saved: time.Unix(1, 0)})
	require.NoError(t, err)
	require.Equal(t, best, value)
	rec, err := store.Load(t.Context(), "s", value)
	require.NoError(t, err)
	require.Equal(t, data, rec.Data)
	encoded, err := signer.Encode("s", json.RawMessage(data))
	require.NoError(t, err)
	require.Len(t, encoded, len(best)+5, "the time of today has six digits")
}

// A bomb is refused within a fixed memory bound, however much is in it.
func TestBombIsRefusedWithinBounds(t *testing.T) {
	bomb := zlibStream(t, make([]byte, 50<<20))
	payload := append([]byte{compressionMark}, base64.RawURLEncoding.AppendEncode(nil, bomb)...)
	refuse := func() {
		buf := getBuffer()
		defer buf.free()
		_, err := appendDecoded(buf.b, payload, defaultMaxInflated)
		require.ErrorIs(t, err, ErrTooLarge)
	}
	refuse() // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refuse()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "the limit is 64 KiB, and buffers double")
}

func TestNoLimitIsNoPanic(t *testing.T) {
	payload := appendPayload(nil, make([]byte, 100_000), compression{})
	got, err := appendDecoded(nil, payload, math.MaxInt)
	require.NoError(t, err)
	require.Len(t, got, 100_000)
}

func TestHugeBuffersAreNotPooled(t *testing.T) {
	huge := &buffer{b: make([]byte, maxPooled+1)}
	huge.free()
	require.LessOrEqual(t, cap(getBuffer().b), maxPooled)
}
