package cookiestore

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// golden is a cookie in the package's own format, or a broken one, that signed.py in
// testdata made by the format's description.
type golden struct {
	What, Value, Key, Name string

	Fallbacks []string
	Payload   *string
	SignedAt  int64 `json:"signed_at"`
	KeyIndex  int   `json:"key_index"`
	JSON      *string
	Signer    string // why Verify refuses it; "" if it doesn't
	Store     string // why a store refuses it
}

// hexKeys decodes the keys of a file in testdata.
func hexKeys(tb testing.TB, first string, others ...string) (key []byte, fallbacks [][]byte) {
	tb.Helper()
	for _, text := range append([]string{first}, others...) {
		k, err := hex.DecodeString(text)
		require.NoError(tb, err)
		fallbacks = append(fallbacks, k)
	}
	return fallbacks[0], fallbacks[1:]
}

// The format is a promise to every visitor who has a cookie: these values are read, and
// written, as they stand here, whatever becomes of the code.
func TestGoldenCookies(t *testing.T) {
	text, err := os.ReadFile("testdata/signed.json")
	require.NoError(t, err)
	var all []golden
	require.NoError(t, json.Unmarshal(text, &all))

	counts := map[string]int{}
	for _, g := range all {
		t.Run(g.What, func(t *testing.T) {
			key, fallbacks := hexKeys(t, g.Key, g.Fallbacks...)
			signer, err := NewSigner(key, fallbacks...)
			require.NoError(t, err)
			checkSigner(t, g, signer)
			store, err := New(key, WithFallbackKeys(fallbacks...))
			require.NoError(t, err)
			checkStore(t, g, store)
		})
		counts["signer: "+g.Signer]++
		counts["store: "+g.Store]++
	}
	require.Equal(t, map[string]int{
		"signer: ": 223, "signer: tampered": 79, "signer: malformed": 13,
		"store: ": 167, "store: tampered": 79, "store: malformed": 66, "store: too large": 3,
	}, counts)
}

func checkSigner(t *testing.T, g golden, signer *Signer) {
	got, err := signer.Verify(g.Name, g.Value)
	if g.Signer != "" {
		require.True(t, IsRefused(err))
		require.Equal(t, g.Signer, reasonOf(err))
		require.Zero(t, got)
		return
	}
	require.NoError(t, err)
	at := time.Unix(g.SignedAt, 0)
	require.Equal(t, Signed{Payload: *g.Payload, At: at, KeyIndex: g.KeyIndex}, got)
	if g.KeyIndex == 0 {
		require.Equal(t, g.Value, signer.Sign(g.Name, *g.Payload, at))
	}
}

func checkStore(t *testing.T, g golden, store *CookieStore) {
	rec, err := store.Load(t.Context(), g.Name, g.Value)
	at := time.Unix(g.SignedAt, 0)
	if err == nil {
		rules := policy{age: time.Hour, now: func() time.Time { return at }}
		err = rules.restore(rec, at, new(contents))
	}
	if g.Store != "" {
		require.True(t, IsRefused(err))
		require.Equal(t, g.Store, reasonOf(err))
		return
	}
	require.NoError(t, err)
	require.Equal(t, Record{Data: *g.JSON, Saved: at, Resave: g.KeyIndex > 0}, rec)

	// Written again it is the same, but for zlib, of which there are others.
	again, _, err := store.Save(t.Context(), g.Name, Record{Data: rec.Data, Saved: at})
	require.NoError(t, err)
	back, err := store.Load(t.Context(), g.Name, again)
	require.NoError(t, err)
	require.Equal(t, Record{Data: rec.Data, Saved: at}, back)
	if plain := !strings.HasPrefix(g.Value, "."); plain && g.KeyIndex == 0 && len(rec.Data) <= defaultCompressOver {
		assert.Equal(t, g.Value, again)
	}
}
