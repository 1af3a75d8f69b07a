package jsonobject

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const bad = "x\xff"

// A person has a back-reference, which its method leaves out.
type person struct {
	Name     string
	Parent   *person
	Children []*person
}

func (p *person) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": p.Name})
}

// A counter may only be read under its lock.
type counter struct {
	mu     sync.Mutex
	Counts map[string]int
}

func (c *counter) MarshalJSON() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return json.Marshal(len(c.Counts))
}

// A text has what it says encoded.
type text struct{ Says, Inside string }

func (t text) MarshalText() ([]byte, error) { return []byte(t.Says), nil }

type pointerText struct{ Says, Inside string }

func (t *pointerText) MarshalText() ([]byte, error) { return []byte(t.Says), nil }

type pointerJSON struct{ Says, Inside string }

func (t *pointerJSON) MarshalJSON() ([]byte, error) { return []byte(t.Says), nil }

// Both methods: that for JSON counts.
type both struct{ JSON, Text string }

func (b both) MarshalJSON() ([]byte, error) { return []byte(b.JSON), nil }
func (b both) MarshalText() ([]byte, error) { return []byte(b.Text), nil }

type stringWithText string

func (stringWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type byteWithText byte

func (b byteWithText) MarshalText() ([]byte, error) { return []byte{'x', byte(b)}, nil }

type byteWithPointerText byte

func (b *byteWithPointerText) MarshalText() ([]byte, error) { return []byte{'x', byte(*b)}, nil }

type emptyWithText []int

func (emptyWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type boolWithText bool

func (boolWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type mapWithText map[string]int

func (mapWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type arrayWithText [1]int

func (arrayWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type nilWithText struct{}

func (*nilWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type structWithText struct{}

func (structWithText) MarshalText() ([]byte, error) { return []byte(bad), nil }

type zero struct {
	S    string
	Zero bool
}

func (z zero) IsZero() bool { return z.Zero }

type pointerZero struct {
	S    string
	Zero bool
}

func (z *pointerZero) IsZero() bool { return z.Zero }

type named string

type optional struct {
	A string `json:",omitempty"`
	C string `json:",omitzero"`
}

type inner struct{ A, B string }

type Exported struct{ A string }

type fails struct{ calls *int }

func (f fails) MarshalText() ([]byte, error) {
	if *f.calls++; *f.calls > 1 {
		return nil, errors.New("hunter2")
	}
	return []byte("\ufffd"), nil
}

type link struct {
	Next *link
	S    string
}

func chain(n int, s string) *link {
	first := &link{S: s}
	for range n - 1 {
		first = &link{Next: first}
	}
	return first
}

// nest returns v behind that many pointers.
func nest(n int, v any) any {
	for range n {
		inner := v
		v = &inner
	}
	return v
}

// Each of these holds U+FFFD that is there by right, and none holds text that is not
// UTF-8 where encoding/json looks.
func TestTextThatIsUTF8IsAccepted(t *testing.T) {
	const mark = "\ufffd"
	good, nothing := mark, (*string)(nil)
	cycle := &person{Name: `\ufffd`}
	cycle.Children = []*person{{Name: "child", Parent: cycle}}
	for _, test := range []struct {
		name  string
		value any
		want  string
	}{
		{"a string", struct{ A string }{mark}, `{"A":"�"}`},
		{"six characters that a visitor typed", struct{ A string }{`\ufffd`}, `{"A":"\\ufffd"}`},
		{"raw JSON in capitals", json.RawMessage(`"\uFFFD"`), `"\uFFFD"`},
		{"raw JSON with mixed digits", json.RawMessage(`"\uFffD"`), `"\uFffD"`},
		{"raw JSON beside lone surrogates", json.RawMessage(`["\ufffd","\ud800"]`), `["\ufffd","\ud800"]`},
		{"raw JSON behind a pointer", struct{ A *json.RawMessage }{ptr(json.RawMessage(`"�"`))}, `{"A":"�"}`},
		{"a back-reference that a method leaves out", cycle, `{"name":"\\ufffd"}`},
		{"a lattice that a method leaves out", struct {
			P *person
			S string
		}{lattice(60), mark}, `{"P":{"name":""},"S":"�"}`},
		{"a map under a lock that the method takes", struct {
			C *counter
			S string
		}{&counter{Counts: map[string]int{bad: 1}}, mark}, `{"C":1,"S":"�"}`},
		{"what MarshalText says, whatever is inside", []any{text{mark, bad}, &text{mark, bad}}, `["�","�"]`},
		{"what MarshalText of an addressable value says", &struct{ A pointerText }{pointerText{mark, bad}}, `{"A":"�"}`},
		{"what MarshalJSON of an addressable value says", []pointerJSON{{`"\ufffd"`, bad}}, `["\ufffd"]`},
		{"fields where there is no address for the method", struct {
			A pointerJSON
			B pointerText
		}{pointerJSON{mark, ""}, pointerText{mark, ""}}, `{"A":{"Says":"�","Inside":""},"B":{"Says":"�","Inside":""}}`},
		{"MarshalJSON before MarshalText", struct{ A both }{both{`"\ufffd"`, bad}}, `{"A":"\ufffd"}`},
		{"methods in interfaces", struct {
			A    json.Marshaler
			B    encoding.TextMarshaler
			C, D any
		}{both{`"\ufffd"`, bad}, text{mark, bad}, text{mark, bad}, nil}, `{"A":"\ufffd","B":"�","C":"�","D":null}`},
		{"nil pointers, interfaces, maps and slices", struct {
			A *text
			B encoding.TextMarshaler
			C json.Marshaler
			D map[string]string
			E []string
			F *string
			G any
			H **person
			I *nilWithText
			J any
			S string
		}{J: (*nilWithText)(nil), S: mark}, `{"A":null,"B":null,"C":null,"D":null,"E":null,"F":null,"G":null,"H":null,"I":null,"J":null,"S":"�"}`},
		{"nil pointers in collections", map[string][]*string{mark: {nil, nothing, &good}}, `{"�":[null,null,"�"]}`},
		{"numbers and booleans", struct {
			A int
			B bool
			C float64
			D json.Number
			S string
		}{1, true, 1.5, "1.0", mark}, `{"A":1,"B":true,"C":1.5,"D":1.0,"S":"�"}`},
		{"bytes", struct {
			A []byte
			B [2]byte
			S string
		}{[]byte(bad), [2]byte{0xff, 0xfe}, mark}, `{"A":"eP8=","B":[255,254],"S":"�"}`},
		{"bytes that encode themselves", struct {
			A []byteWithText
			B []byteWithPointerText
			S string
		}{[]byteWithText{'y'}, []byteWithPointerText{'z'}, mark}, `{"A":["xy"],"B":["xz"],"S":"�"}`},
		{"keys that are texts", map[text]int{{mark, bad}: 1}, `{"�":1}`},
		{"keys that are numbers", map[int]string{1: mark}, `{"1":"�"}`},
		{"keys that are strings, whatever MarshalText says", map[stringWithText]int{mark: 1}, `{"�":1}`},
		{"nil keys", map[*text]int{nil: 1, {mark, bad}: 2}, `{"":1,"�":2}`},
		{"fields that are not exported", struct {
			a string
			inner
			A string
		}{bad, inner{B: mark}, mark}, `{"B":"�","A":"�"}`},
		{"structs in fields that are not exported", struct {
			a inner
			b *Exported
			S string
		}{inner{A: bad}, &Exported{bad}, mark}, `{"S":"�"}`},
		{"fields with a dash", struct {
			A string `json:"-"`
			B string
		}{bad, mark}, `{"B":"�"}`},
		{"fields of that name", withTag(`json:"-,"`, mark), `{"-":"�"}`},
		{"empty fields", struct {
			A emptyWithText   `json:",omitempty"`
			B boolWithText    `json:"b,omitempty"`
			C [0]boolWithText `json:",omitempty"`
			D *text           `json:"d,omitempty"`
			E emptyWithText   `json:",omitempty"`
			F mapWithText     `json:",omitempty"`
			S string          `json:",omitempty"`
		}{E: emptyWithText{}, F: mapWithText{}, S: mark}, `{"S":"�"}`},
		{"zero fields", struct {
			A zero           `json:",omitzero"`
			B pointerZero    `json:",omitzero"`
			C *zero          `json:",omitzero"`
			D *pointerZero   `json:",omitzero"`
			E zeroer         `json:",omitzero"`
			F zeroer         `json:",omitzero"`
			G structWithText `json:"g,omitzero"`
			H boolWithText   `json:",omitempty,omitzero"`
			I any            `json:",omitzero"`
			J zeroer         `json:",omitzero"`
			S string
		}{A: zero{bad, true}, B: pointerZero{bad, true}, C: &zero{bad, true}, D: &pointerZero{bad, true}, E: zero{bad, true}, F: (*zero)(nil), S: mark}, `{"S":"�"}`},
		{"zero fields of an addressable value", &struct {
			B pointerZero `json:",omitzero"`
			S string
		}{B: pointerZero{bad, true}, S: mark}, `{"S":"�"}`},
		{"fields that are not zero", struct {
			A zero         `json:",omitzero"`
			B pointerZero  `json:",omitzero"`
			C *pointerZero `json:",omitzero"`
		}{zero{S: mark}, pointerZero{S: mark}, &pointerZero{S: mark}}, `{"A":{"S":"�","Zero":false},"B":{"S":"�","Zero":false},"C":{"S":"�","Zero":false}}`},
		{"fields that others hide", struct {
			inner
			*Exported
			A string
		}{inner{A: bad, B: ""}, &Exported{bad}, mark}, `{"B":"","A":"�"}`},
		{"fields of which neither counts", struct {
			inner
			Exported
		}{inner{A: bad, B: mark}, Exported{bad}}, `{"B":"�"}`},
		{"fields of an embedded struct that is nil", struct {
			*Exported
			B string
		}{nil, mark}, `{"B":"�"}`},
		{"fields that may be left out of an embedded struct that is nil", struct {
			*optional
			B string
		}{nil, mark}, `{"B":"�"}`},
		{"a value behind many pointers", nest(400, &good), `"�"`},
		{"a long list of nothing", struct {
			A []struct{}
			S string
		}{make([]struct{}, 3), mark}, `{"A":[{},{},{}],"S":"�"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := AppendValue(nil, test.value)
			require.NoError(t, err, string(got))
			require.Equal(t, test.want, string(got))
			require.True(t, mayBeReplaced(string(got)))
			parse(t, `{"a":`+string(got)+`}`)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// lattice returns a person that is reached in 2^depth ways.
func lattice(depth int) *person {
	p := &person{Children: []*person{{}, {}}}
	for range depth {
		p = &person{Children: []*person{p, p}, Parent: p}
	}
	return p
}

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	text1 := bad
	for _, test := range []struct {
		name  string
		value any
	}{
		{"a named string", named(bad)},
		{"a string in a struct", struct{ A string }{bad}},
		{"in a pointer to a pointer", ptr(&text1)},
		{"in a slice, last", []string{"a", bad}},
		{"in an array", [2]string{bad}},
		{"in a map of maps", map[string]map[string]string{"a": {"b": bad}}},
		{"in an interface", []fmt.Stringer(nil)},
		{"a key of a map", map[named]int{"a": 1, bad: 2}},
		{"a key of a map in a struct", struct{ M map[string]int }{map[string]int{bad: 1}}},
		{"in an embedded struct", struct{ Exported }{Exported{bad}}},
		{"in an embedded pointer", struct{ *Exported }{&Exported{bad}}},
		{"in an embedded struct that is not exported", struct{ inner }{inner{B: bad}}},
		{"in a field with the option string", withTag(`json:",string"`, bad)},
		{"in a field named with a dash", withTag(`json:"-,"`, bad)},
		{"in a field with the option omitempty", struct {
			A string `json:"a,omitempty"`
		}{bad}},
		{"in a struct with the option omitempty", struct {
			A structWithText `json:"a,omitempty"`
		}{}},
		{"from MarshalText of what is empty", struct{ A emptyWithText }{}},
		{"from MarshalText of an array that is not empty", struct {
			A arrayWithText `json:"a,omitempty"`
		}{}},
		{"from MarshalText of true", struct {
			A boolWithText `json:"a,omitempty"`
		}{true}},
		{"from MarshalText of a nil pointer in an interface", struct{ A encoding.TextMarshaler }{(*nilWithText)(nil)}},
		{"in a field whose address is not zero", struct {
			A pointerZero `json:",omitzero"`
		}{pointerZero{S: bad}}},
		{"in a field that is not zero", struct {
			A zero `json:",omitzero"`
		}{zero{S: bad}}},
		{"in a field whose pointer is not zero", struct {
			A *pointerZero `json:",omitzero"`
		}{&pointerZero{S: bad}}},
		{"in a zero field without the option", struct{ A zero }{zero{bad, true}}},
		{"in a field whose name in the tag is none", withTag(`json:"a'b,omitzero"`, bad)},
		{"from MarshalText", struct{ A text }{text{Says: bad}}},
		{"from MarshalText behind a pointer", []*text{{Says: bad}}},
		{"from MarshalText of an addressable value", &struct{ A pointerText }{pointerText{Says: bad}}},
		{"from MarshalText of a key", map[text]int{{Says: bad}: 1}},
		{"from MarshalText of a byte", []byteWithText{0xff}},
		{"from MarshalText of an addressable byte", []byteWithPointerText{0xff}},
		{"from MarshalText in an interface", struct{ A encoding.TextMarshaler }{text{Says: bad}}},
		{"in a value without an address for its method", struct{ A pointerJSON }{pointerJSON{`"\ufffd"`, bad}}},
		{"in a map's value without an address for its method", map[string]pointerText{"a": {"ok", bad}}},
		{"from MarshalJSON", raw(`"` + bad + `"`)},
		{"from MarshalJSON of an addressable value", []pointerJSON{{Says: `"` + bad + `"`}}},
		{"in raw JSON in a struct", struct{ A json.RawMessage }{json.RawMessage(`{"` + bad + `":1}`)}},
		{"beside U+FFFD by right", []string{"\ufffd", bad}},
		{"beside raw U+FFFD", []any{json.RawMessage(`"\ufffd"`), struct{ A string }{bad}}},
		{"in a hidden field's place", struct {
			inner
			A string `json:"B"`
		}{inner{B: "\ufffd"}, bad}},
		{"in the field that a tag prefers", struct {
			Exported
			tagged
		}{Exported{"\ufffd"}, tagged{bad}}},
	} {
		if test.name == "in an interface" {
			test.value = struct{ A, B any }{1, bad}
		}
		t.Run(test.name, func(t *testing.T) {
			got, err := AppendValue(nil, test.value)
			require.ErrorIs(t, err, ErrNotUTF8, string(got))
			require.EqualError(t, err, "it has a string that is not UTF-8")
		})
	}
}

type tagged struct {
	Other string `json:"A"`
}

// Up to Go 1.26, the method that an interface type has counts before others that the
// value has.
func TestMethodsOfInterfaces(t *testing.T) {
	_, err := AppendValue(nil, struct{ A encoding.TextMarshaler }{both{`"\ufffd"`, bad}})
	if interfacesHaveMethods {
		require.ErrorIs(t, err, ErrNotUTF8)
	} else {
		require.NoError(t, err)
	}
}

// Likewise MarshalText of an interface type of keys, even for a string.
func TestKeysInInterfaces(t *testing.T) {
	got, err := AppendValue(nil, map[encoding.TextMarshaler]int{text{"\ufffd", bad}: 1})
	require.NoError(t, err)
	require.Equal(t, "{\"\ufffd\":1}", string(got))
	_, err = AppendValue(nil, map[encoding.TextMarshaler]int{text{bad, ""}: 1})
	require.ErrorIs(t, err, ErrNotUTF8)
	_, err = AppendValue(nil, map[encoding.TextMarshaler]int{stringWithText("\ufffd"): 1})
	if interfacesHaveMethods {
		require.ErrorIs(t, err, ErrNotUTF8)
	} else {
		require.NoError(t, err)
	}
}

func TestWhatCannotBeToldIsAnError(t *testing.T) {
	for _, n := range []int{400, 600} {
		_, err := AppendValue(nil, chain(n, "\ufffd"))
		if n == 400 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errCannotTell)
		}
		_, err = AppendValue(nil, chain(n, "plain"))
		require.NoError(t, err)
	}

	t.Run("a level too many", func(t *testing.T) {
		last := ptr("\ufffd")
		_, err := AppendValue(nil, nest(499, last))
		require.NoError(t, err)
		_, err = AppendValue(nil, nest(499, &last))
		require.ErrorIs(t, err, errCannotTell)
	})
	t.Run("a level too many of slices and of maps", func(t *testing.T) {
		type slices []slices
		type maps map[string]maps
		var s slices
		var m maps
		for range maxLevels - 3 {
			s, m = slices{s}, maps{"a": m}
		}
		for _, v := range []any{
			struct {
				A slices
				S string
			}{slices{s}, "\ufffd"},
			struct {
				A maps
				S string
			}{maps{"a": m}, "\ufffd"},
		} {
			_, err := AppendValue(nil, v)
			require.NoError(t, err)
		}
		for _, v := range []any{
			struct {
				A slices
				S string
			}{slices{slices{s}}, "\ufffd"},
			struct {
				A maps
				S string
			}{maps{"a": maps{"a": m}}, "\ufffd"},
		} {
			_, err := AppendValue(nil, v)
			require.ErrorIs(t, err, errCannotTell)
		}
	})
	t.Run("pointers without end", func(t *testing.T) {
		_, err := AppendValue(nil, nest(2000, ptr("\ufffd")))
		require.ErrorIs(t, err, errCannotTell)
	})
	t.Run("more pointers than output", func(t *testing.T) {
		var list []any
		for range 2000 {
			list = append(list, nest(10, ptr(1)))
		}
		_, err := AppendValue(nil, struct {
			A []any
			S string
		}{list, "\ufffd"})
		require.ErrorIs(t, err, errCannotTell)
	})
	t.Run("a method that fails at its second call", func(t *testing.T) {
		_, err := AppendValue(nil, []fails{{new(int)}})
		require.ErrorIs(t, err, errCannotTell)
		require.NotContains(t, err.Error(), "hunter2")
	})
}

// A long value needs no more room for doubt than a short one.
func TestLongValuesAreLookedThrough(t *testing.T) {
	values := make([]*any, 20_000)
	for i := range values {
		values[i] = ptr(any(""))
	}
	*values[len(values)-1] = "\ufffd"
	_, err := AppendValue(nil, values)
	require.NoError(t, err)
	*values[0] = bad
	_, err = AppendValue(nil, values)
	require.ErrorIs(t, err, ErrNotUTF8)
}

func TestMethodsAreCalledOnceWithoutU_FFFD(t *testing.T) {
	calls := 0
	_, err := AppendValue(nil, []any{counting{&calls, `"\ufff0\u00fd\\u"`}})
	require.NoError(t, err)
	require.Equal(t, 1, calls)
	_, err = AppendValue(nil, []any{counting{&calls, `"\ufffd"`}})
	require.NoError(t, err)
	require.Equal(t, 3, calls)
}

type counting struct {
	calls *int
	says  string
}

func (c counting) MarshalJSON() ([]byte, error) { *c.calls++; return []byte(c.says), nil }

func TestMayBeReplaced(t *testing.T) {
	for text, want := range map[string]bool{
		``: false, `"\ufff"`: false, `\u`: false, `"\u00e9\ufffc"`: false, `"ufffd"`: false, `"\uffd"`: false, "\ufffc": false,
		`"\ufffd`: true, `"\uFFFD"`: true, `"\u00e9\ufFfD"`: true, `\\ufffd`: true, "a\ufffd": true, `\u\ufffd`: true,
	} {
		require.Equal(t, want, mayBeReplaced(text), text)
	}
	require.False(t, mayBeReplaced(strings.Repeat(`\u00e9`, 1000)))
}
