package cookiestore

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Middleware gives every request a session from the store; handlers get it with
// [FromContext]. It fits any router, and works by the rules of Django's
// SessionMiddleware, and by those that net/http needs:
//
//   - The session is loaded when a handler first uses it. A request that doesn't
//     use it costs next to nothing. Of several cookies of one name, the newest
//     valid one counts.
//   - It is saved when it was changed, and the cookie sent, just before the first
//     byte of the response: at WriteHeader, Write, Flush, ReadFrom, or the handler's
//     return. Informational (1xx) responses don't count. If nothing is left in the
//     session, or SetExpiry has ended it, the cookie is deleted instead; it is
//     deleted for no other reason.
//   - Saves that no handler asked for are optional: those of [WithRenewal] and
//     [WithSaveEveryRequest], and signing anew with another key or format. They
//     don't happen if the response sets a cookie of that name itself, has a status
//     of 400 or more, may be kept by a shared cache, or comes more than a second
//     after the request (or, of code without the middleware, after the load); nor
//     after [Session.SkipRenewal].
//   - With a status of 500 or more, and if the handler panics, changes are dropped,
//     and that is logged. Only [Session.Flush] holds at every status.
//   - If a handler got hold of the session before the first byte, the response has
//     Vary: Cookie. If it sets a cookie, shared caches are told not to keep it.
//   - If a change can't be saved, or the store could not load the session, the error
//     handler answers, with the header as it was when the request came in, and what
//     the handler writes is dropped: Write and Flush return the error. There is one
//     exception. If a value could not be set, the handler has learned that from
//     [Session.Err] or [Modify], and it answers with a status of 400 or more, its own
//     answer stands; nothing is saved.
//   - What comes after the first byte, a change or the first use of the session, is
//     logged: it can't be saved, renewed or answered with an error any more. A
//     template that uses the session while it writes is rendered into a buffer
//     first; or see [WithBuffer].
//
// Nothing is buffered unless WithBuffer says so, and [http.ResponseController],
// Flush, Hijack and sendfile work as without the middleware. When a handler takes
// over the connection, the session is saved first and the cookie is in Header(), but
// is sent only by what writes that header. Most websocket packages write one of
// their own, and take it as an argument: with gorilla/websocket, save with
// [Manager.Save] and pass the cookies to Upgrade. An [http.MaxBytesHandler] belongs
// outside, where it can close the connection.
//
// Middlewares with cookies of different names can be nested; the inner one's
// session is that of FromContext, and [FromContextNamed] finds either. Two with
// one name are one: the inner uses the session that is there.
//
// Middleware panics if the options contradict each other (see [NewManager]): a
// program that can't set its cookie must not start. The function that it returns panics if
// the handler is nil.
func Middleware(store Store, options ...Option) func(http.Handler) http.Handler {
	m, err := NewManager(store, options...)
	if err != nil {
		panic(err)
	}
	return m.Handler
}

// Handler is [Middleware] for a Manager that is there already.
func (m *Manager) Handler(next http.Handler) http.Handler {
	if isNil(next) {
		panic("cookiestore: the handler is nil")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent := r.Context()
		if outer, ok := parent.Value(m.outer).(*exchangeContext); ok { // this middleware is around us already
			if parent.Value(nearest{}) != outer { // and another one in between
				r = r.WithContext(&nearestContext{parent, outer})
			}
			next.ServeHTTP(w, r)
			return
		}
		x := &exchange{inner: w, manager: m, parent: parent, cookies: r.Header["Cookie"]}
		x.session.host, x.session.rules = x, &m.rules
		if m.optional || m.signing.signsAnew() {
			x.came = m.rules.now().UnixNano()
		}
		if m.buffer > 0 {
			x.extra().back = new(heldBack)
		}
		x.request = r.WithContext((*exchangeContext)(x))
		defer x.leave(r)
		next.ServeHTTP(x, x.request)
		x.finish()
	})
}

// FromContext returns the session in r.Context(), the context of the request that
// the handler was given. It panics if there is none: if no [Middleware] is around the
// handler, or the context is another one.
func FromContext(ctx context.Context) *Session {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	if !ok {
		panic(fmt.Sprintf("cookiestore: no session in this %T: wrap the handler in cookiestore.Middleware, "+
			"and pass the Context() of the http.Request, not a framework's own context", ctx))
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
	outerName   string   // asks for the exchange itself, and not for its session
	nearest     struct{} // asks for that of the innermost middleware
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

// A nearestContext is a context in which a middleware further out is the innermost one.
type nearestContext struct {
	context.Context
	exchange *exchangeContext
}

func (c *nearestContext) Value(key any) any {
	switch key.(type) {
	case sessionKey, nearest:
		return c.exchange.Value(key)
	}
	return c.Context.Value(key)
}

// An exchangeContext is an exchange as the context of its request.
type exchangeContext exchange

func (c *exchangeContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }
func (c *exchangeContext) Done() <-chan struct{}       { return c.parent.Done() }
func (c *exchangeContext) Err() error                  { return c.parent.Err() }

// String and GoString are for printing a context: no more of it is shown, and no field
// read, while the request goes on.
func (c *exchangeContext) String() string   { return "cookiestore.Middleware" }
func (c *exchangeContext) GoString() string { return c.String() }

func (c *exchangeContext) Value(key any) any {
	switch key := key.(type) {
	case sessionKey:
		return c.hold()
	case nearest:
		return c
	case sessionName:
		if string(key) == c.manager.jar.cookie.Name {
			return c.hold()
		}
	case outerName:
		if string(key) == c.manager.jar.cookie.Name {
			return c
		}
	}
	return c.parent.Value(key)
}

// hold gives the session to a handler: the response depends on the cookie then.
func (c *exchangeContext) hold() *Session {
	if !c.held.CompareAndSwap(notHeld, held) && c.held.Load() == heldLate {
		c.session.closeLate()
	}
	return &c.session
}
