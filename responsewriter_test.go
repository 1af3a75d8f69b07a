package cookiestore_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

var errSource = errors.New("the upstream is gone")

// A source that fails before its first byte is not a response yet.
func TestCopyFromABrokenSource(t *testing.T) {
	for _, test := range []struct {
		name   string
		source func() io.Reader
		status int
		body   string
		saved  bool
	}{
		{"it fails at once", func() io.Reader { return iotest.ErrReader(errSource) }, 502, "the upstream is gone\n", false},
		{"it fails after nothing", func() io.Reader { return io.MultiReader(emptyRead{}, iotest.ErrReader(errSource)) }, 502, "the upstream is gone\n", false},
		{"it fails after a byte", func() io.Reader { return io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errSource)) }, 200, "xthe upstream is gone\n", true},
		{"it fails with a byte", func() io.Reader {
			return iotest.DataErrReader(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errSource)))
		}, 200, "xthe upstream is gone\n", true},
		{"it is empty", func() io.Reader { return strings.NewReader("") }, 200, "", true},
		{"it ends with its last byte", func() io.Reader { return iotest.DataErrReader(strings.NewReader("page")) }, 200, "page", true},
		{"it is long", func() io.Reader { return strings.NewReader(strings.Repeat("page", 1000)) }, 200, strings.Repeat("page", 1000), true},
		{"it comes in bits", func() io.Reader { return iotest.OneByteReader(strings.NewReader("page")) }, 200, "page", true},
	} {
		for _, buffer := range []int{0, 1, 1 << 16} {
			t.Run(fmt.Sprint(test.name, ", buffer of ", buffer), func(t *testing.T) {
				v := newVisitor(t, newStore(t), cookiestore.WithBuffer(buffer))
				resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
					s.Set("a", 1)
					source := struct{ io.Reader }{test.source()}
					n, err := io.Copy(w, source)
					if err != nil {
						assert.ErrorIs(t, err, errSource)
						http.Error(w, err.Error(), http.StatusBadGateway)
					} else {
						assert.EqualValues(t, len(test.body), n)
					}
				})
				saved, status := test.saved, test.status
				if buffer > 0 && strings.HasSuffix(test.body, "gone\n") {
					status, saved = 502, false // it was held back
				}
				require.Equal(t, status, resp.StatusCode)
				require.Equal(t, test.body, v.body)
				require.Equal(t, saved, len(resp.Cookies()) == 1)
			})
		}
	}
}

type emptyRead struct{}

func (emptyRead) Read([]byte) (int, error) { return 0, io.EOF }

// What was copied is counted once.
func TestCopyTwice(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		s.Set("a", 1)
		for _, text := range []string{strings.Repeat("x", 2000), strings.Repeat("y", 3000)} {
			n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(text)})
			assert.NoError(t, err)
			assert.EqualValues(t, len(text), n)
		}
	})
	require.Equal(t, strings.Repeat("x", 2000)+strings.Repeat("y", 3000), v.body)
}

// basicWriter is a ResponseWriter with no more methods than it must have, beside Unwrap.
type basicWriter struct {
	http.ResponseWriter
	unwrap http.ResponseWriter
}

func (w basicWriter) Unwrap() http.ResponseWriter { return w.unwrap }

// serveOn serves a request with a changed session on a writer.
func serveOn(t *testing.T, w http.ResponseWriter, log io.Writer, serve func(w http.ResponseWriter, s *cookiestore.Session)) {
	cookiestore.Middleware(newStore(t), cookiestore.WithLogger(logTo(log)))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		s.Set("a", 1)
		serve(w, s)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
}

// What the server can't do has not begun the response: the handler answers otherwise.
func TestWhatFailsBeginsNothing(t *testing.T) {
	for name, try := range map[string]func(w http.ResponseWriter) error{
		"flush": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		"flush, without an error": func(w http.ResponseWriter) error {
			w.(http.Flusher).Flush()
			return http.ErrNotSupported
		},
		"hijack": func(w http.ResponseWriter) error { _, _, err := w.(http.Hijacker).Hijack(); return err },
		"push":   func(w http.ResponseWriter) error { return w.(http.Pusher).Push("/x", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			serveOn(t, basicWriter{struct{ http.ResponseWriter }{w}, struct{ http.ResponseWriter }{w}}, io.Discard, func(w http.ResponseWriter, s *cookiestore.Session) {
				assert.ErrorIs(t, try(w), http.ErrNotSupported)
				s.Set("b", 2) // not too late
				w.WriteHeader(http.StatusAccepted)
			})
			require.Equal(t, http.StatusAccepted, w.Code)
			require.Len(t, w.Result().Cookies(), 1)
		})
	}
}

// fullWriter has what servers may have.
type fullWriter struct {
	http.ResponseWriter
	did    string
	closed chan bool
}

func (w *fullWriter) FlushError() error        { w.did += "flush"; return errSource }
func (w *fullWriter) CloseNotify() <-chan bool { return w.closed }
func (w *fullWriter) Push(target string, _ *http.PushOptions) error {
	w.did += "push " + target
	return nil
}

func TestWhatTheServerCanDo(t *testing.T) {
	for name, wrap := range map[string]func(w *fullWriter) http.ResponseWriter{
		"itself":  func(w *fullWriter) http.ResponseWriter { return w },
		"wrapped": func(w *fullWriter) http.ResponseWriter { return basicWriter{bareWriter{w}, w} },
		"in depth": func(w *fullWriter) http.ResponseWriter {
			return basicWriter{bareWriter{w}, basicWriter{bareWriter{w}, w}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			full := &fullWriter{ResponseWriter: httptest.NewRecorder(), closed: make(chan bool, 1)}
			full.closed <- true
			serveOn(t, wrap(full), io.Discard, func(w http.ResponseWriter, _ *cookiestore.Session) {
				assert.NoError(t, w.(http.Pusher).Push("/style.css", nil))
				assert.Equal(t, "push /style.css", full.did)
				notifier := w.(interface{ CloseNotify() <-chan bool })
				assert.True(t, <-notifier.CloseNotify())
				assert.ErrorIs(t, http.NewResponseController(w).Flush(), errSource)
			})
			require.Equal(t, "push /style.cssflush", full.did)
			require.NotEmpty(t, full.Header()["Set-Cookie"])
		})
	}
	t.Run("two middlewares don't claim more than the server can", func(t *testing.T) {
		outer, inner := cookiestore.Middleware(newStore(t), cookiestore.WithName("outer")), cookiestore.Middleware(newStore(t))
		w := httptest.NewRecorder()
		outer(inner(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Set("a", 1)
			assert.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
			w.WriteHeader(http.StatusNotFound)
		}))).ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, http.StatusNotFound, w.Code)
	})
}

// gin's Context.Stream takes http.CloseNotifier for granted.
func TestCloseNotify(t *testing.T) {
	v := newVisitor(t, newStore(t))
	reached, gone := make(chan struct{}), make(chan bool)
	v.handler = func(w http.ResponseWriter, _ *http.Request, _ *cookiestore.Session) {
		closed := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		close(reached)
		gone <- <-closed
	}
	conn, err := net.Dial("tcp", v.server.Listener.Addr().String())
	require.NoError(t, err)
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-reached
	require.NoError(t, conn.Close())
	require.True(t, <-gone)

	// Where the server has no such thing, the request's context tells.
	ctx, cancel := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	cookiestore.Middleware(newStore(t))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		closed := w.(interface{ CloseNotify() <-chan bool }).CloseNotify()
		select {
		case <-closed:
			assert.Fail(t, "the client is there")
		default:
		}
		cancel()
		assert.True(t, <-closed)
	})).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
}

// frameworkWriter tells whether it has written, as those of gin and negroni do.
type frameworkWriter struct {
	*httptest.ResponseRecorder
	written bool
}

func (w *frameworkWriter) Written() bool { return w.written }
func (w *frameworkWriter) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseRecorder.Write(p)
}

// A handler that goes on with the framework's own writer writes past the middleware.
func TestWritingPastTheMiddleware(t *testing.T) {
	const says = `level=ERROR msg="response written past the middleware" cookie=sessionid`
	for _, test := range []struct {
		name   string
		serve  func(past *frameworkWriter, w http.ResponseWriter, r *http.Request)
		logged string // the reason
	}{
		{"a change is lost", func(past *frameworkWriter, _ http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Set("a", 1)
			fmt.Fprint(past, "page")
		}, "late"},
		{"a session that is read has no Vary", func(past *frameworkWriter, _ http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Get("a")
			fmt.Fprint(past, "page")
		}, "failed"},
		{"nor is a session that nobody uses", func(past *frameworkWriter, _ http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context())
			fmt.Fprint(past, "page")
		}, ""},
		{"without a session it doesn't matter", func(past *frameworkWriter, _ http.ResponseWriter, _ *http.Request) { fmt.Fprint(past, "page") }, ""},
		{"nor if nothing was written", func(_ *frameworkWriter, _ http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Set("a", 1)
		}, ""},
		{"nor if the middleware was first", func(past *frameworkWriter, w http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Set("a", 1)
			fmt.Fprint(w, "page")
			fmt.Fprint(past, "page")
		}, ""},
	} {
		for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
			"its own":   func(w http.ResponseWriter) http.ResponseWriter { return w },
			"wrapped":   func(w http.ResponseWriter) http.ResponseWriter { return basicWriter{bareWriter{w}, w} },
			"something": func(w http.ResponseWriter) http.ResponseWriter { return basicWriter{w, w} },
		} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				var log bytes.Buffer
				var o observed
				past := &frameworkWriter{ResponseRecorder: httptest.NewRecorder()}
				cookiestore.Middleware(newStore(t), cookiestore.WithLogger(logTo(&log)), o.option())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					test.serve(past, w, r)
				})).ServeHTTP(wrap(past), httptest.NewRequest(http.MethodGet, "/", nil))
				require.Equal(t, test.logged != "", strings.Contains(log.String(), says+" reason="+test.logged), log.String())
				require.Equal(t, test.logged == "late", slices.Contains(o.take(), "failed late"))
				require.LessOrEqual(t, strings.Count(log.String(), "\n"), 1)
			})
		}
	}
}

// A handler that hijacks with a cookie due is told how to send it.
func TestHijackSaysHowToSendTheCookie(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(m *cookiestore.Manager, s *cookiestore.Session)
		logged bool
	}{
		{"a change", func(_ *cookiestore.Manager, s *cookiestore.Session) { s.Set("a", 1) }, true},
		{"no change", func(_ *cookiestore.Manager, s *cookiestore.Session) { s.Get("a") }, false},
		{"a change that was saved", func(m *cookiestore.Manager, s *cookiestore.Session) {
			s.Set("a", 1)
			cookies, err := m.Save(t.Context(), s)
			assert.NoError(t, err)
			assert.Len(t, cookies, 1)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			m := must(cookiestore.NewManager(v.store))
			v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				test.before(m, s)
				conn, rw, err := w.(http.Hijacker).Hijack()
				if assert.NoError(t, err) {
					fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					assert.NoError(t, rw.Flush())
					assert.NoError(t, conn.Close())
				}
			}
			resp, err := v.server.Client().Do(v.request(t.Context()))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, test.logged, strings.Contains(v.log.String(), `level=WARN msg="session cookie left to the handler"`), v.log.String())
			require.Equal(t, test.logged, strings.Contains(v.log.String(), "save with Manager.Save and pass the cookies"))
		})
	}
}

func TestBuffer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.txt")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("x"), 100_000), 0o600))
	write := func(w io.Writer, n int) { fmt.Fprint(w, strings.Repeat("x", n)) }
	for _, test := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		held   bool // what the handler changes afterwards is saved
		status int
		length int
	}{
		{"nothing", func(http.ResponseWriter, *http.Request) {}, true, 200, 0},
		{"less than it holds", func(w http.ResponseWriter, _ *http.Request) { write(w, 999) }, true, 200, 999},
		{"as much as it holds", func(w http.ResponseWriter, _ *http.Request) { write(w, 400); write(w, 600) }, true, 200, 1000},
		{"as much as it holds, as bytes", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) }, true, 200, 1000},
		{"a string", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1000)) }, true, 200, 1000},
		{"a string that is too long", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 1001)) }, false, 200, 1001},
		{"a byte more", func(w http.ResponseWriter, _ *http.Request) { write(w, 400); write(w, 601) }, false, 200, 1001},
		{"a byte more at once", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1001)) }, false, 200, 1001},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, true, 404, 0},
		{"a status and a page", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); write(w, 500) }, true, 404, 500},
		{"the first status counts", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(201) }, true, 404, 0},
		{"early hints don't", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, true, 201, 0},
		{"a flush ends it", func(w http.ResponseWriter, _ *http.Request) { write(w, 5); w.(http.Flusher).Flush(); write(w, 5) }, false, 200, 10},
		{"a small copy", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, struct{ io.Reader }{strings.NewReader("page")})
		}, true, 200, 4},
		{"a large file ends it", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }, false, 200, 100_000},
		{"a status of 500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sorry", 500) }, false, 500, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, newStore(t), cookiestore.WithBuffer(1000))
			resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
				test.answer(w, r)
				s.Set("a", 1)
				w.Header().Set("X-Late", "1")
			})
			require.Equal(t, test.status, resp.StatusCode)
			require.Len(t, v.body, test.length)
			require.Equal(t, test.held, len(resp.Cookies()) == 1)
			if test.status != 500 {
				require.Equal(t, test.held, resp.Header.Get("X-Late") != "")
			}
			v.server.Close() // waits for the handler's end
			require.Equal(t, test.held, v.log.String() == "", v.log.String())
		})
	}
	t.Run("a hijack ends it", func(t *testing.T) {
		v := newVisitor(t, newStore(t), cookiestore.WithBuffer(1000))
		v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			conn, rw, err := w.(http.Hijacker).Hijack()
			if assert.NoError(t, err) {
				fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n")
				assert.NoError(t, w.Header().Write(rw))
				fmt.Fprint(rw, "\r\nmine")
				assert.NoError(t, rw.Flush())
				assert.NoError(t, conn.Close())
			}
			_, err = fmt.Fprint(w, "more")
			assert.ErrorIs(t, err, http.ErrHijacked)
		}
		resp, err := v.server.Client().Do(v.request(t.Context()))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "mine", string(body))
		require.Len(t, resp.Cookies(), 1)
	})
	t.Run("a hijack sends what was written before it, with its status", func(t *testing.T) {
		for _, status := range []int{200, 500} {
			v := newVisitor(t, newStore(t), cookiestore.WithBuffer(1000))
			v.handler = func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Set("a", 1)
				w.WriteHeader(status)
				conn, rw, err := w.(http.Hijacker).Hijack()
				if assert.NoError(t, err) {
					fmt.Fprint(rw, "TUNNEL")
					assert.NoError(t, rw.Flush())
					assert.NoError(t, conn.Close())
				}
			}
			conn, err := net.Dial("tcp", v.server.Listener.Addr().String())
			require.NoError(t, err)
			fmt.Fprint(conn, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Regexp(t, fmt.Sprintf(`(?s)^HTTP/1\.1 %d .*TUNNEL$`, status), string(text))
			require.Equal(t, status == 200, strings.Contains(string(text), "Set-Cookie"), string(text))
		}
	})
	t.Run("a response without a body takes none", func(t *testing.T) {
		v := newVisitor(t, newStore(t), cookiestore.WithBuffer(1000))
		for _, status := range []int{204, 304} {
			v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				w.WriteHeader(status)
				_, err := io.WriteString(w, "text")
				assert.ErrorIs(t, err, http.ErrBodyNotAllowed)
				_, err = w.Write(nil)
				assert.NoError(t, err)
			})
		}
	})
	t.Run("what a handler that panics has written is not sent", func(t *testing.T) {
		v := newVisitor(t, newStore(t), cookiestore.WithBuffer(1000))
		_, err := v.try(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			write(w, 5)
			panic(http.ErrAbortHandler)
		})
		require.Error(t, err)
	})
	t.Run("what a handler has written goes if the save fails", func(t *testing.T) {
		v := newVisitor(t, &failingStore{save: errSource}, cookiestore.WithBuffer(1000))
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			w.WriteHeader(http.StatusCreated)
			write(w, 5)
			s.Set("a", 1)
			assert.ErrorIs(t, http.NewResponseController(w).Flush(), errSource)
		})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.Equal(t, tryAgain, v.body)
	})
}

// Whatever comes after the first byte, there is one line about it with the number.
func TestLateChangesAreCounted(t *testing.T) {
	late := func(s *cookiestore.Session) {
		for i := range 20 {
			s.Set(fmt.Sprint("key", i), "hunter2")
		}
		s.Clear()
	}
	const says = `level=ERROR msg="session changed after the response began" cookie=sessionid reason=late error="cookiestore: ` +
		`a change of session key \"key0\", session key \"key1\", session key \"key2\", session key \"key3\", session key \"key4\" is not saved" ` +
		`method=GET path=/ changes=21`
	for name, end := range map[string]func(){"the handler returns": func() {}, "the handler panics": func() { panic(http.ErrAbortHandler) }} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, newStore(t))
			_, _ = v.try(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Get("a")
				fmt.Fprint(w, "page")
				late(s)
				end()
			})
			v.server.Close()
			require.Contains(t, v.log.String(), says)
			require.Equal(t, 1, strings.Count(v.log.String(), "\n"))
			require.NotContains(t, v.log.String(), "hunter2")
		})
	}
	t.Run("a goroutine goes on", func(t *testing.T) {
		var log syncBuffer
		var session *cookiestore.Session
		serveOn(t, httptest.NewRecorder(), &log, func(_ http.ResponseWriter, s *cookiestore.Session) { session = s })
		require.Empty(t, log.String())
		var writing sync.WaitGroup
		for range 10 {
			writing.Go(func() { session.Set("b", 2) })
		}
		writing.Wait()
		require.Equal(t, 10, strings.Count(log.String(), `session key \"b\" is not saved`), "each is logged")
	})
	t.Run("a goroutine begins when the handler has returned", func(t *testing.T) {
		var log syncBuffer
		var after *http.Request
		cookiestore.Middleware(newStore(t), cookiestore.WithLogger(logTo(&log)))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			after = r
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		cookiestore.FromContext(after.Context()).Set("b", 2)
		require.Contains(t, log.String(), "session first used after the response began")
		require.Contains(t, log.String(), `session key \"b\" is not saved`)
		require.Equal(t, 2, strings.Count(log.String(), "\n"))
	})
	t.Run("what was flushed and what was set in a page of status 500", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 1)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		require.Contains(t, v.log.String(), `level=WARN msg="session changes dropped"`)
	})
}

func TestDeadlinesGoThrough(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.get(func(w http.ResponseWriter, _ *http.Request, _ *cookiestore.Session) {
		assert.NoError(t, http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, http.NewResponseController(w).EnableFullDuplex())
	})
}

// Once the error handler has answered, nothing of the handler's comes through.
func TestAfterAFailedSave(t *testing.T) {
	w := &headerCounter{ResponseRecorder: httptest.NewRecorder()}
	cookiestore.Middleware(&failingStore{save: errDown}, quiet)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusOK)
		for range 2 {
			_, err := w.Write([]byte("page"))
			assert.ErrorIs(t, err, errDown)
			_, err = io.WriteString(w, "page")
			assert.ErrorIs(t, err, errDown)
			_, err = io.Copy(w, struct{ io.Reader }{strings.NewReader("page")})
			assert.ErrorIs(t, err, errDown)
			assert.ErrorIs(t, http.NewResponseController(w).Flush(), errDown)
			_, _, err = w.(http.Hijacker).Hijack()
			assert.ErrorIs(t, err, errDown)
		}
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Equal(t, tryAgain, w.Body.String())
	require.Equal(t, 1, w.headers)
}

func TestErrorHandlerThatOnlyWrites(t *testing.T) {
	w := &headerCounter{ResponseRecorder: httptest.NewRecorder()}
	cookiestore.Middleware(&failingStore{save: errDown}, quiet, cookiestore.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, _ error) {
		fmt.Fprint(w, "It will be back.")
	}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
		n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("page")}) // the first that is written
		assert.ErrorIs(t, err, errDown)
		assert.Zero(t, n)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, "It will be back.", w.Body.String())
	require.Zero(t, w.headers, "what has begun is not begun again")
}

// headerCounter counts what is said of the status.
type headerCounter struct {
	*httptest.ResponseRecorder
	headers int
}

func (w *headerCounter) WriteHeader(status int) {
	w.headers++
	w.ResponseRecorder.WriteHeader(status)
}

func (w *headerCounter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

// The server panics at a status that is none, and what panics saves nothing.
func TestStatusesThatAreNone(t *testing.T) {
	for _, buffer := range []int{0, 1000} {
		for _, status := range []int{0, 99, 1000} {
			h := cookiestore.Middleware(newStore(t), quiet, cookiestore.WithBuffer(buffer))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				cookiestore.FromContext(r.Context()).Set("a", 1)
				w.WriteHeader(status)
			}))
			w := httptest.NewRecorder()
			require.Panics(t, func() { h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)) })
			require.Empty(t, w.Header()["Set-Cookie"], "with a buffer of %d and the status %d", buffer, status)
		}
	}
}

// Whoever wraps the middleware may change the header of one response.
func TestHeadersAreNotShared(t *testing.T) {
	h := cookiestore.Middleware(newStore(t), quiet)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("a", 1)
		w.WriteHeader(http.StatusOK)
	}))
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		require.Equal(t, []string{"private"}, w.Header()["Cache-Control"])
		require.Len(t, w.Header()["Set-Cookie"], 1)
		w.Header()["Cache-Control"][0] = "public"
		w.Header()["Cache-Control"] = append(w.Header()["Cache-Control"], "max-age=60")
		require.Contains(t, w.Header().Get("Set-Cookie"), "sessionid=")
	}
}
