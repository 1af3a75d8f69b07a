package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"example.com/cookiestore"
)

// keys are what the keys in the environment make; nil where there are none.
type keys struct {
	own       *cookiestore.Signer
	django    *cookiestore.Signer
	rows      *cookiestore.DjangoRows
	rowSigner *cookiestore.Signer // signs as rows does

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
