package jsonobject

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendElement(t *testing.T) {
	for _, test := range []struct{ name, array, value, want string }{
		{"no array yet", ``, `1`, `[1]`},
		{"an empty array", `[]`, `1`, `[1]`},
		{"an empty array with spaces", "[ \t\r\n]", `1`, `[1]`},
		{"an array", `[1]`, `[2]`, `[1,[2]]`},
		{"an array with spaces", "[ 1 , 2\n ]", `"x"`, `[ 1 , 2,"x"]`},
		{"what is not an array", `{"a":[]}`, `1`, `[1]`},
		{"null", `null`, `1`, `[1]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := AppendElement(test.array, test.value)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			parse(t, `{"a":`+got+`}`)
		})
	}
	for value, says := range map[string]string{
		``: "JSON is cut short", `nope`: "not JSON at byte 0", `1 `: "not JSON at byte 1", `1,2`: "not JSON at byte 1", `[`: "JSON is cut short",
	} {
		_, err := AppendElement(`[1]`, value)
		require.EqualError(t, err, says, value)
	}
}

func TestAppendElementReturnsWhatParseReads(t *testing.T) {
	for _, depth := range []int{MaxDepth - 3, MaxDepth - 2, MaxDepth - 1, MaxDepth} {
		value := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		_, readable := Parse(`{"a":[1,` + value + `]}`)
		require.Equal(t, depth <= MaxDepth-2, readable == nil)
		_, ok := Elements(`[1,` + value + `]`)
		require.Equal(t, readable == nil, ok)
		for _, array := range []string{``, `[1]`} {
			_, err := AppendElement(array, value)
			if readable == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrTooDeep)
			}
		}
	}
}

func TestElements(t *testing.T) {
	for _, test := range []struct {
		array string
		want  []string
	}{
		{`[]`, []string{}},
		{"[ \n]", []string{}},
		{`[1]`, []string{`1`}},
		{"[ 1.0 ,\t\"a,]\" , [ 2,3 ],{\"a\" : 1} ]", []string{`1.0`, `"a,]"`, `[ 2,3 ]`, `{"a" : 1}`}},
	} {
		got, ok := Elements(test.array)
		require.True(t, ok, test.array)
		require.Equal(t, test.want, got)
	}
	for _, value := range []string{``, `1`, `null`, `"[1]"`, `{"a":[1]}`, `[`, `[1`, `[1,`, `[1,]`, `[1 2]`, `[1;2]`, `[nope]`, `[]x`, `[1]x`, `(1]`, `[ `} {
		_, ok := Elements(value)
		require.False(t, ok, value)
	}
}
