package jsonobject

import (
	"encoding/json"
	"github.com/stretchr/testify/require"
	"math"
	"reflect"
	"strconv"
	"testing"
	"time"
)

type lenient string

func (l *lenient) UnmarshalJSON(text []byte) error {
	*l = lenient(text)
	return nil
}

type yes bool

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        any
	}{
		{"null", `null`, nil},
		{"true", `true`, true},
		{"false", `false`, false},
		{"a negative float", `-1.5`, -1.5},
		{"a negative integer", `-3`, -3},
		{"a plain string", `"x"`, "x"},
		{"a string", `"a\u00e9\n"`, "aé\n"},
		{"an integer", `-12`, -12},
		{"the largest int", strconv.Itoa(math.MaxInt), math.MaxInt},
		{"the smallest int", strconv.Itoa(math.MinInt), math.MinInt},
		{"past int64", `9223372036854775808`, uint64(1 << 63)},
		{"past uint64", `18446744073709551616`, json.Number("18446744073709551616")},
		{"a whole float", `1.0`, 1.0},
		{"an exponent", `1e3`, 1000.0},
		{"past float64", `1e999`, json.Number("1e999")},
		{"a list", `[1,2.5,"x",[null],{"a":18446744073709551615}]`, []any{1, 2.5, "x", []any{nil}, map[string]any{"a": uint64(math.MaxUint64)}}},
	} {
		t.Run(test.name+" as any", func(t *testing.T) {
			require.Equal(t, test.want, DecodeAny(test.value))
			got, err := Decode[any](test.value)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}

	type car struct {
		Wheels string
		Doors  int
		Extra  any
	}
	type lot struct{ Size int }
	type garage struct {
		lot
		Best   *car
		Number int `json:"number"`
		Cars   []car
		Named  map[string]map[string]**car
	}
	ok := func(want any) func(any, error) bool {
		return func(got any, err error) bool { return err == nil && reflect.DeepEqual(want, got) }
	}
	says := func(text string) func(any, error) bool {
		return func(got any, err error) bool {
			return err != nil && err.Error() == text && (got == nil || reflect.ValueOf(got).IsZero())
		}
	}
	as := func(v any, err error) []any { return []any{v, err} }
	for _, test := range []struct {
		name string
		got  []any
		want func(any, error) bool
	}{
		{"a string as string", as(Decode[string](`"x"`)), ok("x")},
		{"a number as int", as(Decode[int](`-0`)), ok(0)},
		{"a number as int64", as(Decode[int64](`-5`)), ok(int64(-5))},
		{"a number as uint8", as(Decode[uint8](`255`)), ok(uint8(255))},
		{"a number as float64", as(Decode[float64](`1`)), ok(1.0)},
		{"a negative number as float64", as(Decode[float64](`-1.5`)), ok(-1.5)},
		{"an exponent as float64", as(Decode[float64](`-1E+2`)), ok(-100.0)},
		{"a string with escapes as string", as(Decode[string](`"\/\b\f\r\n\t\"\\\u00e9"`)), ok("/\b\f\r\n\t\"\\é")},
		{"true as bool", as(Decode[bool](`true`)), ok(true)},
		{"the largest int64", as(Decode[int64](`9223372036854775807`)), ok(int64(math.MaxInt64))},
		{"the smallest int64", as(Decode[int64](`-9223372036854775808`)), ok(int64(math.MinInt64))},
		{"past uint64 as any", as(Decode[any](`18446744073709551615`)), ok(uint64(math.MaxUint64))},
		{"null as any", as(Decode[any](`null`)), ok(nil)},
		{"null as what decodes itself", as(Decode[lenient](`null`)), ok(lenient("null"))},
		{"a number is not a string", as(Decode[string](`5`)), says("it holds a number, where string is wanted")},
		{"an object is not a string", as(Decode[string](`{}`)), says("it holds an object, where string is wanted")},
		{"a number is not a bool", as(Decode[bool](`1`)), says("it holds a number, where bool is wanted")},
		{"a string is not a float", as(Decode[float64](`"1"`)), says("it holds a string, where float64 is wanted")},
		{"null is not a named float", as(Decode[celsius](`null`)), says("it holds null, where jsonobject.celsius is wanted")},
		{"a field in an array in a field", as(Decode[struct{ Two [2]car }](`{"Two":[{},{"Doors":"hunter2"}]}`)), says("its field Two.Doors holds a string, where int is wanted")},
		{"null is not a float32", as(Decode[float32](`null`)), says("it holds null, where float32 is wanted")},
		{"null is not a uintptr", as(Decode[uintptr](`null`)), says("it holds null, where uintptr is wanted")},
		{"null is not an int8", as(Decode[int8](`null`)), says("it holds null, where int8 is wanted")},
		{"null is not a named bool", as(Decode[yes](`null`)), says("it holds null, where jsonobject.yes is wanted")},
		{"null as an array", as(Decode[[2]int](`null`)), ok([2]int{})},
		{"a boolean as bool", as(Decode[bool](`false`)), ok(false)},
		{"an object as a struct", as(Decode[car](`{"wheels":"alloy","Extra":9007199254740993}`)), ok(car{Wheels: "alloy", Extra: json.Number("9007199254740993")})},
		{"an object as a map", as(Decode[map[string]any](`{"a":[1]}`)), ok(map[string]any{"a": []any{1}})},
		{"a list as a slice of any", as(Decode[[]any](`[1,{"a":2}]`)), ok([]any{1, map[string]any{"a": 2}})},
		{"a list as a slice of ints", as(Decode[[]int](`[1,2]`)), ok([]int{1, 2})},
		{"a time", as(Decode[time.Time](`"1970-01-01T00:00:00Z"`)), ok(time.Unix(0, 0).UTC())},
		{"null is not a json.Number", as(Decode[json.Number](`null`)), says("it holds null, where json.Number is wanted")},
		{"null as a time", as(Decode[time.Time](`null`)), ok(time.Time{})},
		{"null as a map", as(Decode[map[string]int](`null`)), ok(map[string]int(nil))},
		{"null is not a uint8", as(Decode[uint8](`null`)), says("it holds null, where uint8 is wanted")},
		{"null is not a named string", as(Decode[raw](`null`)), says("it holds null, where jsonobject.raw is wanted")},
		{"null as a pointer", as(Decode[*int](`null`)), ok((*int)(nil))},
		{"a string is not an int", as(Decode[int](`"5"`)), says("it holds a string, where int is wanted")},
		{"1.0 is not an int", as(Decode[int](`1.0`)), says("it holds a number, where int is wanted")},
		{"a number may be too large for int64", as(Decode[int64](`9223372036854775808`)), says("it holds a number, where int64 is wanted")},
		{"a number may be too large for uint8", as(Decode[uint8](`256`)), says("it holds a number, where uint8 is wanted")},
		{"a number may be too large for float64", as(Decode[float64](`1e999`)), says("it holds a number, where float64 is wanted")},
		{"null is not a string", as(Decode[string](`null`)), says("it holds null, where string is wanted")},
		{"null is not a bool", as(Decode[bool](`null`)), says("it holds null, where bool is wanted")},
		{"null is not a float", as(Decode[float64](`null`)), says("it holds null, where float64 is wanted")},
		{"a boolean is not a float", as(Decode[float64](`true`)), says("it holds a boolean, where float64 is wanted")},
		{"a list is not a map", as(Decode[map[string]int](`[1]`)), says("it holds an array, where map[string]int is wanted")},
		{"an object is not a list", as(Decode[[]int](`{}`)), says("it holds an object, where []int is wanted")},
		{"a field may not fit", as(Decode[car](`{"doors":"hunter2"}`)), says("its field Doors holds a string, where int is wanted")},
		{"an object in a field", as(Decode[car](`{"Wheels":{"a":1}}`)), says("its field Wheels holds an object, where string is wanted")},
		{"a list in a field", as(Decode[car](`{"Wheels":[1]}`)), says("its field Wheels holds an array, where string is wanted")},
		{"a boolean in a field", as(Decode[car](`{"Wheels":true}`)), says("its field Wheels holds a boolean, where string is wanted")},
		{"a number in a field", as(Decode[car](`{"Wheels":1}`)), says("its field Wheels holds a number, where string is wanted")},
		{"a float in an integer's field", as(Decode[car](`{"Doors":1.5}`)), says("its field Doors holds a number, where int is wanted")},
		{"a field of a field", as(Decode[garage](`{"Best":{"doors":true}}`)), says("its field Best.Doors holds a boolean, where int is wanted")},
		{"a field with another name", as(Decode[garage](`{"NUMBER":[]}`)), says("its field number holds an array, where int is wanted")},
		{"a field of an embedded struct", as(Decode[garage](`{"Size":"hunter2"}`)), says("its field Size holds a string, where int is wanted")},
		{"a field in a list in a field", as(Decode[garage](`{"Cars":[{},{"Doors":"hunter2"}]}`)), says("its field Cars.Doors holds a string, where int is wanted")},
		{"a field in a map shows no key", as(Decode[map[string]*car](`{"hunter2":{"Doors":"x"}}`)), says("its field Doors holds a string, where int is wanted")},
		{"a map's value shows no key", as(Decode[map[string]int](`{"hunter2":"x"}`)), says("it holds an object, where map[string]int is wanted")},
		{"a map in a field shows no key", as(Decode[garage](`{"Named":{"hunter2":{"x":{"Doors":[]}}}}`)), says("its field Named.Doors holds an array, where int is wanted")},
		{"a list's element", as(Decode[[]int](`[1,"x"]`)), says("it holds an array, where []int is wanted")},
		{"a custom decoder may fail", as(Decode[time.Time](`"hunter2"`)), says("it holds a string, where time.Time is wanted")},
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

func TestUnmarshal(t *testing.T) {
	var all map[string]any
	require.NoError(t, Unmarshal(" {\"a\":[1,1.0,18446744073709551616],\"b\":{\"c\":-2}}\n", &all))
	require.Equal(t, map[string]any{"a": []any{1, 1.0, json.Number("18446744073709551616")}, "b": map[string]any{"c": -2}}, all)
	var list []any
	require.NoError(t, Unmarshal(`[1,[2]]`, &list))
	require.Equal(t, []any{1, []any{2}}, list)
	var anything any
	require.NoError(t, Unmarshal(`5`, &anything))
	require.Equal(t, 5, anything)
	var typed struct{ A any }
	require.NoError(t, Unmarshal(`{"A":5}`, &typed))
	require.Equal(t, json.Number("5"), typed.A)

	var wrong struct{ Name int }
	err := Unmarshal(` {"Name":"hunter2"}`, &wrong)
	require.ErrorIs(t, err, ErrType)
	require.EqualError(t, err, "its field Name holds a string, where int is wanted")
	var cause *json.UnmarshalTypeError
	require.ErrorAs(t, err, &cause)
	err = Unmarshal(` {"a":1}`, new(int))
	require.EqualError(t, err, "it holds an object, where *int is wanted")
	for _, text := range []string{`{}x`, `{} {}`, `{}]`, `1 2`} {
		require.ErrorIs(t, Unmarshal(text, new(any)), ErrType, text)
	}
	require.ErrorIs(t, Unmarshal(`{}`, nil), ErrType)
	require.ErrorIs(t, Unmarshal(`{}`, all), ErrType)
}

func TestDecodeKeepsTheCause(t *testing.T) {
	_, err := Decode[time.Time](`"hunter2"`)
	var cause *time.ParseError
	require.ErrorAs(t, err, &cause)
	_, err = Decode[int](`"x"`)
	require.ErrorIs(t, err, ErrType)
	require.NotErrorIs(t, err, ErrNotUTF8)
	require.Equal(t, []error{ErrType}, err.(interface{ Unwrap() []error }).Unwrap())
}

func TestKindOf(t *testing.T) {
	for value, want := range map[string]string{
		`"x"`: "a string", `{}`: "an object", `[]`: "an array", `true`: "a boolean", `false`: "a boolean", `null`: "null", `-1`: "a number", `0`: "a number", " \n{}": "an object",
	} {
		require.Equal(t, want, KindOf(value), value)
	}
}

func TestReplaceLeaves(t *testing.T) {
	v := map[string]any{"a": 1, "b": []any{2, nil, map[string]any{"c": "x"}}}
	got := ReplaceLeaves(v, func(leaf any) any { return []any{leaf} })
	require.Equal(t, map[string]any{"a": []any{1}, "b": []any{[]any{2}, []any{nil}, map[string]any{"c": []any{"x"}}}}, got)
	require.Equal(t, got, any(v))
	require.Equal(t, 2, ReplaceLeaves(1, func(leaf any) any { return leaf.(int) + 1 }))
}
