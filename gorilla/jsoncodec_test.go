package gorilla_test

import (
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

func newJSONCodec(tb testing.TB, signer *cookiestore.Signer) *gorilla.JSONCodec {
	tb.Helper()
	codec, err := gorilla.NewJSONCodec(signer)
	require.NoError(tb, err)
	return codec
}

func TestJSONCodecSharesSessions(t *testing.T) {
	secret := []byte("Django's SECRET_KEY")
	django, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, secret)
	require.NoError(t, err)
	djangos, err := cookiestore.New(secret, cookiestore.WithDjango())
	require.NoError(t, err)
	own, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	owns, err := cookiestore.New(testKey)
	require.NoError(t, err)
	for _, test := range []struct {
		name   string
		signer *cookiestore.Signer
		store  *cookiestore.CookieStore
	}{{"with a CookieStore", own, owns}, {"with Django", django, djangos}} {
		t.Run(test.name, func(t *testing.T) {
			codec := newJSONCodec(t, test.signer)
			values := map[any]any{"user": 7, "big": 1<<30 + 1, "price": 2.0, "cart": []any{"apples"}, "z": nil}
			text := encoded(t, codec, "s", values)
			rec, err := test.store.Load(t.Context(), "s", text)
			require.NoError(t, err)
			require.Equal(t, `{"big":1073741825,"cart":["apples"],"price":2.0,"user":7,"z":null}`, rec.Data)

			text, _, err = test.store.Save(t.Context(), "s", cookiestore.Record{Data: rec.Data, Saved: time.Now()})
			require.NoError(t, err)
			var none map[any]any
			require.NoError(t, codec.Decode("s", text, &none))
			require.Equal(t, values, none)
			some := map[any]any{"there": true}
			require.NoError(t, codec.Decode("s", text, &some))
			require.Len(t, some, 6, "values that are there stay")
		})
	}
}

func TestJSONCodecTakesOtherValues(t *testing.T) {
	signer, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	codec := newJSONCodec(t, signer)
	var id string
	require.NoError(t, codec.Decode("s", encoded(t, codec, "s", "an ID"), &id))
	require.Equal(t, "an ID", id)
}

func TestJSONCodecRefuses(t *testing.T) {
	signer, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	codec := newJSONCodec(t, signer)
	for name, test := range map[string]struct {
		key, value any
		text       string
	}{
		"a key of a string type":       {userKey("4711"), 1, "a key of type gorilla_test.userKey would come back from JSON as a string: NewCodec keeps it"},
		"a key that is an integer":     {4711, 1, "a key of type int would come back from JSON as a string: NewCodec keeps it"},
		"a value that JSON can't hold": {"x", complex(4711, 0), "JSON has no complex128"},
		"a string that is not UTF-8":   {"x", "4711\xff", "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := codec.Encode("s", map[any]any{test.key: test.value})
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "4711")
			e, ok := err.(securecookie.Error)
			require.True(t, ok)
			require.True(t, e.IsUsage())
			require.False(t, e.IsDecode())
		})
	}
	values := map[any]any{}
	require.ErrorIs(t, codec.Decode("s", encoded(t, codec, "other", values), &values), cookiestore.ErrTampered)
	signed := signer.Sign("s", "e30", time.Now().AddDate(0, 0, -15))
	require.ErrorIs(t, codec.Decode("s", signed, &values), cookiestore.ErrExpired)
	require.Empty(t, values)

	_, err = gorilla.NewJSONCodec(nil)
	require.EqualError(t, err, "cookiestore/gorilla: NewJSONCodec: the Signer is nil")
}
