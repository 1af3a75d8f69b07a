// Package site is the demo site of cookiestore: the session scenarios that Django is
// taught with, and what a signed cookie does when somebody changes it. The programs
// example and example/databases serve it, and hand it the store that sessions are
// kept in.
//
// What is worth copying is in visits.go, login.go, car.go, flash.go and expire.go: a
// handler each, and all that it takes. None knows where sessions are kept. The other
// files are the site around them.
package site

import (
	"cmp"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

// site is what the handlers that look behind the session need to know.
type site struct {
	config   Config
	backend  Backend
	now      func() time.Time
	sessions *cookiestore.Manager
	logger   *slog.Logger

	revocations cookiestore.Revocations // nil where sessions are not ended before they expire
	binder      *dbsc.Binder            // nil where sessions are not bound to devices
}

// maxBody is far more than a cookie can hold, and enough for a row.
const maxBody = 64 << 10

// handler routes the requests, each with its session.
func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":                home,
		"GET /login":              showLogin,
		"POST /login":             login,
		"GET /account":            account,
		"POST /logout":            logout,
		"POST /logout-everywhere": s.logoutEverywhere,
		"GET /everywhere":         s.showEverywhere,
		"GET /dbsc":               showBinding,
		"GET /encryption":         s.encryption,
		"GET /large":              s.showLarge,
		"POST /large":             resize,
		"GET /car":                showCar,
		"POST /car":               changeCar,
		"GET /flash":              showFlash,
		"POST /flash":             addFlash,
		"GET /set-session":        setSession,
		"GET /get-session":        getSession,
		"GET /api":                showAPI,
		"POST /session":           s.changeState,
		"GET /forge":              s.showForge,
		"POST /forge":             s.forge,
		"GET /forge/sent":         s.showSent,
		"POST /forge/restore":     s.restore,
		"GET /rotate":             s.rotate,
		"GET /stores":             s.compare,
		"GET /inspect":            s.inspect,
	} {
		mux.Handle(pattern, traced(h))
	}
	mux.HandleFunc("GET /sessfun", sessfun)
	mux.HandleFunc("GET /session.json", s.showState)
	mux.HandleFunc("POST /forge/verdict", s.judge)
	mux.HandleFunc("GET /static/{file}", static)
	mux.HandleFunc("GET /favicon.ico", static)

	h := dressErrors(mux)
	if s.binder != nil {
		h = s.binder.Require(h)
	}
	h = s.sessions.Handler(h)
	h = s.withVisit(h)
	h = checkForm(h)
	h = http.MaxBytesHandler(h, maxBody)
	h = sameOrigin(h)
	return secureHeaders(h)
}

// sameOrigin refuses the forms of other sites' pages.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	// A page of another site may be what has a browser refresh. What counts is the proof, and
	// to refuse it here would end the binding.
	protection.AddInsecureBypassPattern("POST /dbsc/refresh")
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusForbidden, "This form was sent by a page of another site, so it was ignored.")
	}))
	return protection.Handler(next)
}

// secureHeaders allows the pages nothing that they don't need, and keeps what
// depends on the session out of caches.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// static serves the style sheet, the script and the icon, the same for everybody.
func static(w http.ResponseWriter, r *http.Request) {
	path := "static/" + cmp.Or(r.PathValue("file"), "icon.svg")
	if _, err := fs.Stat(files, path); err != nil {
		notFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, files, path)
}

// A visit is what a page knows about its request beside the session.
type visit struct {
	site   *site
	before string   // the dictionary as it was when the request came
	log    []string // what the server has logged about the request
}

type visitKey struct{}

// withVisit begins a visit outside of the session's middleware, so that what that
// logs is part of it.
func (s *site) withVisit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{site: s})))
	})
}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}
