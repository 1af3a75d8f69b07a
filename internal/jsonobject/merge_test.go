package jsonobject

import "testing"

func TestMerge(t *testing.T) {
	for _, test := range []struct{ name, base, ours, theirs, want string }{
		{"changes of both, key by key", `{"a":1,"b":1,"c":1,"d":1}`, `{"a":2,"c":1,"d":1,"e":5}`, `{"a":3,"b":1,"c":7,"f":6}`, `{"a":2,"c":7,"f":6,"e":5}`},
		{"nothing has changed", `{"a":1}`, `{"a":1}`, `{"a":1}`, `{"a":1}`},
		{"only they have changed", `{"a":1}`, `{"a":1}`, `{"a":2,"b":3}`, `{"a":2,"b":3}`},
		{"only we have changed", `{"a":1}`, `{"b":3,"a":2}`, `{"a":1}`, `{"a":2,"b":3}`},
		{"both have set one key", `{}`, `{"a":1}`, `{"a":2}`, `{"a":1}`},
		{"we have deleted what they have changed", `{"a":1}`, `{}`, `{"a":2}`, `{}`},
		{"we have changed what they have deleted", `{"a":1}`, `{"a":2}`, `{}`, `{"a":2}`},
		{"they have deleted what we have left", `{"a":1}`, `{"a":1}`, `{}`, `{}`},
		{"both have deleted a key", `{"a":1,"b":1}`, `{"b":1}`, `{"b":1}`, `{"b":1}`},
		{"their spelling of a key stays", `{"a":1}`, `{"a":2}`, `{"\u0061":1}`, `{"\u0061":2}`},
		{"our spelling of a new key stays", `{}`, `{"\ud800":2}`, `{}`, `{"\ud800":2}`},
		{"values stay the bytes that they were", `{"a":1}`, `{"a":[ 1.0 ]}`, `{"a":1, "b":[ 2.0 ]}`, `{"a":[ 1.0 ],"b":[ 2.0 ]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, ours, theirs := parse(t, test.base), parse(t, test.ours), parse(t, test.theirs)
			merged := Merge(base, ours, theirs)
			requireObject(t, test.want, &merged)
			merged.Set("a", `"later"`)
			requireObject(t, test.base, base)
			requireObject(t, test.ours, ours)
			requireObject(t, test.theirs, theirs)
		})
	}

	t.Run("holes are not members with an empty key", func(t *testing.T) {
		theirs := numbered(t, 40)
		theirs.Delete("k3")
		merged := Merge(new(Object), parse(t, `{"":1}`), theirs)
		want := theirs.Clone()
		want.Set("", `1`)
		requireObject(t, string(want.AppendTo(nil)), &merged)
	})
	t.Run("objects with holes", func(t *testing.T) {
		base, ours, theirs := numbered(t, 50), numbered(t, 50), numbered(t, 50)
		base.Set("", `1`) // both have deleted it
		ours.Delete("k1")
		ours.Set("k2", `"ours"`)
		ours.Set("x", `1`)
		theirs.Delete("k3")
		theirs.Set("k4", `"theirs"`)
		want := numbered(t, 50)
		want.Delete("k1")
		want.Set("k2", `"ours"`)
		want.Delete("k3")
		want.Set("k4", `"theirs"`)
		want.Set("x", `1`)
		merged := Merge(base, ours, theirs)
		requireObject(t, string(want.AppendTo(nil)), &merged)
	})
}
