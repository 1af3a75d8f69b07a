package cookiestore

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestExpiryJSON(t *testing.T) {
	noon := time.Date(2024, 5, 8, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		expiry Expiry
		json   string
		text   string
	}{
		{"default", Default, `null`, "default"},
		{"browser close", AtBrowserClose, `0`, "at browser close"},
		{"an age", After(30 * time.Minute), `1800`, "after 30m0s"},
		{"part of a second is a whole one", After(1500 * time.Millisecond), `2`, "after 2s"},
		{"a nanosecond is a second", After(1), `1`, "after 1s"},
		{"an age of nothing has expired", After(0), `-1`, "after -1s"},
		{"a negative age has expired", After(-time.Hour), `-1`, "after -1s"},
		{"the longest age", After(math.MaxInt64), `9223372036`, "after 2562047h47m16s"},
		{"a time", At(noon), `"2024-05-08T12:00:00+00:00"`, "at 2024-05-08T12:00:00Z"},
		{"a time in another zone", At(noon.In(time.FixedZone("", 3600))), `"2024-05-08T12:00:00+00:00"`, "at 2024-05-08T12:00:00Z"},
		{"a time to the microsecond", At(noon.Add(347001999)), `"2024-05-08T12:00:00.347001+00:00"`, "at 2024-05-08T12:00:00Z"},
		{"a time after Python's last year", At(noon.AddDate(9000, 0, 0)), `"9999-12-31T23:59:59+00:00"`, "at 9999-12-31T23:59:59Z"},
		{"a time before its first", At(noon.AddDate(-3000, 0, 0)), `"0001-01-01T00:00:00.000001+00:00"`, "at 0001-01-01T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.json, string(test.expiry.appendJSON(nil)))
			require.Equal(t, test.text, test.expiry.String())
			back, err := parseExpiry(test.json)
			require.NoError(t, err)
			require.Equal(t, test.expiry, back)
		})
	}
}

func TestParseExpiry(t *testing.T) {
	at := func(h, m, s, micro int) Expiry { return At(time.Date(2024, 5, 8, h, m, s, micro*1000, time.UTC)) }
	for _, test := range []struct {
		name, json string
		want       Expiry
	}{
		{"null is the default", `null`, Default},
		{"0.0 is browser close", `0.0`, AtBrowserClose},
		{"-0 is browser close", `-0`, AtBrowserClose},
		{"a fraction counts as a whole second", `1.5`, After(2 * time.Second)},
		{"an exponent", `1e2`, After(100 * time.Second)},
		{"a negative age", `-1`, After(-1)},
		{"a large age", `9007199254740993`, After(maxAge)},
		{"a huge age", `1000000000000000000000000000000`, After(maxAge)},
		{"an age past all floats", `1e999`, After(maxAge)},
		{"a negative one past all floats", `-1e999`, After(-1)},
		{"Python with a zone", `"2024-05-08T16:02:21.347000+00:00"`, at(16, 2, 21, 347000)},
		{"Python with another zone", `"2024-05-08T16:02:21+05:30"`, at(10, 32, 21, 0)},
		{"Python with seconds in the zone", `"2024-05-08T16:02:21+00:00:21"`, at(16, 2, 0, 0)},
		{"Python without a zone is UTC", `"2024-05-08T16:02:21.5"`, at(16, 2, 21, 500000)},
		{"RFC 3339", `"2024-05-08T16:02:21Z"`, at(16, 2, 21, 0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseExpiry(test.json)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	for _, bad := range []string{`"soon"`, `""`, `"2024-05-08"`, `true`, `[]`, `{"a":1}`} {
		_, err := parseExpiry(bad)
		require.ErrorContains(t, err, ExpiryKey, bad)
		require.NotContains(t, err.Error(), "soon")
	}
}

func TestPolicyCheck(t *testing.T) {
	saved := time.Unix(1_800_000_000, 0)
	rules := policy{age: time.Hour, skew: time.Minute}
	limited := policy{age: time.Hour, skew: time.Minute, lifetime: 90 * time.Minute}
	for _, test := range []struct {
		name    string
		rules   policy
		expiry  Expiry
		created time.Duration // before saved
		now     time.Duration // after saved
		want    error
	}{
		{"just saved", rules, Default, 0, 0, nil},
		{"at the end of the default age", rules, Default, 0, time.Hour, nil},
		{"in the second of the end, which the time of saving may lack", rules, Default, 0, time.Hour + time.Second - 1, nil},
		{"past the default age", rules, Default, 0, time.Hour + time.Second, ErrExpired},
		{"browser close, past the default age", rules, AtBrowserClose, 0, time.Hour + time.Second, ErrExpired},
		{"at the end of its own age", rules, After(2 * time.Hour), 0, 2 * time.Hour, nil},
		{"past its own age", rules, After(time.Second), 0, 2 * time.Second, ErrExpired},
		{"at its own end", rules, At(saved.Add(time.Minute)), 0, time.Minute, nil},
		{"past its own end", rules, At(saved.Add(time.Minute)), 0, time.Minute + 1, ErrExpired},
		{"ended before it was saved", rules, At(saved.Add(-time.Minute)), 0, 0, ErrExpired},
		{"a negative age", rules, After(-1), 0, 0, ErrExpired},
		{"a clock that is a minute behind", rules, Default, 0, -time.Minute, nil},
		{"a clock that is further behind", rules, Default, 0, -time.Minute - 1, ErrFuture},
		{"within its lifetime", limited, Default, time.Hour, 30 * time.Minute, nil},
		{"past its lifetime", limited, Default, time.Hour, 30*time.Minute + time.Second, ErrExpired},
		{"past its lifetime, though its own end is later", limited, At(saved.Add(24 * time.Hour)), time.Hour, 31 * time.Minute, ErrExpired},
		{"past its end, within its lifetime", limited, After(time.Minute), 0, 2 * time.Minute, ErrExpired},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.rules.check(test.expiry, saved, saved.Add(-test.created), time.Time{}, saved.Add(test.now))
			if test.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, test.want)
				require.True(t, IsRefused(err))
			}
		})
	}
}

func TestRenewalDue(t *testing.T) {
	saved := time.Unix(1_800_000_000, 0)
	for _, test := range []struct {
		name   string
		rules  policy
		expiry Expiry
		now    time.Duration
		want   bool
	}{
		{"off", policy{age: time.Hour}, Default, time.Hour, false},
		{"half is not more than half", policy{age: time.Hour, renewal: 0.5}, Default, 30 * time.Minute, false},
		{"more than half", policy{age: time.Hour, renewal: 0.5}, Default, 31 * time.Minute, true},
		{"of its own age", policy{age: time.Hour, renewal: 0.5}, After(time.Minute), 31 * time.Second, true},
		{"at browser close, of the default age", policy{age: time.Hour, renewal: 0.5}, AtBrowserClose, 31 * time.Minute, true},
		{"a fixed end", policy{age: time.Hour, renewal: 0.5}, At(saved.Add(time.Minute)), 59 * time.Second, false},
		{"a lifetime shorter than the age", policy{age: time.Hour, renewal: 0.5, lifetime: time.Minute}, Default, 31 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, test.rules.renewalDue(test.expiry, saved, saved.Add(test.now)))
		})
	}
}
