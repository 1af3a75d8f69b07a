package cookiestore_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"example.com/cookiestore"
)

// exampleCookie returns the cookie of a session that was saved a while ago.
func exampleCookie(store *cookiestore.CookieStore, ago time.Duration, data string) *http.Cookie {
	value, _, err := store.Save(context.Background(), "sessionid", cookiestore.Record{Data: data, Saved: time.Now().Add(-ago)})
	if err != nil {
		log.Fatal(err)
	}
	return &http.Cookie{Name: "sessionid", Value: value}
}

// A template may read flash messages, and so change the session, while it writes.
func ExampleWithBuffer() {
	store := mustNew()
	page := template.Must(template.New("page").Parse(`{{range .Flashes}}<p>{{.}}</p>{{end}}`))
	handler := cookiestore.Middleware(store, cookiestore.WithBuffer(64<<10))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if err := page.Execute(w, cookiestore.FromContext(r.Context())); err != nil {
				log.Print(err)
			}
		}))
	cookie := exampleCookie(store, time.Hour, `{"user":7,"_flash":["Saved."]}`)
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%q\n", w.Body)
		if cookies := w.Result().Cookies(); len(cookies) > 0 {
			cookie = cookies[0]
		}
	}
	// Output:
	// "<p>Saved.</p>"
	// ""
}

// The site was example.org's alone, and is now that of the subdomains, too. A visitor who
// has the cookie of before logs out of both.
func ExampleWithFormerScope() {
	store := mustNew()
	handler := cookiestore.Middleware(store,
		cookiestore.WithDomain("example.org"),
		cookiestore.WithFormerScope("www.example.org", "/shop"))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { cookiestore.FromContext(r.Context()).Flush() }))
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(exampleCookie(store, time.Hour, `{"user":7}`))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		fmt.Printf("delete %s of domain %q and path %s\n", c.Name, c.Domain, c.Path)
	}
	// Output:
	// delete sessionid of domain "example.org" and path /
	// delete sessionid of domain "" and path /
	// delete sessionid of domain "www.example.org" and path /shop
}

// A proxy with a page of 4 KiB for the whole header of a response leaves a cookie less.
func ExampleWithMaxCookieSize() {
	store := mustNew(cookiestore.WithCompressionOver(-1))
	m, err := cookiestore.NewManager(store, cookiestore.WithMaxCookieSize(3500))
	if err != nil {
		log.Fatal(err)
	}
	for _, size := range []int{2000, 3000} {
		var session cookiestore.Session
		session.Set("note", strings.Repeat("x", size))
		_, err = m.Save(context.Background(), &session)
		fmt.Println(size, errors.Is(err, cookiestore.ErrTooLarge))
	}
	// Output:
	// 2000 false
	// 3000 true
}

// The visitor comes back from a payment provider, whose page has the browser POST. The
// browser sends no Lax cookie then.
func ExampleWithoutCrossSiteSessions() {
	handler := cookiestore.Middleware(mustNew(),
		cookiestore.WithoutCrossSiteSessions(),
		cookiestore.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, cookiestore.ErrCrossSite) {
				http.Redirect(w, r, "/payments?"+r.URL.RawQuery, http.StatusSeeOther) // with the cookie
				return
			}
			http.Error(w, "The session could not be saved.", http.StatusInternalServerError)
		}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).AddFlash("The payment failed.")
	}))
	r := httptest.NewRequest(http.MethodPost, "/callback?payment=17", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"), len(w.Result().Cookies()))
	// Output: 303 /payments?payment=17 0
}

// A page that asks for news every few seconds must not keep its visitor logged in.
func ExampleSession_SkipRenewal() {
	store := mustNew()
	handler := cookiestore.Middleware(store, cookiestore.WithRenewal(0.5))(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			session := cookiestore.FromContext(r.Context())
			if r.URL.Path == "/news" {
				session.SkipRenewal()
			}
			fmt.Fprint(w, cookiestore.Get(session, "user", 0))
		}))
	for _, path := range []string{"/", "/news"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.AddCookie(exampleCookie(store, 8*24*time.Hour, `{"user":7}`))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(path, len(w.Result().Cookies()))
	}
	// Output:
	// / 1
	// /news 0
}

// A flush deletes the cookie wherever it may be, so there can be several to set.
func ExampleManager_Save_flush() {
	store := mustNew()
	m, err := cookiestore.NewManager(store, cookiestore.WithDomain("example.org"))
	if err != nil {
		log.Fatal(err)
	}
	session, err := m.Load(context.Background(), exampleCookie(store, time.Hour, `{"user":7}`).String())
	if err != nil {
		log.Fatal(err)
	}
	session.Flush()
	cookies, err := m.Save(context.Background(), session)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	for _, c := range cookies {
		http.SetCookie(w, c)
		fmt.Printf("%s of domain %q: %d\n", c.Name, c.Domain, c.MaxAge)
	}
	// Output:
	// sessionid of domain "example.org": -1
	// sessionid of domain "": -1
}

// A handler that takes over the connection saves the session first.
func ExampleManager_Save_hijack() {
	m, err := cookiestore.NewManager(mustNew())
	if err != nil {
		log.Fatal(err)
	}
	upgrade := func(w http.ResponseWriter, r *http.Request, header http.Header) { // as gorilla/websocket's
		fmt.Println("101", len(header["Set-Cookie"]))
	}
	handler := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.Set("rooms", []string{"lobby"})
		cookies, err := m.Save(r.Context(), session)
		if err != nil {
			http.Error(w, "The session could not be saved.", http.StatusInternalServerError)
			return
		}
		header := http.Header{}
		for _, c := range cookies {
			header.Add("Set-Cookie", c.String())
		}
		upgrade(w, r, header)
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/ws", nil))
	// Output: 101 1
}
