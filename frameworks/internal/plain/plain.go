// Package plain has the handlers of a program that uses net/http: routers that take
// http.Handler as it is serve them unchanged.
package plain

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// Text is what /file serves.
var Text = strings.Repeat("The visitor's session is in the cookie.\n", 500)

// Handlers returns the program's handlers by the patterns of http.ServeMux. The news is
// what /stream and /events send as it comes in.
func Handlers(sessions *cookiestore.Manager, news <-chan string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /plain":             func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "plain") },
		"GET /peek":              peek,
		"GET /visits":            visits,
		"GET /json":              visitsAsJSON,
		"GET /empty":             func(w http.ResponseWriter, r *http.Request) { Visit(r); w.WriteHeader(http.StatusNoContent) },
		"GET /redirect":          redirect,
		"GET /denied":            func(w http.ResponseWriter, r *http.Request) { Visit(r); http.Error(w, "denied", http.StatusForbidden) },
		"GET /broken":            func(w http.ResponseWriter, r *http.Request) { Visit(r); http.Error(w, "broken", 500) },
		"GET /panic":             func(w http.ResponseWriter, r *http.Request) { Visit(r); panic("broken") },
		"GET /unsaveable":        unsaveable,
		"GET /sign-out-broken":   signOutBroken,
		"POST /flash":            addFlash,
		"GET /flash":             showFlash,
		"GET /file":              file,
		"GET /stream":            stream(news),
		"GET /events":            events(news),
		"GET /coder-websocket":   coderWebsocket,
		"GET /gorilla-websocket": gorillaWebsocket(sessions),
	}
}

// Visit counts a visit in the session.
func Visit(r *http.Request) int { return Count(cookiestore.FromContext(r.Context())) }

// Count is Visit for code that has the session already.
func Count(session *cookiestore.Session) int {
	n := cookiestore.Get(session, "visits", 0) + 1
	session.Set("visits", n)
	return n
}

func peek(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, cookiestore.Get(cookiestore.FromContext(r.Context()), "visits", 0))
}

func visits(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, Visit(r)) }

func visitsAsJSON(w http.ResponseWriter, r *http.Request) {
	n := Visit(r)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int{"visits": n})
}

func redirect(w http.ResponseWriter, r *http.Request) {
	Visit(r)
	http.Redirect(w, r, "/visits", http.StatusSeeOther)
}

// unsaveable sets what JSON can't hold, and ignores that.
func unsaveable(w http.ResponseWriter, r *http.Request) {
	cookiestore.FromContext(r.Context()).Set("callback", func() {})
	io.WriteString(w, "saved")
}

func signOutBroken(w http.ResponseWriter, r *http.Request) {
	cookiestore.FromContext(r.Context()).Flush()
	http.Error(w, "signed out, and then something broke", http.StatusInternalServerError)
}

func addFlash(w http.ResponseWriter, r *http.Request) {
	cookiestore.FromContext(r.Context()).AddFlash("Saved.")
	http.Redirect(w, r, "/flash", http.StatusSeeOther)
}

func showFlash(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, cookiestore.FromContext(r.Context()).Flashes()...)
}

func file(w http.ResponseWriter, r *http.Request) {
	Visit(r)
	http.ServeContent(w, r, "text.txt", time.Time{}, strings.NewReader(Text))
}

// stream sends two pieces of news, each as soon as it is there.
func stream(news <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		Visit(r)
		response := http.NewResponseController(w)
		response.Flush() // saves the session and sends the header
		for range 2 {
			fmt.Fprintln(w, <-news)
			response.Flush()
		}
	}
}

// events is stream for an EventSource.
func events(news <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		Visit(r)
		w.Header().Set("Content-Type", "text/event-stream")
		response := http.NewResponseController(w)
		for range 2 {
			fmt.Fprintf(w, "data: %s\n\n", <-news)
			response.Flush()
		}
	}
}

// coderWebsocket changes the session before Accept, which sends Header() and so the
// cookie.
func coderWebsocket(w http.ResponseWriter, r *http.Request) {
	n := Visit(r)
	conn, err := coder.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	conn.Write(r.Context(), coder.MessageText, fmt.Append(nil, n))
	conn.Close(coder.StatusNormalClosure, "")
}

// gorillaWebsocket saves the session and passes the cookies to Upgrade, which sends no
// other header.
func gorillaWebsocket(sessions *cookiestore.Manager) http.HandlerFunc {
	var upgrader gorilla.Upgrader
	return func(w http.ResponseWriter, r *http.Request) {
		n := Visit(r)
		cookies, err := sessions.Save(r.Context(), cookiestore.FromContext(r.Context()))
		if err != nil {
			http.Error(w, "session not saved", http.StatusInternalServerError)
			return
		}
		header := http.Header{}
		for _, cookie := range cookies {
			header.Add("Set-Cookie", cookie.String())
		}
		conn, err := upgrader.Upgrade(w, r, header)
		if err != nil {
			return // it has answered
		}
		defer conn.Close()
		conn.WriteMessage(gorilla.TextMessage, fmt.Append(nil, n))
	}
}
