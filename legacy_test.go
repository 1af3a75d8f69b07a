package cookiestore_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// loaderFunc is a Loader that is a function.
type loaderFunc func(value string) (cookiestore.Record, error)

func (f loaderFunc) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	return f(value)
}

func TestLegacyStoreKeepsItsAgeAndItsBytes(t *testing.T) {
	secret := []byte("Django's SECRET_KEY")
	signer, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, secret)
	require.NoError(t, err)
	django, err := cookiestore.New(secret, cookiestore.WithDjango())
	require.NoError(t, err)
	none := loaderFunc(func(string) (cookiestore.Record, error) { return cookiestore.Record{}, cookiestore.ErrNoSession })

	signed := time.Unix(1_800_000_000, 0)
	value := signer.Sign("sessionid", base64.RawURLEncoding.EncodeToString([]byte(`{"z":1e2,"a":1}`)), signed)
	store := newStore(t, cookiestore.WithLegacy(none), cookiestore.WithLegacy(django))
	rec, err := store.Load(t.Context(), "sessionid", value)
	require.NoError(t, err)
	require.Equal(t, cookiestore.Record{Data: `{"z":1e2,"a":1}`, Saved: signed, Resave: true}, rec)

	_, err = store.Load(t.Context(), "sessionid", value+"x")
	require.ErrorIs(t, err, cookiestore.ErrTampered)
}

func TestLegacyLoaderWhoseStoreFails(t *testing.T) {
	down := errors.New("the database is down")
	called := false
	store := newStore(t,
		cookiestore.WithLegacy(loaderFunc(func(string) (cookiestore.Record, error) {
			return cookiestore.Record{}, fmt.Errorf("sessions: %w", down)
		})),
		cookiestore.WithLegacy(loaderFunc(func(string) (cookiestore.Record, error) {
			called = true
			return cookiestore.Record{Data: `{}`}, nil
		})))
	_, err := store.Load(t.Context(), "sessionid", "anid")
	require.ErrorIs(t, err, down)
	require.False(t, cookiestore.IsRefused(err), "the visitor isn't logged out by it")
	require.False(t, called, "another Loader can't know better")
}

func TestWithLegacyRefusesNil(t *testing.T) {
	var none *cookiestore.CookieStore
	for _, loader := range []cookiestore.Loader{nil, none} {
		_, err := cookiestore.New(testKey, cookiestore.WithLegacy(loader))
		require.ErrorContains(t, err, "WithLegacy was given a nil Loader")
	}
}
