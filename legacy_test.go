package cookiestore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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

// A site that turns on encryption has visitors whose sessions are larger than one cookie.
func TestLegacyCookiesOfOurOwnMayBeAsLargeAsTheirs(t *testing.T) {
	key := bytes.Repeat([]byte("k"), 32)
	signed, err := cookiestore.New(key)
	require.NoError(t, err)
	encrypted, err := cookiestore.New(key, cookiestore.WithEncryption(), cookiestore.WithLegacy(signed))
	require.NoError(t, err)
	for name, option := range map[string]cookiestore.Option{
		"in chunks": cookiestore.WithChunks(3), "in one large cookie": cookiestore.WithMaxCookieSize(12_000),
	} {
		t.Run(name, func(t *testing.T) {
			before, err := cookiestore.NewManager(signed, option)
			require.NoError(t, err)
			after, err := cookiestore.NewManager(encrypted, option)
			require.NoError(t, err)
			random := make([]byte, 2500)
			_, _ = rand.Read(random)
			var session cookiestore.Session
			session.Set("token", hex.EncodeToString(random))
			cookies, err := before.Save(t.Context(), &session)
			require.NoError(t, err)
			var pairs []string
			for _, cookie := range cookies {
				pairs = append(pairs, cookie.Name+"="+cookie.Value)
			}
			again, err := after.Load(t.Context(), strings.Join(pairs, "; "))
			require.NoError(t, err)
			require.NoError(t, again.Refused())
			require.Equal(t, hex.EncodeToString(random), again.Get("token"))
		})
	}
}

func TestNilStoreOptionsAreMisuse(t *testing.T) {
	_, err := cookiestore.New(bytes.Repeat([]byte("k"), 32), nil)
	require.EqualError(t, err, "cookiestore: an option is nil")
	signer, err := cookiestore.NewSigner(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	_, err = cookiestore.NewWithCodec(signer, nil)
	require.EqualError(t, err, "cookiestore: an option is nil")
}
