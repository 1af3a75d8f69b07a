package cookiestore

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/internal/payload"
)

func (v vector) rows(tb testing.TB) *DjangoRows {
	rows, err := NewDjangoRows([]byte("a newer key"), []byte(v.Secret))
	require.NoError(tb, err)
	require.NoError(tb, rows.SetKeys([]byte(v.Secret)))
	return rows
}

// Every row that Django has written is read, before 3.1 and since.
func TestDjangoRows(t *testing.T) {
	for _, kind := range []string{"db_row", "legacy_db_row"} {
		for _, v := range vectors(t, kind) {
			require.True(t, v.Valid)
			rows, legacy := v.rows(t), kind == "legacy_db_row"
			if legacy && !sha1Allowed() {
				continue // TestLegacyRowsUnderFIPS has these
			}
			got, err := rows.Decode(v.Value)
			require.NoError(t, err)
			want := DjangoRow{Record: Record{Data: *v.JSON, Saved: time.Unix(v.SignedAt, 0)}}
			if legacy {
				want = DjangoRow{Record: Record{Data: *v.JSON, Resave: true}, Legacy: true}
			}
			require.Equal(t, want, got)

			again, err := rows.Encode(got.Data, time.Unix(v.SignedAt, 0))
			require.NoError(t, err)
			if !legacy && v.Value[0] != '.' {
				require.Equal(t, v.Value, again, "Django writes the same")
			}
			back, err := rows.Decode(again)
			require.NoError(t, err)
			require.Equal(t, *v.JSON, back.Data)

			older, err := NewDjangoRows([]byte("a newer key"), []byte("another"), []byte(v.Secret))
			require.NoError(t, err)
			got, err = older.Decode(v.Value)
			require.NoError(t, err)
			require.Equal(t, 2, got.KeyIndex)
			require.True(t, got.Resave)
		}
	}
}

func TestDjangoRowsRefuse(t *testing.T) {
	v := vectors(t, "db_row")[0]
	old := vectors(t, "legacy_db_row")[0]
	rows := v.rows(t)
	cookies, err := NewDjangoSigner(DjangoCookieSalt, []byte(v.Secret))
	require.NoError(t, err)
	legacy := func(change func(text []byte) []byte) string {
		text, err := base64.StdEncoding.DecodeString(old.Value)
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(change(text))
	}
	bomb := zlibStream(t, make([]byte, maxRow+1))
	for _, test := range []struct {
		name, value string
		reason      error
	}{
		{"nothing", "", ErrMalformed},
		{"any text", "session data", ErrMalformed},
		{"another key", vectorSigner(t, "another key").Sign("", "e30", signedAt), ErrTampered},
		{"a cookie", cookies.Sign("", "e30", signedAt), ErrTampered},
		{"a row with a character changed", "A" + v.Value[1:], ErrTampered},
		{"what is not a dictionary", rows.signer.Sign("", "W10", signedAt), ErrMalformed},
		{"what inflates to more than the limit", rows.signer.Sign("", "."+payload.Base64.EncodeToString(bomb), signedAt), ErrTooLarge},
		{"a legacy row with its data changed", legacy(func(b []byte) []byte { return bytes.Replace(b, []byte("1}"), []byte("2}"), 1) }), ErrTampered},
		{"a legacy row with its digest changed", legacy(func(b []byte) []byte { return append([]byte("0"), b[1:]...) }), ErrTampered},
		{"a legacy row with its digest in capitals", legacy(func(b []byte) []byte { return append(bytes.ToUpper(b[:40]), b[40:]...) }), ErrTampered},
		{"a legacy row without a digest", legacy(func(b []byte) []byte { return b[41:] }), ErrMalformed},
		{"a legacy row with bytes after it", old.Value + "!", ErrMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := rows.Decode(test.value)
			require.True(t, IsRefused(err))
			if _, isLegacy := splitLegacyRow(test.value); isLegacy && !sha1Allowed() {
				return // no reason but that
			}
			require.ErrorIs(t, err, test.reason)
		})
	}
	_, err = NewDjangoRows(nil)
	require.ErrorContains(t, err, "the key is empty")
}

func TestBoundRows(t *testing.T) {
	v := vectors(t, "db_row")[0]
	old := vectors(t, "legacy_db_row")[0]
	rows, err := NewBoundRows([]byte(v.Secret))
	require.NoError(t, err)
	django := v.rows(t)
	const session = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz"
	bound, err := rows.EncodeFor(session, `{"a":1}`, signedAt)
	require.NoError(t, err)
	unbound, err := rows.Encode(`{"a":1}`, signedAt)
	require.NoError(t, err)
	cookie, err := NewSigner([]byte(strings.Repeat("k", MinKeySize)))
	require.NoError(t, err)
	sameSecret, err := NewBoundRows([]byte(strings.Repeat("k", MinKeySize)))
	require.NoError(t, err)

	row, err := rows.DecodeFor(session, bound)
	require.NoError(t, err)
	require.Equal(t, DjangoRow{Record: Record{Data: `{"a":1}`, Saved: signedAt}}, row)
	for _, test := range []struct {
		name          string
		rows          *DjangoRows
		session, data string
	}{
		{"a row under another session key", rows, session[1:] + "a", bound},
		{"a row without its session key", rows, "", bound},
		{"a row that is bound to none", rows, session, unbound},
		{"a row of Django", rows, "", v.Value},
		{"a bound row, read as Django's", django, session, bound},
		{"a cookie of that name", sameSecret, session, cookie.Sign(session, "e30", signedAt)},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.rows.DecodeFor(test.session, test.data)
			require.ErrorIs(t, err, ErrTampered)
		})
	}
	// Its digest covers no session key.
	legacy, err := NewBoundRows([]byte(old.Secret))
	require.NoError(t, err)
	_, err = legacy.DecodeFor(session, old.Value)
	require.ErrorIs(t, err, ErrMalformed)

	newer, err := NewBoundRows([]byte("a newer key"), []byte(v.Secret))
	require.NoError(t, err)
	row, err = newer.DecodeFor(session, bound)
	require.NoError(t, err)
	require.True(t, row.Resave)
	require.Equal(t, 1, row.KeyIndex)

	row, err = django.DecodeFor(session, v.Value)
	require.NoError(t, err, "Django's rows are bound to no session key")
	want, err := django.Decode(v.Value)
	require.NoError(t, err)
	require.Equal(t, want, row)

	_, err = NewBoundRows(nil)
	require.ErrorContains(t, err, "the key is empty")
}

func vectorSigner(tb testing.TB, secret string) *Signer {
	s, err := NewDjangoSigner(DjangoDatabaseSalt, []byte(secret))
	require.NoError(tb, err)
	return s
}

func TestRecordEndsAt(t *testing.T) {
	for _, test := range []struct {
		name string
		rec  Record
		want time.Time
	}{
		{"the default", Record{Data: `{}`, Saved: signedAt}, signedAt.Add(time.Hour)},
		{"browser close", Record{Data: `{"_session_expiry":0}`, Saved: signedAt}, signedAt.Add(time.Hour)},
		{"an age", Record{Data: `{"_session_expiry":30}`, Saved: signedAt}, signedAt.Add(30 * time.Second)},
		{"a time", Record{Data: `{"_session_expiry":"2027-01-15T08:00:00+00:00"}`}, signedAt.UTC()},
		{"an age from nobody knows when", Record{Data: `{"_session_expiry":30}`}, time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.rec.EndsAt(time.Hour)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	for _, data := range []string{`[]`, `{"_session_expiry":"soon"}`} {
		_, err := Record{Data: data, Saved: signedAt}.EndsAt(time.Hour)
		require.ErrorIs(t, err, ErrMalformed)
		require.ErrorIs(t, Record{Data: data, Saved: signedAt}.Check(time.Hour, signedAt), ErrMalformed)
	}
	long := Record{Data: `{}`, Saved: signedAt}
	require.NoError(t, long.Check(time.Hour, signedAt.Add(time.Hour)))
	require.ErrorIs(t, long.Check(time.Hour, signedAt.Add(time.Hour+time.Second)), ErrExpired)
	require.ErrorIs(t, long.Check(time.Hour, signedAt.Add(-time.Hour)), ErrFuture)
	require.NoError(t, Record{Data: `{"_session_expiry":30}`}.Check(time.Hour, signedAt), "nobody knows since when")
	first := Record{Data: `{"_session_expiry":"0001-01-01T00:00:00+00:00"}`}
	require.ErrorIs(t, first.Check(time.Hour, signedAt), ErrExpired)
	ends, err := first.EndsAt(time.Hour)
	require.NoError(t, err)
	require.False(t, ends.IsZero(), "that would be unknown")
}

// Deflating small rows costs more than it saves.
func TestRowsAreDeflatedFrom1KiBOn(t *testing.T) {
	rows, err := NewDjangoRows([]byte("key"))
	require.NoError(t, err)
	for size, deflated := range map[int]bool{100: false, 1024: false, 1025: true} {
		data := `{"a":"` + strings.Repeat("x", size-8) + `"}`
		require.Len(t, data, size)
		row, err := rows.Encode(data, signedAt)
		require.NoError(t, err)
		require.Equal(t, deflated, row[0] == '.', size)
		got, err := rows.Decode(row)
		require.NoError(t, err)
		require.Equal(t, data, got.Data)
	}
}
