package jsonobject

import (
	"encoding/json"
	"fmt"
	"github.com/stretchr/testify/require"
	"math"
	"strings"
	"testing"
	"time"
)

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
		{"an int32", int32(math.MinInt32), `-2147483648`},
		{"an empty slice", []any{}, `[]`},
		{"a list of several", []any{1, "x", nil, false}, `[1,"x",null,false]`},
		{"a false", false, `false`},
		{"a pointer to nothing", (*int)(nil), `null`},
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
			got, err := AppendValue([]byte("prefix "), test.value)
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
		{"a map with such keys", map[bool]int{true: 1}, "JSON has no "},
		{"NaN", math.NaN(), "JSON has no infinity and no NaN"},
		{"infinity as float32", float32(math.Inf(-1)), "JSON has no infinity and no NaN"},
		{"NaN in a map", map[string]any{"a": math.NaN()}, "JSON has no infinity and no NaN"},
		{"NaN in a list", []any{math.NaN()}, "JSON has no infinity and no NaN"},
		{"NaN in a struct", struct{ A float64 }{math.NaN()}, "JSON has no infinity, no NaN and no cycles"},
		{"a cycle of pointers", cycle, "JSON has no infinity, no NaN and no cycles"},
		{"a cycle of slices", loop, "deeper than 10000"},
		{"a method that fails", failing{}, "MarshalJSON of jsonobject.failing failed or made no valid JSON"},
		{"a method that makes no JSON", raw("nope"), "MarshalJSON of jsonobject.raw"},
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
			got, err := AppendValue(nil, test.value)
			require.ErrorContains(t, err, test.says, "got %q", got)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), text)
		})
	}
}

// From Go 1.27 on, encoding/json takes more types for the keys of a map.
func TestAppendValueOfFloatKeys(t *testing.T) {
	got, err := AppendValue(nil, map[float64]int{1: 1})
	if interfacesHaveMethods {
		require.ErrorContains(t, err, "JSON has no map[float64]int")
		return
	}
	require.NoError(t, err)
	require.Equal(t, `{"1":1}`, string(got))
}

func TestAppendValueReturnsWhatParseReads(t *testing.T) {
	for _, depth := range []int{1, MaxDepth - 2, MaxDepth - 1, MaxDepth, MaxDepth + 1} {
		lists := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		objects := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		var list, object any = []any{}, map[string]any{"a": 1}
		for range depth - 1 {
			list, object = []any{list}, map[string]any{"a": object}
		}
		for _, test := range []struct {
			name  string
			value any
			text  string
		}{
			{"lists", list, lists},
			{"objects", object, objects},
			{"raw lists", json.RawMessage(lists), lists},
			{"raw objects", json.RawMessage(objects), objects},
			{"what encodes itself", raw(lists), lists},
			{"raw lists in an object", map[string]any{"a": json.RawMessage(lists[1 : len(lists)-1])}, `{"a":` + lists[1:len(lists)-1] + `}`},
			{"lists in a typed map", map[string][]any{"a": {json.RawMessage(lists[1 : len(lists)-1])}}, `{"a":[` + lists[1:len(lists)-1] + `]}`},
			{"raw objects in a struct in a list", []any{struct{ A any }{json.RawMessage(objects)}}, `[{"A":` + objects + `}]`},
		} {
			if test.text == `{"a":}` || test.text == `{"a":[]}` {
				continue
			}
			_, readable := Parse(`{"k":` + test.text + `}`)
			got, err := AppendValue(nil, test.value)
			if readable == nil {
				require.NoError(t, err, "%s, %d deep", test.name, depth)
				require.Equal(t, test.text, string(got))
			} else {
				require.Error(t, err, "%s, %d deep", test.name, depth)
				require.LessOrEqual(t, len(err.Error()), 100)
			}
		}
	}

	deep := json.RawMessage(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))
	for _, value := range []any{deep, []any{deep[1 : MaxDepth*2-1]}} {
		_, err := AppendValue(nil, value)
		require.ErrorIs(t, err, ErrTooDeep)
		require.EqualError(t, err, "it nests deeper than 10000")
	}
}

func TestAppendValueErrorsCanBeTested(t *testing.T) {
	for _, value := range []any{"\xff", map[string]any{"\xff": 1}, []string{"\xff"}, json.RawMessage("\"\xff\"")} {
		_, err := AppendValue(nil, value)
		require.ErrorIs(t, err, ErrNotUTF8)
		require.EqualError(t, err, "it has a string that is not UTF-8")
	}
	_, err := AppendValue(nil, failing{})
	var cause *json.MarshalerError
	require.ErrorAs(t, err, &cause)
	_, err = AppendValue(nil, &failing{})
	require.EqualError(t, err, "MarshalJSON of jsonobject.failing failed or made no valid JSON")
	_, err = AppendValue(nil, json.RawMessage("nope"))
	require.EqualError(t, err, "its json.RawMessage is not valid JSON")
	_, err = AppendValue(nil, json.Number("hunter2"))
	require.EqualError(t, err, "encoding/json failed")
	_, err = AppendValue(nil, []float64{math.NaN()})
	require.EqualError(t, err, "JSON has no infinity, no NaN and no cycles, and its keys are strings")
	_, err = AppendValue(nil, math.NaN())
	require.EqualError(t, err, "JSON has no infinity and no NaN")
	deep := &node{}
	for range MaxDepth + 1 {
		deep = &node{Next: deep}
	}
	_, err = AppendValue(nil, deep)
	require.ErrorIs(t, err, ErrTooDeep)
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("as is") }

func TestAPanicOfAMethodGoesOn(t *testing.T) {
	require.PanicsWithValue(t, "as is", func() { _, _ = AppendValue(nil, panics{}) })
}

func TestFloatsAreFloatsAgain(t *testing.T) {
	for _, f := range []float64{0, 1, -1, 1e6, 123456789012345680000, 999999999999999900000, 1e21, 1e-6, 9.9e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), 1.5} {
		text, err := AppendValue(nil, f)
		require.NoError(t, err)
		got := DecodeAny(string(text))
		require.Equal(t, f, got, string(text))
		require.Equal(t, math.Signbit(f), math.Signbit(got.(float64)))
	}
	for f, want := range map[float64]string{1e20: "100000000000000000000.0", 1e21: "1e+21", 1e-6: "0.000001", 9e-7: "9e-07", -1e21: "-1e+21", -3: "-3.0"} {
		text, err := AppendValue(nil, f)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
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
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, string(AppendASCII(nil, test.text))) })
	}
}
