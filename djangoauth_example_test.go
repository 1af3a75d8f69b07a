package cookiestore_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"example.com/cookiestore"
)

// A log-in in Go that the Django site knows, and a check on each request, so that a
// password that is changed in Django ends the session in Go.
func ExampleDjangoAuth() {
	secretKey := []byte("the SECRET_KEY of the Django site")
	auth, err := cookiestore.NewDjangoAuth(secretKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := cookiestore.New(secretKey, cookiestore.WithDjango())
	if err != nil {
		fmt.Println(err)
		return
	}
	// In production, SELECT password FROM auth_user WHERE id = ... AND is_active.
	passwords := map[string]string{"7": "pbkdf2_sha256$870000$x7ZhYJTv$B9S3Jx1o="}
	find := func(id string) cookiestore.DjangoUser {
		if password, ok := passwords[id]; ok {
			return cookiestore.DjangoUser{ID: id, Password: password}
		}
		return cookiestore.DjangoUser{}
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { // the password was right
		auth.LogIn(cookiestore.FromContext(r.Context()), find("7"))
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		if !auth.Check(session, find(auth.UserID(session))) {
			fmt.Println("log in first")
			return
		}
		fmt.Println("hello, user", auth.UserID(session))
	})
	site := cookiestore.Middleware(store)(mux)
	visit := func(method, path string, cookies ...*http.Cookie) []*http.Cookie {
		r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		site.ServeHTTP(w, r)
		return w.Result().Cookies()
	}

	visit("GET", "/")
	cookies := visit("POST", "/login")
	visit("GET", "/", cookies...)
	passwords["7"] = "pbkdf2_sha256$870000$mWq0Nn2e$Yb4kVt7c=" // changed in Django
	visit("GET", "/", cookies...)
	// Output:
	// log in first
	// hello, user 7
	// log in first
}
