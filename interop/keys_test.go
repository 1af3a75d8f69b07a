package interop

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

var zoe = map[string]any{"username": "zoe", "password": "correct horse"}

func TestDjangoUserIsSeenByGo(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		v := newVisitor(t, django)
		v.inGo(func(s *cookiestore.Session) { s.Set("cart", []int{1, 2}) })
		require.Equal(t, "zoe", decode[string](t, v.inDjango(http.MethodPost, "/user", zoe)))

		v.inGo(func(s *cookiestore.Session) {
			id, err := cookiestore.Lookup[string](s, "_auth_user_id")
			assert.NoError(t, err)
			assert.Equal(t, "1", id, "a string, whatever the key's type")
			assert.Equal(t, "django.contrib.auth.backends.ModelBackend", cookiestore.Get(s, "_auth_user_backend", ""))
			assert.NotEmpty(t, cookiestore.Get(s, "_auth_user_hash", ""))
			assert.Equal(t, []int{1, 2}, cookiestore.Get(s, "cart", []int(nil)), "logging in keeps what there was")
			s.Set("cart", []int{1, 2, 3})
			s.CycleKey()
		})
		assert.Equal(t, "zoe", decode[string](t, v.inDjango(http.MethodGet, "/user", nil)))
		assert.Equal(t, "[1,2,3]", v.djangoText("cart"))
	})
}

func TestLogoutOnEitherSideEndsItOnBoth(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		for _, side := range []struct {
			name   string
			logout func(v *visitor)
		}{
			{"in Django", func(v *visitor) { v.inDjango(http.MethodDelete, "/user", nil) }},
			{"in Go", func(v *visitor) { v.inGo(func(s *cookiestore.Session) { s.Flush() }) }},
		} {
			t.Run(side.name, func(t *testing.T) {
				v := newVisitor(t, django)
				v.inDjango(http.MethodPost, "/user", zoe)
				v.setInGo("cart", 1)
				side.logout(v)
				assert.Empty(t, v.cookie())
				assert.Empty(t, decode[string](t, v.inDjango(http.MethodGet, "/user", nil)))
				v.inGo(func(s *cookiestore.Session) { assert.False(t, s.Has("_auth_user_id")) })
			})
		}
	})
}

// A visitor who walks between the sites while their key is changed, on one of
// them before the other, keeps the session, and stays logged in where Django can
// tell.
func TestKeyRotationLosesNobody(t *testing.T) {
	type keys struct{ primary, fallback string }
	old, prepared := keys{secretKey, ""}, keys{secretKey, newSecretKey}
	changed, done := keys{newSecretKey, secretKey}, keys{newSecretKey, ""}
	for _, order := range []struct {
		name  string
		steps []struct{ django, here keys }
	}{
		{"in Go first", []struct{ django, here keys }{
			{old, old}, {old, prepared}, {prepared, prepared}, {prepared, changed}, {changed, changed}, {changed, done}, {done, done},
		}},
		{"in Django first", []struct{ django, here keys }{
			{old, old}, {prepared, old}, {prepared, prepared}, {changed, prepared}, {changed, changed}, {done, changed}, {done, done},
		}},
	} {
		t.Run(order.name, func(t *testing.T) {
			dir := t.TempDir()
			site := func(k keys) *djangoSite {
				s := settings{"SECRET_KEY": k.primary, "SECRET_KEY_FALLBACKS": []string{}}
				if k.fallback != "" {
					s["SECRET_KEY_FALLBACKS"] = []string{k.fallback}
				}
				if !sharedDjango(t).since(4, 1) {
					s["SESSION_ENGINE"] = "__main__" // Django has no such setting, but the site has an engine that does
				}
				return newDjango(t, dir, s)
			}
			running := old
			v := newVisitor(t, site(running))
			v.inDjango(http.MethodPost, "/user", zoe)
			visits := 0
			for i, step := range order.steps {
				where := fmt.Sprintf("step %d: %+v", i+1, step)
				if step.django != running {
					v.django.quit()
					v.django, running = site(step.django), step.django
				}
				var fallbacks [][]byte
				if step.here.fallback != "" {
					fallbacks = append(fallbacks, []byte(step.here.fallback))
				}
				require.NoError(t, v.store.SetKeys([]byte(step.here.primary), fallbacks...))

				for range 2 {
					visits++
					require.Equal(t, visits, decode[int](t, v.inDjango(http.MethodGet, "/", nil)), where)
					v.inGo(func(s *cookiestore.Session) {
						assert.Equal(t, visits, cookiestore.Get(s, "num_visits", 0), where)
						visits++
						s.Set("num_visits", visits)
					})
					v.inGo(func(s *cookiestore.Session) { s.Get("num_visits") })
				}
				if sharedDjango(t).since(4, 2) { // see TestBeforeDjango42ChangingTheKeyLogsOut
					assert.Equal(t, "zoe", decode[string](t, v.inDjango(http.MethodGet, "/user", nil)), where)
				}
			}
		})
	}
}

// Before 4.1.8, the hash in the session by which Django knows its user depends on
// SECRET_KEY alone: whoever is logged in is logged out when it changes, and the
// whole session with it. Visitors who are not logged in keep theirs.
func TestBeforeDjango42ChangingTheKeyLogsOut(t *testing.T) {
	if sharedDjango(t).since(4, 2) {
		t.Log("this Django tries the fallback keys")
		return
	}
	dir := t.TempDir()
	v := newVisitor(t, newDjango(t, dir, settings{"SECRET_KEY": secretKey}))
	v.inDjango(http.MethodPost, "/user", zoe)
	v.setInGo("cart", 1)
	v.django = newDjango(t, dir, settings{
		"SECRET_KEY": newSecretKey, "SECRET_KEY_FALLBACKS": []string{secretKey}, "SESSION_ENGINE": "__main__",
	})
	assert.Equal(t, "1", v.djangoText("cart"))
	assert.Empty(t, decode[string](t, v.inDjango(http.MethodGet, "/user", nil)))
	assert.Empty(t, v.djangoSession())
}

// Without fallback keys in Django, a visitor keeps the session only if Go, which
// has them, is where they go first after the key has changed.
func TestGoCarriesSessionsOverAChangeOfDjangosKey(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		for _, order := range []struct {
			name           string
			first, andThen func(v *visitor)
		}{
			{"in Go first", changeKeyInGo, changeKeyInDjango},
			{"in Django first", changeKeyInDjango, changeKeyInGo},
		} {
			t.Run(order.name, func(t *testing.T) {
				v := newVisitor(t, django.another(t, nil))
				v.setInDjango("k", `1`)
				order.first(v)
				v.inGo(func(s *cookiestore.Session) { assert.Equal(t, 1, s.Get("k")) })
				order.andThen(v)
				v.inGo(func(s *cookiestore.Session) { assert.Equal(t, 1, s.Get("k")) })
				assert.Equal(t, "1", v.djangoText("k"))
			})
		}
	})
}

func changeKeyInGo(v *visitor) {
	require.NoError(v.t, v.store.SetKeys([]byte(newSecretKey), []byte(secretKey)))
}

func changeKeyInDjango(v *visitor) {
	v.django.quit()
	v.django = v.django.another(v.t, settings{"SECRET_KEY": newSecretKey})
}

// A site that lacks a key refuses what it has signed. Go then leaves the cookie
// alone, since another server may know the key; Django puts an empty session in
// its place at the first look. So the new key must be known to Django before Go
// signs with it.
func TestUnknownKeys(t *testing.T) {
	store, err := cookiestore.New([]byte(newSecretKey), cookiestore.WithDjango())
	require.NoError(t, err)
	v := newVisitorWithStore(t, sharedDjango(t), store)
	v.setInDjango("k", `1`)
	value := v.cookie()
	require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTampered)
	assert.Equal(t, value, v.cookie())
	assert.Equal(t, "1", v.djangoText("k"))

	v.setCookie("")
	v.setInGo("k", 1)
	assert.Empty(t, v.djangoSession())
	assert.Equal(t, "{}", string(payload(t, v.cookie())))
	require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTampered)
}

func TestTamperedCookiesAreRefusedByBoth(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.setInDjango("user", `"zoe"`)
	good := v.cookie()
	parts := strings.Split(good, ":")
	require.Len(t, parts, 3)
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"user":"root"}`))
	last := len(good) - 1
	// The last character of the signature stands for 4 bits and 2 more that
	// must be zero.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	sameBits := alphabet[strings.IndexByte(alphabet, good[last])|1]
	require.NotEqual(t, good[last], sameBits)

	for _, test := range []struct{ name, value string }{
		{"another payload", forged + ":" + parts[1] + ":" + parts[2]},
		{"a compressed payload", "." + good},
		{"another time", parts[0] + ":zzzzzz:" + parts[2]},
		{"no time", parts[0] + ":" + parts[2]},
		{"no signature", parts[0] + ":" + parts[1] + ":"},
		{"no signature and no separator", parts[0] + ":" + parts[1]},
		{"a payload alone", parts[0]},
		{"a signature cut short", good[:last]},
		{"a signature that goes on", good + "A"},
		{"a signature with padding", good + "="},
		{"another spelling of the signature", good[:last] + string(sameBits)},
		{"one letter in another case", swapCase(good)},
		{"a second signature", good + ":" + parts[2]},
		{"something else", "null"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.NotEqual(t, good, test.value)
			v := newVisitor(t, sharedDjango(t))
			v.setCookie(test.value)
			err := v.refusedByGo()
			require.Error(t, err)
			assert.True(t, cookiestore.IsRefused(err))
			assert.Equal(t, test.value, v.cookie(), "the cookie is left alone")
			assert.Empty(t, v.djangoSession())
		})
	}
	v.setCookie(good)
	assert.Equal(t, `"zoe"`, v.djangoText("user"))
	v.inGo(func(s *cookiestore.Session) { assert.Equal(t, "zoe", s.Get("user")) })
}

// swapCase changes the case of the first letter.
func swapCase(text string) string {
	i := strings.IndexFunc(text, func(r rune) bool { return r|' ' >= 'a' && r|' ' <= 'z' })
	return text[:i] + string(text[i]^' ') + text[i+1:]
}

// Django signed with SHA-1 before 3.1, and accepted that until 4.0. Go doesn't.
func TestSHA1SignaturesAreRefused(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	mint := func(algorithm string) string {
		return decode[string](t, v.inDjango(http.MethodPost, "/sign", map[string]any{
			"algorithm": algorithm, "session": json.RawMessage(`{"user":"zoe"}`),
		}))
	}
	v.setCookie(mint("sha256"))
	v.inGo(func(s *cookiestore.Session) { assert.Equal(t, "zoe", s.Get("user")) })

	legacy := mint("sha1")
	v.setCookie(legacy)
	require.ErrorIs(t, v.refusedByGo(), cookiestore.ErrTampered)
	assert.Equal(t, legacy, v.cookie(), "the cookie is left alone")
	if v.django.since(4, 0) {
		assert.Empty(t, v.djangoSession())
		return
	}
	assert.Equal(t, `"zoe"`, v.djangoText("user"))
	// Django signs it anew when it changes the session: then both know it.
	v.setInDjango("k", `1`)
	v.inGo(func(s *cookiestore.Session) { assert.Equal(t, "zoe", s.Get("user")) })
}
