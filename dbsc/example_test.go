package dbsc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

// A site with a login. Sessions of browsers that know the protocol become bound; those of
// others stay as they are.
func Example() {
	key := []byte("at least thirty-two random bytes")
	store, err := cookiestore.New(key)
	if err != nil {
		panic(err)
	}
	sessions, err := cookiestore.NewManager(store, cookiestore.WithName("__Host-session"),
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user"))
	if err != nil {
		panic(err)
	}
	binder, err := dbsc.New(sessions, key, dbsc.WithExcluded("/login", "/logout", "/static/"))
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context()) // after the password was checked
		session.Flush()                                 // whoever has a copy of the cookies comes here, too
		session.Set("user", "ann")
		binder.Offer(w, r)
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	})
	handler := sessions.Handler(binder.Require(mux))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("POST", "https://shop.example/login", nil))
	offer, _, _ := strings.Cut(w.Header().Get("Secure-Session-Registration"), "challenge")
	fmt.Println(w.Code, offer)
	// Output: 303 (ES256);path="/dbsc/register";
}

func ExampleBinder_Status() {
	sessions, binder := exampleSite()
	account := func(w http.ResponseWriter, r *http.Request) {
		switch status := binder.Status(r); {
		case status.Bound:
			fmt.Fprintf(w, "Bound to this device; the browser has to prove it by %s.", status.Until.Format("15:04:05"))
		case status.Offered.IsZero():
			fmt.Fprint(w, "Not signed in.")
		default:
			fmt.Fprint(w, "This browser can't bind sessions to the device.")
		}
	}
	w := httptest.NewRecorder()
	sessions.Handler(binder.Require(http.HandlerFunc(account))).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Body)
	// Output: Not signed in.
}

// First see what would be refused, and then refuse it. What is refused is counted by the
// manager's observer, with the reason "unbound".
func ExampleWithReportOnly() {
	sessions, _ := exampleSite()
	_, err := dbsc.New(sessions, []byte("at least thirty-two random bytes"), dbsc.WithReportOnly())
	fmt.Println(err)
	// Output: <nil>
}

// A visitor whose session isn't good here any more goes on without one.
func ExampleStartOver() {
	sessions, _ := exampleSite()
	_, err := dbsc.New(sessions, []byte("at least thirty-two random bytes"), dbsc.WithUnbound(dbsc.StartOver))
	fmt.Println(err)
	// Output: <nil>
}

// An API says in JSON that a request is refused, and everything else as always.
func ExampleWithUnbound() {
	sessions, _ := exampleSite()
	refuse := func(w http.ResponseWriter, r *http.Request, session *cookiestore.Session, next http.Handler) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "not signed in"}`)
			return
		}
		dbsc.Refuse(w, r, session, next)
	}
	_, err := dbsc.New(sessions, []byte("at least thirty-two random bytes"), dbsc.WithUnbound(refuse))
	fmt.Println(err)
	// Output: <nil>
}

// A key is replaced while the program runs. The old one stays as a fallback key for as long
// as sessions last that were bound under it.
func ExampleBinder_SetKeys() {
	_, binder := exampleSite()
	newKey, oldKey := []byte("another thirty-two random bytes."), []byte("at least thirty-two random bytes")
	fmt.Println(binder.SetKeys(newKey, oldKey))
	// Output: <nil>
}

func exampleSite() (*cookiestore.Manager, *dbsc.Binder) {
	key := []byte("at least thirty-two random bytes")
	store, err := cookiestore.New(key)
	if err != nil {
		panic(err)
	}
	sessions, err := cookiestore.NewManager(store, cookiestore.WithObserver(func(context.Context, cookiestore.Event) {}))
	if err != nil {
		panic(err)
	}
	binder, err := dbsc.New(sessions, key)
	if err != nil {
		panic(err)
	}
	return sessions, binder
}
