package sitetest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// asBrowser is what browsers say that they accept.
const asBrowser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// Browse sends a request as a browser does: it asks for a page. It follows no
// redirect.
func (v *Visitor) Browse(method, path string, pairs ...string) (int, http.Header, string) {
	v.Helper()
	r := v.Request(method, path, formOf(method, pairs))
	r.Header.Set("Accept", asBrowser)
	follow := v.client.CheckRedirect
	defer func() { v.client.CheckRedirect = follow }()
	v.client.CheckRedirect = stay
	return v.Do(r)
}

func everyRouteAnswers(t *testing.T, on Place) {
	const page, text, json = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"
	for _, test := range []struct {
		method, path string
		fields       []string
		status       int
		browser      string // the type that a browser gets
		program      string // and any other client
		says         string
	}{
		{"GET", "/", nil, 200, page, page, "You have visited this page"},
		{"GET", "/sessfun", nil, 200, text, text, "view count="},
		{"GET", "/set-session?name=Ankit", nil, 200, page, page, "Session is set..."},
		{"GET", "/set-session", nil, 400, page, text, "name"},
		{"GET", "/get-session", nil, 200, page, page, "Session has expired"},
		{"GET", "/car", nil, 200, page, page, "You drive a mini"},
		{"POST", "/car", []string{"op", "delete"}, 303, "", "", ""},
		{"POST", "/car", []string{"op", "sell"}, 400, page, text, "is none of set, wheels, delete"},
		{"GET", "/session.json", nil, 200, json, json, `"data"`},
		{"POST", "/session", []string{"op", "testcookie"}, 200, page, json, "worked"},
		{"POST", "/session", []string{"op", "set"}, 400, page, text, "missing"},
		{"GET", "/api", nil, 200, page, page, "The whole API"},
		{"GET", "/login", nil, 200, page, page, "Sign in"},
		{"POST", "/login", []string{"user", "Ada"}, 303, "", "", ""},
		{"POST", "/login", []string{"user", " "}, 400, page, text, "user"},
		{"GET", "/account", nil, 401, page, page, "Not signed in"},
		{"POST", "/logout", []string{}, 200, page, page, "You are signed out"},
		{"GET", "/everywhere", nil, 200, page, page, "Two browsers, side by side"},
		{"GET", "/dbsc", nil, 200, page, page, "Bind the session to the device"},
		{"GET", "/encryption", nil, 200, page, page, "A session that its visitor can’t read"},
		{"GET", "/large", nil, 200, page, page, "Nowhere yet"},
		{"POST", "/large", []string{"size", "100"}, 303, "", "", ""},
		{"POST", "/large", []string{"size", "-1"}, 400, page, text, "want a number from 0 to 40000"},
		{"POST", "/large", []string{"size", "40001"}, 400, page, text, "want a number from 0 to 40000"},
		{"POST", "/large", nil, 400, page, text, "size"},
		{"GET", "/flash", nil, 200, page, page, "Say it once"},
		{"POST", "/flash", []string{"message", "Hello"}, 303, "", "", ""},
		{"POST", "/flash", nil, 400, page, text, "message"},
		{"GET", "/forge", nil, 200, page, page, "there is nothing to forge"},
		{"POST", "/forge", []string{"op", "steal"}, 400, page, text, "is none of check, send"},
		{"POST", "/forge", []string{"op", "payload"}, 303, "", "", ""},
		{"POST", "/forge/verdict", []string{"payload", "{}"}, 200, json, json, `"accepted":false`},
		{"GET", "/forge/sent", nil, 200, page, page, "Nothing arrived"},
		{"GET", "/forge/sent?name=a+b", nil, 400, page, text, "name"},
		{"POST", "/forge/restore", nil, 303, "", "", ""},
		{"GET", "/rotate", nil, 200, page, page, "Rotate the key"},
		{"GET", "/stores", nil, 200, page, page, "Cookie or database"},
		{"GET", "/inspect", nil, 200, page, page, "Your browser sent no session cookie."},
		{"GET", "/nothing", nil, 404, page, text, "There is no page at this address."},
		{"GET", "/sessfun/", nil, 404, page, text, "There is no page at this address."},
		{"GET", "/static/", nil, 404, page, text, "There is no page at this address."},
		{"GET", "/static/nothing.css", nil, 404, page, text, "There is no page at this address."},
		{"GET", "/session", nil, 405, page, text, "take GET. It takes POST."},
		{"POST", "/", nil, 405, page, text, "take POST. It takes GET, HEAD."},
		{"POST", "/session.json", nil, 405, page, text, "take POST"},
		{"DELETE", "/car", nil, 405, page, text, "take DELETE. It takes GET, HEAD, POST."},
		{"GET", "/logout", nil, 405, page, text, "take GET. It takes POST."},
		{"GET", "//car", nil, cleaned(), "", "", ""},
		{"GET", "/?a=%zz", nil, 400, page, text, "the form can"},
		{"GET", "/?a=%ff", nil, 400, page, text, "not UTF-8"},
		{"POST", "/session", []string{"op", strings.Repeat("x", 64<<10)}, 413, page, text, "the form has over 65536 bytes"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			for accept, want := range map[string]string{
				asBrowser:                           test.browser,
				"Text/HTML":                         test.browser,
				"*/*":                               test.program,
				"":                                  test.program,
				"application/json":                  test.program,
				"application/json, text/html;q=0.5": test.program,
			} {
				v := on.Visit(t)
				v.client.CheckRedirect = stay
				r := v.Request(test.method, test.path, formOf(test.method, test.fields))
				if accept != "" {
					r.Header.Set("Accept", accept)
				}
				status, header, body := v.Do(r)
				assert.Equal(t, test.status, status, "Accept: %s", accept)
				assert.Contains(t, body, test.says)
				assert.Equal(t, "no-store", header.Get("Cache-Control"))
				assert.Equal(t, status == 405, header.Get("Allow") != "", "Allow says what is")
				if want == "" {
					assert.NotEmpty(t, header.Get("Location"))
					continue
				}
				assert.Equal(t, want, header.Get("Content-Type"))
				if want == page {
					assert.Regexp(t, `<title>[^<]+ – cookiestore</title>`, body)
					assert.Equal(t, 1, strings.Count(body, "<h1>"))
				}
			}
		})
	}
}

func linksLeadSomewhere(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/login", "user", "Ada")
	seen := map[string]bool{}
	waiting := []string{"/"}
	for len(waiting) > 0 {
		path := waiting[0]
		waiting = waiting[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		status, _, body := v.Browse("GET", path)
		assert.Equal(t, http.StatusOK, status, path)
		for _, link := range regexp.MustCompile(` (?:href|src)="([^"#]+)(?:#([^"]+))?"`).FindAllStringSubmatch(body, -1) {
			require.True(t, strings.HasPrefix(link[1], "/"), "%s links to %s", path, link[1])
			waiting = append(waiting, link[1])
			if link[2] != "" {
				_, _, there := v.Browse("GET", link[1])
				assert.Contains(t, there, ` id="`+link[2]+`"`, "%s#%s", link[1], link[2])
			}
		}
	}
	for _, path := range []string{"/login", "/account", "/car", "/flash", "/set-session?name=Ankit", "/get-session", "/sessfun",
		"/session.json", "/api", "/inspect", "/forge", "/rotate", "/stores", "/encryption", "/large", "/everywhere", "/dbsc"} {
		assert.True(t, seen[path], "nothing links to %s", path)
	}
}

func operationsEndOnAPage(t *testing.T, on Place) {
	if on.has("-revoke") {
		return // the dictionary has an ID beside what these look for
	}
	for _, test := range []struct {
		name      string
		fields    []string
		says      []string
		setCookie string // a part of it, or "" for none
	}{
		{"set", []string{"op", "set", "key", "color", "value", `"green"`},
			[]string{"<ins>  &#34;color&#34;: &#34;green&#34;</ins>", "The marked lines are what it changed.", "  &#34;n&#34;: 1", "about 14 days"}, "Max-Age=1209600"},
		{"delete", []string{"op", "delete", "key", "n"}, []string{"<del>  &#34;n&#34;: 1</del>", "You have no session now."}, "Max-Age=0"},
		{"delete what is not there", []string{"op", "delete", "key", "m"},
			[]string{"It left the dictionary as it was.", "None was sent: nothing changed"}, ""},
		{"clear", []string{"op", "clear"}, []string{"<del>  &#34;n&#34;: 1</del>"}, "Max-Age=0"},
		{"flush", []string{"op", "flush"}, []string{"<del>  &#34;n&#34;: 1</del>", "You have no session now."}, "Max-Age=0"},
		{"cycle", []string{"op", "cycle"}, []string{"It left the dictionary as it was."}, "Max-Age=1209600"},
		{"expiry", []string{"op", "expiry", "value", "90"}, []string{"<ins>  &#34;_session_expiry&#34;: 90</ins>", `data-seconds="90"`}, "Max-Age=90"},
		{"expiry at browser close", []string{"op", "expiry", "value", "0"}, []string{"or when the browser is closed"}, "HttpOnly"},
		{"testcookie", []string{"op", "testcookie"}, []string{"<ins>  &#34;testcookie&#34;: &#34;worked&#34;</ins>"}, "Max-Age=1209600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := on.Visit(t)
			v.Post("/session", "op", "set", "key", "n", "value", "1")
			status, header, body := v.Browse("POST", "/session", test.fields...)
			require.Equal(t, http.StatusOK, status)
			assert.Contains(t, body, "<h1><code>"+test.fields[1]+"</code> is done</h1>")
			for _, says := range test.says {
				assert.Contains(t, body, says)
			}
			assert.Contains(t, body, "Nothing was logged")
			assert.Contains(t, header.Get("Set-Cookie"), test.setCookie)
			if test.setCookie == "" {
				assert.Empty(t, header.Get("Set-Cookie"))
			} else {
				assert.Contains(t, body, "<b>Set-Cookie:</b> "+header.Get("Set-Cookie")+"</p>", "the page shows what was sent")
			}
		})
	}
	t.Run("what was logged is shown", func(t *testing.T) {
		v := on.Visit(t)
		v.SetCookie("rubbish")
		_, _, body := v.Browse("POST", "/session", "op", "testcookie")
		assert.Contains(t, body, `level=WARN msg=&#34;session cookie refused&#34; cookie=sessionid reason=malformed`)
		assert.Contains(t, body, "path=/session")
		assert.NotContains(t, body, "Nothing was logged")
		v.SetCookie("rubbish")
		assert.Contains(t, v.Get("/car"), `level=DEBUG msg=&#34;session cookie refused&#34;`, "again: the server's log leaves it out, and the page doesn't")
	})
}

func errorsLeaveTheSessionAlone(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Browse("POST", "/flash", "message", "It waits.")
	before := v.Cookie()
	for _, path := range []string{"/nothing", "/session", "/set-session", "/?a=%zz"} {
		_, header, body := v.Browse("GET", path)
		assert.Empty(t, header.Get("Set-Cookie"), path)
		assert.NotContains(t, body, "It waits.", path)
	}
	assert.Equal(t, before, v.Cookie())
	assert.Contains(t, v.Get("/car"), "It waits.")
}

func flashIsShownOnce(t *testing.T, on Place) {
	v := on.Visit(t)
	page := v.Post("/flash", "message", "Sent <b>twice</b>")
	assert.Contains(t, page, `<p class="flash" role="status">Sent &lt;b&gt;twice&lt;/b&gt;</p>`)
	assert.NotContains(t, v.Get("/flash"), `class="flash"`)
	assert.Equal(t, `{}`, v.Data())
}

func keyIsRotated(t *testing.T, on Place) {
	v := on.Visit(t)
	page := v.Get("/rotate")
	said := regexp.MustCompile(`<strong>(Accepted|Refused)[.:]?</strong>([^<]*)</p>`).FindAllStringSubmatch(page, -1)
	require.Len(t, said, 4)
	for i, want := range []string{"", " with the old key. To be signed anew.", "", " signature does not match."} {
		assert.Equal(t, want, said[i][2], "step %d", i+1)
	}
	parts := func(name string) []string {
		var all []string
		for _, match := range regexp.MustCompile(`<span class="`+name+`">([^<]+)</span>`).FindAllStringSubmatch(page, -1) {
			all = append(all, match[1])
		}
		return all
	}
	payloads, signatures := parts("payload"), parts("signature")
	require.Len(t, signatures, 4)
	assert.Equal(t, []string{payloads[0], payloads[0], payloads[0], payloads[0]}, payloads)
	assert.Equal(t, signatures[0], signatures[1])
	assert.NotEqual(t, signatures[1], signatures[2], "signed anew")
	assert.Equal(t, signatures[0], signatures[3])
	assert.NotContains(t, v.Get("/rotate"), signatures[0], "its keys are for one page")
}

func storesAreCompared(t *testing.T, on Place) {
	v := on.Visit(t)
	v.Post("/session", "op", "set", "key", "n", "value", "1")
	page := v.Get("/stores")
	if on.has("-revoke") {
		return // its sizes count the session's ID
	}
	assert.Contains(t, page, "It has 7 bytes of JSON")
	assert.Contains(t, page, "<strong>70</strong> bytes</td>", "sessionid, 10 of base64, 6 of time, 43 of signature, and 2 colons")
	assert.Contains(t, page, "<strong>41</strong> bytes: the key of a row")
	assert.Contains(t, page, "a row with <strong>61</strong> bytes of data")
	place := "the cookie"
	switch {
	case on.inRows():
		place = "a database"
	case on.has("-spill"):
		place = "the cookie while it is small, and else in a database"
	}
	assert.Contains(t, page, "This site keeps your session in "+place+".")
	if on.inRows() {
		v.Post("/session", "op", "set", "key", "big", "value", `"`+Noise(4000)+`"`)
		assert.Contains(t, v.Get("/stores"), "does not fit")
	}
}

// cleaned is the status with which an http.ServeMux sends a visitor to the clean path: 307
// since Go 1.26.
func cleaned() int {
	w := httptest.NewRecorder()
	http.NewServeMux().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost//", nil))
	return w.Code
}
