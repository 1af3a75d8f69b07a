// Package drive visits the programs of this module as a browser does, and has the one
// table of what each of them must do.
package drive

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Site is a program under test.
type Site struct {
	Sessions *cookiestore.Manager
	News     chan string // for /stream and /events
	URL      string
	Log      *Log

	// Transport is for a server that http.DefaultTransport does not reach.
	Transport http.RoundTripper

	// ClosesOnPanic says that nothing in the program recovers: the connection ends
	// without an answer.
	ClosesOnPanic bool

	// NoFlush says that there is no Flush: the header goes out with the first byte.
	NoFlush bool

	// MayLog is what the middleware may say of each request.
	MayLog string

	// Without names the paths that the program can't have.
	Without []string

	// Websockets are the paths that upgrade. By default, those of package plain.
	Websockets []string
}

// New returns a Site without a server. The options are added to those that a test
// without TLS needs.
func New(t *testing.T, options ...cookiestore.Option) *Site {
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	log := new(Log)
	options = append([]cookiestore.Option{
		cookiestore.WithSecure(false), cookiestore.WithLogger(slog.New(slog.NewTextHandler(log, nil))),
	}, options...)
	sessions, err := cookiestore.NewManager(store, options...)
	require.NoError(t, err)
	return &Site{
		Sessions: sessions, News: make(chan string), Log: log,
		Websockets: []string{"/coder-websocket", "/gorilla-websocket"},
	}
}

// Serve starts a server that ends with the test.
func (s *Site) Serve(t *testing.T, h http.Handler) {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of panics
	server.Start()
	t.Cleanup(server.Close)
	s.URL = server.URL
}

// A Log is what the middleware has logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the log as text.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Reset forgets what was logged.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

var message = regexp.MustCompile(`(?m)^.*? msg="([^"]*)"`)

// Messages returns the messages without what belongs to them, each once.
func (l *Log) Messages() []string {
	var messages []string
	for _, match := range message.FindAllStringSubmatch(l.String(), -1) {
		if !slices.Contains(messages, match[1]) {
			messages = append(messages, match[1])
		}
	}
	return messages
}

// What a response does with the session's cookie.
type cookie string

const (
	set     cookie = "set"
	deleted cookie = "deleted"
	left    cookie = "left alone"
)

// A visitor is a browser with a cookie jar, which doesn't follow redirects.
type visitor struct {
	t    *testing.T
	site *Site
	http *http.Client
}

func (s *Site) visitor(t *testing.T) *visitor {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, s, &http.Client{
		Jar: jar, Transport: s.Transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// begin sends a request and returns the response when its header is there.
func (v *visitor) begin(method, path string, header ...string) (*http.Response, error) {
	r, err := http.NewRequest(method, v.site.URL+path, nil)
	require.NoError(v.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return v.http.Do(r)
}

// anyBody is for answers whose text is the framework's.
const anyBody = "*"

// wants sends a request and says what of the answer is not as it must be.
func (v *visitor) wants(method, path string, status int, body string, what cookie, header ...string) *http.Response {
	v.t.Helper()
	response, err := v.begin(method, path, header...)
	require.NoError(v.t, err, path)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err, path)
	got := strings.TrimSpace(string(text))
	assert.Equal(v.t, status, response.StatusCode, "%s: status, with the body %.80q", path, got)
	if body != anyBody && body != got { // it may be long
		assert.Fail(v.t, path, "body %.80q (%d bytes), want %.80q (%d)", got, len(got), body, len(body))
	}
	assert.Equal(v.t, what, doneWith(response), "%s: cookie", path)
	if what != left {
		assert.Contains(v.t, response.Header["Cache-Control"], "private", path)
		assert.Equal(v.t, []string{"Cookie"}, response.Header["Vary"], path)
	}
	return response
}

func doneWith(response *http.Response) cookie {
	what := left
	for _, c := range response.Cookies() {
		if c.Name == "sessionid" {
			if what != left {
				return "set twice"
			}
			what = set
			if c.MaxAge < 0 {
				what = deleted
			}
		}
	}
	return what
}

// streams reads a response while it is written: the header and each piece are there
// before the program has anything more to say.
func (v *visitor) streams(path string, pieces ...string) {
	v.t.Helper()
	next := 0
	if path == "/events" || v.site.NoFlush { // the header goes out with the first piece
		go func() { v.site.News <- pieces[0] }()
		next = 1
	}
	response, err := v.begin(http.MethodGet, path)
	require.NoError(v.t, err)
	defer response.Body.Close()
	assert.Equal(v.t, set, doneWith(response), path)
	lines := bufio.NewScanner(response.Body)
	for i, piece := range pieces {
		if i >= next {
			v.site.News <- piece
		}
		for lines.Scan() && lines.Text() == "" { // between two events
		}
		assert.Equal(v.t, piece, strings.Trim(strings.TrimPrefix(lines.Text(), "data:"), `" `), path)
	}
	for lines.Scan() {
		assert.Empty(v.t, lines.Text(), path)
	}
	require.NoError(v.t, lines.Err())
}

// upgrades opens a websocket and reads its first message.
func (v *visitor) upgrades(path, message string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 20*time.Second)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, v.site.URL+path, &websocket.DialOptions{HTTPClient: v.http})
	require.NoError(v.t, err, path)
	defer conn.CloseNow()
	assert.Equal(v.t, set, doneWith(response), path)
	_, text, err := conn.Read(ctx)
	require.NoError(v.t, err, path)
	assert.Equal(v.t, message, string(text), path)
}

// panics asks for a page that panics.
func (v *visitor) panics(path string) {
	v.t.Helper()
	if v.site.ClosesOnPanic {
		_, err := v.begin(http.MethodGet, path)
		assert.Error(v.t, err, "the connection is closed")
		return
	}
	v.wants("GET", path, 500, anyBody, left)
}
