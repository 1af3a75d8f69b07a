package interop

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// start is a moment of which no part is a round number.
var start = time.Date(2031, time.March, 4, 5, 6, 7, 890_123_000, time.UTC)

const twoWeeks = 14 * 24 * time.Hour

// An expiryReport is what a site says of a session's end.
type expiryReport struct {
	age          time.Duration
	date         time.Time
	browserClose bool
}

// djangoExpiry returns what Django's methods do, and fails if one raises.
func (v *visitor) djangoExpiry() expiryReport {
	v.t.Helper()
	said := decode[struct {
		Age          any
		Date         string
		BrowserClose bool `json:"browser_close"`
	}](v.t, v.inDjango(http.MethodGet, "/expiry", nil))
	seconds, ok := said.Age.(float64)
	require.True(v.t, ok, "the age is %v", said.Age)
	date, err := time.Parse(time.RFC3339, said.Date)
	require.NoError(v.t, err)
	return expiryReport{time.Duration(seconds) * time.Second, date.UTC(), said.BrowserClose}
}

func (v *visitor) goExpiry() (r expiryReport) {
	v.t.Helper()
	v.inGo(func(s *cookiestore.Session) {
		assert.False(v.t, s.IsNew(), "the session is refused: %v", s.Refused())
		r = expiryReport{s.ExpiryAge(), s.ExpiryDate().UTC(), s.ExpiresAtBrowserClose()}
	})
	return r
}

// setExpiryInDjango calls set_expiry there.
func (v *visitor) setExpiryInDjango(kind string, argument any) reply {
	v.t.Helper()
	return v.tryDjango(http.MethodPost, "/expiry", map[string]any{"kind": kind, "argument": argument})
}

// Each kind of set_expiry, set on one site, is reported the same by both, makes
// the same cookie on both, and ends the session in Go, whoever set it.
func TestExpiryIsHonouredOnBothSides(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		at := start.Add(90*time.Minute + 500*time.Microsecond)
		whole := time.Date(2031, time.March, 4, 6, 0, 0, 0, time.UTC)
		for _, kind := range []struct {
			name     string
			django   string // the argument's type there
			argument any
			here     cookiestore.Expiry
			stored   string // under _session_expiry
			want     expiryReport
			fixed    bool // saving again doesn't move it
		}{
			{"seconds", "int", 300, cookiestore.After(5 * time.Minute), `300`,
				expiryReport{5 * time.Minute, start.Add(5 * time.Minute), false}, false},
			{"more than the default", "int", 30 * 24 * 3600, cookiestore.After(30 * 24 * time.Hour), `2592000`,
				expiryReport{30 * 24 * time.Hour, start.Add(30 * 24 * time.Hour), false}, false},
			{"browser close", "int", 0, cookiestore.AtBrowserClose, `0`,
				expiryReport{twoWeeks, start.Add(twoWeeks), true}, false},
			{"None", "int", nil, cookiestore.Default, `null`,
				expiryReport{twoWeeks, start.Add(twoWeeks), false}, false},
			{"timedelta", "timedelta", 3600, cookiestore.At(start.Add(time.Hour)), `"2031-03-04T06:06:07.890123+00:00"`,
				expiryReport{time.Hour, start.Add(time.Hour), false}, true},
			{"datetime", "datetime", "2031-03-04T06:36:07.890623+00:00", cookiestore.At(at), `"2031-03-04T06:36:07.890623+00:00"`,
				expiryReport{90 * time.Minute, at, false}, true},
			{"datetime without a fraction", "datetime", "2031-03-04T06:00:00+00:00", cookiestore.At(whole), `"2031-03-04T06:00:00+00:00"`,
				expiryReport{53*time.Minute + 52*time.Second, whole, false}, true},
		} {
			for _, side := range []struct {
				name string
				set  func(v *visitor) reply
			}{
				{"set in Django", func(v *visitor) reply { return v.setExpiryInDjango(kind.django, kind.argument) }},
				{"set in Go", func(v *visitor) reply {
					return v.inGo(func(s *cookiestore.Session) {
						s.SetExpiry(kind.here)
						s.SetModified()
					})
				}},
			} {
				t.Run(kind.name+" "+side.name, func(t *testing.T) {
					if kind.fixed && !django.since(4, 1) {
						t.Log("TestBeforeDjango41TimesAreNoJSON says what this Django does")
						return
					}
					v := newVisitor(t, django)
					v.at(start)
					if kind.django == "int" && kind.argument == nil {
						v.setExpiryInDjango("int", 10) // something to take back
					}
					v.setInDjango("k", `1`)
					set := side.set(v)
					require.Equal(t, http.StatusOK, set.status, set.body)
					assert.Equal(t, kind.stored, v.djangoText(cookiestore.ExpiryKey))

					// What each of them says.
					there, here := v.djangoExpiry(), v.goExpiry()
					assert.Equal(t, kind.want, there)
					here.age = here.age.Truncate(time.Second) // Django has whole seconds
					assert.Equal(t, kind.want, here)

					// The cookies that each of them sets.
					again := v.inDjango(http.MethodPost, "/end/cycle_key", nil)
					for _, r := range []reply{set, again, v.inGo(func(s *cookiestore.Session) { s.CycleKey() })} {
						require.NotNil(t, r.cookie)
						if kind.want.browserClose {
							assert.Zero(t, r.cookie.MaxAge)
							assert.True(t, r.cookie.Expires.IsZero())
						} else {
							assert.Equal(t, int(kind.want.age.Seconds()), r.cookie.MaxAge)
							assert.Equal(t, start.Add(kind.want.age).Truncate(time.Second), r.cookie.Expires)
						}
					}

					// Saving in either of them begins it anew, if it can be moved.
					v.at(start.Add(2 * time.Minute))
					v.setInDjango("k", `2`)
					v.at(start.Add(4 * time.Minute))
					v.setInGo("k", 3)
					ends := kind.want.date
					if !kind.fixed {
						ends = ends.Add(4 * time.Minute)
					}
					assert.Equal(t, ends, v.goExpiry().date)
					assert.Equal(t, ends, v.djangoExpiry().date)

					// And then it holds.
					v.at(ends)
					assert.Equal(t, [2]string{"k", "3"}, v.goSession()[0])
					v.at(ends.Add(time.Second))
					assert.ErrorIs(t, v.refusedByGo(), cookiestore.ErrExpired)
				})
			}
		}
	})
}

// Before 4.1, Django stores a datetime as it is, which its JSON serializer can't
// write; a time as text, which Go and later versions write, it can't read. What
// it doesn't fail at is to read such a session and not to change it.
func TestBeforeDjango41TimesAreNoJSON(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		if django.since(4, 1) {
			t.Log("this Django can")
			return
		}
		v := newVisitor(t, django)
		v.at(start)
		v.setInDjango("k", `1`)
		before := v.signed()
		for _, order := range []struct {
			kind     string
			argument any
		}{
			{"timedelta", 3600},
			{"datetime", "2031-03-04T06:00:00+00:00"},
		} {
			r := v.setExpiryInDjango(order.kind, order.argument)
			assert.Equal(t, http.StatusInternalServerError, r.status)
			assert.Contains(t, r.body, "TypeError: Object of type datetime is not JSON serializable")
			assert.Equal(t, before, v.signed(), "the session is as it was")
		}

		const text = `"2031-03-04T06:00:00+00:00"`
		r := v.tryDjango(http.MethodPost, valuePath(cookiestore.ExpiryKey), "2031-03-04T06:00:00+00:00")
		assert.Equal(t, http.StatusInternalServerError, r.status, "such text can't even be stored by hand")

		v.inGo(func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(time.Date(2031, 3, 4, 6, 0, 0, 0, time.UTC))) })
		before = v.signed()
		assert.Equal(t, [][2]string{{"k", "1"}, {cookiestore.ExpiryKey, text}}, v.djangoSession(), "it can be read")
		said := decode[map[string]any](t, v.inDjango(http.MethodGet, "/expiry", nil))
		assert.Equal(t, "2031-03-04T06:00:00+00:00", said["age"], "the age is the text")
		assert.Contains(t, said["date"], "TypeError")
		assert.Equal(t, false, said["browser_close"])

		r = v.tryDjango(http.MethodPost, valuePath("k"), 2)
		assert.Equal(t, http.StatusInternalServerError, r.status, "nothing can be changed")
		assert.Contains(t, r.body, "TypeError: unsupported operand type(s) for +: 'float' and 'str'")
		assert.Equal(t, before, v.signed(), "the session is as it was")

		// Seconds are the way out, from either side.
		v.inGo(func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(time.Hour)) })
		v.setInDjango("k", `3`)
		assert.Equal(t, expiryReport{time.Hour, start.Add(time.Hour), false}, v.djangoExpiry())
		assert.Equal(t, expiryReport{time.Hour, start.Add(time.Hour), false}, v.goExpiry())
	})
}

// A time that a site with USE_TZ = False has stored has no zone. Go takes it for
// UTC; a later Django that reads Go's times must have USE_TZ = True.
func TestTimesWithoutAZone(t *testing.T) {
	if !sharedDjango(t).since(4, 1) {
		t.Log("TestBeforeDjango41TimesAreNoJSON says what this Django does")
		return
	}
	naive := newDjango(t, t.TempDir(), settings{"SECRET_KEY": secretKey, "USE_TZ": false, "TIME_ZONE": "UTC"})
	v := newVisitor(t, naive)
	r := v.setExpiryInDjango("datetime", time.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05"))
	require.Equal(t, http.StatusOK, r.status, r.body)
	assert.InDelta(t, time.Hour, v.goExpiry().age, float64(time.Minute))

	v.inGo(func(s *cookiestore.Session) { s.SetExpiry(cookiestore.At(time.Now().Add(time.Hour))) })
	r = v.tryDjango(http.MethodPost, valuePath("k"), 2)
	assert.Equal(t, http.StatusInternalServerError, r.status)
	assert.Contains(t, r.body, "TypeError: can't subtract offset-naive and offset-aware datetimes")
}

// The options that say what an unset expiry means are there on both sides.
func TestDefaultExpiryIsThatOfTheSettings(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		django = django.another(t, settings{
			"SESSION_COOKIE_AGE": 600, "SESSION_EXPIRE_AT_BROWSER_CLOSE": true,
		})
		v := newVisitor(t, django, cookiestore.WithMaxAge(10*time.Minute), cookiestore.WithExpireAtBrowserClose())
		v.at(start)
		v.setInDjango("k", `1`)
		want := expiryReport{10 * time.Minute, start.Add(10 * time.Minute), true}
		assert.Equal(t, want, v.djangoExpiry())
		assert.Equal(t, want, v.goExpiry())

		// This is the one end that Django itself holds sessions to.
		v.at(start.Add(11 * time.Minute))
		assert.ErrorIs(t, v.refusedByGo(), cookiestore.ErrExpired)
		v.setInDjango("k", `1`)
		v.at(start.Add(22 * time.Minute))
		assert.Empty(t, v.djangoSession())
	})
}

// The session is saved by every request on both sites.
func TestSavingEveryRequestKeepsTheSessionOnBothSides(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		django = django.another(t, settings{
			"SESSION_COOKIE_AGE": 600, "SESSION_SAVE_EVERY_REQUEST": true,
		})
		v := newVisitor(t, django, cookiestore.WithMaxAge(10*time.Minute), cookiestore.WithSaveEveryRequest())
		v.at(start)
		v.setInDjango("k", `1`)
		for n := 1; n <= 4; n++ {
			v.at(start.Add(time.Duration(n) * 8 * time.Minute))
			if n%2 == 0 {
				require.NotNil(t, v.inDjango(http.MethodGet, "/untouched", nil).cookie)
			} else {
				require.NotNil(t, v.inGo(func(*cookiestore.Session) {}).cookie)
			}
		}
		assert.Equal(t, "1", v.djangoText("k"))
		assert.Equal(t, [][2]string{{"k", "1"}}, v.goSession())
	})
}

// What Django's signed cookies don't do (its ticket 27775) and these do: a copy
// of the cookie is worth nothing once the session has expired.
func TestCopiedCookieOutlivesSetExpiryInDjangoAndNotInGo(t *testing.T) {
	for _, side := range []struct {
		name string
		set  func(v *visitor) reply
	}{
		{"set in Django", func(v *visitor) reply { return v.setExpiryInDjango("int", 1) }},
		{"set in Go", func(v *visitor) reply {
			return v.inGo(func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(time.Second)) })
		}},
	} {
		t.Run(side.name, func(t *testing.T) {
			victim := newVisitor(t, sharedDjango(t))
			victim.at(start)
			victim.inDjango(http.MethodPost, "/user", map[string]any{"username": "zoe", "password": "correct horse"})
			r := side.set(victim)
			require.NotNil(t, r.cookie)
			assert.Equal(t, 1, r.cookie.MaxAge, "the browser is told to drop it after a second")

			thief := newVisitor(t, sharedDjango(t))
			thief.setCookie(r.cookie.Value)
			thief.at(start.Add(time.Second))
			thief.inGo(func(s *cookiestore.Session) {
				assert.Equal(t, "1", cookiestore.Get(s, "_auth_user_id", ""), "until then it is good")
			})

			for _, later := range []time.Duration{2 * time.Second, time.Hour, twoWeeks - time.Second} {
				thief.at(start.Add(later))
				assert.Equal(t, "zoe", decode[string](t, thief.inDjango(http.MethodGet, "/user", nil)),
					"%v later it opens the Django site", later)
				assert.ErrorIs(t, thief.refusedByGo(), cookiestore.ErrExpired,
					"%v later it doesn't open the Go site", later)
				thief.setCookie(r.cookie.Value) // Go has deleted it from the thief's jar
			}
		})
	}
}

// The other way round, Django's signed cookies end at SESSION_COOKIE_AGE even
// where set_expiry says more, and the session is then overwritten.
func TestExpiryOverTheDefaultHoldsInGoAndNotInDjango(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.at(start)
	v.setExpiryInDjango("int", 30*24*3600)
	v.setInDjango("k", `1`)
	v.at(start.Add(20 * 24 * time.Hour))
	value := v.cookie()
	assert.Equal(t, [2]string{"k", "1"}, v.goSession()[1])

	assert.Empty(t, v.djangoSession())
	assert.NotEqual(t, value, v.cookie())
	assert.Equal(t, "{}", string(payload(t, v.cookie())), "Django has put an empty session in its place")

	// A longer SESSION_COOKIE_AGE is the way out.
	django := newDjango(t, t.TempDir(), settings{"SECRET_KEY": secretKey, "SESSION_COOKIE_AGE": 30 * 24 * 3600})
	v = newVisitor(t, django)
	v.at(start.Add(20 * 24 * time.Hour))
	v.setCookie(value)
	assert.Equal(t, "1", v.djangoText("k"))
}

// Clocks may differ by a minute: Django doesn't look, and Go allows for it.
func TestCookiesSignedInTheFuture(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.at(start)
	v.setInDjango("k", `1`)
	v.at(start.Add(-59 * time.Second))
	assert.Equal(t, [][2]string{{"k", "1"}}, v.goSession())
	v.at(start.Add(-61 * time.Second))
	assert.ErrorIs(t, v.refusedByGo(), cookiestore.ErrFuture)
	assert.Equal(t, "1", v.djangoText("k"))
}
