package cookiestore

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

var (
	_ securecookie.Codec = (*Signer)(nil)
	_ securecookie.Error = (*cookieError)(nil)

	key1 = bytes.Repeat([]byte("1"), 32)
	key2 = bytes.Repeat([]byte("2"), 32)
	key3 = bytes.Repeat([]byte("3"), 32)

	signedAt = time.Unix(1_800_000_000, 0)
)

func newSigner(tb testing.TB, key []byte, fallbacks ...[]byte) *Signer {
	tb.Helper()
	s, err := NewSigner(key, fallbacks...)
	require.NoError(tb, err)
	s.now = func() time.Time { return signedAt }
	return s
}

func TestSignAndVerify(t *testing.T) {
	s := newSigner(t, key1)
	for _, payload := range []string{"", "e30", ".x", "a:b:c", "any text \x00 at all"} {
		value := s.Sign("sessionid", payload, signedAt)
		require.True(t, strings.HasPrefix(value, payload+":1xocE4:"), value)
		got, err := s.Verify("sessionid", value)
		require.NoError(t, err)
		require.Equal(t, Signed{Payload: payload, At: signedAt, KeyIndex: 0}, got)
	}
	got, err := s.Verify("sessionid", s.Sign("sessionid", "x", time.Unix(-5, 0)))
	require.NoError(t, err)
	require.Equal(t, int64(0), got.At.Unix(), "a time before 1970 counts as 1970")
}

// A value that Django's documentation-style session {"num_visits": 1} has.
func TestDjangoSignature(t *testing.T) {
	s, err := NewDjangoSigner(DjangoCookieSalt, []byte("r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"))
	require.NoError(t, err)
	const want = "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI"
	require.Equal(t, want, s.Sign("any name", "eyJudW1fdmlzaXRzIjoxfQ", time.Unix(1528093791, 0)))
	got, err := s.Verify("another name", want)
	require.NoError(t, err)
	require.Equal(t, Signed{Payload: "eyJudW1fdmlzaXRzIjoxfQ", At: time.Unix(1528093791, 0)}, got)
}

// signText makes a value whose signature is right over any text.
func signText(s *Signer, name, text string) string {
	m := s.macs(name)[0].Get().(*mac)
	return text + ":" + string(m.sign([]byte(text)))
}

func TestVerifyRefuses(t *testing.T) {
	s := newSigner(t, key1)
	good := s.Sign("sessionid", "eyJhIjoxfQ", signedAt)
	signed := func(text string) string { return signText(s, "sessionid", text) }
	_, err := s.Verify("sessionid", signed("e30:1"))
	require.NoError(t, err)

	type refusal struct {
		name, value string
		reason      error
	}
	tests := []refusal{
		{"nothing", "", ErrMalformed},
		{"no colon", "abc", ErrMalformed},
		{"colons alone", "::", ErrTampered},
		{"no timestamp", signed("e30"), ErrMalformed},
		{"an empty timestamp", signed("e30:"), ErrMalformed},
		{"a timestamp with a leading zero", signed("e30:01"), ErrMalformed},
		{"a timestamp with a sign", signed("e30:-1"), ErrMalformed},
		{"a timestamp past int64", signed("e30:" + strings.Repeat("z", 11)), ErrMalformed},
		{"a timestamp of twelve digits", signed("e30:" + strings.Repeat("1", 12)), ErrMalformed},
		{"a timestamp that is not base62", signed("e30:1_0"), ErrMalformed},
		{"an empty signature", good[:strings.LastIndexByte(good, ':')+1], ErrTampered},
		{"a padded signature", good + "=", ErrTampered},
		{"a signature with a line break", good + "\n", ErrTampered},
		{"a longer signature", good + "A", ErrTampered},
		{"a shorter signature", good[:len(good)-1], ErrTampered},
		{"a space before", " " + good, ErrTampered},
		{"another key's signature", newSigner(t, key2).Sign("sessionid", "eyJhIjoxfQ", signedAt), ErrTampered},
		{"a signature for another name", s.Sign("other", "eyJhIjoxfQ", signedAt), ErrTampered},
	}
	for i := range good {
		for _, c := range []byte{'A', 'z', ':', '.', '=', 0, 0xff} {
			if changed := good[:i] + string(c) + good[i+1:]; changed != good {
				tests = append(tests, refusal{fmt.Sprintf("character %d as %q", i, c), changed, ErrTampered})
			}
		}
	}
	for _, test := range tests {
		_, err := s.Verify("sessionid", test.value)
		assert.ErrorIs(t, err, test.reason, test.name)
		assert.True(t, IsRefused(err), test.name)
	}
	// The last character of 32 bytes in base64 has two bits to spare: no other
	// spelling of the same bytes is accepted.
	last := strings.IndexByte(base64URL, good[len(good)-1])
	for spare := 1; spare < 4; spare++ {
		_, err := s.Verify("sessionid", good[:len(good)-1]+string(base64URL[last^spare]))
		require.ErrorIs(t, err, ErrTampered)
	}
}

const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestKeyRotation(t *testing.T) {
	s := newSigner(t, key1)
	requireRotation(t, s.SetKeys, func() string { return s.Sign("n", "x", signedAt) }, func(value string) (int, error) {
		got, err := s.Verify("n", value)
		return got.KeyIndex, err
	})
}

func TestKeysAreReplacedWhileInUse(t *testing.T) {
	s := newSigner(t, key1, key2)
	requireUseWhileKeysAreReplaced(t, s.SetKeys, func(_, i int) bool {
		name := fmt.Sprint("cookie", i%3)
		_, err := s.Verify(name, s.Sign(name, "payload", signedAt))
		return assert.NoError(t, err)
	})
}

func TestSignerAsCodec(t *testing.T) {
	type user struct {
		ID   int
		Name string
	}
	django, err := NewDjangoSigner("salt", []byte("secret"))
	require.NoError(t, err)
	for _, s := range []*Signer{newSigner(t, key1), django} {
		value, err := s.Encode("user", user{7, "Ömer 😀"})
		require.NoError(t, err)
		var got user
		require.NoError(t, s.Decode("user", value, &got))
		require.Equal(t, user{7, "Ömer 😀"}, got)
	}
	value, err := django.Encode("x", map[string]any{"a": "é"})
	require.NoError(t, err)
	v, err := django.Verify("x", value)
	require.NoError(t, err)
	data, err := payload.AppendDecoded(nil, []byte(v.Payload), 100)
	require.NoError(t, err)
	require.Equal(t, `{"a":"\u00e9"}`, string(data))
}

func TestSignerAsCodecRefuses(t *testing.T) {
	s := newSigner(t, key1)
	clock := signedAt
	s.now = func() time.Time { return clock }
	good, err := s.Encode("n", map[string]int{"a": 1})
	require.NoError(t, err)

	for _, test := range []struct {
		name   string
		value  string
		after  time.Duration
		reason error
	}{
		{"what is two weeks old is accepted", good, 14 * 24 * time.Hour, nil},
		{"what is older is expired", good, 14*24*time.Hour + time.Second, ErrExpired},
		{"what is a minute early is accepted", good, -time.Minute, nil},
		{"what is earlier is refused", good, -time.Minute - time.Second, ErrFuture},
		{"what is tampered with is refused", good[1:], 0, ErrTampered},
		{"what is too long is refused", strings.Repeat("x", MaxCookieSize), 0, ErrTooLarge},
		{"what is not base64 is refused", s.Sign("n", "!", signedAt), 0, ErrMalformed},
		{"what is not JSON is refused", s.Sign("n", "e3", signedAt), 0, ErrMalformed},
		{"what is not an object does not fit", s.Sign("n", "W10", signedAt), 0, ErrType},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock = signedAt.Add(test.after)
			var dst map[string]int
			err := s.Decode("n", test.value, &dst)
			if test.reason == nil {
				require.NoError(t, err)
				require.Equal(t, map[string]int{"a": 1}, dst)
				return
			}
			require.ErrorIs(t, err, test.reason)
			require.True(t, IsRefused(err))
		})
	}
	clock = signedAt.Add(100 * 365 * 24 * time.Hour)
	var dst map[string]int
	s.SetMaxAge(0)
	require.NoError(t, s.Decode("n", good, &dst), "no limit")
	s.SetMaxAge(time.Hour)
	require.ErrorIs(t, s.Decode("n", good, &dst), ErrExpired)

	for _, test := range []struct {
		name  string
		value any
		is    error
	}{
		{"a value that JSON can't hold", make(chan int), nil},
		{"a map of gorilla/sessions", map[any]any{"a": 1}, nil},
		{"a value that is too large", incompressible(4000), ErrTooLarge},
		{"a value that compresses and that Decode would refuse", strings.Repeat("x", defaultMaxInflated-1), ErrTooLarge},
	} {
		_, err := s.Encode("n", test.value)
		require.Error(t, err, test.name)
		require.False(t, IsRefused(err), test.name)
		if test.is != nil {
			require.ErrorIs(t, err, test.is, test.name)
		}
	}
	_, err = s.Encode("n", strings.Repeat("x", 4000))
	require.NoError(t, err, "this one compresses")
}

// incompressible returns n different short strings.
func incompressible(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%x", i*i*7919)
	}
	return out
}
