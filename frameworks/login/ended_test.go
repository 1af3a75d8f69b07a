package login_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// A link of another site gets the page with the button, and no further.
func TestAnotherSiteBeginsNoLogin(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			method, fields := w.answer("?next=/account")
			before := w.cookies("shop.test")
			w.open("https://evil.test/?to=" + url.QueryEscape(shop+"/login?next=/"))
			require.Equal(t, []string{"GET evil.test/", "GET shop.test/login"}, w.seen)
			w.open("https://evil.test/")
			require.Equal(t, 403, w.post(shop+"/login", nil).status)
			require.Equal(t, before, w.cookies("shop.test"))
			require.Equal(t, "You are "+visitor+".", w.send(method, fields).text)
		})
	}
}

func TestALinkDoesNotChooseRememberMe(t *testing.T) {
	w := newWorld(t, nil)
	require.Equal(t, "You are "+visitor+".", w.signIn("?next=/account&remember=on").text)
	w.close()
	require.Equal(t, 401, w.open(shop+"/account").status)
}
