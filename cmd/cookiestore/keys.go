package main

import (
	"crypto/rand"
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
