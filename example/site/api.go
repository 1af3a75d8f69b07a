package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

// state is the session as JSON.
type state struct {
	Data         json.RawMessage `json:"data"`
	New          bool            `json:"new"`
	Modified     bool            `json:"modified"`
	ExpiryAge    int64           `json:"expiry_age"`
	ExpiryDate   string          `json:"expiry_date"`
	BrowserClose bool            `json:"browser_close"`
	Store        string          `json:"store"`
	CookieBytes  int             `json:"cookie_bytes"` // of the session's cookies that came with the request
	EndsAt       *string         `json:"ends_at"`      // null if there is no session to end
}

// showState answers with the session and what it knows about itself. expiry_age and
// expiry_date are Django's: how long the session would last if it were saved now.
// ends_at is when it really ends.
func (s *site) showState(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	data, _ := session.MarshalJSON() // fails where the store does, and then so does Save
	answer := state{
		Data:         data,
		New:          session.IsNew(),
		Modified:     session.Modified(),
		ExpiryAge:    int64(session.ExpiryAge() / time.Second),
		ExpiryDate:   session.ExpiryDate().UTC().Format(time.RFC3339),
		BrowserClose: session.ExpiresAtBrowserClose(),
		Store:        s.backend.Name,
		CookieBytes:  s.sent(r, s.config.name).Size(),
	}
	cookies, err := s.sessions.Save(r.Context(), session)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	for _, cookie := range cookies {
		http.SetCookie(w, cookie)
	}
	if end := session.EndsAt(); !end.IsZero() {
		text := end.UTC().Format(time.RFC3339)
		answer.EndsAt = &text
	}
	writeJSON(w, answer)
}

func writeJSON(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil { // the visitor has gone
		slog.Debug("answer not sent", "error", err)
	}
}

// showAPI shows a form for each operation.
func showAPI(w http.ResponseWriter, r *http.Request) {
	render(w, r, "api.html", nil)
}

// changeState does one operation of the API. A browser then gets a page that shows
// what changed, and other clients the session as JSON.
func (s *site) changeState(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	if field, err := s.change(session, r); err != nil {
		badField(w, r, field, "%v", err)
		return
	}
	if wantsPage(r) {
		render(w, r, "changed.html", r.PostFormValue("op"))
		return
	}
	s.showState(w, r)
}

// change does one operation on the session. An error is about the field that it
// names, and the session is then as it was.
func (s *site) change(session *cookiestore.Session, r *http.Request) (field string, err error) {
	key, value, op := r.PostFormValue("key"), r.PostFormValue("value"), r.PostFormValue("op")
	if key == "" && (op == "set" || op == "delete") {
		return "key", errors.New("missing")
	}
	if key == dbsc.Key && s.binder != nil && (op == "set" || op == "delete") {
		return "key", errors.New("it says what the session is bound to, and whoever has a copy could unbind it")
	}
	switch op {
	case "set":
		if err := json.Unmarshal([]byte(value), new(json.RawMessage)); err != nil {
			return "value", fmt.Errorf("not JSON: %w", err)
		}
		session.Set(key, json.RawMessage(value)) // numbers stay as they are written: 1.0, not 1
		return "value", session.Err()
	case "delete":
		session.Delete(key)
	case "clear":
		session.Clear()
	case "flush":
		session.Flush()
	case "cycle":
		session.CycleKey()
	case "expiry":
		expiry, err := parseExpiry(value)
		if err != nil {
			return "value", err
		}
		session.SetExpiry(expiry)
	case "testcookie": // the first time it is set, the second time it has come back
		if session.TestCookieWorked() {
			session.DeleteTestCookie()
		} else {
			session.SetTestCookie()
		}
	default:
		return "op", fmt.Errorf("%q is none of set, delete, clear, flush, cycle, expiry, testcookie", op)
	}
	return "", nil
}

// parseExpiry reads what Django's set_expiry takes: seconds, 0 for browser
// close, a time, or nothing for the default.
func parseExpiry(value string) (cookiestore.Expiry, error) {
	if value == "" {
		return cookiestore.Default, nil
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		switch {
		case seconds == 0:
			return cookiestore.AtBrowserClose, nil
		case seconds > math.MaxInt64/int64(time.Second):
			return cookiestore.Default, fmt.Errorf("%s seconds are over 290 years", value)
		}
		return cookiestore.After(time.Duration(max(seconds, -1)) * time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return cookiestore.Default, fmt.Errorf("%q is neither whole seconds nor an RFC 3339 time such as 2030-01-31T12:00:00Z", value)
	}
	return cookiestore.At(at), nil
}
