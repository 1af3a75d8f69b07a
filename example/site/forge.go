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

	// Values take the place of the three where they can't be edited: that of each
	// cookie.
	Values []string
	Whole  bool

	// Of the visitor's own cookies:
	encoded string // the payload
	Kind    kind
}

// A kind of session, as its cookies show it.
type kind string

const (
	inRow     kind = "row" // the cookie leads to a row
	encrypted kind = "encrypted"
	inChunks  kind = "chunks"
	signed    kind = "signed"
)

// Fields are the cookies, each to be edited as a whole.
func (f forgery) Fields() []field { return cookieSet{f.Name, f.Values}.fields() }

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
	Value     string   `json:"value"`  // in place of the three
	Values    []string `json:"values"` // of each cookie, if there are several
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
		render(w, r, "forge.html", forgePage{CanUndo: s.canUndo(r)})
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
	case !slices.Contains([]string{"payload", "timestamp", "signature", "name", "value", "missing"}, op):
		badField(w, r, "op", "%q is none of check, send, payload, timestamp, signature, name, value, missing", op)
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
	if original != nil {
		f.Kind = original.Kind
	}
	v, err := s.verdict(r.Context(), f, original)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	render(w, r, "forge.html", forgePage{forgery: f, Verdict: v, Original: true, CanUndo: s.canUndo(r)})
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

// original returns the visitor's own cookies, or nil if they are not those of a session.
func (s *site) original(r *http.Request) (*forgery, error) {
	sent := s.sent(r, s.config.name)
	if len(sent.Values) == 0 {
		return nil, nil
	}
	a, err := s.takeApart(r.Context(), sent)
	if err != nil || !a.Accepted() {
		return nil, err
	}
	f := forgery{Name: a.Name, Kind: a.kind()}
	if f.Kind != signed {
		f.Values, f.Whole = a.Values, true
		return &f, nil
	}
	f.Payload, f.Timestamp, f.Signature, f.encoded = a.JSON, a.Timestamp, a.Signature, a.Payload
	return &f, nil
}

// kind is how a session is to be forged.
func (a *anatomy) kind() kind {
	switch {
	case a.InRow:
		return inRow
	case len(a.Values) > 1:
		return inChunks
	case a.Sealed != nil:
		return encrypted
	}
	return signed
}

// posted returns the forgery in a form. The store decides which fields it has.
func (s *site) posted(r *http.Request) forgery {
	values, whole := r.PostForm["value"]
	values = slices.Clone(values[:min(len(values), s.config.chunks)])
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
	}
	return forgery{
		Name:      cmp.Or(r.PostFormValue("name"), s.config.name),
		Payload:   r.PostFormValue("payload"),
		Timestamp: strings.TrimSpace(r.PostFormValue("timestamp")),
		Signature: strings.TrimSpace(r.PostFormValue("signature")),
		Values:    values,
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
		if len(f.Values) > 0 {
			f.Values = append([]string{otherCharacter(f.Values[0])}, f.Values[1:]...)
		}
	case "missing":
		f.Values = slices.Clone(f.Values)
		if last := len(f.Values) - 1; last > 0 {
			f.Values[last] = ""
		}
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

// cookies are the forged cookies.
func (f forgery) cookies(original *forgery) cookieSet {
	if f.Whole {
		return cookieSet{f.Name, f.Values}
	}
	return cookieSet{f.Name, []string{f.encode(original) + ":" + f.Timestamp + ":" + f.Signature}}
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
	cookies := f.cookies(original)
	v := verdict{Name: f.Name, Size: len(f.Name), Changed: f.changes(original)}
	if n := cookies.Size(); n > 0 {
		v.Size = n
	}
	if f.Whole {
		v.Values = f.Values
		v.Value = strings.Join(f.Values[:min(len(f.Values), 1)], "")
	} else {
		v.Payload, v.Timestamp, v.Signature = f.encode(original), f.Timestamp, f.Signature
	}
	refused, err := s.refusal(ctx, cookies)
	switch {
	case err != nil:
		return verdict{}, err
	case refused != "":
		v.Says = "Refused: " + refused + "."
		v.Why = why(original, v.Changed)
	default:
		v.Accepted, v.Says, v.Why = true, "Accepted.", "This is your own cookie, byte for byte."
		if original != nil && original.Kind == inChunks {
			v.Why = "These are your own cookies, byte for byte."
		}
		if len(v.Changed) > 0 {
			v.Why = "What you changed is not signed on this site."
		}
		if slices.Contains(v.Changed, "signature") {
			v.Why = "The site has signed this one, too: it is another of its cookies, and still valid."
		}
	}
	return v, nil
}

// refusal is why cookies would be refused, or "".
func (s *site) refusal(ctx context.Context, cookies cookieSet) (string, error) {
	if err := cookies.valid(); err != nil {
		return "no cookie can look like this (" + strings.TrimPrefix(err.Error(), "http: ") + ")", nil
	}
	manager, err := s.manager(cookies.Name, quiet)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "cookiestore: "), nil
	}
	if n := cookies.tooLarge(); n > 0 {
		return fmt.Sprintf("too large: the cookie has %d bytes, and browsers keep %d", n, cookiestore.MaxCookieSize), nil
	}
	session, err := manager.Load(ctx, cookies.header())
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
	type part struct{ name, is, was string }
	parts := []part{{"name", f.Name, original.Name}}
	if f.Whole {
		for place := range max(len(f.Values), len(original.Values)) {
			parts = append(parts, part{chunkName("value", place), at(f.Values, place), at(original.Values, place)})
		}
	} else {
		parts = append(parts,
			part{"payload", f.encode(original), original.encoded},
			part{"timestamp", f.Timestamp, original.Timestamp},
			part{"signature", f.Signature, original.Signature})
	}
	for _, part := range parts {
		if part.is != part.was {
			changed = append(changed, part.name)
		}
	}
	return changed
}

// at returns the value at a place, or "" where there is none.
func at(values []string, place int) string {
	if place >= len(values) {
		return ""
	}
	return values[place]
}

// reasons are why a forgery is refused, by the part that was changed. What is not there
// for a kind is as for a signed cookie.
var reasons = map[kind]map[string]string{
	signed: {
		"name":      "The name is signed too: a cookie made for one name is worthless under another.",
		"payload":   "The signature was made for another payload.",
		"timestamp": "The time is signed too, so nobody can make a session last longer.",
		"signature": "Only the site's signing key makes the right signature.",
		"value":     "Only the site's signing key makes a value with the right signature.",
	},
	inRow:    {"value": "A session key has 32 random characters, so nobody can guess one."},
	inChunks: {"value": "One signature covers all chunks together, so each must be whole and in its place."},
	encrypted: {
		"name":  "The name is part of what makes the key: a cookie encrypted for one name is worthless under another.",
		"value": "Every bit is covered by the tag at the end, and only the site's key makes the right one.",
	},
}

// why explains a refusal by the parts that were changed.
func why(original *forgery, changed []string) string {
	var said []string
	for _, part := range changed {
		part, _, _ = strings.Cut(part, "-")
		reason := cmp.Or(reasons[original.Kind][part], reasons[signed][part])
		if !slices.Contains(said, reason) {
			said = append(said, reason)
		}
	}
	if len(said) == 0 {
		return "It is not the cookie of a session on this site."
	}
	return strings.Join(said, " ")
}
