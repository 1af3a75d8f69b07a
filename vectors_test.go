package cookiestore

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// vector is one string that a real Django made, or one made from it that Django
// refuses. Its file says with which Django.
type vector struct {
	Kind      string
	Value     string
	JSON      *string
	SignedAt  int64 `json:"signed_at"`
	Valid     bool
	Why       string
	Secret    string
	Fallbacks []string
}

func vectors(tb testing.TB, kind string) []vector {
	tb.Helper()
	text, err := os.ReadFile("testdata/django.json")
	require.NoError(tb, err)
	var file struct{ Vectors []vector }
	require.NoError(tb, json.Unmarshal(text, &file))
	chosen := slices.DeleteFunc(file.Vectors, func(v vector) bool { return v.Kind != kind })
	require.NotEmpty(tb, chosen)
	return chosen
}

// secrets has keys of Django's, which are text, as the keys that this package takes.
func secrets(texts []string) (keys [][]byte) {
	for _, text := range texts {
		keys = append(keys, []byte(text))
	}
	return keys
}

func (v vector) store(tb testing.TB) *CookieStore {
	store, err := New([]byte(v.Secret), WithDjango(), WithFallbackKeys(secrets(v.Fallbacks)...))
	require.NoError(tb, err)
	return store
}

// Every cookie is accepted with exactly its JSON, or refused with a reason, as
// the file says, with the clock at the time of its signing.
func TestDjangoCookies(t *testing.T) {
	reasons := map[string]int{}
	for _, v := range vectors(t, "signed_cookie") {
		store := v.store(t)
		now := time.Unix(v.SignedAt, 0)
		rules := defaultPolicy

		rec, err := store.Load(t.Context(), "sessionid", v.Value)
		var s Session
		if err == nil {
			s.contents = new(contents)
			err = rules.restore(rec, now, s.contents)
		}
		if !v.Valid {
			assert.True(t, IsRefused(err), "%s: %s", v.Value, v.Why)
			assert.NotEqual(t, "refused", reasonOf(err), "%s: %v", v.Why, err)
			reasons[reasonOf(err)]++
			continue
		}
		require.Equal(t, *v.JSON, rec.Data)
		require.Equal(t, v.SignedAt, rec.Saved.Unix())
		require.Equal(t, len(v.Fallbacks) > 0, rec.Resave, "a fallback key signed it")

		// Django reads a session whose own end has passed. Here it has expired.
		var dict struct {
			Expiry any `json:"_session_expiry"`
		}
		require.NoError(t, json.Unmarshal([]byte(*v.JSON), &dict))
		if text, ok := dict.Expiry.(string); ok {
			end, perr := time.Parse(time.RFC3339, text)
			require.NoError(t, perr)
			if now.After(end) {
				require.ErrorIs(t, err, ErrExpired)
				reasons["expired, but not to Django"]++
				continue
			}
		}
		require.NoError(t, err)
		got, err := s.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, *v.JSON, string(got))

		// Written again, it is what a Django with its newest key writes.
		again, _, err := store.Save(t.Context(), "sessionid", Record{Data: rec.Data, Saved: now})
		require.NoError(t, err)
		back, err := store.Load(t.Context(), "sessionid", again)
		require.NoError(t, err)
		require.Equal(t, Record{Data: rec.Data, Saved: now}, back)
		if again[0] != '.' && v.Value[0] != '.' && len(v.Fallbacks) == 0 {
			require.Equal(t, v.Value, again)
		}
		reasons["accepted"]++
	}
	require.Equal(t, map[string]int{
		"accepted": 126, "expired, but not to Django": 2, "tampered": 504, "malformed": 62, "too large": 1,
	}, reasons)
}
