// Package aftergorilla is a site that has moved from gorilla/sessions and doesn't
// import it any more. That needs a program of its own to test.
package aftergorilla

import (
	"encoding/gob"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// The cookie of a visitor for whom gorilla/sessions v1.4.0 had a flash message
// waiting: user_id is 42, and _flash ["Welcome back."].
const (
	name    = "shop-session"
	hashKey = "thirty-two bytes for hash keys!!"
	waiting = "MTc5NTIyNTM5MHxEWDhFQVFMX2dBQUJFQUVRQUFCS180QUFBZ1p6ZEhKcGJtY01DUUFIZFhObGNsOXBaQU5wYm5RRUFnQlVCbk4wY21sdVp3d0lBQVpmWm14aGMyZ09XMTFwYm5SbGNtWmhZMlVnZTMzX2dRSUJBdi1DQUFFUUFBQWRfNElhQUFFR2MzUnlhVzVuREE4QURWZGxiR052YldVZ1ltRmpheTQ9fCwu8dTgPGz2tHmxGFlbVqyzugH_NEVlGaE5l01klhhs"
)

// gorilla/sessions tells gob of the type of its flash messages when it is
// imported. Who drops the import must do the same, or the session of whoever has
// a message waiting can't be read.
func TestWaitingFlashMessagesNeedTheirTypeRegistered(t *testing.T) {
	old := securecookie.New([]byte(hashKey), nil).MaxAge(0)
	store, err := cookiestore.New(securecookie.GenerateRandomKey(32), cookiestore.WithLegacyCodecs(old))
	require.NoError(t, err)

	_, err = store.Load(t.Context(), name, waiting)
	require.Error(t, err)
	assert.True(t, cookiestore.IsRefused(err))

	gob.Register([]any{})
	rec, err := store.Load(t.Context(), name, waiting)
	require.NoError(t, err)
	assert.JSONEq(t, `{"user_id":42,"_flash":["Welcome back."]}`, rec.Data)
	assert.True(t, rec.Resave)
}
