package sitetest

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func visitorSignsInAndOut(t *testing.T, on Place) {
	v := on.Visit(t)
	status, _, body := v.Do(v.Request("GET", "/account", nil))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Contains(t, body, "Not signed in")

	v.Get("/")
	before := v.Cookie()
	page := v.Post("/login", "user", " Zoë <b> ")
	assert.Contains(t, page, "Signed in as Zoë &lt;b&gt;")
	assert.Contains(t, page, "Welcome, Zoë &lt;b&gt;.")
	assert.NotEqual(t, before, v.Cookie(), "a new session ID")
	assert.Contains(t, v.Get("/"), "2 times.", "the data of the visitor stays")
	assert.Contains(t, v.Get("/login"), "You are signed in as <strong>Zoë &lt;b&gt;</strong>")
	if on.ends() {
		after := v.Cookie()
		v.SetCookie(before)
		assert.Equal(t, `{}`, v.Data(), "the session ID from before is worthless")
		v.SetCookie(after)
	}

	signedIn := v.Cookie()
	_, header, body := v.Do(v.Request("POST", "/logout", Fields()))
	assert.Contains(t, body, "You are signed out")
	assert.Contains(t, body, "<del>  &#34;num_visits&#34;: 2,</del>")
	assert.Contains(t, header.Get("Set-Cookie"), "sessionid=; ")
	assert.Contains(t, header.Get("Set-Cookie"), "Max-Age=0")
	assert.Empty(t, v.Cookie())
	status, _, _ = v.Do(v.Request("GET", "/account", nil))
	assert.Equal(t, http.StatusUnauthorized, status)

	v.SetCookie(signedIn) // a copy of it
	status, _, _ = v.Do(v.Request("GET", "/account", nil))
	want := http.StatusUnauthorized
	if !on.ends() {
		want = http.StatusOK // nothing on the server can take it back
	}
	assert.Equal(t, want, status)
}

func visitorIsRemembered(t *testing.T, on Place) {
	v := on.Visit(t)
	v.client.CheckRedirect = stay
	status, header, _ := v.Do(v.Request("POST", "/login", Fields("user", "Ada", "remember", "on")))
	assert.Equal(t, http.StatusSeeOther, status)
	assert.Equal(t, "/account", header.Get("Location"))
	assert.Contains(t, header.Get("Set-Cookie"), "Max-Age=2592000")
	page := v.Get("/account")
	assert.Contains(t, page, "about 30 days")
	assert.Contains(t, page, "survives closing the browser")

	cookie := v.Cookie()
	v.Clock.Advance(30 * 24 * time.Hour)
	assert.Contains(t, v.Get("/account"), "Signed in as Ada")
	v.Clock.Advance(time.Second)
	v.SetCookie(cookie)
	status, _, _ = v.Do(v.Request("GET", "/account", nil))
	assert.Equal(t, http.StatusUnauthorized, status)
}

func visitorIsForgotten(t *testing.T, on Place) {
	for _, remember := range []string{"", "yes"} {
		v := on.Visit(t)
		v.client.CheckRedirect = stay
		_, header, _ := v.Do(v.Request("POST", "/login", Fields("user", "Ada", "remember", remember)))
		assert.NotContains(t, header.Get("Set-Cookie"), "Max-Age")
		assert.NotContains(t, header.Get("Set-Cookie"), "Expires")
		page := v.Get("/account")
		assert.Contains(t, page, "Until you close the browser")
		assert.Contains(t, page, "about 14 days", "the server's own limit")
	}
}

func anotherUserGetsNothing(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/login", "user", "Ada")
	v.Post("/session", "op", "set", "key", "secret", "value", "1")
	v.Post("/login", "user", "Ada")
	assert.Contains(t, v.Data(), "secret", "the same user again")
	v.Post("/login", "user", "Grace")
	assert.Equal(t, `{"user":"Grace","_session_expiry":0}`, v.Data())
}

func signingOutEverywhereIsOff(t *testing.T, on Place) {
	if on.has("-revoke") {
		return
	}
	v := on.Visit(t)
	v.Post("/login", "user", "Ada")
	page := v.Post("/logout-everywhere")
	assert.Contains(t, page, "Nothing was ended")
	assert.Contains(t, page, "Revocation is off")
	assert.Contains(t, v.Get("/account"), "Signed in as Ada", "so nothing changes")
	page = v.Get("/everywhere")
	assert.Contains(t, page, "Revocation is off on this site.")
	assert.Contains(t, page, "-revoke memory")
	assert.NotContains(t, page, "Session ID")
}

func signingOutEverywhere(t *testing.T, on Place) {
	if !on.has("-revoke") {
		return
	}
	v := on.Visit(t) // its users' names are not those of other scenarios, which may share a database
	status, _, body := v.Do(v.Request("POST", "/logout-everywhere", Fields()))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Contains(t, body, "Not signed in")

	other, copied, grace := v.Other(), v.Other(), v.Other()
	v.Post("/login", "user", "Emmy")
	copied.SetCookie(v.Cookie())
	other.Post("/login", "user", "Emmy", "remember", "on")
	grace.Post("/login", "user", "Grace")
	v.Clock.Advance(time.Second)
	v.Get("/") // saves it, which moves no beginning
	assert.Contains(t, v.Post("/logout-everywhere"), "All sessions of <strong>Emmy</strong> that had begun by now have ended")
	assert.Empty(t, v.Cookie())
	assert.Equal(t, http.StatusUnauthorized, v.Status("/account"))
	assert.Equal(t, http.StatusUnauthorized, other.Status("/account"))
	assert.Equal(t, http.StatusUnauthorized, copied.Status("/account"), "a copy of the cookie")
	assert.Equal(t, http.StatusOK, grace.Status("/account"), "another user")

	v.Clock.Advance(time.Second)
	v.Post("/login", "user", "Emmy")
	assert.Equal(t, http.StatusOK, v.Status("/account"), "a login after that is a new session")
	assert.Equal(t, http.StatusUnauthorized, copied.Status("/account"))
}

func endedSessionIsTold(t *testing.T, on Place) {
	if !on.has("-revoke") {
		return
	}
	v := on.Visit(t)
	assert.Contains(t, v.Get("/everywhere"), "None yet: it gets one when it is saved.")
	v.Post("/login", "user", "Sofia")
	other := v.Other()
	other.Post("/login", "user", "Sofia")
	v.Clock.Advance(time.Minute)
	id := regexp.MustCompile(`<dd class="cookie">([\w-]{22})</dd>`)
	page := v.Get("/everywhere")
	require.Regexp(t, id, page)
	own := id.FindStringSubmatch(page)[1]
	assert.Contains(t, page, "1 March 2026, 12:00:00 UTC", "when it began")
	assert.NotContains(t, page, "Your session was ended.")
	assert.NotContains(t, other.Get("/everywhere"), own, "each has its own ID")
	assert.Contains(t, v.Get("/inspect"), own)

	other.Post("/logout-everywhere")
	page = v.Get("/everywhere")
	assert.Contains(t, page, "<strong>Your session was ended.</strong>")
	assert.Contains(t, page, "Revocation is on")
	_, _, body := v.Do(v.Request("GET", "/account", nil))
	assert.Contains(t, body, "<strong>Your session was ended</strong>")
	assert.Contains(t, v.Get("/inspect"), "Verifies, but does not count:</strong> revoked")
}
