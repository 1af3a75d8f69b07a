package main

import (
	"bytes"
	"cmp"
	"context"
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
	ownFormat    = "cookiestore"
	djangoFormat = "django"
	rowFormat    = "django-db"
	legacyFormat = "django-db-legacy"
	unknown      = "unknown"
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
	r.Hints = append(append(r.Hints, notes...), c.hints(text, value, r)...)
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

// input returns the argument, or standard input if there is none.
func (c *command) input() (string, error) {
	switch c.flags.NArg() {
	case 0:
		text, err := readAll(c.in)
		return strings.TrimSpace(string(text)), err
	case 1:
		return strings.TrimSpace(c.flags.Arg(0)), nil
	}
	return "", misusef("inspect takes one value, and got %d; put flags before it, and a header in quotes", c.flags.NArg())
}

// choose returns the value to look at: the input itself, or if it is a header the
// first cookie of the name that is good, as the middleware takes it, or else the
// first that verifies, or else the first.
func (c *command) choose(text string) (string, error) {
	if text == "" {
		return "", errors.New("the input is empty")
	}
	pairs, isHeader := header(text)
	if !isHeader {
		return text, nil
	}
	var values []string
	for pair := range strings.SplitSeq(pairs, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(pair), c.name+"="); ok {
			values = append(values, value)
		}
	}
	switch {
	case len(values) == 0:
		return "", fmt.Errorf("the header has no cookie %q (see -name)", c.name)
	case len(values) == 1 && values[0] == "":
		return "", fmt.Errorf("the cookie %q is empty: it was deleted", c.name)
	}
	for _, fits := range []func(report) bool{report.good, func(r report) bool { return r.Verified }} {
		for _, value := range values {
			if fits(c.look(value)) {
				return value, nil
			}
		}
	}
	return values[0], nil
}

// header returns the name=value pairs of a Cookie or Set-Cookie field, with its
// name or without, and whether text is one. A "=" at the very end is base64's.
func header(text string) (string, bool) {
	if field, rest, ok := strings.Cut(text, ":"); ok && (strings.EqualFold(field, "Cookie") || strings.EqualFold(field, "Set-Cookie")) {
		return rest, true
	}
	return text, strings.Contains(strings.TrimRight(text, "="), "=")
}

func newReport(value string) report {
	return report{Hints: []string{}, Format: unknown, Key: -1, Size: len(value), Data: json.RawMessage("null")}
}

// good reports whether it is a valid, unexpired session.
func (r report) good() bool { return r.Verified && !r.Expired && r.Error == nil }

// look finds out all there is to know of a value.
func (c *command) look(value string) report {
	r := newReport(value)
	seen, seenErr := inspect.Parse(value)
	r.Compressed = seen.Compressed
	if seen.Legacy {
		r.Format = legacyFormat
	}
	rec, err := c.verify(value, seen.Legacy, &r)
	if err != nil {
		// Without a session to believe in, show what the value says of itself.
		rec = cookiestore.Record{Data: seen.Data, Saved: seen.At}
		r.fail(cmp.Or(seenErr, err))
	}
	r.describe(rec, c)
	return r
}

// verify returns the session if one of the keys has signed the value, and notes in
// the report which one that is.
func (c *command) verify(value string, legacy bool, r *report) (cookiestore.Record, error) {
	k := c.keys
	if k.own == nil && k.django == nil || k.django == nil && legacy {
		return cookiestore.Record{}, errors.New("not verified, since no key for it is given: set SESSION_KEY or DJANGO_SECRET_KEY")
	}
	if legacy {
		row, err := k.rows.Decode(value)
		if err != nil {
			return row.Record, err
		}
		r.Key = row.KeyIndex
		return c.accept(row.Record, r)
	}
	row := func() (cookiestore.Record, error) {
		row, err := k.rows.Decode(value)
		return row.Record, err
	}
	for _, f := range []struct {
		name   string
		signer *cookiestore.Signer
		load   func() (cookiestore.Record, error)
	}{
		{ownFormat, k.own, func() (cookiestore.Record, error) { return c.loadCookie(k.own, value) }},
		{djangoFormat, k.django, func() (cookiestore.Record, error) { return c.loadCookie(k.django, value) }},
		{rowFormat, k.rowSigner, row},
	} {
		if f.signer == nil {
			continue
		}
		signed, err := f.signer.Verify(c.name, value)
		if errors.Is(err, cookiestore.ErrTampered) {
			continue
		}
		if err == nil {
			r.Format, r.Key = f.name, signed.KeyIndex
		}
		rec, err := f.load()
		if err != nil {
			return rec, err
		}
		return c.accept(rec, r)
	}
	return cookiestore.Record{}, errors.New("no configured key matches this signature")
}

// accept verifies a session whose signature is right: it must be one.
func (c *command) accept(rec cookiestore.Record, r *report) (cookiestore.Record, error) {
	if err := rec.Check(c.maxAge, c.at); errors.Is(err, cookiestore.ErrMalformed) {
		return rec, err
	}
	r.Verified = true
	return rec, nil
}

// loadCookie reads a cookie. Django has no bound on what it inflates to, so the
// bound here is one that no cookie reaches.
func (c *command) loadCookie(signer *cookiestore.Signer, value string) (cookiestore.Record, error) {
	store, err := cookiestore.NewWithCodec(signer, cookiestore.WithMaxInflated(maxInput))
	if err != nil {
		return cookiestore.Record{}, err
	}
	return store.Load(context.Background(), c.name, value)
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
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return err
	}
	line := strings.Replace(out.String(), `"data":null`, `"data":`+string(data), 1)
	// Line breaks and tabs are between the values: inside a string, JSON has none.
	line = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ").Replace(strings.TrimSuffix(line, "\n"))
	_, err := fmt.Fprintln(c.out, escaped(line))
	return err
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
	ownFormat:    "cookiestore",
	djangoFormat: "Django's signed_cookies",
	rowFormat:    "a row of Django's django_session",
	legacyFormat: "a row of Django's django_session, from before 3.1",
	unknown:      "unknown",
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
	if r.Format != ownFormat && r.Format != djangoFormat {
		return ""
	}
	return fmt.Sprintf("; with the name %d of the browsers' limit of %d", len(name)+r.Size, cookiestore.MaxCookieSize)
}
