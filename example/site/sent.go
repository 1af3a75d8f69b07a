package site

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"example.com/cookiestore"
)

// send makes the forgery the visitor's cookies, and keeps the visitor's own for the
// way back.
func (s *site) send(w http.ResponseWriter, r *http.Request, f forgery, original *forgery) {
	forged := f.cookies(original)
	if err := forged.valid(); err != nil {
		fail(w, r, http.StatusBadRequest, "No cookie can look like this: "+strings.TrimPrefix(err.Error(), "http: ")+".")
		return
	}
	if size := forged.tooLarge(); size > 0 {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("The cookie would have %d bytes, and browsers drop what has over %d.", size, cookiestore.MaxCookieSize))
		return
	}
	if original != nil {
		kept := s.sent(r, s.config.name)
		kept.Name = s.keptName()
		s.set(w, r, kept, 600)
	}
	s.set(w, r, forged, 600)
	to := "/forge/sent"
	if f.Name != s.config.name {
		to += "?name=" + f.Name // of characters that need no escaping: it is a token
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// sentPage is what became of a forgery.
type sentPage struct {
	Name    string
	Cookies []field // as the browser sent them
	Refused string
	Own     bool // it has the name of the session's cookie
	CanUndo bool

	signedParts // of the value, if it is that of one cookie
}

// showSent shows what the site makes of the cookie that the visitor has sent.
func (s *site) showSent(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	p := sentPage{Name: cmp.Or(r.FormValue("name"), s.config.name), CanUndo: s.canUndo(r)}
	if p.Own = p.Name == s.config.name; !p.Own {
		other, err := s.manager(p.Name, s.logger)
		if err != nil {
			badField(w, r, "name", "%v", err)
			return
		}
		if session, err = other.Load(r.Context(), r.Header["Cookie"]...); err != nil {
			notSaved(w, r, err)
			return
		}
	}
	sent := s.sent(r, p.Name)
	p.Cookies = sent.fields()
	if len(sent.Values) == 1 {
		p.signedParts = split(sent.Values[0])
	}
	if err := session.Refused(); err != nil {
		p.Refused = reason(err)
	}
	render(w, r, "sent.html", p)
}

// restore gives the visitor the cookies back that send has kept.
func (s *site) restore(w http.ResponseWriter, r *http.Request) {
	if name := r.PostFormValue("name"); name != "" && name != s.config.name {
		s.set(w, r, cookieSet{Name: name}, 0)
	}
	if kept := s.sent(r, s.keptName()); len(kept.Values) > 0 {
		own := cookieSet{s.config.name, kept.Values}
		session, err := s.load(r.Context(), own)
		if err != nil {
			notSaved(w, r, err)
			return
		}
		maxAge := remainingAt(session.EndsAt(), s.now()).Whole()
		if session.ExpiresAtBrowserClose() {
			maxAge = 0
		}
		s.set(w, r, own, maxAge)
		s.set(w, r, cookieSet{Name: s.keptName()}, 0)
	}
	http.Redirect(w, r, "/forge", http.StatusSeeOther)
}

// keptName is the name of the cookies in which the visitor's own wait.
func (s *site) keptName() string { return s.config.name + "-kept" }

func (s *site) canUndo(r *http.Request) bool { return len(s.sent(r, s.keptName()).Values) > 0 }

// set sets cookies with the attributes of the session's, and deletes the chunks of that
// name that the visitor has beside them.
func (s *site) set(w http.ResponseWriter, r *http.Request, cookies cookieSet, maxAge int) {
	jar := jarOf(r)
	for place := range max(s.config.chunks, len(cookies.Values)) {
		c := &http.Cookie{
			Name: chunkName(cookies.Name, place), Value: at(cookies.Values, place), Path: "/", MaxAge: maxAge,
			HttpOnly: true, Secure: s.config.secure, SameSite: http.SameSiteLaxMode,
		}
		if _, has := jar[c.Name]; c.Value == "" && !has {
			continue
		} else if c.Value == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
}
