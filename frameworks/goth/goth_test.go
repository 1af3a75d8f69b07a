package goth_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	gothsite "example.com/cookiestore/frameworks/goth"
	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/sessiontest"
	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/openidConnect"
	"github.com/stretchr/testify/require"
)

var revocations = cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user")

type site struct {
	t        *testing.T
	url      string
	provider *idp.Provider
	openID   *openidConnect.Provider
	store    cookiestore.Store
	client   *http.Client
	stop     string // a path that redirects are not followed to
	set      [][]*http.Cookie
}

func newSite(t *testing.T) *site {
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	manager, err := cookiestore.NewManager(store, cookiestore.WithSecure(false), revocations)
	require.NoError(t, err)
	s := &site{t: t, store: store, provider: &idp.Provider{
		ClientID: "shop", ClientSecret: "secret", Subject: "248289761001",
		Algorithm: jose.ES256, Lifetime: time.Hour, Padding: 6000, Now: time.Now,
	}}
	provider := httptest.NewServer(s.provider)
	t.Cleanup(provider.Close)
	server := httptest.NewServer(gothsite.New(manager))
	t.Cleanup(server.Close)
	s.url, s.provider.Issuer = server.URL, provider.URL
	s.provider.RedirectURL = s.url + "/auth/openid-connect/callback"
	openID, err := openidConnect.New("shop", "secret", s.provider.RedirectURL, provider.URL+"/.well-known/openid-configuration")
	require.NoError(t, err)
	s.openID = openID
	goth.UseProviders(openID)
	t.Cleanup(goth.ClearProviders)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		s.set = append(s.set, r.Response.Cookies())
		if s.stop != "" && r.URL.Path == s.stop {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return s
}

func (s *site) get(address string) (*http.Response, string) {
	s.t.Helper()
	response, err := s.client.Get(address)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response, strings.TrimSpace(string(text))
}

func TestAVisitorSignsInWithGoth(t *testing.T) {
	s := newSite(t)
	_, text := s.get(s.url + "/auth/openid-connect")
	require.Equal(t, "You are openid-connect 248289761001.", text)
	set := s.set[len(s.set)-1]
	require.Len(t, set, 1, "one cookie, though gothic has saved twice")
	session := sessiontest.Session(t, s.store, set)
	require.Equal(t, []string{"user", "_session_id"}, session.Keys(), "and nothing of the login in it")
}

func TestGothFixesNoSession(t *testing.T) {
	for user, cart := range map[string]bool{"": true, "openid-connect 248289761001": true, "openid-connect 1": false} {
		s := newSite(t)
		values := map[string]any{"cart": "tea"}
		if user != "" {
			values["user"] = user
		}
		before := sessiontest.Cookie(t, s.store, values, revocations)
		to, err := url.Parse(s.url)
		require.NoError(t, err)
		s.client.Jar.SetCookies(to, []*http.Cookie{{Name: before.Name, Value: before.Value}})
		s.get(s.url + "/auth/openid-connect")
		old := sessiontest.Session(t, s.store, []*http.Cookie{before})
		after := sessiontest.Session(t, s.store, s.client.Jar.Cookies(to))
		require.NotEqual(t, old.Get("_session_id"), after.Get("_session_id"), "a session of %q", user)
		require.Equal(t, cart, after.Has("cart"), "a session of %q", user)
	}
}

func TestGothRefusesAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*site, url.Values)
	}{
		{"another state", func(_ *site, f url.Values) { f.Set("state", "AAAA") }},
		{"a state that a link has asked for", func(s *site, f url.Values) { f.Set("state", "chosen") }},
		{"another code", func(_ *site, f url.Values) { f.Set("code", "AAAA") }},
		{"nobody's ID", func(s *site, _ url.Values) {
			s.provider.Subject = ""
			s.openID.OpenIDConfig.UserInfoEndpoint = "" // or goth itself compares the two
		}},
		{"another browser", func(s *site, _ url.Values) { s.client.Jar, _ = cookiejar.New(nil) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.stop = "/auth/openid-connect/callback"
			response, _ := s.get(s.url + "/auth/openid-connect?state=chosen")
			to, err := response.Location()
			require.NoError(t, err)
			fields := to.Query()
			test.change(s, fields)
			to.RawQuery = fields.Encode()
			response, text := s.get(to.String())
			require.Equal(t, http.StatusBadRequest, response.StatusCode)
			require.Equal(t, "You are not signed in.", text)
			_, text = s.get(s.url + "/")
			require.Equal(t, "You are nobody.", text)
		})
	}
}

// gothic compresses, so that its strings are not UTF-8, which JSON can't hold as they are.
func TestTheStoreKeepsAnyBytes(t *testing.T) {
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/", nil)
	session := sessiontest.Session(t, store, nil)
	r = r.WithContext(cookiestore.NewContext(r.Context(), session))
	save := func(change func(*sessions.Session)) {
		login, err := gothsite.Store{}.New(r, "_gothic_session")
		require.NoError(t, err)
		change(login)
		require.NoError(t, login.Save(r, nil))
	}
	save(func(login *sessions.Session) { login.Values["github"] = "\x1f\x8b\x00\xff" })
	cookie := sessiontest.Cookie(t, store, session)
	session = sessiontest.Session(t, store, []*http.Cookie{cookie})
	r = r.WithContext(cookiestore.NewContext(r.Context(), session))
	login, err := gothsite.Store{}.Get(r, "_gothic_session")
	require.NoError(t, err)
	require.Equal(t, map[any]any{"github": "\x1f\x8b\x00\xff"}, login.Values)
	save(func(login *sessions.Session) { login.Options.MaxAge = -1 })
	require.True(t, session.IsEmpty())
}
