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

	"example.com/cookiestore"
)

// report is what inspect finds. It prints as one JSON object.
type report struct {
	Format     string          `json:"format"`   // of the key that verifies; legacy rows show by their form
	Verified   bool            `json:"verified"` // a session, and signed with a key that is given
	Key        int             `json:"key"`      // 0 the primary one, 1 the first older one, -1 none
	Compressed bool            `json:"compressed"`
	Size       int             `json:"size"`      // bytes of the value
	DataSize   int             `json:"data_size"` // bytes of the JSON
	SignedAt   *time.Time      `json:"signed_at"`
	ExpiresAt  *time.Time      `json:"expires_at"` // null if unknown
	Expired    bool            `json:"expired"`
	Data       json.RawMessage `json:"data"`  // bytes as signed; null if unreadable
	Error      *string         `json:"error"` // what is wrong
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
	if err != nil {
		return bad, err
	}
	value := c.choose(candidates(text, c.name))
	r := c.look(value)
	if c.json {
		err = r.printJSON(c)
	} else {
		err = r.print(c, value)
	}
	if r.Verified && !r.Expired && r.Error == nil {
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

// candidates returns the values in the input: that of each cookie of the name, if
// it is a header, and else the input itself.
func candidates(text, name string) []string {
	header, isHeader := text, false
	if field, rest, ok := strings.Cut(text, ":"); ok && (strings.EqualFold(field, "Cookie") || strings.EqualFold(field, "Set-Cookie")) {
		header, isHeader = rest, true
	}
	var values []string
	for pair := range strings.SplitSeq(header, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(pair), name+"="); ok {
			values = append(values, value)
		}
	}
	if len(values) == 0 && !isHeader {
		return []string{text}
	}
	return values
}

// choose returns the first value that verifies, as the middleware does, or else
// the first.
func (c *command) choose(values []string) string {
	for _, value := range values {
		if c.look(value).Verified {
			return value
		}
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// look finds out all there is to know of a value.
func (c *command) look(value string) report {
	r := report{Format: unknown, Key: -1, Size: len(value), Data: json.RawMessage("null")}
	if value == "" {
		r.fail(fmt.Errorf("no session: the input is empty, or a header without a cookie %q (see -name)", c.name))
		return r
	}
	seen, seenErr := cookiestore.Inspect(value)
	r.Compressed = seen.Compressed
	rec, err := c.verify(value, seen.Legacy, &r)
	if err != nil {
		// Without a signature to believe, show what the value says of itself.
		if seen.Legacy {
			r.Format = legacyFormat
		}
		rec = cookiestore.Record{Data: seen.Data, Saved: seen.At}
		r.fail(cmp.Or(seenErr, err))
	}
	r.describe(rec, c)
	return r
}

// An opener verifies a value, and tells which key signed it.
type opener struct {
	format string
	open   func(value string) (rec cookiestore.Record, key int, err error)
}

// openers are the formats that the keys can verify.
func (c *command) openers(legacy bool) []opener {
	cookie := func(signer *cookiestore.Signer) func(string) (cookiestore.Record, int, error) {
		return func(value string) (cookiestore.Record, int, error) { return openCookie(signer, c.name, value) }
	}
	var all []opener
	if c.keys.own != nil && !legacy {
		all = append(all, opener{ownFormat, cookie(c.keys.own)})
	}
	if c.keys.django != nil && !legacy {
		all = append(all, opener{djangoFormat, cookie(c.keys.django)}, opener{rowFormat, c.openRow})
	}
	if c.keys.django != nil && legacy {
		all = append(all, opener{legacyFormat, c.openRow})
	}
	return all
}

// verify returns the session of the first format whose key has signed the value,
// and notes in the report which that is.
func (c *command) verify(value string, legacy bool, r *report) (cookiestore.Record, error) {
	why := errors.New("not verified, since no key for it is given: set SESSION_KEY or DJANGO_SECRET_KEY")
	for i, o := range c.openers(legacy) {
		rec, key, err := o.open(value)
		if err == nil {
			_, err = rec.EndsAt(c.maxAge) // refuses what is no dictionary
		}
		if err == nil {
			r.Format, r.Key, r.Verified = o.format, key, true
			return rec, nil
		}
		// That a key has signed it, and something else is wrong, says more.
		if i == 0 || !errors.Is(err, cookiestore.ErrTampered) {
			why = err
		}
	}
	return cookiestore.Record{}, why
}

func openCookie(signer *cookiestore.Signer, name, value string) (cookiestore.Record, int, error) {
	store, err := cookiestore.NewWithCodec(signer)
	if err != nil {
		return cookiestore.Record{}, -1, err
	}
	rec, err := store.Load(context.Background(), name, value)
	if err != nil {
		return cookiestore.Record{}, -1, err
	}
	signed, err := signer.Verify(name, value) // which tells the key
	return rec, signed.Key, err
}

func (c *command) openRow(value string) (cookiestore.Record, int, error) {
	row, err := c.keys.rows.Decode(value)
	return row.Record, row.Key, err
}

func (r *report) fail(err error) {
	text := strings.TrimPrefix(err.Error(), "cookiestore: ")
	r.Error = &text
}

// describe fills in what the session says, at the moment that c names.
func (r *report) describe(rec cookiestore.Record, c *command) {
	if json.Valid([]byte(rec.Data)) {
		r.Data, r.DataSize = json.RawMessage(rec.Data), len(rec.Data)
	}
	r.SignedAt = printable(rec.Saved)
	ends, err := rec.EndsAt(c.maxAge)
	if err != nil || ends.IsZero() {
		return
	}
	r.ExpiresAt = printable(ends)
	r.Expired = c.at.Truncate(time.Second).After(ends) // to the second, as sessions are saved
	if rec.Saved.After(c.at.Add(time.Minute)) && r.Error == nil {
		r.fail(fmt.Errorf("signed in the future: %s is after %s", rec.Saved.UTC().Format(time.RFC3339), c.at.UTC().Format(time.RFC3339)))
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

// printJSON prints the report as one object. The data stays byte for byte, which
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
	head, tail, _ := bytes.Cut(out.Bytes(), []byte(`"data":null`))
	_, err := fmt.Fprintf(c.out, `%s"data":%s%s`, head, data, tail)
	return err
}

// print prints the report for a reader.
func (r report) print(c *command, value string) error {
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
		line("ends", "%s: it is over", r.ExpiresAt.Format(time.RFC3339))
	default:
		line("ends", "%s", r.ExpiresAt.Format(time.RFC3339))
	}
	if r.Error != nil {
		line("error", "%s", *r.Error)
	}
	if string(r.Data) != "null" {
		out.WriteByte('\n')
		if json.Indent(&out, r.Data, "", "  ") != nil {
			out.Write(r.Data)
		}
		out.WriteByte('\n')
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
	unknown:      "unknown: no key that is given has signed it",
}

func (r report) verdict() string {
	switch {
	case !r.Verified:
		return "no"
	case r.Key == 0:
		return "yes, with the primary key"
	}
	return fmt.Sprintf("yes, with older key %d", r.Key)
}

// room compares a cookie with what browsers keep.
func (r report) room(name string) string {
	if r.Format != ownFormat && r.Format != djangoFormat {
		return ""
	}
	return fmt.Sprintf("; with the name %d of the %d that browsers keep", len(name)+r.Size, cookiestore.MaxCookieSize)
}
