package main

import (
	"context"
	"errors"
	"fmt"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
)

// verify returns the session if one of the keys is that of the value, and notes in the
// report which one that is.
func (c *command) verify(value string, seen inspect.Value, r *report) (cookiestore.Record, error) {
	switch {
	case !c.hasKeys(), seen.Legacy && c.keys.django == nil, seen.Encrypted && c.keys.encrypted == nil:
		return cookiestore.Record{}, fmt.Errorf("not verified, since no key for it is given: set %s", keyFor(seen))
	case seen.Legacy:
		row, err := c.keys.rows.Decode(value)
		if err != nil {
			return row.Record, err
		}
		r.Key = row.KeyIndex
		return c.accept(row.Record, r)
	case seen.Encrypted:
		return c.verifyEncrypted(value, r)
	}
	rec, err := c.verifySigned(value, seen, r)
	if !errors.Is(err, errNoKey) {
		return rec, err
	}
	return c.verifyGorilla(value, r)
}

// keyFor names the variables that have the key of such a value.
func keyFor(seen inspect.Value) string {
	switch {
	case seen.Legacy:
		return "DJANGO_SECRET_KEY"
	case seen.Encrypted:
		return "SESSION_KEY"
	}
	return "SESSION_KEY, DJANGO_SECRET_KEY or GORILLA_HASH_KEY"
}

var errNoKey = errors.New("no configured key matches this signature")

// verifySigned is verify for the formats of a Signer.
func (c *command) verifySigned(value string, seen inspect.Value, r *report) (cookiestore.Record, error) {
	k := c.keys
	row := func() (cookiestore.Record, error) {
		row, err := k.rows.Decode(value)
		return row.Record, err
	}
	for _, f := range []struct {
		name   string
		signer *cookiestore.Signer
		load   func() (cookiestore.Record, error)
	}{
		{ownFormat, k.own, func() (cookiestore.Record, error) { return c.loadCookie(k.own, value, seen, r.Chunks) }},
		{djangoFormat, k.django, func() (cookiestore.Record, error) { return c.loadCookie(k.django, value, seen, r.Chunks) }},
		{rowFormat, k.rowSigner, row},
	} {
		if f.signer == nil {
			continue
		}
		signed, err := f.signer.Verify(c.name, value)
		if errors.Is(err, cookiestore.ErrTampered) || err != nil && k.gorilla != nil {
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
	return cookiestore.Record{}, errNoKey
}

// loadCookie reads a cookie. Django has no bound on what it inflates to, so the
// bound here is one that no cookie reaches. What came in chunks is larger than what a
// store reads by itself.
func (c *command) loadCookie(signer *cookiestore.Signer, value string, seen inspect.Value, chunks int) (cookiestore.Record, error) {
	if chunks > 1 {
		return cookiestore.Record{Data: seen.Data, Saved: seen.At}, nil
	}
	store, err := cookiestore.NewWithCodec(signer, cookiestore.WithMaxInflated(maxInput))
	if err != nil {
		return cookiestore.Record{}, err
	}
	return store.Load(context.Background(), c.name, value)
}

// verifyEncrypted is verify for what [cookiestore.WithEncryption] makes.
func (c *command) verifyEncrypted(value string, r *report) (cookiestore.Record, error) {
	d, err := c.keys.encrypted.Decrypt(c.name, value)
	if err != nil {
		return cookiestore.Record{}, err
	}
	r.Format, r.Key, r.Compressed = encryptedFormat, d.KeyIndex, d.Compressed
	return c.accept(cookiestore.Record{Data: d.Data, Saved: d.At}, r)
}

// verifyGorilla is verify for the cookies of gorilla/sessions, and for those that this
// package has securecookie encrypt.
func (c *command) verifyGorilla(value string, r *report) (cookiestore.Record, error) {
	k := c.keys
	if k.gorilla == nil {
		return cookiestore.Record{}, errNoKey
	}
	rec, err := k.securecookie.Load(context.Background(), c.name, value)
	r.Format = securecookieFormat
	if err != nil {
		rec, err = k.gorilla.Load(context.Background(), c.name, value)
		r.Format = gorillaFormat
	}
	if err != nil {
		r.Format = unknown
		if errors.Is(err, cookiestore.ErrTampered) {
			err = errNoKey
		}
		return cookiestore.Record{}, err
	}
	r.Key = 0
	return c.accept(rec, r)
}

// accept verifies a session whose signature is right: it must be one.
func (c *command) accept(rec cookiestore.Record, r *report) (cookiestore.Record, error) {
	if err := rec.Check(c.maxAge, c.at); errors.Is(err, cookiestore.ErrMalformed) {
		return rec, err
	}
	r.Verified = true
	return rec, nil
}
