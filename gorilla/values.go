package gorilla

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
	"example.com/cookiestore/internal/jsonobject"
)

// jsonText is what a serializer that uses encoding/json decodes. To gob it is nothing.
type jsonText struct{ text string }

func (j *jsonText) UnmarshalJSON(data []byte) error {
	j.text = string(data)
	return nil
}

// dictionary returns the session in a cookie as a JSON object.
func dictionary(c securecookie.Codec, name, value string) (string, error) {
	decode := func(dst any) error {
		return quietly(func() error { return c.Decode(name, value, dst) })
	}
	// JSON comes first: a map would have its numbers as float64 and hide text that
	// is not UTF-8. From Go 1.27 on, encoding/json decodes into a map[any]any, too.
	var j jsonText
	if decode(&j) == nil && j.text != "" {
		if _, err := jsonobject.Parse(j.text); err != nil {
			return "", refuse(cookiestore.ErrMalformed, err.Error(), err)
		}
		return j.text, nil
	}
	values := map[any]any{} // what gorilla/sessions hands to its codecs
	err := decode(&values)
	if err == nil && values != nil {
		return encode(values)
	}
	var named map[string]any
	if decode(&named) == nil && named != nil {
		return encodeNamed(named)
	}
	return "", unreadable(c, err)
}

// unreadable is the refusal of what a codec failed to decode, with an error or as null.
// One that was not asked to verify first may have failed at that.
func unreadable(c securecookie.Codec, err error) error {
	var reason error
	switch c.(type) {
	case *securecookie.SecureCookie, *Codec:
		reason = cookiestore.ErrMalformed
	}
	return refuse(reason, fmt.Sprintf("%T can't decode it as a map%s", c, because(err)), err)
}

// encode returns the session as JSON, with its keys as strings.
func encode(values map[any]any) (string, error) {
	named := make(map[string]any, len(values))
	for key, v := range values {
		name, ok := keyName(key)
		if !ok {
			return "", refuse(nil, fmt.Sprintf("session has a key of type %T, which can't be a key in JSON", key), nil)
		}
		if _, taken := named[name]; taken {
			return "", refuse(nil, fmt.Sprintf("session has two keys that would both be %q in JSON, one of type %T", name, key), nil)
		}
		named[name] = v
	}
	return encodeNamed(named)
}

// keyName returns what a key is in JSON, if it can be one.
func keyName(key any) (string, bool) {
	switch k := reflect.ValueOf(key); {
	case k.Kind() == reflect.String:
		return k.String(), true
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), true
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), true
	}
	return "", false
}

func encodeNamed(named map[string]any) (string, error) {
	if fromJSON(named) {
		jsonobject.ReplaceLeaves(named, wholeNumber)
	}
	var o jsonobject.Object
	for _, key := range slices.Sorted(maps.Keys(named)) {
		if err := jsonobject.CheckKey(key); err != nil {
			return "", refuse(nil, "session has a key that is not UTF-8", err)
		}
		var text []byte
		err := quietly(func() (err error) {
			text, err = jsonobject.AppendValue(nil, named[key])
			return err
		})
		if err != nil {
			return "", refuse(nil, fmt.Sprintf("the value under %q, of type %T, can't be JSON: %v", key, named[key], err), err)
		}
		o.Set(key, string(text))
	}
	return string(o.AppendTo(nil)), nil
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
// as floats, and a user's id that came as 42.0 would not be an int.
func wholeNumber(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return int64(f)
	}
	return v
}
