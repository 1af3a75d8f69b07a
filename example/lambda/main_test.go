package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.com/cookiestore"
	"example.com/cookiestore/example/lambda/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	hexKey   = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	newerKey = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // sessions fail here on purpose
	os.Exit(m.Run())
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// A visitor is a browser behind a front.
type visitor struct {
	t       *testing.T
	gateway *gateway.Gateway
	http    *http.Client
}

const site = "https://visits.example/"

func newVisitor(t *testing.T, front gateway.Front) *visitor {
	event, err := gateway.Recorded(front)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u, err := url.Parse(site)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: "theme", Value: "dark"}})
	g := &gateway.Gateway{Front: front, Event: event, Invoke: coldStart}
	return &visitor{t, g, &http.Client{Jar: jar, Transport: g}}
}

// coldStart invokes a function that has just been started.
func coldStart(ctx context.Context, text []byte) (*gateway.Answer, error) {
	sessions, err := newSessions(ctx, env("SESSION_KEY", hexKey))
	if err != nil {
		return nil, err
	}
	return invoke(ctx, sessions, text)
}

func invoke(ctx context.Context, sessions *cookiestore.Manager, text []byte) (*gateway.Answer, error) {
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	r, err := (&counter{sessions}).handle(ctx, e)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(r)
	return &gateway.Answer{ContentType: "application/json", Body: io.NopCloser(strings.NewReader(string(answer)))}, err
}

// visits says the visitor's name and returns the answer.
func (v *visitor) visits(name string) (status int, text string, cookies []*http.Cookie) {
	v.t.Helper()
	response, err := v.http.Get(site + "?name=" + url.QueryEscape(name))
	require.NoError(v.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	if response.StatusCode != http.StatusBadGateway {
		assert.Equal(v.t, "no-store", response.Header.Get("Cache-Control"))
	}
	return response.StatusCode, string(body), response.Cookies()
}

func (v *visitor) wants(name, text string) {
	v.t.Helper()
	status, got, cookies := v.visits(name)
	assert.Equal(v.t, http.StatusOK, status)
	assert.Equal(v.t, text, got)
	if assert.Len(v.t, cookies, 1) {
		assert.True(v.t, cookies[0].HttpOnly && cookies[0].Secure && cookies[0].SameSite == http.SameSiteLaxMode, cookies[0])
	}
}

func everyFront(t *testing.T, test func(t *testing.T, v *visitor)) {
	for _, front := range gateway.Fronts {
		t.Run(string(front), func(t *testing.T) { test(t, newVisitor(t, front)) })
	}
}

func TestVisitsAreCountedFromEventToEvent(t *testing.T) {
	everyFront(t, func(t *testing.T, v *visitor) {
		v.wants("", "Hello, stranger. Visits: 1\n")
		v.wants("Ankit", "Hello, Ankit. Visits: 2\n")
		v.wants("", "Hello, Ankit. Visits: 3\n")
	})
}

func TestCookieThatWasChangedCountsForNothing(t *testing.T) {
	everyFront(t, func(t *testing.T, v *visitor) {
		_, _, cookies := v.visits("Ankit")
		cookies[0].Value = "x" + cookies[0].Value
		u, err := url.Parse(site)
		require.NoError(t, err)
		v.http.Jar.SetCookies(u, cookies)
		v.wants("", "Hello, stranger. Visits: 1\n")
	})
}

func TestSessionThatIsTooLargeSetsNoCookie(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // so that it hardly compresses
	long := make([]byte, 5000)
	for i := range long {
		long[i] = byte('a' + random.IntN(26))
	}
	everyFront(t, func(t *testing.T, v *visitor) {
		v.wants("Ankit", "Hello, Ankit. Visits: 1\n")
		status, text, cookies := v.visits(string(long))
		assert.Equal(t, http.StatusInternalServerError, status)
		assert.Equal(t, "The session could not be saved, and nothing was changed.\n", text)
		assert.Empty(t, cookies)
		v.wants("", "Hello, Ankit. Visits: 2\n")
	})
}

// Several cookies at once are those of a session in other scopes that is flushed, or in
// parts.
func TestLoadBalancerTakesOneCookieOrSaysSo(t *testing.T) {
	cookies := []*http.Cookie{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}
	one := event{}
	one.RequestContext.LoadBalancer = &struct{}{}
	assert.False(t, one.takesCookies())
	several := one
	several.MultiValueHeaders = map[string][]string{}
	assert.True(t, several.takesCookies())
	assert.Equal(t, []string{"a=1", "b=2"}, several.answer(200, "", cookies).MultiValueHeaders["Set-Cookie"])
	assert.Equal(t, []string{"a=1", "b=2"}, (&event{Version: "2.0"}).answer(200, "", cookies).Cookies)
}

func TestQueryOfALoadBalancerIsEncoded(t *testing.T) {
	e := event{Query: map[string]string{"name": "Ank%69t"}}
	name, err := e.query("name")
	require.NoError(t, err)
	assert.Equal(t, "Ank%69t", name)
	e.RequestContext.LoadBalancer = &struct{}{}
	name, err = e.query("name")
	require.NoError(t, err)
	assert.Equal(t, "Ankit", name)
	e.Query["name"] = "%"
	_, err = e.query("name")
	assert.Error(t, err)
}

func TestKeysThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ key, fallbacks, says string }{
		"none":                {"", "", "must have at least 32"},
		"one that is short":   {hexKey[:62], "", "has 31 bytes"},
		"one that is not hex": {"?" + hexKey[1:], "", "SESSION_KEY, key 1: cookiestore: the key is neither hex nor base64"},
		"the second":          {hexKey, "?" + newerKey[1:], "SESSION_KEY, key 2: cookiestore: the key is neither hex nor base64"},
	} {
		_, err := newSessions(t.Context(), env("SESSION_KEY", test.key, "SESSION_FALLBACK_KEYS", test.fallbacks))
		require.ErrorContains(t, err, test.says, name)
		assert.NotContains(t, err.Error(), hexKey[1:], name)
		assert.NotContains(t, err.Error(), newerKey[1:], name)
	}
}

func TestKeysFromSecretsManager(t *testing.T) {
	status, body := http.StatusOK, `{"SecretString":"`+newerKey+`\n`+hexKey+`\n"}`
	extension := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/secretsmanager/get?secretId=session%2Fkeys", r.URL.String())
		assert.Equal(t, "token", r.Header.Get("X-Aws-Parameters-Secrets-Token"))
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer extension.Close()
	u, err := url.Parse(extension.URL)
	require.NoError(t, err)
	getenv := env("SESSION_SECRET_ID", "session/keys", "AWS_SESSION_TOKEN", "token", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", u.Port())

	key, fallbacks, err := keys(t.Context(), getenv)
	require.NoError(t, err)
	newer, err := cookiestore.ParseKey(newerKey)
	require.NoError(t, err)
	older, err := cookiestore.ParseKey(hexKey)
	require.NoError(t, err)
	assert.Equal(t, newer, key)
	assert.Equal(t, [][]byte{older}, fallbacks)

	for name, test := range map[string]struct {
		status     int
		body, says string
	}{
		"a refusal":         {http.StatusBadRequest, "", "the secret session/keys: the extension answers 400 Bad Request"},
		"what is no JSON":   {http.StatusOK, hexKey + "x", "the secret session/keys: the extension's answer is not JSON"},
		"an empty secret":   {http.StatusOK, `{"SecretString":""}`, "the secret session/keys: it is empty"},
		"a key that is bad": {http.StatusOK, `{"SecretString":"short"}`, "the secret session/keys, key 1"},
	} {
		status, body = test.status, test.body
		_, _, err := keys(t.Context(), getenv)
		require.ErrorContains(t, err, test.says, name)
		assert.NotContains(t, err.Error(), hexKey, name)
	}
}
