package jsonobject

import (
	"encoding/json"
	"fmt"
	"github.com/stretchr/testify/require"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + "1" + strings.Repeat("]", depth-1) + "}"
	}
	many := func(n int) (string, []member) {
		var members []member
		for i := range n {
			key := fmt.Sprintf("k%d", i)
			members = append(members, member{key, `"` + key + `"`, "1"})
		}
		return string((&Object{members: members}).AppendTo(nil)), members
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
		{"as deep as encoding/json", nested(MaxDepth), []member{{"a", `"a"`, nested(MaxDepth)[5 : len(nested(MaxDepth))-1]}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.True(t, json.Valid([]byte(test.text)))
			got, err := Parse(test.text)
			require.NoError(t, err)
			require.Equal(t, test.want, got.members)
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
		{"deeper than encoding/json", nested(MaxDepth + 1), "deeper than 10000"},
	} {
		t.Run(test.name+" is refused", func(t *testing.T) {
			_, err := Parse(test.text)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestParseTakesEveryEscape(t *testing.T) {
	for _, text := range []string{
		`{"a":"\/\b\f\r\n\t\"\\"}`, `{"\/\b\f\r\n\t\"\\":1}`, `{"a":"\u00AF\u00Fa\u09aF"}`, `{"a":{"b":1 } , "c" : [ 1 ] }`,
		`{"a":"` + "\x7f" + `"}`, `{"a":[ ],"b":{ } }`, `{"a":{"b":{},"c":[{}]}}`,
	} {
		require.True(t, json.Valid([]byte(text)), text)
		o, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, len(text), o.Size())
	}
	for key, want := range map[string]string{
		`\/\b\f\r\n\t\"\\`: "/\b\f\r\n\t\"\\", `\u0041\u00e9`: "Aé", `\ud83d\ude00`: "😀", `\ud83d\ude00\ud83d\ude01x`: "😀😁x",
		`\ud83d\ude00\ud83d`: "\xff" + `\ud83d\ude00\ud83d`, `\ud83dud83d`: "\xff" + `\ud83dud83d`, `\ude00\ud83d`: "\xff" + `\ude00\ud83d`,
		`\n\ud7ff\ue000`: "\n\ud7ff\ue000", `x\udbff`: "\xff" + `x\udbff`, `\\udbff\n`: "\\udbff\n",
	} {
		o, err := Parse(`{"` + key + `":1}`)
		require.NoError(t, err, key)
		_, ok := o.Find(want)
		require.True(t, ok, "%q is not %q", key, want)
	}
}

// Wherever a text is cut, it is not an object any more; and the error says that it was
// cut, or that what is left is not one.
func TestParseRefusesTextThatIsCut(t *testing.T) {
	for _, text := range []string{
		`{"a":{"b":"\u00e9","c":[1,{"d":null}]},"e":-1.5e+10,"f":[true,{}],"g":[]}`,
		` { "a" : [ false , [ ] , { "x" : "\\\"" , "y" : 0.25 } ] , "b" : { } } `,
		`{"k":{"\ud800":[[[{"z":{"y":[-0,1E-9,"é"]}}]]]}}`,
	} {
		require.True(t, json.Valid([]byte(text)))
		for i := range strings.TrimRight(text, " ") {
			_, err := Parse(text[:i])
			require.Error(t, err, text[:i])
			if utf8.ValidString(text[:i]) && strings.Contains(text[:i], "{") {
				require.EqualError(t, err, "JSON is cut short", text[:i])
			}
		}
	}
}

// A byte more or another one is found as encoding/json finds it.
func TestParseAgreesWithEncodingJSONOnEveryChange(t *testing.T) {
	text := `{"a":{"b":"\u00aF","c":[1,{"d":null}]},"e":-1.5e+10,"f":[true,{},false] , "g":[]}`
	for i := range len(text) {
		for c := range 256 {
			changed := text[:i] + string([]byte{byte(c)}) + text[i+1:]
			longer := text[:i] + string([]byte{byte(c)}) + text[i:]
			for _, other := range []string{changed, longer, text[:i] + text[i+1:]} {
				_, err := Parse(other)
				isObject := json.Valid([]byte(other)) && utf8.ValidString(other) && strings.HasPrefix(strings.TrimLeft(other, " \t\r\n"), "{")
				if isObject != (err == nil) {
					t.Fatalf("%q: %v", other, err)
				}
			}
		}
	}
}

func TestParseOfRepeatedKeysAmongMany(t *testing.T) {
	for _, n := range []int{5, 31, 32, 33, 34, 100} {
		var text strings.Builder
		text.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&text, `"k%d":%d,`, i, i)
		}
		fmt.Fprintf(&text, `"k1":1000,"\u006b%d":"2000"}`, n-1)
		o := parse(t, text.String())
		require.Equal(t, n, o.Len())
		for key, want := range map[string]string{"k0": "0", "k1": "1000", "k3": "3", fmt.Sprint("k", n-1): `"2000"`} {
			value, ok := o.Find(key)
			require.True(t, ok)
			require.Equal(t, want, value)
		}
		require.Equal(t, "k1=1000", pairs(o)[1])
		o.Set("k0", `0`)
		require.Equal(t, len(o.AppendTo(nil)), o.Size())
	}
}

func TestParseErrorsCanBeTested(t *testing.T) {
	_, err := Parse("{\"a\":\"\xff\"}")
	require.ErrorIs(t, err, ErrNotUTF8)
	_, err = Parse(`{"a":` + strings.Repeat("[", MaxDepth))
	require.ErrorIs(t, err, ErrTooDeep)
	_, err = Parse(`{"hunter2":nope}`)
	require.NotErrorIs(t, err, ErrTooDeep)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestAMillionBracketsAreRefusedEarly(t *testing.T) {
	_, err := Parse(`{"a":` + strings.Repeat(`[`, 1_000_000))
	require.ErrorIs(t, err, ErrTooDeep)
	_, err = Parse(strings.Repeat(`{"a":`, 1_000_000))
	require.ErrorIs(t, err, ErrTooDeep)
}
