package interop

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

func TestVisitsAreCountedByTurns(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		t.Logf("Django %v", v.django.version)
		for n := 1; n <= 20; n += 2 {
			there := decode[int](t, v.inDjango(http.MethodGet, "/", nil))
			assert.Equal(t, n, there)
			v.inGo(func(s *cookiestore.Session) {
				here := cookiestore.Get(s, "num_visits", 0) + 1
				assert.Equal(t, n+1, here)
				s.Set("num_visits", here)
			})
		}
		assert.Equal(t, "20", v.djangoText("num_visits"))
		assert.Empty(t, v.log.String())
	})
}

// At one moment both sites set the very same cookie: value, end and attributes.
func TestBothSitesSetTheSameCookie(t *testing.T) {
	now := time.Date(2031, time.March, 4, 5, 6, 7, 890_123_000, time.UTC)
	v := newVisitor(t, sharedDjango(t))
	v.at(now)
	r := v.inDjango(http.MethodGet, "/", nil)
	assert.Equal(t, "Cookie", r.vary)
	there := r.cookie
	require.NotNil(t, there)

	v = newVisitor(t, sharedDjango(t))
	v.at(now)
	r = v.inGo(func(s *cookiestore.Session) { s.Set("num_visits", 1) })
	assert.Equal(t, "Cookie", r.vary)
	here := r.cookie
	require.NotNil(t, here)

	there.Raw, here.Raw = "", "" // attributes in another order
	there.RawExpires, here.RawExpires = "", ""
	assert.Equal(t, there, here)
	assert.Equal(t, 14*24*60*60, here.MaxAge)
}

// A request that has no use for the session sets no cookie, and says nothing of
// it to caches, on either site.
func TestUnusedSessionsAreLeftAlone(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInDjango("name", `"Zoë"`)
		for _, r := range []reply{
			v.inDjango(http.MethodGet, "/untouched", nil),
			v.inGo(nil),
		} {
			assert.Nil(t, r.cookie)
			assert.Empty(t, r.vary)
		}
	})
}

// A sample is a value, the JSON that both sides write for it, and how Go reads it.
type sample struct {
	name, key string
	text      string
	value     any
	read      func(s *cookiestore.Session, key string) (any, error)
}

// of makes a sample whose value comes back as the T that it is.
func of[T any](name string, value T, text string) sample {
	return sample{name: name, key: name, text: text, value: value, read: func(s *cookiestore.Session, key string) (any, error) {
		return cookiestore.Lookup[T](s, key)
	}}
}

// under is the sample under another key than its name.
func (s sample) under(key string) sample {
	s.key = key
	return s
}

func bigInt(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic(text)
	}
	return n
}

type car struct {
	Make   string         `json:"make"`
	Wheels []wheel        `json:"wheels"`
	Extras map[string]any `json:"extras"`
}

type wheel struct {
	Inches float64 `json:"inches"`
	Alloy  bool    `json:"alloy"`
}

// Python's json module writes these as Go does, in ASCII.
var samples = []sample{
	of("true", true, `true`),
	of("false", false, `false`),
	of("null", any(nil), `null`),
	of("zero", 0, `0`),
	of("a negative number", -42, `-42`),
	of("2^53+1, which a float can't hold", int64(9007199254740993), `9007199254740993`),
	of("the least int64", int64(-1<<63), `-9223372036854775808`),
	of("the greatest uint64", uint64(1<<64-1), `18446744073709551615`),
	of("10^30, which no machine integer can hold", bigInt("1000000000000000000000000000000"), `1000000000000000000000000000000`),
	of("10^30 as a json.Number", json.Number("1000000000000000000000000000000"), `1000000000000000000000000000000`),
	of("1.0, which stays a float", 1.0, `1.0`),
	of("a float", 0.1, `0.1`),
	of("a great float", 1.5e300, `1.5e+300`),
	of("a small float", 5e-324, `5e-324`),
	of("an empty string", "", `""`),
	of("ASCII", "plain", `"plain"`),
	of("Latin-1", "Zoë", `"Zo\u00eb"`),
	of("Unicode beyond the BMP", "😀 𝒵", `"\ud83d\ude00 \ud835\udcb5"`),
	of("the end of the BMP and what is not a character", "\uffff\U0010ffff", `"\uffff\udbff\udfff"`),
	of("right to left", "שלום", `"\u05e9\u05dc\u05d5\u05dd"`),
	of("what would break out of a page", "</script>&<!--\u2028", `"</script>&<!--\u2028"`),
	of("quotes and backslashes", `"'\`, `"\"'\\"`),
	of("line breaks", "a\r\n\tb", `"a\r\n\tb"`),
	of("control characters", "\x00\x01\x1b", `"\u0000\u0001\u001b"`),
	of("what cookies can't hold", `a; b=c, "d" e`, `"a; b=c, \"d\" e"`),
	of("the cookie's own separators", ".:_-=", `".:_-="`),
	of("an empty list", []any{}, `[]`),
	of("an empty dictionary", map[string]any{}, `{}`),
	of("a list", []any{1, 1.0, "one", nil, true, []any{}}, `[1,1.0,"one",null,true,[]]`),
	of("a dictionary", map[string]any{"a": map[string]any{"b": []any{1, 2}}, "é": "É"}, `{"a":{"b":[1,2]},"\u00e9":"\u00c9"}`),
	of("a struct", car{"Mini", []wheel{{14.5, true}, {14.5, false}}, map[string]any{"radio": nil}},
		`{"make":"Mini","wheels":[{"inches":14.5,"alloy":true},{"inches":14.5,"alloy":false}],"extras":{"radio":null}}`),
	of("a time", time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC), `"2031-03-04T05:06:07Z"`),
	of("bytes", []byte("\x00\xff"), `"AP8="`),
	of("an empty key", "v", `"v"`).under(""),
	of("a key with spaces", "v", `"v"`).under(" a  key "),
	of("a key with dots and brackets", "v", `"v"`).under("a.b[0].c"),
	of("a key with quotes", "v", `"v"`).under(`"a" 'b' \c`),
	of("a key with slashes and percents", "v", `"v"`).under("/a%20b?c=d&e#f"),
	of("a key beyond the BMP", "v", `"v"`).under("😀"),
	of("a key with a control character", "v", `"v"`).under("a\nb\x00"),
	of("a key of Python's", "v", `"v"`).under("__class__"),
}

// Whatever type a value is of, and whichever site sets it, the other reads what
// was meant, and it is the same after it has been written again there.
func TestEveryTypeIsReadOnBothSides(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		for _, sample := range samples {
			t.Run(sample.name, func(t *testing.T) {
				v := newVisitor(t, django)
				readInGo := func(s *cookiestore.Session) {
					value, err := sample.read(s, sample.key)
					assert.NoError(t, err)
					assert.Equal(t, sample.value, value)
				}

				v.setInGo(sample.key, sample.value)
				assert.Equal(t, sample.text, v.djangoText(sample.key), "Django reads it")
				v.setInDjango("other", `1`) // it writes all of the session again
				v.inGo(readInGo)

				v = newVisitor(t, django)
				v.setInDjango(sample.key, sample.text)
				v.inGo(readInGo)
				v.setInGo("other", 1)
				assert.Equal(t, sample.text, v.djangoText(sample.key), "Django reads it again")
				v.inGo(readInGo)
			})
		}
	})
}

// Where Go and Django would spell a value differently, it keeps the spelling of
// who wrote it: Go touches only what it sets.
func TestUntouchedValuesStayTheSameBytes(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		untouched := [][2]string{
			{"zulu", `"the keys are not in order"`},
			{"ten to the 30th", `1000000000000000000000000000000`},
			{"one", `1.0`},
			{"minus zero", `-0.0`},
			{"tiny", `1e-07`},      // Go would write 1e-7
			{"huge", `1e+16`},      // and 10000000000000000.0
			{"a half", `"\ud83d"`}, // and has no such string
			{"halves", `"\udc00\ud800"`},
			{"deleted", `"\u007f"`},
			{"page", `"</script>&"`}, // encoding/json would write <, > and & as escapes
			{"list", `[1,[],{},null,"\ud800",{"b":1,"a":2.50}]`},
		}
		for _, m := range untouched {
			v.setInDjango(m[0], m[1])
		}
		before := v.djangoSession()
		signedThere := members(t, payload(t, v.signed()))
		assert.Equal(t, before, signedThere, "what the site reports is what it signed")
		assert.NotEqual(t, untouched, before, "Python writes 0x7f and 2.50 in its own way")

		v.setInGo("new", "é")
		signedHere := payload(t, v.signed())
		assert.Equal(t, append(signedThere, [2]string{"new", `"\u00e9"`}), members(t, signedHere))
		assert.Equal(t, append(before, [2]string{"new", `"\u00e9"`}), v.djangoSession())

		v.inGo(func(s *cookiestore.Session) {
			s.Set("zulu", nil) // it stays in its place
			s.Delete("new")
		})
		want := append([][2]string{{"zulu", "null"}}, before[1:]...)
		assert.Equal(t, want, members(t, payload(t, v.signed())))
		assert.Equal(t, want, v.djangoSession())
		assert.Equal(t, want, v.goSession())
	})
}

// Python can make a string that is half a character. Go can't, but reads it as
// any decoder here would.
func TestLoneSurrogatesAreReadAsReplacementCharacters(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInDjango("half", `"a\ud83db"`)
		v.setInDjango("whole", `"\ud83d\ude00"`)
		v.inGo(func(s *cookiestore.Session) {
			assert.Equal(t, "a\ufffdb", cookiestore.Get(s, "half", ""))
			assert.Equal(t, "😀", cookiestore.Get(s, "whole", ""))
		})
	})
}

// NaN and Infinity are not JSON, though Python writes and reads them. Nothing can
// be said of the rest of such a session, so Go has none; Django keeps its own.
func TestWhatIsNoJSONIsRefused(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		for _, text := range []string{"NaN", "Infinity", "-Infinity"} {
			t.Run(text, func(t *testing.T) {
				v := newVisitor(t, django)
				r := v.do(http.MethodPost, v.django.url+valuePath("odd"), []byte(text))
				require.Equal(t, http.StatusOK, r.status)
				require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrMalformed)
				assert.Equal(t, text, v.djangoText("odd"))
			})
		}
	})
}

// Django's dictionary may have keys that JSON makes strings of, and two that it
// makes the same string of. Python reads the last of them, and so does Go.
func TestOfEqualKeysTheLastCounts(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.setCookie(decode[string](t, v.inDjango(http.MethodPost, "/sign", map[string]any{
		"algorithm": "sha256", "session": json.RawMessage(`{"1":"first"}`),
	})))
	assert.Equal(t, `"first"`, v.djangoText("1"))

	store, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, []byte(secretKey))
	require.NoError(t, err)
	// eyI… is {"1":"first","1":"last"}.
	v.setCookie(store.Sign("sessionid", "eyIxIjoiZmlyc3QiLCIxIjoibGFzdCJ9", time.Now()))
	assert.Equal(t, `"last"`, v.djangoText("1"))
	v.inGo(func(s *cookiestore.Session) { assert.Equal(t, "last", s.Get("1")) })
}

func TestTestCookieWorksAcrossSites(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.inDjango(http.MethodPost, "/testcookie", nil)
		v.inGo(func(s *cookiestore.Session) {
			assert.True(t, s.TestCookieWorked())
			s.DeleteTestCookie()
		})
		assert.False(t, decode[bool](t, v.inDjango(http.MethodGet, "/testcookie", nil)))

		v.inGo(func(s *cookiestore.Session) { s.SetTestCookie() })
		assert.True(t, decode[bool](t, v.inDjango(http.MethodGet, "/testcookie", nil)))
		v.inDjango(http.MethodDelete, "/testcookie", nil)
		v.inGo(func(s *cookiestore.Session) { assert.False(t, s.TestCookieWorked()) })
	})
}

// Django has no flash messages in its sessions, but leaves Go's in their place.
func TestFlashMessagesWaitThroughDjango(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.inGo(func(s *cookiestore.Session) {
			s.AddFlash("Saved.")
			s.AddFlash(map[string]any{"level": 25, "text": "Zoë"})
		})
		assert.Equal(t, `["Saved.",{"level":25,"text":"Zo\u00eb"}]`, v.djangoText(cookiestore.FlashKey))
		v.setInDjango("other", `1`)
		v.inGo(func(s *cookiestore.Session) {
			assert.Equal(t, []any{"Saved.", map[string]any{"level": 25, "text": "Zoë"}}, s.Flashes())
		})
		assert.Equal(t, [][2]string{{"other", "1"}}, v.djangoSession())
	})
}

func TestFlushOnEitherSideEndsTheSessionOnBoth(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		for _, side := range []struct {
			name  string
			flush func(v *visitor) reply
		}{
			{"in Django", func(v *visitor) reply { return v.inDjango(http.MethodPost, "/end/flush", nil) }},
			{"in Go", func(v *visitor) reply { return v.inGo(func(s *cookiestore.Session) { s.Flush() }) }},
		} {
			t.Run(side.name, func(t *testing.T) {
				v := newVisitor(t, django)
				v.setInDjango("there", `1`)
				v.setInGo("here", 1)
				require.NotEmpty(t, v.cookie())

				r := side.flush(v)
				require.NotNil(t, r.cookie)
				assert.Empty(t, r.cookie.Value)
				assert.Negative(t, r.cookie.MaxAge, "net/http's word for Max-Age=0")
				assert.Equal(t, "/", r.cookie.Path)
				assert.Empty(t, v.cookie(), "the jar has deleted it")
				assert.Empty(t, v.djangoSession())
				v.inGo(func(s *cookiestore.Session) {
					assert.True(t, s.IsEmpty())
					assert.True(t, s.IsNew())
					assert.NoError(t, s.Refused())
				})
			})
		}
	})
}

// Django's clear() leaves a signed cookie with nothing in it, Go's deletes it.
// The session is empty on both sides either way.
func TestClearOnEitherSideEmptiesTheSessionOnBoth(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.setInGo("here", 1)
	v.inDjango(http.MethodPost, "/end/clear", nil)
	assert.Equal(t, "{}", string(payload(t, v.cookie())))
	require.NoError(t, v.refusedByGo())

	v.setInDjango("there", `1`)
	v.inGo(func(s *cookiestore.Session) { s.Clear() })
	assert.Empty(t, v.cookie())
	assert.Empty(t, v.djangoSession())
}

func TestCycleKeyKeepsTheSession(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInDjango("name", `"Zo\u00eb"`)
		want := v.djangoSession()
		require.NotNil(t, v.inDjango(http.MethodPost, "/end/cycle_key", nil).cookie)
		assert.Equal(t, want, v.goSession())
		require.NotNil(t, v.inGo(func(s *cookiestore.Session) { s.CycleKey() }).cookie)
		assert.Equal(t, want, v.djangoSession())
	})
}

// noise returns n characters that zlib makes nothing of.
func noise(n int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	source := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[source.IntN(len(alphabet))]
	}
	return string(text)
}

// Django compresses whenever that is shorter, Go where it is worth the time.
func TestCompressedSessionsAreReadOnBothSides(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	short := strings.Repeat("ab", 60)
	v.setInDjango("short", strconv.Quote(short))
	require.True(t, strings.HasPrefix(v.cookie(), "."), "Django has compressed %q", v.cookie())
	v.inGo(func(s *cookiestore.Session) {
		assert.Equal(t, short, cookiestore.Get(s, "short", ""))
		s.Set("also", "uncompressed")
	})
	require.False(t, strings.HasPrefix(v.cookie(), "."), "Go has not compressed %q", v.cookie())
	assert.Equal(t, strconv.Quote(short), v.djangoText("short"))

	words := make([]string, 300) // 3 KiB, in which there is something to find
	for i := range words {
		words[i] = fmt.Sprintf("word %02d é", i%30)
	}
	v.setInGo("words", words)
	require.True(t, strings.HasPrefix(v.cookie(), "."), "Go has compressed %q", v.cookie())
	assert.Greater(t, len(payload(t, v.cookie())), 3<<10)
	assert.Equal(t, words, decode[[]string](t, v.inDjango(http.MethodGet, valuePath("words"), nil)))
	v.setInDjango("other", `1`)
	v.inGo(func(s *cookiestore.Session) { assert.Equal(t, words, cookiestore.Get(s, "words", []string(nil))) })

	// What doesn't get shorter is not compressed by either.
	random := noise(1 << 10)
	for _, set := range []func(v *visitor){
		func(v *visitor) { v.setInGo("noise", random) },
		func(v *visitor) { v.setInDjango("noise", strconv.Quote(random)) },
	} {
		v := newVisitor(t, sharedDjango(t))
		set(v)
		assert.Equal(t, strconv.Quote(random), v.djangoText("noise"))
		v.inGo(func(s *cookiestore.Session) { assert.Equal(t, random, cookiestore.Get(s, "noise", "")) })
	}
}

// Django inflates whatever fits in a cookie; Go stops at a limit, which can be
// raised.
func TestGreatSessionsInSmallCookiesNeedAHigherLimit(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	great := strings.Repeat("a", 100<<10)
	v.setInDjango("great", strconv.Quote(great))
	require.Less(t, len(v.cookie()), 1<<10)
	value := v.cookie()
	require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTooLarge)
	assert.Equal(t, value, v.cookie(), "the cookie is left alone")

	store, err := cookiestore.New([]byte(secretKey), cookiestore.WithDjango(), cookiestore.WithMaxInflated(1<<20))
	require.NoError(t, err)
	v2 := newVisitorWithStore(t, v.django, store)
	v2.setCookie(value)
	v2.inGo(func(s *cookiestore.Session) { assert.Equal(t, great, cookiestore.Get(s, "great", "")) })
}

// Django sends a cookie that browsers drop in silence; Go says so, and the
// visitor keeps the session that there was.
func TestSessionsTooLargeForABrowser(t *testing.T) {
	large := noise(6 << 10)
	v := newVisitor(t, sharedDjango(t))
	v.setInDjango("small", `1`)
	before := v.cookie()

	r := v.tryGo(func(s *cookiestore.Session) { s.Set("large", large) })
	assert.Equal(t, http.StatusInternalServerError, r.status)
	assert.Nil(t, r.cookie)
	assert.Equal(t, before, v.cookie())
	assert.Contains(t, v.log.String(), "too large")
	assert.Equal(t, `1`, v.djangoText("small"))

	v.setInDjango("large", strconv.Quote(large))
	require.Greater(t, len(v.cookie()), cookiestore.MaxCookieSize)
	require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTooLarge)
}
