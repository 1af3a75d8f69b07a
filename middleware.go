package cookiestore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Middleware gives every request a session from the store; handlers get it with
// [FromContext]. It fits any router, and works by the rules of Django's
// SessionMiddleware:
//
//   - The session is loaded when a handler first uses it. A request that doesn't
//     use it costs next to nothing.
//   - It is saved when it was changed (or always: [WithSaveEveryRequest]), and the
//     cookie sent, just before the first byte of the response: at WriteHeader,
//     Write, Flush, ReadFrom, or the handler's return. Informational (1xx)
//     responses don't count. When nothing is left in the session, the cookie is
//     deleted instead.
//   - With a status of 500 or more nothing is saved. A handler that panics saves
//     nothing either.
//   - Where the session was used, the response has Vary: Cookie.
//   - If a change can't be saved, or the store could not load the session, the error
//     handler answers, and what the handler writes is dropped: Write and Flush
//     return the error. Only where a value could not be set, the handler has
//     learned that from [Session.Err] or [Modify], and it answers with a status of
//     400 or more, its own answer stands; nothing is saved.
//   - A change after the first byte can't be saved; it is logged as an error that
//     names the key.
//
// Nothing is buffered, and [http.ResponseController], Flush, Hijack and sendfile
// work as without it. When a handler takes over the connection, the session is
// saved first and the cookie is in Header(), but sent only by who writes it, which
// most websocket packages don't: change the session in a request before. An
// [http.MaxBytesHandler] belongs outside, where it can close the connection.
//
// Two middlewares with cookies of different names can be nested; the inner one's
// session is that of FromContext, and [FromContextNamed] finds either.
//
// Middleware panics if the options contradict each other (see [NewManager]): a
// program that can't set its cookie must not start.
func Middleware(store Store, options ...Option) func(http.Handler) http.Handler {
	m, err := NewManager(store, options...)
	if err != nil {
		panic(err)
	}
	return m.Handler
}

// Handler is [Middleware] for a Manager that is there already.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{inner: w, manager: m, parent: r.Context()}
		x.session.host, x.session.rules = x, &m.rules
		x.request = r.WithContext((*exchangeContext)(x))
		defer x.handBack(r)
		next.ServeHTTP(x, x.request)
		x.finish()
	})
}

// handBack gives the request that the server knows what the handlers have added
// to their copy: uploaded files, which the server removes, and the pattern, which
// handlers outside of the middleware want to know.
func (x *exchange) handBack(r *http.Request) {
	if form := x.request.MultipartForm; form != r.MultipartForm {
		r.MultipartForm = form
	}
	if pattern := x.request.Pattern; pattern != r.Pattern {
		r.Pattern = pattern
	}
}

// FromContext returns the request's session. It panics if no [Middleware] is
// around the handler.
func FromContext(ctx context.Context) *Session {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	if !ok {
		panic("cookiestore: no session in the context: wrap the handler in cookiestore.Middleware")
	}
	return s
}

// FromContextNamed returns the session of the cookie with that name, where more
// than one [Middleware] is around the handler, and whether there is one.
func FromContextNamed(ctx context.Context, name string) (*Session, bool) {
	s, ok := ctx.Value(sessionName(name)).(*Session)
	return s, ok
}

// NewContext returns a context in which [FromContext] finds s, for handlers that
// are called without the middleware: in a test, or on an event.
func NewContext(ctx context.Context, s *Session) context.Context {
	return &sessionContext{Context: ctx, session: s}
}

type (
	sessionKey  struct{}
	sessionName string
)

// sessionContext is a context with a session in it.
type sessionContext struct {
	context.Context
	session *Session
}

func (c *sessionContext) Value(key any) any {
	if _, ok := key.(sessionKey); ok {
		return c.session
	}
	return c.Context.Value(key)
}

// An exchange is one request with its response. It is the ResponseWriter that
// the handler sees, and holds all that the middleware needs, in one piece: each
// request makes one.
type exchange struct {
	inner   http.ResponseWriter
	request *http.Request
	manager *Manager
	parent  context.Context // of the request as it came
	session Session

	begun   bool  // the header has been decided on
	failed  error // and why it is the error handler's
	replied bool  // which has been called
}

// An exchangeContext is an exchange as the context of its request.
type exchangeContext exchange

func (c *exchangeContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }
func (c *exchangeContext) Done() <-chan struct{}       { return c.parent.Done() }
func (c *exchangeContext) Err() error                  { return c.parent.Err() }

// String and GoString are for who prints a context: no more of it is shown, and no field
// read, while the request goes on.
func (c *exchangeContext) String() string   { return "cookiestore.Middleware" }
func (c *exchangeContext) GoString() string { return c.String() }

func (c *exchangeContext) Value(key any) any {
	switch key := key.(type) {
	case sessionKey:
		return &c.session
	case sessionName:
		if string(key) == c.manager.cookie.Name {
			return &c.session
		}
	}
	return c.parent.Value(key)
}

func (x *exchange) load(into *contents) {
	x.manager.load(x.parent, x.request.Header["Cookie"], into)
}

func (x *exchange) lateChange(key string) {
	what := "session"
	if key != "" {
		what = fmt.Sprintf("session key %q", key)
	}
	x.manager.log(x.parent, slog.LevelError, "session changed after the response began",
		fmt.Errorf("cookiestore: a change of the %s is not saved", what))
}

// begin saves the session before the first byte of a response with that status.
// It returns why the handler's output is to be dropped.
func (x *exchange) begin(status int) error {
	if x.begun {
		return x.failed
	}
	x.begun = true
	if status >= http.StatusInternalServerError {
		x.session.abandon()
		if x.session.Accessed() {
			x.vary()
		}
		return nil
	}
	x.failed = errStorePanicked // unless it returns
	x.failed = x.save()
	if x.failed == nil {
		return nil
	}
	if status >= http.StatusBadRequest && x.session.toldWhy() {
		x.manager.log(x.parent, slog.LevelError, "session not saved", x.failed)
		x.failed = nil
		return nil
	}
	x.replyFailed()
	return x.failed
}

// finish is what remains to be done when the handler returns.
func (x *exchange) finish() {
	x.begin(http.StatusOK)
	if x.failed != nil && !x.replied {
		x.replyFailed() // the store panicked, and somebody has recovered
	}
}

// save saves the session, and adds the fields that say so to the header.
func (x *exchange) save() error {
	set, err := x.manager.save(x.parent, &x.session)
	if set.vary {
		x.vary()
	}
	if err != nil || !set.due {
		return err
	}
	x.addHeader("Set-Cookie", set.line)
	return nil
}

// vary says that the response depends on the cookie.
func (x *exchange) vary() {
	for _, line := range x.inner.Header()["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	x.addHeader("Vary", "Cookie")
}

// addHeader is Header().Add for a name in its canonical form.
func (x *exchange) addHeader(name, value string) {
	h := x.inner.Header()
	h[name] = append(h[name], value)
}

// replyFailed logs the failure and answers in place of the handler.
func (x *exchange) replyFailed() {
	x.replied = true
	x.manager.log(x.parent, slog.LevelError, "session not saved", x.failed)
	h := x.inner.Header()
	for _, name := range [...]string{ // what the handler said of its own answer
		"Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Content-Length", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified", "Location",
		"Refresh", "Trailer",
	} {
		h.Del(name)
	}
	w := &replyWriter{ResponseWriter: x.inner}
	defer func() {
		if !w.begun { // the visitor must not take silence for success
			x.inner.WriteHeader(http.StatusInternalServerError)
		}
	}()
	x.manager.onError(w, x.request, x.failed)
}

// replyWriter notes whether the error handler has answered.
type replyWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *replyWriter) WriteHeader(status int) {
	w.begun = w.begun || status >= http.StatusOK
	w.ResponseWriter.WriteHeader(status)
}

func (w *replyWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *replyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Header returns the response's header.
func (x *exchange) Header() http.Header { return x.inner.Header() }

// WriteHeader saves the session, unless the status is informational.
func (x *exchange) WriteHeader(status int) {
	informational := 100 <= status && status < 200 && status != http.StatusSwitchingProtocols
	if informational && !x.begun {
		x.inner.WriteHeader(status)
		return
	}
	if x.begin(status) == nil {
		x.inner.WriteHeader(status)
	}
}

// Write saves the session before the first byte.
func (x *exchange) Write(p []byte) (int, error) {
	if err := x.begin(http.StatusOK); err != nil {
		return 0, err
	}
	return x.inner.Write(p)
}

// WriteString saves io.WriteString a copy, where the server can.
func (x *exchange) WriteString(s string) (int, error) {
	if err := x.begin(http.StatusOK); err != nil {
		return 0, err
	}
	return io.WriteString(x.inner, s)
}

// ReadFrom lets io.Copy use sendfile, where the server can.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	if err := x.begin(http.StatusOK); err != nil {
		return 0, err
	}
	return io.Copy(x.inner, src)
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.inner }

// Flush is for those who ask for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is for http.ResponseController.
func (x *exchange) FlushError() error {
	if err := x.begin(http.StatusOK); err != nil {
		return err
	}
	return http.NewResponseController(x.inner).Flush()
}

// Hijack takes over the connection, where the server can.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !canHijack(x.inner) {
		return nil, nil, http.ErrNotSupported // and the handler answers otherwise
	}
	if err := x.begin(http.StatusSwitchingProtocols); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(x.inner).Hijack()
}

// canHijack reports whether the server behind w can hand over the connection.
func canHijack(w http.ResponseWriter) bool {
	for {
		if x, ok := w.(*exchange); ok { // has the method in any case
			w = x.inner
			continue
		}
		if _, ok := w.(http.Hijacker); ok {
			return true
		}
		wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = wrapped.Unwrap()
	}
}
