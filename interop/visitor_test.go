package interop

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

type cookie = http.Cookie

// A visitor has one cookie jar and goes to two sites on 127.0.0.1. Cookies know
// no ports, so the sites share them, as two behind one proxy would.
type visitor struct {
	t      *testing.T
	django *djangoSite
	store  rotatingStore
	goSite *httptest.Server
	jar    *cookiejar.Jar
	client *http.Client
	log    *syncBuffer // of the Go site

	mu      sync.Mutex
	now     time.Time // on both sites; zero is the real time
	handler func(*cookiestore.Session)
}

// A rotatingStore is a store whose keys can be changed: each of ours.
type rotatingStore interface {
	cookiestore.Store
	SetKeys(key []byte, fallbacks ...[]byte) error
}

// newVisitor returns a visitor to the Django site and to a Go site that is meant
// to share sessions with it.
func newVisitor(t *testing.T, django *djangoSite, options ...cookiestore.Option) *visitor {
	t.Helper()
	var store rotatingStore
	var err error
	if django.db == nil {
		store, err = cookiestore.New([]byte(secretKey), cookiestore.WithDjango())
	} else {
		store, err = dbstore.New(django.db.DB, []byte(secretKey))
	}
	require.NoError(t, err)
	return newVisitorWithStore(t, django, store, options...)
}

func newVisitorWithStore(t *testing.T, django *djangoSite, store rotatingStore, options ...cookiestore.Option) *visitor {
	t.Helper()
	v := &visitor{t: t, django: django, store: store, log: &syncBuffer{}}
	var err error
	v.jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	v.client = &http.Client{
		Jar:           v.jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	options = append([]cookiestore.Option{
		cookiestore.WithSecure(false), // as in Django, whose default it is
		cookiestore.WithClock(v.clock),
		cookiestore.WithLogger(slog.New(slog.NewTextHandler(v.log, nil))),
	}, options...)
	v.goSite = httptest.NewServer(cookiestore.Middleware(store, options...)(http.HandlerFunc(v.serve)))
	t.Cleanup(v.goSite.Close)
	return v
}

// serve does on the Go site what the test is at.
func (v *visitor) serve(_ http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	handler := v.handler
	v.mu.Unlock()
	if handler != nil {
		handler(cookiestore.FromContext(r.Context()))
	}
}

func (v *visitor) clock() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now.IsZero() {
		return time.Now()
	}
	return v.now
}

// at stops both sites' clocks at a time. The cookie jar's can't be: it goes on
// sending what a browser would have dropped since.
func (v *visitor) at(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = now
}

// tryGo has the Go site serve a request with a handler, or with one that doesn't ask for
// the session if it is nil.
func (v *visitor) tryGo(handler func(*cookiestore.Session)) reply {
	v.t.Helper()
	v.serveNext(handler)
	return v.do(http.MethodGet, v.goSite.URL, nil)
}

// serveNext sets what the Go site does from now on.
func (v *visitor) serveNext(handler func(*cookiestore.Session)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.handler = handler
}

func (v *visitor) inGo(handler func(*cookiestore.Session)) reply {
	v.t.Helper()
	r := v.tryGo(handler)
	require.Equal(v.t, http.StatusOK, r.status, "the Go site: %s\n%s", r.body, v.log)
	return r
}

// tryDjango sends the Django site a request, with body as JSON if it isn't nil.
func (v *visitor) tryDjango(method, path string, body any) reply {
	v.t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(v.t, err)
	}
	return v.do(method, v.django.url+path, text)
}

func (v *visitor) inDjango(method, path string, body any) reply {
	v.t.Helper()
	r := v.tryDjango(method, path, body)
	require.Equal(v.t, http.StatusOK, r.status, "the Django site: %s", r.body)
	return r
}

func (v *visitor) do(method, url string, body []byte) reply {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, url, bytes.NewReader(body))
	require.NoError(v.t, err)
	v.mu.Lock()
	if !v.now.IsZero() {
		request.Header.Set("X-Now", strconv.FormatInt(v.now.UnixMicro(), 10))
	}
	v.mu.Unlock()
	response, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	r := reply{status: response.StatusCode, body: string(text), vary: response.Header.Get("Vary")}
	for _, c := range response.Cookies() {
		require.Nil(v.t, r.cookie, "more than one cookie is set")
		r.cookie = c
	}
	return r
}

// valuePath is the path of a value on the Django site.
func valuePath(key string) string { return "/value?key=" + url.QueryEscape(key) }

// setInDjango sets a value given as JSON.
func (v *visitor) setInDjango(key, text string) {
	v.t.Helper()
	v.inDjango(http.MethodPost, valuePath(key), json.RawMessage(text))
}

func (v *visitor) setInGo(key string, value any) {
	v.t.Helper()
	v.inGo(func(s *cookiestore.Session) { s.Set(key, value) })
}

// djangoText returns the JSON that Django makes of the value that it has.
func (v *visitor) djangoText(key string) string {
	v.t.Helper()
	return v.inDjango(http.MethodGet, valuePath(key), nil).body
}

// djangoSession returns the JSON that Django makes of all values, in its order.
func (v *visitor) djangoSession() [][2]string {
	v.t.Helper()
	return decode[[][2]string](v.t, v.inDjango(http.MethodGet, "/session", nil))
}

// goSession returns the JSON of all values as Go has them, in its order.
func (v *visitor) goSession() [][2]string {
	v.t.Helper()
	var text []byte
	v.inGo(func(s *cookiestore.Session) { text, _ = s.MarshalJSON() })
	return members(v.t, text)
}

// refusedByGo returns why the Go site refuses the cookie; nil if there is none,
// or nothing in it.
func (v *visitor) refusedByGo() (err error) {
	v.t.Helper()
	v.inGo(func(s *cookiestore.Session) {
		assert.True(v.t, s.IsEmpty())
		err = s.Refused()
	})
	return err
}

func (v *visitor) home() *url.URL {
	u, err := url.Parse(v.goSite.URL)
	require.NoError(v.t, err)
	return u
}

// cookie returns the value of the session's cookie in the jar, or "".
func (v *visitor) cookie() string {
	for _, c := range v.jar.Cookies(v.home()) {
		if c.Name == "sessionid" {
			return c.Value
		}
	}
	return ""
}

// setCookie puts another value in the jar, with no end.
func (v *visitor) setCookie(value string) {
	v.jar.SetCookies(v.home(), []*http.Cookie{{Name: "sessionid", Value: value, Path: "/"}})
}

// row returns the row of the session.
func (v *visitor) row() dbstore.Row {
	v.t.Helper()
	row, err := v.store.(*dbstore.Store).Row(v.t.Context(), v.cookie())
	require.NoError(v.t, err)
	return row
}

// signed returns the text that holds the session: the cookie's value, or the
// row's session_data.
func (v *visitor) signed() string {
	v.t.Helper()
	if v.django.db == nil {
		return v.cookie()
	}
	return v.row().SessionData
}

// payload returns the JSON in a signed text, taken apart without the package's help.
func payload(t *testing.T, value string) []byte {
	t.Helper()
	text, _, _ := strings.Cut(value, ":")
	text, packed := strings.CutPrefix(text, ".")
	data, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err, "the text %q", value)
	if packed {
		r, err := zlib.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return data
}

// members returns the keys of a JSON object and the bytes of their values.
func members(t *testing.T, object []byte) [][2]string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	open, err := decoder.Token()
	require.NoError(t, err)
	require.Equal(t, json.Delim('{'), open)
	list := [][2]string{}
	for decoder.More() {
		key, err := decoder.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, decoder.Decode(&value))
		list = append(list, [2]string{fmt.Sprint(key), string(value)})
	}
	return list
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
