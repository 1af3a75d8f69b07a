package cookiestore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// loadSession returns the session of a visitor whose cookie holds that JSON.
func loadSession(tb testing.TB, data string, options ...cookiestore.Option) *cookiestore.Session {
	tb.Helper()
	store := newStore(tb)
	value, _, err := store.Save(tb.Context(), "sessionid", cookiestore.Record{Data: data, Saved: time.Now()})
	require.NoError(tb, err)
	m, err := cookiestore.NewManager(store, options...)
	require.NoError(tb, err)
	s, err := m.Load(tb.Context(), "sessionid="+value)
	require.NoError(tb, err)
	require.False(tb, s.IsNew(), data)
	return s
}

func requireJSON(tb testing.TB, want string, s *cookiestore.Session) {
	tb.Helper()
	got, err := s.MarshalJSON()
	require.NoError(tb, err)
	require.Equal(tb, want, string(got))
}

func TestZeroSession(t *testing.T) {
	var s cookiestore.Session
	require.True(t, s.IsEmpty())
	require.True(t, s.IsNew())
	require.False(t, s.Modified())
	require.Empty(t, s.Keys())
	require.Nil(t, s.Get("a"))
	require.NoError(t, s.Err())
	require.Equal(t, 14*24*time.Hour, s.ExpiryAge())
	require.True(t, s.EndsAt().IsZero())
	require.True(t, s.SavedAt().IsZero())
	requireJSON(t, `{}`, &s)
	s.Set("a", 1)
	require.True(t, s.Modified())
	requireJSON(t, `{"a":1}`, &s)
}

func TestGetAndLookup(t *testing.T) {
	s := loadSession(t, `{"n":7,"f":1.0,"s":"x","b":true,"z":null,"l":[1,2],"m":{"wheels":"alloy"},"big":9007199254740993}`)
	require.Equal(t, 7, cookiestore.Get(s, "n", 0))
	require.Equal(t, int64(7), cookiestore.Get(s, "n", int64(0)))
	require.Equal(t, uint16(7), cookiestore.Get(s, "n", uint16(0)))
	require.Equal(t, 7.0, cookiestore.Get(s, "n", 0.0))
	require.Equal(t, 1.0, cookiestore.Get(s, "f", 0.0))
	require.Equal(t, "x", cookiestore.Get(s, "s", ""))
	require.True(t, cookiestore.Get(s, "b", false))
	require.Equal(t, []int{1, 2}, cookiestore.Get(s, "l", []int(nil)))
	require.Equal(t, map[string]string{"wheels": "alloy"}, cookiestore.Get(s, "m", map[string]string(nil)))
	require.Equal(t, int64(9007199254740993), cookiestore.Get(s, "big", int64(0)))
	require.Equal(t, cookiestore.AsDecoded(9007199254740993), cookiestore.Get[any](s, "big", nil))

	require.Equal(t, 5, cookiestore.Get(s, "nothing", 5))
	require.Equal(t, 5, cookiestore.Get(s, "s", 5), "what is not an int is not there")
	require.Equal(t, "none", cookiestore.Get(s, "z", "none"))

	_, err := cookiestore.Lookup[int](s, "nothing")
	require.ErrorIs(t, err, cookiestore.ErrNoKey)
	require.EqualError(t, err, `cookiestore: session key "nothing": no such key`)
	_, err = cookiestore.Lookup[int](s, "s")
	require.ErrorIs(t, err, cookiestore.ErrType)
	require.EqualError(t, err, `cookiestore: session key "s": it holds a string, where int is wanted`)
	n, err := cookiestore.Lookup[int](s, "n")
	require.NoError(t, err)
	require.Equal(t, 7, n)
	require.False(t, s.Modified())
}

func TestDictionary(t *testing.T) {
	const data = `{"a":1,"b":"two","c":[3]}`
	for _, test := range []struct {
		name     string
		do       func(t *testing.T, s *cookiestore.Session)
		want     string
		modified bool
	}{
		{"reading changes nothing", func(t *testing.T, s *cookiestore.Session) {
			require.True(t, s.Has("a"))
			require.False(t, s.Has("d"))
			require.Equal(t, []string{"a", "b", "c"}, s.Keys())
			require.Equal(t, "two", s.Get("b"))
			require.False(t, s.IsEmpty())
		}, data, false},
		{"setting a key keeps its place", func(_ *testing.T, s *cookiestore.Session) { s.Set("a", 2) }, `{"a":2,"b":"two","c":[3]}`, true},
		{"a new key comes last", func(_ *testing.T, s *cookiestore.Session) { s.Set("d\n", nil) }, `{"a":1,"b":"two","c":[3],"d\n":null}`, true},
		{"setting the same value is a change", func(_ *testing.T, s *cookiestore.Session) { s.Set("a", 1) }, data, true},
		{"deleting keys", func(_ *testing.T, s *cookiestore.Session) { s.Delete("a", "nothing", "c") }, `{"b":"two"}`, true},
		{"deleting nothing", func(_ *testing.T, s *cookiestore.Session) { s.Delete("nothing"); s.Delete() }, data, false},
		{"popping a key", func(t *testing.T, s *cookiestore.Session) {
			require.Equal(t, []any{3}, s.Pop("c"))
			require.Nil(t, s.Pop("c"))
		}, `{"a":1,"b":"two"}`, true},
		{"a default for a key that is there", func(t *testing.T, s *cookiestore.Session) {
			require.Equal(t, 1, s.SetDefault("a", 9))
		}, data, false},
		{"a default for a key that is not", func(t *testing.T, s *cookiestore.Session) {
			require.Equal(t, 9, s.SetDefault("d", 9))
		}, `{"a":1,"b":"two","c":[3],"d":9}`, true},
		{"updating from a map", func(_ *testing.T, s *cookiestore.Session) {
			s.Update(map[string]any{"e": 1.0, "d": true, "a": nil})
		}, `{"a":null,"b":"two","c":[3],"d":true,"e":1.0}`, true},
		{"updating from a typed map", func(_ *testing.T, s *cookiestore.Session) { s.Update(map[string]int{"e": 1, "d": 2}) }, `{"a":1,"b":"two","c":[3],"d":2,"e":1}`, true},
		{"updating from a struct", func(_ *testing.T, s *cookiestore.Session) {
			s.Update(struct {
				B string `json:"b"`
				D []int  `json:",omitempty"`
				E int
			}{B: "2"})
		}, `{"a":1,"b":"2","c":[3],"E":0}`, true},
		{"updating from nothing", func(_ *testing.T, s *cookiestore.Session) { s.Update(map[string]any{}) }, data, false},
		{"clearing", func(_ *testing.T, s *cookiestore.Session) { s.Clear(); s.Set("x", 1) }, `{"x":1}`, true},
		{"flushing", func(_ *testing.T, s *cookiestore.Session) { s.Flush() }, `{}`, true},
		{"cycling the key", func(_ *testing.T, s *cookiestore.Session) { s.CycleKey() }, data, true},
		{"marking it as modified", func(_ *testing.T, s *cookiestore.Session) { s.SetModified() }, data, true},
		{"setting an expiry", func(_ *testing.T, s *cookiestore.Session) {
			s.SetExpiry(cookiestore.After(time.Minute))
		}, `{"a":1,"b":"two","c":[3],"_session_expiry":60}`, true},
		{"setting and unsetting an expiry", func(_ *testing.T, s *cookiestore.Session) {
			s.SetExpiry(cookiestore.AtBrowserClose)
			s.SetExpiry(cookiestore.Default)
		}, data, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, data)
			test.do(t, s)
			requireJSON(t, test.want, s)
			require.Equal(t, test.modified, s.Modified())
			require.NoError(t, s.Err())
		})
	}
}

func TestSetTakesASnapshot(t *testing.T) {
	var s cookiestore.Session
	car := map[string]any{"wheels": "steel"}
	s.Set("my_car", car)
	car["wheels"] = "alloy"
	require.Equal(t, map[string]any{"wheels": "steel"}, s.Get("my_car"))
	s.Get("my_car").(map[string]any)["wheels"] = "alloy"
	require.Equal(t, map[string]any{"wheels": "steel"}, s.Get("my_car"))
}

func TestAll(t *testing.T) {
	s := loadSession(t, `{"b":1,"a":1.0,"":"x"}`)
	var got []any
	for key, value := range s.All() {
		s.Delete(key) // what it iterates over stays as it was
		got = append(got, key, value)
	}
	require.Equal(t, []any{"b", 1, "a", 1.0, "", "x"}, got)
	require.True(t, s.IsEmpty())
	s.Set("a", 1)
	for range s.All() {
		break
	}
}

func TestModify(t *testing.T) {
	type car struct {
		Wheels string `json:"wheels"`
		Doors  int    `json:"doors,omitempty"`
	}
	t.Run("a value is changed in place", func(t *testing.T) {
		s := loadSession(t, `{"my_car":{"wheels":"steel","doors":5},"z":1}`)
		require.NoError(t, cookiestore.Modify(s, "my_car", func(c *car) { c.Wheels = "alloy" }))
		requireJSON(t, `{"my_car":{"wheels":"alloy","doors":5},"z":1}`, s)
		require.True(t, s.Modified())
	})
	t.Run("a key that is not there begins with the zero value", func(t *testing.T) {
		s := loadSession(t, `{"z":1}`)
		require.NoError(t, cookiestore.Modify(s, "cart", func(c *[]string) { *c = append(*c, "A-1") }))
		requireJSON(t, `{"z":1,"cart":["A-1"]}`, s)
	})
	t.Run("numbers in maps stay what they are", func(t *testing.T) {
		s := loadSession(t, `{"m":{"big":9007199254740993,"one":1.0}}`)
		require.NoError(t, cookiestore.Modify(s, "m", func(m *map[string]any) { (*m)["x"] = 1 }))
		requireJSON(t, `{"m":{"big":9007199254740993,"one":1.0,"x":1}}`, s)
	})
	t.Run("a value of another type is an error, and nothing is saved over it", func(t *testing.T) {
		s := loadSession(t, `{"my_car":"mini"}`)
		err := cookiestore.Modify(s, "my_car", func(*car) { t.Error("must not be called") })
		require.ErrorIs(t, err, cookiestore.ErrType)
		require.ErrorContains(t, err, `"my_car"`)
		require.ErrorIs(t, s.Err(), cookiestore.ErrType)
		requireJSON(t, `{"my_car":"mini"}`, s)
		s.Set("my_car", car{})
		require.NoError(t, s.Err(), "until it is set")
	})
	t.Run("a result that JSON can't hold is an error", func(t *testing.T) {
		s := loadSession(t, `{"n":1}`)
		require.ErrorContains(t, cookiestore.Modify(s, "n", func(f *float64) { *f = math.NaN() }), `"n"`)
		requireJSON(t, `{"n":1}`, s)
		require.Error(t, s.Err())
	})
	t.Run("a result that the session can't hold is an error", func(t *testing.T) {
		s := loadSession(t, `{"n":"x"}`)
		err := cookiestore.Modify(s, "n", func(text *string) { *text = strings.Repeat("x", 16<<20) })
		require.ErrorIs(t, err, cookiestore.ErrTooLarge)
		require.Equal(t, err, s.Err())
		requireJSON(t, `{"n":"x"}`, s)
		require.Error(t, cookiestore.Modify(s, cookiestore.ExpiryKey, func(text *string) { *text = "soon" }))
	})
	t.Run("a key that it changes itself is an error, and no endless loop", func(t *testing.T) {
		s := loadSession(t, `{"n":1}`)
		err := cookiestore.Modify(s, "n", func(n *int) { s.Set("n", cookiestore.Get(s, "n", 0)+1) })
		require.ErrorContains(t, err, `session key "n": other goroutines keep changing the value`)
	})
	t.Run("the session may be used meanwhile", func(t *testing.T) {
		s := loadSession(t, `{"n":1,"step":2}`)
		calls := 0
		require.NoError(t, cookiestore.Modify(s, "n", func(n *int) {
			if calls++; calls == 1 {
				s.Set("n", 10) // as another goroutine could
			}
			*n += cookiestore.Get(s, "step", 0)
		}))
		require.Equal(t, 12, s.Get("n"))
		require.Equal(t, 2, calls)
	})
}

func TestSessionDecode(t *testing.T) {
	s := loadSession(t, `{"user_id":7,"name":"Ankit","n":9007199254740993}`)
	var user struct {
		ID   int    `json:"user_id"`
		Name string `json:"name"`
	}
	require.NoError(t, s.Decode(&user))
	require.Equal(t, 7, user.ID)
	require.Equal(t, "Ankit", user.Name)

	var all map[string]any
	require.NoError(t, s.Decode(&all))
	require.Equal(t, map[string]any{"user_id": 7, "name": "Ankit", "n": cookiestore.AsDecoded(1<<53 + 1)}, all)

	var wrong struct{ Name int }
	err := s.Decode(&wrong)
	require.ErrorIs(t, err, cookiestore.ErrType)
	require.EqualError(t, err, "cookiestore: session: its field Name holds a string, where int is wanted")
}

func TestValuesThatCantBeSet(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(s *cookiestore.Session)
		says string
	}{
		{"a channel", func(s *cookiestore.Session) { s.Set("a", make(chan int)) }, `session key "a" can't be set: JSON has no chan int`},
		{"NaN as the default", func(s *cookiestore.Session) { s.SetDefault("b", math.NaN()) }, `session key "b"`},
		{"a key that is not UTF-8", func(s *cookiestore.Session) { s.Set("\xff", 1) }, `session key "\xff" is not UTF-8`},
		{"a channel in a map", func(s *cookiestore.Session) { s.Update(map[string]any{"a": 1, "b": make(chan int)}) }, `session key "b"`},
		{"a channel in a struct", func(s *cookiestore.Session) { s.Update(struct{ C chan int }{make(chan int)}) }, `can't be updated from a struct { C chan int }`},
		{"an update from a list", func(s *cookiestore.Session) { s.Update([]int{1}) }, `can't be updated from a []int: not a JSON object`},
		{"a flash message", func(s *cookiestore.Session) { s.AddFlash(func() {}) }, `session key "_flash"`},
		{"an expiry that is none", func(s *cookiestore.Session) { s.Set("_session_expiry", "soon") }, `_session_expiry is not an ISO 8601 time`},
		{"when it began", func(s *cookiestore.Session) { s.Set("_session_created", 1) }, `_session_created is reserved for WithLifetime`},
		{"an expiry in a map", func(s *cookiestore.Session) { s.Update(map[string]bool{"_session_expiry": true}) }, `_session_expiry holds a boolean`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, `{"a":1}`, cookiestore.WithLifetime(time.Hour))
			test.set(s)
			require.ErrorContains(t, s.Err(), test.says)
			require.Equal(t, 1, s.Get("a"), "what was there stays")
			require.False(t, cookiestore.IsRefused(s.Err()))
		})
	}
	t.Run("setting the key again mends it", func(t *testing.T) {
		var s cookiestore.Session
		s.Set("b", make(chan int))
		s.Set("a", make(chan int))
		require.ErrorContains(t, s.Err(), `"a"`, "the first key in order is named")
		s.Delete("a")
		require.ErrorContains(t, s.Err(), `"b"`)
		s.Set("b", 1)
		require.NoError(t, s.Err())
		s.Set("b", make(chan int))
		s.Clear()
		require.NoError(t, s.Err())
	})
	t.Run("no key mends an update of all of them", func(t *testing.T) {
		var s cookiestore.Session
		s.Update(7)
		s.Set("", 1)
		require.ErrorContains(t, s.Err(), "can't be updated from a int")
		s.Clear()
		require.NoError(t, s.Err())
	})
}

// nosy is a value whose encoding uses the session that it is set in.
type nosy struct{ s *cookiestore.Session }

func (n nosy) MarshalJSON() ([]byte, error) {
	if n.s == nil {
		panic("a bug in MarshalJSON")
	}
	return json.Marshal(n.s.Get("n"))
}

func TestEncodingMayUseTheSession(t *testing.T) {
	var s cookiestore.Session
	s.Set("n", 7)
	s.Set("a", nosy{&s})
	s.SetDefault("b", nosy{&s})
	s.Update(map[string]any{"c": nosy{&s}})
	s.Update(struct{ D nosy }{nosy{&s}})
	s.AddFlash(nosy{&s})
	s.Update(&s)
	requireJSON(t, `{"n":7,"a":7,"b":7,"c":7,"D":7,"_flash":[7]}`, &s)

	for name, set := range map[string]func(){
		"Set":        func() { s.Set("x", nosy{}) },
		"SetDefault": func() { s.SetDefault("x", nosy{}) },
		"Update":     func() { s.Update(nosy{}) },
		"AddFlash":   func() { s.AddFlash(nosy{}) },
	} {
		require.Panics(t, set, name)
		require.False(t, s.Has("x"), "and the session is not locked")
	}
}

func TestSetDefaultIsAtomic(t *testing.T) {
	var s cookiestore.Session
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 2000 {
			assert.Equal(t, 1, s.SetDefault("a", 1))
		}
	})
	wg.Go(func() {
		for range 2000 {
			s.Delete("a")
		}
	})
	wg.Wait()
	require.Nil(t, s.SetDefault("b", make(chan int)))
}

func TestEndsAt(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	store := newStore(t)
	m, err := cookiestore.NewManager(store, cookiestore.WithClock(func() time.Time { return now }), cookiestore.WithLifetime(time.Hour))
	require.NoError(t, err)
	s, err := m.Load(t.Context())
	require.NoError(t, err)
	s.Set("a", 1)
	require.True(t, s.EndsAt().IsZero())
	cookie, err := saveOne(t.Context(), m, s)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), s.EndsAt())

	s, err = m.Load(t.Context(), "sessionid="+cookie.Value)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), s.EndsAt())
	require.Equal(t, now, s.SavedAt())
	s.SetExpiry(cookiestore.After(time.Minute))
	require.Equal(t, now.Add(time.Hour), s.EndsAt(), "what the visitor has is as it was")
	s.Flush()
	require.Equal(t, now.Add(time.Hour), s.EndsAt())
}

func TestFlashes(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       []any
	}{
		{"none wait", `{"a":1}`, []any{"new"}},
		{"an empty list waits", `{"_flash":[ ]}`, []any{"new"}},
		{"some wait", `{"_flash":["old",{"level":"info"} ]}`, []any{"old", map[string]any{"level": "info"}, "new"}},
		{"something else is in their place", `{"_flash":"a]"}`, []any{"new"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, test.data)
			s.AddFlash("new")
			require.Equal(t, test.want, s.Flashes())
			require.Nil(t, s.Flashes())
			require.False(t, s.Has(cookiestore.FlashKey))
			require.NoError(t, s.Err())
		})
	}
}

func TestSessionInATemplate(t *testing.T) {
	s := loadSession(t, `{"name":"<Ankit>","n":7,"cart":{"wheels":"alloy"},"_flash":["Saved."]}`)
	page := template.Must(template.New("").Parse(`{{with .Session}}{{.Get "name"}} {{.Get "n"}} {{(.Get "cart").wheels}}` +
		`{{if .Has "x"}}x{{end}}{{range .Flashes}} {{.}}{{end}}{{range .Keys}} {{.}}{{end}}{{range $k, $v := .All}} {{$k}}={{$v}}{{end}}{{end}}`))
	var out strings.Builder
	require.NoError(t, page.Execute(&out, map[string]any{"Session": s}))
	require.Equal(t, "&lt;Ankit&gt; 7 alloy Saved. name n cart name=&lt;Ankit&gt; n=7 cart=map[wheels:alloy]", out.String())
}

func TestValuesStayOutOfLogs(t *testing.T) {
	s := loadSession(t, `{"password":"hunter2"}`)
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "session", s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "session", s)
	fmt.Fprintf(&out, "%v %s %+v %#v", s, s, s, s)
	require.NotContains(t, out.String(), "hunter2")
	require.Equal(t, 6, strings.Count(out.String(), "session with 1 keys"))
}

func TestExpiryOfALoadedSession(t *testing.T) {
	for _, test := range []struct {
		name, data string
		age        time.Duration
		browser    bool
	}{
		{"an age by Django", `{"_session_expiry":30}`, 30 * time.Second, false},
		{"browser close by Django", `{"_session_expiry":0}`, 14 * 24 * time.Hour, true},
		{"no expiry", `{"a":1}`, 14 * 24 * time.Hour, false},
		{"null by Django", `{"_session_expiry":null}`, 14 * 24 * time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, test.data)
			require.Equal(t, test.age, s.ExpiryAge())
			require.Equal(t, test.browser, s.ExpiresAtBrowserClose())
			require.WithinDuration(t, time.Now().Add(test.age), s.EndsAt(), 2*time.Second)
		})
	}
	t.Run("an option may make browser close the default", func(t *testing.T) {
		s := loadSession(t, `{"a":1}`, cookiestore.WithExpireAtBrowserClose())
		require.True(t, s.ExpiresAtBrowserClose())
		s.SetExpiry(cookiestore.After(time.Minute))
		require.False(t, s.ExpiresAtBrowserClose())
	})
	t.Run("an expiry that can't be read refuses the session", func(t *testing.T) {
		store := newStore(t)
		signer, err := cookiestore.NewSigner(testKey)
		require.NoError(t, err)
		value := signer.Sign("sessionid", base64.RawURLEncoding.EncodeToString([]byte(`{"user":7,"_session_expiry":"soon"}`)), time.Now())
		m, err := cookiestore.NewManager(store, quiet)
		require.NoError(t, err)
		s, err := m.Load(t.Context(), "sessionid="+value)
		require.NoError(t, err)
		require.True(t, s.IsNew())
		require.True(t, s.IsEmpty(), "it is never half read")
	})
}

func TestLifetimeOfOlderSessions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	store := newStore(t)
	save := func(data string) string {
		value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: now})
		require.NoError(t, err)
		return "sessionid=" + value
	}
	clock := now.Add(30 * time.Minute)
	m, err := cookiestore.NewManager(store, cookiestore.WithLifetime(time.Hour), cookiestore.WithClock(func() time.Time { return clock }))
	require.NoError(t, err)
	for _, test := range []struct{ name, data, want string }{
		{"one from before the option begins when it was last saved", `{"a":1}`, `{"a":2,"_session_created":1800000000}`},
		{"one that says when it began", `{"_session_created":1799999000,"a":1}`, `{"a":2,"_session_created":1799999000}`},
		{"one that says it in no number", `{"_session_created":"x","a":1}`, `{"a":2,"_session_created":1800000000}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := m.Load(t.Context(), save(test.data))
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, s.Keys())
			s.Set("a", 2)
			cookie, err := saveOne(t.Context(), m, s)
			require.NoError(t, err)
			rec, err := store.Load(t.Context(), "sessionid", cookie.Value)
			require.NoError(t, err)
			require.Equal(t, test.want, rec.Data)
		})
	}
	t.Run("an empty one is written with it", func(t *testing.T) {
		s, err := m.Load(t.Context(), save(`{"_session_created":1799999000}`))
		require.NoError(t, err)
		require.True(t, s.IsEmpty())
		requireJSON(t, `{"_session_created":1799999000}`, s)
		s.Clear()
		requireJSON(t, `{"_session_created":1799999000}`, s)
		s.Flush()
		requireJSON(t, `{}`, s)
	})
}

// failingStore is a database that is down.
type failingStore struct {
	load, save, remove error
	panics, savePanics bool
	hangs              chan struct{}
}

func (f *failingStore) ClearExpired(ctx ctx) error { return nil }
func (f *failingStore) Load(ctx, string, string) (cookiestore.Record, error) {
	if f.hangs != nil {
		<-f.hangs
	}
	if f.panics {
		panic("driver bug")
	}
	return cookiestore.Record{Data: `{"a":1}`}, f.load
}
func (f *failingStore) Save(ctx, string, cookiestore.Record) (value, version string, err error) {
	if f.savePanics {
		panic("driver bug")
	}
	return "v", "", f.save
}
func (f *failingStore) Delete(ctx, string, string, string) error { return f.remove }

func TestSessionOfAStoreThatFails(t *testing.T) {
	down := errors.New("the database is down")
	m, err := cookiestore.NewManager(&failingStore{load: down})
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid=x")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, s.Err(), down)
	require.Nil(t, s.Get("a"))
	require.Equal(t, 5, cookiestore.Get(s, "a", 5))
	_, err = cookiestore.Lookup[int](s, "a")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, cookiestore.Modify(s, "a", func(*int) {}), down)
	require.ErrorIs(t, s.Decode(&struct{}{}), down)
	_, err = json.Marshal(s)
	require.ErrorContains(t, err, "down")
	s.Set("a", 1)
	cookie, err := saveOne(t.Context(), m, s)
	require.ErrorIs(t, err, down)
	require.Nil(t, cookie)
	assert.EqualError(t, err, "session can't be loaded: the database is down")
}
