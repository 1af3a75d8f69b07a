package login_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/frameworks/login"
	"example.com/cookiestore/sessiontest"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	shop    = "https://shop.test"
	visitor = "https://idp.test 248289761001" // what the session has of the user
)

// A world is a shop, its provider and a clock.
type world struct {
	*browser
	provider *idp.Provider
	time     time.Time
	ended    cookiestore.Revocations
	codes    map[string]bool // the second factor's, each once
}

func newWorld(t *testing.T, change func(*login.Config, *idp.Provider)) *world {
	w := &world{time: time.Now().Truncate(time.Second), codes: map[string]bool{"123456": true}}
	now := func() time.Time { return w.time }
	w.ended = cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(now))
	n := newInternet(t)
	w.browser = newBrowser(t, n, now)
	w.provider = &idp.Provider{
		Issuer: "https://idp.test", ClientID: "shop", ClientSecret: "secret", RedirectURL: shop + "/login/callback",
		Subject: "248289761001", Algorithm: jose.RS256, Lifetime: time.Hour, Asks: true, Now: now,
	}
	n.serve(t, "idp.test", w.provider)
	config := login.Config{
		Key: bytes.Repeat([]byte{7}, 32), URL: shop, SameSite: http.SameSiteLaxMode,
		Issuer: w.provider.Issuer, ClientID: "shop", ClientSecret: "secret",
		Password: func(name, password string) (string, bool) {
			return "7", strings.EqualFold(strings.TrimSpace(name), "ankit") && password == "correct horse"
		},
		SecondFactor: func(userID, code string) bool {
			ok := userID == "7" && w.codes[code]
			delete(w.codes, code)
			return ok
		},
		Revocations: w.ended, Client: &http.Client{Transport: n}, Now: now, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config, w.provider)
	}
	site, err := login.New(t.Context(), config)
	require.NoError(t, err)
	n.serve(t, "shop.test", site)
	n.serve(t, "evil.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.FormValue("to"); to != "" {
			fmt.Fprintf(w, `<!DOCTYPE html><meta http-equiv="refresh" content="0; url=%s">`, to)
		}
	}))
	return w
}

func with(mode http.SameSite, formPost bool) func(*login.Config, *idp.Provider) {
	return func(c *login.Config, _ *idp.Provider) { c.SameSite, c.FormPost = mode, formPost }
}

// flows are the ways that work: which cookie, and how the provider answers.
var flows = []struct {
	name string
	with func(*login.Config, *idp.Provider)
	path []string // that the browser goes through
}{
	{"a Lax session and a redirect", with(http.SameSiteLaxMode, false),
		[]string{"POST shop.test/login", "GET idp.test/authorize", "POST idp.test/authorize", "GET shop.test/login/callback", "GET shop.test/account"}},
	{"a Strict session and a redirect", with(http.SameSiteStrictMode, false),
		[]string{"POST shop.test/login", "GET idp.test/authorize", "POST idp.test/authorize", "GET shop.test/login/callback", "GET shop.test/login/done", "GET shop.test/account"}},
	{"a Lax session and form_post", with(http.SameSiteLaxMode, true),
		[]string{"POST shop.test/login", "GET idp.test/authorize", "POST idp.test/authorize", "POST shop.test/login/callback", "GET shop.test/login/done", "GET shop.test/account"}},
	{"a Strict session and form_post", with(http.SameSiteStrictMode, true),
		[]string{"POST shop.test/login", "GET idp.test/authorize", "POST idp.test/authorize", "POST shop.test/login/callback", "GET shop.test/login/done", "GET shop.test/account"}},
}

func TestAVisitorSignsInAtTheProvider(t *testing.T) {
	for _, flow := range flows {
		for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
			t.Run(flow.name+", "+string(algorithm), func(t *testing.T) {
				w := newWorld(t, func(c *login.Config, p *idp.Provider) {
					flow.with(c, p)
					p.Algorithm = algorithm
				})
				require.Equal(t, http.StatusUnauthorized, w.open(shop+"/account").status)
				require.Equal(t, "Visit number 1 of nobody.", w.open(shop+"/").text)
				shown := w.signIn("?next=/account")
				require.Equal(t, "You are "+visitor+".", shown.text)
				require.Equal(t, flow.path, w.seen)
				require.Equal(t, "Visit number 2 of "+visitor+".", w.open(shop+"/").text, "what the session had is still there")
				require.Len(t, w.cookies("shop.test"), 1, "the login cookie is gone")
				require.Equal(t, "Visit number 1 of nobody.", w.post(shop+"/logout", nil).text)
			})
		}
	}
}

// Strict cookies don't come with what the provider's page leads to: without the page in
// between, the visitor would see the site as a stranger.
func TestAStrictSessionNeedsTheBounce(t *testing.T) {
	w := newWorld(t, with(http.SameSiteStrictMode, false))
	w.signIn("?next=/account")
	require.Equal(t, http.StatusUnauthorized, w.open("https://evil.test/?to="+shop+"/account").status)
	require.Equal(t, http.StatusOK, w.open(shop+"/account").status)
}

// A link of another site comes without a Strict cookie. A session begun there would
// replace the visitor's.
func TestALinkReplacesNoSession(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.signIn("?next=/account")
			w.password()
			w.open("https://evil.test/?to=" + shop + "/")
			require.Equal(t, "You are "+visitor+".", w.open(shop+"/account").text)
			require.Equal(t, "You are local 7.", w.code("123456").text, "half a login is still there, too")
		})
	}
}

func TestTheBouncePageGivesNothingAway(t *testing.T) {
	w := newWorld(t, with(http.SameSiteStrictMode, false))
	_, fields := w.answer("")
	to, err := url.Parse(shop + "/login/callback?" + fields.Encode())
	require.NoError(t, err)
	response, text := w.request(http.MethodGet, to, nil, []string{"idp.test", "shop.test"})
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NotContains(t, text, fields.Get("code"))
	require.Equal(t, "no-referrer", response.Header.Get("Referrer-Policy"))
	require.Contains(t, response.Header["Cache-Control"], "no-store")
	require.Equal(t, http.StatusUnauthorized, w.copy().open(shop+"/account").status, "nobody is signed in before the next page")
}

// Each row is an answer that must sign nobody in. The visitor keeps the session they had.
func TestAnswersThatAreRefused(t *testing.T) {
	alter := func(name string, value any) func(*world, url.Values) {
		return func(w *world, _ url.Values) {
			w.provider.Alter = func(claims map[string]any) { claims[name] = value }
		}
	}
	down := func(path string, status int) func(*world, url.Values) {
		return func(w *world, _ url.Values) { w.provider.Down = map[string]int{path: status} }
	}
	for _, test := range []struct {
		name   string
		answer func(w *world, fields url.Values)
		status int
		says   string
		ended  bool // the attempt can't be finished any more
	}{
		{"another state", func(_ *world, f url.Values) { f.Set("state", "AAAA") }, 400, "This is not the answer to a login that this browser has begun.", false},
		{"no state", func(_ *world, f url.Values) { f.Del("state") }, 400, "This is not the answer to a login that this browser has begun.", false},
		{"nothing at all", func(_ *world, f url.Values) { clear(f) }, 400, "This is not the answer to a login that this browser has begun.", false},
		{"an error of somebody's", func(_ *world, f url.Values) { f.Set("state", ""); f.Set("error", "access_denied") }, 400, "This is not the answer to a login that this browser has begun.", false},
		{"an error of the provider's", func(_ *world, f url.Values) { f.Set("error", "access_denied") }, 403, "The provider has not signed you in.", true},
		{"a code that the provider never gave", func(_ *world, f url.Values) { f.Set("code", "AAAA") }, 400, "The provider does not accept this login.", true},
		{"no code", func(_ *world, f url.Values) { f.Del("code") }, 400, "The provider does not accept this login.", true},
		{"a visitor who took too long", func(w *world, _ url.Values) { w.time = w.time.Add(10*time.Minute + time.Second) }, 400, "", true},
		{"an ID token with another nonce", alter("nonce", "AAAA"), 400, "The provider's ID token is not for this login.", true},
		{"an ID token without a nonce", alter("nonce", ""), 400, "The provider's ID token is not for this login.", true},
		{"an ID token for another client", alter("aud", "other"), 400, "The provider's ID token is not for this login.", true},
		{"an ID token of another issuer", alter("iss", "https://evil.test"), 400, "The provider's ID token is not for this login.", true},
		{"an ID token that has expired", alter("exp", 1), 400, "The provider's ID token is not for this login.", true},
		{"an ID token that another key has signed", func(w *world, _ url.Values) { w.provider.Forge = true }, 400, "The provider's ID token is not for this login.", true},
		{"an ID token about nobody", alter("sub", ""), 400, "Nobody has said who you are.", true},
		{"an ID token whose key can't be fetched", down("/keys", 503), 502, "The provider's answer can't be checked now.\nTo try again", true},
		{"a provider that is down", down("/token", 503), 502, "The provider does not answer as it should. Please reload this page.", false},
		{"a provider with too many requests", down("/token", 429), 502, "The provider does not answer as it should. Please reload this page.", false},
		{"a provider that doesn't know the site now", down("/token", 401), 502, "The provider does not answer as it should. Please reload this page.", false},
	} {
		for _, flow := range flows {
			t.Run(test.name+", "+flow.name, func(t *testing.T) {
				w := newWorld(t, flow.with)
				w.open(shop + "/")
				method, fields := w.answer("?next=/account")
				right, before := url.Values{}, w.cookies("shop.test")
				for name := range fields {
					right.Set(name, fields.Get(name))
				}
				test.answer(w, fields)
				shown := w.send(method, fields)
				require.Equal(t, test.status, shown.status, shown.text)
				require.Contains(t, shown.text, test.says)
				require.Contains(t, shown.text, shop+"/login", "where to try again")
				if !test.ended {
					require.Equal(t, before, w.cookies("shop.test"), "nothing was changed")
					w.provider.Down = nil
					require.Equal(t, "You are "+visitor+".", w.send(method, right).text, "the login goes on")
					return
				}
				w.provider.Alter, w.provider.Forge, w.provider.Down = nil, false, nil
				require.Equal(t, 400, w.send(method, right).status, "the attempt has ended")
				require.Equal(t, 401, w.open(shop+"/account").status)
				require.Equal(t, "Visit number 2 of nobody.", w.open(shop+"/").text, "the session is still there")
			})
		}
	}
}

// signIn goes to the page that begins a login, ticks boxes there and presses the button.
func (w *world) signIn(query string, ticked ...string) page {
	w.t.Helper()
	require.Equal(w.t, http.StatusOK, w.open(shop+"/login"+query).status)
	form := url.Values{}
	for _, box := range ticked {
		form.Set(box, "on")
	}
	return w.post(shop+"/login"+query, form)
}

// answer begins a login and returns what the provider would have the browser send.
func (w *world) answer(query string) (method string, fields url.Values) {
	w.t.Helper()
	w.browser.stopAt = "/login/callback"
	var sent url.Values
	w.browser.stopped = func(m string, to *url.URL, form url.Values) {
		method, sent = m, form
		if m == http.MethodGet {
			sent = to.Query()
		}
	}
	w.signIn(query)
	w.browser.stopAt = ""
	require.NotEmpty(w.t, sent.Get("state"))
	return method, sent
}

// send has a page of the provider's make the browser send the answer.
func (w *world) send(method string, fields url.Values) page {
	w.t.Helper()
	w.at = &url.URL{Scheme: "https", Host: "idp.test"}
	if method == http.MethodGet {
		return w.visit(method, shop+"/login/callback?"+fields.Encode(), nil)
	}
	return w.visit(method, shop+"/login/callback", fields)
}

// An older cookie can be sent again, and has the attempt that was used. The code is what
// counts once.
func TestAnAnswerCountsOnce(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			method, fields := w.answer("?next=/account")
			before := w.browser.copy()
			require.Equal(t, 200, w.send(method, fields).status)
			require.Equal(t, 400, w.send(method, fields).status, "the attempt has ended")
			require.Equal(t, "You are "+visitor+".", w.open(shop+"/account").text, "the login holds")

			w.browser = before
			shown := w.send(method, fields)
			require.Equal(t, 400, shown.status)
			require.Equal(t, 401, w.open(shop+"/account").status)
		})
	}
}

func TestTheSecondOfTwoWindowsCounts(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			method, first := w.answer("")
			_, second := w.answer("?next=/account")
			require.Equal(t, 400, w.send(method, first).status)
			require.Equal(t, "You are "+visitor+".", w.send(method, second).text)
		})
	}
}

// Somebody who has a visitor's browser send the answer to a login of their own would sign
// that visitor in to an account that isn't theirs.
func TestTheAnswerOfAnotherBrowserIsRefused(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.open(shop + "/")
			mine := w.browser
			w.browser = newBrowser(t, mine.net, mine.now)
			method, fields := w.answer("")
			w.browser = mine
			require.Equal(t, 400, w.send(method, fields).status, "without a login under way")
			w.answer("")
			require.Equal(t, 400, w.send(method, fields).status, "with one")
			require.Equal(t, "Visit number 2 of nobody.", w.open(shop+"/").text)
		})
	}
}

// The code is worthless without the verifier, which is in the browser that began.
func TestACodeIsBoundToTheAttempt(t *testing.T) {
	w := newWorld(t, nil)
	_, stolen := w.answer("")
	thief := newBrowser(t, w.net, w.now)
	w.browser = thief
	method, own := w.answer("")
	own.Set("code", stolen.Get("code"))
	shown := w.send(method, own)
	require.Equal(t, 400, shown.status)
	require.Contains(t, shown.text, "The provider does not accept this login.")
}

func TestNobodyGetsASessionFixed(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.open(shop + "/")
			before := w.browser.copy()
			w.signIn("")
			require.Equal(t, "Visit number 1 of nobody.", before.open(shop+"/").text,
				"the cookie from before the login is worthless, what was in it included")
		})
	}
}

func TestTheLoginCookie(t *testing.T) {
	for i, want := range []http.SameSite{0, http.SameSiteLaxMode, http.SameSiteNoneMode, http.SameSiteNoneMode} {
		w := newWorld(t, flows[i].with)
		w.answer("")
		cookie := w.jar["shop.test"]["__Host-login"]
		if want == 0 {
			require.Nil(t, cookie, flows[i].name)
			continue
		}
		require.Equal(t, want, cookie.SameSite, flows[i].name)
		require.Equal(t, w.time.Add(10*time.Minute), cookie.Expires, flows[i].name)
	}
}

func TestEachAttemptHasItsOwnSecrets(t *testing.T) {
	w := newWorld(t, nil)
	var before url.Values
	w.browser.stopAt = "/authorize"
	w.browser.stopped = func(_ string, to *url.URL, _ url.Values) {
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			require.GreaterOrEqual(t, len(to.Query().Get(name)), 26, "%s: 128 random bits", name)
			require.NotEqual(t, before.Get(name), to.Query().Get(name), name)
		}
		before = to.Query()
	}
	w.signIn("")
	w.signIn("")
	require.Equal(t, "S256", before.Get("code_challenge_method"))
}

// keys are what the session has, but for what the package keeps in it itself.
func (w *world) keys() (keys []string) {
	w.t.Helper()
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(w.t, err)
	session := sessiontest.Session(w.t, store, []*http.Cookie{w.jar["shop.test"]["__Host-session"]},
		cookiestore.WithName("__Host-session"), cookiestore.WithClock(w.now))
	for _, key := range session.Keys() {
		if !strings.HasPrefix(key, "_session_") {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestNothingOfALoginIsLeft(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.password()
			w.answer("?next=/account")
			require.Equal(t, "You are "+visitor+".", w.signIn("?next=/account").text)
			require.Equal(t, []string{"user"}, w.keys())
			w.post(shop+"/logout", nil)
			w.answer("")
			w.password()
			w.code("123456")
			require.Equal(t, []string{"visits", "user"}, w.keys())
		})
	}
}

// Anybody may send an answer; it is not read to the end.
func TestLongAnswersAreRefused(t *testing.T) {
	w := newWorld(t, with(http.SameSiteLaxMode, true))
	method, fields := w.answer("?next=/account")
	fields.Set("padding", strings.Repeat("x", 64<<10))
	require.Equal(t, 400, w.send(method, fields).status)
	fields.Del("padding")
	require.Equal(t, 200, w.send(method, fields).status)
}

// In the login cookie, a login that is verified waits for the page after the callback.
func TestTheLoginCookieEndsSoon(t *testing.T) {
	w := newWorld(t, with(http.SameSiteStrictMode, true))
	w.stopAt = "/login/done"
	w.signIn("?next=/account")
	require.Equal(t, 401, w.copy().open(shop+"/account").status, "nobody is signed in yet")
	w.stopAt = ""
	w.time = w.time.Add(time.Minute + time.Second)
	shown := w.open(shop + "/login/done")
	require.Equal(t, 400, shown.status)
	require.Contains(t, shown.text, "There is no login to finish.")
	require.Equal(t, 401, w.open(shop+"/account").status)
}

func TestAnotherUserDoesNotGetTheSession(t *testing.T) {
	w := newWorld(t, nil)
	w.open(shop + "/")
	w.signIn("")
	require.Equal(t, "Visit number 3 of "+visitor+".", w.open(shop+"/").text)
	w.provider.Subject = "2"
	require.Equal(t, "Visit number 1 of https://idp.test 2.", w.signIn("").text)
}

func TestRememberMe(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name   string
		ticked []string
		closed bool
		visits []time.Duration // after one another
		status int             // of the last
	}{
		{"the browser is closed", nil, true, []time.Duration{0}, 401},
		{"the browser stays open", nil, false, []time.Duration{time.Hour}, 200},
		{"the browser is closed, and remembers", []string{"remember"}, true, []time.Duration{29 * day}, 200},
		{"30 days later", []string{"remember"}, false, []time.Duration{30*day + time.Second}, 401},
		{"30 days later, with a visit in between", []string{"remember"}, true, []time.Duration{16 * day, 29 * day}, 200},
	} {
		for _, flow := range flows {
			t.Run(test.name+", "+flow.name, func(t *testing.T) {
				w := newWorld(t, flow.with)
				w.signIn("?next=/account", test.ticked...)
				if test.closed {
					w.close()
				}
				status := 0
				for _, after := range test.visits {
					w.time = w.time.Add(after)
					status = w.open(shop + "/account").status
				}
				require.Equal(t, test.status, status)
			})
		}
	}
}

func TestTheLoginLeadsBackToThisSiteOnly(t *testing.T) {
	w := newWorld(t, nil)
	shown := w.signIn("?next=" + url.QueryEscape("//evil.test/account"))
	require.Equal(t, shop+"/", shown.address)
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/account":                     "/account",
		"/a?b=c&d=/e#f":                "/a?b=c&d=/e#f",
		"":                             "/",
		"account":                      "/",
		"?a":                           "/",
		"https://evil.test/":           "/",
		"//evil.test/":                 "/",
		"///evil.test/":                "/",
		`/\evil.test/`:                 "/",
		`\/evil.test/`:                 "/",
		`/a\..\..\evil.test`:           "/",
		"/\t/evil.test/":               "/",
		"\n//evil.test/":               "/",
		" //evil.test/":                "/",
		"javascript:alert(1)":          "/",
		"/%zz":                         "/",
		"http:/account":                "/",
		"/" + strings.Repeat("a", 499): "/" + strings.Repeat("a", 499),
		"/" + strings.Repeat("a", 500): "/",
	} {
		assert.Equal(t, want, login.LocalPath(next), "%q", next)
	}
}
