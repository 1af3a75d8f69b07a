package site

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/cookiestore"
)

// A forgery is a cookie that a visitor writes.
type forgery struct {
	Name                          string
	Payload, Timestamp, Signature string // Payload is JSON, not encoded

	// Value takes the place of the three where they can't be edited: it is the key
	// of a row.
	Value string
	Whole bool

	encoded string // the payload of the visitor's own cookie
}

// forgePage is what the page with the editor shows.
type forgePage struct {
	forgery
	Verdict  verdict
	Original bool // the visitor has a session of which this is a forgery
	CanUndo  bool
}

// A verdict is what the running store says of a forgery.
type verdict struct {
	Accepted  bool     `json:"accepted"`
	Says      string   `json:"says"`
	Why       string   `json:"why"`
	Name      string   `json:"name"`
	Payload   string   `json:"payload"` // encoded
	Timestamp string   `json:"timestamp"`
	Signature string   `json:"signature"`
	Value     string   `json:"value"` // in place of the three
	Size      int      `json:"size"`
	Changed   []string `json:"changed"` // parts that are not the visitor's own
}

// IsChanged is for the template.
func (v verdict) IsChanged(part string) bool { return slices.Contains(v.Changed, part) }

// showForge shows the visitor's own cookie in an editor.
func (s *site) showForge(w http.ResponseWriter, r *http.Request) {
	original, err := s.original(r)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	if original == nil {
		render(w, r, "forge.html", forgePage{CanUndo: s.kept(r) != ""})
		return
	}
	s.showForgery(w, r, *original, original)
}

// forge checks a forgery, makes one, or sends it.
func (s *site) forge(w http.ResponseWriter, r *http.Request) {
	original, err := s.original(r)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	f := s.posted(r)
	op := r.PostFormValue("op")
	switch {
	case op == "check":
	case op == "send":
		s.send(w, r, f, original)
		return
	case !slices.Contains([]string{"payload", "timestamp", "signature", "name", "value"}, op):
		badField(w, r, "op", "%q is none of check, send, payload, timestamp, signature, name, value", op)
		return
	case original == nil:
		http.Redirect(w, r, "/forge", http.StatusSeeOther)
		return
	default:
		f = original.with(op)
	}
	s.showForgery(w, r, f, original)
}

func (s *site) showForgery(w http.ResponseWriter, r *http.Request, f forgery, original *forgery) {
	v, err := s.verdict(r.Context(), f, original)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	render(w, r, "forge.html", forgePage{forgery: f, Verdict: v, Original: true, CanUndo: s.kept(r) != ""})
}

// judge is the verdict as JSON, for the page that asks while the visitor types.
func (s *site) judge(w http.ResponseWriter, r *http.Request) {
	original, err := s.original(r)
	if err == nil {
		var v verdict
		if v, err = s.verdict(r.Context(), s.posted(r), original); err == nil {
			writeJSON(w, v)
			return
		}
	}
	notSaved(w, r, err)
}

// original returns the visitor's own cookie, or nil if it is not that of a session.
func (s *site) original(r *http.Request) (*forgery, error) {
	cookie, err := r.Cookie(s.config.name)
	if err != nil {
		return nil, nil
	}
	a, err := s.takeApart(r.Context(), cookie.Name, cookie.Value)
	if err != nil || !a.Accepted() {
		return nil, err
	}
	if a.InRow || a.Signature == "" {
		return &forgery{Name: a.Name, Value: a.Cookie, Whole: true}, nil
	}
	return &forgery{Name: a.Name, Payload: a.JSON, Timestamp: a.Timestamp, Signature: a.Signature, encoded: a.Payload}, nil
}

// posted returns the forgery in a form. The store decides which fields it has.
func (s *site) posted(r *http.Request) forgery {
	_, whole := r.PostForm["value"]
	return forgery{
		Name:      cmp.Or(r.PostFormValue("name"), s.config.name),
		Payload:   r.PostFormValue("payload"),
		Timestamp: strings.TrimSpace(r.PostFormValue("timestamp")),
		Signature: strings.TrimSpace(r.PostFormValue("signature")),
		Value:     strings.TrimSpace(r.PostFormValue("value")),
		Whole:     whole,
	}
}

// with changes one part, as a forger might.
func (f forgery) with(part string) forgery {
	switch part {
	case "payload":
		f.Payload = indent(strings.Replace(compact(f.Payload), "{", `{"is_admin":true,`, 1))
	case "timestamp":
		f.Timestamp = otherCharacter(f.Timestamp)
	case "signature":
		f.Signature = otherCharacter(f.Signature)
	case "name":
		f.Name = "admin_" + strings.TrimPrefix(strings.TrimPrefix(f.Name, "__Host-"), "__Secure-")
	case "value":
		f.Value = otherCharacter(f.Value)
	}
	return f
}

// otherCharacter replaces the last character but one: the last of base64 may be one
// of few.
func otherCharacter(text string) string {
	if len(text) < 2 {
		return text + "a"
	}
	i := len(text) - 2
	replacement := "a"
	if text[i] == 'a' {
		replacement = "b"
	}
	return text[:i] + replacement + text[i+1:]
}

// encode returns the payload as it would be in a cookie. As long as the JSON is that
// of the visitor's own, it is the visitor's own, which may be compressed.
func (f forgery) encode(original *forgery) string {
	text := compact(f.Payload)
	if original != nil && text == compact(original.Payload) {
		return original.encoded
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// value is the value of the forged cookie.
func (f forgery) value(original *forgery) string {
	if f.Whole {
		return f.Value
	}
	return f.encode(original) + ":" + f.Timestamp + ":" + f.Signature
}

// compact takes the blanks out of JSON. What isn't JSON stays as it is.
func compact(text string) string {
	var out bytes.Buffer
	if json.Compact(&out, []byte(text)) != nil {
		return text
	}
	return out.String()
}

// verdict asks the running store. The error is that of a store that failed.
func (s *site) verdict(ctx context.Context, f forgery, original *forgery) (verdict, error) {
	value := f.value(original)
	v := verdict{Name: f.Name, Size: len(f.Name) + len(value), Changed: f.changes(original)}
	if f.Whole {
		v.Value = value
	} else {
		v.Payload, v.Timestamp, v.Signature = f.encode(original), f.Timestamp, f.Signature
	}
	refused, err := s.refusal(ctx, f.Name, value)
	switch {
	case err != nil:
		return verdict{}, err
	case refused != "":
		v.Says = "Refused: " + refused + "."
		v.Why = why(v.Changed)
	default:
		v.Accepted, v.Says, v.Why = true, "Accepted.", "This is your own cookie, byte for byte."
		if len(v.Changed) > 0 {
			v.Why = "What you changed is not signed on this site."
		}
	}
	return v, nil
}

// refusal is why a cookie would be refused, or "".
func (s *site) refusal(ctx context.Context, name, value string) (string, error) {
	if err := (&http.Cookie{Name: name, Value: value}).Valid(); err != nil {
		return "no cookie can look like this (" + strings.TrimPrefix(err.Error(), "http: ") + ")", nil
	}
	if _, err := s.manager(name, s.logger); err != nil {
		return strings.TrimPrefix(err.Error(), "cookiestore: "), nil
	}
	session, err := s.load(ctx, name, value)
	switch {
	case err != nil:
		return "", err
	case session.Refused() != nil:
		return reason(session.Refused()), nil
	case session.IsNew():
		return "it is empty", nil
	}
	return "", nil
}

// changes are the parts that differ from the visitor's own cookie.
func (f forgery) changes(original *forgery) []string {
	changed := []string{}
	if original == nil {
		return changed
	}
	for _, part := range []struct{ name, is, was string }{
		{"name", f.Name, original.Name},
		{"payload", f.encode(original), original.encoded},
		{"timestamp", f.Timestamp, original.Timestamp},
		{"signature", f.Signature, original.Signature},
		{"value", f.Value, original.Value},
	} {
		if part.is != part.was && f.Whole == (part.name == "value") {
			changed = append(changed, part.name)
		}
	}
	return changed
}

// why explains a refusal by the parts that were changed.
func why(changed []string) string {
	reasons := map[string]string{
		"name":      "The name is signed too: a cookie made for one name is worthless under another.",
		"payload":   "The signature was made for another payload.",
		"timestamp": "The time is signed too, so nobody can make a session last longer.",
		"signature": "Only the site's signing key makes the right signature.",
		"value":     "A session key has 32 random characters, so nobody can guess one.",
	}
	var said []string
	for _, part := range changed {
		said = append(said, reasons[part])
	}
	if len(said) == 0 {
		return "It is not the cookie of a session on this site."
	}
	return strings.Join(said, " ")
}

// send makes the forgery the visitor's cookie, and keeps the visitor's own for the
// way back.
func (s *site) send(w http.ResponseWriter, r *http.Request, f forgery, original *forgery) {
	value := f.value(original)
	forged := s.newCookie(f.Name, value)
	if err := forged.Valid(); err != nil {
		fail(w, r, http.StatusBadRequest, "No cookie can look like this: "+strings.TrimPrefix(err.Error(), "http: ")+".")
		return
	}
	if size := len(f.Name) + len(value); size > cookiestore.MaxCookieSize {
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("The cookie would have %d bytes, and browsers drop what has over %d.", size, cookiestore.MaxCookieSize))
		return
	}
	if original != nil {
		own, err := r.Cookie(s.config.name)
		if err == nil {
			http.SetCookie(w, s.newCookie(s.keptName(), own.Value))
		}
	}
	http.SetCookie(w, forged)
	to := "/forge/sent"
	if f.Name != s.config.name {
		to += "?name=" + f.Name // of characters that need no escaping: it is a token
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// sentPage is what became of a forgery.
type sentPage struct {
	Name, Value string // as the browser sent it
	Refused     string
	Own         bool // it has the name of the session's cookie
	CanUndo     bool

	Payload, Timestamp, Signature string // of the value
}

// showSent shows what the site makes of the cookie that the visitor has sent.
func (s *site) showSent(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	p := sentPage{Name: cmp.Or(r.FormValue("name"), s.config.name), CanUndo: s.kept(r) != ""}
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
	if c, err := r.Cookie(p.Name); err == nil {
		p.Value = c.Value
		p.Payload, p.Timestamp, p.Signature = split(c.Value)
	}
	if err := session.Refused(); err != nil {
		p.Refused = reason(err)
	}
	render(w, r, "sent.html", p)
}

// restore gives the visitor the cookie back that send has kept.
func (s *site) restore(w http.ResponseWriter, r *http.Request) {
	gone := func(name string) {
		c := s.newCookie(name, "")
		c.MaxAge = -1
		http.SetCookie(w, c)
	}
	if name := r.PostFormValue("name"); name != "" && name != s.config.name {
		gone(name)
	}
	if value := s.kept(r); value != "" {
		session, err := s.load(r.Context(), s.config.name, value)
		if err != nil {
			notSaved(w, r, err)
			return
		}
		own := s.newCookie(s.config.name, value)
		own.MaxAge = remainingAt(session.EndsAt(), s.now()).Whole()
		if session.ExpiresAtBrowserClose() {
			own.MaxAge = 0
		}
		http.SetCookie(w, own)
		gone(s.keptName())
	}
	http.Redirect(w, r, "/forge", http.StatusSeeOther)
}

// keptName is the name of the cookie in which the visitor's own waits.
func (s *site) keptName() string { return s.config.name + "-kept" }

func (s *site) kept(r *http.Request) string {
	c, err := r.Cookie(s.keptName())
	if err != nil {
		return ""
	}
	return c.Value
}

// newCookie returns a cookie with the attributes of the session's, for ten minutes.
func (s *site) newCookie(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: 600,
		HttpOnly: true, Secure: s.config.secure, SameSite: http.SameSiteLaxMode,
	}
}
