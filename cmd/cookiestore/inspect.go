package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
)

// report is what inspect finds. It prints as one JSON object.
type report struct {
	Format     string          `json:"format"`   // of the key that signed it; legacy rows show by their form
	Verified   bool            `json:"verified"` // signed with a key that is given, and a session
	Key        int             `json:"key"`      // which signed it: 0 the primary one, 1 the first older one, -1 none
	Compressed bool            `json:"compressed"`
	Size       int             `json:"size"`      // bytes of the value
	Chunks     int             `json:"chunks"`    // cookies that it came in
	DataSize   int             `json:"data_size"` // bytes of the JSON
	SignedAt   *time.Time      `json:"signed_at"`
	ExpiresAt  *time.Time      `json:"expires_at"` // null if unknown
	Expired    bool            `json:"expired"`
	Data       json.RawMessage `json:"data"`  // as signed, but for what escaped escapes; null if it is not JSON in UTF-8
	Error      *string         `json:"error"` // what is wrong
	Hints      []string        `json:"hints"` // what is likely to be behind that, or was undone
}

// The formats.
const (
	ownFormat          = "cookiestore"
	encryptedFormat    = "cookiestore-encrypted"
	securecookieFormat = "cookiestore-securecookie"
	djangoFormat       = "django"
	rowFormat          = "django-db"
	legacyFormat       = "django-db-legacy"
	gorillaFormat      = "gorilla"
	unknown            = "unknown"
)

// inspect shows what is in a session.
func (c *command) inspect() (int, error) {
	text, err := c.input()
	if errors.As(err, new(misuseError)) {
		return misuse, err
	}
	var value string
	var notes []string
	var r report
	if err == nil {
		text, notes, err = unpaste(text)
	}
	if err == nil {
		value, err = c.choose(text)
	}
	if err == nil {
		r = c.look(value)
	} else {
		r = newReport(value)
		r.fail(err)
	}
	r.Hints = append(r.Hints, notes...)
	if !cookiestore.IsRefused(err) { // chunks that are not all there say it themselves
		r.Hints = append(r.Hints, c.hints(text, value, r)...)
	}
	if c.json {
		err = r.printJSON(c)
	} else {
		err = r.print(c)
	}
	if r.good() {
		return good, err
	}
	return bad, err
}

func newReport(value string) report {
	return report{Hints: []string{}, Format: unknown, Key: -1, Size: len(value), Chunks: 1, Data: json.RawMessage("null")}
}

// good reports whether it is a valid, unexpired session.
func (r report) good() bool { return r.Verified && !r.Expired && r.Error == nil }

// look finds out all there is to know of a value.
func (c *command) look(value string) report {
	r := newReport(value)
	seen, seenErr := inspect.Parse(value)
	r.Compressed = seen.Compressed
	r.Chunks = c.chunksOf(value)
	switch {
	case seen.Legacy:
		r.Format = legacyFormat
	case seen.Encrypted:
		r.Format = encryptedFormat
	}
	rec, err := c.verify(value, seen, &r)
	if err != nil {
		// Without a session to believe in, show what the value says of itself.
		rec = cookiestore.Record{Data: seen.Data, Saved: seen.At}
		if c.keys.gorilla == nil { // whose values have another form
			err = cmp.Or(seenErr, err)
		}
		r.fail(err)
	}
	r.describe(rec, c)
	return r
}

func (r *report) fail(err error) {
	text := message(err)
	r.Error = &text
}

// describe fills in what the session says, at the moment that c names.
func (r *report) describe(rec cookiestore.Record, c *command) {
	switch {
	case utf8.ValidString(rec.Data) && json.Valid([]byte(rec.Data)):
		r.Data, r.DataSize = json.RawMessage(rec.Data), len(rec.Data)
	case rec.Data != "" && r.Key < 0: // otherwise the error is about that
		*r.Error += "; its data is not JSON in UTF-8"
	}
	r.SignedAt = printable(rec.Saved)
	if ends, err := rec.EndsAt(c.maxAge); err == nil {
		r.ExpiresAt = printable(ends)
	}
	switch err := rec.Check(c.maxAge, c.at); {
	case errors.Is(err, cookiestore.ErrExpired):
		r.Expired = true
	case errors.Is(err, cookiestore.ErrFuture) && r.Error == nil:
		r.fail(err)
	}
}

// printable returns a time as it is printed, or nil if it is unknown or outside of
// the years that RFC 3339 has.
func printable(t time.Time) *time.Time {
	if t = t.UTC(); t.IsZero() || t.Year() > 9999 {
		return nil
	}
	return &t
}

// printJSON prints the report as one object on one line. The data keeps its spelling, which
// encoding/json would not leave it.
func (r report) printJSON(c *command) error {
	data := r.Data
	r.Data = json.RawMessage("null")
	line, err := jsonLine(r)
	if err != nil {
		return err
	}
	line = strings.Replace(line, `"data":null`, `"data":`+string(data), 1)
	// Line breaks and tabs are between the values: inside a string, JSON has none.
	line = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(line)
	_, err = fmt.Fprintln(c.out, escaped(line))
	return err
}

// jsonLine returns a value as JSON, with <, > and & as they are.
func jsonLine(value any) (string, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// print prints the report for a reader.
func (r report) print(c *command) error {
	var out bytes.Buffer
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	line("format", "%s", formats[r.Format])
	line("verified", "%s", r.verdict())
	if r.Compressed {
		line("compressed", "yes")
	} else {
		line("compressed", "no")
	}
	line("size", "%d bytes of JSON in %d bytes%s", r.DataSize, r.Size, r.room(c.name))
	if r.SignedAt != nil {
		line("signed", "%s", r.SignedAt.Format(time.RFC3339))
	} else {
		line("signed", "unknown")
	}
	switch {
	case r.ExpiresAt == nil:
		line("ends", "unknown")
	case r.Expired:
		line("ends", "%s: it has expired", r.ExpiresAt.Format(time.RFC3339))
	default:
		line("ends", "%s", r.ExpiresAt.Format(time.RFC3339))
	}
	if r.Error != nil {
		line("error", "%s", escaped(*r.Error))
	}
	for _, hint := range r.Hints {
		line("hint", "%s", escaped(hint))
	}
	if string(r.Data) != "null" {
		var data bytes.Buffer
		if err := json.Indent(&data, r.Data, "", "  "); err != nil {
			return err
		}
		for text := range strings.SplitSeq("\n"+data.String(), "\n") {
			fmt.Fprintln(&out, escaped(text))
		}
	}
	_, err := out.WriteTo(c.out)
	return err
}

// formats say what each format is.
var formats = map[string]string{
	ownFormat:          "cookiestore",
	encryptedFormat:    "cookiestore, encrypted",
	securecookieFormat: "cookiestore, in securecookie's format",
	djangoFormat:       "Django's signed_cookies",
	rowFormat:          "a row of Django's django_session",
	legacyFormat:       "a row of Django's django_session, from before 3.1",
	gorillaFormat:      "gorilla/sessions",
	unknown:            "unknown",
}

func (r report) verdict() string {
	switch {
	case !r.Verified && r.Key >= 0:
		return fmt.Sprintf("no: key %d has signed it, but it is not a session", r.Key)
	case !r.Verified:
		return "no"
	case r.Key == 0:
		return "yes, with the primary key"
	}
	return fmt.Sprintf("yes, with older key %d", r.Key)
}

// room compares a cookie with the browsers' limit.
func (r report) room(name string) string {
	switch {
	case r.Chunks > 1:
		return fmt.Sprintf(", in %d cookies", r.Chunks)
	case !r.Verified || r.Format == rowFormat || r.Format == legacyFormat:
		return ""
	}
	return fmt.Sprintf("; with the name %d of the browsers' limit of %d", len(name)+r.Size, cookiestore.MaxCookieSize)
}
