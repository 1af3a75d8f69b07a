package cookiestore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSplitObject(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + "1" + strings.Repeat("]", depth-1) + "}"
	}
	many := func(n int) (string, []member) {
		var members []member
		for i := range n {
			key := fmt.Sprintf("k%d", i)
			members = append(members, member{key, `"` + key + `"`, "1"})
		}
		return string(joinObject(nil, members)), members
	}
	manyText, manyMembers := many(100)

	for _, test := range []struct {
		name, text string
		want       []member
	}{
		{"an empty object", `{}`, []member{}},
		{"an empty object with spaces", " \t\r\n{ } \n", []member{}},
		{"values stay as the bytes they were", `{"a":1.0,"b":[ 1,2 ],"c":"\u00e9"}`, []member{
			{"a", `"a"`, `1.0`}, {"b", `"b"`, `[ 1,2 ]`}, {"c", `"c"`, `"\u00e9"`}}},
		{"keys are decoded and keep their spelling", `{"\u00e9\n":1,"a.b c":2,"":3}`, []member{
			{"é\n", `"\u00e9\n"`, `1`}, {"a.b c", `"a.b c"`, `2`}, {"", `""`, `3`}}},
		{"a repeated key has the last value at the first place", `{"a":1,"b":2,"\u0061":3}`, []member{
			{"a", `"a"`, `3`}, {"b", `"b"`, `2`}}},
		{"keys with lone surrogates are like no others", `{"\ud800":1,"\uDC00":2,"\\ud800":3,"\ud800\ud800":4,"\ud800x":5,"\ud800\n":6}`, []member{
			{"\xff\\ud800", `"\ud800"`, `1`}, {"\xff\\uDC00", `"\uDC00"`, `2`}, {`\ud800`, `"\\ud800"`, `3`},
			{"\xff\\ud800\\ud800", `"\ud800\ud800"`, `4`}, {"\xff\\ud800x", `"\ud800x"`, `5`}, {"\xff\\ud800\\n", `"\ud800\n"`, `6`}}},
		{"keys with pairs and with U+FFFD are as they are", `{"\ud83d\uDE00":1,"a\ufffd":2,"\n�":3}`, []member{
			{"😀", `"\ud83d\uDE00"`, `1`}, {"a\ufffd", `"a\ufffd"`, `2`}, {"\n\ufffd", "\"\\n\ufffd\"", `3`}}},
		{"many keys", manyText, manyMembers},
		{"many keys with one repeated", manyText[:len(manyText)-1] + `,"k0":1}`, manyMembers},
		{"every number of the grammar", `{"a":-0,"b":0.5,"c":1e5,"d":1E+5,"e":-1.25e-5}`, []member{
			{"a", `"a"`, `-0`}, {"b", `"b"`, `0.5`}, {"c", `"c"`, `1e5`}, {"d", `"d"`, `1E+5`}, {"e", `"e"`, `-1.25e-5`}}},
		{"as deep as encoding/json", nested(maxDepth), []member{{"a", `"a"`, nested(maxDepth)[5 : len(nested(maxDepth))-1]}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.True(t, json.Valid([]byte(test.text)))
			got, err := splitObject(test.text)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}

	for _, test := range []struct{ name, text, says string }{
		{"nothing", ``, "not a JSON object"},
		{"spaces", ` `, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"a list", `[1]`, "not a JSON object"},
		{"a string", `"{}"`, "not a JSON object"},
		{"bytes after it", `{}x`, "bytes after the JSON object"},
		{"a second object", `{}{}`, "bytes after the JSON object"},
		{"a NUL after it", "{}\x00", "bytes after the JSON object"},
		{"cut in a value", `{"a":1`, "cut short"},
		{"cut in a string", `{"a":"x`, "cut short"},
		{"cut in an escape", `{"a":"\`, "cut short"},
		{"cut in \\u", `{"a":"\u12`, "cut short"},
		{"cut after a comma", `{"a":1,`, "cut short"},
		{"a trailing comma", `{"a":1,}`, "at byte 7"},
		{"no comma", `{"a":1 "b":2}`, "at byte 7"},
		{"no colon", `{"a" 1}`, "at byte 5"},
		{"a key without quotes", `{a:1}`, "at byte 1"},
		{"no value", `{"a":}`, "at byte 5"},
		{"NaN", `{"a":NaN}`, "at byte 5"},
		{"Infinity", `{"a":-Infinity}`, "at byte 6"},
		{"a leading zero", `{"a":01}`, "at byte 6"},
		{"a plus", `{"a":+1}`, "at byte 5"},
		{"a point without digits", `{"a":1.}`, "at byte 7"},
		{"an exponent without digits", `{"a":1e}`, "at byte 7"},
		{"a wrong word", `{"a":nul}`, "at byte 5"},
		{"a control character", "{\"a\":\"\n\"}", "at byte 6"},
		{"a wrong escape", `{"a":"\x"}`, "at byte 7"},
		{"a wrong hex digit", `{"a":"\u00g0"}`, "at byte 10"},
		{"a nested mistake", `{"a":{"b":[1,{"c":nope}]}}`, "at byte 18"},
		{"a nested trailing comma", `{"a":[1,]}`, "at byte 8"},
		{"a nested key without quotes", `{"a":{b:1}}`, "at byte 6"},
		{"a nested object without a colon", `{"a":{"b"}}`, "at byte 9"},
		{"a nested object without a comma", `{"a":{"b":1;}}`, "at byte 11"},
		{"a nested list without a comma", `{"a":[1;]}`, "at byte 7"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"deeper than encoding/json", nested(maxDepth + 1), "deeper than 10000"},
	} {
		t.Run(test.name+" is refused", func(t *testing.T) {
			_, err := splitObject(test.text)
			require.ErrorContains(t, err, test.says)
		})
	}
}

// FuzzSplitObject holds the split against encoding/json: both accept the same
// texts, but for those that are not UTF-8, and find the same values.
func FuzzSplitObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,null,{"c":"\u00e9"}]}`, ` { "a" : -1.5e+10 , "a" : "x" } `, `{"\ud800":1,"\u0061":2}`,
		`[]`, `{"a":01}`, `{"a":1}x`, `{"a":"\n"}`, "{\"a\":\"\xff\"}", `{"_session_expiry":30}`, "{\"a\":\"\x00\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := splitObject(text)
		var want map[string]json.RawMessage
		valid := strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Unmarshal([]byte(text), &want) == nil
		if err != nil {
			if valid && !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("refuses %q: %v", text, err)
			}
			return
		}
		if !valid {
			t.Fatalf("accepts %q", text)
		}
		for _, m := range members {
			var key string
			if err := json.Unmarshal([]byte(m.token), &key); err != nil {
				t.Fatalf("key token %q: %v", m.token, err)
			}
			if m.key != key {
				if m.key != "\xff"+m.token[1:len(m.token)-1] || !strings.ContainsRune(key, '\ufffd') {
					t.Fatalf("key %q is %q", key, m.key)
				}
				return // encoding/json can't tell lone surrogates apart
			}
			if string(want[key]) != m.value {
				t.Fatalf("key %q is %q, not %q", key, m.value, want[key])
			}
		}
		if len(members) != len(want) {
			t.Fatalf("%d keys, not %d", len(members), len(want))
		}
		again, err := splitObject(string(joinObject(nil, members)))
		if err != nil || !reflect.DeepEqual(members, again) {
			t.Fatalf("%q is not the same when joined: %v", text, err)
		}
		ascii := appendASCII(nil, text)
		if bytes.ContainsFunc(ascii, func(r rune) bool { return r > 0x7e && r != 0x7f }) {
			t.Fatalf("%q is not ASCII", ascii)
		}
		var one, two any
		if json.Unmarshal([]byte(text), &one) == nil && (json.Unmarshal(ascii, &two) != nil || !reflect.DeepEqual(one, two)) {
			t.Fatalf("%q does not mean the same in ASCII: %q", text, ascii)
		}
	})
}

type celsius float64

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, fmt.Errorf("the secret is hunter2") }

type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

type node struct {
	Next *node
	Name string
}

func TestAppendValue(t *testing.T) {
	cycle := &node{}
	cycle.Next = cycle
	loop := []any{nil}
	loop[0] = loop
	text := "x\xff"

	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"nil", nil, `null`},
		{"a bool", true, `true`},
		{"a string with all that needs escapes", "\"\\/\b\f\n\r\t\x00\x1f\x7fé\u2028<&>", `"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7fé\u2028" + `<&>"`},
		{"an int", -12, `-12`},
		{"an int64", int64(math.MinInt64), `-9223372036854775808`},
		{"a uint64", uint64(math.MaxUint64), `18446744073709551615`},
		{"an int8", int8(-5), `-5`},
		{"a whole float", 2.0, `2.0`},
		{"a negative zero", math.Copysign(0, -1), `-0.0`},
		{"a float", 0.1, `0.1`},
		{"a float32", float32(0.1), `0.1`},
		{"a large float", 1e21, `1e+21`},
		{"a small float", 1e-7, `1e-07`},
		{"a number as text", json.Number("1e999"), `1e999`},
		{"a map in the order of its keys", map[string]any{"b": 1, "a": []any{1.0, nil}}, `{"a":[1.0,null],"b":1}`},
		{"a nil map", map[string]any(nil), `null`},
		{"a nil slice", []any(nil), `null`},
		{"an empty map", map[string]any{}, `{}`},
		{"a struct", struct {
			A int `json:"a"`
			b int
		}{1, 2}, `{"a":1}`},
		{"HTML in a struct", struct{ A string }{"<b>&"}, `{"A":"<b>&"}`},
		{"a time", time.Unix(0, 0).UTC(), `"1970-01-01T00:00:00Z"`},
		{"bytes", []byte("\xff"), `"/w=="`},
		{"raw JSON", json.RawMessage(`{"a": 1.0}`), `{"a":1.0}`},
		{"raw JSON that says \\ufffd", json.RawMessage(`["\ufffd"]`), `["\ufffd"]`},
		{"a named float", celsius(2), `2`},
		{"a field that is not written may hold anything", struct {
			A string `json:"-"`
			B string
			c string
		}{A: text, B: "\ufffd", c: text}, "{\"B\":\"\ufffd\"}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := appendValue([]byte("prefix "), test.value)
			require.NoError(t, err)
			require.Equal(t, "prefix "+test.want, string(got))
			require.True(t, json.Valid([]byte(test.want)))
		})
	}

	for _, test := range []struct {
		name  string
		value any
		says  string
	}{
		{"a channel", make(chan int), "JSON has no chan int"},
		{"a function", func() {}, "JSON has no func()"},
		{"a complex number", 1i, "JSON has no complex128"},
		{"a map with such keys", map[float64]int{1: 1}, "JSON has no map[float64]int"},
		{"NaN", math.NaN(), "JSON has no infinity and no NaN"},
		{"infinity as float32", float32(math.Inf(-1)), "JSON has no infinity and no NaN"},
		{"NaN in a map", map[string]any{"a": math.NaN()}, "JSON has no infinity and no NaN"},
		{"NaN in a list", []any{math.NaN()}, "JSON has no infinity and no NaN"},
		{"NaN in a struct", struct{ A float64 }{math.NaN()}, "JSON has no infinity, no NaN and no cycles"},
		{"a cycle of pointers", cycle, "JSON has no infinity, no NaN and no cycles"},
		{"a cycle of slices", loop, "deeper than 10000"},
		{"a method that fails", failing{}, "MarshalJSON of cookiestore.failing failed or made no valid JSON"},
		{"a method that makes no JSON", raw("nope"), "MarshalJSON of cookiestore.raw"},
		{"a number that is none", json.Number("abc"), "encoding/json failed"},
		{"a string that is not UTF-8", text, "not UTF-8"},
		{"such a string as a key", map[string]any{text: 1}, "not UTF-8"},
		{"such a string in a struct", struct{ A []string }{[]string{text}}, "not UTF-8"},
		{"such a string behind a pointer", &struct{ A *string }{&text}, "not UTF-8"},
		{"such a string in an interface", struct{ A any }{text}, "not UTF-8"},
		{"such a string in an array of a map", map[string][1]string{"a": {text}}, "not UTF-8"},
		{"such a string as a key of a typed map", map[string]int{text: 1}, "not UTF-8"},
		{"such a string in raw JSON", json.RawMessage(`"` + text + `"`), "not UTF-8"},
	} {
		t.Run(test.name+" is an error", func(t *testing.T) {
			got, err := appendValue(nil, test.value)
			require.ErrorContains(t, err, test.says, "got %q", got)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), text)
		})
	}
}

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        any
	}{
		{"null", `null`, nil},
		{"true", `true`, true},
		{"a string", `"a\u00e9\n"`, "aé\n"},
		{"an integer", `-12`, -12},
		{"the largest int64", `9223372036854775807`, AsDecoded(math.MaxInt64)},
		{"the smallest int64", `-9223372036854775808`, AsDecoded(math.MinInt64)},
		{"past int64", `9223372036854775808`, uint64(1 << 63)},
		{"past uint64", `18446744073709551616`, json.Number("18446744073709551616")},
		{"a whole float", `1.0`, 1.0},
		{"an exponent", `1e3`, 1000.0},
		{"past float64", `1e999`, json.Number("1e999")},
		{"a list", `[1,2.5,"x",[null],{"a":9007199254740993}]`, []any{1, 2.5, "x", []any{nil}, map[string]any{"a": AsDecoded(1<<53 + 1)}}},
	} {
		t.Run(test.name+" as any", func(t *testing.T) {
			require.Equal(t, test.want, decodeAny(test.value))
			got, err := decode[any](test.value)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}

	type car struct {
		Wheels string
		Doors  int
		Extra  any
	}
	ok := func(want any) func(any, error) bool {
		return func(got any, err error) bool { return err == nil && reflect.DeepEqual(want, got) }
	}
	says := func(text string) func(any, error) bool {
		return func(got any, err error) bool {
			return err != nil && err.Error() == text && reflect.ValueOf(got).IsZero()
		}
	}
	as := func(v any, err error) []any { return []any{v, err} }
	for _, test := range []struct {
		name string
		got  []any
		want func(any, error) bool
	}{
		{"a string as string", as(decode[string](`"x"`)), ok("x")},
		{"a number as int", as(decode[int](`-0`)), ok(0)},
		{"a number as int64", as(decode[int64](`-5`)), ok(int64(-5))},
		{"a number as uint8", as(decode[uint8](`255`)), ok(uint8(255))},
		{"a number as float64", as(decode[float64](`1`)), ok(1.0)},
		{"a boolean as bool", as(decode[bool](`false`)), ok(false)},
		{"an object as a struct", as(decode[car](`{"wheels":"alloy","Extra":9007199254740993}`)), ok(car{Wheels: "alloy", Extra: json.Number("9007199254740993")})},
		{"an object as a map", as(decode[map[string]any](`{"a":[1]}`)), ok(map[string]any{"a": []any{1}})},
		{"a list as a slice of any", as(decode[[]any](`[1,{"a":2}]`)), ok([]any{1, map[string]any{"a": 2}})},
		{"a list as a slice of ints", as(decode[[]int](`[1,2]`)), ok([]int{1, 2})},
		{"a time", as(decode[time.Time](`"1970-01-01T00:00:00Z"`)), ok(time.Unix(0, 0).UTC())},
		{"null is no json.Number", as(decode[json.Number](`null`)), says("it holds null, where json.Number is wanted")},
		{"null as a time", as(decode[time.Time](`null`)), ok(time.Time{})},
		{"null as a map", as(decode[map[string]int](`null`)), ok(map[string]int(nil))},
		{"null is no uint8", as(decode[uint8](`null`)), says("it holds null, where uint8 is wanted")},
		{"null is no named string", as(decode[raw](`null`)), says("it holds null, where cookiestore.raw is wanted")},
		{"null as a pointer", as(decode[*int](`null`)), ok((*int)(nil))},
		{"a string is no int", as(decode[int](`"5"`)), says("it holds a string, where int is wanted")},
		{"1.0 is no int", as(decode[int](`1.0`)), says("it holds a number, where int is wanted")},
		{"a number may be too large for int64", as(decode[int64](`9223372036854775808`)), says("it holds a number, where int64 is wanted")},
		{"a number may be too large for uint8", as(decode[uint8](`256`)), says("it holds a number, where uint8 is wanted")},
		{"a number may be too large for float64", as(decode[float64](`1e999`)), says("it holds a number, where float64 is wanted")},
		{"null is no string", as(decode[string](`null`)), says("it holds null, where string is wanted")},
		{"null is no bool", as(decode[bool](`null`)), says("it holds null, where bool is wanted")},
		{"null is no float", as(decode[float64](`null`)), says("it holds null, where float64 is wanted")},
		{"a boolean is no float", as(decode[float64](`true`)), says("it holds a boolean, where float64 is wanted")},
		{"a list is no map", as(decode[map[string]int](`[1]`)), says("it holds an array, where map[string]int is wanted")},
		{"an object is no list", as(decode[[]int](`{}`)), says("it holds an object, where []int is wanted")},
		{"a field may not fit", as(decode[car](`{"doors":"hunter2"}`)), says("its field Doors holds a string, where int is wanted")},
		{"a custom decoder may fail", as(decode[time.Time](`"hunter2"`)), says("it holds a string, where time.Time is wanted")},
	} {
		t.Run(test.name, func(t *testing.T) {
			err, _ := test.got[1].(error)
			require.True(t, test.want(test.got[0], err), "%v, %v", test.got[0], err)
			if err != nil {
				require.ErrorIs(t, err, ErrType)
			}
		})
	}
}

func TestAppendASCII(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"ASCII stays", `{"a":"b\n"}`, `{"a":"b\n"}`},
		{"Latin-1", `"é"`, `"\u00e9"`},
		{"the basic plane", `"이\u2028ﬃ"`, `"\uc774\u2028\ufb03"`},
		{"beyond it", `"😀!"`, `"\ud83d\ude00!"`},
		{"nothing", ``, ``},
	} {
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, string(appendASCII(nil, test.text))) })
	}
}
