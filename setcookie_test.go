package cookiestore_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// The limit is of the whole field: a byte more is too large, and not a byte less.
func TestMaxCookieSize(t *testing.T) {
	type options = []cookiestore.Option
	for _, test := range []struct {
		name    string
		options options
		limit   int
	}{
		{"the browsers' limit", nil, 4096},
		{"a smaller one", options{cookiestore.WithMaxCookieSize(1000)}, 1000},
		{"a larger one", options{cookiestore.WithMaxCookieSize(5000)}, 5000},
		{"long attributes", options{cookiestore.WithDomain("a-long-name-of-a-host.example.org"), cookiestore.WithPath("/" + strings.Repeat("p", 500)), cookiestore.WithPartitioned()}, 4096},
		{"browser close", options{cookiestore.WithExpireAtBrowserClose(), cookiestore.WithMaxCookieSize(1000)}, 1000},
		{"a short age", options{cookiestore.WithMaxAge(time.Second), cookiestore.WithMaxCookieSize(1000)}, 1000},
		{"a long age", options{cookiestore.WithMaxAge(200 * 365 * 24 * time.Hour), cookiestore.WithMaxCookieSize(1000)}, 1000},
	} {
		for kind, store := range map[string]cookiestore.Store{
			"signed":         newStore(t, cookiestore.WithCompressionOver(-1)),
			"another codec":  must(cookiestore.NewWithCodec(lengthCodec{}, cookiestore.WithCompressionOver(-1))),
			"a user's store": lengthStore{newRows()},
		} {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				v := newVisitor(t, store, test.options...)
				longest := 0
				// Base64 takes three bytes to four: some lengths are left out.
				start := test.limit
				if kind == "signed" {
					start = test.limit * 3 / 4
				}
				for n := start; n > 0; n-- {
					resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
						s.Set("a", strings.Repeat("x", n))
					})
					v.cookie = ""
					if resp.StatusCode == http.StatusOK {
						longest = len(resp.Header.Get("Set-Cookie"))
						break
					}
					require.Equal(t, notSaved, v.body)
				}
				require.LessOrEqual(t, longest, test.limit)
				require.GreaterOrEqual(t, longest, test.limit-1)
				says := "cookie would have "
				if kind == "a user's store" {
					require.Equal(t, test.limit, longest)
					says = fmt.Sprintf("the store made a cookie of %d ", test.limit+1)
				}
				require.True(t, strings.Contains(v.log.String(), says))
				says = fmt.Sprintf("bytes with its name and attributes, and the limit is %d", test.limit)
				require.True(t, strings.Contains(v.log.String(), says))
			})
		}
	}
}

// lengthCodec makes values as long as the session.
type lengthCodec struct{}

func (lengthCodec) Encode(_ string, value any) (string, error) {
	return strings.Repeat("x", len(value.([]byte))), nil
}
func (lengthCodec) Decode(string, string, any) error { return cookiestore.ErrMalformed }

// lengthStore makes values as long as the session.
type lengthStore struct{ *rows }

func (s lengthStore) Save(_ ctx, _ string, rec cookiestore.Record) (value, version string, err error) {
	return strings.Repeat("x", len(rec.Data)), "v", nil
}

// A store is told what its value may take.
func TestRoomForTheValue(t *testing.T) {
	store := &asked{rows: newRows()}
	v := newVisitor(t, store, cookiestore.WithMaxCookieSize(2000))
	resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
	require.Equal(t, 2000, store.limit)
	require.Equal(t, len(resp.Header.Get("Set-Cookie")), store.overhead+len(resp.Cookies()[0].Value))
}

type asked struct {
	*rows
	limit, overhead int
}

func (s *asked) Save(c ctx, name string, rec cookiestore.Record) (value, version string, err error) {
	s.limit, s.overhead = rec.Limit, rec.Overhead
	return s.rows.Save(c, name, rec)
}

// A limit that was lowered doesn't end the sessions that were larger before.
func TestLoweredCookieSize(t *testing.T) {
	store := newStore(t, cookiestore.WithCompressionOver(-1))
	for _, limit := range []int{500, 4096, 6000} {
		v := newVisitor(t, store, cookiestore.WithMaxCookieSize(limit))
		v.cookie = begin(t, store, time.Now(), fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 2900)))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			assert.False(t, s.IsNew(), limit)
		})
	}
	// Without the name and a value of 4,096 bytes, it was never set.
	v := newVisitor(t, newRows(), cookiestore.WithMaxCookieSize(500))
	for size, reason := range map[int]string{4096: "unknown", 4097: "too large"} {
		v.cookie = "sessionid=" + strings.Repeat("x", size-len("sessionid"))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			assert.Equal(t, reason == "too large", s.Refused() != nil && strings.Contains(s.Refused().Error(), "too large"))
		})
	}
	v = newVisitor(t, newRows(), cookiestore.WithMaxCookieSize(5000))
	v.cookie = "sessionid=" + strings.Repeat("x", 4990)
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		assert.ErrorIs(t, s.Refused(), cookiestore.ErrNoSession)
	})
}

// A session that is changed shortly before its end is kept to its end, and not deleted
// early.
func TestLastSeconds(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []cookiestore.Option
		begin   func(s *cookiestore.Session, end time.Time)
	}{
		{"of a lifetime", []cookiestore.Option{cookiestore.WithLifetime(10 * time.Second)}, func(s *cookiestore.Session, _ time.Time) { s.Set("a", 1) }},
		{"before a time", nil, func(s *cookiestore.Session, end time.Time) { s.Set("a", 1); s.SetExpiry(cookiestore.At(end)) }},
	} {
		for kind, store := range bothKinds(t) {
			for _, left := range []time.Duration{2500 * time.Millisecond, 2 * time.Second, 1500 * time.Millisecond, time.Second, 500 * time.Millisecond, time.Millisecond} {
				t.Run(fmt.Sprint(left, " ", test.name, ", ", kind), func(t *testing.T) {
					clock := newClock()
					clock.add(400 * time.Millisecond) // saved to the second
					v := newVisitor(t, store, append(test.options, clock.option())...)
					end := clock.time().Truncate(time.Second).Add(10 * time.Second)
					v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { test.begin(s, end) })
					clock.add(end.Add(-left).Sub(clock.time()))
					resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("b", 2) })
					require.Len(t, resp.Cookies(), 1)
					kept := resp.Cookies()[0]
					require.NotEmpty(t, kept.Value)
					require.Equal(t, int((left+time.Second-1)/time.Second), kept.MaxAge)
					require.False(t, kept.Expires.Before(end.Truncate(time.Second)), "not a part of a second less")
					clock.add(left)
					require.Equal(t, 2, v.value("b"), "it is still there")
					clock.add(time.Second + 1)
					require.Nil(t, v.value("b"), "and then it is not")
				})
			}
		}
	}
}

// "Never" is often written as the end of the year 9999.
func TestExpiriesFarAway(t *testing.T) {
	store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	for name, expiry := range map[string]cookiestore.Expiry{
		"the end of the year 9999": cookiestore.At(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)),
		"in four centuries":        cookiestore.At(time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)),
		"the longest duration":     cookiestore.After(math.MaxInt64),
	} {
		t.Run(name, func(t *testing.T) {
			m, err := cookiestore.NewManager(store)
			require.NoError(t, err)
			var session cookiestore.Session
			session.Set("a", 1)
			session.SetExpiry(expiry)
			cookies, err := m.Save(t.Context(), &session)
			require.NoError(t, err)
			require.Equal(t, math.MaxInt32, cookies[0].MaxAge)
			require.Greater(t, cookies[0].Expires.Year(), 2300)
			again, err := m.Load(t.Context(), cookies[0].String())
			require.NoError(t, err)
			require.Equal(t, 1, again.Get("a"))
		})
	}
}
