package site

import (
	"cmp"
	"context"
	"strings"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
)

// A Backend is where the visitors' sessions are kept. Its unexported fields come from
// [Config.CookieStore].
type Backend struct {
	Name  string // of the store, as /session.json and the log show it
	Store cookiestore.Store
	Row   RowReader // nil where a cookie always holds the whole session

	// Revocations are where it is noted which sessions were ended, shared by all
	// instances of the site. Nil where there are none, or only this process's own.
	Revocations cookiestore.Revocations

	// RevokedWithin is how long an instance of the site may go on with a session that
	// another one has ended. 0 stands for two seconds.
	RevokedWithin time.Duration

	// WhenDown says what happens while Revocations can't be asked. Without it requests
	// fail.
	WhenDown []cookiestore.CacheOption

	// Options are for the sessions, beside those that the flags give.
	Options []cookiestore.Option

	cookies *cookiestore.CookieStore // nil where all sessions are in rows
	open    opener
}

// A RowReader returns the row of a key, for /inspect. Its error is
// [cookiestore.ErrNoSession] or one that [cookiestore.IsRefused] reports where there is
// none, and else that of the database.
type RowReader func(ctx context.Context, key string) (Row, error)

// A Row is a row of Django's table django_session.
type Row struct {
	SessionKey  string // the value of the visitor's cookie
	SessionData string // signed
	ExpireDate  time.Time
}

// An opener verifies the value that a session has in cookies, and says what is in it.
type opener func(name, value string) (opened, error)

type opened struct {
	data   string // JSON
	at     time.Time
	oldKey bool // a fallback key made it
}

// CookieStore returns the backend that keeps the whole session in the cookie.
func (c Config) CookieStore() (Backend, error) {
	key, old, err := c.Keys()
	if err != nil {
		return Backend{}, err
	}
	options := []cookiestore.StoreOption{cookiestore.WithFallbackKeys(old...)}
	var open opener
	switch {
	case c.djangoKey != "":
		options = append(options, cookiestore.WithDjango())
		open, err = signedOpener(cookiestore.NewDjangoSigner("django.contrib.sessions.backends.signed_cookies", key, old...))
	case c.encrypt:
		options = append(options, cookiestore.WithEncryption())
		open, err = encryptedOpener(cookiestore.NewEncrypter(key, old...))
	default:
		open, err = signedOpener(cookiestore.NewSigner(key, old...))
	}
	if err != nil {
		return Backend{}, UsageError{Err: err}
	}
	store, err := cookiestore.New(key, options...)
	if err != nil {
		return Backend{}, UsageError{Err: err}
	}
	return Backend{Name: "cookie", Store: store, cookies: store, open: open}, nil
}

func signedOpener(signer *cookiestore.Signer, err error) (opener, error) {
	return func(name, value string) (opened, error) {
		signed, err := signer.Verify(name, value)
		if err != nil {
			return opened{}, err
		}
		v, err := inspect.Parse(value)
		return opened{v.Data, signed.At, signed.KeyIndex > 0}, err
	}, err
}

func encryptedOpener(encrypter *cookiestore.Encrypter, err error) (opener, error) {
	return func(name, value string) (opened, error) {
		d, err := encrypter.Decrypt(name, value)
		return opened{d.Data, d.At, d.KeyIndex > 0}, err
	}, err
}

// Spill returns a backend that keeps small sessions in cookies, as b does, and large
// ones in rows.
func (b Backend) Spill(name string, rows cookiestore.Store, row RowReader) Backend {
	b.Name, b.Row, b.Store = name, row, cookiestore.Spill(b.cookies, rows)
	return b
}

// spills reports whether only large sessions are in rows.
func (b Backend) spills() bool { return b.Row != nil && b.cookies != nil }

// revokedWithin is RevokedWithin, or its default.
func (b Backend) revokedWithin() time.Duration { return cmp.Or(b.RevokedWithin, 2*time.Second) }

// rowKey returns the key of the row that a cookie's value leads to, and whether it does:
// otherwise the session is in the cookie.
func (b Backend) rowKey(value string) (key string, ok bool) {
	switch {
	case b.Row == nil:
		return "", false
	case b.spills():
		return strings.CutPrefix(value, "~")
	}
	return value, true
}
