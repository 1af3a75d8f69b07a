package cookiestore_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

var (
	testKey  = bytes.Repeat([]byte("k"), 32)
	otherKey = bytes.Repeat([]byte("o"), 32)
)

// benchSession is the session of the benchmarks: 145 bytes of JSON.
const benchSession = `{"_auth_user_id":"4821","num_visits":1207,"name":"Ankit","theme":"dark","cart":[{"sku":"A-1","n":2},{"sku":"B-77","n":1}],"next":"/account/home"}`

func newStore(tb testing.TB, options ...cookiestore.StoreOption) *cookiestore.CookieStore {
	tb.Helper()
	store, err := cookiestore.New(testKey, options...)
	require.NoError(tb, err)
	return store
}

func TestStores(t *testing.T) {
	withCodec := func(tb testing.TB, c securecookie.Codec) cookiestore.Store {
		store, err := cookiestore.NewWithCodec(c)
		require.NoError(tb, err)
		return store
	}
	encrypted := func() *securecookie.SecureCookie { return securecookie.New(testKey, testKey).MaxAge(0) }
	for _, test := range []struct {
		name string
		make func(tb testing.TB) cookiestore.Store
	}{
		{"signed", func(tb testing.TB) cookiestore.Store { return newStore(tb) }},
		{"signed for Django", func(tb testing.TB) cookiestore.Store { return newStore(tb, cookiestore.WithDjango()) }},
		{"always compressed", func(tb testing.TB) cookiestore.Store { return newStore(tb, cookiestore.WithCompressionOver(0)) }},
		{"encrypted", func(tb testing.TB) cookiestore.Store { return newStore(tb, cookiestore.WithEncryption()) }},
		{"encrypted and compressed", func(tb testing.TB) cookiestore.Store {
			return newStore(tb, cookiestore.WithEncryption(), cookiestore.WithCompressionOver(0))
		}},
		{"encrypted by securecookie with gob", func(tb testing.TB) cookiestore.Store { return withCodec(tb, encrypted()) }},
		{"encrypted by securecookie with JSON", func(tb testing.TB) cookiestore.Store {
			return withCodec(tb, encrypted().SetSerializer(securecookie.JSONEncoder{}))
		}},
		{"encrypted by securecookie with bytes", func(tb testing.TB) cookiestore.Store {
			return withCodec(tb, encrypted().SetSerializer(securecookie.NopEncoder{}))
		}},
		{"a signer as the codec", func(tb testing.TB) cookiestore.Store {
			signer, err := cookiestore.NewSigner(testKey)
			require.NoError(tb, err)
			return withCodec(tb, signer)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sessiontest.TestStore(t, func(tb testing.TB, _ func() time.Time) cookiestore.Store { return test.make(tb) })
		})
	}
}

func TestNewRefuses(t *testing.T) {
	codec := securecookie.New(testKey, nil)
	for _, test := range []struct {
		name string
		make func() (*cookiestore.CookieStore, error)
		says string
	}{
		{"a key that is too short", func() (*cookiestore.CookieStore, error) { return cookiestore.New([]byte("hunter2")) }, "the key has 7 bytes, and must have at least 32 random ones: make one with securecookie.GenerateRandomKey(32)"},
		{"no key", func() (*cookiestore.CookieStore, error) { return cookiestore.New(nil) }, "openssl rand -hex 32"},
		{"a fallback key that is too short", func() (*cookiestore.CookieStore, error) {
			return cookiestore.New(testKey, cookiestore.WithFallbackKeys(otherKey, []byte("hunter2")))
		}, "fallback key 2 has 7 bytes"},
		{"an empty Django key", func() (*cookiestore.CookieStore, error) {
			return cookiestore.New(nil, cookiestore.WithDjango())
		}, "the key is empty"},
		{"room for nothing", func() (*cookiestore.CookieStore, error) {
			return cookiestore.New(testKey, cookiestore.WithMaxInflated(0))
		}, "WithMaxInflated(0)"},
		{"no codec", func() (*cookiestore.CookieStore, error) { return cookiestore.NewWithCodec(nil) }, "the codec is nil"},
		{"another codec in Django's format", func() (*cookiestore.CookieStore, error) {
			return cookiestore.NewWithCodec(codec, cookiestore.WithDjango())
		}, "its own format"},
		{"fallback keys for another codec", func() (*cookiestore.CookieStore, error) {
			return cookiestore.NewWithCodec(codec, cookiestore.WithFallbackKeys(otherKey))
		}, "its own format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.make()
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), "hunter2")
			require.False(t, cookiestore.IsRefused(err))
		})
	}
}

func TestDjangoKeyOfAnyLength(t *testing.T) {
	_, err := cookiestore.New([]byte("short"), cookiestore.WithDjango(), cookiestore.WithFallbackKeys([]byte("x")))
	require.NoError(t, err)
}

func TestSetKeysNeedsASigner(t *testing.T) {
	store, err := cookiestore.NewWithCodec(securecookie.New(testKey, nil))
	require.NoError(t, err)
	require.ErrorContains(t, store.SetKeys(testKey), "another codec has its own keys")
}

// dictionary returns JSON whose one value has size bytes, which don't compress
// if they are random.
func dictionary(size int, random bool) string {
	value := strings.Repeat("x", size)
	if random {
		r := rand.New(rand.NewPCG(1, 2))
		const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
		value = strings.Map(func(rune) rune { return rune(letters[r.IntN(len(letters))]) }, value)
	}
	return `{"cart":"` + value + `","n":1}`
}

func TestSizeLimits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	save := func(store *cookiestore.CookieStore, data string) (string, error) {
		value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: now})
		return value, err
	}
	t.Run("a cookie of 4096 bytes is kept and one more is refused", func(t *testing.T) {
		store := newStore(t, cookiestore.WithCompressionOver(-1))
		var last int
		for size := 2900; ; size++ {
			data := dictionary(size, true)
			value, err := save(store, data)
			if err != nil {
				require.ErrorIs(t, err, cookiestore.ErrTooLarge)
				require.Regexp(t, `cookie would have \d{4} bytes with its name and attributes, and the limit is 4096; largest keys: "cart" \(\d+ bytes\), "n" \(4 bytes\)$`, err.Error())
				require.False(t, cookiestore.IsRefused(err))
				break
			}
			last = len("sessionid") + len(value)
			rec, err := store.Load(t.Context(), "sessionid", value)
			require.NoError(t, err)
			require.Equal(t, data, rec.Data)
		}
		require.LessOrEqual(t, last, cookiestore.MaxCookieSize)
		require.Greater(t, last, cookiestore.MaxCookieSize-3)
	})
	t.Run("compression makes room", func(t *testing.T) {
		data := dictionary(20_000, false)
		value, err := save(newStore(t), data)
		require.NoError(t, err)
		require.Less(t, len(value), 200)
		_, err = save(newStore(t, cookiestore.WithCompressionOver(-1)), data)
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
	})
	t.Run("what could not be read back is not written", func(t *testing.T) {
		value, err := save(newStore(t), dictionary(64<<10-17, false))
		require.NoError(t, err)
		_, err = newStore(t).Load(t.Context(), "sessionid", value)
		require.NoError(t, err)

		_, err = save(newStore(t), dictionary(64<<10-16, false))
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.ErrorContains(t, err, `session has 65537 bytes of JSON, and the limit is 65536; largest keys: "cart"`)
	})
	t.Run("a smaller limit refuses what a larger one wrote", func(t *testing.T) {
		value, err := save(newStore(t), dictionary(20_000, false))
		require.NoError(t, err)
		_, err = newStore(t, cookiestore.WithMaxInflated(10_000)).Load(t.Context(), "sessionid", value)
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.ErrorContains(t, err, "inflates to over 10000 bytes")
		require.True(t, cookiestore.IsRefused(err))
	})
	t.Run("a bomb that is well signed is refused", func(t *testing.T) {
		var bomb bytes.Buffer
		w := zlib.NewWriter(&bomb)
		_, err := w.Write(make([]byte, 256<<10))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		signer, err := cookiestore.NewSigner(testKey)
		require.NoError(t, err)
		value := signer.Sign("sessionid", "."+base64.RawURLEncoding.EncodeToString(bomb.Bytes()), now)
		require.Less(t, len(value), cookiestore.MaxCookieSize-len("sessionid"))
		_, err = newStore(t).Load(t.Context(), "sessionid", value)
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.ErrorContains(t, err, "inflates to over 65536 bytes")
	})
	t.Run("a cookie that is too long is refused before it is looked at", func(t *testing.T) {
		_, err := newStore(t).Load(t.Context(), "sessionid", strings.Repeat("x", cookiestore.MaxCookieSize-len("sessionid")+1))
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.ErrorContains(t, err, "have 4097 bytes, over 4096")
		_, err = newStore(t).Load(t.Context(), "sessionid", strings.Repeat("x", cookiestore.MaxCookieSize-len("sessionid")))
		require.ErrorIs(t, err, cookiestore.ErrMalformed)
	})
	t.Run("another codec's error names the largest keys", func(t *testing.T) {
		store, err := cookiestore.NewWithCodec(securecookie.New(testKey, nil))
		require.NoError(t, err)
		_, err = save(store, dictionary(5000, true))
		require.ErrorContains(t, err, "the value is too long")
		require.ErrorContains(t, err, `largest keys: "cart"`)
	})
}

func TestCookiesAreSmall(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	value, _, err := newStore(t).Save(t.Context(), "sessionid", cookiestore.Record{Data: benchSession, Saved: now})
	require.NoError(t, err)
	require.Len(t, benchSession, 145)
	require.Len(t, value, 194+1+6+1+43, "base64 of 145 bytes, a timestamp, a signature and two colons")

	// The same values, as gorilla/sessions keeps them.
	type item struct {
		SKU string `json:"sku"`
		N   int    `json:"n"`
	}
	gob.Register([]item{})
	values := map[any]any{
		"_auth_user_id": "4821", "num_visits": 1207, "name": "Ankit", "theme": "dark",
		"cart": []item{{"A-1", 2}, {"B-77", 1}}, "next": "/account/home",
	}
	theirs, err := securecookie.EncodeMulti("sessionid", values, securecookie.CodecsFromPairs(testKey)...)
	require.NoError(t, err)
	t.Logf("%d bytes here, %d bytes with gorilla/sessions", len(value), len(theirs))
	require.Less(t, 2*len(value), len(theirs))
}

// brokenCodec returns what no codec should.
type brokenCodec struct{ text string }

func (c brokenCodec) Encode(string, any) (string, error) { return c.text, nil }
func (c brokenCodec) Decode(_, _ string, dst any) error {
	if c.text == "" {
		return fmt.Errorf("no idea")
	}
	*dst.(*[]byte) = []byte(c.text)
	return nil
}

func TestForeignCodecs(t *testing.T) {
	for _, test := range []struct {
		name, text string
		is         error
		says       string
	}{
		{"a codec's own error refuses the cookie", "", nil, "cookiestore: cookie refused: no idea"},
		{"bytes without a timestamp are refused", "{}", cookiestore.ErrMalformed, "no timestamp"},
		{"bytes with a bad timestamp are refused", "-:{}", cookiestore.ErrMalformed, "timestamp is not base62"},
		{"bytes with a timestamp past all years are refused", "AzL8n0Y58m7:{}", cookiestore.ErrMalformed, "timestamp is past the year 9999"},
		{"bytes that don't inflate are refused", "1:.x", cookiestore.ErrMalformed, "zlib"},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := cookiestore.NewWithCodec(brokenCodec{test.text})
			require.NoError(t, err)
			_, err = store.Load(t.Context(), "sessionid", "x")
			require.True(t, cookiestore.IsRefused(err))
			require.ErrorContains(t, err, test.says)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
	t.Run("large sessions are compressed", func(t *testing.T) {
		codec := securecookie.New(testKey, testKey).SetSerializer(securecookie.NopEncoder{})
		store, err := cookiestore.NewWithCodec(codec)
		require.NoError(t, err)
		data := dictionary(20_000, false)
		value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: time.Unix(1, 0)})
		require.NoError(t, err)
		rec, err := store.Load(t.Context(), "sessionid", value)
		require.NoError(t, err)
		require.Equal(t, cookiestore.Record{Data: data, Saved: time.Unix(1, 0)}, rec)
	})
	t.Run("a value that a cookie can't hold is an error and no cookie", func(t *testing.T) {
		store, err := cookiestore.NewWithCodec(brokenCodec{"a\r\nSet-Cookie: admin=1"})
		require.NoError(t, err)
		m, err := cookiestore.NewManager(store)
		require.NoError(t, err)
		var s cookiestore.Session
		s.Set("a", 1)
		_, err = m.Save(t.Context(), &s)
		require.ErrorContains(t, err, "byte 1 is 0x0d")
	})
}

func jsonObject(tb testing.TB, text string) map[string]json.RawMessage {
	tb.Helper()
	var m map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal([]byte(text), &m))
	return m
}
