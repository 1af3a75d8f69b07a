package site

import (
	"crypto/rand"
	"strings"

	"example.com/cookiestore"
)

// Keys returns the key that signs, and the older ones that are accepted. Where no
// flag names a key, the one that signs is random, and another at each call.
func (c Config) Keys() (key []byte, old [][]byte, err error) {
	if c.djangoKey != "" {
		return []byte(c.djangoKey), textKeys(c.oldKeys), nil
	}
	if c.randomKey() {
		key = make([]byte, cookiestore.MinKeySize)
		rand.Read(key) // never fails
	} else if key, err = decodeKey("-key", c.key); err != nil {
		return nil, nil, err
	}
	if old, err = cookiestore.ParseKeys(c.oldKeys); err != nil {
		return nil, nil, Usagef("-old-keys: %s", strings.TrimPrefix(err.Error(), "cookiestore: "))
	}
	return key, old, nil
}

func (c Config) randomKey() bool { return c.key == "" && c.djangoKey == "" }

// decodeKey reads a key in hex or base64.
func decodeKey(which, text string) ([]byte, error) {
	key, err := cookiestore.ParseKey(text)
	if err != nil {
		return nil, Usagef("%s: %s", which, strings.TrimPrefix(err.Error(), "cookiestore: "))
	}
	return key, nil
}

// textKeys splits a list of Django's keys, which are text, as [cookiestore.ParseKeys]
// splits others: at commas and line breaks.
func textKeys(list string) [][]byte {
	var keys [][]byte
	for text := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if text = strings.TrimSpace(text); text != "" {
			keys = append(keys, []byte(text))
		}
	}
	return keys
}
