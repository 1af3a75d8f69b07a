package cookiestore

import (
	"fmt"
	"reflect"
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
