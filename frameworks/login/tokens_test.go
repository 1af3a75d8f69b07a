package login_test

import (
	"encoding/base64"
	"testing"
	"time"

	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/frameworks/login"
	"github.com/stretchr/testify/require"
)

func keepTokens(padding int, lifetime time.Duration, flow func(*login.Config, *idp.Provider)) func(*login.Config, *idp.Provider) {
	return func(c *login.Config, p *idp.Provider) {
		flow(c, p)
		c.KeepTokens, p.Padding, p.Lifetime = true, padding, lifetime
	}
}

func TestTheSessionHasNoTokens(t *testing.T) {
	w := newWorld(t, nil)
	w.signIn("")
	require.Equal(t, 404, w.open(shop+"/profile").status)
	for _, value := range w.cookies("shop.test") {
		require.Less(t, len(value), 400, "who it is, and not much more")
	}
}

func TestTokensThatAreKept(t *testing.T) {
	for _, test := range []struct {
		name    string
		padding int
		cookies int
	}{
		{"small ones fit", 0, 1},
		{"large ones take more cookies", 6000, 3},
	} {
		for _, flow := range flows {
			t.Run(test.name+", "+flow.name, func(t *testing.T) {
				w := newWorld(t, keepTokens(test.padding, time.Hour, flow.with))
				require.Equal(t, "You are "+visitor+".", w.signIn("?next=/account").text)
				require.Equal(t, "To the provider you are 248289761001.", w.open(shop+"/profile").text)
				cookies := w.cookies("shop.test")
				require.Len(t, cookies, test.cookies)
				for name, value := range cookies {
					for _, hidden := range []string{"access-", "refresh-", "248289761001"} {
						require.NotContains(t, value, hidden, name)
						decoded, _ := base64.RawURLEncoding.DecodeString(value)
						require.NotContains(t, string(decoded), hidden, name)
					}
				}
				w.post(shop+"/logout", nil)
				require.Len(t, w.cookies("shop.test"), 1, "of the visit after it")
				require.Equal(t, 401, w.open(shop+"/profile").status)
			})
		}
	}
}

// The provider of the test takes a refresh token once, and so must get the new one.
func TestTokensAreRefreshed(t *testing.T) {
	w := newWorld(t, keepTokens(0, time.Second, flows[0].with))
	w.signIn("")
	for range 3 {
		before := w.cookies("shop.test")
		require.Equal(t, "To the provider you are 248289761001.", w.open(shop+"/profile").text)
		require.NotEqual(t, before, w.cookies("shop.test"))
	}
}

func TestTokensThatTheProviderDoesNotTake(t *testing.T) {
	down := func(status int) func(*world) {
		return func(w *world) { w.provider.Down = map[string]int{"/token": status} }
	}
	for _, test := range []struct {
		name   string
		happen func(w *world)
		status int
		after  int // when the provider is well again
	}{
		{"the refresh token has been used", func(w *world) {
			other := w.browser.copy()
			other.open(shop + "/profile")
		}, 401, 404},
		{"the provider is down", down(503), 502, 200},
		{"the provider has had too many requests", down(429), 502, 200},
		{"the provider wants something else first", down(403), 502, 200},
		{"the provider doesn't know the site now", down(401), 502, 200},
		{"the provider has waited too long", down(408), 502, 200},
		{"the provider gives new tokens and says no more", func(w *world) { w.provider.Down = map[string]int{"/userinfo": 401} }, 424, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, keepTokens(0, time.Second, flows[0].with))
			w.signIn("")
			test.happen(w)
			require.Equal(t, test.status, w.open(shop+"/profile").status)
			w.provider.Down = nil
			require.Equal(t, test.after, w.open(shop+"/profile").status)
			require.Equal(t, "You are "+visitor+".", w.open(shop+"/account").text, "the login holds")
		})
	}
}
