package sitetest

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore/sessiontest"
)

// HexKey signs the sessions of tests that name no other key.
const HexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// A Place is where the visitors of a test have their sessions.
type Place struct {
	Store string // its name
	// Handler returns the site as a program with these flags serves it, on HexKey
	// if they name no key.
	Handler func(t *testing.T, now func() time.Time, flags ...string) http.Handler

	flags []string // of With
}

// With returns the place with flags that every program in it has.
func (p Place) With(flags ...string) Place {
	handler := p.Handler
	p.flags = slices.Concat(p.flags, flags)
	p.Handler = func(t *testing.T, now func() time.Time, more ...string) http.Handler {
		t.Helper()
		return handler(t, now, slices.Concat(flags, more)...)
	}
	return p
}

func (p Place) has(flag string) bool { return slices.Contains(p.flags, flag) }

// inRows reports whether all sessions are in a database.
func (p Place) inRows() bool { return p.Store != "cookie" && !p.has("-spill") }

// readable reports whether a cookie holds a small session, for anybody to read.
func (p Place) readable() bool { return !p.inRows() && !p.has("-encrypt") }

// ends reports whether a session ends for every copy of its cookie.
func (p Place) ends() bool { return p.inRows() || p.has("-revoke") }

// Serve runs the site until the test ends, over HTTPS if it binds sessions to devices.
func (p Place) Serve(t *testing.T, now func() time.Time, flags ...string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(p.Handler(t, now, flags...))
	if p.has("-dbsc") || slices.Contains(flags, "-dbsc") {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// A Visitor has a cookie jar, and a site with its own clock. The jar goes by
// the real time, so it sends cookies that have expired by the site's.
type Visitor struct {
	*testing.T
	client *http.Client
	base   *url.URL
	Clock  *sessiontest.Clock
}

// Visit serves the site to a new visitor, until the test ends. It is noon on 1 March
// 2026.
func (p Place) Visit(t *testing.T, flags ...string) *Visitor {
	t.Helper()
	return p.VisitAt(t, sessiontest.NewClock(time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)), flags...)
}

// VisitAt is Visit with a clock that there is already: that of other instances.
func (p Place) VisitAt(t *testing.T, clock *sessiontest.Clock, flags ...string) *Visitor {
	t.Helper()
	server := p.Serve(t, clock.Now, flags...)
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := server.Client() // trusts its certificate
	client.Jar = jar
	return &Visitor{t, client, base, clock}
}

// At returns the visitor, jar and all, on another instance of the site. (Browsers and jars
// tell no ports of a host apart.)
func (v *Visitor) At(instance *Visitor) *Visitor {
	return &Visitor{v.T, v.client, instance.base, v.Clock}
}

// Status returns that of a page.
func (v *Visitor) Status(path string) int {
	v.Helper()
	status, _, _ := v.Do(v.Request("GET", path, nil))
	return status
}

// Other returns another visitor of the same site, with an empty jar.
func (v *Visitor) Other() *Visitor {
	v.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(v, err)
	return &Visitor{v.T, &http.Client{Transport: v.client.Transport, Jar: jar}, v.base, v.Clock}
}

// Do sends the request and returns status, header and text of the answer.
func (v *Visitor) Do(r *http.Request) (int, http.Header, string) {
	v.Helper()
	response, err := v.client.Do(r)
	require.NoError(v, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v, err)
	return response.StatusCode, response.Header, string(body)
}

// Request returns a request to the site, with the form as its body if there is one.
func (v *Visitor) Request(method, path string, form url.Values) *http.Request {
	v.Helper()
	r, err := http.NewRequestWithContext(v.Context(), method, v.base.String()+path, strings.NewReader(form.Encode()))
	require.NoError(v, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// Get returns a page.
func (v *Visitor) Get(path string) string {
	v.Helper()
	status, _, body := v.Do(v.Request("GET", path, nil))
	require.Equal(v, http.StatusOK, status, body)
	return body
}

// Fields makes a form of names and values in turn.
func Fields(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// formOf makes the form of a POST. Other requests have none.
func formOf(method string, pairs []string) url.Values {
	if method != http.MethodPost {
		return nil
	}
	return Fields(pairs...)
}

// stay has a client follow no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Post sends a form of names and values in turn, and returns the page that the
// answer leads to.
func (v *Visitor) Post(path string, pairs ...string) string {
	v.Helper()
	status, _, body := v.Do(v.Request("POST", path, Fields(pairs...)))
	require.Equal(v, http.StatusOK, status, body)
	return body
}

// Cookie returns the value of the session cookie in the jar, or "".
func (v *Visitor) Cookie() string {
	for _, c := range v.client.Jar.Cookies(v.base) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	return ""
}

// Cookies returns the cookies in the jar, as NAME=VALUE, in the order of their names.
func (v *Visitor) Cookies() []string {
	var all []string
	for _, c := range v.client.Jar.Cookies(v.base) {
		all = append(all, c.Name+"="+c.Value)
	}
	slices.SortFunc(all, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, "=", " "), strings.ReplaceAll(b, "=", " "))
	})
	return all
}

// SetCookie puts a session cookie into the jar.
func (v *Visitor) SetCookie(value string) {
	v.client.Jar.SetCookies(v.base, []*http.Cookie{{Name: "sessionid", Value: value, Path: "/"}})
}

var sessionID = regexp.MustCompile(`,?(?:\n  )?("|&#34;)_(?:session_id|dbsc)("|&#34;): ?("|&#34;)[^"&]*("|&#34;)`)

// withoutID takes the session's ID and what it is bound to out of JSON, where the place has
// these.
func withoutID(text string) string { return sessionID.ReplaceAllString(text, "") }

// Data returns the session's dictionary as JSON, without its ID.
func (v *Visitor) Data() string {
	v.Helper()
	var answer struct{ Data json.RawMessage }
	require.NoError(v, json.Unmarshal([]byte(v.Get("/session.json")), &answer))
	return withoutID(string(answer.Data))
}

// Noise returns n characters that hardly compress.
func Noise(n int) string {
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
