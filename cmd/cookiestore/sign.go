package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// maxInput is more than any session has.
const maxInput = 32 << 20

// sign prints the value of a cookie that holds the JSON object on standard input, or, if
// there may be several, the cookies.
func (c *command) sign() (int, error) {
	if c.flags.NArg() > 0 {
		return misuse, misusef("sign reads the session from standard input, and takes no argument")
	}
	store, err := c.onlyStore()
	if err != nil {
		return misuse, err
	}
	options := []cookiestore.Option{cookiestore.WithName(c.name), cookiestore.WithClock(func() time.Time { return c.at })}
	if c.chunks != 0 {
		options = append(options, cookiestore.WithChunks(c.chunks))
	}
	m, err := cookiestore.NewManager(store, options...)
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
	if c.keys.codec != nil {
		return c.signForGorilla(text)
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
	if c.chunks == 0 {
		_, err = fmt.Fprintln(c.out, cookies[0].Value)
		return good, err
	}
	pairs := make([]string, len(cookies))
	for i, cookie := range cookies {
		pairs[i] = cookie.Name + "=" + cookie.Value
	}
	_, err = fmt.Fprintln(c.out, strings.Join(pairs, "; "))
	return good, err
}

// signForGorilla prints the cookie of a gorilla/sessions site, with string keys. A site
// whose sessions hold lists or objects has to register []any and map[string]any with gob,
// as this does.
func (c *command) signForGorilla(text []byte) (int, error) {
	var session cookiestore.Session
	session.Update(json.RawMessage(text))
	values := map[any]any{}
	for key, value := range session.All() {
		values[key] = value
	}
	gob.Register([]any{})
	gob.Register(map[string]any{})
	value, err := securecookie.EncodeMulti(c.name, values, c.keys.codec)
	if err != nil {
		return bad, err
	}
	if size := len(c.name) + len(value); size > cookiestore.MaxCookieSize {
		return bad, fmt.Errorf("the cookie would have %d bytes with its name, and browsers keep %d", size, cookiestore.MaxCookieSize)
	}
	_, err = fmt.Fprintln(c.out, value)
	return good, err
}

// onlyStore returns the store of the one kind of key that there is. Gorilla's is one that
// nothing is saved in.
func (c *command) onlyStore() (*cookiestore.CookieStore, error) {
	k := c.keys
	var set []string
	for _, kind := range []struct {
		name string
		set  bool
	}{{"SESSION_KEY", k.own != nil}, {"DJANGO_SECRET_KEY", k.django != nil}, {"GORILLA_HASH_KEY", k.codec != nil}} {
		if kind.set {
			set = append(set, kind.name)
		}
	}
	switch {
	case len(set) == 0:
		return nil, misusef("no key: set SESSION_KEY, DJANGO_SECRET_KEY for Django's format, or GORILLA_HASH_KEY for gorilla/sessions'")
	case len(set) == 2:
		return nil, misusef("%s are both set: unset the one that is not to sign", strings.Join(set, " and "))
	case len(set) > 2:
		return nil, misusef("%s are all set: unset those that are not to sign", strings.Join(set, ", "))
	case c.encrypt && k.own == nil:
		return nil, misusef("-encrypt needs SESSION_KEY: with %s the format is another", set[0])
	case k.codec != nil && c.timed:
		return nil, misusef("-at is not for gorilla/sessions' cookies: securecookie signs them with the time that it is")
	case k.codec != nil && c.chunks != 0:
		return nil, misusef("-chunks is not for gorilla/sessions' cookies: it has none")
	case c.encrypt:
		return cookiestore.New([]byte(k.ownKey), cookiestore.WithEncryption())
	case k.own != nil:
		return cookiestore.NewWithCodec(k.own)
	case k.django != nil:
		return cookiestore.NewWithCodec(k.django)
	}
	return k.securecookie, nil
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("standard input has over %d bytes", maxInput)
	}
	return text, err
}
