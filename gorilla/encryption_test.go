package gorilla_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
	"example.com/cookiestore/sessiontest"
)

func newEncryptedStore(tb testing.TB, hashKey, blockKey []byte, options ...cookiestore.StoreOption) *cookiestore.CookieStore {
	tb.Helper()
	codec, err := gorilla.NewEncryptedCodec(hashKey, blockKey)
	require.NoError(tb, err)
	store, err := cookiestore.NewWithCodec(codec, options...)
	require.NoError(tb, err)
	return store
}

func TestEncryptedStore(t *testing.T) {
	sessiontest.TestStore(t, func(tb testing.TB, _ func() time.Time) cookiestore.Store {
		return newEncryptedStore(tb, testKey, otherKey)
	})
}

// The session's age holds, and not securecookie's 30 days.
func TestEncryptedSessionsHaveNoAgeButTheirOwn(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now().Truncate(time.Second)
	at := now.Add(-60 * day)
	store := newEncryptedStore(t, testKey, otherKey)
	value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: at})
	require.NoError(t, err)
	value = dated(t, value, testKey, "sessionid", at)
	for age, reason := range map[time.Duration]error{90 * day: nil, 59 * day: cookiestore.ErrExpired} {
		m, err := cookiestore.NewManager(store, cookiestore.WithMaxAge(age), quiet, cookiestore.WithClock(func() time.Time { return now }))
		require.NoError(t, err)
		s, err := m.Load(t.Context(), "sessionid="+value)
		require.NoError(t, err)
		require.ErrorIs(t, s.Refused(), reason)
	}
}

// The limit is the store's, which is above what securecookie has.
func TestEncryptedSessionsHaveNoLimitButTheStores(t *testing.T) {
	store := newEncryptedStore(t, testKey, otherKey, cookiestore.WithCompressionOver(-1))
	data := `{"a":"` + strings.Repeat("x", 5000) + `"}`
	value, _, err := store.Save(t.Context(), "s", cookiestore.Record{Data: data, Saved: time.Now(), Limit: 20000})
	require.NoError(t, err)
	require.Greater(t, len(value), cookiestore.MaxCookieSize)
	m, err := cookiestore.NewManager(store, cookiestore.WithName("s"), cookiestore.WithMaxCookieSize(20000))
	require.NoError(t, err)
	session, err := m.Load(t.Context(), "s="+value)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("x", 5000), session.Get("a"))
}

func TestTheVisitorCannotReadWhatIsEncrypted(t *testing.T) {
	codec, err := gorilla.NewEncryptedCodec(testKey, otherKey)
	require.NoError(t, err)
	require.NotEqual(t, encoded(t, codec, "s", []byte("x")), encoded(t, codec, "s", []byte("x")))
	var text []byte
	inClear := securecookie.New(testKey, nil).SetSerializer(securecookie.NopEncoder{})
	require.NoError(t, inClear.Decode("s", encoded(t, codec, "s", []byte("the session")), &text), "the signature is HMAC-SHA256 of the hash key")
	require.NotContains(t, string(text), "session")
}

// A change of keys logs nobody out.
func TestKeysOfEncryptionCanBeChanged(t *testing.T) {
	old := newEncryptedStore(t, testKey, testKey[:16])
	value, _, err := old.Save(t.Context(), "s", cookiestore.Record{Data: `{"user":7}`, Saved: time.Unix(1_800_000_000, 0)})
	require.NoError(t, err)
	store := newEncryptedStore(t, otherKey, otherKey[:24], cookiestore.WithLegacy(old))
	rec, err := store.Load(t.Context(), "s", value)
	require.NoError(t, err)
	require.Equal(t, cookiestore.Record{Data: `{"user":7}`, Saved: time.Unix(1_800_000_000, 0), Resave: true}, rec)
}

func TestNewEncryptedCodecRefuses(t *testing.T) {
	for _, test := range []struct {
		name      string
		hash, key int
		want      string
	}{
		{"a short hash key", 31, 32, "the hash key has 31 bytes, and must have at least 32 random ones"},
		{"no hash key", 0, 32, "the hash key has 0 bytes"},
		{"no block key", 32, 0, "the block key has 0 bytes, and must have 16, 24 or 32 random ones"},
		{"a block key of another size", 32, 31, "the block key has 31 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			codec, err := gorilla.NewEncryptedCodec(bytes.Repeat([]byte("x"), test.hash), bytes.Repeat([]byte("y"), test.key))
			require.ErrorContains(t, err, "cookiestore/gorilla: "+test.want)
			require.Nil(t, codec)
			require.False(t, cookiestore.IsRefused(err))
		})
	}
	hash, block := bytes.Clone(testKey), bytes.Clone(otherKey)
	codec, err := gorilla.NewEncryptedCodec(hash, block)
	require.NoError(t, err)
	value := encoded(t, codec, "s", []byte("x"))
	clear(hash)
	clear(block)
	var text []byte
	require.NoError(t, codec.Decode("s", value, &text), "it has copies of the keys")
	require.Equal(t, "x", string(text))
}
