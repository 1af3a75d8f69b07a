package jsonobject

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// KindOf names the type of a JSON value, with its article: "an object".
func KindOf(value string) string {
	switch strings.TrimLeft(value, whitespace)[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// Decode decodes the value of a member as a T: anything that encoding/json can decode,
// except that null is not a string, number or bool. For numbers in interfaces see
// [Unmarshal]. The error is [ErrType]; it tells what the value is instead, and never
// the value. The most common types are decoded without reflection.
//
// A lone surrogate in a string has no UTF-8, and is decoded as U+FFFD, as encoding/json
// does; in the object it stays what it was.
func Decode[T any](value string) (T, error) {
	var v T
	var ok bool
	switch p := any(&v).(type) {
	case *string:
		*p, ok = decodeString(value)
	case *bool:
		*p, ok = value == "true", value == "true" || value == "false"
	case *int:
		*p, ok = decodeInt[int](value)
	case *int64:
		*p, ok = decodeInt[int64](value)
	case *float64:
		*p, ok = decodeFloat(value)
	default:
		return decodeAs[T](value)
	}
	if !ok {
		var none T
		return none, mismatch(value, reflect.TypeFor[T](), nil)
	}
	return v, nil
}

// decodeAs decodes what Decode has no fast path for.
func decodeAs[T any](value string) (T, error) {
	var v T
	if _, custom := any(&v).(json.Unmarshaler); value == "null" && !custom && isScalar(reflect.TypeFor[T]()) {
		return v, mismatch(value, reflect.TypeFor[T](), nil)
	}
	if err := unmarshal(value, &v); err != nil {
		var none T
		return none, mismatch(value, reflect.TypeFor[T](), err)
	}
	return v, nil
}

// isScalar reports whether the type is a string, number or bool. Null is
// none of them, though encoding/json takes it for their zero value.
func isScalar(t reflect.Type) bool {
	return t.Kind() <= reflect.Float64 || t.Kind() == reflect.String
}

// mismatch says why value is not of the type. The texts of encoding/json's
// errors, and those of custom decoders, can hold what they choked on, so the
// cause is kept but not quoted.
func mismatch(value string, want reflect.Type, cause error) error {
	detail := fmt.Sprintf("it holds %s, where %s is wanted", KindOf(value), want)
	if wrong, ok := cause.(*json.UnmarshalTypeError); ok {
		if name := fieldPath(want, wrong.Field); name != "" {
			what, _, _ := strings.Cut(wrong.Value, " ")
			detail = fmt.Sprintf("its field %s holds %s, where %s is wanted", name, withArticle(what), wrong.Type)
		}
	}
	return &typeError{detail: detail, cause: cause}
}

// withArticle names a type that encoding/json names, as [KindOf] does.
func withArticle(what string) string {
	switch what {
	case "object", "array":
		return "an " + what
	case "bool":
		return "a boolean"
	}
	return "a " + what
}

// fieldPath returns the names of the fields on encoding/json's path to a wrong value,
// as the types spell them. From Go 1.27 on, the path also has the indexes and the keys
// on the way, which are part of the value and must not be told; and before, the names
// of embedded structs.
func fieldPath(t reflect.Type, path string) string {
	var names []string
	for segment := range strings.SplitSeq(path, ".") {
		t = indirect(t)
		if pathsHaveKeys && isContainer(t) {
			t = t.Elem()
			continue
		}
		for isContainer(t) {
			t = indirect(t.Elem())
		}
		if t.Kind() != reflect.Struct {
			break
		}
		fields := fieldsOf(t)
		if i := slices.IndexFunc(fields, func(f field) bool { return strings.EqualFold(f.name, segment) }); i >= 0 {
			names = append(names, fields[i].name)
			t = t.FieldByIndex(fields[i].index).Type
		}
	}
	return strings.Join(names, ".")
}

func isContainer(t reflect.Type) bool {
	return t.Kind() == reflect.Map || t.Kind() == reflect.Slice || t.Kind() == reflect.Array
}

func decodeString(value string) (string, bool) {
	if value[0] != '"' {
		return "", false
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	var s string
	err := json.Unmarshal([]byte(value), &s)
	return s, err == nil
}

func decodeInt[T int | int64](value string) (T, bool) {
	n, err := strconv.ParseInt(value, 10, 64)
	return T(n), err == nil && int64(T(n)) == n
}

func decodeFloat(value string) (float64, bool) {
	f, err := strconv.ParseFloat(value, 64)
	return f, err == nil
}

// Unmarshal decodes JSON as encoding/json does, but numbers that go into an interface
// stay exact: in a plain any, map[string]any or []any they are an int, a uint64 or a
// float64, whichever holds them, and else a [json.Number], as they always are in the
// interfaces inside other types. The error is [ErrType] if the value does not fit.
func Unmarshal(value string, dst any) error {
	if err := unmarshal(value, dst); err != nil {
		return mismatch(value, reflect.TypeOf(dst), err)
	}
	return nil
}

func unmarshal(value string, dst any) error {
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if err := d.Decode(dst); err != nil {
		return err
	}
	if end := int(d.InputOffset()); skipSpace(value, end) != len(value) {
		return notJSON(value, end)
	}
	switch p := dst.(type) {
	case *any:
		*p = exact(*p)
	case *map[string]any:
		exact(*p)
	case *[]any:
		exact(*p)
	}
	return nil
}

// DecodeAny decodes the value of a member into the types that [Unmarshal] says: nil, a
// bool, a string, an int, uint64, float64 or json.Number, a []any or a map[string]any.
func DecodeAny(value string) any {
	switch c := value[0]; {
	case c == 'n':
		return nil
	case c == 't' || c == 'f':
		return c == 't'
	case c == '-' || isDigit(c):
		return exact(json.Number(value))
	case c == '"':
		s, _ := decodeString(value)
		return s
	}
	v, _ := decodeAs[any](value)
	return v
}

// exact replaces the json.Numbers in v, in place where v is a map or a slice.
func exact(v any) any { return ReplaceLeaves(v, exactLeaf) }

func exactLeaf(v any) any {
	if n, ok := v.(json.Number); ok {
		return exactNumber(n)
	}
	return v
}

// ReplaceLeaves replaces everything in decoded JSON that is neither a map nor a slice,
// in place where it is in one, and returns the result.
func ReplaceLeaves(v any, replace func(any) any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = ReplaceLeaves(inner, replace)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = ReplaceLeaves(inner, replace)
		}
		return v
	}
	return replace(v)
}

func exactNumber(n json.Number) any {
	text := string(n)
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
		return n
	}
	if i, err := strconv.Atoi(text); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u
	}
	return n
}
