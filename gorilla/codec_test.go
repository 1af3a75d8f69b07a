package gorilla_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

func TestCodecReturnsValuesExactly(t *testing.T) {
	codec, _ := newCodec(t, testKey)
	values := map[any]any{
		"user":          7,
		userKey("k"):    "a named type",
		7:               "an int",
		numberKey(7):    "another integer",
		1.5:             complex(1, 2),
		"gzip":          "\x1f\x8b\x00\xff",
		"bytes":         []byte{0, 255},
		"float":         2.0,
		"int64":         int64(1) << 62,
		"_flash":        []any{"Welcome.", 7},
		[2]int{1, 2}:    true,
		"<&>\u2028\x00": "",
	}
	text := encoded(t, codec, "s", values)
	got := map[any]any{}
	require.NoError(t, codec.Decode("s", text, &got))
	require.Equal(t, values, got)
	require.Equal(t, text, (&http.Cookie{Name: "s", Value: text}).String()[len("s="):], "a cookie can hold it as it is")

	// Stores with records sign an ID.
	text = encoded(t, codec, "s", "an ID")
	var id string
	require.NoError(t, codec.Decode("s", text, &id))
	require.Equal(t, "an ID", id)
}

func TestCodecUsesTheSigner(t *testing.T) {
	old, _ := newCodec(t, otherKey)
	codec, signer := newCodec(t, testKey, otherKey)
	text := encoded(t, old, "s", map[any]any{"a": 1})
	var got map[any]any
	require.NoError(t, codec.Decode("s", text, &got), "of a fallback key")
	require.NoError(t, signer.SetKeys(testKey))
	require.ErrorIs(t, codec.Decode("s", text, &got), cookiestore.ErrTampered)

	text = encoded(t, codec, "s", map[any]any{"a": 1})
	signed, err := signer.Verify("s", text)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), signed.At, 5*time.Second)
	require.Equal(t, "gob.", signed.Payload[:4])
	dated := func(age time.Duration) string { return signer.Sign("s", signed.Payload, time.Now().Add(-age)) }

	const day = 24 * time.Hour
	require.NoError(t, codec.Decode("s", dated(13*day), &got))
	require.ErrorIs(t, codec.Decode("s", dated(15*day), &got), cookiestore.ErrExpired, "two weeks unless set")
	require.ErrorIs(t, codec.Decode("s", dated(-time.Hour), &got), cookiestore.ErrFuture)
	signer.SetMaxAge(time.Hour)
	require.Equal(t, time.Hour, signer.MaxAge())
	require.ErrorIs(t, codec.Decode("s", dated(2*time.Hour), &got), cookiestore.ErrExpired)
	signer.SetMaxAge(0)
	require.NoError(t, codec.Decode("s", dated(365*100*day/4), &got), "no limit")
}

// A site that begins to use a Codec reads the cookies that it has set before.
func TestCodecBesideTheOldCodecs(t *testing.T) {
	codec, _ := newCodec(t, testKey)
	old := securecookie.New(otherKey, nil)
	codecs := []securecookie.Codec{codec, old}
	got := map[any]any{}
	require.NoError(t, securecookie.DecodeMulti("s", encoded(t, old, "s", map[any]any{"a": 1}), &got, codecs...))
	require.Equal(t, map[any]any{"a": 1}, got)
	text, err := securecookie.EncodeMulti("s", got, codecs...)
	require.NoError(t, err)
	require.NoError(t, codec.Decode("s", text, &got), "and writes with the first")
}

func TestCodecOfDjangosSigner(t *testing.T) {
	signer, err := cookiestore.NewDjangoSigner("salt", []byte("secret"))
	require.NoError(t, err)
	codec, err := gorilla.NewCodec(signer)
	require.NoError(t, err)
	got := map[any]any{}
	require.NoError(t, codec.Decode("", encoded(t, codec, "", map[any]any{"é": "\xff"}), &got))
	require.Equal(t, map[any]any{"é": "\xff"}, got)
}

func TestCodecRefuses(t *testing.T) {
	codec, signer := newCodec(t, testKey)
	good := encoded(t, codec, "s", map[any]any{"a": 1})
	now := time.Now()
	swapped := []byte(good)
	swapped[5] ^= 0x20 // in the payload
	asJSON, err := signer.Encode("s", map[string]any{"a": 1})
	require.NoError(t, err)
	into := func() any { return &map[any]any{} }
	for _, test := range []struct {
		name   string
		value  string
		dst    any
		reason error
		text   string
	}{
		{"what was changed", string(swapped), into(), cookiestore.ErrTampered, ""},
		{"what was cut short", good[:len(good)-1], into(), cookiestore.ErrTampered, ""},
		{"what has no signature", "x", into(), cookiestore.ErrMalformed, "no signature"},
		{"what is too long", strings.Repeat("x", cookiestore.MaxCookieSize), into(), cookiestore.ErrTooLarge, "too large: name and value have 4097 bytes, and may have 4096"},
		{"JSON that the Signer has written", asJSON, into(), cookiestore.ErrMalformed, "its payload is not gob"},
		{"what is not base64url", signer.Sign("s", "gob.?", now), into(), cookiestore.ErrMalformed, "its payload is not base64url"},
		{"base64url that isn't canonical", signer.Sign("s", "gob.AB", now), into(), cookiestore.ErrMalformed, "its payload is not base64url"},
		{"what is not gob", signer.Sign("s", "gob.AAAA", now), into(), cookiestore.ErrMalformed, "it can't be decoded as a *map[interface {}]interface {}"},
		{"another type", good, new(string), cookiestore.ErrMalformed, "it can't be decoded as a *string: gob: "},
		{"a destination that isn't a pointer", good, "", cookiestore.ErrMalformed, "it can't be decoded as a string: gob: attempt to decode into a non-pointer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := codec.Decode("s", test.value, test.dst)
			require.ErrorIs(t, err, test.reason)
			require.ErrorContains(t, err, test.text)
			require.True(t, cookiestore.IsRefused(err))
			e, ok := err.(securecookie.Error)
			require.True(t, ok)
			require.True(t, e.IsDecode())
			require.False(t, e.IsUsage())
		})
	}
	require.ErrorIs(t, codec.Decode("other", good, into()), cookiestore.ErrTampered)
	var loose map[string]any
	require.Error(t, signer.Decode("s", good, &loose), "the Signer doesn't take it for its own")
	multi := securecookie.DecodeMulti("s", "x", into(), codec)
	require.True(t, multi.(securecookie.Error).IsDecode(), "as gorilla/sessions asks")
}

// A telltale's own errors hold what it has in it.
type telltale struct{ panics bool }

func (v telltale) GobEncode() ([]byte, error) {
	if v.panics {
		panic("a secret")
	}
	return nil, errors.New("a secret")
}

func TestCodecCannotEncode(t *testing.T) {
	codec, _ := newCodec(t, testKey)
	type unknown struct{ N int }
	for _, test := range []struct {
		name   string
		value  any
		reason error
		text   string
	}{
		{"a type that isn't registered", map[any]any{"x": unknown{}}, nil, "cookiestore/gorilla: a map[interface {}]interface {} can't be encoded: gob: type not registered for interface: gorilla_test.unknown"},
		{"nil", nil, nil, "a <nil> can't be encoded"},
		{"a nil pointer, at which gob panics", (*int)(nil), nil, "a *int can't be encoded: it panicked"},
		{"a value whose method fails", telltale{}, nil, "a gorilla_test.telltale can't be encoded"},
		{"a value whose method panics", telltale{true}, nil, "a gorilla_test.telltale can't be encoded: it panicked"},
		{"more than a cookie holds", map[any]any{"x": strings.Repeat("x", 4000)}, cookiestore.ErrTooLarge, "too large: name and value have "},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := codec.Encode("s", test.value)
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "secret")
			require.Empty(t, text)
			require.Equal(t, test.reason != nil, errors.Is(err, cookiestore.ErrTooLarge))
			require.False(t, cookiestore.IsRefused(err))
			e, ok := err.(securecookie.Error)
			require.True(t, ok)
			require.True(t, e.IsUsage())
			require.False(t, e.IsDecode())
			require.Equal(t, test.reason == nil, e.Cause() != nil)
		})
	}
}

func TestSetMaxLength(t *testing.T) {
	codec, _ := newCodec(t, testKey)
	text := encoded(t, codec, "name", "x")
	size := len("name") + len(text)
	var got string
	for _, test := range []struct {
		limit int
		fits  bool
	}{{size, true}, {size - 1, false}, {0, true}} {
		codec.SetMaxLength(test.limit)
		_, err := codec.Encode("name", "x")
		require.Equal(t, test.fits, err == nil)
		err = codec.Decode("name", text, &got)
		require.Equal(t, test.fits, err == nil)
	}
	codec.SetMaxLength(0)
	long := strings.Repeat("x", 100_000)
	require.NoError(t, codec.Decode("s", encoded(t, codec, "s", long), &got))
	require.Equal(t, long, got)
}

func TestNewCodecNeedsASigner(t *testing.T) {
	codec, err := gorilla.NewCodec(nil)
	require.EqualError(t, err, "cookiestore/gorilla: NewCodec: the Signer is nil")
	require.Nil(t, codec)
}

func TestCookiesAreShorterThanSecurecookies(t *testing.T) {
	codec, _ := newCodec(t, testKey)
	values := map[any]any{"user": 7, "name": "Ankit", "theme": "dark", "next": "/account/home"}
	ours, theirs := len(encoded(t, codec, "s", values)), len(encoded(t, securecookie.New(testKey, nil), "s", values))
	t.Logf("%d and %d bytes", ours, theirs)
	require.Less(t, ours*5, theirs*4)
}

func FuzzCodec(f *testing.F) {
	codec, signer := newCodec(f, testKey)
	f.Add(encoded(f, codec, "s", map[any]any{"user": 7, 8: []any{1.5, "x"}, userKey("k"): true}), false)
	signed, err := signer.Verify("s", encoded(f, codec, "s", map[any]any{"user": map[string]any{"a": 1}}))
	require.NoError(f, err)
	f.Add(signed.Payload, true)
	f.Add("gob.", true)
	f.Add("e30", true)
	f.Fuzz(func(t *testing.T, value string, sign bool) {
		if sign {
			value = signer.Sign("s", value, time.Now())
		}
		values := map[any]any{}
		if err := codec.Decode("s", value, &values); err != nil {
			var e securecookie.Error
			if !errors.As(err, &e) || !e.IsDecode() || !cookiestore.IsRefused(err) {
				t.Fatalf("no refusal: %v", err)
			}
			return
		}
		if again, err := codec.Encode("s", values); err == nil {
			copied := map[any]any{}
			if err := codec.Decode("s", again, &copied); err != nil || len(copied) != len(values) {
				t.Fatalf("can't read what it wrote: %v", err)
			}
		}
	})
}
