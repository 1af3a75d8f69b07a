// Package jsonobject holds a JSON object as the text that it was read from.
//
// It is for data that other programs read and write too: what isn't changed passes
// through it untouched. It guarantees what encoding/json does not:
//
//   - An untouched object is written byte for byte as it was read, and in a changed
//     one every untouched value is: 1.0 stays 1.0, an integer of 30 digits keeps all
//     of them, a lone surrogate stays the escape that it was.
//   - The members keep their order.
//   - Of two members with equal keys the later value counts, at the place of the
//     first, as in Python.
//   - No string silently becomes another: text that is not UTF-8 is refused where it
//     is read and where it is written, and never replaced by U+FFFD.
//   - Numbers decoded into an interface are exact.
//   - What is written can be read: [AppendValue] keeps the rules of [Parse], depth
//     included.
//
// encoding/json handles values of all but the most common types. The results are the same
// with every version of it, including the new implementation of Go 1.27, except where
// [AppendValue] says otherwise.
package jsonobject

import (
	"iter"
	"slices"
	"strings"
)

// An Object is an ordered JSON object whose values stay text until asked for. The
// zero value is the empty object.
//
// Not safe for concurrent use, but calls that change nothing may run at the same time.
// A copy shares the members: use [Object.Clone].
type Object struct {
	members []member // in order; with an index there may be holes
	text    string   // what it was parsed from; "" once something has changed
	body    int      // the bytes of the members, without the commas between them
	index   *index   // nil while there are few members
}

// A member is one entry of an object.
type member struct {
	key   string // decoded
	token string // the key as it stands in the JSON, in its quotes; "" is a hole
	value string // JSON
}

func (m *member) isHole() bool { return m.token == "" }

// size is without the colon.
func (m *member) size() int { return len(m.token) + len(m.value) }

// fewMembers is up to how many members a search from the front is the fastest.
const fewMembers = 32

// An index finds the members of an object that has many.
type index struct {
	places map[string]int
	holes  int // deleted members that are still in the slice
}

// place returns where the member is, or -1.
func place(members []member, x *index, key string) int {
	if x == nil {
		return search(members, key)
	}
	if i, ok := x.places[key]; ok {
		return i
	}
	return -1
}

func search(members []member, key string) int {
	for i := range members {
		if members[i].key == key {
			return i
		}
	}
	return -1
}

// indexed returns the index with the last member in it, once there are many.
func indexed(members []member, x *index) *index {
	last := len(members) - 1
	switch {
	case x != nil:
		x.places[members[last].key] = last
	case len(members) > fewMembers:
		x = &index{places: make(map[string]int, 2*len(members))}
		for i := range members {
			x.places[members[i].key] = i
		}
	}
	return x
}

// Len returns the number of members.
func (o *Object) Len() int {
	if o.index != nil {
		return len(o.members) - o.index.holes
	}
	return len(o.members)
}

// Size returns how many bytes [Object.AppendTo] appends. It takes constant time.
func (o *Object) Size() int {
	if o.text != "" {
		return len(o.text)
	}
	return len("{}") + o.body + max(0, o.Len()-1)
}

// Find returns the value under key, which is JSON. It is never "" if ok is true.
func (o *Object) Find(key string) (value string, ok bool) {
	if i := place(o.members, o.index, key); i >= 0 {
		return o.members[i].value, true
	}
	return "", false
}

// Set puts the value under key: at its place if the key is there, else at the end.
//
// The value must be what [AppendValue], [AppendElement] or [Object.Find] returned;
// it is not checked again. The key must be UTF-8, see [CheckKey]: a new one that
// isn't has no spelling in JSON, and Set panics. A new key is copied, so the caller
// may reuse its memory.
func (o *Object) Set(key, value string) {
	if i := place(o.members, o.index, key); i >= 0 {
		o.replace(i, value)
		return
	}
	key, token := newKey(key)
	o.add(member{key: key, token: token, value: value})
}

// SetAll sets all members of other, in their order. New keys keep the spelling that
// they have there, so that even a key with a lone surrogate stays what it was.
func (o *Object) SetAll(other *Object) {
	for _, m := range other.members {
		if m.isHole() {
			continue
		}
		if i := place(o.members, o.index, m.key); i >= 0 {
			o.replace(i, m.value)
		} else {
			o.add(m)
		}
	}
}

func (o *Object) replace(i int, value string) {
	o.text = ""
	o.body += len(value) - len(o.members[i].value)
	o.members[i].value = value
}

// add appends a member whose key is new.
func (o *Object) add(m member) {
	o.text = ""
	o.body += m.size() + len(":")
	o.members = append(o.members, m)
	o.index = indexed(o.members, o.index)
}

// Delete removes the member under key, and reports whether there was one.
func (o *Object) Delete(key string) bool {
	i := place(o.members, o.index, key)
	if i < 0 {
		return false
	}
	o.text = ""
	o.body -= o.members[i].size() + len(":")
	if o.index == nil {
		o.members = slices.Delete(o.members, i, i+1)
		return true
	}
	// Moving all that follow, each time, would be quadratic.
	delete(o.index.places, key)
	o.members[i] = member{}
	if o.index.holes++; 2*o.index.holes >= len(o.members) {
		o.compact()
	}
	return true
}

// compact closes the holes.
func (o *Object) compact() {
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return m.isHole() })
	o.index = indexed(o.members, nil)
}

// Clear removes all members.
func (o *Object) Clear() { *o = Object{} }

// All iterates over keys and values, which are JSON, in order. It goes over the members
// that there are when All is called: the object may be changed meanwhile.
func (o *Object) All() iter.Seq2[string, string] {
	members := slices.Clone(o.members)
	return func(yield func(string, string) bool) {
		for i := range members {
			if m := &members[i]; !m.isHole() && !yield(m.key, m.value) {
				return
			}
		}
	}
}

// Clone returns an object that has the same members and shares no memory that changes.
func (o *Object) Clone() Object {
	c := Object{members: slices.Clone(o.members), text: o.text, body: o.body}
	if o.index != nil {
		c.compact()
	}
	return c
}

// AppendTo appends the object to dst: the text that it was parsed from while nothing
// has changed, and else the members without spaces between them.
func (o *Object) AppendTo(dst []byte) []byte {
	if o.text != "" {
		return append(dst, o.text...)
	}
	dst = slices.Grow(dst, o.Size())
	dst = append(dst, '{')
	first := true
	for i := range o.members {
		m := &o.members[i]
		if m.isHole() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, m.token...)
		dst = append(dst, ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}')
}

// A Part tells how much room a member takes.
type Part struct {
	Key  string
	Size int // bytes of the key, as it is written, and of the value
}

// Largest returns the n members that take the most room, the largest first; of equal
// ones the earlier comes first.
func (o *Object) Largest(n int) []Part {
	parts := make([]Part, 0, o.Len())
	for i := range o.members {
		if m := &o.members[i]; !m.isHole() {
			parts = append(parts, Part{Key: m.key, Size: m.size()})
		}
	}
	slices.SortStableFunc(parts, func(a, b Part) int { return b.Size - a.Size })
	return slices.Clip(parts[:max(0, min(n, len(parts)))])
}

// newKey returns copies of a key and of its JSON.
func newKey(key string) (copied, token string) {
	if isPlain(key) {
		token = `"` + key + `"`
		return token[1 : len(token)-1], token
	}
	text, err := appendString(nil, key)
	if err != nil {
		panic("jsonobject: key of Set is not UTF-8")
	}
	return strings.Clone(key), string(text)
}
