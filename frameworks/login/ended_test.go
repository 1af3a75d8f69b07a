package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/frameworks/login"
	"github.com/stretchr/testify/require"
)

// verified stops before the page that moves the login to the session.
func (w *world) verified() {
	w.t.Helper()
	w.stopAt = "/login/done"
	w.signIn("?next=/account")
	w.stopAt = ""
}

func TestACopyOfTheLoginCookieEndsWithTheLogin(t *testing.T) {
	for _, flow := range flows[1:] {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.verified()
			thief := w.copy()
			require.Equal(t, "You are "+visitor+".", w.open(shop+"/login/done").text)
			require.Equal(t, 400, thief.copy().open(shop+"/login/done").status, "the login is finished")
			w.post(shop+"/logout", nil)
			require.Equal(t, 400, thief.open(shop+"/login/done").status, "and the visitor gone")
		})
	}
}

func TestALogoutEndsTheLoginUnderWay(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			method, fields := w.answer("?next=/account")
			w.open(shop + "/")
			w.post(shop+"/logout", nil)
			require.Equal(t, 400, w.send(method, fields).status)
		})
	}
	for _, flow := range flows[1:] {
		t.Run("at the bounce page, "+flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.verified()
			thief := w.copy()
			w.open(shop + "/")
			w.post(shop+"/logout", nil)
			require.Equal(t, 400, w.open(shop+"/login/done").status)
			require.Equal(t, 400, thief.open(shop+"/login/done").status)
			require.Equal(t, 401, w.open(shop+"/account").status)
		})
	}
	t.Run("between the factors", func(t *testing.T) {
		w := newWorld(t, nil)
		w.password()
		thief := w.copy()
		w.post(shop+"/logout", nil)
		w.browser = thief
		require.Equal(t, 401, w.code("123456").status)
	})
}

// Whoever ends all sessions of a user, since the password is known to somebody, say, also
// ends the logins that somebody has begun.
func TestLoginsEndWithTheUsersSessions(t *testing.T) {
	strict := with(http.SameSiteStrictMode, false)
	for _, test := range []struct {
		name   string
		user   string
		begin  func(*world)
		finish func(*world) page
	}{
		{"between the factors", "local 7", func(w *world) { w.password() },
			func(w *world) page { w.codes["123456"] = true; return w.code("123456") }},
		{"at the bounce page", visitor, (*world).verified,
			func(w *world) page { return w.open(shop + "/login/done") }},
	} {
		for _, who := range []string{test.user, "local 8"} {
			t.Run(test.name+", sessions of "+who, func(t *testing.T) {
				w := newWorld(t, strict)
				test.begin(w)
				w.time = w.time.Add(time.Second)
				require.NoError(t, w.ended.RevokeUser(t.Context(), who, w.time, time.Time{}))
				w.time = w.time.Add(time.Second)
				shown := test.finish(w)
				if who != test.user {
					require.Equal(t, "You are "+test.user+".", shown.text)
					return
				}
				require.Equal(t, 401, shown.status)
				require.Contains(t, shown.text, "This login was ended.")
				require.Equal(t, 401, w.open(shop+"/account").status)
				w.time = w.time.Add(time.Second)
				test.begin(w)
				require.Equal(t, "You are "+test.user+".", test.finish(w).text, "one that is begun afterwards")
			})
		}
	}
}

// down are revocations of users that can't be asked for.
type down struct{ cookiestore.Revocations }

func (d down) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	if s.User != "" {
		return false, errors.New("the database is down")
	}
	return d.Revocations.Revoked(ctx, s)
}

func TestNobodySignsInWithoutRevocations(t *testing.T) {
	w := newWorld(t, func(c *login.Config, _ *idp.Provider) { c.Revocations = down{c.Revocations} })
	shown := w.signIn("?next=/account")
	require.Equal(t, 503, shown.status)
	require.Contains(t, shown.text, "Nobody can sign in now.")
	require.Equal(t, 401, w.open(shop+"/account").status)
}

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
