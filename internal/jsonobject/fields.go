package jsonobject

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// A field is one of a struct, or of a struct embedded in it, that encoding/json writes.
type field struct {
	name      string
	tagged    bool // the name is from the tag
	index     []int
	omitEmpty bool
	omitZero  bool
}

// An embedding is a struct whose fields count as those of the struct that it is in.
type embedding struct {
	structType reflect.Type
	index      []int
	repeated   bool // the type was met before
}

// fieldsOf returns the fields of a struct type that encoding/json writes. As in Go, of
// fields with one name the least embedded counts, if it is the only one; a name in a
// tag counts before another.
func fieldsOf(t reflect.Type) []field {
	var chosen []field
	settled := map[string]bool{}
	met := map[reflect.Type]bool{}
	for level := []embedding{{structType: t}}; len(level) > 0; {
		var candidates []field
		var next []embedding
		for _, e := range level {
			for i := range e.structType.NumField() {
				f := e.structType.Field(i)
				if isHidden(&f) {
					continue
				}
				found := newField(&f, append(slices.Clone(e.index), i))
				if inner := indirect(f.Type); !f.Anonymous || found.tagged || inner.Kind() != reflect.Struct {
					candidates = append(candidates, found)
				} else if !e.repeated {
					next = append(next, embedding{structType: inner, index: found.index, repeated: met[inner]})
					met[inner] = true
				}
			}
		}
		for _, f := range candidates {
			if !settled[f.name] && dominates(f, candidates) {
				chosen = append(chosen, f)
			}
		}
		for _, f := range candidates {
			settled[f.name] = true
		}
		level = next
	}
	return chosen
}

// dominates reports whether f counts among the fields of its name on one level.
func dominates(f field, level []field) bool {
	named, tagged := 0, 0
	for i := range level {
		if level[i].name == f.name {
			named++
			if level[i].tagged {
				tagged++
			}
		}
	}
	if f.tagged {
		return tagged == 1
	}
	return named == 1
}

// isHidden reports whether encoding/json passes over a field and all that is in it.
func isHidden(f *reflect.StructField) bool {
	if f.Tag.Get("json") == "-" {
		return true
	}
	// An unexported struct may have exported fields.
	return !f.IsExported() && !(f.Anonymous && indirect(f.Type).Kind() == reflect.Struct)
}

func newField(f *reflect.StructField, index []int) field {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	found := field{name: f.Name, index: index}
	if isFieldName(name) {
		found.name, found.tagged = name, true
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			found.omitEmpty = true
		case "omitzero":
			found.omitZero = true
		}
	}
	return found
}

// isFieldName reports whether encoding/json takes the name in a tag for one. What it
// makes of a malformed tag, which go vet reports, depends on its version; here that
// matters only if the names of two fields collide.
func isFieldName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
	})
}

// indirect returns what a pointer type points to in the end.
func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// isOmitted reports whether the field is left out where it has that value.
func (f *field) isOmitted(v reflect.Value) bool {
	return f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v)
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

type zeroer interface{ IsZero() bool }

func isZero(v reflect.Value) bool {
	t, owner := v.Type(), reflect.TypeFor[zeroer]()
	switch {
	case t.Implements(owner):
		return isNil(v) || v.Interface().(zeroer).IsZero()
	case reflect.PointerTo(t).Implements(owner):
		p := reflect.New(t)
		p.Elem().Set(v)
		return p.Interface().(zeroer).IsZero()
	}
	return v.IsZero()
}

// isNil reports whether v is a nil pointer, or an interface with none or a nil one.
func isNil(v reflect.Value) bool {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
