package jsonobject

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// CheckKey returns [ErrNotUTF8] for a key that can't be set.
func CheckKey(key string) error {
	if !utf8.ValidString(key) {
		return ErrNotUTF8
	}
	return nil
}

// decodeKey decodes a key's token. A key with a lone surrogate in it has no
// spelling in UTF-8; it goes by what stands between its quotes, after a byte that
// no other key has, so that it can't be taken for one.
func decodeKey(token string) string {
	inner := token[1 : len(token)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	if hasLoneSurrogate(inner) {
		return "\xff" + inner
	}
	var key string
	_ = json.Unmarshal([]byte(token), &key) // it has been checked
	return key
}

// hasLoneSurrogate reports whether the inside of a JSON string has half of a
// pair of \u escapes.
func hasLoneSurrogate(inner string) bool {
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			continue
		}
		i++
		if inner[i] != 'u' {
			continue
		}
		r := hexRune(inner[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if next, ok := strings.CutPrefix(inner[i+1:], `\u`); !ok || utf16.DecodeRune(r, hexRune(next)) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// hexRune returns the rune that the four hex digits at the front stand for.
func hexRune(digits string) rune {
	n, _ := strconv.ParseUint(digits[:4], 16, 16) // the parser has seen them
	return rune(n)
}
