package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A clock stands still until it is told to go on.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A visitor has a cookie jar, and a site with its own clock. The jar goes by
// the real time, so it sends cookies that are over by the site's.
type visitor struct {
	*testing.T
	client *http.Client
	base   *url.URL
	clock  *clock
}

func (p place) visit(t *testing.T, flags ...string) *visitor {
	t.Helper()
	clock := &clock{at: time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)}
	server := p.serve(t, clock.now, flags...)
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, &http.Client{Jar: jar}, base, clock}
}

// do sends the request and returns status, header and text of the answer.
func (v *visitor) do(r *http.Request) (int, http.Header, string) {
	v.Helper()
	response, err := v.client.Do(r)
	require.NoError(v, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v, err)
	return response.StatusCode, response.Header, string(body)
}

func (v *visitor) request(method, path string, form url.Values) *http.Request {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), method, v.base.String()+path, strings.NewReader(form.Encode()))
	require.NoError(v, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (v *visitor) get(path string) string {
	v.Helper()
	status, _, body := v.do(v.request("GET", path, nil))
	require.Equal(v, http.StatusOK, status, body)
	return body
}

// fields makes a form of names and values in turn.
func fields(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// post returns the page that the answer leads to.
func (v *visitor) post(path string, pairs ...string) string {
	v.Helper()
	status, _, body := v.do(v.request("POST", path, fields(pairs...)))
	require.Equal(v, http.StatusOK, status, body)
	return body
}

// cookie returns the value of the session cookie in the jar, or "".
func (v *visitor) cookie() string {
	for _, c := range v.client.Jar.Cookies(v.base) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	return ""
}

func (v *visitor) setCookie(value string) {
	v.client.Jar.SetCookies(v.base, []*http.Cookie{{Name: "sessionid", Value: value, Path: "/"}})
}

func (v *visitor) data() string {
	v.Helper()
	var answer struct{ Data json.RawMessage }
	require.NoError(v, json.Unmarshal([]byte(v.get("/session.json")), &answer))
	return string(answer.Data)
}

func homeCountsVisits(t *testing.T, on place) {
	v := on.visit(t)
	first := v.get("/")
	assert.Contains(t, first, "You have visited this page 1 time.")
	assert.Contains(t, first, "The count is in your session.")
	for _, link := range routes[1:] {
		assert.Contains(t, first, `<a href="`+link.Path+link.Query+`">`+link.Path+link.Query+`</a>`)
	}
	assert.Contains(t, v.get("/"), "You have visited this page 2 times.")
	assert.Contains(t, v.get("/"), "You have visited this page 3 times.")
	assert.Contains(t, on.visit(t).get("/"), "You have visited this page 1 time.", "another visitor")
}

func sessfunCountsToFiveAgainAndAgain(t *testing.T, on place) {
	v := on.visit(t)
	for _, want := range strings.Split("1234512345", "") {
		assert.Equal(t, "view count="+want+"\n", v.get("/sessfun"))
		v.get("/") // does not disturb it
	}
	_, header, _ := v.do(v.request("GET", "/sessfun", nil))
	assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
}

func nameIsKeptForThirtySeconds(t *testing.T, on place) {
	v := on.visit(t)
	assert.Contains(t, v.get("/get-session"), "Session has expired")
	assert.Contains(t, v.get("/set-session?name=Ankit"), "Session is set...")
	greeting := v.get("/get-session")
	assert.Contains(t, greeting, "Hello, Ankit")
	assert.NotContains(t, greeting, "Session has expired")
	copied := v.cookie()

	v.clock.advance(30 * time.Second)
	assert.Contains(t, v.get("/get-session"), "Hello, Ankit", "the last second counts")
	v.clock.advance(time.Second)
	v.setCookie(copied) // browsers drop it by now; whoever copied it does not
	assert.Contains(t, v.get("/get-session"), "Session has expired")
	assert.Empty(t, v.cookie(), "what is over is deleted")
	v.setCookie(copied)
	assert.Contains(t, v.get("/inspect"), "expired: ended 2026-03-01T12:00:30Z")
}

func nameIsEscaped(t *testing.T, on place) {
	v := on.visit(t)
	v.get("/set-session?name=" + url.QueryEscape(`<b>"Zoë"`))
	assert.Contains(t, v.get("/get-session"), "Hello, &lt;b&gt;&#34;Zoë&#34;")
}

func carIsSetChangedInPlaceAndDeleted(t *testing.T, on place) {
	v := on.visit(t)
	assert.Contains(t, v.get("/car"), "You drive a mini with steel wheels.")
	assert.Equal(t, `{}`, v.data(), "showing the default stores nothing")

	page := v.post("/car", "op", "set", "model", "beetle")
	assert.Contains(t, page, "You drive a beetle with steel wheels.")
	assert.Contains(t, page, `<p class="flash" role="status">You now drive a beetle.</p>`)
	assert.NotContains(t, v.get("/car"), "You now drive", "a flash is shown once")
	assert.NotContains(t, v.get("/car"), "mini")

	assert.Contains(t, v.post("/car", "op", "wheels", "wheels", "alloy"), "You drive a beetle with alloy wheels.")
	v.get("/car")
	assert.Equal(t, `{"my_car":{"model":"beetle","wheels":"alloy"}}`, v.data())

	assert.Contains(t, v.post("/car", "op", "delete"), "Your car is gone.")
	assert.Contains(t, v.get("/car"), "You drive a mini with steel wheels.")
}

func wheelsNeedNoCar(t *testing.T, on place) {
	for name, before := range map[string]string{"none is set": "", "something else is": `"mini"`} {
		v := on.visit(t)
		if before != "" {
			v.post("/session", "op", "set", "key", "my_car", "value", before)
		}
		assert.Contains(t, v.post("/car", "op", "wheels", "wheels", "alloy"), "You drive a mini with alloy wheels.", name)
	}
}

func carRefusesAnUnknownOperation(t *testing.T, on place) {
	v := on.visit(t)
	status, _, body := v.do(v.request("POST", "/car", fields("op", "sell")))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, `field "op": "sell" is none of set, wheels, delete`+"\n", body)
}

func sessionJSON(t *testing.T, on place) {
	v := on.visit(t)
	assert.Equal(t, `{"data":{},"new":true,"modified":false,"expiry_age":1209600,"expiry_date":"2026-03-15T12:00:00Z",`+
		`"browser_close":false,"store":"`+on.store+`","cookie_bytes":0}`+"\n", v.get("/session.json"))
	assert.Empty(t, v.cookie(), "looking sets no cookie")

	v.get("/set-session?name=Ankit")
	var answer struct {
		New         bool
		CookieBytes int `json:"cookie_bytes"`
	}
	require.NoError(t, json.Unmarshal([]byte(v.get("/session.json")), &answer))
	assert.False(t, answer.New)
	assert.Equal(t, len("sessionid")+len(v.cookie()), answer.CookieBytes)
}

func operations(t *testing.T, on place) {
	type post []string
	rest := `,"store":"` + on.store + `"`
	for _, test := range []struct {
		name  string
		posts []post
		says  string // part of the last answer
		data  string // what is in the session afterwards
	}{
		{"a value is kept as it was written",
			[]post{{"op", "set", "key", "n", "value", ` [1.0, 12345678901234567890123, "<\u00e9>"] `}},
			`{"data":{"n":[1.0,12345678901234567890123,"<\u00e9>"]},"new":true,"modified":true,`,
			`{"n":[1.0,12345678901234567890123,"<\u00e9>"]}`},
		{"keys stay in the order in which they came",
			[]post{{"op", "set", "key", "b", "value", "1"}, {"op", "set", "key", "a", "value", "2"}, {"op", "set", "key", "b", "value", "3"}},
			`{"data":{"b":3,"a":2},"new":false,"modified":true,`, `{"b":3,"a":2}`},
		{"a key is deleted",
			[]post{{"op", "set", "key", "b", "value", "1"}, {"op", "set", "key", "a", "value", "2"}, {"op", "delete", "key", "b"}},
			`{"data":{"a":2},`, `{"a":2}`},
		{"deleting what is not there changes nothing",
			[]post{{"op", "set", "key", "b", "value", "1"}, {"op", "delete", "key", "a"}}, `"modified":false`, `{"b":1}`},
		{"clear leaves nothing", []post{{"op", "set", "key", "b", "value", "1"}, {"op", "clear"}}, `{"data":{},`, `{}`},
		{"flush leaves nothing", []post{{"op", "set", "key", "b", "value", "1"}, {"op", "flush"}}, `{"data":{},`, `{}`},
		{"cycle keeps the data", []post{{"op", "set", "key", "b", "value", "1"}, {"op", "cycle"}}, `{"data":{"b":1},"new":false,"modified":true`, `{"b":1}`},
		{"an expiry in seconds",
			[]post{{"op", "expiry", "value", "90"}},
			`"expiry_age":90,"expiry_date":"2026-03-01T12:01:30Z","browser_close":false` + rest, `{"_session_expiry":90}`},
		{"an expiry of zero is browser close",
			[]post{{"op", "expiry", "value", "0"}},
			`"expiry_age":1209600,"expiry_date":"2026-03-15T12:00:00Z","browser_close":true` + rest, `{"_session_expiry":0}`},
		{"an expiry at a time",
			[]post{{"op", "expiry", "value", "2026-03-01T14:00:00+01:00"}},
			`"expiry_age":3600,"expiry_date":"2026-03-01T13:00:00Z","browser_close":false` + rest,
			`{"_session_expiry":"2026-03-01T13:00:00+00:00"}`},
		{"an empty expiry is the default again",
			[]post{{"op", "set", "key", "b", "value", "1"}, {"op", "expiry", "value", "90"}, {"op", "expiry", "value", ""}},
			`"expiry_age":1209600`, `{"b":1}`},
		{"a negative expiry ends the session",
			[]post{{"op", "set", "key", "b", "value", "1"}, {"op", "expiry", "value", "-9223372036854775808"}}, `"expiry_age":-1,`, `{}`},
		{"the test cookie is set", []post{{"op", "testcookie"}}, `{"data":{"testcookie":"worked"}`, `{"testcookie":"worked"}`},
		{"the test cookie that came back is deleted", []post{{"op", "testcookie"}, {"op", "testcookie"}}, `{"data":{},"new":false`, `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := on.visit(t)
			var answer string
			for _, fields := range test.posts {
				answer = v.post("/session", fields...)
			}
			assert.Contains(t, answer, test.says)
			assert.Equal(t, test.data, v.data())
			assert.Equal(t, test.data == `{}`, v.cookie() == "", "an empty session has no cookie")
		})
	}
}

func badFieldsLeaveTheSessionAsItWas(t *testing.T, on place) {
	for _, test := range []struct {
		name   string
		fields []string
		says   string
	}{
		{"no operation", nil, `field "op": "" is none of set, delete`},
		{"an unknown operation", []string{"op", "steal"}, `field "op": "steal" is none of set, delete`},
		{"set without a key", []string{"op", "set", "value", "1"}, `field "key": missing`},
		{"delete without a key", []string{"op", "delete"}, `field "key": missing`},
		{"set without a value", []string{"op", "set", "key", "n"}, `field "value": not JSON`},
		{"a value that is not JSON", []string{"op", "set", "key", "n", "value", "{nope}"}, `field "value": not JSON: invalid character 'n'`},
		{"a value that is not UTF-8", []string{"op", "set", "key", "n", "value", "\"\xff\""}, `field "value": not UTF-8`},
		{"a key that is not UTF-8", []string{"op", "set", "key", "\xff", "value", "1"}, `field "key": not UTF-8`},
		{"what can't be an expiry", []string{"op", "set", "key", "_session_expiry", "value", "true"}, `field "value": `},
		{"an expiry that is no number", []string{"op", "expiry", "value", "soon"}, `field "value": "soon" is neither whole seconds nor`},
		{"an expiry of part of a second", []string{"op", "expiry", "value", "1.5"}, `field "value": "1.5" is neither`},
		{"an expiry of too many seconds", []string{"op", "expiry", "value", "9223372037"}, `field "value": 9223372037 seconds are over 290 years`},
		{"a time without a zone", []string{"op", "expiry", "value", "2030-01-31T12:00:00"}, `field "value": "2030-01-31T12:00:00" is neither`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := on.visit(t)
			v.post("/session", "op", "set", "key", "n", "value", "1")
			before := v.cookie()
			status, _, body := v.do(v.request("POST", "/session", fields(test.fields...)))
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Contains(t, body, test.says)
			assert.Equal(t, before, v.cookie())
		})
	}
	t.Run("a name that is missing", func(t *testing.T) {
		v := on.visit(t)
		status, _, body := v.do(v.request("GET", "/set-session", nil))
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, body, `field "name": missing`)
	})
}

func multipartFormIsAForm(t *testing.T, on place) {
	v := on.visit(t)
	r := v.request("POST", "/session", nil)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Body = io.NopCloser(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"op\"\r\n\r\ntestcookie\r\n--x--\r\n"))
	status, _, body := v.do(r)
	require.Equal(t, http.StatusOK, status, body)
	assert.Equal(t, `{"testcookie":"worked"}`, v.data())
}

func formsThatCannotBeRead(t *testing.T, on place) {
	v := on.visit(t)
	status, _, body := v.do(v.request("POST", "/session", fields("op", "set", "value", strings.Repeat("x", maxBody))))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Equal(t, "the form has over 65536 bytes\n", body)

	status, _, body = v.do(v.request("GET", "/?a=%zz", nil))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "the form can't be read")
}

func TestSessionThatIsTooLargeIsNotSaved(t *testing.T) {
	v := cookies.visit(t)
	v.post("/session", "op", "set", "key", "n", "value", "1")
	before := v.cookie()
	status, header, body := v.do(v.request("POST", "/session", fields("op", "set", "key", "big", "value", `"`+noise(4000)+`"`)))
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.Contains(t, body, "The session could not be loaded or saved. Please try again.")
	assert.Contains(t, body, `largest keys: "big"`)
	assert.Equal(t, "no-store", header.Get("Cache-Control"))
	assert.Equal(t, before, v.cookie())
}

func TestSessionThatWasEndedMeanwhileIsTheVisitorsError(t *testing.T) {
	w := httptest.NewRecorder()
	notSaved(w, nil, fmt.Errorf("a store: %w", cookiestore.ErrInterrupted))
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "Your session was ended by another request, and nothing was changed.")
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

// noise returns n characters that hardly compress.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('0' + random.IntN(64))
		if text[i] == '\\' {
			text[i] = 'x'
		}
	}
	return string(text)
}

func TestInspect(t *testing.T) {
	v := cookies.visit(t)
	assert.Contains(t, v.get("/inspect"), "Your browser sent no session cookie.")

	v.get("/set-session?name=" + url.QueryEscape("</code>"))
	v.clock.advance(10 * time.Second)
	page := v.get("/inspect")
	assert.Contains(t, page, "<strong>Verifies:</strong>")
	for i, class := range []string{"payload", "timestamp", "signature"} {
		assert.Contains(t, page, `<span class="`+class+`">`+strings.Split(v.cookie(), ":")[i]+`</span>`)
	}
	assert.Contains(t, page, "not compressed")
	assert.Contains(t, page, `<time datetime="2026-03-01T12:00:00Z">1 March 2026, 12:00:00 UTC</time>`)
	assert.Contains(t, page, `In 20 seconds:`+"\n"+`<time datetime="2026-03-01T12:00:30Z">`)
	assert.Contains(t, html.UnescapeString(page), "{\n  \"name\": \"</code>\",\n  \"_session_expiry\": 30\n}")
	assert.Equal(t, 1, strings.Count(page, "</code>"), "the JSON is escaped")

	t.Run("a cookie that was changed does not verify, and is not decoded", func(t *testing.T) {
		good := v.cookie()
		defer v.setCookie(good)
		for _, changed := range []string{"x" + good, good[:len(good)-1] + "!", strings.Replace(good, ":", ":1", 1)} {
			v.setCookie(changed)
			page := v.get("/inspect")
			assert.Contains(t, page, "<strong>Does not verify:</strong> signature does not match.")
			assert.Contains(t, page, "Not decoded")
			assert.NotContains(t, page, "_session_expiry")
			assert.Contains(t, v.get("/get-session"), "Session has expired")
		}
		v.setCookie("rubbish")
		assert.Contains(t, v.get("/inspect"), "<strong>Does not verify:</strong> malformed")
	})
	t.Run("a large session is compressed", func(t *testing.T) {
		v.post("/session", "op", "set", "key", "long", "value", `"`+strings.Repeat("long ", 500)+`"`)
		assert.Contains(t, v.get("/inspect"), "compressed JSON")
	})
	t.Run("a browser session says so", func(t *testing.T) {
		v.post("/session", "op", "expiry", "value", "0")
		page := v.get("/inspect")
		assert.Contains(t, page, "In about 14 days:")
		assert.Contains(t, page, "the browser forgets it when it is closed")
	})
}

func oldKeysAreAcceptedAndReplaced(t *testing.T, on place) {
	old := on.visit(t)
	old.get("/")
	newKey := strings.Repeat("ab", 32)

	v := on.visit(t, "-key", newKey)
	v.setCookie(old.cookie())
	assert.Contains(t, v.get("/inspect"), "Does not verify")

	v = on.visit(t, "-key", newKey, "-old-keys", hexKey)
	v.setCookie(old.cookie())
	assert.Contains(t, v.get("/inspect"), "with an older key that it still accepts")
	assert.NotContains(t, v.get("/inspect"), "older key", "the first look had it signed anew")
}

// TestDjangoSession goes on with sessions that Django 3.2 began.
func TestDjangoSession(t *testing.T) {
	const (
		secret    = "r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"
		oldSecret = "UTGBGQmtsLFGzLcEpVZzAQlxJSXRVxfCQGgXkHzxFUbEctTNLL"
		signedAt  = 1528093791
	)
	for name, value := range map[string]string{
		"signed with the secret key": "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI",
		"signed with an older one":   "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:6kpeQJhg7IwGH_oCXFaPj01bSTFWDxXQB-npaPevLLE",
	} {
		t.Run(name, func(t *testing.T) {
			v := cookies.visit(t, "-key", "", "-django-key", secret, "-old-keys", "another, "+oldSecret)
			v.clock.at = time.Unix(signedAt, 0).Add(time.Hour)
			v.setCookie(value)
			assert.Contains(t, v.get("/inspect"), "Verifies")
			assert.Contains(t, v.get("/"), "You have visited this page 2 times.")
		})
	}
}

func otherSitesCannotPost(t *testing.T, on place) {
	v := on.visit(t)
	for _, test := range []struct {
		name, field, value string
		want               int
	}{
		{"no Origin, as from curl", "X", "", http.StatusOK},
		{"the same origin", "Origin", v.base.String(), http.StatusOK},
		{"another origin", "Origin", "https://evil.example", http.StatusForbidden},
		{"a browser that says cross-site", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
	} {
		r := v.request("POST", "/session", fields("op", "testcookie"))
		r.Header.Set(test.field, test.value)
		status, _, _ := v.do(r)
		assert.Equal(t, test.want, status, test.name)
	}
}

func routesThatThereAreNot(t *testing.T, on place) {
	v := on.visit(t)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/nothing", http.StatusNotFound},
		{"GET", "/sessfun/", http.StatusNotFound},
		{"GET", "/static/", http.StatusNotFound},
		{"GET", "/static/nothing.css", http.StatusNotFound},
		{"GET", "/session", http.StatusMethodNotAllowed},
		{"POST", "/", http.StatusMethodNotAllowed},
		{"POST", "/session.json", http.StatusMethodNotAllowed},
		{"DELETE", "/car", http.StatusMethodNotAllowed},
	} {
		status, _, _ := v.do(v.request(test.method, test.path, nil))
		assert.Equal(t, test.want, status, "%s %s", test.method, test.path)
	}
}

func headers(t *testing.T, on place) {
	v := on.visit(t)
	for _, path := range []string{"/", "/sessfun", "/get-session", "/car", "/session.json", "/inspect", "/nothing"} {
		_, header, _ := v.do(v.request("GET", path, nil))
		assert.Equal(t, "no-store", header.Get("Cache-Control"), path)
		assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
	}
	for path, kind := range map[string]string{"/static/style.css": "text/css", "/static/icon.svg": "image/svg+xml", "/favicon.ico": "image/svg+xml"} {
		_, header, _ := v.do(v.request("GET", path, nil))
		assert.Contains(t, header.Get("Content-Type"), kind, path)
		assert.Equal(t, "public, max-age=3600", header.Get("Cache-Control"), path)
		assert.Empty(t, header.Get("Vary"), "%s does not touch the session", path)
	}
}

func cookieFollowsTheFlags(t *testing.T, on place) {
	v := on.visit(t, "-addr", ":0", "-name", "__Host-id", "-max-age", "1h")
	_, header, _ := v.do(v.request("GET", "/", nil))
	got := header.Get("Set-Cookie")
	assert.True(t, strings.HasPrefix(got, "__Host-id="), got)
	assert.Contains(t, got, "; Expires=Sun, 01 Mar 2026 13:00:00 GMT; Max-Age=3600; Path=/; HttpOnly; Secure; SameSite=Lax")
}

func pagesShowTheCodeBehindThem(t *testing.T, on place) {
	code, err := os.ReadFile("site.go")
	require.NoError(t, err)
	v := on.visit(t)
	for path, handler := range map[string]string{"/": "home", "/set-session?name=x": "setSession", "/car": "changeWheels"} {
		_, shown, _ := strings.Cut(html.UnescapeString(v.get(path)), "<code>func "+handler)
		shown, _, _ = strings.Cut(shown, "</code>")
		assert.Contains(t, string(code), "\nfunc "+handler+shown+"\n")
		assert.True(t, strings.HasSuffix(shown, "\n}"), handler)
	}
	_, err = source("nobody")
	assert.Error(t, err)
}

func TestDurationsForHumans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		14 * 24 * time.Hour:             "about 14 days",
		48*time.Hour - time.Second:      "about 48 hours",
		3 * time.Hour:                   "about 3 hours",
		30*time.Minute - time.Second:    "about 30 minutes",
		119 * time.Second:               "119 seconds",
		29*time.Second + time.Second/10: "29 seconds",
	} {
		assert.Equal(t, want, approximately(d))
	}
}
