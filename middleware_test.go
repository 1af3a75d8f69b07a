package cookiestore_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

type sessionHandler = func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session)

// visitor is a browser with at most one cookie, at a real server on loopback.
type visitor struct {
	t       *testing.T
	store   cookiestore.Store
	server  *httptest.Server
	log     *syncBuffer
	method  string
	cookie  string
	body    string     // of the last response
	mu      sync.Mutex // a client may send a request again that broke off
	handler sessionHandler
}

func newVisitor(t *testing.T, store cookiestore.Store, options ...cookiestore.Option) *visitor {
	v := &visitor{t: t, store: store, log: &syncBuffer{}, method: http.MethodGet}
	options = append([]cookiestore.Option{cookiestore.WithLogger(slog.New(slog.NewTextHandler(v.log, nil)))}, options...)
	v.serve(cookiestore.Middleware(store, options...), false)
	return v
}

// serve starts a server with the middleware around the handler of the moment.
func (v *visitor) serve(middleware func(http.Handler) http.Handler, http2 bool) {
	if v.server != nil {
		v.server.Close()
	}
	v.server = httptest.NewUnstartedServer(middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		handler := v.handler
		v.mu.Unlock()
		handler(w, r, cookiestore.FromContext(r.Context()))
	})))
	v.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	v.server.Config.ConnState = nil
	if http2 {
		v.server.EnableHTTP2 = true
		v.server.StartTLS()
	} else {
		v.server.Start()
	}
	v.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	v.t.Cleanup(v.server.Close)
}

func (v *visitor) request(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, v.method, v.server.URL, nil)
	require.NoError(v.t, err)
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	return r
}

// try visits a page that h serves.
func (v *visitor) try(h sessionHandler) (*http.Response, error) {
	v.t.Helper()
	v.mu.Lock()
	v.handler = h
	v.mu.Unlock()
	resp, err := v.server.Client().Do(v.request(v.t.Context()))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	v.body = string(body)
	for _, c := range resp.Cookies() {
		v.cookie = c.Name + "=" + c.Value
	}
	return resp, err
}

func (v *visitor) get(h sessionHandler) *http.Response {
	v.t.Helper()
	resp, err := v.try(h)
	require.NoError(v.t, err)
	return resp
}

// value returns what the visitor's session holds under key.
func (v *visitor) value(key string) (value any) {
	v.t.Helper()
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { value = s.Get(key) })
	return value
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

// The cookie goes out whichever way a handler answers.
func TestCookieGoesOutBeforeTheFirstByte(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.txt")
	require.NoError(t, os.WriteFile(file, []byte("page"), 0o600))
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		status int
		body   string
	}{
		{"it never writes", func(http.ResponseWriter, *http.Request) {}, 200, ""},
		{"it writes", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }, 200, "page"},
		{"it writes a string", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "page") }, 200, "page"},
		{"it writes nothing", func(w http.ResponseWriter, _ *http.Request) { w.Write(nil) }, 200, ""},
		{"it sets a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 204, ""},
		{"it says not found", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 404, "404 page not found\n"},
		{"it redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", http.StatusSeeOther) }, 303, "<a href=\"/next\">See Other</a>.\n\n"},
		{"it serves a file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }, 200, "page"},
		{"it copies", func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader("page")) }, 200, "page"},
		{"it copies from a reader that can only read", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.LimitReader(strings.NewReader("page and more"), 4))
		}, 200, "page"},
		{"it flushes", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); fmt.Fprint(w, "page") }, 200, "page"},
		{"it flushes through a controller", func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err == nil {
				fmt.Fprint(w, "page")
			}
		}, 200, "page"},
		{"it sets a deadline first", func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err == nil {
				fmt.Fprint(w, "page")
			}
		}, 200, "page"},
		{"it sets the status twice", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, 201, ""},
	} {
		for _, http2 := range []bool{false, true} {
			name := test.name
			if http2 {
				name += ", over HTTP/2"
			}
			t.Run(name, func(t *testing.T) {
				v := newVisitor(t, newStore(t))
				v.serve(cookiestore.Middleware(v.store), http2)
				resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
					s.Set("a", 1)
					test.answer(w, r)
				})
				require.Equal(t, http2, resp.ProtoMajor == 2)
				require.Equal(t, test.status, resp.StatusCode)
				require.Equal(t, test.body, v.body)
				require.Len(t, resp.Cookies(), 1)
				require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
				require.Equal(t, 1, v.value("a"))
			})
		}
	}
}

func TestHeadRequest(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.method = http.MethodHead
	resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("a", 1)
		fmt.Fprint(w, "page")
	})
	require.Len(t, resp.Cookies(), 1)
	require.Empty(t, v.body)
	v.method = http.MethodGet
	require.Equal(t, 1, v.value("a"))
}

func TestInformationalResponsesPassThrough(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		s.Set("a", 1) // not too late
		fmt.Fprint(w, "page")
	}
	var hints []textproto.MIMEHeader
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			assert.Equal(t, http.StatusEarlyHints, code)
			hints = append(hints, h)
			return nil
		},
	})
	resp, err := v.server.Client().Do(v.request(ctx))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Len(t, hints, 1)
	require.NotContains(t, hints[0], "Set-Cookie")
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)
	require.Empty(t, v.log.String())
}

func TestServerSentEvents(t *testing.T) {
	v := newVisitor(t, newStore(t))
	seen := make(chan struct{})
	v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("a", 1)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-seen // the client has the first event while the handler goes on
		fmt.Fprint(w, "data: 2\n\n")
	}
	resp, err := v.server.Client().Do(v.request(t.Context()))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Len(t, resp.Cookies(), 1)
	events := bufio.NewReader(resp.Body)
	line, err := events.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: 1\n", line)
	close(seen)
	rest, err := io.ReadAll(events)
	require.NoError(t, err)
	require.Equal(t, "\ndata: 2\n\n", string(rest))
}

func TestHijack(t *testing.T) {
	v := newVisitor(t, newStore(t))
	returned := make(chan struct{})
	v.serve(func(next http.Handler) http.Handler {
		served := cookiestore.Middleware(v.store, cookiestore.WithLogger(slog.New(slog.NewTextHandler(v.log, nil))))(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(returned)
			served.ServeHTTP(w, r)
		})
	}, false)
	v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("a", 1)
		conn, rw, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		// As websocket libraries do: they write the header themselves.
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n")
		assert.NoError(t, w.Header().Write(rw))
		fmt.Fprint(rw, "\r\n")
		assert.NoError(t, rw.Flush())
		line, err := rw.ReadString('\n')
		assert.NoError(t, err)
		fmt.Fprint(rw, line)
		assert.NoError(t, rw.Flush())
		s.Set("late", 1)
	}
	conn, err := net.Dial("tcp", v.server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	from := bufio.NewReader(conn)
	resp, err := http.ReadResponse(from, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)
	fmt.Fprint(conn, "hello\n")
	line, err := from.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
	_, err = from.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	<-returned // what came too late is logged then
	require.Contains(t, v.log.String(), `session key \"late\" is not saved`)
}

// A websocket package that writes the header itself has sent the cookie with it.
func TestHijackAfterTheHeader(t *testing.T) {
	for name, options := range map[string][]cookiestore.Option{"": nil, "with a buffer": {cookiestore.WithBuffer(1 << 10)}} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, newStore(t), options...)
			v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Set("a", 1)
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Upgrade", "echo")
				w.WriteHeader(http.StatusSwitchingProtocols)
				conn, _, err := w.(http.Hijacker).Hijack()
				if assert.NoError(t, err) {
					conn.Close()
				}
			}
			conn, err := net.Dial("tcp", v.server.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
			require.Len(t, resp.Cookies(), 1)
			require.NotContains(t, v.log.String(), "session cookie left to the handler")
		})
	}
}

func TestSwitchingProtocolsIsAFinalStatus(t *testing.T) {
	w := httptest.NewRecorder()
	cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
		w.WriteHeader(http.StatusSwitchingProtocols)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Len(t, w.Result().Cookies(), 1)
}

// Over HTTP/2 there is no connection to take over.
func TestHijackThatFailsSavesNothing(t *testing.T) {
	v := newVisitor(t, newStore(t))
	two := func(next http.Handler) http.Handler {
		return cookiestore.Middleware(v.store, cookiestore.WithName("outer"))(cookiestore.Middleware(v.store)(next))
	}
	for _, middleware := range []func(http.Handler) http.Handler{cookiestore.Middleware(v.store), two} {
		v.serve(middleware, true)
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			_, _, err := w.(http.Hijacker).Hijack()
			assert.ErrorIs(t, err, http.ErrNotSupported)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
		require.Equal(t, 500, resp.StatusCode)
		require.Empty(t, resp.Cookies())
	}
}

// readerFrom is a ResponseWriter that can use sendfile.
type readerFrom struct {
	*httptest.ResponseRecorder
	from io.Reader
}

func (w *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	w.from = src
	return io.Copy(w.ResponseRecorder, src)
}

func TestSendfileIsLeftToTheServer(t *testing.T) {
	file, err := os.Open("LICENSE")
	require.NoError(t, err)
	defer file.Close()
	w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
	limited := io.LimitReader(file, 10)
	cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
		n, err := io.Copy(w, limited)
		assert.NoError(t, err)
		assert.EqualValues(t, 10, n)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Same(t, limited, w.from)
	require.NotEmpty(t, w.Header()["Set-Cookie"])
}

// bareWriter can do no more than it must.
type bareWriter struct{ http.ResponseWriter }

func TestWhatTheServerCantDoIsAnError(t *testing.T) {
	cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		_, _, err := http.NewResponseController(w).Hijack()
		assert.ErrorIs(t, err, http.ErrNotSupported)
		assert.ErrorIs(t, http.NewResponseController(w).SetReadDeadline(time.Time{}), http.ErrNotSupported)
		w.(http.Flusher).Flush()
	})).ServeHTTP(bareWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestPanics(t *testing.T) {
	v := newVisitor(t, newStore(t))
	change := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("a", 2)
		panic(http.ErrAbortHandler)
	}
	v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })

	_, err := v.try(change)
	require.Error(t, err, "the connection breaks off, as without a session")
	require.Equal(t, 1, v.value("a"))

	recovered := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "sorry", http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	mine := cookiestore.Middleware(v.store)
	for name, middleware := range map[string]func(http.Handler) http.Handler{
		"recovered outside": func(next http.Handler) http.Handler { return recovered(mine(next)) },
		"recovered inside":  func(next http.Handler) http.Handler { return mine(recovered(next)) },
	} {
		t.Run(name, func(t *testing.T) {
			v.serve(middleware, false)
			resp := v.get(change)
			require.Equal(t, 500, resp.StatusCode)
			require.Empty(t, resp.Cookies())
			require.Equal(t, 1, v.value("a"))
		})
	}
	ignored := func(f func()) {
		defer func() { assert.NotNil(t, recover()) }()
		f()
	}
	t.Run("a store that panics while it loads is a store that failed", func(t *testing.T) {
		v := newVisitor(t, &failingStore{panics: true})
		v.cookie = "sessionid=x"
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			ignored(func() { s.Get("a") })
			s.Set("a", 1) // would be the whole session, and overwrite the visitor's
			fmt.Fprint(w, "page")
		})
		require.Equal(t, 500, resp.StatusCode)
		require.Empty(t, resp.Cookies())
		require.Contains(t, v.log.String(), "the store panicked")
	})
	t.Run("a store that panics while it saves is an error", func(t *testing.T) {
		v := newVisitor(t, &failingStore{savePanics: true})
		resp, err := v.try(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			ignored(func() { fmt.Fprint(w, "page") })
			_, err := fmt.Fprint(w, "page")
			assert.ErrorContains(t, err, "the store panicked")
		})
		require.NoError(t, err)
		require.Equal(t, 500, resp.StatusCode)
		require.NotContains(t, v.body, "page")
	})
}

// http.TimeoutHandler answers while the handler still waits for the store.
func TestTimeoutWhileTheStoreHangs(t *testing.T) {
	store := &failingStore{hangs: make(chan struct{})}
	v := newVisitor(t, store)
	v.cookie = "sessionid=x"
	v.serve(func(next http.Handler) http.Handler {
		return cookiestore.Middleware(store)(http.TimeoutHandler(next, time.Millisecond, "too slow"))
	}, false)
	done := make(chan struct{})
	resp := v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		defer close(done)
		assert.Equal(t, 1, s.Get("a"))
		s.Set("a", 2)
	})
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "too slow", v.body)
	require.Empty(t, resp.Cookies())
	close(store.hangs)
	<-done
}

func TestChangeAfterTheFirstByte(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *cookiestore.Session)
		says   string
	}{
		{"a key is set", func(s *cookiestore.Session) { s.Set("cart", "hunter2") }, `session key \"cart\" is not saved`},
		{"a key is deleted", func(s *cookiestore.Session) { s.Delete("a") }, `session key \"a\" is not saved`},
		{"a key is modified", func(s *cookiestore.Session) { cookiestore.Modify(s, "a", func(n *int) { *n++ }) }, `session key \"a\" is not saved`},
		{"a value can't be set", func(s *cookiestore.Session) { s.Set("b", make(chan int)) }, `session key \"b\" is not saved`},
		{"all is cleared", (*cookiestore.Session).Clear, `a change of the whole session is not saved`},
		{"the expiry is set", func(s *cookiestore.Session) { s.SetExpiry(cookiestore.AtBrowserClose) }, `session key \"_session_expiry\" is not saved`},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				fmt.Fprint(w, "page")
				test.change(s)
			})
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, "page", v.body)
			require.Empty(t, resp.Cookies())
			require.Contains(t, v.log.String(), "level=ERROR")
			require.Contains(t, v.log.String(), test.says)
			require.NotContains(t, v.log.String(), "hunter2")
			require.Equal(t, 1, v.value("a"))
		})
	}
	t.Run("after a failure of the handler", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			w.WriteHeader(http.StatusInternalServerError)
			s.Set("a", 1)
		})
		require.Contains(t, v.log.String(), `session key \"a\" is not saved`)
	})
	t.Run("reading on is never too late", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
		v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Get("a")
			fmt.Fprint(w, "page")
			assert.Equal(t, 1, s.Get("a"))
		})
		require.Empty(t, v.log.String())
	})
}

// aboutThePage is what a handler may say of a page that is then dropped.
var aboutThePage = map[string]string{
	"Accept-Ranges": "bytes", "Cache-Control": "public", "Content-Disposition": "attachment", "Content-Encoding": "br",
	"Content-Language": "en", "Content-Length": "9999", "Content-Range": "bytes 0-1/2", "Content-Type": "text/html",
	"Etag": "x", "Expires": "Thu, 01 Jan 2037 00:00:00 GMT", "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT",
	"Location": "/done", "Refresh": "0; url=/done", "Trailer": "Expires",
}

// What the visitor is told, and whether trying again can help.
const (
	notSaved = "The session could not be saved.\n"
	tryAgain = "The session could not be loaded or saved. Please try again.\n"
)

func TestFailedSavesAreNeverSilent(t *testing.T) {
	page := func(w http.ResponseWriter) error {
		for name, value := range aboutThePage {
			w.Header().Set(name, value)
		}
		w.Header().Set("X-Frame-Options", "DENY")
		w.WriteHeader(http.StatusCreated)
		_, err := io.WriteString(w, "<h1>Thank you!</h1>")
		return err
	}
	down := errors.New("the database is down")
	tooLarge := dictionary(4000, true)
	for _, test := range []struct {
		name   string
		store  cookiestore.Store
		change func(s *cookiestore.Session)
		says   string
		text   string
	}{
		{"a session that is too large", newStore(t), func(s *cookiestore.Session) { s.Update(jsonObject(t, tooLarge)) }, `the limit is 4096; largest keys: \"cart\"`, notSaved},
		{"a value that JSON can't hold", newStore(t), func(s *cookiestore.Session) { s.Set("f", func() {}) }, `session key \"f\" can't be set: JSON has no func()`, notSaved},
		{"a store that can't save", &failingStore{save: down}, func(s *cookiestore.Session) { s.Set("a", 1) }, "session can't be saved: the database is down", tryAgain},
		{"a store that can't load", &failingStore{load: down}, func(s *cookiestore.Session) { s.Get("a") }, "session can't be loaded: the database is down", tryAgain},
		{"a store that can't delete", &failingStore{remove: down}, func(s *cookiestore.Session) { s.Flush() }, "session can't be deleted: the database is down", tryAgain},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, test.store)
			v.cookie = "sessionid=x"
			for name, answer := range map[string]func(w http.ResponseWriter){
				"it writes a page":  func(w http.ResponseWriter) { assert.Error(t, page(w)) },
				"it flushes":        func(w http.ResponseWriter) { assert.Error(t, http.NewResponseController(w).Flush()) },
				"it copies":         func(w http.ResponseWriter) { _, err := io.Copy(w, strings.NewReader("x")); assert.Error(t, err) },
				"it writes bytes":   func(w http.ResponseWriter) { _, err := w.Write([]byte("x")); assert.Error(t, err) },
				"it hijacks":        func(w http.ResponseWriter) { _, _, err := http.NewResponseController(w).Hijack(); assert.Error(t, err) },
				"it writes nothing": func(http.ResponseWriter) {},
				"it goes on": func(w http.ResponseWriter) {
					_ = page(w)
					w.WriteHeader(http.StatusEarlyHints)
					w.WriteHeader(http.StatusOK)
					assert.Error(t, page(w))
				},
			} {
				t.Run(name, func(t *testing.T) {
					resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
						test.change(s)
						answer(w)
					})
					require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
					require.Equal(t, test.text, v.body)
					require.Empty(t, resp.Cookies(), "the visitor keeps the cookie")
					require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
					require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
					for name, value := range aboutThePage {
						require.NotEqual(t, value, resp.Header.Get(name), name)
					}
					require.Contains(t, v.log.String(), `level=ERROR msg="session not saved" cookie=sessionid`)
					require.Contains(t, v.log.String(), test.says)
				})
			}
			// A handler that asks first can answer for itself.
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				test.change(s)
				http.Error(w, "my own words", http.StatusServiceUnavailable)
			})
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
			require.Equal(t, "my own words\n", v.body)
		})
	}
	t.Run("a handler that has seen that a value can't be set may say so", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 1) })
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 2)
			s.Set("b", json.RawMessage("nope"))
			if s.Err() != nil {
				http.Error(w, "b is not JSON", http.StatusBadRequest)
			}
		})
		require.Equal(t, http.StatusBadRequest, resp.StatusCode)
		require.Equal(t, "b is not JSON\n", v.body)
		require.Empty(t, resp.Cookies())
		require.Contains(t, v.log.String(), `level=ERROR msg="session not saved" cookie=sessionid`)
		require.Contains(t, v.log.String(), `session key \"b\" can't be set`)
		require.Equal(t, 1, v.value("a"))
	})
	t.Run("a handler that has learned it from Modify may say so", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", "x") })
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			if err := cookiestore.Modify(s, "a", func(n *int) { *n++ }); err != nil {
				http.Error(w, "a is not a number", http.StatusConflict)
			}
		})
		require.Equal(t, http.StatusConflict, resp.StatusCode)
		require.Equal(t, "x", v.value("a"))
	})
	for _, test := range []struct {
		name    string
		bad     func(*cookiestore.Session) error
		replied int
	}{
		{"also if it changes something else then", func(s *cookiestore.Session) error {
			return cookiestore.Modify(s, "a", func(f *float64) { *f = math.NaN() })
		}, http.StatusConflict},
		{"but what it changes elsewhere tells it nothing", func(s *cookiestore.Session) error {
			s.Set("a", math.NaN())
			return nil
		}, http.StatusInternalServerError},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := newVisitor(t, newStore(t)).get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				_ = test.bad(s)
				assert.NoError(t, cookiestore.Modify(s, "b", func(n *int) { *n++ }))
				w.WriteHeader(http.StatusConflict)
			})
			require.Equal(t, test.replied, resp.StatusCode)
		})
	}
	t.Run("a handler that has not asked gets the error for all its statuses", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("failed_logins", 1)
			s.Set("b", json.RawMessage("nope"))
			w.WriteHeader(http.StatusUnauthorized)
		})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	})
	t.Run("an error handler that is silent or panics is a status of 500", func(t *testing.T) {
		for name, h := range map[string]func(http.ResponseWriter, *http.Request, error){
			"silent": func(http.ResponseWriter, *http.Request, error) {},
			"early hints": func(w http.ResponseWriter, _ *http.Request, _ error) {
				w.WriteHeader(http.StatusEarlyHints)
				assert.NoError(t, http.NewResponseController(w).SetReadDeadline(time.Time{}))
			},
			"panic": func(http.ResponseWriter, *http.Request, error) { panic("a bug in the error handler") },
		} {
			v := newVisitor(t, &failingStore{save: down}, cookiestore.WithErrorHandler(h))
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				defer func() { _ = recover() }()
				s.Set("a", 1)
				assert.Error(t, page(w))
			})
			require.Equal(t, 500, resp.StatusCode, name)
			require.Empty(t, v.body, name)
		}
	})
	t.Run("a status of 400 does not hide that the store is down", func(t *testing.T) {
		v := newVisitor(t, &failingStore{save: down})
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("failed_logins", 1)
			w.WriteHeader(http.StatusUnauthorized)
		})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	})
	t.Run("an error handler may answer", func(t *testing.T) {
		v := newVisitor(t, &failingStore{save: down}, cookiestore.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
			assert.ErrorIs(t, err, down)
			assert.Equal(t, "/", r.URL.Path)
			http.Error(w, "later", http.StatusServiceUnavailable)
		}))
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			assert.Error(t, page(w))
		})
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.Equal(t, "later\n", v.body)
		require.Empty(t, resp.Header.Get("X-Frame-Options"), "nothing of the handler's header stays")
	})
}

func TestVary(t *testing.T) {
	v := newVisitor(t, newStore(t))
	for _, test := range []struct {
		name         string
		before, want []string
	}{
		{"it is added", nil, []string{"Cookie"}},
		{"it joins others", []string{"Accept-Encoding"}, []string{"Accept-Encoding", "Cookie"}},
		{"it is not repeated", []string{"Accept, cookie"}, []string{"Accept, cookie"}},
		{"a star says all", []string{"*"}, []string{"*"}},
		{"a similar word is another", []string{"Cookie-Consent"}, []string{"Cookie-Consent", "Cookie"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				w.Header()["Vary"] = test.before
				s.Get("a")
			})
			require.Equal(t, test.want, resp.Header["Vary"])
		})
	}
	t.Run("a handler may change the fields of its response", func(t *testing.T) {
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			w.WriteHeader(http.StatusOK)
			w.Header().Add("Vary", "too late")
			w.Header()["Vary"][0] = "too late"
		})
		require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
		resp = v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			http.SetCookie(w, &http.Cookie{Name: "mine", Value: "1"})
		})
		require.Len(t, resp.Cookies(), 2)
	})
}

func TestTwoCookies(t *testing.T) {
	visits, cart := newStore(t), newStore(t, cookiestore.WithFallbackKeys(otherKey))
	outer := cookiestore.Middleware(visits, cookiestore.WithName("visits"))
	inner := cookiestore.Middleware(cart, cookiestore.WithName("cart"))
	v := newVisitor(t, visits)
	v.serve(func(next http.Handler) http.Handler { return outer(inner(next)) }, false)
	resp := v.get(func(_ http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		s.Set("sku", "A-1")
		byName, ok := cookiestore.FromContextNamed(r.Context(), "cart")
		assert.True(t, ok)
		assert.Same(t, s, byName)
		other, ok := cookiestore.FromContextNamed(r.Context(), "visits")
		assert.True(t, ok)
		other.Set("n", 1)
		_, ok = cookiestore.FromContextNamed(r.Context(), "nothing")
		assert.False(t, ok)
	})
	require.Len(t, resp.Cookies(), 2)
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
	cookies := map[string]*http.Cookie{}
	for _, c := range resp.Cookies() {
		cookies[c.Name] = c
	}
	s := sessiontest.Session(t, visits, resp.Cookies(), cookiestore.WithName("visits"))
	requireJSON(t, `{"n":1}`, s)
	s = sessiontest.Session(t, cart, resp.Cookies(), cookiestore.WithName("cart"))
	requireJSON(t, `{"sku":"A-1"}`, s)

	// Both have the same key; one's value under the other's name is refused.
	cookies["cart"].Value = cookies["visits"].Value
	require.True(t, sessiontest.Session(t, cart, []*http.Cookie{cookies["cart"]}, quiet, cookiestore.WithName("cart")).IsNew())
}

func TestRotationLosesNoRequest(t *testing.T) {
	store := newStore(t)
	server := httptest.NewServer(cookiestore.Middleware(store, cookiestore.WithSecure(false))(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := cookiestore.FromContext(r.Context())
			visits := cookiestore.Get(s, "n", 0) + 1
			s.Set("n", visits)
			fmt.Fprint(w, visits)
		})))
	defer server.Close()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			jar, err := cookiejar.New(nil)
			assert.NoError(t, err)
			client := &http.Client{Jar: jar}
			for visit := 1; visit <= 50; visit++ {
				resp, err := client.Get(server.URL)
				if !assert.NoError(t, err) {
					return
				}
				body, err := io.ReadAll(resp.Body)
				assert.NoError(t, err)
				resp.Body.Close()
				if !assert.Equal(t, fmt.Sprint(visit), string(body)) {
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	for keys := [][]byte{testKey, otherKey}; ; keys[0], keys[1] = keys[1], keys[0] {
		select {
		case <-done:
			return
		default:
			assert.NoError(t, store.SetKeys(keys[0], keys[1]))
		}
	}
}

func TestUntouchedRequestsNeverReachTheStore(t *testing.T) {
	v := newVisitor(t, &failingStore{panics: true})
	v.cookie = "sessionid=x"
	resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		assert.False(t, s.Accessed())
		assert.False(t, s.Modified())
		fmt.Fprint(w, "page")
	})
	require.Equal(t, "page", v.body)
	require.Equal(t, []string{"Cookie"}, resp.Header["Vary"], "the handler got hold of the session")
}

// The server removes the temporary files of uploads, though the handler has
// parsed them from another copy of the request.
func TestUploadsAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "big")
	require.NoError(t, err)
	_, err = part.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, form.Close())

	for _, panics := range []bool{false, true} {
		v := newVisitor(t, newStore(t))
		mine := cookiestore.Middleware(v.store)
		v.serve(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { _ = recover() }()
				mine(next).ServeHTTP(w, r)
			})
		}, false)
		v.handler = func(_ http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			assert.NoError(t, r.ParseMultipartForm(1))
			files, err := os.ReadDir(os.TempDir())
			assert.NoError(t, err)
			assert.Len(t, files, 1)
			if panics {
				panic("a bug in the handler")
			}
		}
		resp, err := v.server.Client().Post(v.server.URL, form.FormDataContentType(), bytes.NewReader(body.Bytes()))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		v.server.Close() // waits for the request to end
		files, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		require.Empty(t, files)
	}
}

func TestOuterHandlersSeeThePattern(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest(http.MethodGet, "/users/7", nil)
	cookiestore.Middleware(newStore(t))(mux).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "GET /users/{id}", r.Pattern)
}

func TestContexts(t *testing.T) {
	require.PanicsWithValue(t, fmt.Sprintf("cookiestore: no session in this %T: wrap the handler in cookiestore.Middleware, "+
		"and pass the Context() of the http.Request, not a framework's own context", t.Context()),
		func() { cookiestore.FromContext(t.Context()) })

	type other struct{}
	var s cookiestore.Session
	ctx := cookiestore.NewContext(context.WithValue(t.Context(), other{}, 7), &s)
	require.Same(t, &s, cookiestore.FromContext(ctx))
	require.Equal(t, 7, ctx.Value(other{}))
	_, ok := cookiestore.FromContextNamed(ctx, "sessionid")
	require.False(t, ok)
}

// A slog.Handler may ask the session who is logged in, even while it logs.
func TestLoggingMayUseTheSession(t *testing.T) {
	var log bytes.Buffer
	handler := sessionLogHandler{slog.NewTextHandler(&log, nil)}
	m, err := cookiestore.NewManager(newStore(t), cookiestore.WithLogger(slog.New(handler)))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "sessionid=bad")
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Get("a")
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.Contains(t, log.String(), "refused")
}

type sessionLogHandler struct{ slog.Handler }

func (h sessionLogHandler) Handle(ctx context.Context, r slog.Record) error {
	if s, ok := cookiestore.FromContextNamed(ctx, "sessionid"); ok {
		r.AddAttrs(slog.Any("user", s.Get("user")))
	}
	return h.Handler.Handle(ctx, r)
}

// Printing a request's context gives a name, and reads nothing that changes.
func TestPrintedContext(t *testing.T) {
	served := cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		var printing sync.WaitGroup
		printing.Go(func() {
			assert.Equal(t, "cookiestore.Middleware.WithCancel", fmt.Sprint(ctx))
			assert.Equal(t, "cookiestore.Middleware", fmt.Sprintf("%#v", r.Context()))
		})
		cookiestore.FromContext(ctx).Set("a", 1)
		printing.Wait()
	}))
	served.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

// A handler may ask for the session as often as it likes, and its context is that of the
// request.
func TestHandlersContext(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
		assert.Same(t, s, cookiestore.FromContext(r.Context()))
		s.Set("a", 1)
		fmt.Fprint(w, "page")
	})
	require.Empty(t, v.log.String())
	require.Equal(t, 1, v.value("a"))

	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	deadline, _ := ctx.Deadline()
	cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, ok := r.Context().Deadline()
		assert.True(t, ok)
		assert.Equal(t, deadline, got)
		assert.NoError(t, r.Context().Err())
		cancel()
		<-r.Context().Done()
		assert.ErrorIs(t, r.Context().Err(), context.Canceled)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
}
