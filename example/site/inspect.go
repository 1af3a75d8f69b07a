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

	Compressed bool
	JSON       string
	SignedAt   time.Time
	OldKey     bool // a fallback key signed it
	EndsAt     time.Time
	Left       string // how long that is from now
}

// inspect shows the visitor's session and what the store makes of it.
func inspect(backend Backend, name string, now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(name)
		if err != nil {
			render(w, r, "inspect.html", nil)
			return
		}
		a := anatomy{
			Name:   name,
			Cookie: cookie.Value,
			Size:   len(name) + len(cookie.Value),
			Limit:  cookiestore.MaxCookieSize,
			Signed: cookie.Value,
		}
		if backend.Row != nil {
			err = a.readRow(r.Context(), backend.Row)
		}
		if err == nil && a.NoRow == "" {
			err = a.takeApart(r.Context(), backend.Store, now())
		}
		if err != nil {
			slog.ErrorContext(r.Context(), "session can't be shown", "error", err)
			notSaved(w, r, err)
			return
		}
		render(w, r, "inspect.html", a)
	}
}

// readRow finds the row of the cookie. The error is that of a database that
// failed, which says nothing of the cookie.
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

// takeApart verifies the signed value. The error is as with readRow.
func (a *anatomy) takeApart(ctx context.Context, store cookiestore.Store, now time.Time) error {
	a.Payload, a.Timestamp, a.Signature = split(a.Signed)
	record, err := store.Load(ctx, a.Name, a.Cookie)
	if cookiestore.IsRefused(err) {
		// Whoever changed it may have put anything in it, so it is not
		// even decoded.
		a.Refused = reason(err)
		return nil
	}
	if err != nil {
		return err
	}
	a.Compressed = strings.HasPrefix(a.Payload, ".")
	a.JSON = indent(record.Data)
	a.SignedAt = record.Saved.UTC()
	a.OldKey = record.Resave && a.Signature != "" // or its form is that before Django 3.1
	session := cookiestore.FromContext(ctx)
	if err := session.Refused(); err != nil {
		a.Over = reason(err)
		return nil
	}
	a.EndsAt = session.EndsAt().UTC()
	a.Left = approximately(a.EndsAt.Sub(now))
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

// approximately says a duration in one unit.
func approximately(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "minutes"}} {
		if d >= 2*unit.of {
			return fmt.Sprintf("about %d %s", d.Round(unit.of)/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d.Round(time.Second)/time.Second)
}
