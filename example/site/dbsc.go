package site

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

// binder returns what binds sessions to devices, or nil if the site doesn't.
func (c Config) binder(sessions *cookiestore.Manager) (*dbsc.Binder, error) {
	if !c.dbsc {
		return nil, nil
	}
	key, old, err := c.Keys() // a random key is not that of the sessions, and need not be
	if err != nil {
		return nil, err
	}
	binder, err := bindSessions(sessions, c.dbscLifetime, key, old...)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "dbsc: ")
		return nil, Usagef("-dbsc: %s", strings.TrimPrefix(text, "cookiestore: "))
	}
	return binder, nil
}

// bindSessions returns what binds sessions to the devices on which they began.
func bindSessions(sessions *cookiestore.Manager, lifetime time.Duration, key []byte, old ...[]byte) (*dbsc.Binder, error) {
	return dbsc.New(sessions, key,
		dbsc.WithFallbackKeys(old...),
		dbsc.WithLifetime(lifetime),
		dbsc.WithUnbound(unbound),
		// Elsewhere /login and /logout are excluded, too. Here each page shows what is in the
		// session, and must not show it to whoever has a copy of the cookies.
		dbsc.WithExcluded("/static/", "/favicon.ico"),
	)
}

// unbound answers a request with a bound session and without the bound cookie.
func unbound(w http.ResponseWriter, r *http.Request, session *cookiestore.Session, next http.Handler) {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case site == "cross-site", site == "same-site":
		dbsc.Refuse(w, r, session, next) // has the browser come again, with the bound cookie
	case r.Method == http.MethodPost && (r.URL.Path == "/login" || r.URL.Path == "/logout"):
		dbsc.StartOver(w, r, session, next) // whoever has lost the key can sign in again
	case wantsPage(r):
		p := page{Path: r.URL.Path}
		p.write(w, http.StatusUnauthorized, "unbound.html")
	default:
		http.Error(w, "This session is bound to another device, or the browser could not prove that it is this one.", http.StatusUnauthorized)
	}
}

// offerBinding has the visitor's browser bind the session to the device, if the site asks
// for that and the browser can.
func offerBinding(w http.ResponseWriter, r *http.Request) {
	if binder := visitOf(r.Context()).site.binder; binder != nil {
		binder.Offer(w, r)
	}
}

// boundCookie is the name of the bound cookie.
const boundCookie = "__Host-dbsc"

// showBinding shows whether the session is bound, and what a copy of its cookies gets.
func showBinding(w http.ResponseWriter, r *http.Request) {
	render(w, r, "dbsc.html", nil)
}

// A binding says whether the session is bound to the visitor's device.
type binding struct {
	dbsc.Status
	Left     remaining // of the bound cookie
	Lifetime remaining // of any

	// FirstMinute is what is left of the minute after the login in which requests pass
	// without the bound cookie.
	FirstMinute remaining
}

// Binding is that of the visitor's session, or nil if the site binds none.
func (p *page) Binding() *binding {
	s := p.site()
	if s.binder == nil {
		return nil
	}
	b := binding{Status: s.binder.Status(p.r), Lifetime: remaining{s.config.dbscLifetime}}
	b.Left = remainingAt(b.Until, s.now())
	b.FirstMinute = remainingAt(b.Offered.Add(time.Minute), s.now())
	return &b
}

// A copiedJar is what a thief types, having copied the visitor's cookies.
type copiedJar struct{ All, WithoutBound string }

// CopiedJar returns the commands that ask for the session with the visitor's cookies.
func (p *page) CopiedJar() copiedJar {
	own := p.sessionCookies().header()
	to := url.URL{Scheme: "https", Host: p.r.Host, Path: "/session.json"}
	curl := func(cookies string) string {
		return `curl -k -w 'status %{http_code}\n' ` + shellQuoted(to.String()) + " \\\n  -H " + shellQuoted("Cookie: "+cookies)
	}
	return copiedJar{curl(own + "; " + boundCookie + "=" + jarOf(p.r)[boundCookie]), curl(own)}
}

// shellQuoted returns a text as one word of a shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
