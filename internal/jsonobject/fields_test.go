package jsonobject

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

type (
	Deep struct{ X, D string }
	Left struct {
		Deep
		L, Both string
	}
	Right struct {
		Deep
		R, Both string
	}
	LeftTag struct {
		One string `json:"Both"`
	}
	RightTag struct {
		Two string `json:"Both"`
	}
	hidden struct{ H, Both string }
	Self   struct {
		*Self
		S string
	}
	Text   string
	lower  string
	Level2 struct {
		Left
		X string
	}
	DeepPair struct {
		Wrapped
		Left
	}
	Wrapped struct{ Right }
)

// The fields that are found are those that encoding/json writes: the strings in them
// are all different, so that those in its output tell.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	values := []any{
		&struct{}{},
		&struct{ A, B, c string }{},
		withTag(`json:"-,"`, ""),
		&struct {
			A string `json:"a"`
			B string `json:"-"`
			D string `json:",omitempty"`
			E string `xml:"e"`
			F string `json:"f,omitzero,omitempty"`
		}{},
		structOf( // go vet would not have these
			reflect.StructField{Name: "A", Type: reflect.TypeFor[string](), Tag: `json:"x"`},
			reflect.StructField{Name: "B", Type: reflect.TypeFor[string](), Tag: `json:"x"`},
			reflect.StructField{Name: "C", Type: reflect.TypeFor[string]()},
		),
		&struct {
			A string `json:"B"`
			B string
		}{},
		&struct {
			A string `json:"b c"`
			D string `json:"é!#$%&()*+-./:;<=>?@[]^_{|}~ "`
			F string `json:"9"`
		}{},
		&Left{},
		&struct {
			Left
			Right
		}{},
		&struct {
			Left
			LeftTag
		}{},
		structOf(embedded[LeftTag](), embedded[RightTag]()),
		&struct {
			Left
			Right
			LeftTag
		}{},
		structOf(embedded[Left](), embedded[Right](), embedded[LeftTag](), embedded[RightTag]()),
		&struct {
			Left
			Both string
		}{},
		&struct {
			Left
			Other string `json:"Both"`
		}{},
		&struct {
			*Left
			hidden
		}{},
		&struct {
			*Left
			R Right
		}{},
		&struct {
			Left `json:"left"`
			Right
		}{},
		&struct {
			Left `json:"-"`
			Right
		}{},
		&struct {
			Left `json:",omitempty"`
			Right
		}{},
		&struct {
			hidden
			A string
		}{},
		&struct {
			*Self
			A string
		}{},
		&Self{},
		&struct {
			Text
			lower
			A string
		}{},
		&struct {
			Text `json:"t"`
			A    string
		}{},
		&Level2{},
		&struct {
			Level2
			Right
		}{},
		&struct {
			Level2
			Deep
		}{},
		&struct {
			DeepPair
			Deep
		}{},
		&DeepPair{},
		&struct {
			DeepPair
			Level2
			L string
		}{},
		&struct {
			Left
			Level2 struct{ X string }
		}{},
	}
	for _, name := range "é9!#$%&()*+-./:;<=>?@[]^_{|}~ " {
		tag := reflect.StructTag(`json:"` + string(name) + `x"`)
		values = append(values, structOf( // neither counts, if it is a name
			reflect.StructField{Name: "A", Type: reflect.TypeFor[string](), Tag: tag},
			reflect.StructField{Name: "B", Type: reflect.TypeFor[string](), Tag: tag},
		))
	}
	if interfacesHaveMethods { // tags that are malformed
		text := reflect.TypeFor[string]()
		values = append(values, structOf(
			reflect.StructField{Name: "B", Type: text, Tag: `json:"b'c"`},
			reflect.StructField{Name: "C", Type: text, Tag: `json:"b\"c"`},
			reflect.StructField{Name: "E", Type: text, Tag: `json:"b\\c"`},
		), structOf(
			reflect.StructField{Name: "A", Type: text, Tag: `json:"C,"`},
			reflect.StructField{Name: "C", Type: text, Tag: `json:"a\"b"`},
		))
	}
	for _, v := range values {
		t.Run(fmt.Sprintf("%T", v), func(t *testing.T) {
			count := 0
			fill(reflect.ValueOf(v).Elem(), &count, 0)
			output, err := json.Marshal(v)
			require.NoError(t, err)
			var found []string
			gather(reflect.ValueOf(v).Elem(), &found)
			slices.Sort(found)
			require.Equal(t, leaves(DecodeAny(string(output)), nil), found, string(output))
		})
	}
}

func structOf(fields ...reflect.StructField) any {
	return reflect.New(reflect.StructOf(fields)).Interface()
}

func embedded[T any]() reflect.StructField {
	return reflect.StructField{Name: reflect.TypeFor[T]().Name(), Type: reflect.TypeFor[T](), Anonymous: true}
}

// withTag returns a struct whose field A has that tag, which the linters would not have,
// and that value.
func withTag[T any](tag reflect.StructTag, value T) any {
	v := structOf(reflect.StructField{Name: "A", Type: reflect.TypeFor[T](), Tag: tag})
	reflect.ValueOf(v).Elem().Field(0).Set(reflect.ValueOf(value))
	return v
}

// fill numbers the strings in a struct.
func fill(v reflect.Value, count *int, depth int) {
	switch v.Kind() {
	case reflect.String:
		if *count++; v.CanSet() {
			v.SetString(fmt.Sprint("text", *count))
		}
	case reflect.Pointer:
		if v.CanSet() && depth < 3 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), count, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), count, depth)
		}
	}
}

func gather(v reflect.Value, found *[]string) {
	switch v.Kind() {
	case reflect.String:
		*found = append(*found, v.String())
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if inner, err := v.FieldByIndexErr(f.index); err == nil && !f.isOmitted(inner) {
				gather(inner, found)
			}
		}
	}
}

func leaves(v any, found []string) []string {
	switch v := v.(type) {
	case string:
		found = append(found, v)
	case map[string]any:
		for _, inner := range v {
			found = leaves(inner, found)
		}
	}
	slices.Sort(found)
	return found
}
