package cookiestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	held    atomic.Bool // a handler has got hold of the session

	before http.Header // as it was when the request came
	known  bool        // before has been filled in
	begun  bool        // the header has been decided on
	set    bool        // and has a cookie in it
	failed error       // why the answer is the error handler's
	told   bool        // the error handler has been called
	gone   bool        // the handler has returned

	back *heldBack // nil without a buffer
	late atomic.Pointer[lateUses]
}

// heldBack is a response that has not begun: see [WithBuffer].
type heldBack struct {
	status int // the handler's; 0 if it has said none
	body   []byte
}

// lateUses counts what came after the first byte.
type lateUses struct {
	mu       sync.Mutex
	loaded   bool
	changes  int
	keys     []string // the first of them
	reported bool
}

// maxLateKeys is how many keys of late changes are named.
const maxLateKeys = 5

func (x *exchange) load(into *contents) {
	x.manager.load(x.parent, x.request, x.cookies, into)
}

// late notes what a handler does after the first byte, to be logged when it returns,
// or at once where it has.
func (x *exchange) lateUse(what lateUse, key string) {
	x.late.CompareAndSwap(nil, new(lateUses))
	late := x.late.Load()
	late.mu.Lock()
	if what == lateLoad {
		late.loaded = true
	} else {
		late.changes++
		if len(late.keys) < maxLateKeys {
			late.keys = append(late.keys, key)
		}
	}
	reported := late.reported
	late.mu.Unlock()
	if reported && what == lateChange {
		x.logLateChanges(1, []string{key})
	}
}

// reportLate writes a line about each kind of what came too late.
func (x *exchange) reportLate(late *lateUses) {
	late.mu.Lock()
	loaded, changes, keys := late.loaded, late.changes, late.keys
	late.reported = true
	late.mu.Unlock()
	if loaded {
		err := errors.New("cookiestore: it is not renewed, and an error could not be shown: render the page into a buffer first, or see WithBuffer")
		if failure := x.session.closingErr(); failure != nil {
			err = failure
		}
		x.log(slog.LevelError, "session first used after the response began", err)
	}
	if changes > 0 {
		x.logLateChanges(changes, keys)
	}
}

func (x *exchange) logLateChanges(changes int, keys []string) {
	named := make([]string, 0, len(keys))
	for _, key := range keys {
		if key == "" {
			named = append(named, "the whole session")
		} else {
			named = append(named, fmt.Sprintf("session key %q", key))
		}
	}
	err := fmt.Errorf("cookiestore: a change of %s is not saved", strings.Join(named, ", "))
	x.log(slog.LevelError, "session changed after the response began", err, slog.Int("changes", changes))
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
			x.before = h.Clone()
		}
	}
	return h
}

// begin saves the session before the first byte of a response with that status.
// It returns why the handler's output is to be dropped.
func (x *exchange) begin(status int) error {
	if x.begun {
		return x.failed
	}
	x.begun = true
	x.failed = errStorePanicked // unless it returns
	x.failed = x.save(status)
	switch {
	case x.failed == nil:
		return nil
	case status >= http.StatusInternalServerError:
		x.log(slog.LevelError, "session not loaded or not deleted", x.failed)
		x.failed = nil
		return nil
	case status >= http.StatusBadRequest && x.session.toldWhy():
		x.log(slog.LevelError, "session not saved", x.failed)
		x.failed = nil
		return nil
	}
	x.reply()
	return x.failed
}

// save saves the session, and adds the fields that say so to the header.
func (x *exchange) save(status int) error {
	m := x.manager
	h := x.snapshot()
	how := ending{rules: &m.rules, came: x.came, every: m.everyRequest, failed: status >= http.StatusInternalServerError, final: true}
	how.optional = x.came != 0 && status < http.StatusBadRequest && !m.jar.isSetIn(h) && !isShared(h)
	change, err := m.save(x.parent, x.request, &x.session, &how)
	if change.vary || x.held.Load() {
		vary(h)
	}
	if err != nil || !change.set {
		return err
	}
	if m.jar.takeBack(h, change.replaces) {
		x.log(slog.LevelError, "session cookie set twice", errors.New("cookiestore: the handler has set a cookie of that name, too"))
	}
	x.set = true
	keepPrivate(h)
	h["Set-Cookie"] = append(h["Set-Cookie"], change.line)
	for _, other := range m.jar.deletions(&change) {
		h["Set-Cookie"] = append(h["Set-Cookie"], deletion(&other))
	}
	return nil
}

// finish is what remains to be done when the handler returns.
func (x *exchange) finish() {
	if !x.begun && x.session.isUsed() && hasWritten(x.inner) {
		x.begun = true
		x.log(slog.LevelError, "response written past the middleware", errors.New(
			"cookiestore: the session is not saved: let the handler write to the ResponseWriter that it was given"))
	}
	x.release()
	if x.failed != nil && !x.told {
		x.reply() // the store panicked, and somebody has recovered
	}
	if late := x.late.Load(); late != nil {
		x.reportLate(late)
	}
	x.gone = true
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
	if !x.gone && !x.begun && x.session.isUsed() {
		x.begin(http.StatusInternalServerError)
	}
}

// reply logs the failure and answers in place of the handler. Nothing is left of what
// the handler has said of its own answer.
func (x *exchange) reply() {
	x.told = true
	h := x.inner.Header()
	clear(h)
	maps.Copy(h, x.before)
	vary(h)
	w := &replyWriter{ResponseWriter: x.inner}
	defer func() {
		if !w.begun { // the visitor must not take silence for success
			x.inner.WriteHeader(http.StatusInternalServerError)
		}
	}()
	x.log(slog.LevelError, "session not saved", x.failed)
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
func (x *exchange) Header() http.Header { return x.snapshot() }

// WriteHeader saves the session, unless the status is informational.
func (x *exchange) WriteHeader(status int) {
	informational := 100 <= status && status < 200 && status != http.StatusSwitchingProtocols
	switch {
	case informational && !x.begun:
		x.inner.WriteHeader(status)
	case x.holdsBack():
		if x.back.status == 0 {
			x.back.status = status
		}
	case x.begin(status) == nil:
		x.inner.WriteHeader(status)
	}
}

// Write saves the session before the first byte.
func (x *exchange) Write(p []byte) (int, error) {
	if x.holdsBack() && len(x.back.body)+len(p) <= x.manager.buffer {
		x.back.body = append(x.back.body, p...)
		return len(p), nil
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
func (x *exchange) holdsBack() bool { return x.back != nil && !x.begun }

// release begins the response, with what was held back. It returns why the handler's
// output is to be dropped.
func (x *exchange) release() error {
	if x.begun {
		return x.failed
	}
	if x.back == nil {
		return x.begin(http.StatusOK)
	}
	held := *x.back
	x.back = nil
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
// is no response yet: the handler may still answer with an error.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	first := getBuffer()
	defer first.free()
	first.b = slices.Grow(first.b, firstBytes)[:firstBytes]
	for !x.begun {
		read, failure := src.Read(first.b)
		if read > 0 {
			written, err := x.Write(first.b[:read])
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
	if err := x.begin(http.StatusSwitchingProtocols); err != nil {
		return nil, nil, err
	}
	if x.set {
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
	writer, ok := reach[interface{ Written() bool }](w)
	return ok && writer.Written()
}
