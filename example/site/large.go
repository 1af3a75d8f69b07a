package site

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"example.com/cookiestore"
)

// largeKey is the dictionary key of a text that makes the session as large as it is.
const largeKey = "draft"

// maxDraft is more than eight cookies hold.
const maxDraft = 40_000

// A largePage shows where the visitor's session is.
type largePage struct {
	*anatomy     // of the cookies that came with the request, or nil
	Draft    int // characters
	Limit    int // of a cookie
	Most     int // cookies
	Spills   bool
	AllRows  bool
	Sizes    []int
}

// HasCookie reports whether the browser sent one.
func (p largePage) HasCookie() bool { return p.anatomy != nil }

// showLarge shows where the session is, and forms that change its size.
func (s *site) showLarge(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	p := largePage{
		Draft:   len(cookiestore.Get(session, largeKey, "")),
		Limit:   cookiestore.MaxCookieSize,
		Most:    s.config.chunks,
		Spills:  s.backend.spills(),
		AllRows: s.backend.cookies == nil,
		Sizes:   []int{1000, 3000, 5000, 9000},
	}
	if sent := s.sent(r, s.config.name); len(sent.Values) > 0 {
		var err error
		if p.anatomy, err = s.takeApart(r.Context(), sent); err != nil {
			notSaved(w, r, err)
			return
		}
	}
	render(w, r, "large.html", p)
}

// resize puts a text of so many characters into the session. None takes it out.
func resize(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.PostFormValue("size"))
	if err != nil || size < 0 || size > maxDraft {
		badField(w, r, "size", "want a number from 0 to %d", maxDraft)
		return
	}
	session := cookiestore.FromContext(r.Context())
	if size == 0 {
		session.Delete(largeKey)
	} else {
		session.Set(largeKey, noise(size))
	}
	http.Redirect(w, r, "/large", http.StatusSeeOther)
}

// noise returns a text that can't be compressed by much, the same one each time.
func noise(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}
