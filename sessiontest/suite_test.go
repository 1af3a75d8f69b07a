package sessiontest_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// The sizes of a Set-Cookie field with which the suite's sessions are what the tests
// below say. With an expiry, about 110 bytes of it are not for the value.
const (
	forRecords = 160 // a record's ID fits, and no encrypted session
	forFew     = 200 // a signed session with one or two keys fits
	forChunks  = 216 // no encrypted session fits in one cookie, and all fit in eight
)

// Sessions behave alike in a cookie, in several, in a record, and where they move from
// one to the other.
func TestEveryPlaceForASession(t *testing.T) {
	signed := func(tb testing.TB) *cookiestore.CookieStore { return newCookieStore(tb) }
	encrypted := func(tb testing.TB) *cookiestore.CookieStore {
		return newCookieStore(tb, cookiestore.WithEncryption())
	}
	moved := func(tb testing.TB) *cookiestore.CookieStore {
		return newCookieStore(tb, cookiestore.WithEncryption(), cookiestore.WithLegacy(newCookieStore(tb)))
	}
	limit, chunks := cookiestore.WithMaxCookieSize, cookiestore.WithChunks
	for _, test := range []struct {
		name    string
		cookie  func(testing.TB) *cookiestore.CookieStore
		spill   bool
		options []cookiestore.Option
		place   string // of a session with one key
	}{
		{"signed, in one cookie", signed, false, nil, oneCookie},
		{"encrypted, in one cookie", encrypted, false, nil, oneCookie},
		{"signed, in one cookie or several", signed, false, []cookiestore.Option{limit(forChunks), chunks(8)}, oneCookie},
		{"encrypted, in several cookies", encrypted, false, []cookiestore.Option{limit(forChunks), chunks(8)}, severalCookies},
		{"all in the cookie, with room to spill", signed, true, nil, oneCookie},
		{"all encrypted in the cookie, with room to spill", encrypted, true, nil, oneCookie},
		{"all spilled", encrypted, true, []cookiestore.Option{limit(forRecords)}, aRecord},
		{"some spilled", signed, true, []cookiestore.Option{limit(forFew)}, oneCookie},
		{"some encrypted and some spilled", encrypted, true, []cookiestore.Option{limit(forChunks)}, aRecord},
		{"in several cookies, and spilled if those are too small", signed, true, []cookiestore.Option{limit(forFew), chunks(2)}, oneCookie},
		{"encrypted in several cookies, and spilled if those are too small", encrypted, true, []cookiestore.Option{limit(forFew), chunks(3)}, severalCookies},
		{"signed, with revocations", signed, false, revoking(), oneCookie},
		{"encrypted in several cookies, with revocations", encrypted, false, append(revoking(), limit(forChunks), chunks(8)), severalCookies},
		{"some spilled, with revocations", signed, true, append(revoking(), limit(forFew+100)), oneCookie},
		{"encrypted, spilled, and with another format to read", moved, true, []cookiestore.Option{limit(forFew), chunks(2)}, severalCookies},
	} {
		t.Run(test.name, func(t *testing.T) {
			newStore := func(tb testing.TB, clock func() time.Time) cookiestore.Store {
				cookie := test.cookie(tb)
				if !test.spill {
					return cookie
				}
				return cookiestore.Spill(cookie, newRecords(clock))
			}
			require.Equal(t, test.place, placeOf(sessiontest.Cookies(t, newStore(t, time.Now), map[string]any{"a": 1}, test.options...)))
			sessiontest.TestStore(t, newStore, test.options...)
		})
	}
}

func revoking() []cookiestore.Option {
	return []cookiestore.Option{cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user")}
}

const (
	oneCookie      = "one cookie"
	severalCookies = "several cookies"
	aRecord        = "a record"
)

func placeOf(cookies []*http.Cookie) string {
	switch {
	case strings.HasPrefix(cookies[0].Value, "~"):
		return aRecord
	case len(cookies) > 1:
		return severalCookies
	}
	return oneCookie
}

func newCookieStore(tb testing.TB, options ...cookiestore.StoreOption) *cookiestore.CookieStore {
	tb.Helper()
	store, err := cookiestore.New(bytes.Repeat([]byte("k"), 32), options...)
	require.NoError(tb, err)
	return store
}

func newRecords(clock func() time.Time) *records {
	return &records{now: clock, rows: map[string]cookiestore.Record{}}
}
