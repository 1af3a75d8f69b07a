package jsonobject

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"
)

// encoding/json writes U+FFFD for what is not UTF-8 in a string, as itself or as an
// escape, depending on its version. Whether one in its output is such a replacement
// can't be told from the output. So where there is one, the functions below go through
// the Go value the way that encoding/json did.

// mayBeReplaced reports whether text from encoding/json has U+FFFD in any spelling. A
// backslash before the escape does not matter: the option "string" of a field escapes
// the escape.
func mayBeReplaced(text string) bool {
	if strings.Contains(text, "\ufffd") {
		return true
	}
	for found := true; found; {
		if _, text, found = strings.Cut(text, `\u`); len(text) >= 4 && strings.EqualFold(text[:4], "fffd") {
			return true
		}
	}
	return false
}

// checkStrings returns an error if anything that encoding/json took for text in v is
// not UTF-8, or if that can't be told. It runs only where encoding/json came to the end
// of v and wrote size bytes.
func checkStrings(v any, size int) error {
	// Each value has at least a byte of its own in the output, and the pointers and
	// interfaces on the way to it are hardly more than a few.
	w := walk{visits: maxLevels + 4*size, fields: map[reflect.Type][]field{}}
	return w.value(reflect.ValueOf(v), 1)
}

// maxLevels is how deep a walk goes, each pointer and interface counted.
const maxLevels = 1000

// A walk goes through a Go value as encoding/json does. It looks at nothing inside a
// value that has a method for its encoding, which may not be safe to read, or have no
// end.
type walk struct {
	visits int // how many are left
	fields map[reflect.Type][]field
}

func (w *walk) value(v reflect.Value, level int) error {
	if w.visits--; w.visits < 0 || level > maxLevels {
		return errCannotTell
	}
	if !v.IsValid() {
		return nil // a nil interface
	}
	if called, err := callMethod(v, valueMethods); called {
		return err
	}
	switch v.Kind() {
	case reflect.String:
		return checkText(v.String())
	case reflect.Interface, reflect.Pointer:
		return w.value(v.Elem(), level+1)
	case reflect.Slice, reflect.Array:
		return w.elements(v, level+1)
	case reflect.Map:
		return w.entries(v, level+1)
	case reflect.Struct:
		return w.structFields(v, level+1)
	}
	return nil
}

func (w *walk) elements(v reflect.Value, level int) error {
	for i := range v.Len() {
		if err := w.value(v.Index(i), level); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entries(v reflect.Value, level int) error {
	for entries := v.MapRange(); entries.Next(); {
		if err := checkMapKey(entries.Key()); err != nil {
			return err
		}
		if err := w.value(entries.Value(), level); err != nil {
			return err
		}
	}
	return nil
}

func checkMapKey(key reflect.Value) error {
	if key.Kind() == reflect.Interface && !interfacesHaveMethods {
		key = key.Elem()
	}
	if key.Kind() == reflect.String {
		return checkText(key.String()) // whatever its methods are
	}
	_, err := callMethod(key, textMethods)
	return err
}

func (w *walk) structFields(v reflect.Value, level int) error {
	t := v.Type()
	fields, ok := w.fields[t]
	if !ok {
		fields = fieldsOf(t)
		w.fields[t] = fields
	}
	for i := range fields {
		inner, err := v.FieldByIndexErr(fields[i].index)
		if err != nil || fields[i].isOmitted(inner) {
			continue // behind a nil pointer, or left out
		}
		if err := w.value(inner, level); err != nil {
			return err
		}
	}
	return nil
}

// A method is one that encoding/json calls to encode a value.
type method struct {
	owner reflect.Type                // the interface
	call  func(v any) ([]byte, error) // returns what is written
}

// callMethod calls the first of the methods that v has, as encoding/json would, and
// reports whether it has one.
func callMethod(v reflect.Value, methods []method) (called bool, err error) {
	t := v.Type()
	if t.Kind() == reflect.Interface && !interfacesHaveMethods && !isNil(v) {
		return false, nil
	}
	for i := range methods {
		m := &methods[i]
		switch {
		case v.CanAddr() && reflect.PointerTo(t).Implements(m.owner):
			v = v.Addr()
		case !t.Implements(m.owner):
			continue
		case (t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface) && v.IsNil():
			return true, nil
		}
		if !v.CanInterface() {
			return true, errCannotTell // in an unexported field
		}
		text, err := m.call(v.Interface())
		switch {
		case err != nil:
			return true, errCannotTell // it did not fail before
		case !utf8.Valid(text):
			return true, errStringNotUTF8
		}
		return true, nil
	}
	return false, nil
}

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errStringNotUTF8
	}
	return nil
}

func marshalJSON(v any) ([]byte, error) { return v.(json.Marshaler).MarshalJSON() }

func marshalText(v any) ([]byte, error) { return v.(encoding.TextMarshaler).MarshalText() }
