package jsonobject

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzParse holds the parser against encoding/json: both accept the same
// texts, but for those that are not UTF-8, and find the same values.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,null,{"c":"\u00e9"}]}`, ` { "a" : -1.5e+10 , "a" : "x" } `, `{"\ud800":1,"\u0061":2}`,
		`[]`, `{"a":01}`, `{"a":1}x`, `{"a":"\n"}`, "{\"a\":\"\xff\"}", `{"_session_expiry":30}`, "{\"a\":\"\x00\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(text)
		members := o.members
		var want map[string]json.RawMessage
		valid := strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && json.Unmarshal([]byte(text), &want) == nil
		if err != nil {
			if valid && !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("refuses %q: %v", text, err)
			}
			return
		}
		if !valid {
			t.Fatalf("accepts %q", text)
		}
		for _, m := range members {
			var key string
			if err := json.Unmarshal([]byte(m.token), &key); err != nil {
				t.Fatalf("key token %q: %v", m.token, err)
			}
			if m.key != key {
				if m.key != "\xff"+m.token[1:len(m.token)-1] || !strings.ContainsRune(key, '\ufffd') {
					t.Fatalf("key %q is %q", key, m.key)
				}
				return // encoding/json can't tell lone surrogates apart
			}
			if string(want[key]) != m.value {
				t.Fatalf("key %q is %q, not %q", key, m.value, want[key])
			}
		}
		if len(members) != len(want) {
			t.Fatalf("%d keys, not %d", len(members), len(want))
		}
		joined := Object{members: members, body: o.body}
		rewritten := string(joined.AppendTo(nil))
		again, err := Parse(rewritten)
		if err != nil || !reflect.DeepEqual(members, again.members) || joined.Size() != len(rewritten) {
			t.Fatalf("%q is not the same when joined: %v", text, err)
		}
		ascii := AppendASCII(nil, text)
		if bytes.ContainsFunc(ascii, func(r rune) bool { return r > 0x7e && r != 0x7f }) {
			t.Fatalf("%q is not ASCII", ascii)
		}
		var one, two any
		if json.Unmarshal([]byte(text), &one) == nil && (json.Unmarshal(ascii, &two) != nil || !reflect.DeepEqual(one, two)) {
			t.Fatalf("%q does not mean the same in ASCII: %q", text, ascii)
		}
	})
}

// FuzzObject runs a program of changes on an object and on a model of it: a slice that
// is searched from the front.
func FuzzObject(f *testing.F) {
	f.Add([]byte("\x00a\x01\x00b\x02\x03a\x00\x01a\x03"), `{"a":1,"z":null}`)
	f.Add(bytes.Repeat([]byte("\x00a\x01\x06b\x50\x03a\x00\x07\x01\x03\x05z\x30"), 3), ` {"\u00e9":"x"}`)
	f.Fuzz(func(t *testing.T, program []byte, start string) {
		o, err := Parse(start)
		if err != nil {
			return
		}
		model := slices.Clone(o.members)
		text := start
		set := func(key, token, value string) {
			text = ""
			if i := place(model, nil, key); i >= 0 {
				model[i].value = value
			} else {
				model = append(model, member{key, token, value})
			}
		}
		for len(program) >= 3 {
			op, key, value := program[0], string(rune(program[1])), string(rune('0'+program[2]%10))
			count := int(program[2])
			program = program[3:]
			token, _ := appendString(nil, key)
			switch op % 8 {
			case 0, 1:
				o.Set(key, value)
				set(key, string(token), value)
			case 2, 3:
				found := o.Delete(key)
				i := place(model, nil, key)
				if found != (i >= 0) {
					t.Fatalf("Delete(%q) is %v", key, found)
				}
				if found {
					text = ""
					model = slices.Delete(model, i, i+1)
				}
			case 4:
				if count == 0 {
					o.Clear()
					model, text = nil, ""
				}
			case 5: // many at once
				for i := range count {
					o.Set(key+string(rune('a'+i)), value)
					token, _ := appendString(nil, key+string(rune('a'+i)))
					set(key+string(rune('a'+i)), string(token), value)
				}
			case 6:
				var other Object
				for i := range count % 50 {
					other.Set(string(rune('a'+i)), value)
					token, _ := appendString(nil, string(rune('a'+i)))
					set(string(rune('a'+i)), string(token), value)
				}
				o.SetAll(&other)
			case 7:
				before := o
				o = o.Clone()
				before.Clear()
			}
		}
		if o.Len() != len(model) {
			t.Fatalf("%d members, not %d", o.Len(), len(model))
		}
		var all []member
		for key, value := range o.All() {
			all = append(all, member{key, "", value})
		}
		for i, m := range model {
			if value, ok := o.Find(m.key); !ok || value != m.value || all[i].key != m.key || all[i].value != m.value {
				t.Fatalf("%q is %q, not %q", m.key, value, m.value)
			}
		}
		want := text
		if text == "" {
			want = string((&Object{members: model}).AppendTo(nil))
		}
		if got := string(o.AppendTo(nil)); got != want || o.Size() != len(want) {
			t.Fatalf("%d bytes %q, not %q", o.Size(), got, want)
		}
		if o.text != text {
			t.Fatalf("text is %q, not %q", o.text, text)
		}
		if _, err := Parse(want); err != nil {
			t.Fatalf("%q: %v", want, err)
		}
	})
}

// FuzzAppendValue encodes what it can make of two strings: what is written can be read,
// and decodes to the same as what encoding/json writes; what is not UTF-8 is refused.
func FuzzAppendValue(f *testing.F) {
	f.Add(`{"a":[1,2.5,"x"]}`, "text", uint8(0))
	f.Add(`"\ufffd"`, "\ufffd", uint8(7))
	f.Add(`["\ud800"]`, "x\xff", uint8(2))
	f.Add(`nope`, `\ufffd`, uint8(9))
	f.Fuzz(func(t *testing.T, rawJSON, s string, depth uint8) {
		type inner struct {
			Says  string `json:",omitempty"`
			Twice string `json:"twice"`
			None  string `json:"-"`
		}
		isText := bytes.Equal(bytes.ToValidUTF8([]byte(s), []byte("\ufffd")), []byte(s))
		isRaw := json.Valid([]byte(rawJSON)) && bytes.Equal(bytes.ToValidUTF8([]byte(rawJSON), nil), []byte(rawJSON))
		for _, test := range []struct {
			value any
			ok    bool
		}{
			{s, isText},
			{map[string]any{s: []any{s, 1, nil, true}}, isText},
			{map[string]string{"a": s}, isText},
			{map[stringWithText]int{stringWithText(s): 1}, isText},
			{[]named{named(s)}, isText},
			{inner{Says: s, None: "\xff"}, isText},
			{&inner{Twice: s}, isText},
			{text{Says: s, Inside: "\xff"}, isText},
			{[]*pointerText{{Says: s, Inside: "\xff"}}, isText},
			{json.RawMessage(rawJSON), isRaw},
			{[]any{json.RawMessage(rawJSON), raw(rawJSON)}, isRaw},
			{struct {
				A json.RawMessage
				B any
				C pointerJSON
			}{json.RawMessage(rawJSON), raw(rawJSON), pointerJSON{Says: s}}, isRaw && isText},
		} {
			v := test.value
			for range depth % 4 {
				v = []any{v}
			}
			got, err := AppendValue(nil, v)
			if (err == nil) != test.ok {
				t.Fatalf("%#v: %q, %v", v, got, err)
			}
			if err != nil {
				continue
			}
			o, err := Parse(`{"k":` + string(got) + `}`)
			if err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			value, _ := o.Find("k")
			if value != string(got) {
				t.Fatalf("%q is %q", got, value)
			}
			var want bytes.Buffer
			e := json.NewEncoder(&want)
			e.SetEscapeHTML(false)
			if err := e.Encode(v); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(DecodeAny(strings.TrimSpace(want.String())), DecodeAny(value)) {
				t.Fatalf("%q is not %q", value, want.Bytes())
			}
			list, err := AppendElement(`[1]`, value)
			if err != nil {
				t.Fatal(err)
			}
			if elements, ok := Elements(list); !ok || !slices.Equal(elements, []string{"1", value}) {
				t.Fatalf("%q has %q", list, elements)
			}
		}
	})
}
