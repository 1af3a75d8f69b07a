// Package huma is a program with github.com/danielgtaylor/huma/v2 on http.ServeMux. The
// middleware goes around the router; an operation finds the session in its context.
package huma

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/sse"
)

type (
	nothing struct{}
	text    struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}
	visits struct {
		Body struct {
			Visits int `json:"visits"`
		}
	}
	redirect struct {
		Status   int
		Location string `header:"Location"`
	}
)

func say(what ...any) (*text, error) { return &text{"text/plain", fmt.Append(nil, what...)}, nil }

func redirectTo(path string) (*redirect, error) { return &redirect{http.StatusSeeOther, path}, nil }

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	router := http.NewServeMux()
	config := huma.DefaultConfig("Visits", "1.0")
	config.CreateHooks = nil // no links to schemas in the answers
	api := humago.New(router, config)
	huma.Get(api, "/plain", func(context.Context, *nothing) (*text, error) { return say("plain") })
	huma.Get(api, "/peek", func(ctx context.Context, _ *nothing) (*text, error) {
		return say(cookiestore.Get(cookiestore.FromContext(ctx), "visits", 0))
	})
	huma.Get(api, "/visits", func(ctx context.Context, _ *nothing) (*text, error) { return say(visit(ctx)) })
	huma.Get(api, "/json", func(ctx context.Context, _ *nothing) (*visits, error) {
		var out visits
		out.Body.Visits = visit(ctx)
		return &out, nil
	})
	huma.Get(api, "/empty", func(ctx context.Context, _ *nothing) (*nothing, error) {
		visit(ctx)
		return nil, nil
	})
	huma.Get(api, "/redirect", func(ctx context.Context, _ *nothing) (*redirect, error) {
		visit(ctx)
		return redirectTo("/visits")
	})
	huma.Get(api, "/denied", func(ctx context.Context, _ *nothing) (*text, error) {
		visit(ctx)
		return nil, huma.Error403Forbidden("denied")
	})
	huma.Get(api, "/broken", func(ctx context.Context, _ *nothing) (*text, error) {
		visit(ctx)
		return nil, errors.New("broken")
	})
	huma.Get(api, "/panic", func(ctx context.Context, _ *nothing) (*text, error) {
		visit(ctx)
		panic("broken")
	})
	huma.Get(api, "/unsaveable", func(ctx context.Context, _ *nothing) (*text, error) {
		cookiestore.FromContext(ctx).Set("callback", func() {})
		return say("saved")
	})
	huma.Get(api, "/sign-out-broken", func(ctx context.Context, _ *nothing) (*text, error) {
		cookiestore.FromContext(ctx).Flush()
		return nil, errors.New("signed out, and then something broke")
	})
	huma.Post(api, "/flash", func(ctx context.Context, _ *nothing) (*redirect, error) {
		cookiestore.FromContext(ctx).AddFlash("Saved.")
		return redirectTo("/flash")
	})
	huma.Get(api, "/flash", func(ctx context.Context, _ *nothing) (*text, error) {
		return say(cookiestore.FromContext(ctx).Flashes()...)
	})
	huma.Get(api, "/file", func(ctx context.Context, _ *nothing) (*huma.StreamResponse, error) {
		visit(ctx)
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			http.ServeContent(w, r, "text.txt", time.Time{}, strings.NewReader(plain.Text))
		}}, nil
	})
	huma.Get(api, "/stream", func(ctx context.Context, _ *nothing) (*huma.StreamResponse, error) {
		visit(ctx)
		return &huma.StreamResponse{Body: func(c huma.Context) {
			_, w := humago.Unwrap(c)
			response := http.NewResponseController(w)
			response.Flush()
			for range 2 {
				fmt.Fprintln(c.BodyWriter(), <-news)
				response.Flush()
			}
		}}, nil
	})
	sse.Register(api, huma.Operation{OperationID: "events", Method: http.MethodGet, Path: "/events"}, map[string]any{"message": ""},
		func(ctx context.Context, _ *nothing, send sse.Sender) {
			visit(ctx)
			for range 2 {
				send.Data(<-news)
			}
		})
	handlers := plain.Handlers(sessions, news)
	for _, pattern := range []string{"GET /coder-websocket", "GET /gorilla-websocket"} { // beside the API
		router.Handle(pattern, handlers[pattern])
	}
	return sessions.Handler(router)
}

func visit(ctx context.Context) int { return plain.Count(cookiestore.FromContext(ctx)) }
