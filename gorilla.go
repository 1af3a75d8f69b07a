package cookiestore

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// A looseMap is what gorilla/sessions keeps its values in. encoding/gob takes it
// for what it is; for JSON it has a method.
type looseMap map[any]any

func (m *looseMap) UnmarshalJSON(data []byte) error {
	return decodeLooseMap(string(data), (*map[any]any)(m))
}

func decodeLooseMap(data string, dst *map[any]any) error {
	var named map[string]any
	if err := unmarshal(data, &named); err != nil {
		return &cookieError{class: decodeError, reason: ErrMalformed, detail: "not a JSON object", cause: err}
	}
	if *dst == nil {
		*dst = make(map[any]any, len(named))
	}
	for key, value := range named {
		(*dst)[key] = value
	}
	return nil
}

// loadGorilla returns the dictionary of a cookie that gorilla/sessions has
// written, or that securecookie has written of a map.
func loadGorilla(c Codec, name, value string) (string, error) {
	// securecookie.JSONEncoder needs the method of a looseMap: on Go 1.27, encoding/json
	// takes the map without it, and all its numbers are floats.
	values := looseMap{}
	if err := decodeQuietly(c, name, value, &values); err != nil {
		plain := map[any]any{}
		var named map[string]any
		switch {
		case decodeQuietly(c, name, value, &plain) == nil: // a serializer that knows this type alone
			values = plain
		case decodeQuietly(c, name, value, &named) == nil: // gob of another map
			for key, v := range named {
				values[key] = v
			}
		default:
			return "", err
		}
	}
	named, err := stringKeys(values)
	if err != nil {
		return "", err
	}
	if fromJSON(named) {
		replaceLeaves(named, wholeNumber)
	}
	data, err := appendValue(nil, named)
	return string(data), err
}

// decodeQuietly takes a panic for an error: serializers that sites have written
// for gorilla/sessions know one type, and may panic for any other.
func decodeQuietly(c Codec, name, value string, dst any) (err error) {
	defer func() {
		if recover() != nil {
			err = refuse(ErrMalformed, "the codec panicked")
		}
	}()
	return c.Decode(name, value, dst)
}

// fromJSON reports whether v has no types but those that encoding/json decodes
// into an interface. gob, which keeps types, would have others in most sessions.
func fromJSON(v any) bool {
	switch v := v.(type) {
	case nil, bool, string, float64:
		return true
	case map[string]any:
		for _, inner := range v {
			if !fromJSON(inner) {
				return false
			}
		}
		return true
	case []any:
		return !slices.ContainsFunc(v, func(inner any) bool { return !fromJSON(inner) })
	}
	return false
}

// wholeNumber makes an integer of a whole float: encoding/json reads all numbers
// as floats, and a user's id that came as 42.0 would be no int.
func wholeNumber(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return int64(f)
	}
	return v
}

// stringKeys returns the map with its keys as the strings that encoding/json
// makes of them.
func stringKeys(m map[any]any) (map[string]any, error) {
	named := make(map[string]any, len(m))
	for key, value := range m {
		var name string
		switch k := reflect.ValueOf(key); {
		case k.Kind() == reflect.String:
			name = k.String()
		case k.CanInt():
			name = strconv.FormatInt(k.Int(), 10)
		case k.CanUint():
			name = strconv.FormatUint(k.Uint(), 10)
		default:
			return nil, usage(fmt.Sprintf("a key of type %T can't be a key in JSON", key))
		}
		if _, taken := named[name]; taken {
			return nil, usage(fmt.Sprintf("two keys would both be %q in JSON", name))
		}
		named[name] = value
	}
	return named, nil
}
