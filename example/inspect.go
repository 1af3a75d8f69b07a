package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
)

// anatomy is a session cookie taken apart, for a human to read.
type anatomy struct {
	Name, Value                   string
	Payload, Timestamp, Signature string // Payload is the whole value where the form is wrong
	Size, Limit                   int

	Refused string // why the signature doesn't count; what follows is then empty
	Over    string // why the session doesn't count, though the signature does

	Compressed bool
	JSON       string
	SignedAt   time.Time
	OldKey     bool // a fallback key signed it
	EndsAt     time.Time
	Left       string // how long that is from now
}

// inspectCookie shows the visitor's cookie and what the store makes of it.
func inspectCookie(store *cookiestore.CookieStore, name string, now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(name)
		if err != nil {
			render(w, r, "inspect.html", nil)
			return
		}
		a := anatomy{
			Name:  name,
			Value: cookie.Value,
			Size:  len(name) + len(cookie.Value),
			Limit: cookiestore.MaxCookieSize,
		}
		a.Payload, a.Timestamp, a.Signature = split(cookie.Value)

		record, err := store.Load(r.Context(), name, cookie.Value)
		if err != nil {
			// Whoever changed a cookie may have put anything in it, so
			// it is not even decoded.
			a.Refused = reason(err)
			render(w, r, "inspect.html", a)
			return
		}
		session := cookiestore.FromContext(r.Context())
		if err := session.Refused(); err != nil {
			a.Over = reason(err)
		}
		a.Compressed = strings.HasPrefix(a.Payload, ".")
		a.JSON = indent(record.Data)
		a.SignedAt = record.Saved.UTC()
		a.OldKey = record.Resave
		if a.Over == "" {
			a.EndsAt = session.EndsAt().UTC()
			a.Left = approximately(a.EndsAt.Sub(now()))
		}
		render(w, r, "inspect.html", a)
	}
}

// reason is what a refusal says, without what they all say.
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "cookiestore: cookie refused: ")
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
