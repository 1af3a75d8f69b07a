package sitetest

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A verdict is the answer of /forge/verdict.
type verdict struct {
	Accepted                            bool
	Says, Why                           string
	Name, Payload, Timestamp, Signature string
	Value                               string
	Values                              []string
	Size                                int
	Changed                             []string
}

// editor returns the fields of the page's form.
func (v *Visitor) editor() map[string]string {
	v.Helper()
	return v.fieldsOf(v.Get("/forge"))
}

func (v *Visitor) fieldsOf(page string) map[string]string {
	fields := map[string]string{}
	for _, input := range regexp.MustCompile(`<input name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		fields[input[1]] = html.UnescapeString(input[2])
	}
	for _, area := range regexp.MustCompile(`(?s)<textarea name="(\w+)"[^>]*>(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		fields[area[1]] = html.UnescapeString(area[2])
	}
	return fields
}

// with returns the fields of a form with some of them changed.
func with(fields map[string]string, pairs ...string) []string {
	changed := Fields(pairs...)
	var all []string
	for name, value := range fields {
		if !changed.Has(name) {
			all = append(all, name, value)
		}
	}
	return append(all, pairs...)
}

func (v *Visitor) verdict(pairs ...string) (judged verdict) {
	v.Helper()
	require.NoError(v, json.Unmarshal([]byte(v.Post("/forge/verdict", pairs...)), &judged))
	return judged
}

func forgeryIsJudged(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/session", "op", "set", "key", "n", "value", "1.0")
	fields := v.editor()
	if on.inRows() {
		assert.Equal(t, map[string]string{"value": v.Cookie()}, fields)
		own := v.verdict(with(fields)...)
		assert.True(t, own.Accepted)
		assert.Equal(t, v.Cookie(), own.Value)
		guessed := v.verdict("value", strings.Repeat("a", 32))
		assert.False(t, guessed.Accepted)
		assert.Equal(t, []string{"value"}, guessed.Changed)
		assert.Contains(t, guessed.Why, "nobody can guess one")
		assert.Contains(t, v.verdict("value", "?").Says, "Refused: ")
		return
	}
	if on.has("-encrypt") {
		own := v.Cookie()
		assert.Equal(t, map[string]string{"name": "sessionid", "value": own}, fields)
		for _, test := range []struct {
			name, value, cookie, why string
			changed                  []string
		}{
			{"nothing is changed", own, "sessionid", "byte for byte", []string{}},
			{"the version", "B" + own[1:], "sessionid", "Every bit is covered", []string{"value"}},
			{"the random bytes", own[:9] + flipped(own[9:10]) + own[10:], "sessionid", "Every bit is covered", []string{"value"}},
			{"the ciphertext", own[:50] + flipped(own[50:51]) + own[51:], "sessionid", "Every bit is covered", []string{"value"}},
			{"the end is missing", own[:len(own)-4], "sessionid", "Every bit is covered", []string{"value"}},
			{"another name", own, "admin", "encrypted for one name is worthless under another", []string{"name"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				got := v.verdict("value", test.value, "name", test.cookie)
				assert.Equal(t, len(test.changed) == 0, got.Accepted, got.Says)
				assert.Contains(t, got.Why, test.why)
				assert.Equal(t, test.changed, got.Changed)
				assert.Equal(t, []string{test.value}, got.Values)
				assert.Equal(t, len(test.cookie+test.value), got.Size)
			})
		}
		assert.Contains(t, v.Get("/forge"), "Your session is encrypted, so there is nothing to edit in it.")
		assert.NotContains(t, v.Get("/forge"), "Session key")
		return
	}
	parts := strings.Split(v.Cookie(), ":")
	if on.has("-revoke") {
		assert.Contains(t, fields["payload"], "_session_id")
		assert.True(t, v.verdict(with(fields)...).Accepted)
		return
	}
	assert.Equal(t, map[string]string{"name": "sessionid", "payload": "{\n  \"n\": 1.0\n}", "timestamp": parts[1], "signature": parts[2]}, fields)
	encoded := base64.RawURLEncoding.EncodeToString
	for _, test := range []struct {
		name    string
		fields  []string // in place of the visitor's own
		says    string
		why     string
		payload string
		changed []string
	}{
		{"nothing is changed", nil, "Accepted.", "byte for byte", parts[0], []string{}},
		{"blanks in JSON are nothing", []string{"payload", "{ \"n\":\r\n1.0 }"}, "Accepted.", "byte for byte", parts[0], []string{}},
		{"another value", []string{"payload", `{"n": 2}`}, "Refused: signature does not match.", "another payload", encoded([]byte(`{"n":2}`)), []string{"payload"}},
		{"another spelling of a number", []string{"payload", `{"n": 1}`}, "Refused: signature does not match.", "another payload", encoded([]byte(`{"n":1}`)), []string{"payload"}},
		{"what is not JSON", []string{"payload", `{"n": `}, "Refused: signature does not match.", "another payload", encoded([]byte(`{"n": `)), []string{"payload"}},
		{"another time", []string{"timestamp", "1zzzzz"}, "Refused: signature does not match.", "the time is signed", parts[0], []string{"timestamp"}},
		{"another signature", []string{"signature", strings.Repeat("A", 43)}, "Refused: signature does not match.", "signing key", parts[0], []string{"signature"}},
		{"no signature", []string{"signature", ""}, "Refused: signature does not match.", "signing key", parts[0], []string{"signature"}},
		{"another name", []string{"name", "admin"}, "Refused: signature does not match.", "under another", parts[0], []string{"name"}},
		{"all of it", []string{"name", "x", "payload", "", "timestamp", "", "signature", ""}, "Refused: ", "under another", "", []string{"name", "payload", "timestamp", "signature"}},
		{"a name that can't be one", []string{"name", "a b"}, "Refused: no cookie can look like this (invalid Cookie.Name).", "under another", parts[0], []string{"name"}},
		{"a name that needs HTTPS", []string{"name", "__Host-a"}, "Refused: cookie ", "under another", parts[0], []string{"name"}},
		{"a character that no cookie can have", []string{"signature", "a;b"}, "Refused: no cookie can look like this (invalid byte ';' in Cookie.Value).", "signing key", parts[0], []string{"signature"}},
		{"more than a cookie holds", []string{"payload", `"` + Noise(5000) + `"`}, "Refused: too large", "another payload", encoded([]byte(`"` + Noise(5000) + `"`)), []string{"payload"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := v.verdict(with(fields, test.fields...)...)
			assert.True(t, strings.HasPrefix(got.Says, test.says), got.Says)
			assert.Equal(t, test.says == "Accepted.", got.Accepted)
			assert.Contains(t, strings.ToLower(got.Why), strings.ToLower(test.why))
			assert.Equal(t, test.payload, got.Payload)
			assert.Equal(t, test.changed, got.Changed)
			assert.Equal(t, len(got.Name+got.Payload+got.Timestamp+got.Signature)+len("::"), got.Size)
		})
	}
	t.Run("a compressed payload that was not changed stays as it is", func(t *testing.T) {
		v.Post("/session", "op", "set", "key", "long", "value", `"`+strings.Repeat("long ", 500)+`"`)
		require.True(t, strings.HasPrefix(v.Cookie(), "."))
		assert.True(t, v.verdict(with(v.editor())...).Accepted)
	})
	t.Run("judging sets no cookie and fills no log", func(t *testing.T) {
		_, header, _ := v.Do(v.Request("POST", "/forge/verdict", Fields("payload", "{}")))
		assert.Empty(t, header.Get("Set-Cookie"))
	})
}

func forgeryIsJudgedWithoutJavaScript(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/session", "op", "set", "key", "n", "value", "1")
	assert.Contains(t, v.Get("/forge"), "<strong data-says>Accepted.</strong>")
	if !on.readable() {
		page := v.Post("/forge", "op", "check", "value", "abc")
		assert.Contains(t, page, "<strong data-says>Refused: ")
		assert.Equal(t, "abc", v.fieldsOf(page)["value"])
		assert.Contains(t, page, `<span class="payload changed" data-part="value">abc</span>`)
		assert.Contains(t, v.Post("/forge", "op", "value"), "<strong data-says>Refused: ")
		if on.inRows() {
			assert.Contains(t, v.Post("/forge", "op", "value"), "<strong data-says>Refused: no such session")
		} else {
			assert.Contains(t, v.Post("/forge", "op", "name"), "admin_sessionid")
		}
		return
	}
	if on.has("-revoke") {
		return // the payload has an ID beside n
	}
	page := v.Post("/forge", with(v.editor(), "op", "check", "payload", `{"n":2}`)...)
	assert.Contains(t, page, "<strong data-says>Refused: signature does not match.</strong>")
	assert.Contains(t, page, `{&#34;n&#34;:2}</textarea>`, "the editor keeps what was typed")
	assert.Contains(t, page, `<span class="payload changed" data-part="payload">eyJuIjoyfQ</span>`)
	for part, becomes := range map[string]string{
		"payload":   "{\n  &#34;is_admin&#34;: true,\n  &#34;n&#34;: 1\n}</textarea>",
		"timestamp": `<span class="timestamp changed" data-part="timestamp">1vwfa`,
		"signature": `<span class="signature changed" data-part="signature">`,
		"name":      `<span class="name changed" data-part="name">admin_sessionid</span>`,
	} {
		page := v.Post("/forge", "op", part)
		assert.Contains(t, page, "<strong data-says>Refused: signature does not match.</strong>", part)
		assert.Contains(t, page, becomes)
		assert.Equal(t, 1, strings.Count(page, " changed\""), "%s alone is changed", part)
	}
}

func forgeryIsSentAndTakenBack(t *testing.T, on Place) {
	for _, test := range []struct {
		name   string
		fields []string
		other  string // the name of the cookie, if it is not the session's
	}{
		{"the payload", []string{"payload", `{"user":"root"}`}, ""},
		{"the timestamp", []string{"timestamp", "1zzzzz"}, ""},
		{"the signature", []string{"signature", "x"}, ""},
		{"the name", []string{"name", "admin"}, "admin"},
		{"the whole value", []string{"value", strings.Repeat("a", 32)}, ""},
	} {
		if test.other == "" && (test.fields[0] == "value") == on.readable() || test.other != "" && on.inRows() {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			v := on.Visit(t)
			v.Get("/")
			own := v.Cookie()
			page := v.Post("/forge", with(v.editor(), append(test.fields, "op", "send")...)...)
			assert.Contains(t, page, "<h1>Refused</h1>")
			assert.Contains(t, page, `level=WARN msg=&#34;session cookie refused&#34;`, "the line of the log")
			if test.other == "" {
				assert.NotEqual(t, own, v.Cookie())
				assert.Contains(t, v.Get("/forge"), "You have no session.")
				assert.Contains(t, v.Get("/inspect"), "bad")
				assert.Equal(t, `{}`, v.Data())
			} else {
				assert.Equal(t, own, v.Cookie(), "the visitor's own is untouched")
				assert.Contains(t, page, "under the name <code>admin</code>")
			}
			page = v.Post("/forge/restore", "name", test.other)
			assert.Contains(t, page, "<strong data-says>Accepted.</strong>")
			assert.NotContains(t, page, "still kept")
			assert.Equal(t, own, v.Cookie())
			assert.Len(t, v.client.Jar.Cookies(v.base), 1, "the others are deleted")
			assert.Contains(t, v.Get("/"), "2 times.")
		})
	}
	t.Run("the cookie that comes back lasts as long as it did", func(t *testing.T) {
		for expiry, want := range map[string]string{"90": "Max-Age=90", "0": ""} {
			v := on.Visit(t)
			v.Get("/")
			v.Post("/session", "op", "expiry", "value", expiry)
			v.Post("/forge", with(v.editor(), "op", "send", "signature", "x", "value", "x")...)
			_, header, _ := v.Browse("POST", "/forge/restore")
			back := header.Values("Set-Cookie")[0]
			assert.True(t, strings.HasPrefix(back, "sessionid="), back)
			assert.Contains(t, back, want)
			assert.Equal(t, want != "", strings.Contains(back, "Max-Age"), back)
			assert.Contains(t, strings.Replace(back, "Secure; ", "", 1), "HttpOnly; SameSite=Lax")
		}
	})
	t.Run("of several that were sent the first one goes back to the visitor's own", func(t *testing.T) {
		v := on.Visit(t)
		v.Get("/")
		own := v.Cookie()
		fields := v.editor()
		v.Post("/forge", with(fields, "op", "send", "signature", "x", "value", "x")...)
		v.Post("/forge", with(fields, "op", "send", "signature", "y", "value", "y")...)
		v.Post("/forge/restore")
		assert.Equal(t, own, v.Cookie())
	})
}

func unchangedIsAccepted(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Get("/")
	own := v.Cookie()
	page := v.Post("/forge", with(v.editor(), "op", "send")...)
	assert.Contains(t, page, "<h1>Accepted</h1>")
	assert.Equal(t, own, v.Cookie())
}

func impossibleIsNotSent(t *testing.T, on Place) {
	for _, test := range []struct {
		name, field, value, says string
	}{
		{"a line break", "signature", "a\r\nSet-Cookie: b=c", "invalid byte"},
		{"a semicolon", "value", "a; Domain=evil.example", "invalid byte ';' in Cookie.Value"},
		{"a name with a blank", "name", "a b", "invalid Cookie.Name"},
		{"too much", "value", strings.Repeat("x", 5000), "browsers drop what has over 4096"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := on.Visit(t)
			v.Get("/")
			own := v.Cookie()
			status, header, body := v.Browse("POST", "/forge", "op", "send", test.field, test.value)
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Contains(t, html.UnescapeString(body), test.says)
			assert.Empty(t, header.Values("Set-Cookie"))
			assert.Equal(t, own, v.Cookie())
		})
	}
}

// flipped returns another character of base64.
func flipped(text string) string {
	if text == "A" {
		return "B"
	}
	return "A"
}

func forgeryOfChunks(t *testing.T, on Place) {
	if !on.has("-chunks") {
		return
	}
	v := on.Visit(t)
	v.Post("/large", "size", "5000")
	own := v.Cookies()
	require.Len(t, own, 2)
	page := v.Get("/forge")
	assert.Contains(t, page, "<strong data-says>Accepted.</strong> <span data-why>These are your own cookies, byte for byte.")
	assert.Contains(t, page, "Value of sessionid-1")
	_, first, _ := strings.Cut(own[0], "=")
	_, second, _ := strings.Cut(own[1], "=")
	post := func(path, op, name string, values ...string) string {
		_, _, body := v.Do(v.Request("POST", path, url.Values{"op": {op}, "name": {name}, "value": values}))
		return body
	}
	judge := func(name string, values ...string) (judged verdict) {
		require.NoError(t, json.Unmarshal([]byte(post("/forge/verdict", "", name, values...)), &judged))
		return judged
	}
	assert.True(t, judge("sessionid", first, second).Accepted)
	middle := first[:100] + flipped(first[100:101]) + first[101:]
	for _, test := range []struct {
		name, cookie, first, second, says string
		changed                           []string
	}{
		{"one of them", "sessionid", middle, second, "Refused: ", []string{"value"}},
		{"the last is missing", "sessionid", first, "", "Refused: malformed: chunk 1 of 2 is missing", []string{"value-1"}},
		{"two that are swapped", "sessionid", second, first, "Refused: malformed: chunk 1 is where the first belongs", []string{"value", "value-1"}},
		{"another name", "admin", first, second, "Refused: ", []string{"name"}},
	} {
		got := judge(test.cookie, test.first, test.second)
		assert.False(t, got.Accepted, test.name)
		assert.Contains(t, got.Says, test.says, test.name)
		assert.Equal(t, test.changed, got.Changed, test.name)
		assert.Equal(t, []string{test.first, test.second}, got.Values)
	}
	assert.Contains(t, post("/forge", "missing", "sessionid"), "chunk 1 of 2 is missing")

	assert.Contains(t, post("/forge", "send", "sessionid", middle, second), "<h1>Refused</h1>")
	assert.Contains(t, v.Get("/large"), "Nowhere")
	assert.Contains(t, v.Post("/forge/restore"), "<strong data-says>Accepted.</strong>")
	assert.Equal(t, own, v.Cookies(), "the others are deleted")
	assert.Contains(t, post("/forge", "send", "admin", first, second), "<h1>Refused</h1>")
	v.Post("/forge/restore", "name", "admin")
	assert.Equal(t, own, v.Cookies())
}
