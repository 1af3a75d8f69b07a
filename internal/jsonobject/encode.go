package jsonobject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendValue appends v as the JSON of a member's value. What it returns without an
// error [Parse] accepts in an object: it is UTF-8, in the grammar, and nests no deeper
// than a member's value may, which is [MaxDepth]-1.
//
// It takes what encoding/json takes (from Go 1.27, maps with keys of any type that is
// written as a string or a number) and writes what that writes, except for three things:
//
//   - A float64 or float32, also in a map[string]any or []any, keeps a point (1.0, as
//     Python writes it), so that it is a float again when it is read.
//   - The characters <, > and & stay as they are.
//   - Text that is not UTF-8 is [ErrNotUTF8] where encoding/json replaces it: in a
//     string, a key of a map, and in what MarshalJSON and MarshalText return. U+FFFD
//     that was there before is written like any character.
//
// To find that out, where encoding/json wrote U+FFFD, AppendValue walks through v as
// encoding/json does. It calls MarshalJSON, MarshalText and IsZero methods a second time,
// and looks at nothing inside a value that has one of the first two. What these methods
// replaced themselves, such as a MarshalJSON that calls encoding/json on a string of its
// own, it can't know. Where it would have to look deeper than a thousand levels, it
// returns an error that says so.
//
// A panic in one of these methods goes on to the caller, as with encoding/json. After an
// error, what has been appended to dst is useless.
func AppendValue(dst []byte, v any) ([]byte, error) {
	return appendNested(dst, v, valueDepth)
}

// appendNested appends a value that stands at that depth of an object.
func appendNested(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v, 64)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case map[string]any:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return appendMap(dst, v, depth)
	case []any:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return appendSlice(dst, v, depth)
	}
	return appendMarshaled(dst, v, depth)
}

func appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, errNestsTooDeep
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	var err error
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, key); err != nil {
			return dst, err
		}
		dst = append(dst, ':')
		if dst, err = appendNested(dst, m[key], depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendSlice(dst []byte, values []any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, errNestsTooDeep
	}
	dst = append(dst, '[')
	var err error
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendNested(dst, v, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, errStringNotUTF8
	}
	dst = append(dst, '"')
	plain := 0 // what stands before it is in dst
	for i := range len(s) {
		c := s[i]
		if !special[c] {
			continue
		}
		dst = append(dst, s[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = appendEscape(dst, rune(c))
		}
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"'), nil
}

// isPlain reports whether the string stands for itself in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if special[s[i]] {
			return false
		}
	}
	return utf8.ValidString(s)
}

// appendFloat writes f with an exponent where encoding/json does, and ".0" after a
// whole number.
func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, errNotFinite
	}
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if format == 'f' && bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

// appendMarshaled leaves v to encoding/json.
func appendMarshaled(dst []byte, v any, depth int) ([]byte, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, whyNot(err)
	}
	text := strings.TrimSuffix(out.String(), "\n")
	if err := checkText(text); err != nil {
		return dst, err
	}
	if err := checkValue(text, depth); err != nil {
		return dst, err
	}
	if mayBeReplaced(text) {
		if err := checkStrings(v, len(text)); err != nil {
			return dst, err
		}
	}
	return append(dst, text...), nil
}

// whyNot says why encoding/json failed. What a value's own MarshalJSON said, which
// could hold the value, stays out of the text.
func whyNot(err error) error {
	detail := "encoding/json failed"
	switch cause := err.(type) {
	case *json.UnsupportedTypeError:
		detail = fmt.Sprintf("JSON has no %s", cause.Type)
	case *json.UnsupportedValueError:
		detail = "JSON has no infinity, no NaN and no cycles, and its keys are strings"
	case *json.SyntaxError:
		return errNestsTooDeep // nothing else is wrong with the text that it makes itself
	case *json.MarshalerError:
		detail = ownerDetail(indirect(cause.Type))
	}
	return &marshalError{detail: detail, cause: err}
}

// ownerDetail says that the method of a type failed, in the same words whether
// encoding/json treats its own types by methods or not.
func ownerDetail(owner reflect.Type) string {
	switch owner {
	case reflect.TypeFor[json.Number]():
		return "encoding/json failed"
	case reflect.TypeFor[json.RawMessage]():
		return "its json.RawMessage is not valid JSON"
	}
	return fmt.Sprintf("MarshalJSON of %s failed or made no valid JSON", owner)
}

// AppendASCII appends JSON text with all that is not ASCII, which can only
// stand in strings, written as \uXXXX, as Python's json.dumps does.
func AppendASCII(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		plain := i
		for i < len(text) && text[i] < utf8.RuneSelf {
			i++
		}
		dst = append(dst, text[plain:i]...)
		if i == len(text) {
			break
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			dst = appendEscape(appendEscape(dst, high), low)
		} else {
			dst = appendEscape(dst, r)
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendEscape appends a character of the basic plane as \uXXXX.
func appendEscape(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
}
