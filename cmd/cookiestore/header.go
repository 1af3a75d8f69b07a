package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"example.com/cookiestore"
)

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
// first that verifies, or else the first. One in chunks is put together.
func (c *command) choose(text string) (string, error) {
	if text == "" {
		return "", errors.New("the input is empty")
	}
	var isHeader bool
	if c.header, isHeader = header(text); !isHeader {
		c.header = c.name + "=" + text
	}
	values, err := c.candidates()
	switch {
	case len(values) == 0 && err != nil && !isHeader:
		return "", fmt.Errorf("%w; give the whole header", err)
	case len(values) == 0 && err != nil:
		return "", err
	case !isHeader:
		return text, nil
	case len(values) == 0:
		return "", c.noCookie()
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

// noCookie says why a header has nothing to look at.
func (c *command) noCookie() error {
	for pair := range strings.SplitSeq(c.header, ";") {
		if name, _, _ := strings.Cut(strings.TrimSpace(pair), "="); name == c.name {
			return fmt.Errorf("the cookie %q is empty: it was deleted", c.name)
		}
	}
	return fmt.Errorf("the header has no cookie %q (see -name)", c.name)
}

// header returns the name=value pairs of a Cookie or Set-Cookie field, with its
// name or without, and whether text is one. A "=" at the very end is base64's.
func header(text string) (string, bool) {
	if field, rest, ok := strings.Cut(text, ":"); ok && (strings.EqualFold(field, "Cookie") || strings.EqualFold(field, "Set-Cookie")) {
		return rest, true
	}
	return text, strings.Contains(strings.TrimRight(text, "="), "=")
}

// maxChunks is the most cookies that a session takes.
const maxChunks = 8

// candidates returns the values that a middleware would take for the session, with those
// of chunks put together, and if there are none, why chunks were refused.
func (c *command) candidates() ([]string, error) {
	var seen recorder
	m, err := cookiestore.NewManager(&seen, cookiestore.WithName(c.name), cookiestore.WithSecure(true),
		cookiestore.WithChunks(maxChunks), cookiestore.WithMaxCookieSize(maxInput), cookiestore.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil // no cookie can have that name
	}
	s, err := m.Load(context.Background(), c.header)
	if err != nil {
		return nil, err
	}
	return seen.values, s.Refused()
}

// chunksOf returns how many cookies a value came in.
func (c *command) chunksOf(value string) int {
	tag := value[max(len(value)-8, 0):]
	for n := maxChunks; n > 1; n-- {
		if strings.Contains(c.header, fmt.Sprintf("0.%d.%s.", n, tag)) {
			return n
		}
	}
	return 1
}

// A recorder is a store that has no session, and notes which ones it was asked for.
type recorder struct{ values []string }

func (r *recorder) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	r.values = append(r.values, value)
	return cookiestore.Record{}, cookiestore.ErrNoSession
}

func (r *recorder) Save(context.Context, string, cookiestore.Record) (value, version string, err error) {
	return "", "", errors.ErrUnsupported
}
func (r *recorder) Delete(context.Context, string, string, string) error { return nil }
func (r *recorder) ClearExpired(context.Context) error                   { return nil }
