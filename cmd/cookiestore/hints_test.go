package main

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

func TestInspectSaysWhatIsLikelyWrong(t *testing.T) {
	own := env{"SESSION_KEY": ownKey}
	django := env{"DJANGO_SECRET_KEY": djangoKey}
	at := time.Unix(1528093791, 0)
	payload := base64.RawURLEncoding.EncodeToString([]byte(`{"a":1}`))
	decoded, err := cookiestore.ParseKey(ownKey)
	require.NoError(t, err)
	signed := func(key []byte, name string) string {
		signer, err := cookiestore.NewSigner(make32(), key)
		require.NoError(t, err)
		require.NoError(t, signer.SetKeys(key))
		return signer.Sign(name, payload, at)
	}
	djangoSigned := func(salt, key string) string {
		signer, err := cookiestore.NewDjangoSigner(salt, []byte(key))
		require.NoError(t, err)
		return signer.Sign("", payload, at)
	}
	encrypted := func(key []byte, name string) string {
		encrypter, err := cookiestore.NewEncrypter(key)
		require.NoError(t, err)
		return encrypter.Encrypt(name, `{"a":1}`, at)
	}
	hexAsBase64, err := base64.RawStdEncoding.DecodeString(ownKey)
	require.NoError(t, err)
	gorilla, err := securecookie.New(decoded, nil).Encode("sessionid", map[any]any{"a": 1})
	require.NoError(t, err)
	value := sign(t, own, `{"a":1}`)

	for _, test := range []struct {
		name  string
		env   env
		value string
		args  []string
		hint  string // "" for none
	}{
		// Names.
		{"a value of a usual name", own, signed(decoded, "session"), nil, `it is the value of a cookie named "session": add -name session`},
		{"a value of a name with a prefix", own, signed(decoded, "__Host-sessionid"), nil, `named "__Host-sessionid"`},
		{"a value of -name with a prefix", own, signed(decoded, "__Secure-shop"), []string{"-name", "shop"}, `named "__Secure-shop"`},
		{"a value of -name without its prefix", own, signed(decoded, "shop"), []string{"-name", "__Host-shop"}, `named "shop"`},
		{"a value of -name without its longer prefix", own, signed(decoded, "shop"), []string{"-name", "__host-http-shop"}, `named "shop"`},
		{"a value of -name with another prefix", own, signed(decoded, "__Host-shop"), []string{"-name", "__Secure-shop"}, `named "__Host-shop"`},
		{"a value of -name in small letters", own, signed(decoded, "shop"), []string{"-name", "Shop"}, `named "shop"`},
		{"a value of -name in capitals", own, signed(decoded, "SHOP"), []string{"-name", "Shop"}, `named "SHOP"`},
		{"a value of another cookie in the header", own, "Cookie: basket=1; sessionid=" + signed(decoded, "basket"), nil, `named "basket"`},
		{"a value of another name beside a short Django key", env{"SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": "short"}, signed(decoded, "session"), nil, `named "session"`},
		{"an encrypted value of another name", own, encrypted(decoded, "session"), nil, `named "session"`},
		{"a value of an unusual name", own, signed(decoded, "xyzzy"), nil, "with another name (see -name)"},

		// Keys.
		{"hex text used as bytes", own, signed([]byte(ownKey), "sessionid"), nil, "the site uses SESSION_KEY as plain bytes, without decoding its text: pass the text to ParseKey"},
		{"hex text used as bytes to encrypt", own, encrypted([]byte(ownKey), "sessionid"), nil, "SESSION_KEY as plain bytes, without"},
		{"hex text used as bytes, with another name", own, signed([]byte(ownKey), "sid"), nil, `have expired; it is the value of a cookie named "sid"`},
		{"a key with its file's line break", own, signed([]byte(ownKey+"\n"), "sessionid"), nil, "SESSION_KEY as plain bytes with a line break"},
		{"hex read as base64", own, signed(hexAsBase64, "sessionid"), nil, "SESSION_KEY as base64, though it is hex"},
		{"base64 text used as bytes", env{"SESSION_KEY": olderKey}, signed([]byte(olderKey), "sessionid"), nil, "SESSION_KEY as plain bytes"},
		{"an older key used as bytes", env{"SESSION_KEY": ownKey, "SESSION_OLD_KEYS": ownKey + "," + olderKey}, signed([]byte(olderKey), "sessionid"), nil, "the site uses key 2 of SESSION_OLD_KEYS as plain bytes"},
		{"the package's format with Django's key", django, signed([]byte(djangoKey), "sessionid"), nil, "the package's own format, signed with DJANGO_SECRET_KEY: a site that shares sessions with Django needs WithDjango"},
		{"the same with another name", django, signed([]byte(djangoKey), "session"), nil, `put the key in SESSION_KEY, in hex or base64; it is the value of a cookie named "session"`},
		{"Django's format with the package's key", own, djangoSigned(cookiestore.DjangoCookieSalt, ownKey), nil, "the value is in Django's format, signed with SESSION_KEY as plain bytes, without decoding its text: put Django's SECRET_KEY in DJANGO_SECRET_KEY"},
		{"Django's row with the package's key", own, djangoSigned(cookiestore.DjangoDatabaseSalt, ownKey), nil, "the value is in Django's format"},
		{"Django's format with the decoded key", own, djangoSigned(cookiestore.DjangoCookieSalt, string(decoded)), nil, "in Django's format, signed with SESSION_KEY: "},
		{"Django's format with Django's key decoded", env{"DJANGO_SECRET_KEY": ownKey}, djangoSigned(cookiestore.DjangoCookieSalt, string(decoded)), nil, "signed with DJANGO_SECRET_KEY as decoded hex or base64, where Django uses the text as it is"},
		{"Django's format with a line break in the key", django, djangoSigned(cookiestore.DjangoCookieSalt, djangoKey+"\n"), nil, "DJANGO_SECRET_KEY as plain bytes with a line break"},
		{"Django's format with no Django key", own, djangoCookie, nil, "signed with a key that is not given here"},
		{"another key", own, signed(make32(), "sessionid"), nil, "the value is complete: it was changed, or signed with a key that is not given here"},
		{"no key at all", nil, value, nil, ""},

		// Forms.
		{"a signature cut short", own, value[:len(value)-26], nil, "the signature is cut short: it has 17 of 43 characters"},
		{"a signature cut short, without a key", nil, value[:len(value)-1], nil, "it has 42 of 43 characters"},
		{"a signature with more after it", own, value + "xy", nil, "the signature has 45 characters, and should have 43"},
		{"a signature with padding", own, value + "=", nil, "the signature ends in ="},
		{"nothing after the last colon", own, value[:len(value)-43], nil, "the signature is missing: nothing follows the last colon"},
		{"no signature", own, value[:len(value)-44], nil, "the signature is missing: a value has three parts"},
		{"a payload and a colon", own, payload + ":", nil, "the signature is missing: a value has three parts"},
		{"the payload alone", own, payload, nil, "this is the payload alone"},
		{"no payload", own, value[len(payload)+1:], nil, "the payload is missing"},
		{"a payload that begins too late", own, value[3:], nil, "the payload can't be read: its beginning is missing"},
		{"standard base64", own, "eyJhIjoi/+8ifQ" + value[len(payload):], nil, "there is a + or / in it"},
		{"a session ID of a database", own, strings.Repeat("a1b2c3d4", 4), nil, "this looks like a session ID of database-backed sessions"},
		{"a session that Spill keeps in a record", own, "~" + strings.Repeat("a1b2c3d4", 4), nil, "this looks like a session that Spill keeps in a record"},
		{"31 letters", own, strings.Repeat("a", 31), nil, ""},
		{"33 letters", own, strings.Repeat("a", 33), nil, ""},
		{"a gorilla cookie", own, gorilla, nil, "this looks like a cookie of gorilla/sessions"},
		{"a gorilla cookie without a key", nil, gorilla, nil, "this looks like a cookie of gorilla/sessions"},
		{"a JSON Web Token", own, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AbC-_9", nil, "this looks like a JSON Web Token, or a cookie of Flask"},
		{"a cookie of Flask", own, ".eJyrVkosKlGyUlBKBAAhXgRd.ZxYzAb.AbC-_9", nil, "this looks like a JSON Web Token, or a cookie of Flask"},
		{"colons that are encoded twice", own, strings.ReplaceAll(value, ":", "%253A"), nil, "percent-encoded twice"},
		{"a legacy row", own, legacyRow, nil, ""},
		{"rubbish", own, "rubbish", nil, ""},
		{"a payload and what isn't a timestamp", own, payload + ":garbage!", nil, ""},
		{"a timestamp and a short signature", own, "1fPj03:abc", nil, ""},
		{"what isn't a timestamp, and a signature", own, "1fPj0!:" + value[len(value)-43:], nil, ""},
		{"rubbish with a colon", own, "rub:bish", nil, ""},

		// Nothing is wrong, or the error says it all.
		{"a good value", own, value, nil, ""},
		{"an expired value", own, sign(t, own, `{"b":1}`, "-at", "1500000000"), nil, ""},
		{"a signed list", django, "InRleHQi:1r31eq:krFDOAi1kULMj3oEF1XXao8qA6yIPlz8paf6FtGy0iI", nil, ""},
		{"a value that is too long to guess at", django, signed([]byte(djangoKey), "sessionid") + strings.Repeat("x", maxGuessed), nil, "the signature has"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := inspectJSON(t, test.env, test.value, append([]string{"-at", signedAt}, test.args...)...)
			if test.hint == "" {
				require.Empty(t, got.Hints)
				require.NotNil(t, got.Hints, "a list, if an empty one")
				return
			}
			require.Len(t, got.Hints, 1)
			require.Contains(t, got.Hints[0], test.hint)
			require.Equal(t, strings.Contains(test.hint, "named "), strings.Contains(got.Hints[0], "named "), "the name is right")
			require.False(t, strings.HasPrefix(got.Hints[0], ";"))
			for _, secret := range []string{ownKey, olderKey, djangoKey, payload} {
				require.NotContains(t, got.Hints[0], secret)
			}
			_, out, errOut := call(test.env, test.value, append([]string{"inspect", "-at", signedAt}, test.args...)...)
			require.Contains(t, out, "\nhint        "+got.Hints[0]+"\n")
			require.Empty(t, errOut, "no warning in the log")
		})
	}
}

// make32 returns a key that no variable holds.
func make32() []byte {
	key, _ := hex.DecodeString(strings.Repeat("5a", 32))
	return key
}

// The hint is true: what it says makes the value verify.
func TestInspectsAdviceOnNamesHelps(t *testing.T) {
	own := env{"SESSION_KEY": ownKey}
	for _, name := range []string{"session", "sid", "session_id", "session-id", "sessid", "id", "_session", "user_session", "auth", "app_session",
		"__Host-session", "__Secure-sid", "__Http-sessionid", "__Host-Http-sessionid"} {
		value := sign(t, own, `{"a":1}`, "-name", name)
		_, got := inspectJSON(t, own, value, "-at", signedAt)
		require.Len(t, got.Hints, 1, name)
		require.True(t, strings.HasSuffix(got.Hints[0], "add -name "+name), got.Hints[0])
		status, _ := inspectJSON(t, own, value, "-at", signedAt, "-name", name)
		require.Equal(t, good, status)
	}
}
