package jsonobject

import (
	"encoding/json"
	"github.com/stretchr/testify/require"
	"math"
	"reflect"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        any
	}{
		{"null", `null`, nil},
		{"true", `true`, true},
		{"a string", `"a\u00e9\n"`, "aé\n"},
		{"an integer", `-12`, -12},
		{"the largest int64", `9223372036854775807`, math.MaxInt64},
		{"the smallest int64", `-9223372036854775808`, math.MinInt64},
		{"past int64", `9223372036854775808`, uint64(1 << 63)},
		{"past uint64", `18446744073709551616`, json.Number("18446744073709551616")},
		{"a whole float", `1.0`, 1.0},
		{"an exponent", `1e3`, 1000.0},
		{"past float64", `1e999`, json.Number("1e999")},
		{"a list", `[1,2.5,"x",[null],{"a":9007199254740993}]`, []any{1, 2.5, "x", []any{nil}, map[string]any{"a": 1<<53 + 1}}},
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
		{"a string as string", as(Decode[string](`"x"`)), ok("x")},
		{"a number as int", as(Decode[int](`-0`)), ok(0)},
		{"a number as int64", as(Decode[int64](`-5`)), ok(int64(-5))},
		{"a number as uint8", as(Decode[uint8](`255`)), ok(uint8(255))},
		{"a number as float64", as(Decode[float64](`1`)), ok(1.0)},
		{"a boolean as bool", as(Decode[bool](`false`)), ok(false)},
		{"an object as a struct", as(Decode[car](`{"wheels":"alloy","Extra":9007199254740993}`)), ok(car{Wheels: "alloy", Extra: json.Number("9007199254740993")})},
		{"an object as a map", as(Decode[map[string]any](`{"a":[1]}`)), ok(map[string]any{"a": []any{1}})},
		{"a list as a slice of any", as(Decode[[]any](`[1,{"a":2}]`)), ok([]any{1, map[string]any{"a": 2}})},
		{"a list as a slice of ints", as(Decode[[]int](`[1,2]`)), ok([]int{1, 2})},
		{"a time", as(Decode[time.Time](`"1970-01-01T00:00:00Z"`)), ok(time.Unix(0, 0).UTC())},
		{"null is no json.Number", as(Decode[json.Number](`null`)), says("it holds null, where json.Number is wanted")},
		{"null as a time", as(Decode[time.Time](`null`)), ok(time.Time{})},
		{"null as a map", as(Decode[map[string]int](`null`)), ok(map[string]int(nil))},
		{"null is no uint8", as(Decode[uint8](`null`)), says("it holds null, where uint8 is wanted")},
		{"null is no named string", as(Decode[raw](`null`)), says("it holds null, where jsonobject.raw is wanted")},
		{"null as a pointer", as(Decode[*int](`null`)), ok((*int)(nil))},
		{"a string is no int", as(Decode[int](`"5"`)), says("it holds a string, where int is wanted")},
		{"1.0 is no int", as(Decode[int](`1.0`)), says("it holds a number, where int is wanted")},
		{"a number may be too large for int64", as(Decode[int64](`9223372036854775808`)), says("it holds a number, where int64 is wanted")},
		{"a number may be too large for uint8", as(Decode[uint8](`256`)), says("it holds a number, where uint8 is wanted")},
		{"a number may be too large for float64", as(Decode[float64](`1e999`)), says("it holds a number, where float64 is wanted")},
		{"null is no string", as(Decode[string](`null`)), says("it holds null, where string is wanted")},
		{"null is no bool", as(Decode[bool](`null`)), says("it holds null, where bool is wanted")},
		{"null is no float", as(Decode[float64](`null`)), says("it holds null, where float64 is wanted")},
		{"a boolean is no float", as(Decode[float64](`true`)), says("it holds a boolean, where float64 is wanted")},
		{"a list is no map", as(Decode[map[string]int](`[1]`)), says("it holds an array, where map[string]int is wanted")},
		{"an object is no list", as(Decode[[]int](`{}`)), says("it holds an object, where []int is wanted")},
		{"a field may not fit", as(Decode[car](`{"doors":"hunter2"}`)), says("its field Doors holds a string, where int is wanted")},
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
