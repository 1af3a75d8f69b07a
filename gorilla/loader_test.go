package gorilla_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

func TestLoader(t *testing.T) {
	gobs := securecookie.CodecsFromPairs(testKey, nil, otherKey, otherKey)
	asJSON := securecookie.New(otherKey, nil).SetSerializer(securecookie.JSONEncoder{})
	loader := newLoader(t, append(gobs, asJSON)...)

	for _, test := range []struct {
		name   string
		codec  securecookie.Codec
		values any
		want   string // "" means refused
	}{
		{"signed gob is read", gobs[0], map[any]any{"user": 7, "name": "Ankit", "price": 2.0}, `{"name":"Ankit","price":2.0,"user":7}`},
		{"encrypted gob is read", gobs[1], map[any]any{"user": int64(7)}, `{"user":7}`},
		{"an empty session is read", gobs[0], map[any]any{}, `{}`},
		{"keys that are integers become strings", gobs[0], map[any]any{7: "seven", uint8(8): true}, `{"7":"seven","8":true}`},
		{"long and negative integers keep all their digits", gobs[0],
			map[any]any{int64(-1234567890123): 1, uint64(math.MaxUint64): 2, numberKey(65535): 3}, `{"-1234567890123":1,"18446744073709551615":2,"65535":3}`},
		{"keys of a string type become strings", gobs[0], map[any]any{userKey("user"): 7}, `{"user":7}`},
		{"JSON is read with its numbers", asJSON, map[string]any{"n": int64(1) << 60, "f": 1.5}, `{"f":1.5,"n":1152921504606846976}`},
		{"JSON keeps its bytes", asJSON, json.RawMessage(`{"z":1e2,"a":1.0,"u":"\u00e9","z2":{}}`), `{"z":1e2,"a":1.0,"u":"\u00e9","z2":{}}`},
		{"gob of a map with string keys is read", gobs[0], map[string]any{"user": 7}, `{"user":7}`},
		{"numbers that came through encoding/json as floats are whole again", gobs[0],
			map[any]any{"user": 42.0, "price": 1.5, "cart": []any{map[string]any{"n": 2.0}}, "big": 1e300, "b": true, "z": nil},
			`{"b":true,"big":1e+300,"cart":[{"n":2}],"price":1.5,"user":42,"z":null}`},
		{"floats stay floats beside what encoding/json would not have made", gobs[0],
			map[any]any{"n": 1, "f": 2.0}, `{"f":2.0,"n":1}`},
		{"also if that is deep in a list", gobs[0],
			map[any]any{"a": []any{map[string]any{"n": 1}}, "f": 2.0}, `{"a":[{"n":1}],"f":2.0}`},
		{"floats are whole up to the last integer that is exact", gobs[0],
			map[any]any{"a": float64(1 << 53), "b": -float64(1 << 53), "c": float64(1<<53 + 2)}, `{"a":9007199254740992,"b":-9007199254740992,"c":9007199254740994.0}`},
		{"a cookie of a later codec is read, after one of the same key has failed", asJSON, map[string]any{"a": 1}, `{"a":1}`},
		{"a key that JSON can't have is refused", gobs[0], map[any]any{1.5: "x"}, ""},
		{"two keys that would be one are refused", gobs[0], map[any]any{"7": "x", 7: "y"}, ""},
		{"a value that JSON can't hold is refused", gobs[0], map[any]any{"x": complex(1, 2)}, ""},
		{"a string that is not UTF-8 is refused", gobs[0], map[any]any{"x": "\x1f\x8b"}, ""},
		{"a list is refused", asJSON, []int{1}, ""},
		{"null is refused", asJSON, nil, ""},
		{"another key is refused", securecookie.New(bytes.Repeat([]byte("z"), 32), nil), map[any]any{"a": 1}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Now()
			rec, err := loader.Load(t.Context(), "sessionid", encoded(t, test.codec, "sessionid", test.values))
			if test.want == "" {
				require.True(t, cookiestore.IsRefused(err))
				require.Equal(t, cookiestore.Record{}, rec)
				return
			}
			require.NoError(t, err)
			require.WithinDuration(t, now, rec.Saved, 5*time.Second)
			rec.Saved = time.Time{}
			require.Equal(t, cookiestore.Record{Data: test.want}, rec)
		})
	}
}

// The cookie is one that gorilla/sessions v1.4.0 has set.
func TestLoaderReadsARealCookie(t *testing.T) {
	const waiting = "MTc5NTIyNTM5MHxEWDhFQVFMX2dBQUJFQUVRQUFCS180QUFBZ1p6ZEhKcGJtY01DUUFIZFhObGNsOXBaQU5wYm5RRUFnQlVCbk4wY21sdVp3d0lBQVpmWm14aGMyZ09XMTFwYm5SbGNtWmhZMlVnZTMzX2dRSUJBdi1DQUFFUUFBQWRfNElhQUFFR2MzUnlhVzVuREE4QURWZGxiR052YldVZ1ltRmpheTQ9fCwu8dTgPGz2tHmxGFlbVqyzugH_NEVlGaE5l01klhhs"
	loader := newLoader(t, securecookie.New([]byte("thirty-two bytes for hash keys!!"), nil).MaxAge(0))
	rec, err := loader.Load(t.Context(), "shop-session", waiting)
	require.NoError(t, err)
	require.Equal(t, cookiestore.Record{
		Data:  `{"_flash":["Welcome back."],"user_id":42}`,
		Saved: time.Date(2026, 11, 21, 1, 43, 10, 0, time.UTC).Local(),
	}, rec)
}

func TestLoaderRefusals(t *testing.T) {
	codec := securecookie.New(testKey, nil)
	encrypted := securecookie.New(otherKey, otherKey)
	good := encoded(t, codec, "sessionid", map[any]any{"a": 1})
	asJSON := securecookie.New(testKey, nil).SetSerializer(securecookie.JSONEncoder{})
	nulls := securecookie.New(testKey, nil).SetSerializer(oneType{func(_ string, dst any) error {
		if values, ok := dst.(*map[any]any); ok {
			*values = nil
		}
		return nil
	}})
	for _, test := range []struct {
		name   string
		codecs []securecookie.Codec
		value  string
		reason error // nil for none
		text   string
	}{
		{"signed with another key", []securecookie.Codec{encrypted}, good, cookiestore.ErrTampered,
			"cookiestore/gorilla: cookie refused: signature does not match: securecookie: the value is not valid"},
		{"of another name", []securecookie.Codec{codec}, encoded(t, codec, "other", map[any]any{"a": 1}), cookiestore.ErrTampered, "the value is not valid"},
		{"not base64", []securecookie.Codec{codec}, "?", nil, "base64 decode failed"},
		{"longer than the codec takes", []securecookie.Codec{securecookie.New(testKey, nil).MaxLength(20)}, good, nil, "the value is too long"},
		{"older than the codec's age", []securecookie.Codec{codec}, dated(t, good, testKey, "sessionid", time.Now().AddDate(0, 0, -31)),
			cookiestore.ErrExpired, "securecookie: expired timestamp"},
		{"newer than the codec takes", []securecookie.Codec{securecookie.New(testKey, nil).MinAge(3600)}, good, nil, "securecookie: timestamp is too new"},
		{"older than the first codec's age, and of no other codec", []securecookie.Codec{codec, encrypted},
			dated(t, good, testKey, "sessionid", time.Now().AddDate(0, 0, -31)), cookiestore.ErrExpired, "expired timestamp"},
		{"older than the last codec's age, and of no other codec", []securecookie.Codec{encrypted, codec},
			dated(t, good, testKey, "sessionid", time.Now().AddDate(0, 0, -31)), cookiestore.ErrExpired, "expired timestamp"},
		{"not a map, but a string", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", `{"user":4711}`), cookiestore.ErrMalformed, "can't decode it as a map: gob: "},
		{"JSON that is null", []securecookie.Codec{asJSON}, encoded(t, asJSON, "sessionid", nil), cookiestore.ErrMalformed, "malformed: not a JSON object"},
		{"of a type that gob doesn't know", []securecookie.Codec{codec}, unregistered(t), cookiestore.ErrMalformed,
			`malformed: *securecookie.SecureCookie can't decode it as a map: gob: name not registered for interface: "shop.Cart"`},
		{"encrypted with another key", []securecookie.Codec{securecookie.New(otherKey, testKey)}, encoded(t, encrypted, "sessionid", map[any]any{"a": 1}),
			cookiestore.ErrMalformed, "can't decode it as a map"},
		{"JSON that isn't an object", []securecookie.Codec{asJSON}, encoded(t, asJSON, "sessionid", "a secret"), cookiestore.ErrMalformed, "malformed: not a JSON object"},
		{"JSON that is not UTF-8", []securecookie.Codec{asJSON}, encoded(t, securecookie.New(testKey, nil).SetSerializer(securecookie.NopEncoder{}), "sessionid", []byte("{\"a\":\"\xff\"}")),
			cookiestore.ErrMalformed, "malformed: not UTF-8"},
		{"a null in gob's place", []securecookie.Codec{nulls}, encoded(t, nulls, "sessionid", "x"), cookiestore.ErrMalformed, "can't decode it as a map"},
		{"with a key that JSON can't have", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{[2]int{4711, 4711}: 1}),
			nil, "session has a key of type [2]int, which can't be a key in JSON"},
		{"with two keys that are one in JSON", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"user": 1, userKey("user"): 1}),
			nil, `session has two keys that would both be "user" in JSON, one of type `},
		{"with a key that is not UTF-8", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"\xff": 1}),
			nil, "session has a key that is not UTF-8"},
		{"with a value that JSON can't hold", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"z": complex(4711, 0), "ok": 1}),
			nil, `the value under "z", of type complex128, can't be JSON: JSON has no complex128`},
		{"with a string that is not UTF-8", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"gzip": "4711\x1f\x8b"}),
			nil, `the value under "gzip", of type string, can't be JSON: it has a string that is not UTF-8`},
		{"with a value whose method fails", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"x": failing{}}),
			nil, `the value under "x", of type gorilla_test.failing, can't be JSON`},
		{"with a value whose method panics", []securecookie.Codec{codec}, encoded(t, codec, "sessionid", map[any]any{"x": failing{true}}),
			nil, `the value under "x", of type gorilla_test.failing, can't be JSON: it panicked`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newLoader(t, test.codecs...).Load(t.Context(), "sessionid", test.value)
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "4711")
			require.True(t, cookiestore.IsRefused(err))
			for _, reason := range []error{cookiestore.ErrTampered, cookiestore.ErrMalformed, cookiestore.ErrExpired} {
				require.Equal(t, reason == test.reason, errors.Is(err, reason), "%v", reason)
			}
			var e securecookie.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.IsDecode())
			require.False(t, e.IsUsage())
			require.False(t, e.IsInternal())
			require.NotContains(t, e.(interface{ Unwrap() []error }).Unwrap(), nil)
		})
	}
}

func TestWhatASerializerSaysIsKeptAndNotShown(t *testing.T) {
	telling := oneType{func(text string, _ any) error { return errors.New(text) }}
	codec := securecookie.New(testKey, nil).SetSerializer(telling)
	_, err := newLoader(t, codec).Load(t.Context(), "s", encoded(t, codec, "s", "a secret"))
	require.EqualError(t, err, "cookiestore/gorilla: cookie refused: malformed: *securecookie.SecureCookie can't decode it as a map")
	var e securecookie.Error
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, e.Cause(), "a secret")
}

func TestNewLoaderRefuses(t *testing.T) {
	signer, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	good := securecookie.New(testKey, nil)
	for _, test := range []struct {
		name   string
		codecs []securecookie.Codec
		want   string
	}{
		{"no codec", nil, "NewLoader needs a codec, and there is none"},
		{"a nil codec", []securecookie.Codec{good, nil}, "codec 1 of NewLoader is nil"},
		{"a nil pointer", []securecookie.Codec{(*securecookie.SecureCookie)(nil)}, "codec 0 of NewLoader is nil"},
		{"a codec without a hash key", securecookie.CodecsFromPairs([]byte("")), "codec 0 of NewLoader has no usable key: securecookie: hash key is not set"},
		{"a codec with a block key of a wrong size", []securecookie.Codec{good, securecookie.New(testKey, testKey[:15])},
			"codec 1 of NewLoader has no usable key: securecookie: error - caused by: crypto/aes: invalid key size 15"},
		{"a Signer", []securecookie.Codec{signer}, "codec 0 of NewLoader has the cookies of a Signer: read them with cookiestore.NewWithCodec(signer), which knows when it signed them"},
		{"a JSONCodec", []securecookie.Codec{newJSONCodec(t, signer)}, "codec 0 of NewLoader has the cookies of a Signer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			loader, err := gorilla.NewLoader(test.codecs...)
			require.ErrorContains(t, err, "cookiestore/gorilla: "+test.want)
			require.False(t, cookiestore.IsRefused(err))
			var e securecookie.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.IsUsage())
			_, err = cookiestore.New(testKey, cookiestore.WithLegacy(loader))
			require.Error(t, err, "also if the error is ignored")
		})
	}
	codecs := []securecookie.Codec{good}
	loader := newLoader(t, codecs...)
	codecs[0] = nil
	_, err = loader.Load(t.Context(), "s", encoded(t, good, "s", map[any]any{}))
	require.NoError(t, err, "the caller may use the slice again")
}

func TestOptionsOfTheSitesCodecsHold(t *testing.T) {
	make512 := func() *securecookie.SecureCookie {
		return securecookie.New(testKey, otherKey).HashFunc(sha512.New).MaxLength(0).SetSerializer(securecookie.JSONEncoder{})
	}
	long := string(bytes.Repeat([]byte("x"), 5000))
	rec, err := newLoader(t, make512()).Load(t.Context(), "s", encoded(t, make512(), "s", map[string]any{"a": long}))
	require.NoError(t, err)
	require.Equal(t, `{"a":"`+long+`"}`, rec.Data)
}

func TestASerializerThatKnowsOneTypeAloneIsNoPanic(t *testing.T) {
	picky := securecookie.New(testKey, nil).SetSerializer(pickySerializer{})
	rec, err := newLoader(t, picky).Load(t.Context(), "s", encoded(t, picky, "s", `{"user":7}`))
	require.NoError(t, err)
	require.Equal(t, `{"user":7}`, rec.Data)

	_, err = newLoader(t, picky).Load(t.Context(), "s", encoded(t, picky, "s", "nonsense"))
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	require.True(t, cookiestore.IsRefused(err))
}

// oneType is a serializer that decodes strings into one type, and does nothing or panics
// for others.
type oneType struct {
	decode func(text string, dst any) error
}

func (oneType) Serialize(v any) ([]byte, error)          { return []byte(v.(string)), nil }
func (s oneType) Deserialize(text []byte, dst any) error { return s.decode(string(text), dst) }

func TestSerializersOfOneType(t *testing.T) {
	for _, test := range []struct {
		name   string
		decode func(text string, dst any) error
		want   string // "" means refused
	}{
		{"of maps with string keys", func(text string, dst any) error { (*dst.(*map[string]any)) = map[string]any{"a": text}; return nil }, `{"a":"x"}`},
		{"that fails for one and ignores the others", func(_ string, dst any) error {
			if _, ok := dst.(*map[any]any); ok {
				return errors.New("not this one")
			}
			return nil
		}, ""},
		{"that panics for all", func(string, any) error { panic("a secret") }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			codec := securecookie.New(testKey, nil).SetSerializer(oneType{test.decode})
			rec, err := newLoader(t, codec).Load(t.Context(), "s", encoded(t, codec, "s", "x"))
			require.Equal(t, test.want == "", cookiestore.IsRefused(err))
			require.Equal(t, test.want, rec.Data)
			if err != nil {
				require.NotContains(t, err.Error(), "secret")
			}
		})
	}
}

// A site's cookies expire as the session does: the time that securecookie signed counts.
func TestTheTimeOfSecurecookieCounts(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	const day = 24 * time.Hour
	for _, kind := range []struct {
		name  string
		codec *securecookie.SecureCookie
		value any
	}{
		{"signed gob", securecookie.New(testKey, nil), map[any]any{"user": 7}},
		{"encrypted gob", securecookie.New(testKey, otherKey), map[any]any{"user": 7}},
		{"signed JSON", securecookie.New(testKey, nil).SetSerializer(securecookie.JSONEncoder{}), map[string]any{"user": 7}},
		{"encrypted JSON", securecookie.New(testKey, otherKey).SetSerializer(securecookie.JSONEncoder{}), map[string]any{"user": 7}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			store, err := cookiestore.New(otherKey, cookiestore.WithLegacy(newLoader(t, kind.codec)))
			require.NoError(t, err)
			cookie := encoded(t, kind.codec, "sessionid", kind.value)
			for _, test := range []struct {
				name    string
				age     time.Duration
				options []cookiestore.Option
				reason  error // nil: the session is read
			}{
				{"of today", 0, nil, nil},
				{"of 13 days", 13 * day, nil, nil},
				{"of 20 days, which is more than the default age", 20 * day, nil, cookiestore.ErrExpired},
				{"of 20 days with an age of 21", 20 * day, []cookiestore.Option{cookiestore.WithMaxAge(21 * day)}, nil},
				{"of 2 hours with an age of 1", 2 * time.Hour, []cookiestore.Option{cookiestore.WithMaxAge(time.Hour)}, cookiestore.ErrExpired},
				{"of 2 hours with a lifetime of 1", 2 * time.Hour, []cookiestore.Option{cookiestore.WithLifetime(time.Hour)}, cookiestore.ErrExpired},
				{"of 2 hours with a lifetime of 3", 2 * time.Hour, []cookiestore.Option{cookiestore.WithLifetime(3 * time.Hour)}, nil},
				{"of tomorrow", -day, nil, cookiestore.ErrFuture},
				{"of 31 days, which is more than the codec's own age", 31 * day, []cookiestore.Option{cookiestore.WithMaxAge(60 * day)}, cookiestore.ErrExpired},
			} {
				t.Run(test.name, func(t *testing.T) {
					m, err := cookiestore.NewManager(store, append(test.options, quiet, cookiestore.WithClock(func() time.Time { return now }))...)
					require.NoError(t, err)
					s, err := m.Load(t.Context(), "sessionid="+dated(t, cookie, testKey, "sessionid", now.Add(-test.age)))
					require.NoError(t, err)
					require.ErrorIs(t, s.Refused(), test.reason)
					require.Equal(t, cookiestore.Get(s, "user", 0) == 7, test.reason == nil)
				})
			}
		})
	}
}

// What a handler has said of the expiry counts from when the old site saved.
func TestSetExpiryHoldsForOldCookies(t *testing.T) {
	codec := securecookie.New(testKey, nil).MaxAge(0)
	values := map[any]any{"user": 7, cookiestore.ExpiryKey: 3600}
	now := time.Now().Truncate(time.Second)
	for age, reason := range map[time.Duration]error{time.Hour: nil, time.Hour + time.Second: cookiestore.ErrExpired} {
		rec, err := newLoader(t, codec).Load(t.Context(), "s", dated(t, encoded(t, codec, "s", values), testKey, "s", now.Add(-age)))
		require.NoError(t, err)
		require.Equal(t, now.Add(-age), rec.Saved)
		require.ErrorIs(t, rec.Check(14*24*time.Hour, now), reason)
	}
}

// Once the session is saved, its age begins anew, but not its lifetime.
func TestTheLifetimeGoesOnAfterTheMove(t *testing.T) {
	codec := securecookie.New(testKey, nil)
	store, err := cookiestore.New(otherKey, cookiestore.WithLegacy(newLoader(t, codec)))
	require.NoError(t, err)
	now := time.Now().Truncate(time.Second)
	m, err := cookiestore.NewManager(store, cookiestore.WithLifetime(10*time.Hour), quiet, cookiestore.WithClock(func() time.Time { return now }))
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid="+dated(t, encoded(t, codec, "sessionid", map[any]any{"user": 7}), testKey, "sessionid", now.Add(-8*time.Hour)))
	require.NoError(t, err)
	require.Equal(t, 7, s.Get("user"))
	cookies, err := m.Save(t.Context(), s)
	require.NoError(t, err)
	require.Len(t, cookies, 1)
	require.Equal(t, 2*60*60, cookies[0].MaxAge)
}

// A visitor's old cookie becomes a new one at the next reading.
func TestOldCookiesAreWrittenAnew(t *testing.T) {
	codec := securecookie.New(testKey, nil)
	store, err := cookiestore.New(otherKey, cookiestore.WithLegacy(newLoader(t, codec)))
	require.NoError(t, err)
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid="+encoded(t, codec, "sessionid", map[any]any{"user": 7}))
	require.NoError(t, err)
	require.Equal(t, 7, s.Get("user"))
	cookies, err := m.Save(t.Context(), s)
	require.NoError(t, err)
	require.Len(t, cookies, 1)
	after, err := cookiestore.New(otherKey)
	require.NoError(t, err)
	rec, err := after.Load(t.Context(), "sessionid", cookies[0].Value)
	require.NoError(t, err)
	require.Equal(t, `{"user":7}`, rec.Data)
	require.False(t, rec.Resave)
}

// foreign is a codec of a site's own, which verifies when it decodes.
type foreign struct{ inner *securecookie.SecureCookie }

func (f foreign) Encode(name string, v any) (string, error) { return f.inner.Encode(name, v) }
func (f foreign) Decode(name, value string, dst any) error  { return f.inner.Decode(name, value, dst) }

func TestCodecsThatCannotTellTheTime(t *testing.T) {
	codec := foreign{securecookie.New(testKey, nil)}
	loader := newLoader(t, codec, securecookie.New(otherKey, nil))
	good := encoded(t, codec, "s", map[any]any{"user": 7})
	rec, err := loader.Load(t.Context(), "s", good)
	require.NoError(t, err)
	require.Equal(t, cookiestore.Record{Data: `{"user":7}`}, rec)

	_, err = loader.Load(t.Context(), "other", good)
	require.True(t, cookiestore.IsRefused(err))
	require.NotErrorIs(t, err, cookiestore.ErrMalformed, "nobody has verified it")

	loader = newLoader(t, securecookie.New(otherKey, nil), codec)
	_, err = loader.Load(context.Background(), "s", dated(t, good, testKey, "s", time.Now().AddDate(0, 0, -31)))
	require.True(t, cookiestore.IsRefused(err), "its own age holds")
}

func TestStoresReadWhatACodecWroteForGorilla(t *testing.T) {
	codec, signer := newCodec(t, testKey)
	store, err := cookiestore.New(testKey, cookiestore.WithLegacy(newLoader(t, codec)))
	require.NoError(t, err)
	signed, err := signer.Verify("s", encoded(t, codec, "s", map[any]any{"user": 7, userKey("theme"): "dark"}))
	require.NoError(t, err)
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	rec, err := store.Load(t.Context(), "s", signer.Sign("s", signed.Payload, at))
	require.NoError(t, err)
	require.Equal(t, cookiestore.Record{Data: `{"theme":"dark","user":7}`, Saved: at, Resave: true}, rec)

	_, err = store.Load(t.Context(), "s", signer.Sign("s", signed.Payload, at.AddDate(0, 0, -14)))
	require.ErrorIs(t, err, cookiestore.ErrExpired)
	require.NotErrorIs(t, err, cookiestore.ErrMalformed)
	_, err = store.Load(t.Context(), "s", signer.Sign("s", "gob.AAAA", at))
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	require.ErrorContains(t, err, "*gorilla.Codec can't decode it as a map")

	without, err := cookiestore.New(testKey)
	require.NoError(t, err)
	_, err = without.Load(t.Context(), "s", signer.Sign("s", signed.Payload, at))
	require.ErrorIs(t, err, cookiestore.ErrMalformed, "only with the Loader")
}

func FuzzLoader(f *testing.F) {
	asJSON := func() *securecookie.SecureCookie {
		return securecookie.New(testKey, nil).SetSerializer(securecookie.JSONEncoder{})
	}
	for _, c := range []struct {
		codec securecookie.Codec
		value any
	}{
		{securecookie.New(testKey, nil), map[any]any{"user": 7, 8: []any{1.5, "x", nil}, userKey("k"): true}},
		{securecookie.New(testKey, nil), map[string]any{"user": 42.0}},
		{asJSON(), map[string]any{"a": []int{1}, "b": "\ufffd"}},
		{asJSON(), []int{1}},
	} {
		cookie := encoded(f, c.codec, "s", c.value)
		f.Add([]byte(cookie), false)
		text, err := base64.URLEncoding.DecodeString(cookie)
		require.NoError(f, err)
		serialized, err := base64.URLEncoding.DecodeString(string(bytes.SplitN(text, []byte("|"), 3)[1]))
		require.NoError(f, err)
		f.Add(serialized, true)
	}
	f.Add([]byte(`{"a":1,"a":2}`), true)
	f.Add([]byte("1|2|3"), false)

	raw := securecookie.New(testKey, nil).MaxLength(0).SetSerializer(securecookie.NopEncoder{})
	loader := newLoader(f, securecookie.New(testKey, nil).MaxLength(0), asJSON().MaxLength(0))
	f.Fuzz(func(t *testing.T, input []byte, sign bool) {
		value := string(input)
		if sign { // hostile, but with the site's key: it reaches the serializers
			value = encoded(t, raw, "s", input)
		}
		rec, err := loader.Load(t.Context(), "s", value)
		if err != nil {
			if !cookiestore.IsRefused(err) || sign && errors.Is(err, cookiestore.ErrTampered) {
				t.Fatalf("no refusal, or the wrong one: %v", err)
			}
			return
		}
		if !json.Valid([]byte(rec.Data)) || rec.Data[0] != '{' {
			t.Fatalf("not a JSON object: %q", rec.Data)
		}
		if sign && time.Since(rec.Saved) > time.Minute {
			t.Fatalf("saved at %v", rec.Saved)
		}
		// What a store would save of it, it can read.
		rec.Saved = time.Now()
		if err := rec.Check(time.Hour, time.Now()); err != nil && !errors.Is(err, cookiestore.ErrExpired) && !bytes.Contains([]byte(rec.Data), []byte(cookiestore.ExpiryKey)) {
			t.Fatalf("not a session: %v", err)
		}
	})
}
