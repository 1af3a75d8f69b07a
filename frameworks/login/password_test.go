package login_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (w *world) password(fields ...string) page {
	w.t.Helper()
	w.open(shop + "/password")
	form := url.Values{"name": {"ankit"}, "password": {"correct horse"}, "next": {"/account"}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return w.post(shop+"/password", form)
}

func (w *world) code(code string) page {
	w.t.Helper()
	return w.post(shop+"/second-factor", url.Values{"code": {code}})
}

func TestAVisitorSignsInWithTwoFactors(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.open(shop + "/")
			shown := w.password()
			require.Equal(t, shop+"/second-factor", shown.address)
			require.Contains(t, shown.text, `name="code"`)
			half := w.copy()
			require.Equal(t, 401, half.open(shop+"/account").status, "a password alone signs nobody in")
			require.Equal(t, "Visit number 2 of nobody.", w.copy().open(shop+"/").text)

			w.open(shop + "/second-factor")
			require.Equal(t, "You are local 7.", w.code("123456").text)
			require.Equal(t, "Visit number 2 of local 7.", w.open(shop+"/").text)
			require.Equal(t, 401, half.open(shop+"/account").status)
		})
	}
}

func TestTwoFactorLoginsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		drive  func(w *world) page
		status int
		says   string
	}{
		{"a wrong password", func(w *world) page { return w.password("password", "wrong") }, 401, "Wrong name or password."},
		{"a code without a password", func(w *world) page { w.open(shop + "/"); return w.code("123456") }, 401, "Please begin with your password."},
		{"a code after a wrong password", func(w *world) page { w.password("password", "wrong"); return w.code("123456") }, 401, "Please begin with your password."},
		{"a wrong code", func(w *world) page { w.password(); return w.code("000000") }, 401, "Wrong code."},
		{"a code that comes too late", func(w *world) page {
			w.password()
			w.time = w.time.Add(5*time.Minute + time.Second)
			return w.code("123456")
		}, 401, "Please begin with your password."},
		{"a code that was used", func(w *world) page {
			w.password()
			w.code("123456")
			w.post(shop+"/logout", nil)
			w.password()
			return w.code("123456")
		}, 401, "Wrong code."},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, nil)
			shown := test.drive(w)
			require.Equal(t, test.status, shown.status)
			require.Equal(t, test.says, shown.text)
			require.Equal(t, 401, w.open(shop+"/account").status)
		})
	}
}

func TestAWrongCodeCanBeTriedAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.password()
	require.Equal(t, 401, w.code("000000").status)
	w.time = w.time.Add(5 * time.Minute)
	require.Equal(t, "You are local 7.", w.code("123456").text, "at the last moment")
}

// The cookie of the first step can be sent any number of times, and another one begun.
func TestCodesCantBeGuessed(t *testing.T) {
	w := newWorld(t, nil)
	w.password()
	first := w.browser.copy()
	for range 4 {
		w.browser = first.copy()
		require.Equal(t, 401, w.code("000000").status)
	}
	w.password()
	require.Equal(t, 401, w.code("000000").status)
	require.Equal(t, 429, w.code("123456").status, "though it is right")
	w.time = w.time.Add(15 * time.Minute)
	w.password()
	require.Equal(t, "You are local 7.", w.code("123456").text, "some time later")

	w.codes["222222"], w.codes["333333"] = true, true
	var last page
	for _, code := range []string{"000000", "000000", "000000", "222222", "000000", "000000", "333333"} {
		w.password()
		last = w.code(code)
	}
	require.Equal(t, "You are local 7.", last.text, "a login clears the count")
}

// However the name is spelled, the user is one.
func TestCodesAreCountedByUser(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"ankit", "Ankit", "aNkit", " ankit", "ankit "} {
		w.password("name", name)
		require.Equal(t, 401, w.code("000000").status, name)
	}
	w.password("name", "ANKIT")
	require.Equal(t, 429, w.code("123456").status)
}

// Somebody who has the password, and all the time in the world, gets one try a day.
func TestThePauseGrows(t *testing.T) {
	w := newWorld(t, nil)
	try := func() int { w.password(); return w.code("000000").status }
	for range 5 {
		require.Equal(t, 401, try())
	}
	for _, pause := range []time.Duration{
		15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
		8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour,
	} {
		w.time = w.time.Add(pause - time.Second)
		require.Equal(t, 429, try(), pause)
		w.time = w.time.Add(time.Second)
		require.Equal(t, 401, try(), pause)
	}
	w.time = w.time.Add(24 * time.Hour)
	w.password()
	require.Equal(t, "You are local 7.", w.code("123456").text)
	for range 5 {
		require.Equal(t, 401, try(), "a login clears the count")
	}
}

// Each step makes the cookie from before it worthless: a copy that somebody has planted,
// or taken, doesn't rise with it.
func TestEachStepGivesAnotherSession(t *testing.T) {
	w := newWorld(t, nil)
	w.open(shop + "/")
	anonymous := w.browser.copy()
	w.password()
	half := w.browser.copy()
	require.Equal(t, "Visit number 1 of nobody.", anonymous.open(shop+"/").text)
	w.code("123456")
	require.Equal(t, "Visit number 1 of nobody.", half.open(shop+"/").text)
	w.codes["222222"] = true
	again := w.browser.copy()
	w.password()
	w.code("222222")
	require.Equal(t, 401, again.open(shop+"/account").status)
	require.Equal(t, "Visit number 2 of local 7.", w.open(shop+"/").text)
}

func TestHalfALoginLeavesTheOtherUserAlone(t *testing.T) {
	w := newWorld(t, nil)
	w.signIn("")
	w.password()
	require.Equal(t, "You are "+visitor+".", w.open(shop+"/account").text)
	w.code("123456")
	require.Equal(t, "Visit number 1 of local 7.", w.open(shop+"/").text, "with nothing of theirs")
}

func TestRememberMeAfterTwoFactors(t *testing.T) {
	for remember, status := range map[string]int{"on": 200, "": 401} {
		w := newWorld(t, nil)
		w.password("remember", remember)
		w.code("123456")
		w.close()
		require.Equal(t, status, w.open(shop+"/account").status, "remember=%q", remember)
	}
}

func TestTheSecondFactorLeadsBackToThisSiteOnly(t *testing.T) {
	w := newWorld(t, nil)
	w.password("next", "https://evil.test/")
	require.Equal(t, shop+"/", w.code("123456").address)
}

// Another site's form is refused before the session is looked at. The provider's is the
// exception, if that is how it answers.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			w.signIn("?next=/account")
			before := w.cookies("shop.test")
			for _, path := range []string{"/logout", "/password", "/second-factor", "/login", "/"} {
				w.open("https://evil.test/")
				shown := w.post(shop+path, url.Values{"name": {"ankit"}, "password": {"correct horse"}})
				require.Equal(t, http.StatusForbidden, shown.status, path)
				require.Empty(t, shown.header["Set-Cookie"], path)
				require.Empty(t, shown.header["Vary"], "%s: the session is not looked at", path)
			}
			w.open("https://evil.test/")
			shown := w.post(shop+"/login/callback", url.Values{"state": {"AAAA"}, "code": {"AAAA"}})
			require.Contains(t, []int{http.StatusForbidden, http.StatusBadRequest}, shown.status)
			require.Empty(t, shown.header["Set-Cookie"])
			require.Equal(t, before, w.cookies("shop.test"))
			require.Equal(t, "You are "+visitor+".", w.open(shop+"/account").text)
		})
	}
}
