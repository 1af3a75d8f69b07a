package cookiestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A member is one entry of the dictionary. Its value stays JSON until somebody
// asks for it, so that what nobody touches leaves as the bytes it came as.
type member struct {
	key   string // decoded
	token string // the key as it stands in the JSON, in its quotes
	value string // JSON
}

// maxDepth is how deep arrays and objects may nest: as deep as encoding/json
// goes.
const maxDepth = 10000

// splitObject takes a JSON object apart at its top level. It checks all of the
// text, as encoding/json would, and also that it is UTF-8. Of two members with
// one key the later value counts, at the place of the first, as in Python.
func splitObject(text string) ([]member, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("not UTF-8")
	}
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return nil, errors.New("not a JSON object")
	}
	var few [8]member
	members := few[:0]
	var places map[string]int // made only for large dictionaries
	for i = skipSpace(text, i+1); i < len(text) && text[i] == '"'; {
		m, end := memberAt(text, i)
		if end < 0 {
			return nil, notJSON(text, ^end)
		}
		if i := place(members, places, m.key); i >= 0 {
			members[i].value = m.value
		} else {
			members = append(members, m)
			places = remember(members, places)
		}
		if i = skipSpace(text, end); i == len(text) || text[i] != ',' {
			break
		}
		if i = skipSpace(text, i+1); i == len(text) || text[i] != '"' {
			return nil, notJSON(text, i)
		}
	}
	if i == len(text) || text[i] != '}' {
		return nil, notJSON(text, i)
	}
	if skipSpace(text, i+1) != len(text) {
		return nil, errors.New("bytes after the JSON object")
	}
	return slices.Clone(members), nil
}

// fewMembers is up to how many members a search from the front is the fastest.
const fewMembers = 32

func place(members []member, places map[string]int, key string) int {
	if places == nil {
		return indexOf(members, key)
	}
	if i, ok := places[key]; ok {
		return i
	}
	return -1
}

// remember notes the place of the last member, once there are many.
func remember(members []member, places map[string]int) map[string]int {
	last := len(members) - 1
	switch {
	case places != nil:
		places[members[last].key] = last
	case last >= fewMembers:
		places = make(map[string]int, 2*len(members))
		for i := range members {
			places[members[i].key] = i
		}
	}
	return places
}

func indexOf(members []member, key string) int {
	for i := range members {
		if members[i].key == key {
			return i
		}
	}
	return -1
}

// joinObject appends the JSON object that has the members.
func joinObject(dst []byte, members []member) []byte {
	dst = append(dst, '{')
	for i := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, members[i].token...)
		dst = append(dst, ':')
		dst = append(dst, members[i].value...)
	}
	return append(dst, '}')
}

// mergeMembers returns theirs with the changes between base and ours made to it:
// of two changes of one key, ours counts.
func mergeMembers(base, ours, theirs []member) []member {
	was, is := byKey(base), byKey(ours)
	merged := make([]member, 0, len(theirs)+len(ours))
	for _, m := range theirs {
		before, now := was[m.key], is[m.key]
		delete(is, m.key)
		switch now {
		case before: // we left it, or had none
			merged = append(merged, m)
		case "": // we deleted it
		default:
			m.value = now
			merged = append(merged, m)
		}
	}
	for _, m := range ours {
		if value, ok := is[m.key]; ok && value != was[m.key] {
			merged = append(merged, m)
		}
	}
	return merged
}

func byKey(members []member) map[string]string {
	values := make(map[string]string, len(members))
	for i := range members {
		values[members[i].key] = members[i].value
	}
	return values
}

// The functions below check JSON, in UTF-8, from front to back. Each takes where
// something begins and returns where it ends; or, if it isn't there, the complement of
// where the text is not JSON, which is negative.

// tooDeep stands for a place where JSON nests deeper than maxDepth.
const tooDeep = math.MaxInt

func notJSON(text string, at int) error {
	switch {
	case at == tooDeep:
		return fmt.Errorf("JSON nests deeper than %d", maxDepth)
	case at >= len(text):
		return errors.New("JSON is cut short")
	}
	return fmt.Errorf("not JSON at byte %d", at)
}

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
	end = skipValue(text, i, 2)
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
	case (c == '{' || c == '[') && depth > maxDepth:
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
	if !strings.HasPrefix(text[i:], word) {
		return ^i
	}
	return i + len(word)
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
	if i < len(text) && text[i] == '-' {
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

// kindOf names the type of a JSON value.
func kindOf(value string) string {
	switch value[0] {
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

// decode decodes a JSON value as a T. Its error tells what the value is
// instead, and never the value. The types that sessions mostly hold are decoded
// without reflection.
func decode[T any](value string) (T, error) {
	var v T
	ok := true
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

// decodeAs decodes what decode has no short way for.
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

// isScalar reports whether the type is a string, number or bool, which null is
// none of, though encoding/json takes it for their zero value.
func isScalar(t reflect.Type) bool {
	return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64 || t.Kind() == reflect.String
}

// mismatch says why value is not of the type. The texts of encoding/json's
// errors, and those of custom decoders, can hold what they choked on, so the
// cause is kept but not quoted.
func mismatch(value string, want reflect.Type, cause error) error {
	detail := fmt.Sprintf("it holds %s, where %s is wanted", kindOf(value), want)
	if field, ok := cause.(*json.UnmarshalTypeError); ok && field.Field != "" {
		what, _, _ := strings.Cut(field.Value, " ")
		detail = fmt.Sprintf("its field %s holds a %s, where %s is wanted", field.Field, what, field.Type)
	}
	return &typeError{detail: detail, cause: cause}
}

type typeError struct {
	detail string
	cause  error
}

func (e *typeError) Error() string { return e.detail }

func (e *typeError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrType}
	}
	return []error{ErrType, e.cause}
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
	if c := value[0]; c != '-' && !isDigit(c) {
		return 0, false
	}
	f, err := strconv.ParseFloat(value, 64)
	return f, err == nil
}

// unmarshal is json.Unmarshal, but numbers that go into an interface stay
// exact: in a plain any, map[string]any, []any or map[any]any they are an int,
// a uint64 or a float64, whichever holds them, and else a json.Number, as they
// always are in the interfaces inside other types.
func unmarshal(value string, dst any) error {
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if err := d.Decode(dst); err != nil {
		return err
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

// decodeAny decodes any JSON value into the types that unmarshal says.
func decodeAny(value string) any {
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
func exact(v any) any { return replaceLeaves(v, exactLeaf) }

func exactLeaf(v any) any {
	if n, ok := v.(json.Number); ok {
		return exactNumber(n)
	}
	return v
}

// replaceLeaves replaces all in decoded JSON that is no map and no slice.
func replaceLeaves(v any, replace func(any) any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = replaceLeaves(inner, replace)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = replaceLeaves(inner, replace)
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

// appendValue appends v as JSON. It differs from encoding/json in three ways: a
// float64 or float32, also in a map[string]any or []any, keeps a point (1.0, as
// Python writes it), so that it is a float again when it is read; a string that
// is not UTF-8 is an error and not silently another string; and <, > and & stay
// as they are.
func appendValue(dst []byte, v any) ([]byte, error) {
	return appendNested(dst, v, 1)
}

func appendNested(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, fmt.Errorf("it nests deeper than %d", maxDepth)
	}
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
	return appendMarshaled(dst, v)
}

func appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
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
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		return dst, errNotUTF8
	}
	dst = append(dst, '"')
	plain := 0 // what stands before it is in dst
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
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
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"'), nil
}

var errNotUTF8 = errors.New("it has a string that is not UTF-8")

// appendFloat writes f as encoding/json does, and ".0" after a whole number.
func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, errors.New("JSON has no infinity and no NaN")
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
func appendMarshaled(dst []byte, v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, &marshalError{cause: err}
	}
	text := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	// Where a string is not UTF-8, encoding/json writes this instead of what
	// is wrong with it. It may also be there by right, in a json.RawMessage.
	replaced := bytes.Contains(text, []byte(`\ufffd`)) && !allUTF8(reflect.ValueOf(v))
	if replaced || !utf8.Valid(text) {
		return dst, errNotUTF8
	}
	return append(dst, text...), nil
}

// marshalError keeps what a value's own MarshalJSON said, which could hold the
// value, out of its text.
type marshalError struct{ cause error }

func (e *marshalError) Error() string {
	switch cause := e.cause.(type) {
	case *json.UnsupportedTypeError:
		return fmt.Sprintf("JSON has no %s", cause.Type)
	case *json.UnsupportedValueError:
		return "JSON has no infinity, no NaN and no cycles"
	case *json.MarshalerError:
		return fmt.Sprintf("MarshalJSON of %s failed or made no valid JSON", cause.Type)
	}
	return "encoding/json failed"
}

func (e *marshalError) Unwrap() error { return e.cause }

// allUTF8 reports whether the strings that encoding/json would find in v are
// UTF-8. It runs only where encoding/json came to the end of v, so v is no cycle.
func allUTF8(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || allUTF8(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true
		}
		for i := range v.Len() {
			if !allUTF8(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !allUTF8(entries.Key()) || !allUTF8(entries.Value()) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if (field.IsExported() || field.Anonymous) && field.Tag.Get("json") != "-" && !allUTF8(v.Field(i)) {
				return false
			}
		}
	}
	return true
}

// appendASCII appends JSON text with all that is not ASCII, which can only
// stand in strings, written as \uXXXX, as Python's json.dumps does.
func appendASCII(dst []byte, text string) []byte {
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
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		} else {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return dst
}
