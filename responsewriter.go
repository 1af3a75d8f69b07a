package cookiestore

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"example.com/cookiestore/internal/scratch"
)

// An exchange is one request with its response. It is the ResponseWriter that
// the handler sees, and holds all that the middleware needs, in one piece: each
// request makes one.
type exchange struct {
	inner   http.ResponseWriter
	request *http.Request
	manager *Manager
	parent  context.Context // of the request as it came
	cookies []string        // its Cookie fields, as they came
	came    int64           // when it came, in Unix nanoseconds, if the session may be renewed
	session Session
	extras  atomic.Pointer[extras]

	held  atomic.Uint32 // by a handler: notHeld...
	left  atomic.Bool   // the handler is gone, one way or the other
	phase phase
	known bool // the header as it came has been noted
	set   bool // a cookie was added to it
}

// Whether a handler has got hold of the session.
const (
	notHeld uint32 = iota
	held
	heldLate // not before the response began
)

// A phase is how far a response has got.
type phase uint8

const (
	waiting phase = iota
	saving        // and if that panicked, it stays so
	begun         // the header has been decided on
)

// extras are what few requests need.
type extras struct {
	before http.Header // as it was when the request came
	failed error       // why the answer is the error handler's
	told   bool        // the error handler has been called
	back   *heldBack   // nil without a buffer
	late   lateUses
	lateMu sync.Mutex
}

// extra returns the extras, to be changed.
func (x *exchange) extra() *extras {
	if e := x.extras.Load(); e != nil {
		return e
	}
	x.extras.CompareAndSwap(nil, new(extras))
	return x.extras.Load()
}

// heldBack is a response that has not begun: see [WithBuffer].
type heldBack struct {
	status int // the handler's; 0 if it has said none
	body   []byte
}

func (b *heldBack) begun() bool { return b.status != 0 || len(b.body) > 0 }

func (x *exchange) load(into *contents) {
	x.manager.load(x.parent, x.request, x.cookies, into)
}

func (x *exchange) log(level slog.Level, what string, err error, more ...slog.Attr) {
	x.manager.log(x.parent, x.request, level, what, err, more...)
}

// snapshot keeps the header as it was before the handler changed it.
func (x *exchange) snapshot() http.Header {
	h := x.inner.Header()
	if !x.known {
		x.known = true
		if len(h) > 0 {
			x.extra().before = h.Clone()
		}
	}
	return h
}

// begin saves the session before the first byte of a response with that status.
// It returns why the handler's output is to be dropped.
func (x *exchange) begin(status int) error {
	if x.phase != waiting {
		return x.failure()
	}
	x.phase = saving
	err := x.save(status)
	x.phase = begun
	switch {
	case err == nil:
		return nil
	case status >= http.StatusInternalServerError:
		x.log(slog.LevelError, "session not loaded or not deleted", err)
		return nil
	case status >= http.StatusBadRequest && x.session.toldWhy():
		x.log(slog.LevelError, "session not saved", err)
		x.flushAlone(x.inner.Header(), err)
		return nil
	}
	x.reply(err)
	return err
}

// failure returns why the handler's output is dropped.
func (x *exchange) failure() error {
	if x.phase == saving {
		return errStorePanicked
	}
	if e := x.extras.Load(); e != nil {
		return e.failed
	}
	return nil
}

// save saves the session, and adds the fields that say so to the header.
func (x *exchange) save(status int) error {
	m := x.manager
	if x.isUntouched() {
		return nil
	}
	h := x.snapshot()
	how := ending{rules: &m.rules, came: x.came, every: m.everyRequest, failed: status >= http.StatusInternalServerError, final: true}
	setsIt := len(h) > 0 && m.jar.isSetIn(h)
	if setsIt {
		keepPrivate(h)
	}
	how.optional = (x.came != 0 || x.session.isNoted()) && status < http.StatusBadRequest && !setsIt && !mayBeShared(h)
	change, err := m.save(x.parent, x.request, &x.session, &how)
	if err == nil && change.set && x.setCookie(h, &change) {
		x.log(slog.LevelError, "session cookie set twice", errors.New("cookiestore: the handler has set a cookie of that name, too"))
	}
	if change.vary || x.held.Load() == held {
		vary(h)
	}
	return err
}

// flushAlone ends a session that was flushed where something can't be saved, for that
// reason: the visitor is logged out all the same.
func (x *exchange) flushAlone(h http.Header, why error) {
	m := x.manager
	how := ending{rules: &m.rules, came: x.came, failed: true, final: true, after: why}
	change, err := m.save(x.parent, x.request, &x.session, &how)
	switch {
	case err == nil && change.set:
		x.setCookie(h, &change)
	case err != nil && reasonOf(err) != reasonOf(why): // otherwise it has failed again
		x.log(slog.LevelError, "session not deleted", err)
	}
}

// setCookie adds the fields that set the cookie, in the place of those that a handler has
// got from Manager.Save, and reports whether others set it, too.
func (x *exchange) setCookie(h http.Header, change *cookieChange) (others bool) {
	x.set = true
	others = x.manager.jar.takeBack(h, change)
	x.manager.jar.setIn(h, change)
	return others
}

// isUntouched closes a session that nobody has got hold of, and reports whether it is
// one. There is nothing to save then; but a handler may set the cookie itself.
func (x *exchange) isUntouched() bool {
	m := x.manager
	if m.everyRequest || !x.held.CompareAndSwap(notHeld, heldLate) {
		return false
	}
	if h := x.inner.Header(); len(h) > 0 && m.jar.isSetIn(h) {
		keepPrivate(h)
	}
	return true
}

// finish is what remains to be done when the handler returns.
func (x *exchange) finish() {
	if x.phase == waiting && x.manager.buffer == 0 && x.isUntouched() {
		x.phase = begun // most requests
		return
	}
	if x.phase == waiting && x.session.isUsed() && hasWritten(x.inner) {
		x.phase = begun
		x.logPast()
	}
	x.release()
	if x.phase == saving && !x.extra().told {
		x.reply(errStorePanicked) // and somebody has recovered
	}
}

// leave is what must happen however the handler returns. What it has flushed stays
// so if it panicked. The request that the server knows gets what the handlers have
// added to their copy: uploaded files, which the server removes, and the pattern,
// which handlers outside of the middleware want to know.
func (x *exchange) leave(r *http.Request) {
	if form := x.request.MultipartForm; form != r.MultipartForm {
		r.MultipartForm = form
	}
	if pattern := x.request.Pattern; pattern != r.Pattern {
		r.Pattern = pattern
	}
	if x.phase == waiting && x.session.isUsed() { // it has panicked
		x.begin(http.StatusInternalServerError)
	}
	x.left.Store(true)
	if e := x.extras.Load(); e != nil {
		x.reportLate(e)
	}
}

// reply logs the failure and answers in place of the handler. Nothing is left of what
// the handler has said of its own answer.
func (x *exchange) reply(err error) {
	e := x.extra()
	e.told, e.failed = true, err
	h := x.inner.Header()
	clear(h)
	maps.Copy(h, e.before)
	vary(h)
	x.flushAlone(h, err)
	w := &replyWriter{ResponseWriter: x.inner}
	defer func() {
		if !w.begun { // the visitor must not take silence for success
			x.inner.WriteHeader(http.StatusInternalServerError)
		}
	}()
	x.log(slog.LevelError, "session not saved", err)
	x.manager.onError(w, x.request, err)
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
func (x *exchange) Header() http.Header { return x.snapshot() }

// WriteHeader saves the session, unless the status is informational.
func (x *exchange) WriteHeader(status int) {
	informational := 100 <= status && status < 200 && status != http.StatusSwitchingProtocols
	switch {
	case informational && x.phase == waiting, status < 100, status > 999: // servers panic at those
		x.inner.WriteHeader(status)
	case x.holdsBack() && status != http.StatusSwitchingProtocols:
		if back := x.extra().back; back.status == 0 {
			back.status = status
		}
	case x.begin(status) == nil:
		x.inner.WriteHeader(status)
	}
}

// Write saves the session before the first byte.
func (x *exchange) Write(p []byte) (int, error) {
	if x.holdsBack() {
		back := x.extra().back
		if len(p) > 0 && (back.status == http.StatusNoContent || back.status == http.StatusNotModified) {
			return 0, http.ErrBodyNotAllowed
		}
		if len(back.body)+len(p) <= x.manager.buffer {
			back.body = append(back.body, p...)
			return len(p), nil
		}
	}
	if err := x.release(); err != nil {
		return 0, err
	}
	return x.inner.Write(p)
}

// WriteString saves io.WriteString a copy, where the server can.
func (x *exchange) WriteString(s string) (int, error) {
	if x.holdsBack() {
		return x.Write([]byte(s))
	}
	if err := x.release(); err != nil {
		return 0, err
	}
	return io.WriteString(x.inner, s)
}

// holdsBack reports whether the response is still held back: see [WithBuffer].
func (x *exchange) holdsBack() bool { return x.phase == waiting && x.manager.buffer > 0 }

// release begins the response, with what was held back. It returns why the handler's
// output is to be dropped.
func (x *exchange) release() error {
	if x.phase != waiting {
		return x.failure()
	}
	if x.manager.buffer == 0 {
		return x.begin(http.StatusOK)
	}
	held := x.extra().back
	if err := x.begin(max(held.status, http.StatusOK)); err != nil {
		return err
	}
	if held.status != 0 {
		x.inner.WriteHeader(held.status)
	}
	if len(held.body) == 0 {
		return nil
	}
	_, err := x.inner.Write(held.body)
	return err
}

// firstBytes is how much of a source is read before the session is saved: as much as
// net/http reads to find out the content type.
const firstBytes = 512

// ReadFrom lets io.Copy use sendfile, where the server can. A source that fails at once
// is not a response yet: the handler may still answer with an error.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	first := scratch.Get()
	defer first.Free()
	first.B = slices.Grow(first.B, firstBytes)[:firstBytes]
	for x.phase == waiting {
		read, failure := src.Read(first.B)
		if read > 0 {
			written, err := x.Write(first.B[:read])
			if n += int64(written); err != nil {
				return n, err
			}
		}
		if failure == io.EOF {
			return n, nil
		} else if failure != nil {
			return n, failure
		}
	}
	if err := x.release(); err != nil {
		return n, err
	}
	rest, err := io.Copy(x.inner, src)
	return n + rest, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.inner }

// Flush is for handlers that ask for an http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is for http.ResponseController.
func (x *exchange) FlushError() error {
	if !reaches[http.Flusher](x.inner) && !reaches[interface{ FlushError() error }](x.inner) {
		return http.ErrNotSupported // and nothing has been sent
	}
	if err := x.release(); err != nil {
		return err
	}
	return http.NewResponseController(x.inner).Flush()
}

// Hijack takes over the connection, where the server can.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !reaches[http.Hijacker](x.inner) {
		return nil, nil, http.ErrNotSupported // and the handler answers otherwise
	}
	written := x.phase != waiting
	begin := func() error { return x.begin(http.StatusSwitchingProtocols) }
	if x.holdsBack() && x.extra().back.begun() { // as for a CONNECT, whose status comes first
		begin = x.release
	}
	if err := begin(); err != nil {
		return nil, nil, err
	}
	if x.set && !written {
		x.log(slog.LevelWarn, "session cookie left to the handler", errors.New(
			"cookiestore: the connection is taken over while a cookie is to be set: write the Set-Cookie fields of Header(), or save with Manager.Save and pass the cookies to the websocket package"))
	}
	return http.NewResponseController(x.inner).Hijack()
}

// Push is for HTTP/2 servers that can.
func (x *exchange) Push(target string, options *http.PushOptions) error {
	if pusher, ok := reach[http.Pusher](x.inner); ok {
		return pusher.Push(target, options)
	}
	return http.ErrNotSupported
}

// closeNotifier is http.CloseNotifier, which is deprecated, and which some frameworks
// still take for granted.
type closeNotifier interface{ CloseNotify() <-chan bool }

// CloseNotify tells when the client has gone. Context().Done() does, too.
func (x *exchange) CloseNotify() <-chan bool {
	if notifier, ok := reach[closeNotifier](x.inner); ok {
		return notifier.CloseNotify()
	}
	gone := make(chan bool, 1)
	context.AfterFunc(x.parent, func() { gone <- true })
	return gone
}

func reaches[T any](w http.ResponseWriter) bool {
	_, ok := reach[T](w)
	return ok
}

// reach finds the method of a T in a ResponseWriter, or in what it wraps. An exchange
// has all methods, whatever it wraps.
func reach[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if x, is := w.(*exchange); is {
			w = x.inner
			continue
		}
		if found, ok = w.(T); ok {
			return found, true
		}
		wrapper, is := w.(interface{ Unwrap() http.ResponseWriter })
		if !is {
			return found, false
		}
		w = wrapper.Unwrap()
	}
}

// hasWritten reports whether a framework's ResponseWriter says that the response has
// begun: that of gin and negroni does. net/http's doesn't tell.
func hasWritten(w http.ResponseWriter) bool {
	teller, ok := reach[interface{ Written() bool }](w)
	return ok && teller.Written()
}
