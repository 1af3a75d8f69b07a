package cookiestore

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

// A time near the end of an int64 would be one of the past in a time.Time.
func TestTimestampsEndWithTheYear9999(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	require.Equal(t, last.Unix(), int64(payload.MaxTimestamp))
	s := newSigner(t, key1)
	signed := func(seconds int64) string { return signText(s, "sessionid", "e30:"+base62(seconds)) }
	store, err := NewWithCodec(s)
	require.NoError(t, err)

	for _, seconds := range []int64{0, 1, math.MaxInt32, math.MaxInt32 + 1, payload.MaxTimestamp} {
		got, err := s.Verify("sessionid", signed(seconds))
		require.NoError(t, err)
		require.Equal(t, seconds, got.At.Unix())
		require.Equal(t, signed(seconds), s.Sign("sessionid", "e30", time.Unix(seconds, 0)))
		rec, err := store.Load(t.Context(), "sessionid", signed(seconds))
		require.NoError(t, err)
		require.Equal(t, seconds, rec.Saved.Unix())
	}
	var dst any
	require.ErrorIs(t, s.Decode("sessionid", signed(payload.MaxTimestamp), &dst), ErrFuture)
	require.ErrorIs(t, Record{Data: "{}", Saved: last}.Check(time.Hour, signedAt), ErrFuture)

	for _, seconds := range []int64{payload.MaxTimestamp + 1, math.MaxInt64 - 62135596800, math.MaxInt64 - 1, math.MaxInt64} {
		t.Run(fmt.Sprint(seconds), func(t *testing.T) {
			_, verifyErr := s.Verify("sessionid", signed(seconds))
			_, loadErr := store.Load(t.Context(), "sessionid", signed(seconds))
			for _, err := range []error{verifyErr, loadErr, s.Decode("sessionid", signed(seconds), &dst)} {
				require.ErrorIs(t, err, ErrMalformed)
				require.EqualError(t, err, "cookiestore: cookie refused: malformed: timestamp is past the year 9999")
			}
		})
	}

	// What is signed can be read, whatever the clock says.
	for _, at := range []time.Time{last.Add(time.Second), time.Unix(1<<62, 0)} {
		got, err := s.Verify("sessionid", s.Sign("sessionid", "e30", at))
		require.NoError(t, err)
		require.Equal(t, last.Unix(), got.At.Unix())
	}
}

// Whatever stands in the dictionary, a session began when or before it was saved, and
// in no year that a time.Time wraps round to.
func TestLifetimeOfAnImpossibleBeginning(t *testing.T) {
	rules := policy{age: time.Hour, lifetime: 2 * time.Hour, now: func() time.Time { return signedAt }}
	for _, test := range []struct {
		created int64
		want    error
	}{
		{math.MinInt64, ErrExpired},
		{-1, ErrExpired},
		{0, ErrExpired},
		{signedAt.Unix() - 7201, ErrExpired},
		{signedAt.Unix() - 7200, nil},
		{signedAt.Unix() + 7200, nil},
		{math.MaxInt64, nil},
	} {
		t.Run(fmt.Sprint(test.created), func(t *testing.T) {
			var c contents
			err := rules.restore(Record{Data: fmt.Sprintf(`{"_session_created":%d}`, test.created), Saved: signedAt}, signedAt, &c)
			require.ErrorIs(t, err, test.want)
			if err == nil {
				require.False(t, c.ends.After(signedAt.Add(time.Hour)))
				require.LessOrEqual(t, c.created, signedAt.Unix())
			}
		})
	}
}

// base62 writes any number, as Django does.
func base62(n int64) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if n < 62 {
		return digits[n : n+1]
	}
	return base62(n/62) + digits[n%62:n%62+1]
}
