package cookiestore_test

import (
	"context"
	"net/http"

	"example.com/cookiestore"
)

// saveOne saves a session of which at most one cookie is to be set.
func saveOne(ctx context.Context, m *cookiestore.Manager, s *cookiestore.Session) (*http.Cookie, error) {
	cookies, err := m.Save(ctx, s)
	if err != nil || len(cookies) == 0 {
		return nil, err
	}
	if len(cookies) > 1 {
		panic("more than one cookie is to be set")
	}
	return cookies[0], nil
}
