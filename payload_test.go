package cookiestore

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

func zlibStream(tb testing.TB, data []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return out.Bytes()
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
		fast = signer.signData("s", []byte(data), time.Unix(1, 0), payload.Compression{})
	}
	best := signer.signData("s", []byte(data), time.Unix(1, 0), payload.Compression{Best: true})
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
