// Package http3 is a program on the HTTP/3 server of github.com/quic-go/quic-go.
package http3

import (
	"fmt"
	"net/http"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/quic-go/quic-go/http3"
)

// New returns the program. Nothing but [Streams] is needed beyond the middleware.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	router := http.NewServeMux()
	for pattern, handler := range plain.Handlers(sessions, news) {
		router.Handle(pattern, handler)
	}
	router.HandleFunc("GET /take-over", takeOver)
	return sessions.Handler(Streams(router))
}

// Streams goes inside of the middleware. Handlers that take over the stream, such as
// webtransport-go's Upgrade, ask the ResponseWriter for quic-go's interfaces, which the
// middleware can't have. This finds them behind it.
func Streams(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		streamer, isStreamer := behind[http3.HTTPStreamer](w)
		settings, hasSettings := behind[http3.Settingser](w)
		if isStreamer && hasSettings {
			w = &writer{w, streamer, settings}
		}
		next.ServeHTTP(w, r)
	})
}

// behind finds a T in a ResponseWriter, or in what it wraps.
func behind[T any](w http.ResponseWriter) (found T, ok bool) {
	for {
		if found, ok = w.(T); ok {
			return found, true
		}
		wrapper, wraps := w.(interface{ Unwrap() http.ResponseWriter })
		if !wraps {
			return found, false
		}
		w = wrapper.Unwrap()
	}
}

type writer struct {
	http.ResponseWriter
	http3.HTTPStreamer
	http3.Settingser
}

func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is what webtransport-go calls before it takes over the stream.
func (w *writer) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// takeOver sends the header, and with it the cookie, and writes to the stream itself.
func takeOver(w http.ResponseWriter, r *http.Request) {
	streamer, ok := w.(http3.HTTPStreamer)
	if !ok {
		http.Error(w, "not HTTP/3", http.StatusHTTPVersionNotSupported)
		return
	}
	n := plain.Visit(r)
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	stream := streamer.HTTPStream()
	defer stream.Close()
	fmt.Fprint(stream, n)
}
