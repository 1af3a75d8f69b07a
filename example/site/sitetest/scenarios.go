// Package sitetest has the scenarios of the demo site as tests, for each store that
// its sessions can be kept in.
package sitetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Run runs the scenarios in a place.
func Run(t *testing.T, on Place) {
	for _, scenario := range scenarios {
		t.Run(scenario.name, func(t *testing.T) { scenario.test(t, on) })
	}
}

var scenarios = []struct {
	name string
	test func(*testing.T, Place)
}{
	{"home counts visits", homeCountsVisits},
	{"sessfun counts to five again and again", sessfunCountsToFiveAgainAndAgain},
	{"a name is kept for thirty seconds", nameIsKeptForThirtySeconds},
	{"a name is escaped", nameIsEscaped},
	{"a car is set, changed in place and deleted", carIsSetChangedInPlaceAndDeleted},
	{"wheels need no car", wheelsNeedNoCar},
	{"the car refuses an unknown operation", carRefusesAnUnknownOperation},
	{"the session is shown as JSON", sessionJSON},
	{"the operations of the API work", operations},
	{"bad fields leave the session as it was", badFieldsLeaveTheSessionAsItWas},
	{"a multipart form is a form", multipartFormIsAForm},
	{"forms that can't be read are refused", formsThatCannotBeRead},
	{"old keys are accepted and replaced", oldKeysAreAcceptedAndReplaced},
	{"other sites can't post", otherSitesCannotPost},
	{"the headers allow no more than is needed", headers},
	{"the cookie follows the flags", cookieFollowsTheFlags},

	{"every route answers browsers and programs", everyRouteAnswers},
	{"the links lead somewhere", linksLeadSomewhere},
	{"every operation ends on a page that shows what changed", operationsEndOnAPage},
	{"an error's page leaves the session alone", errorsLeaveTheSessionAlone},

	{"a visitor signs in and out", visitorSignsInAndOut},
	{"a visitor who is remembered stays for thirty days", visitorIsRemembered},
	{"a visitor who isn't stays until the browser is closed", visitorIsForgotten},
	{"another user gets nothing of the last one's", anotherUserGetsNothing},
	{"signing out everywhere says that revocation is off", signingOutEverywhereIsOff},
	{"signing out everywhere ends all sessions of the user", signingOutEverywhere},
	{"a session that is ended shows on the page", endedSessionIsTold},
	{"a session is shown signed and encrypted", sessionIsEncrypted},
	{"a session grows and shrinks", sessionGrowsAndShrinks},
	{"a flash is shown once", flashIsShownOnce},

	{"a forgery is judged", forgeryIsJudged},
	{"a forgery is judged without JavaScript", forgeryIsJudgedWithoutJavaScript},
	{"a forgery that was sent is refused, and there is a way back", forgeryIsSentAndTakenBack},
	{"what was not changed is accepted", unchangedIsAccepted},
	{"what no cookie can hold is not sent", impossibleIsNotSent},
	{"a forgery of several cookies is judged, sent and taken back", forgeryOfChunks},
	{"the key is rotated", keyIsRotated},
	{"the stores are compared", storesAreCompared},
}

func homeCountsVisits(t *testing.T, on Place) {
	v := on.Visit(t)
	first := v.Get("/")
	assert.Contains(t, first, "You have visited this page 1 time.")
	assert.Contains(t, first, "The count is in your session.")
	assert.Contains(t, v.Get("/"), "You have visited this page 2 times.")
	third := v.Get("/")
	assert.Contains(t, third, "You have visited this page 3 times.")
	shown := v.Cookie() // the one that the page has just set
	switch {
	case on.has("-encrypt"):
		n := len(shown)
		shown = `<span class="timestamp">` + shown[:38] + `</span><span class="payload">` + shown[38:n-22] + `</span><span class="signature">` + shown[n-22:] + `</span>`
		assert.Contains(t, third, "The whole session in one encrypted cookie")
		assert.Contains(t, third, "You can’t read it.")
		assert.NotContains(t, third, "Anybody can read it")
	case !on.inRows():
		parts := strings.Split(shown, ":")
		shown = `<span class="payload">` + parts[0] + `</span>:<span class="timestamp">` + parts[1] + `</span>:<span class="signature">` + parts[2] + `</span>`
	}
	assert.Contains(t, third, `<span class="name">sessionid=</span><wbr>`+shown+`</p>`)
	assert.Equal(t, on.inRows(), strings.Contains(third, "The row’s session_data"))
	label := "The payload, decoded"
	if on.has("-encrypt") {
		label = "The session, decrypted"
	}
	_, decoded, _ := strings.Cut(third, `aria-label="`+label+`"><code>{`)
	decoded, _, _ = strings.Cut(decoded, "</code>")
	assert.Contains(t, decoded, "\n  &#34;num_visits&#34;: 3")
	assert.Equal(t, on.has("-revoke"), strings.Contains(decoded, "_session_id"))
	for path, next := range map[string]string{"/": "/login", "/login": "/car", "/set-session?name=x": "/forge", "/forge": "/encryption", "/encryption": "/rotate", "/rotate": "/large", "/large": "/everywhere", "/everywhere": "/dbsc", "/dbsc": "/stores", "/stores": "", "/api": ""} {
		assert.Equal(t, next != "", strings.Contains(v.Get(path), `<p class="next"><a href="`+next), path)
	}
	assert.Contains(t, on.Visit(t).Get("/"), "You have visited this page 1 time.", "another visitor")
}

func sessfunCountsToFiveAgainAndAgain(t *testing.T, on Place) {
	v := on.Visit(t)
	for _, want := range strings.Split("1234512345", "") {
		assert.Equal(t, "view count="+want+"\n", v.Get("/sessfun"))
		v.Get("/") // does not disturb it
	}
	_, header, _ := v.Do(v.Request("GET", "/sessfun", nil))
	assert.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
}

func nameIsKeptForThirtySeconds(t *testing.T, on Place) {
	v := on.Visit(t)
	assert.Contains(t, v.Get("/get-session"), "Session has expired")
	page := v.Get("/set-session?name=Ankit")
	assert.Contains(t, page, "Session is set...")
	assert.Contains(t, page, "Everything else goes with it.")
	assert.Contains(t, page, `data-countdown="30"`)
	greeting := v.Get("/get-session")
	assert.Contains(t, greeting, "Hello, Ankit")
	assert.NotContains(t, greeting, "Session has expired")
	copied := v.Cookie()
	assert.NotContains(t, greeting, "Your session ends in", "the page says so itself")
	assert.Regexp(t, `Your session ends in <span[^>]*>30 seconds</span>, with everything in it.`, v.Get("/car"))

	v.Clock.Advance(30 * time.Second)
	assert.Contains(t, v.Get("/get-session"), "Hello, Ankit", "the last second counts")
	v.Clock.Advance(time.Second)
	assert.NotContains(t, v.Get("/car"), "Your session ends in")
	v.SetCookie(copied) // browsers drop it by now; whoever copied it does not
	assert.Contains(t, v.Get("/get-session"), "Session has expired")
	assert.Equal(t, copied, v.Cookie(), "an expired cookie is left to end by itself: a new one may be on its way")
	assert.Contains(t, v.Get("/inspect"), "expired: ended 2026-03-01T12:00:30Z")
}

func nameIsEscaped(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Get("/set-session?name=" + url.QueryEscape(`<b>"Zoë"`))
	assert.Contains(t, v.Get("/get-session"), "Hello, &lt;b&gt;&#34;Zoë&#34;")
}

func carIsSetChangedInPlaceAndDeleted(t *testing.T, on Place) {
	v := on.Visit(t)
	assert.Contains(t, v.Get("/car"), "You drive a mini with steel wheels.")
	assert.Equal(t, `{}`, v.Data(), "showing the default stores nothing")

	page := v.Post("/car", "op", "set", "model", "beetle")
	assert.Contains(t, page, "You drive a beetle with steel wheels.")
	assert.Contains(t, page, `<p class="flash" role="status">You now drive a beetle.</p>`)
	assert.NotContains(t, v.Get("/car"), "You now drive", "a flash is shown once")
	assert.NotContains(t, v.Get("/car"), "mini")

	assert.Contains(t, v.Post("/car", "op", "wheels", "wheels", "alloy"), "You drive a beetle with alloy wheels.")
	v.Get("/car")
	assert.Equal(t, `{"my_car":{"model":"beetle","wheels":"alloy"}}`, v.Data())

	assert.Contains(t, v.Post("/car", "op", "delete"), "Your car is gone.")
	assert.Contains(t, v.Get("/car"), "You drive a mini with steel wheels.")
}

func wheelsNeedNoCar(t *testing.T, on Place) {
	for name, before := range map[string]string{"none is set": "", "something else is": `"mini"`} {
		v := on.Visit(t)
		if before != "" {
			v.Post("/session", "op", "set", "key", "my_car", "value", before)
		}
		assert.Contains(t, v.Post("/car", "op", "wheels", "wheels", "alloy"), "You drive a mini with alloy wheels.", name)
	}
}

func carRefusesAnUnknownOperation(t *testing.T, on Place) {
	v := on.Visit(t)
	status, _, body := v.Do(v.Request("POST", "/car", Fields("op", "sell")))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, `field "op": "sell" is none of set, wheels, delete`+"\n", body)
}

func sessionJSON(t *testing.T, on Place) {
	v := on.Visit(t)
	assert.Equal(t, `{"data":{},"new":true,"modified":false,"expiry_age":1209600,"expiry_date":"2026-03-15T12:00:00Z",`+
		`"browser_close":false,"store":"`+on.Store+`","cookie_bytes":0,"ends_at":null}`+"\n", v.Get("/session.json"))
	assert.Empty(t, v.Cookie(), "looking sets no cookie")

	v.Get("/set-session?name=Ankit")
	v.Clock.Advance(10 * time.Second)
	var answer struct {
		New         bool
		CookieBytes int    `json:"cookie_bytes"`
		ExpiryDate  string `json:"expiry_date"`
		EndsAt      string `json:"ends_at"`
	}
	require.NoError(t, json.Unmarshal([]byte(v.Get("/session.json")), &answer))
	assert.False(t, answer.New)
	assert.Equal(t, len("sessionid")+len(v.Cookie()), answer.CookieBytes)
	assert.Equal(t, "2026-03-01T12:00:40Z", answer.ExpiryDate, "as in Django, from now")
	assert.Equal(t, "2026-03-01T12:00:30Z", answer.EndsAt, "looking makes it last no longer")
}

func operations(t *testing.T, on Place) {
	type post []string
	rest := `,"store":"` + on.Store + `"`
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
		{"flush leaves nothing", []post{{"op", "set", "key", "b", "value", "1"}, {"op", "flush"}}, `"ends_at":null}`, `{}`},
		{"cycle keeps the data", []post{{"op", "set", "key", "b", "value", "1"}, {"op", "cycle"}}, `{"data":{"b":1},"new":false,"modified":true`, `{"b":1}`},
		{"an expiry in seconds",
			[]post{{"op", "expiry", "value", "90"}},
			`"expiry_age":90,"expiry_date":"2026-03-01T12:01:30Z","browser_close":false` + rest + `,"cookie_bytes":0,"ends_at":"2026-03-01T12:01:30Z"}`, `{"_session_expiry":90}`},
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
			v := on.Visit(t)
			var answer string
			for _, fields := range test.posts {
				answer = v.Post("/session", fields...)
			}
			assert.Contains(t, withoutID(answer), test.says)
			assert.Equal(t, test.data, v.Data())
			assert.Equal(t, test.data == `{}`, v.Cookie() == "", "an empty session has no cookie")
		})
	}
}

func badFieldsLeaveTheSessionAsItWas(t *testing.T, on Place) {
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
		{"an expiry that is not a number", []string{"op", "expiry", "value", "soon"}, `field "value": "soon" is neither whole seconds nor`},
		{"an expiry of part of a second", []string{"op", "expiry", "value", "1.5"}, `field "value": "1.5" is neither`},
		{"an expiry of too many seconds", []string{"op", "expiry", "value", "9223372037"}, `field "value": 9223372037 seconds are over 290 years`},
		{"a time without a zone", []string{"op", "expiry", "value", "2030-01-31T12:00:00"}, `field "value": "2030-01-31T12:00:00" is neither`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := on.Visit(t)
			v.Post("/session", "op", "set", "key", "n", "value", "1")
			before := v.Cookie()
			status, _, body := v.Do(v.Request("POST", "/session", Fields(test.fields...)))
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Contains(t, body, test.says)
			assert.Equal(t, before, v.Cookie())
		})
	}
	t.Run("a name that is missing", func(t *testing.T) {
		v := on.Visit(t)
		status, _, body := v.Do(v.Request("GET", "/set-session", nil))
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, body, `field "name": missing`)
	})
}

func multipartFormIsAForm(t *testing.T, on Place) {
	v := on.Visit(t)
	r := v.Request("POST", "/session", nil)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Body = io.NopCloser(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"op\"\r\n\r\ntestcookie\r\n--x--\r\n"))
	status, _, body := v.Do(r)
	require.Equal(t, http.StatusOK, status, body)
	assert.Equal(t, `{"testcookie":"worked"}`, v.Data())
}

func formsThatCannotBeRead(t *testing.T, on Place) {
	v := on.Visit(t)
	status, _, body := v.Do(v.Request("POST", "/session", Fields("op", "set", "value", strings.Repeat("x", 64<<10))))
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Equal(t, "the form has over 65536 bytes\n", body)

	status, _, body = v.Do(v.Request("GET", "/?a=%zz", nil))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, body, "the form can't be read")
}

func oldKeysAreAcceptedAndReplaced(t *testing.T, on Place) {
	old := on.Visit(t)
	old.Get("/")
	newKey := strings.Repeat("ab", 32)

	v := on.Visit(t, "-key", newKey)
	v.SetCookie(old.Cookie())
	assert.Contains(t, v.Get("/inspect"), "Does not verify")

	v = on.Visit(t, "-key", newKey, "-old-keys", HexKey)
	v.SetCookie(old.Cookie())
	assert.Contains(t, v.Get("/inspect"), "with an older key that is still accepted")
	assert.NotContains(t, v.Get("/inspect"), "older key", "the first look had it signed anew")
}

func otherSitesCannotPost(t *testing.T, on Place) {
	v := on.Visit(t)
	for _, test := range []struct {
		name, field, value string
		want               int
	}{
		{"no Origin, as from curl", "X", "", http.StatusOK},
		{"the same origin", "Origin", v.base.String(), http.StatusOK},
		{"another origin", "Origin", "https://evil.example", http.StatusForbidden},
		{"a browser that says cross-site", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
	} {
		r := v.Request("POST", "/session", Fields("op", "testcookie"))
		r.Header.Set(test.field, test.value)
		r.Header.Set("Accept", asBrowser)
		status, _, body := v.Do(r)
		assert.Equal(t, test.want, status, test.name)
		assert.Equal(t, status != http.StatusOK, strings.Contains(body, "This form was sent by a page of another site, so it was ignored."), test.name)
	}
}

func headers(t *testing.T, on Place) {
	v := on.Visit(t)
	for _, path := range []string{"/", "/sessfun", "/get-session", "/car", "/session.json", "/inspect", "/nothing"} {
		_, header, _ := v.Do(v.Request("GET", path, nil))
		assert.Equal(t, "no-store", header.Get("Cache-Control"), path)
		assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
	}
	for path, kind := range map[string]string{"/static/style.css": "text/css", "/static/live.js": "text/javascript", "/static/icon.svg": "image/svg+xml", "/favicon.ico": "image/svg+xml"} {
		_, header, _ := v.Do(v.Request("GET", path, nil))
		assert.Contains(t, header.Get("Content-Type"), kind, path)
		assert.Equal(t, "public, max-age=3600", header.Get("Cache-Control"), path)
		assert.Empty(t, header.Get("Vary"), "%s does not touch the session", path)
	}
}

func cookieFollowsTheFlags(t *testing.T, on Place) {
	v := on.Visit(t, "-addr", ":0", "-name", "__Host-id", "-max-age", "1h")
	_, header, _ := v.Do(v.Request("GET", "/", nil))
	got := header.Get("Set-Cookie")
	assert.True(t, strings.HasPrefix(got, "__Host-id="), got)
	_, attributes, _ := strings.Cut(got, "; ")
	assert.ElementsMatch(t, []string{"Expires=Sun, 01 Mar 2026 13:00:00 GMT", "Max-Age=3600", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"},
		strings.Split(attributes, "; "))
}
