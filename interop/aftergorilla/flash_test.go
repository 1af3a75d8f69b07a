// Package aftergorilla is a site that has moved from gorilla/sessions and doesn't
// import it any more. That needs a program of its own to test.
package aftergorilla

import (
	"encoding/gob"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

// The cookie of a visitor for whom gorilla/sessions v1.4.0 had a flash message
// waiting: user_id is 42, and _flash ["Welcome back."].
const (
	name    = "shop-session"
	hashKey = "thirty-two bytes for hash keys!!"
	waiting = "MTc5NTIyNTM5MHxEWDhFQVFMX2dBQUJFQUVRQUFCS180QUFBZ1p6ZEhKcGJtY01DUUFIZFhObGNsOXBaQU5wYm5RRUFnQlVCbk4wY21sdVp3d0lBQVpmWm14aGMyZ09XMTFwYm5SbGNtWmhZMlVnZTMzX2dRSUJBdi1DQUFFUUFBQWRfNElhQUFFR2MzUnlhVzVuREE4QURWZGxiR052YldVZ1ltRmpheTQ9fCwu8dTgPGz2tHmxGFlbVqyzugH_NEVlGaE5l01klhhs"
)

// gorilla/sessions tells gob of the type of its flash messages when it is
// imported. A site that drops the import must do the same, or the sessions in which a
// message waits can't be read.
func TestWaitingFlashMessagesNeedTheirTypeRegistered(t *testing.T) {
	old := securecookie.New([]byte(hashKey), nil).MaxAge(0)
	loader, err := gorilla.NewLoader(old)
	require.NoError(t, err)
	store, err := cookiestore.New(securecookie.GenerateRandomKey(32), cookiestore.WithLegacy(loader))
	require.NoError(t, err)

	_, err = store.Load(t.Context(), name, waiting)
	require.Error(t, err)
	assert.True(t, cookiestore.IsRefused(err))
	assert.ErrorContains(t, err, `gob: name not registered for interface: "[]interface {}"`)

	gob.Register([]any{})
	rec, err := store.Load(t.Context(), name, waiting)
	require.NoError(t, err)
	assert.JSONEq(t, `{"user_id":42,"_flash":["Welcome back."]}`, rec.Data)
	assert.True(t, rec.Resave)
	assert.Equal(t, time.Date(2026, 11, 21, 1, 43, 10, 0, time.UTC), rec.Saved.UTC())
}
