// Package site is the demo site of cookiestore: the session scenarios that Django is
// taught with, one page each. The programs example and example/databases serve it,
// and hand it the store that sessions are kept in.
//
// What is worth copying is in this file. flags.go and server.go are what the two
// programs share besides.
package site

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/cookiestore"
)

// Each handler below is one scenario, and all that it takes. None knows where
// sessions are kept.

// home counts visits.
func home(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)
	render(w, r, "home.html", visits)
}

// sessfun counts views, and forgets them when there are over four.
func sessfun(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	views := cookiestore.Get(session, "view_count", 0) + 1
	session.Set("view_count", views)
	if views > 4 {
		session.Delete("view_count")
	}
	fmt.Fprintf(w, "view count=%d\n", views)
}

// setSession remembers a name for thirty seconds.
func setSession(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if name == "" {
		badField(w, "name", "missing; try /set-session?name=Ankit")
		return
	}
	session := cookiestore.FromContext(r.Context())
	session.Set("name", name)
	session.SetExpiry(cookiestore.After(30 * time.Second))
	render(w, r, "set-session.html", nil)
}

// getSession greets whoever setSession remembers. Its template asks the session.
func getSession(w http.ResponseWriter, r *http.Request) {
	render(w, r, "get-session.html", nil)
}

// A car is a value with parts, kept under one key.
type car struct {
	Model  string `json:"model"`
	Wheels string `json:"wheels"`
}

var defaultCar = car{Model: "mini", Wheels: "steel"}

// showCar shows the car, or the one that you get if you have none.
func showCar(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	render(w, r, "car.html", cookiestore.Get(session, "my_car", defaultCar))
}

// changeCar does what the forms of the car page ask for.
func changeCar(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	switch op := r.PostFormValue("op"); op {
	case "set":
		model := cmp.Or(r.PostFormValue("model"), defaultCar.Model)
		session.Set("my_car", car{Model: model, Wheels: defaultCar.Wheels})
		session.AddFlash("You now drive a " + model + ".")
	case "wheels":
		wheels := cmp.Or(r.PostFormValue("wheels"), defaultCar.Wheels)
		changeWheels(session, wheels)
		session.AddFlash("It now has " + wheels + " wheels.")
	case "delete":
		session.Delete("my_car")
		session.AddFlash("Your car is gone.")
	default:
		badField(w, "op", "%q is none of set, wheels, delete", op)
		return
	}
	http.Redirect(w, r, "/car", http.StatusSeeOther)
}

// changeWheels changes a part of the car, and leaves the rest of it as it is.
func changeWheels(session *cookiestore.Session, wheels string) {
	err := cookiestore.Modify(session, "my_car", func(c *car) {
		*c = cmp.Or(*c, defaultCar)
		c.Wheels = wheels
	})
	if err != nil { // what was there is no car
		session.Set("my_car", car{Model: defaultCar.Model, Wheels: wheels})
	}
}

// state is the session as JSON.
type state struct {
	Data         *cookiestore.Session `json:"data"`
	New          bool                 `json:"new"`
	Modified     bool                 `json:"modified"`
	ExpiryAge    int64                `json:"expiry_age"`
	ExpiryDate   string               `json:"expiry_date"`
	BrowserClose bool                 `json:"browser_close"`
	Store        string               `json:"store"`
	CookieBytes  int                  `json:"cookie_bytes"` // of the cookie that came with the request
}

// showState shows the session and what it says of itself. Data is the session
// itself, which encodes as the dictionary, in stored order.
func (s *site) showState(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	answer := state{
		Data:         session,
		New:          session.IsNew(),
		Modified:     session.Modified(),
		ExpiryAge:    int64(session.ExpiryAge() / time.Second),
		ExpiryDate:   session.ExpiryDate().UTC().Format(time.RFC3339),
		BrowserClose: session.ExpiresAtBrowserClose(),
		Store:        s.store,
	}
	if c, err := r.Cookie(s.cookie); err == nil {
		answer.CookieBytes = len(c.Name) + len(c.Value)
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(answer) // fails where the middleware answers instead, or the visitor has gone
}

// changeState does one operation of the API on the session, and shows it. After
// a bad field the session is as it was.
func (s *site) changeState(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	key, value := r.PostFormValue("key"), r.PostFormValue("value")
	op := r.PostFormValue("op")
	if key == "" && (op == "set" || op == "delete") {
		badField(w, "key", "missing")
		return
	}
	switch op {
	case "set":
		if err := json.Unmarshal([]byte(value), new(json.RawMessage)); err != nil {
			badField(w, "value", "not JSON: %v", err)
			return
		}
		session.Set(key, json.RawMessage(value)) // kept as it is written, 1.0 and all
		if err := session.Err(); err != nil {
			badField(w, "value", "%v", err)
			return
		}
	case "delete":
		session.Delete(key)
	case "clear":
		session.Clear()
	case "flush":
		session.Flush()
	case "cycle":
		session.CycleKey()
	case "expiry":
		expiry, err := parseExpiry(value)
		if err != nil {
			badField(w, "value", "%v", err)
			return
		}
		session.SetExpiry(expiry)
	case "testcookie": // the first time it is set, the second time it has come back
		if session.TestCookieWorked() {
			session.DeleteTestCookie()
		} else {
			session.SetTestCookie()
		}
	default:
		badField(w, "op", "%q is none of set, delete, clear, flush, cycle, expiry, testcookie", op)
		return
	}
	s.showState(w, r)
}

// parseExpiry reads what Django's set_expiry takes: seconds, 0 for browser
// close, a time, or nothing for the default.
func parseExpiry(value string) (cookiestore.Expiry, error) {
	if value == "" {
		return cookiestore.Default, nil
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		switch {
		case seconds == 0:
			return cookiestore.AtBrowserClose, nil
		case seconds > math.MaxInt64/int64(time.Second):
			return cookiestore.Default, fmt.Errorf("%s seconds are over 290 years", value)
		}
		return cookiestore.After(time.Duration(max(seconds, -1)) * time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return cookiestore.Default, fmt.Errorf("%q is neither whole seconds nor an RFC 3339 time such as 2030-01-31T12:00:00Z", value)
	}
	return cookiestore.At(at), nil
}

// site is what the handlers of the JSON need to know beside the session.
type site struct {
	store   string // its name
	cookie  string // the session cookie's name
	inspect http.HandlerFunc
}

// maxBody is far more than a cookie can hold, and enough for a row.
const maxBody = 64 << 10

// handler routes the requests, each with its session.
func (s *site) handler(sessions *cookiestore.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET /sessfun", sessfun)
	mux.HandleFunc("GET /set-session", setSession)
	mux.HandleFunc("GET /get-session", getSession)
	mux.HandleFunc("GET /car", showCar)
	mux.HandleFunc("POST /car", changeCar)
	mux.HandleFunc("GET /session.json", s.showState)
	mux.HandleFunc("POST /session", s.changeState)
	mux.HandleFunc("GET /inspect", s.inspect)
	mux.HandleFunc("GET /static/{file}", static)
	mux.HandleFunc("GET /favicon.ico", static)

	h := sessions.Handler(mux)
	h = checkForm(h)
	h = http.MaxBytesHandler(h, maxBody)
	h = http.NewCrossOriginProtection().Handler(h) // no other site's page can post a form here
	return secureHeaders(h)
}

// secureHeaders allows the pages nothing that they don't need, and keeps what
// depends on the session out of caches.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// checkForm refuses a form that can't be read, or that JSON couldn't hold.
func checkForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		if err == nil {
			err = r.ParseMultipartForm(maxBody)
		}
		if errors.As(err, new(*http.MaxBytesError)) {
			http.Error(w, fmt.Sprintf("the form has over %d bytes", maxBody), http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil && !errors.Is(err, http.ErrNotMultipart) {
			http.Error(w, "the form can't be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		for field, values := range r.Form {
			if !utf8.ValidString(field + strings.Join(values, "")) {
				badField(w, field, "not UTF-8")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func badField(w http.ResponseWriter, field, format string, args ...any) {
	http.Error(w, fmt.Sprintf("field %q: "+format, append([]any{field}, args...)...), http.StatusBadRequest)
}

// notSaved answers where the session can't be loaded or saved. The error of one
// that is too large names keys of the session, and no values.
func notSaved(w http.ResponseWriter, _ *http.Request, err error) {
	message, status := "The session could not be loaded or saved. Please try again.", http.StatusInternalServerError
	switch {
	case errors.Is(err, cookiestore.ErrTooLarge):
		message += "\n" + err.Error()
	case errors.Is(err, cookiestore.ErrInterrupted):
		message = "Your session was ended by another request, and nothing was changed. The next request begins a new one."
		status = http.StatusBadRequest
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, message, status)
}

var (
	//go:embed templates static
	files embed.FS

	//go:embed site.go
	siteSource string

	pages = parsePages("home.html", "set-session.html", "get-session.html", "car.html", "inspect.html")
)

// routes are the links in the head of each page and on the home page.
var routes = []struct{ Path, Query, Name, About string }{
	{"/", "", "Visits", "Counts how often you have been here."},
	{"/sessfun", "", "View count", "Counts to five in plain text, then begins again."},
	{"/set-session", "?name=Ankit", "Set", "Remembers a name for thirty seconds."},
	{"/get-session", "", "Get", "Greets that name, while it lasts."},
	{"/car", "", "Car", "Changes part of a value in place, and says so once."},
	{"/inspect", "", "Inspect", "Takes your session apart."},
	{"/session.json", "", "JSON", "The session and what it knows of its end."},
}

func parsePages(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"routes": func() any { return routes },
		"source": source,
		"wheels": func() []string { return []string{"steel", "alloy", "wooden"} },
	}).ParseFS(files, "templates/layout.html"))
	parsed := map[string]*template.Template{}
	for _, name := range names {
		page := template.Must(layout.Clone())
		parsed[name] = template.Must(page.ParseFS(files, "templates/"+name))
	}
	return parsed
}

// render writes a page. It is made in full first: an error in a template can
// then still become a status of 500, with which no session is saved, and a
// template may change the session, as the layout does where it shows flashes.
func render(w http.ResponseWriter, r *http.Request, name string, data any) {
	var page bytes.Buffer
	err := pages[name].Execute(&page, struct {
		Session *cookiestore.Session
		Path    string
		Data    any
	}{cookiestore.FromContext(r.Context()), r.URL.Path, data})
	if err != nil {
		slog.Error("page can't be made", "page", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = page.WriteTo(w) // fails where the visitor has gone
}

// source returns the Go code of a handler, for its page to show.
func source(handler string) (string, error) {
	_, code, ok := strings.Cut(siteSource, "\nfunc "+handler+"(")
	code, _, end := strings.Cut(code, "\n}\n")
	if !ok || !end {
		return "", fmt.Errorf("no handler %q", handler)
	}
	return "func " + handler + "(" + code + "\n}", nil
}

// static serves the style sheet and the icon, the same for everybody.
func static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, files, "static/"+cmp.Or(r.PathValue("file"), "icon.svg"))
}
