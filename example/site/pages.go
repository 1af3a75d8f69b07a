package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
)

var (
	//go:embed templates static
	files embed.FS

	//go:embed visits.go login.go car.go flash.go expire.go rotate.go encryption.go large.go everywhere.go dbsc.go
	sources embed.FS

	pages = parsePages()
)

// A route is a page that the others link to.
type route struct {
	Path  string
	Name  string // in the head of each page, where only the name has room
	Title string
	About string
}

// story are the pages in the order in which they are best told.
var story = []route{
	{"/", "Count", "Count visits", "A number in the session goes up by one with each visit."},
	{"/login", "Sign in", "Sign in", "A new session for a known visitor, safe from session fixation."},
	{"/login#remember", "", "Stay signed in", "For thirty days, or until the browser is closed."},
	{"/car", "Car", "Change a part", "One value with two parts, changed in place like a cart."},
	{"/flash", "Flash", "Say it once", "A message that survives one redirect and is then gone."},
	{"/set-session?name=Ankit", "Expire", "Expire", "A session that lasts thirty seconds, enforced by the server."},
	{"/forge", "Forge", "Forge it", "Edit your own cookie, send it, and watch it being refused."},
	{"/encryption", "Encrypt", "Encryption", "A session that its visitor can't read."},
	{"/rotate", "Rotate", "Rotate the key", "A new signing key, and nobody is signed out."},
	{"/large", "Grow", "Large sessions", "A session too large for one cookie: split over several, or in a row."},
	{"/everywhere", "Revoke", "Sign out everywhere", "All sessions of a user end at once, on every device."},
	{"/dbsc", "Bind", "Bind to the device", "A copy of the cookies is worth minutes on another device."},
	{"/stores", "Compare", "Cookie or database", "The same session in both, counted in bytes."},
}

// tools show what is behind the pages.
var tools = []route{
	{"/inspect", "Inspect", "Inspect", "Your session taken apart: what is in the cookie, its size, its end."},
	{"/api", "API", "The whole API", "Every operation, with what it changed."},
	{"/account", "", "Account", "A page for visitors who are signed in."},
	{"/get-session", "", "Get", "Greets the name that Expire has set, while it lasts."},
	{"/sessfun", "", "View count", "Counts to five in plain text, then starts again."},
	{"/session.json", "", "JSON", "The session, and when it ends, for programs."},
}

func parsePages() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"story":   func() []route { return story },
		"tools":   func() []route { return tools },
		"wheels":  func() []string { return []string{"steel", "alloy", "wooden"} },
		"source":  source,
		"listing": func(label, text string) listing { return listing{label, text} },
	}).ParseFS(files, "templates/layout.html", "templates/parts.html"))
	parsed := map[string]*template.Template{}
	names, err := files.ReadDir("templates")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		parsed[name.Name()] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name.Name()))
	}
	return parsed
}

// A listing is text to be shown as it is, with a name for screen readers.
type listing struct{ Label, Text string }

// A page is what its template gets.
type page struct {
	Path    string
	Data    any
	Session *cookiestore.Session // nil on an error's page, and so are the rest
	Flashes []any
	Trace   *trace

	r *http.Request
}

// render writes a page and saves the session before that, so that the page can show
// the cookie that it sets.
func render(w http.ResponseWriter, r *http.Request, name string, data any) {
	renderStatus(w, r, http.StatusOK, name, data)
}

func renderStatus(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	session := cookiestore.FromContext(r.Context())
	p := page{Path: r.URL.Path, Data: data, Session: session, Flashes: session.Flashes(), r: r}
	var err error
	if p.Trace, err = visitOf(r.Context()).trace(w, r); err != nil {
		notSaved(w, r, err)
		return
	}
	p.write(w, status, name)
}

// write makes the page in full before it sends the first byte: an error in a
// template can then still become a status of 500.
func (p *page) write(w http.ResponseWriter, status int, name string) {
	var out bytes.Buffer
	if err := pages[name].ExecuteTemplate(&out, "layout.html", p); err != nil {
		slog.Error("page can't be made", "page", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // fails where the visitor has gone
}

// Cookie takes apart the session's cookies that the visitor has once the page is there,
// or is nil without one.
func (p *page) Cookie() (*anatomy, error) {
	cookies := p.sessionCookies()
	if len(cookies.Values) == 0 {
		return nil, nil
	}
	return p.site().takeApart(p.r.Context(), cookies)
}

// sessionCookies are those that the visitor has once the page is there.
func (p *page) sessionCookies() cookieSet {
	jar := jarOf(p.r)
	for _, set := range p.Trace.SetCookie {
		if c, err := http.ParseSetCookie(set); err == nil {
			jar[c.Name] = c.Value // empty where it is deleted
		}
	}
	return p.site().cookiesIn(jar, p.site().config.name)
}

// CookieName is that of the session's cookie.
func (p *page) CookieName() string { return p.site().config.name }

func (p *page) site() *site { return visitOf(p.r.Context()).site }

// InRow reports whether every cookie is only the key of a row.
func (p *page) InRow() bool { return p.site().backend.cookies == nil }

// Spills reports whether large sessions are in rows, and small ones in cookies.
func (p *page) Spills() bool { return p.site().backend.spills() }

// Encrypts reports whether the sessions in cookies are encrypted.
func (p *page) Encrypts() bool { return p.site().config.encrypt }

// Endings says how sessions end before they expire.
func (p *page) Endings() endings { return p.site().endings(p.Session) }

// EndsSoon is how long the session lasts, if that is too short to go unsaid and the
// page itself doesn't say it.
func (p *page) EndsSoon() *remaining {
	if p.Session == nil || p.Session.EndsAt().IsZero() || p.Path == "/set-session" || p.Path == "/get-session" {
		return nil
	}
	left := p.Left()
	if left.Duration >= 2*time.Minute {
		return nil
	}
	return &left
}

// Left is how long the session that the visitor then has will last.
func (p *page) Left() remaining {
	return remainingAt(p.Session.EndsAt(), p.site().now())
}

// Next is the page after this one in the story, or nil.
func (p *page) Next() *route {
	for i := range story {
		if path, _, _ := strings.Cut(story[i].Path, "?"); path != p.Path {
			continue
		}
		for j := i + 1; j < len(story); j++ {
			if story[j].Name != "" {
				return &story[j]
			}
		}
	}
	return nil
}

// IsAt reports whether this is the page of a route.
func (p *page) IsAt(r route) bool {
	path, _, _ := strings.Cut(r.Path, "?")
	return path == p.Path
}

// source returns the Go code of a function, for its page to show.
func source(function string) (string, error) {
	names, err := sources.ReadDir(".")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := sources.ReadFile(name.Name())
		if err != nil {
			return "", err
		}
		_, code, found := strings.Cut(string(text), "\nfunc "+function+"(")
		code, _, whole := strings.Cut(code, "\n}\n")
		if found && whole {
			return "func " + function + "(" + code + "\n}", nil
		}
	}
	return "", fmt.Errorf("no function %q", function)
}
