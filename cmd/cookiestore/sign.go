package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"example.com/cookiestore"
)

// maxInput is more than any session has.
const maxInput = 32 << 20

// sign prints the value of a cookie that holds the JSON object on standard input.
func (c *command) sign() (int, error) {
	if c.flags.NArg() > 0 {
		return misuse, misusef("sign reads the session from standard input, and takes no argument")
	}
	store, err := c.keys.onlyStore()
	if err != nil {
		return misuse, err
	}
	m, err := cookiestore.NewManager(store, cookiestore.WithName(c.name), cookiestore.WithClock(func() time.Time { return c.at }))
	if err != nil {
		return misuse, misuseError{err}
	}
	text, err := readAll(c.in)
	if err != nil {
		return bad, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return bad, fmt.Errorf("standard input is not a JSON object: %w", err)
	}
	if object == nil {
		return bad, fmt.Errorf("standard input is null, not a JSON object")
	}
	var session cookiestore.Session
	session.Update(json.RawMessage(text))
	cookies, err := m.Save(context.Background(), &session)
	switch {
	case err != nil:
		return bad, err
	case len(cookies) == 0:
		return bad, fmt.Errorf("the session is empty, or expires at once, so it has no cookie")
	}
	_, err = fmt.Fprintln(c.out, cookies[0].Value)
	return good, err
}

// onlyStore returns the store of the one kind of key that there is.
func (k keys) onlyStore() (*cookiestore.CookieStore, error) {
	switch {
	case k.own != nil && k.django != nil:
		return nil, misusef("SESSION_KEY and DJANGO_SECRET_KEY are both set: unset the one that is not to sign")
	case k.own != nil:
		return cookiestore.NewWithCodec(k.own)
	case k.django != nil:
		return cookiestore.NewWithCodec(k.django)
	}
	return nil, misusef("no key: set SESSION_KEY, or DJANGO_SECRET_KEY for Django's format")
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("standard input has over %d bytes", maxInput)
	}
	return text, err
}
