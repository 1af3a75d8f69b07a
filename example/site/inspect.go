package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
)

// anatomy is a session taken apart, for a human to read: the signed value that
// is in the cookie, or in the row of a database that the cookie is the key of.
type anatomy struct {
	Name, Cookie string
	Size, Limit  int // of the cookie

	InRow bool
	Row   Row
	NoRow string // why there is none; what follows is then empty

	Signed                        string
	Payload, Timestamp, Signature string // Payload is all of it where the form is another

	Refused string // why the signature doesn't count; what follows is then empty
	Over    string // why the session doesn't count, though the signature does

	Compressed   bool
	JSON         string
	SignedAt     time.Time
	OldKey       bool // a fallback key signed it
	EndsAt       time.Time
	BrowserClose bool // the browser forgets it before that, when it is closed
	Left         remaining
}

// Accepted reports whether the value is that of a session.
func (a *anatomy) Accepted() bool { return a.NoRow == "" && a.Refused == "" && a.Over == "" }

// inspect shows the cookie that the visitor sent, and what the store makes of it.
func (s *site) inspect(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(s.config.name)
	if err != nil {
		render(w, r, "inspect.html", nil)
		return
	}
	a, err := s.takeApart(r.Context(), cookie.Name, cookie.Value)
	if err != nil {
		slog.ErrorContext(r.Context(), "session can't be shown", "error", err)
		notSaved(w, r, err)
		return
	}
	render(w, r, "inspect.html", a)
}

// takeApart verifies the value of a cookie and says what is in it. The error is that
// of a store that failed, which says nothing about the value.
func (s *site) takeApart(ctx context.Context, name, value string) (*anatomy, error) {
	a := &anatomy{
		Name:   name,
		Cookie: value,
		Size:   len(name) + len(value),
		Limit:  cookiestore.MaxCookieSize,
		Signed: value,
	}
	if s.backend.Row != nil {
		if err := a.readRow(ctx, s.backend.Row); err != nil || a.NoRow != "" {
			return a, err
		}
	}
	a.Payload, a.Timestamp, a.Signature = split(a.Signed)
	record, err := s.backend.Store.Load(ctx, name, value)
	if cookiestore.IsRefused(err) {
		// Anybody may have put anything in it, so it is not even decoded.
		a.Refused = reason(err)
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.Compressed = strings.HasPrefix(a.Payload, ".")
	a.JSON = indent(record.Data)
	a.SignedAt = record.Saved.UTC()
	a.OldKey = record.Resave && a.Signature != "" // or its form is that before Django 3.1
	return a, s.judgeAge(ctx, a)
}

// judgeAge says when the session of a value that verifies ends, or why it has ended.
func (s *site) judgeAge(ctx context.Context, a *anatomy) error {
	session, err := s.load(ctx, a.Name, a.Cookie)
	if err != nil {
		return err
	}
	if err := session.Refused(); err != nil {
		a.Over = reason(err)
		return nil
	}
	a.EndsAt = session.EndsAt().UTC()
	a.BrowserClose = session.ExpiresAtBrowserClose()
	a.Left = remainingAt(a.EndsAt, s.now())
	return nil
}

// load returns the session of a cookie's value as the middleware would, and logs
// nothing. The error is that of a store that failed, or of a name that can't be one.
func (s *site) load(ctx context.Context, name, value string) (*cookiestore.Session, error) {
	manager, err := s.manager(name, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return manager.Load(ctx, name+"="+value)
}

// readRow finds the row of the cookie. The error is that of a database that
// failed, which says nothing about the cookie.
func (a *anatomy) readRow(ctx context.Context, rowOf RowReader) (err error) {
	a.InRow = true
	a.Row, err = rowOf(ctx, a.Cookie)
	a.Signed = a.Row.SessionData
	switch {
	case errors.Is(err, cookiestore.ErrNoSession):
		a.NoRow = "no row has this key"
	case cookiestore.IsRefused(err):
		a.NoRow = reason(err)
	default:
		return err
	}
	return nil
}

// reason is what a refusal says, without what they all say.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "dbstore: ")
	return strings.TrimPrefix(text, "cookiestore: cookie refused: ")
}

// split cuts payload ":" timestamp ":" signature at the last two colons.
func split(value string) (payload, timestamp, signature string) {
	end := strings.LastIndexByte(value, ':')
	if end < 0 {
		return value, "", ""
	}
	middle := strings.LastIndexByte(value[:end], ':')
	if middle < 0 {
		return value, "", ""
	}
	return value[:middle], value[middle+1 : end], value[end+1:]
}

// indent sets JSON in lines, and leaves keys and numbers as they are written.
func indent(data string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(data), "", "  ") != nil {
		return data
	}
	return out.String()
}

// remaining is how long a session still lasts.
type remaining struct{ time.Duration }

func remainingAt(end, now time.Time) remaining { return remaining{max(end.Sub(now), 0)} }

// Whole is in seconds, for a countdown.
func (r remaining) Whole() int { return int(r.Round(time.Second) / time.Second) }

// String says it in one unit.
func (r remaining) String() string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if r.Duration >= 2*unit.of {
			return fmt.Sprintf("about %d %s", r.Round(unit.of)/unit.of, unit.name)
		}
	}
	if r.Whole() == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", r.Whole())
}
