package jsonobject

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest, the object itself included: as
// deep as encoding/json goes.
const MaxDepth = 10000

// valueDepth is the depth at which the value of a member stands.
const valueDepth = 2

// Parse takes a JSON object apart at its top level. It checks all of the text: that it
// is UTF-8, the grammar of RFC 8259, that it nests no deeper than [MaxDepth], and that
// nothing but spaces comes after it. The error says what is wrong and where, and shows
// nothing of the text.
//
// The object refers to the text. A key with a lone surrogate in it, which UTF-8 can't
// spell, is decoded as the byte 0xFF and then what stands between its quotes.
func Parse(text string) (Object, error) {
	if !utf8.ValidString(text) {
		return Object{}, ErrNotUTF8
	}
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return Object{}, errors.New("not a JSON object")
	}
	// Most objects have few members: they are gathered on the stack, and cost one
	// allocation.
	var few [8]member
	members := few[:0]
	var x *index
	body := 0
	for i = skipSpace(text, i+1); i < len(text) && text[i] == '"'; {
		m, end := memberAt(text, i)
		if end < 0 {
			return Object{}, notJSON(text, ^end)
		}
		if i := place(members, x, m.key); i >= 0 {
			body += len(m.value) - len(members[i].value)
			members[i].value = m.value
		} else {
			body += m.size() + len(":")
			members = append(members, m)
			x = indexed(members, x)
		}
		if i = skipSpace(text, end); i == len(text) || text[i] != ',' {
			break
		}
		if i = skipSpace(text, i+1); i == len(text) || text[i] != '"' {
			return Object{}, notJSON(text, i)
		}
	}
	if i == len(text) || text[i] != '}' {
		return Object{}, notJSON(text, i)
	}
	if skipSpace(text, i+1) != len(text) {
		return Object{}, errors.New("bytes after the JSON object")
	}
	return Object{members: slices.Clone(members), text: text, body: body, index: x}, nil
}

// The functions below check JSON, in UTF-8, from front to back. Each takes where
// something begins and returns where it ends; or, if it isn't there, the complement of
// where the text is not JSON, which is negative.

// tooDeep stands for a place where JSON nests deeper than MaxDepth.
const tooDeep = math.MaxInt

// checkValue checks a value, with nothing around it, that stands at that depth.
func checkValue(value string, depth int) error {
	end := skipValue(value, 0, depth)
	switch {
	case end == ^tooDeep:
		return errNestsTooDeep
	case end < 0:
		return notJSON(value, ^end)
	case end < len(value):
		return notJSON(value, end)
	}
	return nil
}

func notJSON(text string, at int) error {
	switch {
	case at == tooDeep:
		return fmt.Errorf("JSON %w", ErrTooDeep)
	case at >= len(text):
		return errors.New("JSON is cut short")
	}
	return fmt.Errorf("not JSON at byte %d", at)
}

// whitespace has the bytes that may stand between the tokens of JSON.
const whitespace = " \t\r\n"

func skipSpace(text string, i int) int {
	for i < len(text) && text[i] <= ' ' && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// memberAt returns the member at i, which is a quote.
func memberAt(text string, i int) (m member, end int) {
	if end = skipString(text, i); end < 0 {
		return m, end
	}
	m.token = text[i:end]
	m.key = decodeKey(m.token)
	if i = skipColon(text, end); i < 0 {
		return m, i
	}
	end = skipValue(text, i, valueDepth)
	if end > 0 {
		m.value = text[i:end]
	}
	return m, end
}

// skipColon returns where the value after a key begins.
func skipColon(text string, i int) int {
	i = skipSpace(text, i)
	if i == len(text) || text[i] != ':' {
		return ^i
	}
	return skipSpace(text, i+1)
}

func skipValue(text string, i, depth int) int {
	if i == len(text) {
		return ^i
	}
	switch c := text[i]; {
	case c == '"':
		return skipString(text, i)
	case (c == '{' || c == '[') && depth > MaxDepth:
		return ^tooDeep
	case c == '{':
		return skipObject(text, i, depth)
	case c == '[':
		return skipArray(text, i, depth)
	case c == 't':
		return skipWord(text, i, "true")
	case c == 'f':
		return skipWord(text, i, "false")
	case c == 'n':
		return skipWord(text, i, "null")
	}
	return skipNumber(text, i)
}

func skipWord(text string, i int, word string) int {
	switch {
	case strings.HasPrefix(text[i:], word):
		return i + len(word)
	case strings.HasPrefix(word, text[i:]):
		return ^len(text)
	}
	return ^i
}

func skipObject(text string, i, depth int) int {
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == '}' {
		return i + 1
	}
	for {
		if i = skipString(text, i); i < 0 {
			return i
		}
		if i = skipColon(text, i); i < 0 {
			return i
		}
		if i = skipValue(text, i, depth+1); i < 0 {
			return i
		}
		i = skipSpace(text, i)
		switch {
		case i < len(text) && text[i] == '}':
			return i + 1
		case i == len(text) || text[i] != ',':
			return ^i
		}
		i = skipSpace(text, i+1)
	}
}

func skipArray(text string, i, depth int) int {
	i = skipSpace(text, i+1)
	if i < len(text) && text[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(text, i, depth+1); i < 0 {
			return i
		}
		i = skipSpace(text, i)
		switch {
		case i < len(text) && text[i] == ']':
			return i + 1
		case i == len(text) || text[i] != ',':
			return ^i
		}
		i = skipSpace(text, i+1)
	}
}

func skipString(text string, i int) int {
	if i == len(text) || text[i] != '"' {
		return ^i
	}
	for i++; i < len(text); i++ {
		if !special[text[i]] {
			continue
		}
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			if i = skipEscape(text, i); i < 0 {
				return i
			}
		default:
			return ^i
		}
	}
	return ^i
}

// special has the bytes that don't stand for themselves in a JSON string.
var special = byteSet(func(c byte) bool { return c < ' ' || c == '"' || c == '\\' })

func byteSet(has func(byte) bool) (set [256]bool) {
	for c := range set {
		set[c] = has(byte(c))
	}
	return set
}

// skipEscape returns where the last character of an escape is.
func skipEscape(text string, i int) int {
	i++
	if i == len(text) {
		return ^i
	}
	switch text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for range 4 {
			if i++; i == len(text) || !isHex(text[i]) {
				return ^i
			}
		}
		return i
	}
	return ^i
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func skipNumber(text string, i int) int {
	if text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if i = skipDigits(text, i); i < 0 {
		return i
	}
	if i < len(text) && text[i] == '.' {
		if i = skipDigits(text, i+1); i < 0 {
			return i
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		if i++; i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		return skipDigits(text, i)
	}
	return i
}

// skipDigits skips one digit or more.
func skipDigits(text string, i int) int {
	start := i
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
