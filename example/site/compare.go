package site

import (
	"crypto/rand"
	"errors"
	"net/http"

	"example.com/cookiestore"
)

// A comparison is what one session costs in a cookie and in a database.
type comparison struct {
	InCookie  bool // where this site keeps its sessions
	Spills    bool // or in either, by size
	JSON      int
	Cookie    int    // bytes of the cookie that holds the session, name included
	TooLarge  string // why no cookie can
	KeyCookie int    // of the cookie that holds a session key
	Row       int    // of the session_data
	Limit     int
}

// keyLength is the length of a session key in django_session.
const keyLength = 32

// compare measures the visitor's session in a cookie and in a row.
func (s *site) compare(w http.ResponseWriter, r *http.Request) {
	data, err := cookiestore.FromContext(r.Context()).MarshalJSON()
	if err != nil {
		notSaved(w, r, err)
		return
	}
	c := comparison{
		InCookie:  s.backend.Row == nil,
		Spills:    s.backend.spills(),
		JSON:      len(data),
		KeyCookie: len(s.config.name) + keyLength,
		Limit:     cookiestore.MaxCookieSize,
	}
	key := make([]byte, cookiestore.MinKeySize) // for the size alone
	rand.Read(key)
	cookies, err := cookiestore.New(key)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	record := cookiestore.Record{Data: string(data), Saved: s.now()}
	value, _, err := cookies.Save(r.Context(), s.config.name, record)
	switch {
	case errors.Is(err, cookiestore.ErrTooLarge):
		c.TooLarge = "does not fit"
	case err != nil:
		notSaved(w, r, err)
		return
	default:
		c.Cookie = len(s.config.name) + len(value)
	}
	rows, err := cookiestore.NewDjangoRows(key)
	if err == nil {
		value, err = rows.Encode(string(data), record.Saved)
	}
	if err != nil {
		notSaved(w, r, err)
		return
	}
	c.Row = len(value)
	render(w, r, "stores.html", c)
}
