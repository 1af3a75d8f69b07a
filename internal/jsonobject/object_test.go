package jsonobject

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, text string) *Object {
	t.Helper()
	o, err := Parse(text)
	require.NoError(t, err)
	return &o
}

// requireObject also holds the object against what its text says.
func requireObject(t testing.TB, want string, o *Object) {
	t.Helper()
	got := string(o.AppendTo([]byte("prefix ")))
	require.Equal(t, "prefix "+want, got)
	require.Equal(t, len(want), o.Size())
	again := parse(t, want)
	require.Equal(t, again.Len(), o.Len())
	require.Equal(t, pairs(again), pairs(o))
	for key, value := range again.All() {
		found, ok := o.Find(key)
		require.True(t, ok, key)
		require.Equal(t, value, found)
	}
}

func pairs(o *Object) (all []string) {
	for key, value := range o.All() {
		all = append(all, key+"="+value)
	}
	return all
}

// numbered returns an object of n members, "k0":0 and so on.
func numbered(t testing.TB, n int) *Object {
	var text strings.Builder
	text.WriteByte('{')
	for i := range n {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `"k%d":%d`, i, i)
	}
	text.WriteByte('}')
	return parse(t, text.String())
}

func TestObject(t *testing.T) {
	for _, test := range []struct {
		name, text string
		change     func(*Object)
		want       string
	}{
		{"an untouched object is the text that it was", ` { "a" : 1.0 , "b":"\u00e9" } `, func(*Object) {}, ` { "a" : 1.0 , "b":"\u00e9" } `},
		{"deleting what isn't there changes nothing", `{ }`, func(o *Object) { o.Delete("a") }, `{ }`},
		{"an empty object takes a member", `{ }`, func(o *Object) { o.Set("a", `1`) }, `{"a":1}`},
		{"a new member comes last", `{"b":1, "a":2}`, func(o *Object) { o.Set("", `[ ]`) }, `{"b":1,"a":2,"":[ ]}`},
		{"a member keeps its place and its spelling", `{"\u0061":1,"b":2}`, func(o *Object) { o.Set("a", `"long"`) }, `{"\u0061":"long","b":2}`},
		{"a new key is escaped", `{}`, func(o *Object) { o.Set("a\"\\\n\x01é", `1`) }, `{"a\"\\\n\u0001é":1}`},
		{"the first member goes", `{"a":1,"b":2,"c":3}`, func(o *Object) { o.Delete("a") }, `{"b":2,"c":3}`},
		{"the last member goes", `{"a":1,"b":2,"c":3}`, func(o *Object) { o.Delete("c") }, `{"a":1,"b":2}`},
		{"the only member goes", `{"a":1}`, func(o *Object) { o.Delete("a") }, `{}`},
		{"a deleted member comes back at the end", `{"a":1,"b":2}`, func(o *Object) { o.Delete("a"); o.Set("a", `3`) }, `{"b":2,"a":3}`},
		{"all members go", `{"a":1,"b":2}`, (*Object).Clear, `{}`},
		{"a repeated key is one member", ` {"a":1,"b":2,"a":"three"}`, func(o *Object) { o.Delete("b") }, `{"a":"three"}`},
		{"a key with a lone surrogate is set by its name", `{"\ud800":1}`, func(o *Object) { o.Set("\xff\\ud800", `2`) }, `{"\ud800":2}`},
		{"a key with a lone surrogate is deleted", `{"\ud800":1,"\udc00":2}`, func(o *Object) { o.Delete("\xff\\ud800") }, `{"\udc00":2}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := parse(t, test.text)
			require.Equal(t, len(test.text), o.Size())
			test.change(o)
			if test.want == test.text {
				require.Equal(t, test.text, o.text)
			} else {
				require.Empty(t, o.text)
			}
			require.Equal(t, test.want, string(o.AppendTo(nil)))
			require.Equal(t, len(test.want), o.Size())
			requireObject(t, test.want, o)
		})
	}
}

func TestTheZeroObjectIsEmpty(t *testing.T) {
	var o Object
	requireObject(t, `{}`, &o)
	_, ok := o.Find("")
	require.False(t, ok)
	require.False(t, o.Delete(""))
	require.Empty(t, o.text)
	o.Set("a", `1`)
	requireObject(t, `{"a":1}`, &o)
}

func TestDeleteReportsWhetherThereWasAMember(t *testing.T) {
	for _, n := range []int{1, 100} {
		o := numbered(t, n)
		require.True(t, o.Delete("k0"))
		require.False(t, o.Delete("k0"))
		value, ok := o.Find("k0")
		require.False(t, ok)
		require.Empty(t, value)
		require.Equal(t, n-1, o.Len())
	}
}

// Around the number of members from which there is an index, and where holes are
// closed, order and values must stay what they are.
func TestObjectsOfEverySize(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 31, 32, 33, 34, 63, 64, 65, 66, 100} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			o := numbered(t, n)
			require.Equal(t, n, o.Len())
			require.Equal(t, n > 32, o.index != nil)
			var want []string
			for i := range n {
				if i%3 == 1 {
					want = append(want, fmt.Sprintf("k%d=%d", i, i))
				}
			}
			for _, rest := range []int{0, 2} {
				for i := rest; i < n; i += 3 {
					before := o.Size()
					require.True(t, o.Delete(fmt.Sprint("k", i)))
					require.Less(t, o.Size(), before)
					require.Equal(t, len(o.AppendTo(nil)), o.Size())
					require.LessOrEqual(t, len(o.members), max(32, 2*o.Len()))
				}
			}
			require.Equal(t, want, pairs(o))
			for i := range n {
				_, ok := o.Find(fmt.Sprint("k", i))
				require.Equal(t, i%3 == 1, ok, i)
				o.Set(fmt.Sprint("k", i), `true`)
			}
			require.Equal(t, n, o.Len())
			requireObject(t, string(o.AppendTo(nil)), o)
			for i := range n {
				require.True(t, o.Delete(fmt.Sprint("k", i)))
			}
			requireObject(t, `{}`, o)
		})
	}
}

// Each of these loops took seconds when it was quadratic.
func TestManyMembers(t *testing.T) {
	const many = 40_000
	var o Object
	for i := range many {
		o.Set(fmt.Sprint("key", i), `0`)
	}
	for i := range many {
		o.Set(fmt.Sprint("key", i), strconv.Itoa(i))
	}
	require.Equal(t, many, o.Len())
	require.Equal(t, len(o.AppendTo(nil)), o.Size())
	c := o.Clone()
	for i := range many {
		value, ok := c.Find(fmt.Sprint("key", i))
		require.True(t, ok && value == strconv.Itoa(i))
	}
	for i := range many - 1 {
		require.True(t, o.Delete(fmt.Sprint("key", i)))
	}
	requireObject(t, `{"key39999":39999}`, &o)
	require.Equal(t, many, c.Len())
	for i := many - 1; i >= 0; i-- {
		require.True(t, c.Delete(fmt.Sprint("key", i)))
	}
	requireObject(t, `{}`, &c)
}

func TestSetCopiesANewKey(t *testing.T) {
	for _, key := range []string{"name", "na\nme"} {
		buffer := []byte(key)
		var o Object
		o.Set(unsafeString(buffer), `1`)
		copy(buffer, "xxxxx")
		for got := range o.All() {
			require.Equal(t, key, got)
		}
		requireObject(t, string(o.AppendTo(nil)), &o)
		_, ok := o.Find(key)
		require.True(t, ok)
	}
}

func TestSetRefusesANewKeyThatIsNotUTF8(t *testing.T) {
	for _, key := range []string{"\xff", "a\n\xff", "\xff\\ud800"} {
		require.ErrorIs(t, CheckKey(key), ErrNotUTF8)
		require.Panics(t, func() { new(Object).Set(key, `1`) })
	}
	require.NoError(t, CheckKey("é\x00\ufffd"))
}

func TestSetAll(t *testing.T) {
	for _, test := range []struct{ name, into, from, want string }{
		{"new members come last, in their order", `{"a":1}`, `{"c":2,"b":3}`, `{"a":1,"c":2,"b":3}`},
		{"known keys keep their places and spellings", `{"\u0061":1,"b":2}`, `{"b":3,"a":4}`, `{"\u0061":4,"b":3}`},
		{"new keys keep their spellings", `{}`, `{"\u0061":1,"\ud800":2}`, `{"\u0061":1,"\ud800":2}`},
		{"keys with lone surrogates are the same key", `{"\ud800":1}`, `{"\ud800":"two"}`, `{"\ud800":"two"}`},
		{"values stay the bytes that they were", `{"a":0}`, `{"a" : [ 1.0 ]}`, `{"a":[ 1.0 ]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := parse(t, test.into)
			o.SetAll(parse(t, test.from))
			requireObject(t, test.want, o)
		})
	}

	t.Run("nothing changes without members", func(t *testing.T) {
		o := parse(t, `{ "a":1}`)
		o.SetAll(new(Object))
		requireObject(t, `{ "a":1}`, o)
	})
	t.Run("holes are not members", func(t *testing.T) {
		from := numbered(t, 40)
		from.Delete("k3")
		o := parse(t, `{"a":1}`)
		o.SetAll(from)
		require.Equal(t, 40, o.Len())
		requireObject(t, `{"a":1,`+string(from.AppendTo(nil))[1:], o)
	})
	t.Run("an object may be set in itself", func(t *testing.T) {
		o := numbered(t, 40)
		want := string(o.AppendTo(nil))
		o.SetAll(o)
		requireObject(t, want, o)
	})
}

func TestCloneSharesNothing(t *testing.T) {
	for _, n := range []int{3, 40} {
		o := numbered(t, n)
		text := string(o.AppendTo(nil))
		c := o.Clone()
		require.Equal(t, text, c.text)
		requireObject(t, text, &c)
		require.Equal(t, n > 32, c.index != nil)

		c.Set("k1", `"other"`)
		c.Set("new", `1`)
		c.Delete("k2")
		requireObject(t, text, o)
		o.Delete("k0")
		_, ok := c.Find("k0")
		require.True(t, ok)
		_, ok = o.Find("new")
		require.False(t, ok)

		d := o.Clone()
		requireObject(t, string(o.AppendTo(nil)), &d)
	}
}

func TestAll(t *testing.T) {
	t.Run("it can be left", func(t *testing.T) {
		var seen []string
		for key := range numbered(t, 5).All() {
			if seen = append(seen, key); key == "k2" {
				break
			}
		}
		require.Equal(t, []string{"k0", "k1", "k2"}, seen)
	})
	t.Run("changes do not reach it", func(t *testing.T) {
		for _, n := range []int{5, 50} {
			o := numbered(t, n)
			want := pairs(o)
			var got []string
			for key, value := range o.All() {
				got = append(got, key+"="+value)
				o.Delete(key)
				o.Set("k3", `"changed"`)
				o.Set("new"+key, `1`)
			}
			require.Equal(t, want, got)
		}
	})
	t.Run("it is of the time of its call", func(t *testing.T) {
		o := parse(t, `{"a":1}`)
		all := o.All()
		o.Clear()
		require.Equal(t, map[string]string{"a": "1"}, maps.Collect(all))
	})
}

func TestLargest(t *testing.T) {
	o := parse(t, `{"a":1,"b":"12345","c":"1234567","d":"54321","\u00e9":""}`)
	all := []Part{{"c", 12}, {"b", 10}, {"d", 10}, {"é", 10}, {"a", 4}}
	for _, n := range []int{-1, 0, 1, 3, 5, 9} {
		require.Equal(t, all[:max(0, min(n, 5))], o.Largest(n), n)
	}
	require.Empty(t, new(Object).Largest(3))

	many := numbered(t, 60)
	many.Delete("k59")
	require.Equal(t, []Part{{"k10", 7}, {"k11", 7}}, many.Largest(2))
	require.Len(t, many.Largest(100), 59)
}

func TestAppendToGrowsItsBufferOnce(t *testing.T) {
	o := numbered(t, 50)
	o.Set("k0", `1`)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { o.AppendTo(nil) }), 2.0) // one, and one more of the race detector
	buffer := make([]byte, 0, o.Size())
	require.Zero(t, testing.AllocsPerRun(10, func() { o.AppendTo(buffer) }))
	require.True(t, bytes.Equal(o.AppendTo(nil), o.AppendTo(buffer)))
}

func TestSetAllocatesOneStringForAKey(t *testing.T) {
	o := numbered(t, 5)
	o.Set("x", `1`) // now there is room for more
	o.Delete("x")
	require.EqualValues(t, 1, testing.AllocsPerRun(10, func() {
		o.Set("a new key", `1`)
		o.Delete("a new key")
	}))
}

// A session is parsed in every request.
func TestParseAllocatesOnce(t *testing.T) {
	text := string(numbered(t, 8).AppendTo(nil))
	require.EqualValues(t, 1, testing.AllocsPerRun(10, func() {
		o, err := Parse(text)
		if err != nil || o.Len() != 8 {
			t.Fail()
		}
	}))
}
