package site

import (
	"fmt"
	"net/http"

	"example.com/cookiestore"
)

// home counts visits.
func home(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)
	render(w, r, "home.html", visits)
}

// sessfun counts views, and starts again after five.
func sessfun(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	views := cookiestore.Get(session, "view_count", 0) + 1
	session.Set("view_count", views)
	if views > 4 {
		session.Delete("view_count")
	}
	fmt.Fprintf(w, "view count=%d\n", views)
}
