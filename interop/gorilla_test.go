package interop

import (
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

// sessionName is the session's on the gorilla/sessions site, and the cookie's.
const sessionName = "shop-session"

// account is a type that a site keeps in its sessions. gob asks for it to be
// registered, as it does for all but the simplest.
type account struct {
	ID    int
	Email string
	Since time.Time
}

// accountKey is a type for keys, as sites have it to keep them apart.
type accountKey string

func init() {
	gob.Register(account{})
	gob.Register(accountKey(""))
	gob.Register(time.Time{})
	gob.Register(map[string]int{})
}

// jsonSerializer is how sites make gorilla/sessions write JSON, which has no
// maps like its map[any]any: they know the types that they are called with.
type jsonSerializer struct{}

func (jsonSerializer) Serialize(src any) ([]byte, error) {
	named := map[string]any{}
	for key, value := range src.(map[any]any) {
		name, ok := key.(string)
		if !ok {
			return nil, fmt.Errorf("key %v is not a string", key)
		}
		named[name] = value
	}
	return json.Marshal(named)
}

func (jsonSerializer) Deserialize(src []byte, dst any) error {
	var named map[string]any
	if err := json.Unmarshal(src, &named); err != nil {
		return err
	}
	values := *dst.(*map[any]any)
	for name, value := range named {
		values[name] = value
	}
	return nil
}

// keyPairs are those of sessions.NewCookieStore: a key to sign with and one to
// encrypt with, which may be nil; the newest pair first.
type keyPairs [][]byte

// gorillaCodecs returns the codecs of a gorilla/sessions site.
func gorillaCodecs(serializer securecookie.Serializer, keys keyPairs) []securecookie.Codec {
	codecs := securecookie.CodecsFromPairs(keys...)
	for _, c := range codecs {
		c.(*securecookie.SecureCookie).SetSerializer(serializer)
	}
	return codecs
}

// gorillaStore returns the store of a gorilla/sessions site with these codecs.
func gorillaStore(codecs []securecookie.Codec) *sessions.CookieStore {
	store := sessions.NewCookieStore()
	store.Codecs = codecs
	store.Options.Secure = false // the test has no HTTPS
	store.Options.SameSite = http.SameSiteLaxMode
	store.MaxAge(store.Options.MaxAge) // sets that of the codecs, too
	return store
}

// A customer visits a site on 127.0.0.1 that is replaced by others.
type customer struct {
	t      *testing.T
	client *http.Client
	home   *url.URL
}

func newCustomer(t *testing.T) *customer {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &customer{t, &http.Client{Jar: jar, Timeout: 30 * time.Second}, &url.URL{Scheme: "http", Host: "127.0.0.1"}}
}

// visit sends a request to a site, which serves that one alone.
func (c *customer) visit(site http.Handler) (*http.Response, string) {
	c.t.Helper()
	server := httptest.NewServer(site)
	defer server.Close()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, server.URL, nil)
	require.NoError(c.t, err)
	response, err := c.client.Do(request)
	require.NoError(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, response.StatusCode, "%s", body)
	return response, string(body)
}

// atGorilla visits a site with gorilla/sessions, which saves the session unless
// the page only looks at it.
func (c *customer) atGorilla(store sessions.Store, save bool, page func(s *sessions.Session)) {
	c.t.Helper()
	c.visit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := store.Get(r, sessionName)
		if err == nil {
			page(s)
			if save {
				err = s.Save(r, w)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}

// here visits a site with this package's middleware, and returns the cookie that
// it sets, if it does.
func (c *customer) here(store cookiestore.Store, page func(s *cookiestore.Session)) *http.Cookie {
	c.t.Helper()
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		page(cookiestore.FromContext(r.Context()))
	})
	response, _ := c.visit(cookiestore.Middleware(store,
		cookiestore.WithName(sessionName),
		cookiestore.WithSecure(false),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
	)(handler))
	for _, cookie := range response.Cookies() {
		return cookie
	}
	return nil
}

func (c *customer) cookie() string {
	for _, cookie := range c.client.Jar.Cookies(c.home) {
		if cookie.Name == sessionName {
			return cookie.Value
		}
	}
	return ""
}

// setCookie puts another value in the jar.
func (c *customer) setCookie(value string) {
	c.client.Jar.SetCookies(c.home, []*http.Cookie{{Name: sessionName, Value: value, Path: "/"}})
}

func newLoader(t *testing.T, codecs ...securecookie.Codec) *gorilla.Loader {
	t.Helper()
	loader, err := gorilla.NewLoader(codecs...)
	require.NoError(t, err)
	return loader
}

func newJSONCodec(t *testing.T, signer *cookiestore.Signer) *gorilla.JSONCodec {
	t.Helper()
	codec, err := gorilla.NewJSONCodec(signer)
	require.NoError(t, err)
	return codec
}

func newKey() []byte { return securecookie.GenerateRandomKey(32) }

// A site moves from gorilla/sessions to this package. Whoever was logged in still
// is, whatever the site's serializer and whichever of its keys made the cookie.
func TestMovingFromGorillaLogsNobodyOut(t *testing.T) {
	since := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	user := account{ID: 42, Email: "zoe@example.com", Since: since}
	for _, format := range []struct {
		name       string
		serializer securecookie.Serializer
	}{
		{"gob", securecookie.GobEncoder{}},
		{"JSON", jsonSerializer{}},
	} {
		for _, keys := range []struct {
			name     string
			old, new keyPairs // the old pair is the second of the new ones
		}{
			{"signed", keyPairs{newKey(), nil}, keyPairs{newKey(), nil}},
			{"signed and encrypted", keyPairs{newKey(), newKey()}, keyPairs{newKey(), newKey()}},
			{"encrypted since the keys changed", keyPairs{newKey(), nil}, keyPairs{newKey(), newKey()}},
		} {
			for _, made := range []string{"with the present keys", "with the keys before"} {
				t.Run(strings.Join([]string{format.name, keys.name, made}, ", "), func(t *testing.T) {
					all := append(append(keyPairs{}, keys.new...), keys.old...)
					sitesKeys := all
					if made == "with the keys before" {
						sitesKeys = keys.old
					}
					c := newCustomer(t)
					c.atGorilla(gorillaStore(gorillaCodecs(format.serializer, sitesKeys)), true, func(s *sessions.Session) {
						s.Values["user_id"] = 42
						s.Values["name"] = "Zoë 😀"
						s.Values["account"] = user
						s.Values["since"] = since
						s.Values["cart"] = map[string]int{"apples": 3}
						s.Values["discount"] = 0.25
						s.Values["price"] = 1.0
						s.Values["admin"] = true
						s.AddFlash("Welcome back.")
						s.AddFlash("You have mail.")
					})
					before := c.cookie()
					require.NotEmpty(t, before)
					// The site as it runs before it is replaced: it knows both pairs.
					old := gorillaCodecs(format.serializer, all)
					c.atGorilla(gorillaStore(old), false, func(s *sessions.Session) {
						assert.False(t, s.IsNew)
						assert.Equal(t, "Zoë 😀", s.Values["name"])
					})

					key := newKey()
					store, err := cookiestore.New(key, cookiestore.WithLegacy(newLoader(t, old...)))
					require.NoError(t, err)
					cookie := c.here(store, func(s *cookiestore.Session) {
						assert.False(t, s.IsNew(), "logged out: %v", s.Refused())
						assert.Equal(t, "Zoë 😀", cookiestore.Get(s, "name", ""))
					})
					require.NotNil(t, cookie, "a session that is only read is written in the new format")
					assert.NotEqual(t, before, c.cookie())
					assert.Equal(t, 14*24*60*60, cookie.MaxAge)

					// The old codecs can now be dropped.
					store, err = cookiestore.New(key)
					require.NoError(t, err)
					cookie = c.here(store, func(s *cookiestore.Session) {
						id, err := cookiestore.Lookup[int](s, "user_id")
						assert.NoError(t, err)
						assert.Equal(t, 42, id)
						assert.Equal(t, user, cookiestore.Get(s, "account", account{}))
						assert.Equal(t, since, cookiestore.Get(s, "since", time.Time{}))
						assert.Equal(t, map[string]int{"apples": 3}, cookiestore.Get(s, "cart", map[string]int(nil)))
						assert.InDelta(t, 0.25, cookiestore.Get(s, "discount", 0.0), 0)
						assert.InDelta(t, 1, cookiestore.Get(s, "price", 0.0), 0)
						assert.True(t, cookiestore.Get(s, "admin", false))
					})
					assert.Nil(t, cookie)
					c.here(store, func(s *cookiestore.Session) {
						assert.Equal(t, []any{"Welcome back.", "You have mail."}, s.Flashes())
					})
					c.here(store, func(s *cookiestore.Session) { assert.Empty(t, s.Flashes(), "they are delivered once") })

					// What was never brought back is lost with them.
					c.setCookie(before)
					c.here(store, func(s *cookiestore.Session) { assert.Error(t, s.Refused()) })
				})
			}
		}
	}
}

// The old codecs judge what they read: what is tampered with, of another name, or
// older than they allow is refused as it was before.
func TestOldCookiesAreJudgedByTheirCodecs(t *testing.T) {
	keys := keyPairs{newKey(), newKey()}
	codecs := gorillaCodecs(securecookie.GobEncoder{}, keys)
	store, err := cookiestore.New(newKey(), cookiestore.WithLegacy(newLoader(t, codecs...)))
	require.NoError(t, err)
	c := newCustomer(t)
	c.atGorilla(gorillaStore(codecs), true, func(s *sessions.Session) { s.Values["user_id"] = 42 })
	good := c.cookie()

	otherName, err := codecs[0].Encode("another-session", map[any]any{"user_id": 1})
	require.NoError(t, err)
	stranger := gorillaCodecs(securecookie.GobEncoder{}, keyPairs{newKey(), newKey()})[0]
	otherKey, err := stranger.Encode(sessionName, map[any]any{"user_id": 1})
	require.NoError(t, err)
	for _, test := range []struct{ name, value string }{
		{"tampered with", swapCase(good)},
		{"cut short", good[:len(good)/2]},
		{"of another session", otherName},
		{"of another key", otherKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.setCookie(test.value)
			c.here(store, func(s *cookiestore.Session) {
				assert.True(t, s.IsEmpty())
				assert.True(t, cookiestore.IsRefused(s.Refused()), "%v", s.Refused())
			})
			assert.Equal(t, test.value, c.cookie(), "the cookie is left alone")
		})
	}

	t.Run("of an age that they refuse", func(t *testing.T) {
		// securecookie has no clock to move, but can be told to refuse what is
		// too new.
		strict := securecookie.New(keys[0], keys[1]).MinAge(3600)
		store, err := cookiestore.New(newKey(), cookiestore.WithLegacy(newLoader(t, strict)))
		require.NoError(t, err)
		c.setCookie(good)
		c.here(store, func(s *cookiestore.Session) { assert.Error(t, s.Refused()) })
	})

	c.setCookie(good)
	c.here(store, func(s *cookiestore.Session) { assert.Equal(t, 42, s.Get("user_id")) })
}

// The other way round: gorilla/sessions runs on a Signer, in JSON. Its cookies are then
// those of this package, and the site can change over without a Loader.
func TestGorillaRunsOnASigner(t *testing.T) {
	oldKey, key := newKey(), newKey()
	old, err := cookiestore.NewSigner(oldKey)
	require.NoError(t, err)
	rotated, err := cookiestore.NewSigner(key, oldKey)
	require.NoError(t, err)
	c := newCustomer(t)

	c.atGorilla(gorillaStore([]securecookie.Codec{newJSONCodec(t, old)}), true, func(s *sessions.Session) {
		assert.True(t, s.IsNew)
		s.Values["user_id"] = 42
		s.Values["cart"] = []string{"apples"}
		s.Values["big"] = math.MaxInt
		s.AddFlash("Welcome.")
	})
	assert.JSONEq(t, fmt.Sprintf(`{"user_id":42,"cart":["apples"],"big":%d,"_flash":["Welcome."]}`, math.MaxInt), string(payload(t, c.cookie())))

	store := gorillaStore([]securecookie.Codec{newJSONCodec(t, rotated)})
	c.atGorilla(store, true, func(s *sessions.Session) {
		assert.False(t, s.IsNew, "the fallback key verifies")
		assert.Equal(t, 42, s.Values["user_id"])
		assert.Equal(t, []any{"apples"}, s.Values["cart"])
		assert.Equal(t, math.MaxInt, s.Values["big"])
		assert.Equal(t, []any{"Welcome."}, s.Flashes())
		s.AddFlash("Still here.")
	})
	good := c.cookie()

	c.setCookie(swapCase(good))
	c.visit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := store.Get(r, sessionName)
		assert.ErrorIs(t, err.(securecookie.MultiError)[0], cookiestore.ErrTampered)
		assert.True(t, s.IsNew)
		assert.Empty(t, s.Values)
	}))

	c.setCookie(good)
	here, err := cookiestore.New(key)
	require.NoError(t, err)
	c.here(here, func(s *cookiestore.Session) {
		assert.Equal(t, 42, s.Get("user_id"))
		assert.Equal(t, []any{"Still here."}, s.Flashes())
		s.Set("here", true)
	})
	c.atGorilla(store, false, func(s *sessions.Session) {
		assert.Equal(t, true, s.Values["here"], "and back")
		assert.Empty(t, s.Flashes())
	})
}

// compressed is how goth's gothic keeps the state of a login: gzip in a string.
func compressed(t *testing.T, text string) string {
	var out strings.Builder
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

// In gob, gorilla/sessions keeps on a Signer all that it keeps on securecookie.
func TestGorillaKeepsItsValuesOnASigner(t *testing.T) {
	oldKey, key := newKey(), newKey()
	signer, err := cookiestore.NewSigner(oldKey)
	require.NoError(t, err)
	codec, err := gorilla.NewCodec(signer)
	require.NoError(t, err)
	cookies := gorillaStore([]securecookie.Codec{codec})
	files := sessions.NewFilesystemStore(t.TempDir())
	inFiles, err := gorilla.NewCodec(signer)
	require.NoError(t, err)
	inFiles.SetMaxLength(0)
	files.Codecs = []securecookie.Codec{inFiles}
	files.Options.Secure = false
	files.Options.SameSite = http.SameSiteLaxMode

	state := compressed(t, `{"AuthURL":"https://example.com/"}`)
	user := account{ID: 42, Email: "zoe@example.com", Since: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)}
	for _, site := range []struct {
		name  string
		store sessions.Store
		large string
	}{{"in cookies", cookies, ""}, {"in files", files, strings.Repeat("x", 10_000)}} {
		t.Run(site.name, func(t *testing.T) {
			require.NoError(t, signer.SetKeys(oldKey))
			c := newCustomer(t)
			c.atGorilla(site.store, true, func(s *sessions.Session) {
				assert.True(t, s.IsNew)
				s.Values["google"] = state
				s.Values[accountKey("account")] = user
				s.Values[7] = 0.25
				s.Values["large"] = site.large
				s.AddFlash("Welcome.")
			})
			require.NoError(t, signer.SetKeys(key, oldKey))
			c.atGorilla(site.store, false, func(s *sessions.Session) {
				assert.False(t, s.IsNew)
				assert.Equal(t, map[any]any{
					"google": state, accountKey("account"): user, 7: 0.25, "large": site.large, "_flash": []any{"Welcome."},
				}, s.Values)
			})

			good := c.cookie()
			c.setCookie(swapCase(good))
			c.visit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := site.store.Get(r, sessionName)
				assert.ErrorIs(t, err.(securecookie.MultiError)[0], cookiestore.ErrTampered)
				assert.True(t, err.(securecookie.Error).IsDecode())
				assert.True(t, s.IsNew)
				assert.Empty(t, s.Values)
			}))
		})
	}

	// When the site moves on, its visitors come along.
	c := newCustomer(t)
	c.atGorilla(cookies, true, func(s *sessions.Session) { s.Values[accountKey("account")] = user })
	store, err := cookiestore.New(key, cookiestore.WithLegacy(newLoader(t, codec)))
	require.NoError(t, err)
	c.here(store, func(s *cookiestore.Session) {
		assert.Equal(t, user, cookiestore.Get(s, "account", account{}))
	})
}

// With a Signer in Django's format, a gorilla/sessions site shares sessions with
// a Django site.
func TestGorillaReadsDjangosSession(t *testing.T) {
	v := newVisitor(t, sharedDjango(t))
	v.inDjango(http.MethodPost, "/user", zoe)
	signer, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, []byte(secretKey))
	require.NoError(t, err)
	store := gorillaStore([]securecookie.Codec{newJSONCodec(t, signer)})
	gorilla := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := store.Get(r, "sessionid")
		assert.NoError(t, err)
		assert.Equal(t, "1", s.Values["_auth_user_id"])
		s.Values["cart"] = "é"
		assert.NoError(t, s.Save(r, w))
	}))
	defer gorilla.Close()
	require.Equal(t, http.StatusOK, v.do(http.MethodGet, gorilla.URL, nil).status)
	assert.Equal(t, "zoe", decode[string](t, v.inDjango(http.MethodGet, "/user", nil)))
	assert.Equal(t, `"\u00e9"`, v.djangoText("cart"))
}
