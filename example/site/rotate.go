package site

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"example.com/cookiestore"
)

// A keyStep is a cookie at one point of a change of keys.
type keyStep struct {
	signedParts
	Refused string // why the store doesn't read it any more
	Resave  bool   // or that it does, and wants it signed anew
}

// rotateKeys changes the signing key of a store while a visitor has a cookie. It
// returns what the visitor's cookie is at each step.
func rotateKeys(ctx context.Context, name, data string, now time.Time) (steps [4]keyStep, err error) {
	oldKey, newKey := make([]byte, 32), make([]byte, 32)
	rand.Read(oldKey)
	rand.Read(newKey)

	// One key signs.
	store, err := cookiestore.New(oldKey)
	if err != nil {
		return steps, err
	}
	record := cookiestore.Record{Data: data, Saved: now}
	cookie, _, err := store.Save(ctx, name, record)
	if err != nil {
		return steps, err
	}
	steps[0] = keyStepOf(ctx, store, name, cookie)

	// The new key signs, and the old one is still accepted.
	if err := store.SetKeys(newKey, oldKey); err != nil {
		return steps, err
	}
	steps[1] = keyStepOf(ctx, store, name, cookie)

	// The visitor comes back: the middleware signs the session anew.
	renewed, _, err := store.Save(ctx, name, record)
	if err != nil {
		return steps, err
	}
	steps[2] = keyStepOf(ctx, store, name, renewed)

	// When every old cookie has expired, the old key can go.
	if err := store.SetKeys(newKey); err != nil {
		return steps, err
	}
	steps[3] = keyStepOf(ctx, store, name, cookie) // the old cookie
	return steps, nil
}

func keyStepOf(ctx context.Context, store cookiestore.Loader, name, cookie string) (step keyStep) {
	step.signedParts = split(cookie)
	record, err := store.Load(ctx, name, cookie)
	if err != nil {
		step.Refused = reason(err)
	}
	step.Resave = record.Resave
	return step
}

// rotate shows a change of keys, with keys of the page's own.
func (s *site) rotate(w http.ResponseWriter, r *http.Request) {
	steps, err := rotateKeys(r.Context(), s.config.name, `{"user":"Ada"}`, s.now())
	if err != nil {
		notSaved(w, r, err)
		return
	}
	render(w, r, "rotate.html", steps)
}
