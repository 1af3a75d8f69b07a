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

// anatomy is a session taken apart, for a human to read: the value that is in one or
// several cookies, or in the row of a database that the cookie leads to.
type anatomy struct {
	cookieSet
	Limit int // of a cookie's size
	Most  int // cookies

	InRow bool
	Row   Row
	NoRow string // why there is none; what follows is then empty

	Value string // of the session
	signedParts
	Sealed *sealed // in place of the three, if the value is encrypted

	Refused string // why the value doesn't verify; what follows is then empty
	Over    string // why the session doesn't count, though the value verifies

	Compressed   bool
	JSON         string
	SignedAt     time.Time
	OldKey       bool // a fallback key made it
	EndsAt       time.Time
	BrowserClose bool // the browser forgets it before that, when it is closed
	Left         remaining
	ID           string // by which the session can be ended, where this site does that
	StartedAt    time.Time
}

// Cookie is the value of the cookie, if there is one alone.
func (a *anatomy) Cookie() string { return strings.Join(a.Values, "") }

// Accepted reports whether the value is that of a session.
func (a *anatomy) Accepted() bool { return a.NoRow == "" && a.Refused == "" && a.Over == "" }

// inspect shows the cookies that the visitor sent, and what the store makes of them.
func (s *site) inspect(w http.ResponseWriter, r *http.Request) {
	sent := s.sent(r, s.config.name)
	if len(sent.Values) == 0 {
		render(w, r, "inspect.html", nil)
		return
	}
	a, err := s.takeApart(r.Context(), sent)
	if err != nil {
		slog.ErrorContext(r.Context(), "session can't be shown", "error", err)
		notSaved(w, r, err)
		return
	}
	render(w, r, "inspect.html", a)
}

// takeApart verifies the cookies of a session and says what is in them. The error is
// that of a store that failed, which says nothing about the cookies.
func (s *site) takeApart(ctx context.Context, cookies cookieSet) (*anatomy, error) {
	a := &anatomy{
		cookieSet: cookies,
		Limit:     cookiestore.MaxCookieSize,
		Most:      s.config.chunks,
		Value:     cookies.whole(),
	}
	key, inRow := s.backend.rowKey(a.Value)
	if inRow {
		if err := a.readRow(ctx, s.backend.Row, key); err != nil || a.NoRow != "" {
			return a, err
		}
	}
	if v, ok := takeSealed(a.Value); ok && s.config.encrypt && !inRow {
		a.Sealed = &v
	} else {
		a.signedParts = split(a.Value)
	}
	session, err := s.load(ctx, cookies)
	if err != nil {
		return nil, err
	}
	content, err := s.open(ctx, a)
	switch {
	case cookiestore.IsRefused(err):
		// Anybody may have put anything in it, so it is not even decoded. Of a chunk
		// that is missing the middleware knows more.
		a.Refused = reason(err)
		if session.Refused() != nil {
			a.Refused = reason(session.Refused())
		}
		return a, nil
	case err != nil:
		return nil, err
	}
	a.Compressed = strings.HasPrefix(a.Payload, ".")
	a.JSON = indent(content.data)
	a.SignedAt = content.at.UTC()
	a.OldKey = content.oldKey
	a.judge(session, s.now())
	return a, nil
}

// open verifies the value and says what is in it.
func (s *site) open(ctx context.Context, a *anatomy) (opened, error) {
	if !a.InRow {
		return s.backend.open(a.Name, a.Value)
	}
	record, err := s.backend.Store.Load(ctx, a.Name, a.Cookie())
	oldKey := record.Resave && a.Signature != "" // or its form is that before Django 3.1
	return opened{record.Data, record.Saved, oldKey}, err
}

// judge says when the session of a value that verifies ends, or why it has ended.
func (a *anatomy) judge(session *cookiestore.Session, now time.Time) {
	if err := session.Refused(); err != nil {
		a.Over = reason(err)
		return
	}
	a.EndsAt = session.EndsAt().UTC()
	a.BrowserClose = session.ExpiresAtBrowserClose()
	a.Left = remainingAt(a.EndsAt, now)
	a.ID, a.StartedAt = session.ID(), session.StartedAt().UTC()
}

// quiet is for what the visitor asks about a cookie, and is not to be logged.
var quiet = slog.New(slog.DiscardHandler)

// load returns the session of cookies as the middleware would, and logs nothing. The
// error is that of a store that failed, or of a name that can't be one.
func (s *site) load(ctx context.Context, cookies cookieSet) (*cookiestore.Session, error) {
	manager, err := s.manager(cookies.Name, quiet)
	if err != nil {
		return nil, err
	}
	return manager.Load(ctx, cookies.header())
}

// readRow finds the row of a key. The error is that of a database that
// failed, which says nothing about the cookie.
func (a *anatomy) readRow(ctx context.Context, rowOf RowReader, key string) (err error) {
	a.InRow = true
	a.Row, err = rowOf(ctx, key)
	a.Value = a.Row.SessionData
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

// signedParts are those of a signed value, as the template "signed" shows them. Payload is
// all of it where the form is another.
type signedParts struct{ Payload, Timestamp, Signature string }

// split cuts payload ":" timestamp ":" signature at the last two colons.
func split(value string) signedParts {
	end := strings.LastIndexByte(value, ':')
	if end < 0 {
		return signedParts{Payload: value}
	}
	middle := strings.LastIndexByte(value[:end], ':')
	if middle < 0 {
		return signedParts{Payload: value}
	}
	return signedParts{value[:middle], value[middle+1 : end], value[end+1:]}
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
