package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

// keys are what the keys in the environment make; nil where there are none.
type keys struct {
	ownKey    string // the primary one, in bytes
	own       *cookiestore.Signer
	encrypted *cookiestore.Encrypter // with the same keys
	django    *cookiestore.Signer
	rows      *cookiestore.DjangoRows
	rowSigner *cookiestore.Signer // signs as rows does

	gorilla      *gorilla.Loader
	codec        *securecookie.SecureCookie // with gorilla's keys, and gob
	securecookie *cookiestore.CookieStore   // the same, with what NewWithCodec makes
}

func readKeys(getenv func(string) string) (k keys, err error) {
	own, err := keysOf(getenv, "SESSION_KEY", "SESSION_OLD_KEYS", cookiestore.ParseKey)
	if err != nil {
		return k, err
	}
	if own != nil {
		if k.own, err = cookiestore.NewSigner(own[0], own[1:]...); err != nil {
			return k, err
		}
		k.ownKey = string(own[0])
		if k.encrypted, err = cookiestore.NewEncrypter(own[0], own[1:]...); err != nil {
			return k, err
		}
	}
	if err := k.readGorilla(getenv); err != nil {
		return k, err
	}
	plain := func(text string) ([]byte, error) { return []byte(text), nil }
	django, err := keysOf(getenv, "DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS", plain)
	if django == nil || err != nil {
		return k, err
	}
	if k.django, err = cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, django[0], django[1:]...); err != nil {
		return k, err
	}
	if k.rowSigner, err = cookiestore.NewDjangoSigner(cookiestore.DjangoDatabaseSalt, django[0], django[1:]...); err != nil {
		return k, err
	}
	k.rows, err = cookiestore.NewDjangoRows(django[0], django[1:]...)
	return k, err
}

// readGorilla fills in what the keys of a gorilla/sessions site make. The codecs have no
// age and no size of their own, so that what has expired is shown as that.
func (k *keys) readGorilla(getenv func(string) string) error {
	hashKey, err := gorillaKey(getenv, "GORILLA_HASH_KEY")
	if err != nil {
		return err
	}
	blockKey, err := gorillaKey(getenv, "GORILLA_BLOCK_KEY")
	switch {
	case err != nil:
		return err
	case hashKey == nil && blockKey != nil:
		return errors.New("GORILLA_BLOCK_KEY is set, and GORILLA_HASH_KEY is not")
	case hashKey == nil:
		return nil
	case blockKey != nil && len(blockKey) != 16 && len(blockKey) != 24 && len(blockKey) != 32:
		return fmt.Errorf("GORILLA_BLOCK_KEY: the key has %d bytes, and must have 16, 24 or 32", len(blockKey))
	}
	codec := func(s securecookie.Serializer) *securecookie.SecureCookie {
		return securecookie.New(hashKey, blockKey).MaxAge(0).MaxLength(0).SetSerializer(s)
	}
	k.codec = codec(securecookie.GobEncoder{})
	if k.gorilla, err = gorilla.NewLoader(k.codec, codec(securecookie.JSONEncoder{})); err != nil {
		return err
	}
	k.securecookie, err = cookiestore.NewWithCodec(codec(securecookie.NopEncoder{}), cookiestore.WithMaxInflated(maxInput))
	return err
}

// gorillaKey returns the key in a variable, or nil.
func gorillaKey(getenv func(string) string, name string) (key []byte, err error) {
	text := getenv(name)
	if encoded, ok := strings.CutPrefix(text, "hex:"); ok {
		key, err = hex.DecodeString(encoded)
	} else if encoded, ok := strings.CutPrefix(text, "base64:"); ok {
		key, err = base64.StdEncoding.DecodeString(encoded)
	} else {
		key = []byte(text)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: the key is not in the encoding that it says", name)
	case len(key) == 0 && text != "":
		return nil, fmt.Errorf("%s: the key is empty", name)
	case len(key) == 0:
		return nil, nil
	}
	return key, nil
}

// keysOf returns the keys in two variables, the primary one first, or none. Its
// errors name the variable, and don't show what is in it.
func keysOf(getenv func(string) string, primary, older string, parse func(string) ([]byte, error)) ([][]byte, error) {
	first, rest := getenv(primary), lines(getenv(older))
	switch {
	case first == "" && len(rest) > 0:
		return nil, fmt.Errorf("%s is set, and %s is not", older, primary)
	case first == "":
		return nil, nil
	}
	var keys [][]byte
	for i, text := range append([]string{first}, rest...) {
		key, err := parse(text)
		if err != nil {
			which := primary
			if i > 0 {
				which = fmt.Sprintf("line %d of %s", i, older)
			}
			return nil, fmt.Errorf("%s: %s", which, strings.TrimPrefix(err.Error(), "cookiestore: "))
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// keygen prints a key.
func (c *command) keygen() (int, error) {
	if c.flags.NArg() > 0 {
		return misuse, misusef("keygen takes no argument")
	}
	var key [cookiestore.MinKeySize]byte
	_, _ = rand.Read(key[:]) // it ends the program rather than fail
	_, err := fmt.Fprintln(c.out, hex.EncodeToString(key[:]))
	return good, err
}
