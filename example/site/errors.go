package site

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"example.com/cookiestore"
)

// fail answers with an error: a page for a browser, and a line of text for other
// clients. It touches no session.
func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	if !wantsPage(r) {
		http.Error(w, message, status)
		return
	}
	p := page{Path: r.URL.Path, Data: failure{status, http.StatusText(status), message}}
	p.write(w, status, "error.html")
}

type failure struct {
	Status        int
	Name, Message string
}

// wantsPage reports whether the client asks for HTML, as browsers do and programs
// don't: curl accepts anything, and no browser asks for JSON.
func wantsPage(r *http.Request) bool {
	page := false
	for item := range strings.SplitSeq(strings.Join(r.Header["Accept"], ","), ",") {
		media, _, _ := strings.Cut(item, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "text/html":
			page = true
		case "application/json":
			return false
		}
	}
	return page
}

// badField refuses a form, or a query, because of one of its fields.
func badField(w http.ResponseWriter, r *http.Request, field, format string, args ...any) {
	fail(w, r, http.StatusBadRequest, fmt.Sprintf("field %q: "+format, append([]any{field}, args...)...))
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusNotFound, "There is no page at this address.")
}

// dressErrors answers in place of the mux where that has no handler.
func dressErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		answer := statusOnly{header: http.Header{}}
		h.ServeHTTP(&answer, r)
		switch answer.status {
		case http.StatusNotFound:
			notFound(w, r)
		case http.StatusMethodNotAllowed:
			allowed := answer.header.Get("Allow")
			w.Header().Set("Allow", allowed)
			fail(w, r, answer.status, fmt.Sprintf("This address doesn't take %s. It takes %s.", r.Method, allowed))
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// statusOnly is a response of which only status and header count.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }

// checkForm refuses a form that can't be read, or that JSON couldn't hold.
func checkForm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		if err == nil {
			err = r.ParseMultipartForm(maxBody)
		}
		if errors.As(err, new(*http.MaxBytesError)) {
			fail(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the form has over %d bytes", maxBody))
			return
		}
		if err != nil && !errors.Is(err, http.ErrNotMultipart) {
			fail(w, r, http.StatusBadRequest, "the form can't be read: "+err.Error())
			return
		}
		for field, values := range r.Form {
			if !utf8.ValidString(field + strings.Join(values, "")) {
				badField(w, r, field, "not UTF-8")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// notSaved answers where the session can't be loaded or saved. The error of one
// that is too large names keys of the session, and no values.
func notSaved(w http.ResponseWriter, r *http.Request, err error) {
	message, status := "The session could not be loaded or saved. Please try again.", http.StatusInternalServerError
	switch {
	case errors.Is(err, cookiestore.ErrTooLarge):
		message = "The session could not be saved.\n" + err.Error()
	case errors.Is(err, cookiestore.ErrInterrupted):
		message = "Your session was ended by another request, and nothing was changed. The next request begins a new one."
		status = http.StatusBadRequest
	}
	w.Header().Set("Cache-Control", "no-store")
	fail(w, r, status, message)
}
