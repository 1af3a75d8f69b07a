package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

func newStore(t *testing.T, db *database, key string, options ...dbstore.Option) *dbstore.Store {
	t.Helper()
	store, err := dbstore.New(db.DB, []byte(key), options...)
	require.NoError(t, err)
	return store
}

func TestCreateTableMakesTheTableThatDjangoMakes(t *testing.T) {
	for _, s := range inDatabases {
		t.Run(s.name, func(t *testing.T) {
			theirs := s.start(t).db.described(t)
			require.NotEmpty(t, theirs)

			db := s.openNew(t)
			store := newStore(t, db, secretKey)
			require.NoError(t, store.CreateTable(t.Context()))
			assert.Equal(t, theirs, db.described(t))
			require.NoError(t, store.CreateTable(t.Context()), "again")
			assert.Equal(t, theirs, db.described(t))
		})
	}
}

func TestCreateTableLeavesDjangosTableAlone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInDjango("k", `1`)
		before, row := django.db.described(t), v.row()
		require.NoError(t, newStore(t, django.db, secretKey).CreateTable(t.Context()))
		assert.Equal(t, before, django.db.described(t))
		assert.Equal(t, row, v.row())
	})
}

// Django's `migrate --fake-initial` takes over a table that is there already.
func TestDjangoTakesOverATableThatGoMade(t *testing.T) {
	for _, s := range inDatabases {
		t.Run(s.name, func(t *testing.T) {
			db := s.openNew(t)
			require.NoError(t, newStore(t, db, secretKey).CreateTable(t.Context()))
			v := newVisitor(t, &djangoSite{db: db})
			v.setInGo("name", "Zoë")

			v.django = s.start(t).another(t, settings{"DATABASES": settings{"default": db.settings}})
			v.django.db = db
			assert.Equal(t, `"Zo\u00eb"`, v.djangoText("name"))
		})
	}
}

// A djangoRow is a row as Django's model has it.
type djangoRow struct {
	Data    string
	Expires time.Time
}

func (v *visitor) djangoRow() djangoRow {
	v.t.Helper()
	row := decode[djangoRow](v.t, v.inDjango(http.MethodGet, "/row?key="+v.cookie(), nil))
	row.Expires = row.Expires.UTC()
	return row
}

// What one site writes is the same as what the other would, but for the key.
func TestBothSitesWriteTheSameRow(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		for _, test := range []struct {
			name string
			at   time.Time
		}{
			{"at a time with microseconds", start},
			{"at a time with a fraction that ends in zeros", start.Truncate(time.Second).Add(500 * time.Millisecond)},
			{"at a whole second", start.Truncate(time.Second)},
		} {
			t.Run(test.name, func(t *testing.T) {
				there, here := newVisitor(t, django), newVisitor(t, django)
				there.at(test.at)
				here.at(test.at)
				a := there.inDjango(http.MethodGet, "/", nil).cookie
				b := here.inGo(func(s *cookiestore.Session) { s.Set("num_visits", 1) }).cookie
				require.NotNil(t, a)
				require.NotNil(t, b)
				assert.NotEqual(t, a.Value, b.Value)
				for _, c := range []*cookie{a, b} {
					assert.Regexp(t, "^[a-z0-9]{32}$", c.Value)
					c.Value, c.Raw, c.RawExpires = "", "", ""
				}
				assert.Equal(t, a, b)

				want := djangoRow{there.row().SessionData, test.at.Add(twoWeeks)}
				for _, v := range []*visitor{there, here} {
					assert.Equal(t, want, v.djangoRow())
					assert.Equal(t, dbstore.Row{SessionKey: v.cookie(), SessionData: want.Data, ExpireDate: want.Expires}, v.row())
					assert.Equal(t, there.storedTime(there.cookie()), v.storedTime(v.cookie()))
				}
			})
		}
	})
}

// storedTime returns the expire_date of a row as text, as the database has it.
func (v *visitor) storedTime(key string) (text string) {
	v.t.Helper()
	query := "SELECT CONCAT(expire_date, '') FROM django_session WHERE session_key = '" + key + "'"
	require.NoError(v.t, v.django.db.QueryRowContext(v.t.Context(), query).Scan(&text))
	return text
}

// The end of each kind of set_expiry is the row's expire_date, whoever writes it,
// and holds on both sites, whoever reads it.
func TestRowsEndAtTheirExpireDateOnBothSides(t *testing.T) {
	inDjango := func(argument any) func(v *visitor) {
		return func(v *visitor) {
			v.setInDjango("k", `1`)
			v.setExpiryInDjango("int", argument)
		}
	}
	inGo := func(e cookiestore.Expiry) func(v *visitor) {
		return func(v *visitor) {
			v.inGo(func(s *cookiestore.Session) {
				s.Set("k", 1)
				s.SetExpiry(e)
			})
		}
	}
	const month, while = 30 * 24 * time.Hour, 90*time.Minute + time.Microsecond
	for _, test := range []struct {
		name string
		set  func(v *visitor)
		ends time.Duration // after start
	}{
		// For Django's datetime and timedelta see TestExpiryIsHonouredOnBothSides.
		{"None in Django", inDjango(nil), twoWeeks},
		{"0 in Django", inDjango(0), twoWeeks},
		{"seconds in Django", inDjango(300), 5 * time.Minute},
		{"more seconds than the default in Django", inDjango(month.Seconds()), month},
		{"Default in Go", inGo(cookiestore.Default), twoWeeks},
		{"AtBrowserClose in Go", inGo(cookiestore.AtBrowserClose), twoWeeks},
		{"After in Go", inGo(cookiestore.After(5 * time.Minute)), 5 * time.Minute},
		{"After more than the default in Go", inGo(cookiestore.After(month)), month},
		{"At in Go", inGo(cookiestore.At(start.Add(while))), while},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, django *djangoSite) {
				v := newVisitor(t, django)
				v.at(start)
				test.set(v)
				key, ends := v.cookie(), start.Add(test.ends)
				assert.Equal(t, ends, v.djangoRow().Expires)
				assert.Equal(t, ends, v.row().ExpireDate)

				v.at(ends.Add(-time.Microsecond))
				assert.Equal(t, "1", v.djangoText("k"))
				assert.Equal(t, "1", v.goSession()[0][1])

				v.at(ends) // to Django, the last moment is one too late
				assert.Equal(t, "1", v.goSession()[0][1])
				assert.Empty(t, v.djangoSession())
				assert.Empty(t, v.cookie(), "Django has deleted it")

				v.at(ends.Add(time.Microsecond))
				v.setCookie(key)
				require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrExpired)
				assert.Equal(t, key, v.cookie(), "a read in Go deletes no cookie")
				assert.Empty(t, v.djangoSession())
			})
		})
	}
}

// Without USE_TZ, Django's times are those of TIME_ZONE. PostgreSQL knows the
// difference, and the others don't.
func TestExpireDatesOfASiteWithoutTimeZones(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		for _, test := range []struct {
			zone   string
			offset time.Duration
		}{
			{"UTC", 0},
			{"Asia/Kolkata", 5*time.Hour + 30*time.Minute},
		} {
			t.Run(test.zone, func(t *testing.T) {
				v := newVisitor(t, django.another(t, settings{"USE_TZ": false, "TIME_ZONE": test.zone}))
				v.setInDjango("k", `1`)
				want := time.Now().Add(twoWeeks)
				if django != inPostgreSQL.site {
					want = want.Add(test.offset)
				}
				assert.WithinDuration(t, want, v.row().ExpireDate, time.Minute)
			})
		}
	})
}

func TestClearingRemovesTheSameRowsOnBothSides(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		now := start.Add(time.Hour)
		for _, side := range []struct {
			name  string
			clear func(t *testing.T)
		}{
			{"Django's clearsessions", func(t *testing.T) {
				v := newVisitor(t, django)
				v.at(now)
				v.inDjango(http.MethodPost, "/clearsessions", nil)
			}},
			{"Go's ClearExpired", func(t *testing.T) {
				store := newStore(t, django.db, secretKey, dbstore.WithClock(func() time.Time { return now }))
				require.NoError(t, store.ClearExpired(t.Context()))
			}},
		} {
			t.Run(side.name, func(t *testing.T) {
				var visitors []*visitor
				var ends []time.Duration // from now
				for _, end := range []time.Duration{-time.Hour, -time.Microsecond, 0, time.Microsecond, time.Hour} {
					here, there := newVisitor(t, django), newVisitor(t, django)
					here.at(now.Add(end - time.Minute))
					here.inGo(func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(time.Minute)) })
					there.at(now.Add(end - time.Minute))
					there.setExpiryInDjango("int", 60)
					visitors, ends = append(visitors, here, there), append(ends, end, end)
				}
				side.clear(t)
				for i, v := range visitors {
					_, err := v.store.(*dbstore.Store).Row(t.Context(), v.cookie())
					if ends[i] < 0 {
						assert.ErrorIs(t, err, cookiestore.ErrNoSession, "ended %v ago", -ends[i])
					} else {
						assert.NoError(t, err, "ends in %v", ends[i])
					}
				}
			})
		}
	})
}

// Both sites compress a row where that makes it shorter.
func TestLargeSessionsAreReadOnBothSides(t *testing.T) {
	text := strings.Repeat("Zoë likes 20 KiB, and 😀 too. ", 700)
	random := strings.Map(func(c rune) rune { return '0' + c%8 }, noise(20<<10)) // Go 1.27 deflates no text of 64 letters
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		for _, test := range []struct {
			name, text string
			small      bool
		}{
			{"of words", text, true},
			{"of noise", random, false},
		} {
			for _, side := range []struct {
				name string
				set  func(v *visitor)
			}{
				{"set in Django", func(v *visitor) {
					text, err := json.Marshal(test.text)
					require.NoError(t, err)
					v.setInDjango("large", string(text))
				}},
				{"set in Go", func(v *visitor) { v.setInGo("large", test.text) }},
			} {
				t.Run(test.name+" "+side.name, func(t *testing.T) {
					v := newVisitor(t, django)
					side.set(v)
					packed := v.signed()
					assert.Equal(t, byte('.'), packed[0])
					assert.Equal(t, test.small, len(packed) < 1<<10, "%d bytes", len(packed))
					v.inGo(func(s *cookiestore.Session) {
						assert.Equal(t, test.text, cookiestore.Get(s, "large", ""))
						s.Set("seen", true)
					})
					assert.Equal(t, test.text, decode[string](t, v.inDjango(http.MethodGet, valuePath("large"), nil)))
					v.setInDjango("seen", `false`)
					v.inGo(func(s *cookiestore.Session) { assert.Equal(t, test.text, cookiestore.Get(s, "large", "")) })
				})
			}
		}
	})
}

// A key that was left, by a login, a new key or a logout, is worth nothing on
// either site.
func TestKeysThatWereLeftAreWorthNothing(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		for _, test := range []struct {
			name  string
			leave func(v *visitor)
			kept  bool
		}{
			{"cycle_key in Django", func(v *visitor) { v.inDjango(http.MethodPost, "/end/cycle_key", nil) }, true},
			{"CycleKey in Go", func(v *visitor) { v.inGo(func(s *cookiestore.Session) { s.CycleKey() }) }, true},
			{"login in Django", func(v *visitor) { v.inDjango(http.MethodPost, "/user", zoe) }, true},
			{"flush in Django", func(v *visitor) { v.inDjango(http.MethodPost, "/end/flush", nil) }, false},
			{"Flush in Go", func(v *visitor) { v.inGo(func(s *cookiestore.Session) { s.Flush() }) }, false},
			{"logout in Django", func(v *visitor) { v.inDjango(http.MethodDelete, "/user", nil) }, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				v := newVisitor(t, django)
				v.setInDjango("k", `1`)
				v.setInGo("here", 1)
				old := v.cookie()
				test.leave(v)
				assert.NotEqual(t, old, v.cookie())
				if test.kept {
					assert.Equal(t, "1", v.djangoText("k"))
					v.inGo(func(s *cookiestore.Session) { assert.Equal(t, 1, s.Get("k")) })
				} else {
					assert.Empty(t, v.cookie())
				}

				thief := newVisitor(t, django)
				thief.setCookie(old)
				require.ErrorIs(t, thief.refusedByGo(), cookiestore.ErrNoSession)
				thief.setCookie(old)
				assert.Empty(t, thief.djangoSession())
			})
		}
	})
}

// A key that nobody was given gets no session of that name.
func TestKeysThatAVisitorChoosesAreNotTaken(t *testing.T) {
	chosen := strings.Repeat("chosen00", 4)
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setCookie(chosen)
		v.setInDjango("k", `1`)
		assert.NotEqual(t, chosen, v.cookie())
		v.setCookie(chosen)
		v.setInGo("k", 1)
		assert.NotEqual(t, chosen, v.cookie())
	})
}

// meanwhileInDjango has Django change a value in a request in the middle of
// which another is served by Go.
func (v *visitor) meanwhileInDjango(handler func(*cookiestore.Session), key string, value any) reply {
	v.t.Helper()
	v.serveNext(handler)
	return v.tryDjango(http.MethodPost, "/meanwhile", map[string]any{"url": v.goSite.URL, "key": key, "value": value})
}

// meanwhileInGo has Go change a value in a request in the middle of which another
// is served by Django.
func (v *visitor) meanwhileInGo(method, path string, body any, key string, value any) reply {
	v.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(v.t, err)
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.django.url+path, bytes.NewReader(text))
	require.NoError(v.t, err)
	request.AddCookie(&http.Cookie{Name: "sessionid", Value: v.cookie()})
	return v.tryGo(func(s *cookiestore.Session) {
		s.Get(key)
		response, err := http.DefaultClient.Do(request)
		if assert.NoError(v.t, err) {
			assert.Equal(v.t, http.StatusOK, response.StatusCode)
			response.Body.Close()
		}
		s.Set(key, value)
	})
}

// A visitor who has logged out in one window is not logged in again by another, where a
// page was still being made.
func TestFlushedSessionsAreNotBroughtBack(t *testing.T) {
	for _, test := range []struct {
		name string
		late func(v *visitor) reply
		says string
	}{
		{"by Go after Django's flush", func(v *visitor) reply {
			return v.meanwhileInGo(http.MethodPost, "/end/flush", nil, "k", "late")
		}, "Your session ended"},
		{"by Go after Django's logout", func(v *visitor) reply {
			return v.meanwhileInGo(http.MethodDelete, "/user", nil, "k", "late")
		}, "Your session ended"},
		{"by Go after Django's cycle_key", func(v *visitor) reply {
			return v.meanwhileInGo(http.MethodPost, "/end/cycle_key", nil, "k", "late")
		}, "Your session ended"},
		{"by Django after Go's Flush", func(v *visitor) reply {
			return v.meanwhileInDjango((*cookiestore.Session).Flush, "k", "late")
		}, "Bad Request (400)"},
		{"by Django after Go's CycleKey", func(v *visitor) reply {
			return v.meanwhileInDjango((*cookiestore.Session).CycleKey, "k", "late")
		}, "Bad Request (400)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, django *djangoSite) {
				v := newVisitor(t, django)
				v.inDjango(http.MethodPost, "/user", zoe)
				v.setInDjango("k", `1`)
				r := test.late(v)
				assert.Equal(t, http.StatusBadRequest, r.status, r.body)
				assert.Contains(t, r.body, test.says)
				assert.Nil(t, r.cookie)
				require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrNoSession)
			})
		})
	}
}

// Of two requests at the same time that change different keys, Go keeps both
// changes, whichever site the other was on. Django keeps its own.
func TestChangesAtTheSameTime(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInDjango("k", `1`)
		r := v.meanwhileInGo(http.MethodPost, valuePath("there"), 2, "here", 3)
		assert.Equal(t, http.StatusOK, r.status, r.body)
		want := [][2]string{{"k", "1"}, {"there", "2"}, {"here", "3"}}
		assert.ElementsMatch(t, want, v.djangoSession())

		r = v.meanwhileInDjango(func(s *cookiestore.Session) { s.Set("here", "lost") }, "there", "late")
		assert.Equal(t, http.StatusOK, r.status, r.body)
		want = [][2]string{{"k", "1"}, {"there", `"late"`}, {"here", "3"}}
		assert.ElementsMatch(t, want, v.djangoSession())
	})
}

// The engine cached_db reads rows from a cache, which Go knows nothing of: what Go
// changes or deletes, Django doesn't see, and overwrites.
func TestDjangosCacheHidesWhatGoHasDone(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django.another(t, settings{"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"}))
		v.setInDjango("k", `1`)
		v.inGo(func(s *cookiestore.Session) {
			assert.Equal(t, 1, s.Get("k"), "Go sees what Django has done")
			s.Set("k", 2)
		})
		assert.Equal(t, "1", v.djangoText("k"))

		key := v.cookie()
		v.inGo(func(s *cookiestore.Session) { s.Flush() })
		v.setCookie(key)
		assert.Equal(t, "1", v.djangoText("k"), "a session that was flushed in Go lives on")
	})
}

// Django signed rows in another way before 3.1, and reads them until 4.0. Go
// reads them still, and writes them anew.
func TestRowsFromBeforeDjango31AreRead(t *testing.T) {
	const key = "0ld0ld0ld0ld0ld0ld0ld0ld0ld0ld00"
	for _, test := range []struct {
		name string
		make func(t *testing.T, v *visitor)
	}{
		{"made by hand", func(t *testing.T, v *visitor) {
			v.inDjango(http.MethodPost, "/row?key="+key, map[string]any{"user": "Zoë"})
			v.setCookie(key)
		}},
		{"made by Django itself", func(t *testing.T, v *visitor) {
			if v.django.since(4, 0) {
				t.Skip("Django can't write them any more since 4.0")
			}
			now := v.django
			v.django = now.another(t, settings{"DEFAULT_HASHING_ALGORITHM": "sha1"})
			v.setInDjango("user", `"Zo\u00eb"`)
			v.django = now
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachDatabase(t, func(t *testing.T, django *djangoSite) {
				v := newVisitor(t, django)
				test.make(t, v)
				key, old := v.cookie(), v.row()
				assert.NotContains(t, old.SessionData, ":", "it is all base64")
				if !django.since(4, 0) {
					assert.Equal(t, `"Zo\u00eb"`, v.djangoText("user"))
					assert.Equal(t, old, v.row(), "Django leaves it as it is")
				}

				v.inGo(func(s *cookiestore.Session) { assert.Equal(t, "Zoë", s.Get("user")) })
				assert.Equal(t, key, v.cookie())
				assert.Contains(t, v.row().SessionData, ":")
				assert.Equal(t, `"Zo\u00eb"`, v.djangoText("user"))
			})
		})
	}
}

func TestRowsSignedWithAnOldKeyAreReadAndSignedAnew(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		store := newStore(t, django.db, newSecretKey, dbstore.WithFallbackKeys([]byte(secretKey)))
		v := newVisitorWithStore(t, django, store)
		v.setInDjango("k", `1`)
		key := v.cookie()
		v.inGo(func(s *cookiestore.Session) { assert.Equal(t, 1, s.Get("k")) })
		assert.Equal(t, key, v.cookie())

		v.django = django.another(t, settings{"SECRET_KEY": newSecretKey})
		assert.Equal(t, "1", v.djangoText("k"))
	})
}

// A site that lacks the key of a row gives the visitor a new session. Go leaves
// the row to who knows it; Django puts its own in its place.
func TestRowsSignedWithAnUnknownKey(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitorWithStore(t, django, newStore(t, django.db, newSecretKey))
		v.setInDjango("k", `1`)
		key, row := v.cookie(), v.row()
		require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTampered)
		assert.Equal(t, key, v.cookie())
		v.setInGo("k", 2)
		assert.NotEqual(t, key, v.cookie())

		key = v.cookie()
		assert.Empty(t, v.djangoSession())
		v.setInDjango("k", `3`)
		assert.Equal(t, key, v.cookie())
		require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTampered)

		v.setCookie(row.SessionKey)
		assert.Equal(t, row, v.row())
		assert.Equal(t, "1", v.djangoText("k"))
	})
}

// Django's clear() leaves a row with nothing in it, Go's deletes it.
func TestClearedSessionsAreEmptyOnBothSides(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.setInGo("here", 1)
		v.inDjango(http.MethodPost, "/end/clear", nil)
		assert.Equal(t, "{}", string(payload(t, v.signed())))
		require.NoError(t, v.refusedByGo())

		v.setInDjango("there", strconv.Quote("1"))
		key := v.cookie()
		v.inGo(func(s *cookiestore.Session) { s.Clear() })
		assert.Empty(t, v.cookie())
		v.setCookie(key)
		assert.Empty(t, v.djangoSession())
		assert.Empty(t, v.cookie())
	})
}
