package main

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request is one that a thief can make. Without a form it is a GET.
type request struct {
	path string
	form url.Values
}

// thiefRequests are to all endpoints of the site but the one that signs in.
func thiefRequests() []request {
	op := func(pairs ...string) request { return request{"/session", sitetest.Fields(pairs...)} }
	var all []request
	for _, path := range []string{"/", "/login", "/account", "/everywhere", "/dbsc", "/encryption", "/large", "/car", "/flash", "/set-session?name=Eve",
		"/get-session", "/api", "/forge", "/forge/sent", "/rotate", "/stores", "/inspect", "/sessfun", "/session.json"} {
		all = append(all, request{path: path})
	}
	return append(all,
		op("op", "set", "key", "user", "value", "null"), op("op", "delete", "key", "a"), op("op", "clear"), op("op", "flush"),
		op("op", "cycle"), op("op", "testcookie"), op("op", "expiry", "value", "31536000"), op("op", "expiry", "value", "0"),
		request{"/logout", sitetest.Fields()},
		request{"/logout-everywhere", sitetest.Fields()},
		request{"/large", sitetest.Fields("size", "500")},
		request{"/car", sitetest.Fields("op", "set", "model", "Beetle")},
		request{"/flash", sitetest.Fields("message", "please let me in")},
		request{"/forge/restore", sitetest.Fields()},
		request{"/not-there", nil},
	)
}

// A rotation changes the signing key of all instances, which go on accepting the old ones.
type rotation struct {
	stores []*cookiestore.CookieStore
	keys   [][]byte // newest first
}

func (r *rotation) next(t *testing.T) {
	t.Helper()
	r.keys = slices.Insert(r.keys, 0, bytes.Repeat([]byte{byte(len(r.keys))}, 32))
	for _, store := range r.stores {
		require.NoError(t, store.SetKeys(r.keys[0], r.keys[1:]...))
	}
}

// TestAStolenCookieIsNeverAcceptedAgain has a thief with copies of cookies of a session
// that was ended everywhere. What else saves a session anew is on: it must not bring one
// back.
func TestAStolenCookieIsNeverAcceptedAgain(t *testing.T) {
	first, err := hex.DecodeString(sitetest.HexKey)
	require.NoError(t, err)
	rotate := &rotation{keys: [][]byte{first}}
	path := filepath.Join(t.TempDir(), "ended.db")
	on := sitetest.Place{Store: "cookie", Handler: func(t *testing.T, now func() time.Time, _ ...string) http.Handler {
		o, backend := open(t, now, "-store", "cookie", "-dsn", path, "-revoke", "database")
		backend.Options = []cookiestore.Option{cookiestore.WithRenewal(0.01), cookiestore.WithSaveEveryRequest(), cookiestore.WithLifetime(300 * 24 * time.Hour)}
		rotate.stores = append(rotate.stores, backend.Store.(*cookiestore.CookieStore))
		handler, err := o.Handler(backend.Backend, now)
		require.NoError(t, err)
		return handler
	}}
	ada := on.Visit(t)
	instances := []*sitetest.Visitor{ada, on.VisitAt(t, ada.Clock), on.VisitAt(t, ada.Clock)}
	grace := ada.Other()
	grace.Post("/login", "user", "Grace")
	graces := grace.Cookie()

	ada.Post("/login", "user", "Ada")
	ada.Post("/session", "op", "set", "key", "secret", "value", `"of Ada"`)
	stolen := []string{ada.Cookie()}
	ada.Clock.Advance(8 * time.Hour)
	ada.Get("/account") // renews it
	stolen = append(stolen, ada.Cookie())
	rotate.next(t)
	ada.Clock.Advance(time.Minute)
	ada.Get("/account") // signs it with the new key
	stolen = append(stolen, ada.Cookie())
	for _, cookie := range stolen {
		thief := instances[1].Other()
		thief.SetCookie(cookie)
		require.Contains(t, thief.Data(), "of Ada", "it is good until it is ended")
	}
	require.Len(t, slices.Compact(slices.Clone(stolen)), 3)

	ada.Clock.Advance(time.Second)
	require.Contains(t, ada.Post("/logout-everywhere"), "Signed out everywhere")
	ada.Clock.Advance(bound)
	for i, request := range thiefRequests() {
		for j, cookie := range stolen {
			thief := instances[(i+j)%len(instances)].Other()
			thief.SetCookie(cookie)
			for _, at := range instances {
				thief = thief.At(at)
				method := http.MethodGet
				if request.form != nil {
					method = http.MethodPost
				}
				status, _, _ := thief.Do(thief.Request(method, request.path, request.form))
				assert.Contains(t, []int{200, 303, 401, 404}, status, "%s %v", request.path, request.form)
				assert.Equal(t, http.StatusUnauthorized, thief.Status("/account"), "%s %v", request.path, request.form)
				assert.NotContains(t, thief.Data(), "Ada", "what the thief has won is a new session")
				thief.SetCookie(cookie)
				assert.Equal(t, http.StatusUnauthorized, thief.Status("/account"), "%s %v", request.path, request.form)
				ada.Clock.Advance(time.Minute)
			}
		}
		if i%8 == 0 {
			rotate.next(t)
		}
	}
	for _, at := range instances {
		visitor := at.Other()
		visitor.SetCookie(graces)
		assert.Equal(t, http.StatusOK, visitor.Status("/account"), "another user's oldest cookie works")
	}
}
