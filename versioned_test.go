package cookiestore_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

type trip struct {
	To   string   `json:"to"`
	Bags []string `json:"bags,omitempty"`
}

var errUpgrade = errors.New(`"secret" is not a trip`)

// trips knows versions 0, where a trip was a string, and 2, where it had one bag.
var trips = cookiestore.Versioned[trip]{Key: "trip", Version: 3, Upgrade: func(from int, stored json.RawMessage) (trip, error) {
	switch from {
	case 0:
		var to string
		err := json.Unmarshal(stored, &to)
		return trip{To: to}, err
	case 2:
		var old struct{ To, Bag string }
		err := json.Unmarshal(stored, &old)
		return trip{old.To, []string{old.Bag}}, err
	}
	return trip{To: "secret"}, errUpgrade
}}

func TestVersionedGet(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       trip
		err        string
		is         error
	}{
		{"none is the zero value", `{"z":1}`, trip{}, "", nil},
		{"this version", `{"trip":{"data":{"to":"Pune","bags":["red"]},"v":3}}`, trip{"Pune", []string{"red"}}, "", nil},
		{"in another order, with blanks", "{\"trip\": { \"v\" : 3 ,\n \"data\" : {\"to\":\"Pune\"} } }", trip{To: "Pune"}, "", nil},
		{"an older version", `{"trip":{"data":{"to":"Pune","bag":"red"},"v":2}}`, trip{"Pune", []string{"red"}}, "", nil},
		{"a value without a version", `{"trip":"Pune"}`, trip{To: "Pune"}, "", nil},
		{"an older version that can't be upgraded", `{"trip":{"data":"secret","v":1}}`, trip{},
			`cookiestore: session key "trip", version 1 (the program's is 3): the upgrade failed`, errUpgrade},
		{"a newer version", `{"trip":{"data":{"to":"secret"},"v":4}}`, trip{},
			`cookiestore: session key "trip", version 4 (the program's is 3): a newer version of the program has stored it`, cookiestore.ErrNewerVersion},
		{"a newer version that is larger than an int can be", `{"trip":{"data":{},"v":4294967299}}`, trip{},
			`cookiestore: session key "trip", version 4294967299 (the program's is 3): a newer version of the program has stored it`, cookiestore.ErrNewerVersion},
		{"a newer version that is too large for any int", `{"trip":{"data":{},"v":99999999999999999999}}`, trip{},
			`cookiestore: session key "trip", version 9223372036854775807 (the program's is 3): a newer version of the program has stored it`, cookiestore.ErrNewerVersion},
		{"another type", `{"trip":{"data":["secret"],"v":3}}`, trip{},
			`cookiestore: session key "trip", version 3 (the program's is 3): it holds an array, where cookiestore_test.trip is wanted`, cookiestore.ErrType},
		{"a field of another type", `{"trip":{"data":{"to":"Pune","bags":"secret"},"v":3}}`, trip{},
			`cookiestore: session key "trip", version 3 (the program's is 3): its field bags holds a string, where []string is wanted`, cookiestore.ErrType},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, test.data)
			got, err := trips.Get(s)
			require.Equal(t, test.want, got)
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
				require.ErrorIs(t, err, test.is)
				var sorted securecookie.Error
				require.ErrorAs(t, err, &sorted)
				require.True(t, sorted.IsUsage(), "trying again doesn't help")
			}
			require.False(t, s.Modified(), "it was only read")
			require.NoError(t, s.Err())
			requireJSON(t, test.data, s)
		})
	}
}

func TestWhatHasAVersion(t *testing.T) {
	for data, want := range map[string]int{
		`{"v":1,"data":7}`:                1,
		`{"data":null,"v":2}`:             2,
		`{"d\u0061ta":7,"\u0076":1}`:      1,
		`{"v":9,"data":7,"v":2}`:          2, // the last counts, as in Python
		`{"data":{"data":7,"v":9},"v":1}`: 1,
		`{"data":7}`:                      0,
		`{"v":1}`:                         0,
		`{"v":1,"name":"Ann"}`:            0,
		`{"v":1,"Data":7}`:                0,
		`{"visit":{"v":1,"data":7}}`:      0,
		`{}`:                              0,
		`[1,7]`:                           0,
		`null`:                            0,
	} {
		t.Run(data, func(t *testing.T) {
			calls := 0
			numbers := cookiestore.Versioned[int]{Key: "n", Version: 3, Upgrade: func(from int, stored json.RawMessage) (int, error) {
				calls++
				require.Equal(t, want, from)
				if from == 0 {
					require.Equal(t, data, string(stored), "all of it")
				} else {
					require.NotEqual(t, data, string(stored), "the data")
				}
				return 7, nil
			}}
			got, err := numbers.Get(loadSession(t, `{"n":`+data+`}`))
			require.NoError(t, err)
			require.Equal(t, 7, got)
			require.Equal(t, 1, calls)
		})
	}
}

// An object with "data" and "v" is never taken for a value without a version: Upgrade could
// make nothing of it, and what a newer program or Django has put there would be lost.
func TestVersionsThatCannotBeRead(t *testing.T) {
	const text = `cookiestore: session key "n": beside "data" there may only be "v", a whole number over 0`
	numbers := cookiestore.Versioned[int]{Key: "n", Version: 3, Upgrade: func(int, json.RawMessage) (int, error) {
		panic("must not be called")
	}}
	for _, test := range []struct {
		name, data string
		is         error
	}{
		{"a further member", `{"v":3,"data":7,"seen":true}`, cookiestore.ErrType},
		{"one that an older version has", `{"data":7,"v":1,"":null}`, cookiestore.ErrType},
		{"one that a newer version has", `{"data":7,"seen":true,"v":4}`, cookiestore.ErrNewerVersion},
		{"no whole number", `{"data":7,"v":4.0}`, cookiestore.ErrType},
		{"an exponent", `{"data":7,"v":1e1}`, cookiestore.ErrType},
		{"zero", `{"data":7,"v":0}`, cookiestore.ErrType},
		{"a negative zero", `{"data":7,"v":-0}`, cookiestore.ErrType},
		{"a negative number", `{"data":7,"v":-1}`, cookiestore.ErrType},
		{"a negative number that is too large for any int", `{"data":7,"v":-99999999999999999999}`, cookiestore.ErrType},
		{"a number that is too large for any int", `{"data":7,"v":99999999999999999999}`, cookiestore.ErrNewerVersion},
		{"a string", `{"data":7,"v":"3"}`, cookiestore.ErrType},
		{"null", `{"data":7,"v":null}`, cookiestore.ErrType},
		{"an object", `{"data":7,"v":{"v":3}}`, cookiestore.ErrType},
		{"the last of two", `{"data":7,"v":3,"v":"secret"}`, cookiestore.ErrType},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := `{"n":` + test.data + `}`
			s := loadSession(t, data)
			_, err := numbers.Get(s)
			require.ErrorIs(t, err, test.is)
			if test.is == cookiestore.ErrType {
				require.EqualError(t, err, text)
			}
			require.NoError(t, s.Err())
			require.ErrorIs(t, numbers.Set(s, 1), test.is)
			require.ErrorIs(t, s.Err(), test.is)
			s = loadSession(t, data)
			require.ErrorIs(t, numbers.Modify(s, func(*int) { t.Error("must not be called") }), test.is)
			require.ErrorIs(t, s.Err(), test.is)
			requireJSON(t, data, s)
			numbers.Delete(s)
			require.NoError(t, numbers.Set(s, 1))
			require.NoError(t, s.Err())
		})
	}
}

func TestVersionedModify(t *testing.T) {
	pack := func(trip *trip) { trip.Bags = append(trip.Bags, "blue") }
	for _, test := range []struct{ name, data, want string }{
		{"none begins with the zero value", `{"z":1}`, `{"z":1,"trip":{"data":{"to":"","bags":["blue"]},"v":3}}`},
		{"this version", `{"trip":{"data":{"to":"Pune"},"v":3},"z":1}`, `{"trip":{"data":{"to":"Pune","bags":["blue"]},"v":3},"z":1}`},
		{"an older version is stored in this one", `{"trip":{"v":2,"data":{"to":"Pune","bag":"red"}}}`, `{"trip":{"data":{"to":"Pune","bags":["red","blue"]},"v":3}}`},
		{"a value without a version, too", `{"trip":"Pune"}`, `{"trip":{"data":{"to":"Pune","bags":["blue"]},"v":3}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loadSession(t, test.data)
			require.NoError(t, trips.Modify(s, pack))
			require.True(t, s.Modified())
			requireJSON(t, test.want, s)
		})
	}
}

// What can't be read stays in the visitor's cookie, whatever else a handler changes.
func TestVersionedKeepsWhatItCannotRead(t *testing.T) {
	for _, test := range []struct {
		name, value string
		is          error
	}{
		{"a newer version", `{"v":4 , "data":{"to":1e2}}`, cookiestore.ErrNewerVersion},
		{"another type", `{"v":3 , "data":[1.0]}`, cookiestore.ErrType},
		{"a failed upgrade", `{"v":1 , "data":[1.0]}`, errUpgrade},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := newStore(t)
			m, err := cookiestore.NewManager(store, quiet)
			require.NoError(t, err)
			cookie := begin(t, store, time.Now(), `{"trip":`+test.value+`}`)
			load := func() *cookiestore.Session {
				s, err := m.Load(t.Context(), cookie)
				require.NoError(t, err)
				return s
			}
			s := load()
			_, err = trips.Get(s)
			require.ErrorIs(t, err, test.is)
			c, err := saveOne(t.Context(), m, s)
			require.NoError(t, err)
			require.Nil(t, c, "reading sets no cookie")

			s = load()
			s.Set("z", 1)
			c, err = saveOne(t.Context(), m, s)
			require.NoError(t, err)
			cookie = c.Name + "=" + c.Value
			requireJSON(t, `{"trip":`+test.value+`,"z":1}`, load())

			s = load()
			s.Set("z", 2)
			require.ErrorIs(t, trips.Modify(s, func(*trip) { t.Error("must not be called") }), test.is)
			require.ErrorIs(t, s.Err(), test.is)
			c, err = saveOne(t.Context(), m, s)
			require.ErrorIs(t, err, test.is)
			require.Nil(t, c)

			trips.Delete(s)
			require.NoError(t, s.Err())
			requireJSON(t, `{"z":2}`, s)
			require.NoError(t, trips.Set(s, trip{To: "Goa"}))
			requireJSON(t, `{"z":2,"trip":{"data":{"to":"Goa"},"v":3}}`, s)
		})
	}
}

func TestVersionedSet(t *testing.T) {
	const stored = `{"trip":{"data":{"to":"Goa"},"v":3}}`
	for name, data := range map[string]string{
		"none":             `{}`,
		"this version":     `{"trip":{"v":3,"data":{"to":"Pune"}}}`,
		"another type":     `{"trip":{"v":3,"data":[]}}`,
		"a failed upgrade": `{"trip":{"v":1,"data":{}}}`,
		"no version":       `{"trip":["Pune"]}`,
	} {
		t.Run("replaces "+name, func(t *testing.T) {
			s := loadSession(t, data)
			require.NoError(t, trips.Set(s, trip{To: "Goa"}))
			requireJSON(t, stored, s)
		})
	}
	t.Run("makes good what Modify could not read", func(t *testing.T) {
		s := loadSession(t, `{"trip":{"v":3,"data":[]}}`)
		require.Error(t, trips.Modify(s, func(*trip) {}))
		require.NoError(t, trips.Set(s, trip{To: "Goa"}))
		require.NoError(t, s.Err())
	})
	t.Run("does not replace a newer version", func(t *testing.T) {
		s := loadSession(t, `{"trip":{"v":4,"data":{}}}`)
		require.ErrorIs(t, trips.Set(s, trip{To: "Goa"}), cookiestore.ErrNewerVersion)
		require.ErrorIs(t, s.Err(), cookiestore.ErrNewerVersion)
		requireJSON(t, `{"trip":{"v":4,"data":{}}}`, s)
	})
	t.Run("refuses what JSON can't hold, and leaves what was there", func(t *testing.T) {
		heights := cookiestore.Versioned[float64]{Key: "height", Version: 1}
		s := loadSession(t, `{"height":{"data":1.5,"v":1}}`)
		require.EqualError(t, heights.Set(s, math.NaN()), `cookiestore: session key "height" can't be set: JSON has no infinity and no NaN`)
		require.Error(t, s.Err())
		require.Error(t, heights.Modify(s, func(f *float64) { *f = math.Inf(1) }))
		requireJSON(t, `{"height":{"data":1.5,"v":1}}`, s)
	})
	t.Run("numbers in maps stay what they are", func(t *testing.T) {
		maps := cookiestore.Versioned[map[string]any]{Key: "m", Version: 1}
		s := loadSession(t, `{"m":{"data":{"big":9007199254740993,"one":1.0},"v":1}}`)
		m, err := maps.Get(s)
		require.NoError(t, err)
		require.NoError(t, maps.Set(s, m))
		requireJSON(t, `{"m":{"data":{"big":9007199254740993,"one":1.0},"v":1}}`, s)
	})
	t.Run("what it takes can be read again, however deep", func(t *testing.T) {
		deep := cookiestore.Versioned[any]{Key: "deep", Version: 1}
		accepted := 0
		for depth := range 1100 {
			var s cookiestore.Session
			if deep.Set(&s, json.RawMessage(strings.Repeat("[", depth+1)+strings.Repeat("]", depth+1))) == nil {
				accepted = depth + 1
			}
		}
		text := strings.Repeat("[", accepted) + strings.Repeat("]", accepted)
		_, err := deep.Get(loadSession(t, `{"deep":{"data":`+text+`,"v":1}}`))
		require.NoError(t, err)
	})
}

func TestVersionedWithoutUpgrade(t *testing.T) {
	v := cookiestore.Versioned[trip]{Key: "trip", Version: 3}
	s := loadSession(t, `{"trip":{"v":2,"data":{"to":"secret"}}}`)
	_, err := v.Get(s)
	require.EqualError(t, err, `cookiestore: session key "trip", version 2 (the program's is 3): there is no Upgrade`)
	require.Error(t, v.Modify(s, func(*trip) { t.Error("must not be called") }))
	_, err = v.Get(loadSession(t, `{"trip":"secret"}`))
	require.EqualError(t, err, `cookiestore: session key "trip", version 0 (the program's is 3): there is no Upgrade`)
}

func TestVersionedDeclarations(t *testing.T) {
	for _, test := range []struct {
		name    string
		key     string
		version int
		err     string
	}{
		{"without a key", "", 1, `cookiestore: cookiestore.Versioned[int] has no Key`},
		{"with a key of this package's", cookiestore.ExpiryKey, 1, `cookiestore: cookiestore.Versioned[int] has Key "_session_expiry": keys that begin with an underscore are reserved`},
		{"with a key of Django's", "_auth_user_id", 1, `cookiestore: cookiestore.Versioned[int] has Key "_auth_user_id": keys that begin with an underscore are reserved`},
		{"without a version", "n", 0, `cookiestore: cookiestore.Versioned[int] with Key "n" has Version 0: it must be at least 1`},
		{"with a key that is not UTF-8", "\xff", 1, `cookiestore: session key "\xff" is not UTF-8`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := cookiestore.Versioned[int]{Key: test.key, Version: test.version}
			var s cookiestore.Session
			if test.key != "\xff" { // under which there is nothing
				_, err := v.Get(&s)
				require.EqualError(t, err, test.err)
				require.NoError(t, s.Err())
			}
			require.EqualError(t, v.Set(&s, 1), test.err)
			require.EqualError(t, s.Err(), test.err)
			var other cookiestore.Session
			require.EqualError(t, v.Modify(&other, func(*int) {}), test.err)
			require.EqualError(t, other.Err(), test.err)
			require.True(t, s.IsEmpty())
		})
	}
	t.Run("an underscore elsewhere is fine", func(t *testing.T) {
		require.NoError(t, cookiestore.Versioned[int]{Key: "a_b", Version: 1}.Set(new(cookiestore.Session), 1))
	})
}

func TestVersionedOfAFailedSession(t *testing.T) {
	m, err := cookiestore.NewManager(&failingStore{load: errDown}, cookiestore.WithLogger(logTo(io.Discard)))
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid=x")
	require.ErrorIs(t, err, errDown)
	_, err = trips.Get(s)
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, trips.Set(s, trip{}), errDown)
	require.ErrorIs(t, trips.Modify(s, func(*trip) {}), errDown)
}

func TestVersionedInTwoRequestsAtOnce(t *testing.T) {
	const red = `{"trip":{"data":{"to":"Pune","bags":["red"]},"v":3}}`
	pack := func(s *cookiestore.Session) error {
		return trips.Modify(s, func(trip *trip) { trip.Bags = append(trip.Bags, "blue") })
	}
	set := func(s *cookiestore.Session) error { return trips.Set(s, trip{To: "Goa"}) }
	for _, test := range []struct {
		name, other string // what the other request has stored meanwhile
		do          func(*cookiestore.Session) error
		want        string
		err         error
	}{
		{"Modify is made again", red, pack, `{"trip":{"data":{"to":"Pune","bags":["red","blue"]},"v":3}}`, nil},
		{"also on an older version", `{"trip":"Agra"}`, pack, `{"trip":{"data":{"to":"Agra","bags":["blue"]},"v":3}}`, nil},
		{"Modify does not replace a newer version", `{"trip":{"data":7,"v":4}}`, pack, `{"trip":{"data":7,"v":4}}`, cookiestore.ErrNewerVersion},
		{"Modify does not replace what can't be upgraded", `{"trip":{"data":7,"v":1}}`, pack, `{"trip":{"data":7,"v":1}}`, errUpgrade},
		{"of two Sets the later wins", red, set, `{"trip":{"data":{"to":"Goa"},"v":3}}`, nil},
		{"Set does not replace a newer version", `{"trip":{"data":7,"v":4}}`, set, `{"trip":{"data":7,"v":4}}`, cookiestore.ErrNewerVersion},
		{"nor one with a further member", `{"trip":{"data":7,"v":3,"w":0}}`, set, `{"trip":{"data":7,"v":3,"w":0}}`, cookiestore.ErrType},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := newRows()
			m, err := cookiestore.NewManager(store, quiet)
			require.NoError(t, err)
			cookie := begin(t, store, time.Now(), `{"trip":{"data":{"to":"Pune"},"v":3}}`)
			s, err := m.Load(t.Context(), cookie)
			require.NoError(t, err)
			require.NoError(t, test.do(s))

			row := store.rows["id:1"]
			row.Data, row.Version = test.other, "newer"
			store.rows["id:1"] = row
			_, err = saveOne(t.Context(), m, s)
			require.ErrorIs(t, err, test.err)
			if test.err != nil {
				var sorted securecookie.Error
				require.ErrorAs(t, err, &sorted)
				require.True(t, sorted.IsUsage(), "the store is fine")
			}
			require.Equal(t, test.want, store.rows["id:1"].Data)
		})
	}
}

// Version 4 is deployed, rolled back, and deployed again, while one visitor comes.
func TestVersionedThroughARollback(t *testing.T) {
	type trip4 struct{ Stops []string }
	newer := cookiestore.Versioned[trip4]{Key: "trip", Version: 4, Upgrade: func(from int, stored json.RawMessage) (trip4, error) {
		var old trip
		err := json.Unmarshal(stored, &old)
		return trip4{[]string{old.To}}, err
	}}
	addStop := func(trip *trip4) { trip.Stops = append(trip.Stops, "Goa") }
	for _, test := range []struct {
		name   string
		change func(*cookiestore.Session) error
	}{
		{"Set", func(s *cookiestore.Session) error { return trips.Set(s, trip{To: "Agra"}) }},
		{"Modify", func(s *cookiestore.Session) error { return trips.Modify(s, func(trip *trip) { trip.To = "Agra" }) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			visit := func(do func(*cookiestore.Session) error, want error) {
				t.Helper()
				v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
					s.Set("pages", cookiestore.Get(s, "pages", 0)+1)
					if assert.ErrorIs(t, do(s), want); want != nil {
						w.WriteHeader(http.StatusConflict)
					}
				})
			}
			visit(func(s *cookiestore.Session) error { return trips.Set(s, trip{To: "Pune"}) }, nil)
			visit(func(s *cookiestore.Session) error { return newer.Modify(s, addStop) }, nil)
			visit(func(s *cookiestore.Session) error {
				_, err := trips.Get(s)
				assert.ErrorIs(t, err, cookiestore.ErrNewerVersion)
				return nil // which stops no other change
			}, nil)
			visit(test.change, cookiestore.ErrNewerVersion)
			visit(func(s *cookiestore.Session) error { return newer.Modify(s, addStop) }, nil)
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				requireJSON(t, `{"pages":4,"trip":{"data":{"Stops":["Pune","Goa","Goa"]},"v":4}}`, s)
			})
		})
	}
}

// An Upgrade may fail with any error, also with one of a session that it has read itself.
func TestAFailedUpgradeIsNotTheCookies(t *testing.T) {
	for _, cause := range []error{cookiestore.ErrInterrupted, cookiestore.ErrTampered, cookiestore.ErrExpired, cookiestore.ErrConflict, errDown} {
		t.Run(cause.Error(), func(t *testing.T) {
			fails := cookiestore.Versioned[int]{Key: "n", Version: 2, Upgrade: func(int, json.RawMessage) (int, error) { return 0, cause }}
			requireUsage := func(err error) {
				t.Helper()
				require.EqualError(t, err, `cookiestore: session key "n", version 1 (the program's is 2): the upgrade failed`)
				require.ErrorIs(t, err, cause)
				var sorted securecookie.Error
				require.ErrorAs(t, err, &sorted)
				require.True(t, sorted.IsUsage())
				require.False(t, sorted.IsDecode())
			}
			s := loadSession(t, `{"n":{"data":7,"v":1}}`)
			_, err := fails.Get(s)
			requireUsage(err)
			requireUsage(fails.Modify(s, func(*int) {}))
			requireUsage(s.Err())
		})
	}
}

func TestAHandlerMaySayThatAVersionIsNewer(t *testing.T) {
	for name, change := range map[string]func(*cookiestore.Session) error{
		"Set":    func(s *cookiestore.Session) error { return trips.Set(s, trip{}) },
		"Modify": func(s *cookiestore.Session) error { return trips.Modify(s, func(*trip) {}) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			newer := map[string]any{"data": "x", "v": 4}
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("trip", newer) })
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				if errors.Is(change(s), cookiestore.ErrNewerVersion) {
					http.Error(w, "Please come back in an hour.", http.StatusConflict)
				}
			})
			require.Equal(t, http.StatusConflict, resp.StatusCode)
			require.Equal(t, "Please come back in an hour.\n", v.body)
			require.Equal(t, newer, v.value("trip"))
			resp = v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { _ = change(s) })
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode, "a failed save is not silent")
			require.Equal(t, newer, v.value("trip"))
		})
	}
}
