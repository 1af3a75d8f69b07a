package cookiestore

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysOfZeroBytesAreRefused(t *testing.T) {
	zeros := make([]byte, 32)
	one := append(make([]byte, 31), 1)
	signer := newSigner(t, key1)
	django, err := NewDjangoSigner(DjangoCookieSalt, []byte("secret"))
	require.NoError(t, err)
	rows, err := NewDjangoRows([]byte("secret"))
	require.NoError(t, err)
	store, err := New(key1)
	require.NoError(t, err)
	for _, test := range []struct {
		name string
		use  func(key []byte, fallbacks ...[]byte) error
	}{
		{"New", func(key []byte, fallbacks ...[]byte) error {
			_, err := New(key, WithFallbackKeys(fallbacks...))
			return err
		}},
		{"New with WithDjango", func(key []byte, fallbacks ...[]byte) error {
			_, err := New(key, WithDjango(), WithFallbackKeys(fallbacks...))
			return err
		}},
		{"NewSigner", func(key []byte, fallbacks ...[]byte) error {
			_, err := NewSigner(key, fallbacks...)
			return err
		}},
		{"NewDjangoSigner", func(key []byte, fallbacks ...[]byte) error {
			_, err := NewDjangoSigner("salt", key, fallbacks...)
			return err
		}},
		{"NewDjangoRows", func(key []byte, fallbacks ...[]byte) error {
			_, err := NewDjangoRows(key, fallbacks...)
			return err
		}},
		{"a store's SetKeys", store.SetKeys},
		{"a signer's SetKeys", signer.SetKeys},
		{"a Django signer's SetKeys", django.SetKeys},
		{"the rows' SetKeys", rows.SetKeys},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.EqualError(t, test.use(zeros), "cookiestore: the key has only zero bytes: was its buffer ever filled?")
			require.EqualError(t, test.use(key1, key2, zeros), "cookiestore: fallback key 2 has only zero bytes: was its buffer ever filled?")
			require.NoError(t, test.use(one, one))
			require.NoError(t, test.use(bytes.Repeat([]byte{0xff}, 64)))
		})
	}
	_, err = NewDjangoSigner("salt", []byte{0})
	require.Error(t, err)
	_, err = ParseKey(strings.Repeat("00", 32))
	require.NoError(t, err, "the signer says so")
}

func TestKeysThatAreText(t *testing.T) {
	random := make([]byte, 64)
	rand.Read(random)
	for _, test := range []struct {
		name, key string
		want      bool
	}{
		{"hex of 32 bytes", hex.EncodeToString(random[:32]), true},
		{"hex of 64 bytes", hex.EncodeToString(random), true},
		{"hex in capitals", strings.ToUpper(hex.EncodeToString(random[:32])), true},
		{"hex from a file, with its line break", hex.EncodeToString(random[:32]) + "\r\n", true},
		{"base64 from a file, with its line break", base64.StdEncoding.EncodeToString(random[:32]) + "\n", true},
		{"digits alone", strings.Repeat("0123456789", 7)[:64], true},
		{"hex of 31 bytes", hex.EncodeToString(random[:31]), false},
		{"an odd number of hex digits", hex.EncodeToString(random)[:65], false},
		{"hex with another letter", hex.EncodeToString(random)[:63] + "g", false},
		{"hex with a character before the digits", hex.EncodeToString(random)[:63] + "/", false},
		{"hex with a character after the digits", hex.EncodeToString(random)[:63] + ":", false},
		{"hex with a character before the letters", hex.EncodeToString(random)[:63] + "@", false},
		{"base64 of 32 bytes", base64.StdEncoding.EncodeToString(random[:32]), true},
		{"base64url of 32 bytes", base64.URLEncoding.EncodeToString(random[:32]), true},
		{"base64 of 49 bytes", base64.StdEncoding.EncodeToString(random[:49]), true},
		{"base64 of 31 bytes", base64.StdEncoding.EncodeToString(random[:31]), false},
		{"base64 without padding, which a password may be", base64.StdEncoding.EncodeToString(random[:48]), false},
		{"base64 cut short", base64.StdEncoding.EncodeToString(random[:32])[1:], false},
		{"a passphrase that ends in an equals sign", "correct horse battery staple correct horse =", false},
		{"random bytes", string(random[:32]), false},
		{"bytes of one value", strings.Repeat("\xff", 64), false},
	} {
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, isKeyText([]byte(test.key))) })
	}
}

// It takes a process of its own to see what is logged once in a process.
func TestKeyTextIsLoggedOnce(t *testing.T) {
	text := hex.EncodeToString(bytes.Repeat([]byte{0xab, 0x01}, 16))
	if !hasVariable(t, "COOKIESTORE_TEST_KEY_TEXT", "1") {
		return // the other process has tested it
	}
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	parsed, err := ParseKey(text)
	require.NoError(t, err)
	_, err = New(parsed, WithFallbackKeys([]byte(text)))
	require.NoError(t, err)
	_, err = New([]byte(text), WithDjango())
	require.NoError(t, err)
	_, err = NewDjangoRows([]byte(text))
	require.NoError(t, err)
	require.Empty(t, log.String(), "parsed, a fallback key, or any text of Django's")

	_, err = New([]byte(text), WithFallbackKeys(make([]byte, 32)))
	require.Error(t, err)
	require.Empty(t, log.String(), "the keys were not taken")

	for range 2 {
		store, err := New([]byte(text))
		require.NoError(t, err, "it is only a warning")
		require.NoError(t, store.SetKeys([]byte(text)))
		_, err = NewSigner([]byte(text))
		require.NoError(t, err)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "pass it to ParseKey")
	require.NotContains(t, log.String(), text[:8])
}
