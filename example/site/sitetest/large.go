package sitetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sessionIsEncrypted(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/session", "op", "set", "key", "color", "value", `"green"`)
	page := v.Get("/encryption")
	assert.Contains(t, page, "This is your session in either form")
	assert.Contains(t, page, "&#34;color&#34;: &#34;green&#34;", "what the visitor reads in the signed one")
	heads := regexp.MustCompile(`<span class="timestamp">(A[Q-f][\w-]{10,})</span>`).FindAllStringSubmatch(page, -1)
	require.Len(t, heads, 2)
	assert.NotEqual(t, heads[0][1], heads[1][1], "each save changes every byte")
	assert.Equal(t, on.has("-encrypt"), strings.Contains(page, "The sessions in cookies are encrypted here."))
	v.Post("/session", "op", "set", "key", "long", "value", `"`+Noise(1500)+`"`)
	assert.Contains(t, v.Get("/encryption"), "This is a small session in either form", "a long one is hard to look at")

	if on.has("-encrypt") {
		v = on.Visit(t)
		v.Post("/session", "op", "set", "key", "color", "value", `"green"`)
		page = v.Get("/inspect")
		assert.Contains(t, page, "it was encrypted with the site’s key")
		assert.Contains(t, page, "Random bytes")
		size := "40" // the time, and 32 of JSON and padding
		if on.has("-revoke") {
			size = "104" // with the session's ID
		}
		assert.Contains(t, page, size+" bytes, which nobody can read without the key")
		assert.Contains(t, page, "&#34;color&#34;: &#34;green&#34;", "the server has the key")
		own := v.Cookie()
		v.SetCookie(own[:50] + flipped(own[50:51]) + own[51:])
		page = v.Get("/inspect")
		assert.Contains(t, page, "<strong>Does not verify:</strong>")
		assert.Contains(t, page, "The site’s keys don’t open it.")
		assert.NotContains(t, page, "green")
		v.SetCookie("eyJ9:1vwfac:signature")
		assert.Contains(t, v.Get("/inspect"), "it looks like a signed cookie")
	}
}

// sessionGrowsAndShrinks makes the session larger than a cookie, and small again.
func sessionGrowsAndShrinks(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/session", "op", "set", "key", "n", "value", "1")
	page := v.Post("/large", "size", "1000")
	assert.Equal(t, on.inRows(), strings.Contains(page, "In a row of the database."))
	assert.Equal(t, !on.inRows(), strings.Contains(page, "In one cookie."))

	small := v.Cookies()
	status, _, body := v.Do(v.Request("POST", "/large", Fields("size", "5000")))
	if on.Store == "cookie" && !on.has("-chunks") {
		assert.Equal(t, http.StatusInternalServerError, status)
		assert.Contains(t, body, `largest keys: "draft"`)
		assert.Equal(t, small, v.Cookies(), "the session is as it was")
		return
	}
	require.Equal(t, http.StatusOK, status, body)
	var state struct {
		CookieBytes int `json:"cookie_bytes"`
	}
	require.NoError(t, json.Unmarshal([]byte(v.Get("/session.json")), &state))
	bytes := 0
	for _, cookie := range v.Cookies() {
		bytes += len(cookie) - len("=")
	}
	assert.Equal(t, bytes, state.CookieBytes)
	page = v.Get("/inspect")
	assert.Contains(t, page, "Verifies:")
	assert.Contains(t, page, "&#34;n&#34;: 1")
	if on.has("-chunks") {
		require.Len(t, v.Cookies(), 2)
		assert.Contains(t, body, "<strong>In 2 cookies,</strong> "+fmt.Sprint(bytes)+" bytes in all.")
		for i, cookie := range v.Cookies() {
			name, value, _ := strings.Cut(cookie, "=")
			row := fmt.Sprintf("<tr><th scope=\"row\">%s</th><td>%d</td><td>2</td><td><code>%s</code></td><td>%d bytes</td></tr>", name, i, value[4:12], len(name+value))
			assert.Contains(t, body, row)
			assert.Contains(t, page, row)
		}
		home := v.Get("/")
		assert.Contains(t, home, "Your session is too large for one cookie, so it is in 2.")
		assert.Regexp(t, `<h1>The whole session in 2 (signed|encrypted) cookies</h1>`, home)
		v.client.Jar.SetCookies(v.base, []*http.Cookie{{Name: "sessionid-1", MaxAge: -1, Path: "/"}})
		page = v.Get("/inspect")
		assert.Contains(t, page, "<strong>Does not verify:</strong> malformed: chunk 1 of 2 is missing.")
		assert.Contains(t, page, "Your browser didn’t send it.")
		assert.NotContains(t, page, "&#34;n&#34;: 1")
		return
	}
	require.Len(t, v.Cookies(), 1)
	assert.Contains(t, body, "In a row of the database.")
	assert.Contains(t, page, "The row of django_session")
	assert.Equal(t, on.has("-spill"), strings.HasPrefix(v.Cookie(), "~"))
	home := v.Get("/")
	assert.Contains(t, home, "holds only the key of a row")
	assert.Contains(t, home, "<h1>The same sessions, in a database</h1>")
	assert.Contains(t, v.Get("/forge"), "your cookie is the key of a row")
	assert.Contains(t, v.Post("/forge", "op", "value"), "nobody can guess one")
	page = v.Post("/large", "size", "0")
	assert.Equal(t, on.inRows(), strings.Contains(page, "In a row of the database."))
	assert.NotContains(t, v.Data(), "draft")
	assert.Contains(t, v.Data(), `"n":1`, "the rest stays")
}
