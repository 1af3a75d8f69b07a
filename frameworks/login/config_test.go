package login_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/frameworks/login"
	"github.com/stretchr/testify/require"
)

func TestWhatMayBeLeftOut(t *testing.T) {
	w := newWorld(t, func(c *login.Config, _ *idp.Provider) {
		*c = login.Config{
			Key: bytes.Repeat([]byte{7}, 32), URL: c.URL,
			Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Client: c.Client,
		}
	})
	require.Equal(t, 400, w.open(shop+"/login/callback").status, "which is logged")
	require.Equal(t, "You are "+visitor+".", w.signIn("?next=/account").text)
	require.Equal(t, http.SameSiteLaxMode, w.jar["shop.test"]["__Host-session"].SameSite)
	before := w.copy()
	w.post(shop+"/logout", nil)
	require.Equal(t, 401, before.open(shop+"/account").status)
	require.Equal(t, 404, w.post(shop+"/password", nil).status)
	require.Equal(t, 404, w.post(shop+"/second-factor", nil).status)
}

func TestAConfigIsRefused(t *testing.T) {
	for _, mode := range []http.SameSite{http.SameSiteDefaultMode, http.SameSiteNoneMode} {
		_, err := login.New(t.Context(), login.Config{SameSite: mode})
		require.ErrorContains(t, err, "neither Lax nor Strict")
	}
	_, err := login.New(t.Context(), login.Config{Issuer: "http://127.0.0.1:1"})
	require.Error(t, err, "the provider can't be asked, with http.Client's own transport")
}

// deadlines are how long each request to the provider may take.
type deadlines struct {
	http.RoundTripper
	seen map[string]time.Duration
}

func (d deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	if deadline, ok := r.Context().Deadline(); ok {
		d.seen[r.URL.Path] = time.Until(deadline)
	}
	return d.RoundTripper.RoundTrip(r)
}

func TestTheProviderIsNotWaitedForForever(t *testing.T) {
	for timeout, limits := range map[time.Duration][2]time.Duration{0: {0, 10 * time.Second}, time.Hour: {10 * time.Second, time.Hour}} {
		seen := map[string]time.Duration{}
		w := newWorld(t, func(c *login.Config, _ *idp.Provider) {
			c.KeepTokens = true
			c.Client = &http.Client{Transport: deadlines{c.Client.Transport, seen}, Timeout: timeout}
		})
		w.signIn("")
		w.open(shop + "/profile")
		for _, path := range []string{"/.well-known/openid-configuration", "/token", "/keys", "/userinfo"} {
			require.Greater(t, seen[path], limits[0], path)
			require.LessOrEqual(t, seen[path], limits[1], path)
		}
	}
}
