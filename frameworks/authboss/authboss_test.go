package authboss_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	absite "example.com/cookiestore/frameworks/authboss"
	"example.com/cookiestore/sessiontest"
	"github.com/aarondl/authboss/v3"
	_ "github.com/aarondl/authboss/v3/auth"
	"github.com/aarondl/authboss/v3/defaults"
	_ "github.com/aarondl/authboss/v3/logout"
	"github.com/aarondl/authboss/v3/remember"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// A user is a row of the site's table.
type user struct{ name, password string }

func (u *user) GetPID() string       { return u.name }
func (u *user) PutPID(name string)   { u.name = name }
func (u *user) GetPassword() string  { return u.password }
func (u *user) PutPassword(p string) { u.password = p }

// users are the table, with the tokens of remember-me.
type users struct {
	row    user
	tokens []string
}

func (u *users) Load(_ context.Context, name string) (authboss.User, error) {
	if name != u.row.name {
		return nil, authboss.ErrUserNotFound
	}
	row := u.row
	return &row, nil
}

func (u *users) Save(context.Context, authboss.User) error { return nil }

func (u *users) AddRememberToken(_ context.Context, _, token string) error {
	u.tokens = append(u.tokens, token)
	return nil
}

func (u *users) DelRememberTokens(context.Context, string) error {
	u.tokens = nil
	return nil
}

func (u *users) UseRememberToken(_ context.Context, _, token string) error {
	i := slices.Index(u.tokens, token)
	if i < 0 {
		return authboss.ErrTokenNotFound
	}
	u.tokens = slices.Delete(u.tokens, i, i+1)
	return nil
}

type site struct {
	t      *testing.T
	url    string
	store  cookiestore.Store
	client *http.Client
	time   time.Time
}

const (
	sessionCookie  = "__Host-session"
	rememberCookie = "__Host-remember"
)

func newSite(t *testing.T) *site {
	password, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	require.NoError(t, err)
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	s := &site{t: t, store: store, time: time.Now()}

	ab := authboss.New()
	ab.Config.Core.ViewRenderer = defaults.JSONRenderer{}
	defaults.SetCore(&ab.Config, true, true)
	ab.Config.Core.Logger = defaults.NewLogger(io.Discard)
	ab.Config.Core.ErrorHandler = defaults.NewErrorHandler(ab.Config.Core.Logger)
	ab.Config.Paths.Mount = "/auth"
	ab.Config.Modules.LogoutMethod = "POST"
	ab.Config.Storage.Server = &users{row: user{"ankit", string(password)}}
	ab.Config.Storage.SessionState = absite.State{Cookie: sessionCookie}
	ab.Config.Storage.CookieState = absite.State{Cookie: rememberCookie}
	ab.Config.Storage.SessionStateWhitelistKeys = []string{"theme", "size"}
	require.NoError(t, ab.Init())

	clock := cookiestore.WithClock(func() time.Time { return s.time })
	session := cookiestore.Middleware(store, cookiestore.WithName(sessionCookie), clock,
		cookiestore.WithExpireAtBrowserClose(), cookiestore.WithMaxAge(time.Hour),
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), authboss.SessionKey))
	remembered := cookiestore.Middleware(store, cookiestore.WithName(rememberCookie), clock, cookiestore.WithMaxAge(30*24*time.Hour))

	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", ab.Config.Core.Router))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		id, err := ab.CurrentUserID(r)
		require.NoError(t, err)
		io.WriteString(w, "You are "+id+".")
	})
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, r *http.Request) {
		session, _ := cookiestore.FromContextNamed(r.Context(), sessionCookie)
		session.Update(map[string]any{"theme": "dark", "size": 12, "cart": "tea"})
	})
	server := httptest.NewTLSServer(remembered(session(ab.LoadClientStateMiddleware(remember.Middleware(ab)(mux)))))
	t.Cleanup(server.Close)
	s.url, s.client = server.URL, server.Client()
	s.client.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

func (s *site) ask(method, path, body string) string {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer response.Body.Close()
	require.Less(s.t, response.StatusCode, 400, path)
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return string(text)
}

func (s *site) signIn(remember string) {
	s.t.Helper()
	s.ask("POST", "/auth/login", `{"username":"ankit","password":"correct horse","rm":"`+remember+`"}`)
	require.Equal(s.t, "You are ankit.", s.ask("GET", "/", ""))
}

// cookies returns those that the browser would send.
func (s *site) cookies() map[string]*http.Cookie {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.url, nil)
	require.NoError(s.t, err)
	all := map[string]*http.Cookie{}
	for _, c := range s.client.Jar.Cookies(r.URL) {
		all[c.Name] = c
	}
	return all
}

func (s *site) keys() []string {
	s.t.Helper()
	cookie := s.cookies()[sessionCookie]
	require.NotNil(s.t, cookie)
	return sessiontest.Session(s.t, s.store, []*http.Cookie{cookie}, cookiestore.WithName(sessionCookie)).Keys()
}

func (s *site) put(c *http.Cookie) {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.url, nil)
	require.NoError(s.t, err)
	s.client.Jar.SetCookies(r.URL, []*http.Cookie{{Name: c.Name, Value: c.Value, Secure: true, Path: "/"}})
}

func TestAVisitorSignsInWithAuthboss(t *testing.T) {
	s := newSite(t)
	require.Equal(t, "You are .", s.ask("GET", "/", ""))
	require.Empty(t, s.cookies(), "a visit without a login leaves no cookie")
	require.Contains(t, s.ask("POST", "/auth/login", `{"username":"ankit","password":"wrong"}`), "Invalid Credentials")
	require.Equal(t, "You are .", s.ask("GET", "/", ""))
	s.signIn("")
	require.Len(t, s.cookies(), 1, "nothing is remembered")
}

func TestAuthbossSignsOut(t *testing.T) {
	s := newSite(t)
	s.ask("GET", "/settings", "")
	s.signIn("true")
	require.Len(t, s.cookies(), 2)
	before := s.cookies()[sessionCookie]
	s.ask("POST", "/auth/logout", "")
	require.Equal(t, "You are .", s.ask("GET", "/", ""))
	require.NotContains(t, s.cookies(), rememberCookie)
	require.NotContains(t, s.keys(), "cart")
	require.Subset(t, s.keys(), []string{"theme", "size"}, "what the site has said to keep")
	s.put(before)
	require.Equal(t, "You are .", s.ask("GET", "/", ""), "a copy of the cookie is worthless")
}

func TestAuthbossFixesNoSession(t *testing.T) {
	s := newSite(t)
	s.ask("GET", "/settings", "")
	before := s.cookies()[sessionCookie]
	s.signIn("")
	require.Contains(t, s.keys(), "cart", "the session goes on")
	s.put(before)
	s.ask("GET", "/settings", "")
	require.NotEqual(t, before.Value, s.cookies()[sessionCookie].Value)
	require.Equal(t, "You are .", s.ask("GET", "/", ""))
}

func TestAuthbossGivesNobodyAnothersSession(t *testing.T) {
	for user, cart := range map[string]bool{"ankit": true, "ann": false} {
		s := newSite(t)
		before := sessiontest.Cookie(t, s.store, map[string]any{authboss.SessionKey: user, "cart": "tea"}, cookiestore.WithName(sessionCookie))
		s.put(before)
		require.Equal(t, "You are "+user+".", s.ask("GET", "/", ""))
		s.signIn("")
		require.Equal(t, cart, slices.Contains(s.keys(), "cart"), "a session of %s", user)
		s.put(before)
		require.Equal(t, "You are .", s.ask("GET", "/", ""), "a copy of the cookie is worthless")
	}
}

func TestAuthbossRemembers(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration
		who   string
	}{
		{"the next day", 24 * time.Hour, "You are ankit."},
		{"after more than 30 days", 30*24*time.Hour + time.Second, "You are ."},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.signIn("true")
			s.time = s.time.Add(test.after)
			require.Equal(t, test.who, s.ask("GET", "/", ""))
		})
	}
}

// authboss counts each token once; the older cookie has an older one.
func TestARememberCookieCountsOnce(t *testing.T) {
	s := newSite(t)
	s.signIn("true")
	before := s.cookies()[rememberCookie]
	s.time = s.time.Add(2 * time.Hour)
	require.Equal(t, "You are ankit.", s.ask("GET", "/", ""))
	s.time = s.time.Add(2 * time.Hour)
	s.put(before)
	require.Equal(t, "You are .", s.ask("GET", "/", ""))
}

func TestAuthbossWithoutTheMiddleware(t *testing.T) {
	_, err := absite.State{Cookie: sessionCookie}.ReadState(httptest.NewRequest("GET", "/", nil))
	require.EqualError(t, err, "there is no middleware for the cookie "+sessionCookie)
	err = absite.State{}.WriteState(nil, nil, nil)
	require.EqualError(t, err, "authboss has not read the session that it changes")
}
