//go:build !go1.27 || !goexperiment.jsonv2

package jsonobject

import (
	"encoding"
	"encoding/json"
	"reflect"
)

// What follows holds for encoding/json as it was up to Go 1.26.

// interfacesHaveMethods tells whether a method in an interface type counts before those
// of the value in it.
const interfacesHaveMethods = true

// pathsHaveKeys tells whether the Field of a json.UnmarshalTypeError has the keys of maps
// and the indexes of slices in it.
const pathsHaveKeys = false

// The methods that encoding/json calls, the first that a value has.
var (
	valueMethods = append([]method{{reflect.TypeFor[json.Marshaler](), marshalJSON}}, textMethods...)
	textMethods  = []method{{reflect.TypeFor[encoding.TextMarshaler](), marshalText}}
)
