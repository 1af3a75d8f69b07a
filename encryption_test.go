package cookiestore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

func newEncrypter(tb testing.TB, key []byte, fallbacks ...[]byte) *Encrypter {
	tb.Helper()
	e, err := NewEncrypter(key, fallbacks...)
	require.NoError(tb, err)
	return e
}

func newEncryptedStore(tb testing.TB, key []byte, options ...StoreOption) *CookieStore {
	tb.Helper()
	store, err := New(key, append(options, WithEncryption())...)
	require.NoError(tb, err)
	return store
}

// seal makes a cookie of any plaintext, as the documentation of Encrypter says, with
// the standard library's HKDF.
func seal(tb testing.TB, secret []byte, name string, plaintext []byte) string {
	tb.Helper()
	header := append([]byte{1}, bytes.Repeat([]byte{7}, 16)...)
	context := string(header) + name
	key, err := hkdf.Key(sha256.New, secret, []byte("cookiestore:encryption"), context, 32)
	require.NoError(tb, err)
	block, err := aes.NewCipher(key)
	require.NoError(tb, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(tb, err)
	return payload.Base64.EncodeToString(aead.Seal(header, nil, plaintext, []byte(context)))
}

func TestEncryptAndDecrypt(t *testing.T) {
	e := newEncrypter(t, key1)
	for _, size := range []int{0, 1, 30, 31, 32, 33, 63, 64, 145, 1000, 3000, 70_000} {
		data := strings.Repeat("d", size)
		value := e.Encrypt("sessionid", data, signedAt)
		got, err := e.Decrypt("sessionid", value)
		require.NoError(t, err)
		require.Equal(t, Decrypted{Data: data, At: signedAt}, got)
		require.Len(t, value, payload.Base64.EncodedLen(53+(size+1+31)/32*32), "%d bytes", size)
		require.NotContains(t, string(must(payload.Base64.DecodeString(value))), "dddddddd")
	}
	got, err := e.Decrypt("n", e.Encrypt("n", "any text \x00 at all\x00\x00", time.Unix(-5, 0)))
	require.NoError(t, err)
	require.Equal(t, Decrypted{Data: "any text \x00 at all\x00\x00", At: time.Unix(0, 0)}, got, "a time before 1970 counts as 1970")

	got, err = e.Decrypt("n", e.Encrypt("n", "{}", time.Unix(math.MaxInt64, 0)))
	require.NoError(t, err)
	require.Equal(t, int64(payload.MaxTimestamp), got.At.Unix(), "one past the year 9999 counts as its end")
}

func TestNoTwoEncryptedCookiesAreAlike(t *testing.T) {
	e := newEncrypter(t, key1)
	random, nonces := map[string]bool{}, map[string]bool{}
	var ever [29]byte // the bits that were ever set
	for range 1000 {
		raw := must(payload.Base64.DecodeString(e.Encrypt("sessionid", `{"a":1}`, signedAt)))
		random[string(raw[1:17])] = true
		nonces[string(raw[17:29])] = true
		for i := range ever {
			ever[i] |= raw[i]
		}
	}
	require.Len(t, random, 1000)
	require.Len(t, nonces, 1000)
	require.Equal(t, append([]byte{1}, bytes.Repeat([]byte{0xff}, 28)...), ever[:], "all of it is random but the version")
}

func TestDecryptBoundsWhatItInflates(t *testing.T) {
	e := newEncrypter(t, key1)
	bomb := func(size int) string {
		value, err := e.append(nil, "n", bytes.Repeat([]byte("x"), size), signedAt, payload.Compression{})
		require.NoError(t, err)
		return string(value)
	}
	got, err := e.Decrypt("n", bomb(64<<10))
	require.NoError(t, err)
	require.Len(t, got.Data, 64<<10)
	got, err = e.Decrypt("n", bomb(64<<10+1))
	require.ErrorIs(t, err, ErrTooLarge)
	require.True(t, IsRefused(err))
	require.Equal(t, Decrypted{}, got)
}

// Vectors made by an independent implementation, interop/testdata/encrypted_cookies.py.
func TestEncryptedVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/encrypted.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Why, Name, Value string
			Keys             []string
			Valid            bool
			Data             string
			At               int64
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	reasons := map[string]int{}
	for _, v := range file.Vectors {
		key, fallbacks := hexKeys(t, v.Keys[0], v.Keys[1:]...)
		got, err := newEncrypter(t, key, fallbacks...).Decrypt(v.Name, v.Value)
		rec, storeErr := newEncryptedStore(t, key, WithFallbackKeys(fallbacks...)).Load(t.Context(), v.Name, v.Value)
		if !v.Valid {
			assert.True(t, IsRefused(err), "%s: %v", v.Why, err)
			assert.Empty(t, got.Data, v.Why)
			assert.Equal(t, err, storeErr, v.Why)
			assert.Empty(t, rec, v.Why)
			reasons[reasonOf(err)]++
			continue
		}
		require.NoError(t, err, v.Why)
		require.Equal(t, v.Data, got.Data, v.Why)
		require.Equal(t, v.At, got.At.Unix(), v.Why)
		reasons["accepted"]++
		if len(v.Name)+len(v.Value) <= MaxCookieSize {
			require.NoError(t, storeErr, v.Why)
			require.Equal(t, Record{Data: got.Data, Saved: got.At, Resave: got.KeyIndex > 0}, rec, v.Why)
		}
		require.Equal(t, strings.Contains(v.Why, "fallback"), got.KeyIndex > 0, v.Why)
	}
	require.Equal(t, map[string]int{"accepted": 20, "malformed": 59, "tampered": 53}, reasons)
}

// Each bit of 100 cookies is changed, and each cookie is cut at each place.
func TestEncryptedCookiesAreRefusedOnceTouched(t *testing.T) {
	e := newEncrypter(t, key1, key2)
	cookies := 100
	if testing.Short() {
		cookies = 3
	}
	for i := range cookies {
		value := e.Encrypt("sessionid", strings.Repeat("x", i), signedAt)
		raw, err := payload.Base64.DecodeString(value)
		require.NoError(t, err)
		for bit := range 8 * len(raw) {
			raw[bit/8] ^= 1 << (bit % 8)
			requireRefused(t, e, payload.Base64.EncodeToString(raw))
			raw[bit/8] ^= 1 << (bit % 8)
		}
		text := []byte(value)
		for bit := range 8 * len(text) {
			text[bit/8] ^= 1 << (bit % 8)
			requireRefused(t, e, string(text))
			text[bit/8] ^= 1 << (bit % 8)
		}
		for size := range raw {
			requireRefused(t, e, payload.Base64.EncodeToString(raw[:size]))
			requireRefused(t, e, payload.Base64.EncodeToString(raw[size+1:]))
		}
		for size := range value {
			requireRefused(t, e, value[:size])
		}
		_, err = e.Decrypt("sessionid", value)
		require.NoError(t, err, "untouched")
	}
}

// requireRefused is made to be called often: it does nothing slow unless it fails.
func requireRefused(t *testing.T, e *Encrypter, value string) {
	t.Helper()
	if got, err := e.Decrypt("sessionid", value); !IsRefused(err) || got != (Decrypted{}) {
		t.Fatalf("%s is accepted: %v", value, err)
	}
}

func TestDecryptRefuses(t *testing.T) {
	e := newEncrypter(t, key1)
	good := e.Encrypt("sessionid", `{"a":1}`, signedAt)
	raw, err := payload.Base64.DecodeString(good)
	require.NoError(t, err)
	with := func(at uint64, data string) []byte {
		text := []byte{byte(at >> 56), 0, 0, 0, 0, 0, 0, 5}
		return append(append(text, data...), make([]byte, 32-len(data))...)
	}
	accepted, err := e.Decrypt("sessionid", seal(t, key1, "sessionid", with(0, "{}\x01")))
	require.NoError(t, err, "the test's own cookies have the right form")
	require.Equal(t, Decrypted{Data: "{}", At: time.Unix(5, 0)}, accepted)

	for _, test := range []struct {
		name, value string
		reason      error
		says        string
	}{
		{"nothing", "", ErrMalformed, "no encrypted cookie has 0 bytes"},
		{"53 bytes, which would hold nothing", payload.Base64.EncodeToString(raw[:53]), ErrMalformed, "no encrypted cookie has 53 bytes"},
		{"84 bytes", payload.Base64.EncodeToString(raw[:84]), ErrMalformed, "no encrypted cookie has 84 bytes"},
		{"less than any has", payload.Base64.EncodeToString(raw[:21]), ErrMalformed, "no encrypted cookie has 21 bytes"},
		{"another version", payload.Base64.EncodeToString(append([]byte{2}, raw[1:]...)), ErrMalformed, "version 2 of encrypted cookies is unknown"},
		{"what is not base64", good[:50] + "*" + good[51:], ErrMalformed, "an encrypted cookie is base64url"},
		{"a line break", good[:50] + "\n" + good[50:], ErrMalformed, "an encrypted cookie is base64url"},
		{"a signed cookie", newSigner(t, key1).Sign("sessionid", "e30", signedAt), ErrMalformed, "it looks like a signed cookie, and only encrypted ones are accepted"},
		{"a colon first", ":" + good, ErrMalformed, "it looks like a signed cookie"},
		{"another name's cookie", e.Encrypt("session", "{}", signedAt), ErrTampered, "no key decrypts it"},
		{"another key's cookie", newEncrypter(t, key2).Encrypt("sessionid", "{}", signedAt), ErrTampered, "no key decrypts it"},
		{"a time past int64", seal(t, key1, "sessionid", with(1<<63, "{}\x01")), ErrMalformed, "the time is out of range"},
		{"padding alone", seal(t, key1, "sessionid", with(0, "")), ErrMalformed, "too much padding"},
		{"a block of padding too many", seal(t, key1, "sessionid", append(with(0, strings.Repeat("x", 31)+"\x01"), make([]byte, 32)...)), ErrMalformed, "too much padding"},
		{"an unknown form", seal(t, key1, "sessionid", with(0, "{}~")), ErrMalformed, "form 126 of the data is unknown"},
		{"a damaged zlib stream", seal(t, key1, "sessionid", with(0, "{}\x02")), ErrMalformed, "payload is not a zlib stream"},
	} {
		got, err := e.Decrypt("sessionid", test.value)
		assert.ErrorIs(t, err, test.reason, test.name)
		assert.ErrorContains(t, err, test.says, test.name)
		assert.True(t, IsRefused(err), test.name)
		assert.Equal(t, Decrypted{}, got, test.name)
	}
}

func TestEncryptedKeyRotation(t *testing.T) {
	e := newEncrypter(t, key1)
	requireRotation(t, e.SetKeys, func() string { return e.Encrypt("n", "x", signedAt) }, func(value string) (int, error) {
		got, err := e.Decrypt("n", value)
		return got.KeyIndex, err
	})

	_, err := NewEncrypter(key1[:31])
	require.ErrorContains(t, err, "the key has 31 bytes, and must have at least 32 random ones")
}

func TestEncryptionKeysAreReplacedWhileInUse(t *testing.T) {
	e := newEncrypter(t, key1, key2)
	requireUseWhileKeysAreReplaced(t, e.SetKeys, func(worker, i int) bool {
		name, data := fmt.Sprint("cookie", i%3), fmt.Sprint("of ", worker, ": ", i)
		got, err := e.Decrypt(name, e.Encrypt(name, data, signedAt))
		return assert.NoError(t, err) && assert.Equal(t, data, got.Data)
	})
	e.Encrypt("a", "", signedAt)
	e.Encrypt("b", "", signedAt)
	require.Len(t, *e.keys.current.Load().byName.Load(), 1, "one state serves all names")
}

func TestStoreWithEncryption(t *testing.T) {
	save := func(store *CookieStore, data string) (string, error) {
		value, _, err := store.Save(t.Context(), "sessionid", Record{Data: data, Saved: signedAt})
		return value, err
	}
	mustSave := func(store *CookieStore, data string) string {
		value, err := save(store, data)
		require.NoError(t, err)
		return value
	}
	t.Run("a cookie of a fallback key is read and written anew", func(t *testing.T) {
		value := mustSave(newEncryptedStore(t, key2), `{"a":1}`)
		store := newEncryptedStore(t, key1, WithFallbackKeys(key3, key2))
		rec, err := store.Load(t.Context(), "sessionid", value)
		require.NoError(t, err)
		require.Equal(t, Record{Data: `{"a":1}`, Saved: signedAt, Resave: true}, rec)
		rec, err = store.Load(t.Context(), "sessionid", mustSave(store, rec.Data))
		require.NoError(t, err)
		require.False(t, rec.Resave)
	})
	t.Run("keys are replaced while it is in use", func(t *testing.T) {
		store := newEncryptedStore(t, key1)
		value := mustSave(store, `{}`)
		require.NoError(t, store.SetKeys(key2, key1))
		rec, err := store.Load(t.Context(), "sessionid", value)
		require.NoError(t, err)
		require.True(t, rec.Resave)
		require.NoError(t, store.SetKeys(key2))
		_, err = store.Load(t.Context(), "sessionid", value)
		require.ErrorIs(t, err, ErrTampered)
	})
	t.Run("a signed cookie is refused by one that encrypts, and the other way round", func(t *testing.T) {
		signs, err := New(key1)
		require.NoError(t, err)
		encrypts := newEncryptedStore(t, key1)
		_, err = encrypts.Load(t.Context(), "sessionid", mustSave(signs, `{}`))
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "it looks like a signed cookie, and only encrypted ones are accepted")
		_, err = signs.Load(t.Context(), "sessionid", mustSave(encrypts, `{}`))
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorContains(t, err, "it looks like an encrypted cookie, and only signed ones are accepted")
		_, err = signs.Load(t.Context(), "sessionid", mustSave(encrypts, `{}`)[1:])
		require.ErrorContains(t, err, "no signature")
	})
	t.Run("a signed cookie that is named as a legacy one is encrypted", func(t *testing.T) {
		signs, err := New(key2)
		require.NoError(t, err)
		store := newEncryptedStore(t, key1, WithLegacy(signs))
		rec, err := store.Load(t.Context(), "sessionid", mustSave(signs, `{"a":1}`))
		require.NoError(t, err)
		require.Equal(t, Record{Data: `{"a":1}`, Saved: signedAt, Resave: true}, rec)
		encrypted := mustSave(store, rec.Data)
		_, err = signs.Load(t.Context(), "sessionid", encrypted)
		require.ErrorContains(t, err, "looks like an encrypted cookie")

		back, err := New(key2, WithLegacy(store))
		require.NoError(t, err)
		rec, err = back.Load(t.Context(), "sessionid", encrypted)
		require.NoError(t, err)
		require.Equal(t, Record{Data: `{"a":1}`, Saved: signedAt, Resave: true}, rec, "and the way back")
	})
	t.Run("the largest session has 3007 bytes", func(t *testing.T) {
		store := newEncryptedStore(t, key1)
		object := func(size int) string { return `{"cart":"` + strings.Repeat("x", size-11) + `"}` }
		value := mustSave(store, object(3007))
		require.LessOrEqual(t, len("sessionid")+len(value), MaxCookieSize)
		rec, err := store.Load(t.Context(), "sessionid", value)
		require.NoError(t, err)
		require.Equal(t, object(3007), rec.Data)
		_, err = save(store, object(3008))
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, `largest keys: "cart"`)
	})
	t.Run("nothing is compressed unless it is asked for", func(t *testing.T) {
		text := `{"cart":"` + strings.Repeat("x", 2000) + `"}`
		require.Greater(t, len(mustSave(newEncryptedStore(t, key1), text)), 2000)
		_, err := save(newEncryptedStore(t, key1), `{"cart":"`+strings.Repeat("x", 5000)+`"}`)
		require.ErrorIs(t, err, ErrTooLarge)
		for _, over := range []int{0, defaultCompressOver} {
			store := newEncryptedStore(t, key1, WithCompressionOver(over))
			value := mustSave(store, text)
			require.Less(t, len(value), 200)
			rec, err := newEncryptedStore(t, key1).Load(t.Context(), "sessionid", value)
			require.NoError(t, err)
			require.Equal(t, text, rec.Data)
			_, err = newEncryptedStore(t, key1, WithMaxInflated(1000)).Load(t.Context(), "sessionid", value)
			require.ErrorIs(t, err, ErrTooLarge)
		}
	})
	t.Run("a cookie is at most 80 bytes longer than a signed one", func(t *testing.T) {
		signs, err := New(key1, WithCompressionOver(-1))
		require.NoError(t, err)
		most := 0
		for size := range 2900 {
			data := `{"a":"` + strings.Repeat("x", size) + `"}`
			most = max(most, len(mustSave(newEncryptedStore(t, key1), data))-len(mustSave(signs, data)))
		}
		require.Equal(t, 63, most)
	})
	t.Run("it is a contradiction with Django and with another codec", func(t *testing.T) {
		_, err := New(key1, WithDjango(), WithEncryption())
		require.ErrorContains(t, err, "WithDjango and WithEncryption contradict each other")
		_, err = NewWithCodec(newSigner(t, key1), WithEncryption())
		require.ErrorContains(t, err, "WithEncryption and WithFallbackKeys are for New")
		_, err = New(key1[:31], WithEncryption())
		require.ErrorContains(t, err, "the key has 31 bytes")
		_, err = New(key1, WithEncryption(), WithFallbackKeys(key1[:31]))
		require.ErrorContains(t, err, "fallback key 1 has 31 bytes")
		_, err = New(key1, WithEncryption(), WithMaxInflated(0))
		require.ErrorContains(t, err, "WithMaxInflated(0)")
	})
}

// The rest of the tests of encryption, where the Go runtime allows nothing but what
// FIPS 140-3 approves.
func TestEncryptionUnderFIPS140(t *testing.T) {
	const only = "fips140=only"
	if strings.Contains(os.Getenv("GODEBUG"), only) {
		_, err := cipher.NewGCM(must(aes.NewCipher(key1)))
		require.Error(t, err, "the mode is on")
		return
	}
	program, err := os.Executable()
	require.NoError(t, err)
	tests := exec.CommandContext(t.Context(), program, "-test.run=Encrypt|Decrypt", "-test.short", "-test.v")
	tests.Env = append(os.Environ(), "GODEBUG="+only)
	output, err := tests.CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, name := range []string{"TestEncryptAndDecrypt", "TestEncryptedVectors", "TestStoreWithEncryption", t.Name()} {
		require.Contains(t, string(output), "--- PASS: "+name)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// FuzzEncrypted feeds the reader any cookie, and any plaintext that is well encrypted:
// it refuses with a reason, or accepts what it would write itself, and never panics.
func FuzzEncrypted(f *testing.F) {
	e := newEncrypter(f, key1, key2)
	for _, size := range []int{0, 1, 31, 32, 100} {
		f.Add([]byte(newEncrypter(f, key2).Encrypt("s", strings.Repeat("x", size), signedAt)), false)
		f.Add(appendPlaintext(nil, bytes.Repeat([]byte("x"), size), signedAt, payload.Compression{}), true)
	}
	for _, seed := range []string{"", ":", "AQ", "e30:1xocE4:x", strings.Repeat("AQ", 57)} {
		f.Add([]byte(seed), false)
	}
	f.Add(make([]byte, 40), true)
	f.Fuzz(func(t *testing.T, text []byte, encrypt bool) {
		value := string(text)
		if encrypt {
			value = seal(t, key1, "s", text)
		}
		got, err := e.Decrypt("s", value)
		if looksEncrypted([]byte(value)) != !strings.Contains(fmt.Sprint(err), "encrypted") {
			t.Fatalf("%q: %v", value, err)
		}
		if err != nil {
			if !IsRefused(err) || reasonOf(err) == "refused" || got != (Decrypted{}) {
				t.Fatalf("no refusal with a reason: %v", err)
			}
			return
		}
		if len(got.Data) > defaultMaxInflated {
			t.Fatalf("%d bytes inflated", len(got.Data))
		}
		if encrypt && bytes.HasSuffix(bytes.TrimRight(text, "\x00"), []byte{plainForm}) {
			again := appendPlaintext(nil, []byte(got.Data), got.At, payload.Compression{Over: -1})
			if !bytes.Equal(again, text) {
				t.Fatalf("%q is written as %q", text, again)
			}
		}
	})
}
