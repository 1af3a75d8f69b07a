package site

import (
	"net/http"
	"strings"

	"example.com/cookiestore"
)

// showFlash shows the form. The messages that wait are shown on every page.
func showFlash(w http.ResponseWriter, r *http.Request) {
	render(w, r, "flash.html", nil)
}

// addFlash leaves a message for the next page, whichever it is.
func addFlash(w http.ResponseWriter, r *http.Request) {
	message := strings.TrimSpace(r.PostFormValue("message"))
	if message == "" {
		badField(w, r, "message", "missing")
		return
	}
	session := cookiestore.FromContext(r.Context())
	session.AddFlash(message)
	http.Redirect(w, r, "/flash", http.StatusSeeOther)
}
