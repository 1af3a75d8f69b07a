package cookiestore

import (
	"context"
	"errors"
	"strings"
)

// Spill returns a store that keeps a session in the visitor's cookie while it fits, and
// as a record in another store while it doesn't: most visitors then need no database,
// and a full cart needs no second middleware.
//
//	cookie, err := cookiestore.New(key)
//	records, err := dbstore.New(db, key)
//	store := cookiestore.Spill(cookie, records)
//
// A session becomes a record when it outgrows the cookie, and goes back into the cookie,
// and its record is deleted, when it needs three quarters of the room or less: one that
// stays near the limit doesn't swing. The cookie of a record is the record's own value
// after a "~", which no cookie of a CookieStore has.
//
// While a session is a record, requests at the same time are merged; while it is in the
// cookie, the later response wins, and so it does if two of them make it a record: that
// of the other is left until it expires. A request that is under way when the record goes
// back into the cookie finds none, as with [Session.CycleKey], and its changes are
// [ErrInterrupted]. [Session.Flush] and CycleKey end a record wherever it is; a copy of a
// cookie from before the session became a record works until it expires. [WithLifetime]
// and [WithMaxAge] hold across a move.
//
// The cookie's options count: with [WithEncryption] what is in the cookie can't be read,
// and with [WithChunks] a session becomes a record when it outgrows all of its cookies.
// The codec of [NewWithCodec] must have no limit of its own to the length, or large
// sessions are an error in place of a record.
//
// It panics if one of the stores is nil.
func Spill(cookie *CookieStore, records Store) Store {
	if cookie == nil || isNil(records) {
		panic("cookiestore: Spill needs two stores, and one is nil")
	}
	return &spill{cookie, records}
}

type spill struct {
	cookie  *CookieStore
	records Store
}

// spillMark stands before the value of a record.
const spillMark = "~"

func (s *spill) Load(ctx context.Context, name, value string) (Record, error) {
	if id, ok := strings.CutPrefix(value, spillMark); ok {
		return s.records.Load(ctx, name, id)
	}
	return s.cookie.Load(ctx, name, value)
}

func (s *spill) Save(ctx context.Context, name string, rec Record) (value, version string, err error) {
	id, isRecord := strings.CutPrefix(rec.Cookie, spillMark)
	value, version, err = s.cookie.Save(ctx, name, shrunk(name, rec, isRecord))
	switch {
	case err == nil && isRecord:
		return s.returned(ctx, name, value, id, rec.Version)
	case !errors.Is(err, ErrTooLarge):
		return value, version, err
	}
	if rec.Cookie = id; !isRecord {
		rec.Cookie, rec.Version, rec.NewID = "", "", false // the records don't know it yet
	}
	if value, version, err = s.records.Save(ctx, name, rec); err != nil {
		return "", "", err
	}
	return spillMark + value, version, nil
}

// shrunk returns the record with less room, if the session has to shrink before it may go
// back into the cookie.
func shrunk(name string, rec Record, isRecord bool) Record {
	if !isRecord {
		return rec
	}
	if rec.Limit == 0 {
		rec.Limit, rec.Overhead = MaxCookieSize, len(name)
	}
	rec.Limit -= (rec.Limit - rec.Overhead) / 4
	return rec
}

// returned deletes the record of a session that fits in the cookie again. If another
// request has changed it meanwhile, it stays, and the changes are merged first.
func (s *spill) returned(ctx context.Context, name, value, id, version string) (string, string, error) {
	if err := s.records.Delete(ctx, name, id, version); err != nil {
		return "", "", err
	}
	return value, "", nil
}

func (s *spill) Delete(ctx context.Context, name, value, version string) error {
	if id, ok := strings.CutPrefix(value, spillMark); ok {
		return s.records.Delete(ctx, name, id, version)
	}
	return s.cookie.Delete(ctx, name, value, version)
}

func (s *spill) ClearExpired(ctx context.Context) error { return s.records.ClearExpired(ctx) }
