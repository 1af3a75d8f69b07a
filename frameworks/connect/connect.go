// Package connect is a program with connectrpc.com/connect. The middleware goes around
// the handlers; a procedure finds the session in its context. What is different with
// gRPC, see [Sessions].
package connect

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type (
	request  = connect.Request[emptypb.Empty]
	response = connect.Response[wrapperspb.Int64Value]
)

// Sessions gives unary procedures a session of their own, without the middleware. With
// gRPC and gRPC-Web an error has HTTP's status 200, so that the middleware saves what
// was changed before it. This interceptor saves nothing after an error, unless the
// procedure has emptied the session; with gRPC, where an error can't set a cookie, not
// even then. Streams need the middleware: their header goes out with the first message.
func Sessions(sessions *cookiestore.Manager) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, in connect.AnyRequest) (connect.AnyResponse, error) {
			session, err := sessions.Load(ctx, in.Header()["Cookie"]...)
			if err != nil {
				return nil, connect.NewError(connect.CodeUnavailable, errors.New("session not loaded"))
			}
			out, failure := next(cookiestore.NewContext(ctx, session), in)
			if failure != nil && !(session.Modified() && session.IsEmpty()) {
				return nil, failure
			}
			cookies, err := sessions.Save(ctx, session)
			if err != nil {
				return nil, connect.NewError(connect.CodeInternal, errors.New("session not saved"))
			}
			var header http.Header
			if failure != nil {
				var known *connect.Error
				if !errors.As(failure, &known) {
					known = connect.NewError(connect.CodeUnknown, failure)
				}
				failure, header = known, known.Meta()
			} else {
				header = out.Header()
			}
			if session.Accessed() {
				header.Add("Vary", "Cookie")
			}
			for _, cookie := range cookies {
				header.Set("Cache-Control", "private")
				header.Add("Set-Cookie", cookie.String())
			}
			return out, failure
		}
	}
}

// New returns the program, with the middleware around it.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	return sessions.Handler(Procedures(news))
}

// Procedures returns the program without sessions.
func Procedures(news <-chan string, options ...connect.HandlerOption) *http.ServeMux {
	router := http.NewServeMux()
	unary := func(path string, procedure func(session *cookiestore.Session) (int, error)) {
		router.Handle(path, connect.NewUnaryHandler(path, func(ctx context.Context, _ *request) (*response, error) {
			n, err := procedure(cookiestore.FromContext(ctx))
			if err != nil {
				return nil, err
			}
			return connect.NewResponse(wrapperspb.Int64(int64(n))), nil
		}, options...))
	}
	unary("/visits.v1/Plain", func(*cookiestore.Session) (int, error) { return 0, nil })
	unary("/visits.v1/Peek", func(session *cookiestore.Session) (int, error) {
		return cookiestore.Get(session, "visits", 0), nil
	})
	unary("/visits.v1/Visit", func(session *cookiestore.Session) (int, error) { return plain.Count(session), nil })
	unary("/visits.v1/Denied", func(session *cookiestore.Session) (int, error) {
		plain.Count(session)
		return 0, connect.NewError(connect.CodePermissionDenied, errors.New("denied"))
	})
	unary("/visits.v1/Broken", func(session *cookiestore.Session) (int, error) {
		plain.Count(session)
		return 0, connect.NewError(connect.CodeInternal, errors.New("broken"))
	})
	unary("/visits.v1/Panic", func(session *cookiestore.Session) (int, error) {
		plain.Count(session)
		panic("broken")
	})
	unary("/visits.v1/Unsaveable", func(session *cookiestore.Session) (int, error) {
		session.Set("callback", func() {})
		return 1, nil
	})
	unary("/visits.v1/SignOutBroken", func(session *cookiestore.Session) (int, error) {
		session.Flush()
		return 0, errors.New("signed out, and then something broke")
	})
	const stream = "/visits.v1/Stream"
	router.Handle(stream, connect.NewServerStreamHandler(stream, func(ctx context.Context, _ *request, out *connect.ServerStream[wrapperspb.StringValue]) error {
		plain.Count(cookiestore.FromContext(ctx)) // before the first Send
		for range 2 {
			if err := out.Send(wrapperspb.String(<-news)); err != nil {
				return err
			}
		}
		return nil
	}))
	return router
}
