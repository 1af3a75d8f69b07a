//go:build go1.27 && goexperiment.jsonv2

package jsonobject

import (
	"encoding"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"reflect"
)

// What follows holds for encoding/json on top of encoding/json/v2, as it is from Go 1.27.

// interfacesHaveMethods tells whether a method in an interface type counts before those
// of the value in it.
const interfacesHaveMethods = false

// pathsHaveKeys tells whether the Field of a json.UnmarshalTypeError has the keys of maps
// and the indexes of slices in it.
const pathsHaveKeys = true

// The methods that encoding/json calls, the first that a value has.
var (
	valueMethods = append([]method{
		{reflect.TypeFor[jsonv2.MarshalerTo](), marshalJSONTo},
		{reflect.TypeFor[json.Marshaler](), marshalJSON},
	}, textMethods...)
	textMethods = []method{
		{reflect.TypeFor[encoding.TextAppender](), appendText},
		{reflect.TypeFor[encoding.TextMarshaler](), marshalText},
	}
)

// marshalJSONTo returns text that is not UTF-8 where the value writes such text. An
// encoder would replace that, or fail, as this one does. It does for an escaped lone
// surrogate, too.
func marshalJSONTo(v any) ([]byte, error) {
	if _, err := jsonv2.Marshal(v, json.DefaultOptionsV1(), jsontext.AllowInvalidUTF8(false)); err != nil {
		return []byte{0xff}, nil
	}
	return nil, nil
}

func appendText(v any) ([]byte, error) { return v.(encoding.TextAppender).AppendText(nil) }
