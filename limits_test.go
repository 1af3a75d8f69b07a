package cookiestore

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

// exactLimit calls try with names of growing length, so that name and value have 4095,
// 4096 and 4097 bytes together in turn, whatever the value has.
func exactLimit(t *testing.T, valueSize int, try func(name string, total int)) {
	t.Helper()
	for total := MaxCookieSize - 1; total <= MaxCookieSize+1; total++ {
		try(strings.Repeat("n", total-valueSize), total)
	}
}

func TestExactlyTheLargestCookieIsWrittenAndRead(t *testing.T) {
	data := `{"a":"` + strings.Repeat("x", 2900) + `"}`
	store, err := New(key1, WithCompressionOver(-1))
	require.NoError(t, err)
	value, _, err := store.Save(t.Context(), "n", Record{Data: data, Saved: signedAt})
	require.NoError(t, err)

	const beside = "=; Expires=Sun, 03 Dec 2023 12:00:00 GMT; Max-Age=1209600; Path=/; HttpOnly; Secure; SameSite=Lax"
	exactLimit(t, len(value), func(name string, total int) {
		clock := WithClock(func() time.Time { return signedAt })
		m, err := NewManager(store, WithName(name), clock, WithMaxCookieSize(MaxCookieSize+len(beside)))
		require.NoError(t, err)
		var s Session
		s.Set("a", strings.Repeat("x", 2900))
		value, _, saveErr := store.Save(t.Context(), name, Record{Data: data, Saved: signedAt})
		cookies, manageErr := m.Save(t.Context(), &s)
		if total <= MaxCookieSize {
			require.NoError(t, saveErr)
			require.NoError(t, manageErr)
			require.Equal(t, value, cookies[0].Value)
			require.Equal(t, total, len(name)+len(value))
		} else {
			require.ErrorIs(t, saveErr, ErrTooLarge)
			require.ErrorContains(t, saveErr, "cookie would have 4097 bytes with its name and attributes, and the limit is 4096")
			require.ErrorIs(t, manageErr, ErrTooLarge)
			require.ErrorContains(t, manageErr, fmt.Sprintf("cookie would have %d bytes with its name and attributes, and the limit is %d",
				MaxCookieSize+len(beside)+1, MaxCookieSize+len(beside)))
		}

		// What is read is held to the same limit, without the attributes.
		m, err = NewManager(store, WithName(name), clock, WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		signed := store.signer.signData(name, []byte(data), signedAt, payload.Compression{Over: -1})
		read, err := m.Load(t.Context(), name+"="+signed)
		require.NoError(t, err)
		if total <= MaxCookieSize {
			require.NoError(t, read.Refused())
			require.Equal(t, strings.Repeat("x", 2900), read.Get("a"))
			return
		}
		require.ErrorIs(t, read.Refused(), ErrTooLarge)
		require.ErrorContains(t, read.Refused(), "have 4097 bytes, over 4096")
	})
}

func TestSignerDecodesExactlyTheLargestCookie(t *testing.T) {
	s := newSigner(t, key1)
	text := strings.Repeat("x", 2900)
	payload := string(payload.Base64.AppendEncode(nil, []byte(`"`+text+`"`)))
	exactLimit(t, len(s.Sign("", payload, signedAt)), func(name string, total int) {
		var got string
		err := s.Decode(name, s.Sign(name, payload, signedAt), &got)
		if total <= MaxCookieSize {
			require.NoError(t, err)
			require.Equal(t, text, got)
			return
		}
		require.ErrorIs(t, err, ErrTooLarge)
	})
}

// The better level of zlib costs more, so it is for what doesn't fit with the fastest.
func TestBetterCompressionOnlyWhereTheFastestDoesNotFit(t *testing.T) {
	var words strings.Builder
	for i := range 400 {
		fmt.Fprintf(&words, "apple %d, pear %d; ", i*i*7919%1000, i*i*31)
	}
	data := []byte(`{"a":"` + words.String() + `"}`)
	store, err := New(key1)
	require.NoError(t, err)
	fast := len(store.signer.signData("", data, signedAt, payload.Compression{Over: defaultCompressOver}))
	best := len(store.signer.signData("", data, signedAt, payload.Compression{Over: defaultCompressOver, Best: true}))
	require.Less(t, best, fast)
	require.Less(t, fast, MaxCookieSize)

	exactLimit(t, fast, func(name string, total int) {
		value, _, err := store.Save(t.Context(), name, Record{Data: string(data), Saved: signedAt})
		require.NoError(t, err)
		how := payload.Compression{Over: defaultCompressOver, Best: total > MaxCookieSize}
		require.Equal(t, store.signer.signData(name, data, signedAt, how), value)
	})

	// A store that tries zlib on everything tries the better level, too; one that doesn't
	// compress doesn't begin to where it would help.
	name := strings.Repeat("n", MaxCookieSize+1-fast)
	for over, reason := range map[int]error{0: nil, -1: ErrTooLarge} {
		store, err := New(key1, WithCompressionOver(over))
		require.NoError(t, err)
		_, _, err = store.Save(t.Context(), name, Record{Data: string(data), Saved: signedAt})
		require.ErrorIs(t, err, reason)
	}
}

func TestCompressionBeginsOverItsLimit(t *testing.T) {
	const shell = len(`{"a":""}`)
	for _, test := range []struct {
		options []StoreOption
		size    int
		packed  bool
	}{
		{nil, 1024, false},
		{nil, 1025, true},
		{[]StoreOption{WithCompressionOver(100)}, 100, false},
		{[]StoreOption{WithCompressionOver(100)}, 101, true},
		{[]StoreOption{WithCompressionOver(-1)}, 2000, false},
	} {
		store, err := New(key1, test.options...)
		require.NoError(t, err)
		data := `{"a":"` + strings.Repeat("x", test.size-shell) + `"}`
		value, _, err := store.Save(t.Context(), "n", Record{Data: data, Saved: signedAt})
		require.NoError(t, err)
		require.Equal(t, test.packed, value[0] == payload.Mark, "%d bytes", test.size)
	}
}

func TestExactlyTheLargestSessionIsWrittenAndRead(t *testing.T) {
	const shell = len(`{"a":""}`)
	for _, limit := range []int{defaultMaxInflated, 2000} {
		store, err := New(key1, WithMaxInflated(limit))
		require.NoError(t, err)
		for size := limit - 1; size <= limit+1; size++ {
			data := `{"a":"` + strings.Repeat("x", size-shell) + `"}`
			_, _, saveErr := store.Save(t.Context(), "n", Record{Data: data, Saved: signedAt})
			rec, loadErr := store.Load(t.Context(), "n", store.signer.signData("n", []byte(data), signedAt, payload.Compression{}))
			if size <= limit {
				require.NoError(t, saveErr)
				require.NoError(t, loadErr)
				require.Equal(t, data, rec.Data)
				continue
			}
			require.ErrorIs(t, saveErr, ErrTooLarge)
			require.ErrorIs(t, loadErr, ErrTooLarge)
		}
	}
}

func TestSignerRefusesWhatFollowsTheJSON(t *testing.T) {
	s := newSigner(t, key1)
	for _, more := range []string{"x", "{}", "1", ",", "}", "\x00", `"a"`} {
		value := s.Sign("n", string(payload.Base64.AppendEncode(nil, []byte(`{"a":1}`+more))), signedAt)
		for _, dst := range []any{new(map[string]int), new(map[any]any), new(any), new(struct{ A int })} {
			require.ErrorIs(t, s.Decode("n", value, dst), ErrMalformed, "%q into %T", more, dst)
		}
	}
	var got map[string]int
	require.NoError(t, s.Decode("n", s.Sign("n", string(payload.Base64.AppendEncode(nil, []byte("{\"a\":1} \r\n\t"))), signedAt), &got))
	require.Equal(t, map[string]int{"a": 1}, got)
}

// RFC 6265, section 4.1.1: cookie-octet.
func TestEveryCharacterOfAStoresValue(t *testing.T) {
	allowed := func(c byte) bool {
		return c == 0x21 || 0x23 <= c && c <= 0x2b || 0x2d <= c && c <= 0x3a || 0x3c <= c && c <= 0x5b || 0x5d <= c && c <= 0x7e
	}
	for c := range 256 {
		for i, value := range [][]byte{{byte(c)}, {byte(c), 'a'}, {'a', byte(c), 'a'}, {'a', byte(c)}} {
			m, err := NewManager(answering(value))
			require.NoError(t, err)
			var s Session
			s.Set("a", 1)
			cookies, err := m.Save(t.Context(), &s)
			if allowed(byte(c)) {
				require.NoError(t, err, "%q", value)
				require.Equal(t, string(value), cookies[0].Value)
				continue
			}
			where := bytes.IndexByte(value, byte(c))
			require.ErrorContains(t, err, fmt.Sprintf("byte %d is %#02x", where, c), "%q, case %d", value, i)
			require.Nil(t, cookies)
		}
	}
}
