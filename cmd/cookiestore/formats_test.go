package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

const blockKey = "0123456789abcdef"

func TestInspectEncrypted(t *testing.T) {
	own := env{"SESSION_KEY": ownKey}
	value := sign(t, own, `{"a":1.0}`, "-encrypt")
	status, got := inspectJSON(t, own, value, "-at", signedAt)
	require.Equal(t, good, status)
	require.Equal(t, encryptedFormat, got.Format)
	require.True(t, got.Verified)
	require.False(t, got.Compressed)
	require.JSONEq(t, `{"a":1.0}`, string(got.Data))
	require.Equal(t, signedAt, str(got.SignedAt.Unix()))

	_, got = inspectJSON(t, env{"SESSION_KEY": olderKey, "SESSION_OLD_KEYS": ownKey}, "Cookie: sessionid="+value, "-at", signedAt)
	require.Equal(t, 1, got.Key)

	for name, test := range map[string]struct {
		env  env
		says string
	}{
		"without a key":       {env{}, "not verified, since no key for it is given: set SESSION_KEY"},
		"with Django's alone": {env{"DJANGO_SECRET_KEY": djangoKey}, "not verified, since no key for it is given: set SESSION_KEY"},
		"with another key":    {env{"SESSION_KEY": olderKey}, "no key decrypts it"},
	} {
		status, got := inspectJSON(t, test.env, value)
		require.Equal(t, bad, status, name)
		require.Equal(t, encryptedFormat, got.Format, name)
		require.False(t, got.Verified, name)
		require.Equal(t, "null", string(got.Data), "%s: what can't be read isn't shown", name)
		require.Contains(t, *got.Error, test.says, name)
		if test.env["SESSION_KEY"] != "" {
			require.Contains(t, strings.Join(got.Hints, ""), "encrypted with a key that is not given here")
		}
	}

	compressing, err := cookiestore.New(must(cookiestore.ParseKey(ownKey)), cookiestore.WithEncryption(), cookiestore.WithCompressionOver(0))
	require.NoError(t, err)
	value, _, err = compressing.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"a":"` + strings.Repeat("x", 500) + `"}`})
	require.NoError(t, err)
	_, got = inspectJSON(t, own, value)
	require.True(t, got.Verified && got.Compressed)
	_, out, _ := call(own, value, "inspect")
	require.Contains(t, out, "format      cookiestore, encrypted\nverified    yes, with the primary key\ncompressed  yes\n")
}

func TestSessionsInSeveralCookies(t *testing.T) {
	text := incompressible(9000)
	data := `{"a":"` + text + `"}`
	for _, test := range []struct {
		name, format string
		env          env
		args         []string
	}{
		{"signed", ownFormat, env{"SESSION_KEY": ownKey}, nil},
		{"encrypted", encryptedFormat, env{"SESSION_KEY": ownKey}, []string{"-encrypt"}},
		{"in Django's format", djangoFormat, env{"DJANGO_SECRET_KEY": djangoKey}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := sign(t, test.env, data, append(test.args, "-chunks", "4", "-name", "s")...)
			pairs := strings.Split(header, "; ")
			require.Greater(t, len(pairs), 1)
			for _, input := range []string{
				"Cookie: theme=dark; " + header,
				header,
				"Set-Cookie: " + strings.Join(pairs, "; Path=/; HttpOnly\r\nSet-Cookie: ") + "; Path=/",
				"HTTP/1.1 200 OK\r\nDate: Mon, 04 Jun 2018 06:29:51 GMT\r\nset-cookie: " + strings.Join(pairs, "; Path=/\r\nset-cookie: "),
			} {
				status, got := inspectJSON(t, test.env, input, "-at", signedAt, "-name", "s")
				require.Equal(t, good, status, got.Error)
				require.Equal(t, test.format, got.Format)
				require.Equal(t, len(pairs), got.Chunks)
				require.Equal(t, data, string(got.Data))
			}
			_, out, _ := call(test.env, header, "inspect", "-at", signedAt, "-name", "s")
			require.Contains(t, out, ", in "+str(len(pairs))+" cookies\n")

			status, got := inspectJSON(t, test.env, strings.Join(pairs[:len(pairs)-1], "; "), "-name", "s")
			require.Equal(t, bad, status)
			require.Contains(t, *got.Error, "chunk "+str(len(pairs)-1)+" of "+str(len(pairs))+" is missing")
			_, first, _ := strings.Cut(pairs[0], "=")
			_, got = inspectJSON(t, test.env, first, "-name", "s")
			require.Contains(t, *got.Error, "chunk 1 of "+str(len(pairs))+" is missing; give the whole header")

			small := sign(t, test.env, `{"a":1}`, append(test.args, "-chunks", "4", "-name", "s")...)
			status, got = inspectJSON(t, test.env, small, "-at", signedAt, "-name", "s")
			require.Equal(t, good, status)
			require.Equal(t, 1, got.Chunks)
		})
	}
}

func TestInspectGorilla(t *testing.T) {
	hashKey := "super-secret-key"
	encode := func(s securecookie.Serializer, block []byte, values any) string {
		value, err := securecookie.New([]byte(hashKey), block).SetSerializer(s).Encode("sessionid", values)
		require.NoError(t, err)
		return value
	}
	encrypted, err := gorilla.NewEncryptedCodec([]byte(ownKey[:32]), []byte(blockKey))
	require.NoError(t, err)
	ours, err := cookiestore.NewWithCodec(encrypted)
	require.NoError(t, err)
	oursValue, _, err := ours.Save(t.Context(), "sessionid", cookiestore.Record{Data: `{"n":1}`})
	require.NoError(t, err)
	values := map[any]any{"n": 1}
	for _, test := range []struct {
		name   string
		env    env
		value  string
		format string
	}{
		{"gob", env{"GORILLA_HASH_KEY": hashKey}, encode(securecookie.GobEncoder{}, nil, values), gorillaFormat},
		{"JSON", env{"GORILLA_HASH_KEY": hashKey}, encode(securecookie.JSONEncoder{}, nil, map[string]int{"n": 1}), gorillaFormat},
		{"encrypted gob", env{"GORILLA_HASH_KEY": hashKey, "GORILLA_BLOCK_KEY": blockKey}, encode(securecookie.GobEncoder{}, []byte(blockKey), values), gorillaFormat},
		{"a key in hex", env{"GORILLA_HASH_KEY": "hex:73757065722d7365637265742d6b6579"}, encode(securecookie.GobEncoder{}, nil, values), gorillaFormat},
		{"a key in base64", env{"GORILLA_HASH_KEY": "base64:" + base64.StdEncoding.EncodeToString([]byte(hashKey))}, encode(securecookie.GobEncoder{}, nil, values), gorillaFormat},
		{"beside other keys", env{"GORILLA_HASH_KEY": hashKey, "SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": djangoKey}, encode(securecookie.GobEncoder{}, nil, values), gorillaFormat},
		{"what securecookie encrypts for this package", env{"GORILLA_HASH_KEY": ownKey[:32], "GORILLA_BLOCK_KEY": blockKey}, oursValue, securecookieFormat},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := inspectJSON(t, test.env, "Cookie: sessionid="+test.value)
			require.Nil(t, got.Error)
			require.Equal(t, test.format, got.Format)
			require.True(t, got.Verified)
			require.Zero(t, got.Key)
			require.JSONEq(t, `{"n":1}`, string(got.Data))
			require.NotNil(t, got.SignedAt)
		})
	}
	t.Run("another key", func(t *testing.T) {
		status, got := inspectJSON(t, env{"GORILLA_HASH_KEY": "x"}, encode(securecookie.GobEncoder{}, nil, values))
		require.Equal(t, bad, status)
		require.Equal(t, "no configured key matches this signature", *got.Error)
		require.Equal(t, unknown, got.Format)
	})
	t.Run("other formats beside gorilla's key", func(t *testing.T) {
		e := env{"GORILLA_HASH_KEY": "x", "SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": djangoKey}
		for _, value := range []string{djangoCookie, djangoRow, legacyRow, sign(t, env{"SESSION_KEY": ownKey}, `{"a":1}`), sign(t, env{"SESSION_KEY": ownKey}, `{"a":1}`, "-encrypt")} {
			_, got := inspectJSON(t, e, value, "-at", signedAt)
			require.True(t, got.Verified)
		}
	})
	t.Run("rubbish", func(t *testing.T) {
		_, got := inspectJSON(t, env{"GORILLA_HASH_KEY": "x"}, "rubbish")
		require.NotNil(t, got.Error)
	})
}

func TestSignForGorilla(t *testing.T) {
	e := env{"GORILLA_HASH_KEY": "super-secret-key", "GORILLA_BLOCK_KEY": blockKey}
	status, out, errOut := call(e, `{"user":7,"name":"Ann","list":[1,{"a":2.5}]}`, "sign")
	require.Equal(t, good, status, errOut)
	var values map[any]any
	require.NoError(t, securecookie.DecodeMulti("sessionid", strings.TrimSpace(out), &values, securecookie.CodecsFromPairs([]byte("super-secret-key"), []byte(blockKey))...))
	require.Equal(t, map[any]any{"user": 7, "name": "Ann", "list": []any{1, map[string]any{"a": 2.5}}}, values)
	_, got := inspectJSON(t, e, out)
	require.JSONEq(t, `{"user":7,"name":"Ann","list":[1,{"a":2.5}]}`, string(got.Data))

	status, _, errOut = call(e, `{"a":"`+incompressible(5000)+`"}`, "sign")
	require.Equal(t, bad, status)
	require.Contains(t, errOut, "and browsers keep 4096")
	status, _, errOut = call(e, `{}`, "sign", "-json")
	require.Equal(t, misuse, status, errOut)
}

func str[T any](v T) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
