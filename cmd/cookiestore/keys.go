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

	getenv func(string) string
}

// variables are where the keys of a format come from, and how their text is read.
type variables struct {
	format, primary, older string
	one                    func(string) ([]byte, error)
	list                   func(string) ([][]byte, error)
}

var (
	ownVariables = variables{ownFormat, "SESSION_KEY", "SESSION_OLD_KEYS", cookiestore.ParseKey, cookiestore.ParseKeys}

	djangoVariables = variables{djangoFormat, "DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACKS",
		func(text string) ([]byte, error) { return []byte(text), nil },
		func(list string) (keys [][]byte, err error) {
			for _, text := range splitKeys(list) {
				keys = append(keys, []byte(text))
			}
			return keys, nil
		}}
)

// splitKeys splits a list of keys as [cookiestore.ParseKeys] does.
func splitKeys(list string) (all []string) {
	for text := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if text = strings.TrimSpace(text); text != "" {
			all = append(all, text)
		}
	}
	return all
}

func readKeys(getenv func(string) string) (k keys, err error) {
	k.getenv = getenv
	own, err := ownVariables.read(getenv)
	if err != nil {
		return k, err
	}
	if own != nil {
		if k.own, err = cookiestore.NewSigner(own[0], own[1:]...); err != nil {
			return k, fmt.Errorf("SESSION_KEY and SESSION_OLD_KEYS: %s", message(err))
		}
		k.ownKey = string(own[0])
		if k.encrypted, err = cookiestore.NewEncrypter(own[0], own[1:]...); err != nil {
			return k, err
		}
	}
	if err := k.readGorilla(getenv); err != nil {
		return k, err
	}
	django, err := djangoVariables.read(getenv)
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

// read returns the keys in the variables, the primary one first, or none. Its errors name
// the variable, and don't show what is in it.
func (v variables) read(getenv func(string) string) ([][]byte, error) {
	older, err := v.list(getenv(v.older))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %s", v.older, message(err))
	case getenv(v.primary) == "" && len(older) > 0:
		return nil, fmt.Errorf("%s is set, and %s is not", v.older, v.primary)
	case getenv(v.primary) == "":
		return nil, nil
	}
	key, err := v.one(getenv(v.primary))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", v.primary, message(err))
	}
	return append([][]byte{key}, older...), nil
}

// guesses returns what a site may sign with that has the same text for its keys, but
// reads it in its own way.
func (k keys) guesses() (all []secret) {
	for _, v := range []variables{ownVariables, djangoVariables} {
		for i, text := range append([]string{k.getenv(v.primary)}, splitKeys(k.getenv(v.older))...) {
			which := v.primary
			if i > 0 {
				which = fmt.Sprintf("key %d of %s", i, v.older)
			}
			all = append(all, v.guesses(text, which)...)
		}
	}
	return all
}

func (v variables) guesses(text, which string) (all []secret) {
	add := func(key []byte, misuse string) {
		if len(key) > 0 {
			all = append(all, secret{key, v.format, misuse, which})
		}
	}
	decoded, _ := cookiestore.ParseKey(text)
	if v.format == djangoFormat {
		add([]byte(text), "")
		add(decoded, "decoded hex or base64")
	} else {
		add(decoded, "")
		add([]byte(text), "plain bytes, without decoding its text")
		unpadded := strings.TrimRight(strings.TrimSpace(text), "=")
		asBase64, _ := base64.RawStdEncoding.DecodeString(unpadded)
		add(asBase64, "base64, though it is hex")
	}
	if text != "" {
		add([]byte(text+"\n"), "plain bytes with a line break at the end, as in a file")
	}
	return all
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
