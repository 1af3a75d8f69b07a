package site

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // cookies are refused here on purpose
	os.Exit(m.Run())
}

var cookies = sitetest.Place{Store: "cookie", Handler: func(t *testing.T, now func() time.Time, flags ...string) http.Handler {
	t.Helper()
	config, err := NewFlags("test").Parse(append([]string{"-key", sitetest.HexKey}, flags...), noEnvironment, io.Discard)
	require.NoError(t, err)
	backend, err := config.CookieStore()
	require.NoError(t, err)
	handler, err := config.Handler(backend, now)
	require.NoError(t, err)
	return handler
}}

// TestSite runs the scenarios on each form that a session has in cookies.
func TestSite(t *testing.T) {
	for _, flags := range [][]string{
		{},
		{"-encrypt"},
		{"-chunks", "3"},
		{"-encrypt", "-chunks", "3"},
		{"-revoke", "memory"},
		{"-encrypt", "-chunks", "2", "-revoke", "memory"},
		{"-dbsc", "-revoke", "memory"},
	} {
		t.Run("cookie "+strings.Join(flags, " "), func(t *testing.T) { sitetest.Run(t, cookies.With(flags...)) })
	}
}

func TestSessionThatIsTooLargeIsNotSaved(t *testing.T) {
	v := cookies.Visit(t)
	v.Post("/session", "op", "set", "key", "n", "value", "1")
	before := v.Cookie()
	status, header, body := v.Do(v.Request("POST", "/session", sitetest.Fields("op", "set", "key", "big", "value", `"`+sitetest.Noise(4000)+`"`)))
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.Contains(t, body, "The session could not be saved.")
	assert.Contains(t, body, `largest keys: "big"`)
	assert.Equal(t, "no-store", header.Get("Cache-Control"))
	assert.Equal(t, before, v.Cookie())
}

func TestSessionThatWasEndedMeanwhileIsTheVisitorsError(t *testing.T) {
	w := httptest.NewRecorder()
	notSaved(w, httptest.NewRequest("GET", "/", nil), fmt.Errorf("a store: %w", cookiestore.ErrInterrupted))
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "Your session was ended by another request, and nothing was changed.")
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

func TestInspect(t *testing.T) {
	v := cookies.Visit(t)
	assert.Contains(t, v.Get("/inspect"), "Your browser sent no session cookie.")

	v.Get("/set-session?name=" + url.QueryEscape("</code>"))
	v.Clock.Advance(10 * time.Second)
	page := v.Get("/inspect")
	assert.Contains(t, page, "<strong>Verifies:</strong>")
	for i, class := range []string{"payload", "timestamp", "signature"} {
		assert.Contains(t, page, `<span class="`+class+`">`+strings.Split(v.Cookie(), ":")[i]+`</span>`)
	}
	assert.Contains(t, page, "not compressed")
	assert.Contains(t, page, `<time datetime="2026-03-01T12:00:00Z">1 March 2026, 12:00:00 UTC</time>`)
	assert.Contains(t, page, `In <span class="left" role="timer" data-seconds="20">20 seconds</span>:`+"\n"+`<time datetime="2026-03-01T12:00:30Z">`)
	assert.Contains(t, html.UnescapeString(page), "{\n  \"name\": \"</code>\",\n  \"_session_expiry\": 30\n}")
	assert.NotContains(t, page, `"name": "</code>"`, "the JSON is escaped")

	t.Run("a cookie that was changed does not verify, and is not decoded", func(t *testing.T) {
		good := v.Cookie()
		defer v.SetCookie(good)
		for _, changed := range []string{"x" + good, good[:len(good)-1] + "!", strings.Replace(good, ":", ":1", 1)} {
			v.SetCookie(changed)
			page := v.Get("/inspect")
			assert.Contains(t, page, "<strong>Does not verify:</strong> signature does not match.")
			assert.Contains(t, page, "Not decoded")
			assert.NotContains(t, page, "_session_expiry")
			assert.Contains(t, v.Get("/get-session"), "Session has expired")
		}
		v.SetCookie("rubbish")
		assert.Contains(t, v.Get("/inspect"), "<strong>Does not verify:</strong> malformed")
	})
	t.Run("a large session is compressed", func(t *testing.T) {
		v.Post("/session", "op", "set", "key", "long", "value", `"`+strings.Repeat("long ", 500)+`"`)
		assert.Contains(t, v.Get("/inspect"), "compressed JSON")
	})
	t.Run("a browser session says so", func(t *testing.T) {
		v.Post("/session", "op", "expiry", "value", "0")
		page := v.Get("/inspect")
		assert.Contains(t, page, ">about 14 days</span>:")
		assert.Contains(t, page, "the browser forgets it when it is closed")
	})
}

// TestDjangoSession goes on with sessions that Django 3.2 began.
func TestDjangoSession(t *testing.T) {
	const (
		secret    = "r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"
		oldSecret = "UTGBGQmtsLFGzLcEpVZzAQlxJSXRVxfCQGgXkHzxFUbEctTNLL"
		signedAt  = 1528093791
	)
	for name, value := range map[string]string{
		"signed with the secret key": "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI",
		"signed with an older one":   "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:6kpeQJhg7IwGH_oCXFaPj01bSTFWDxXQB-npaPevLLE",
	} {
		t.Run(name, func(t *testing.T) {
			v := cookies.Visit(t, "-key", "", "-django-key", secret, "-old-keys", "another, "+oldSecret)
			v.Clock.Set(time.Unix(signedAt, 0).Add(time.Hour))
			v.SetCookie(value)
			assert.Contains(t, v.Get("/inspect"), "Verifies")
			assert.Contains(t, v.Get("/"), "You have visited this page 2 times.")
		})
	}
}

func TestPagesShowTheCodeBehindThem(t *testing.T) {
	v := cookies.Visit(t)
	v.Post("/login", "user", "Ada")
	for _, test := range []struct{ path, function, file string }{
		{"/", "home", "visits.go"},
		{"/login", "login", "login.go"},
		{"/account", "account", "login.go"},
		{"/car", "changeWheels", "car.go"},
		{"/flash", "addFlash", "flash.go"},
		{"/rotate", "rotateKeys", "rotate.go"},
		{"/encryption", "signAndEncrypt", "encryption.go"},
		{"/large", "resize", "large.go"},
		{"/everywhere", "endAllSessions", "everywhere.go"},
		{"/dbsc", "bindSessions", "dbsc.go"},
		{"/get-session", "getSession", "expire.go"},
		{"/set-session?name=x", "setSession", "expire.go"},
	} {
		t.Run(test.path, func(t *testing.T) {
			code, err := os.ReadFile(test.file)
			require.NoError(t, err)
			_, shown, _ := strings.Cut(html.UnescapeString(v.Get(test.path)), "<code>func "+test.function)
			shown, _, _ = strings.Cut(shown, "</code>")
			assert.Contains(t, string(code), "\nfunc "+test.function+shown+"\n")
			assert.True(t, strings.HasSuffix(shown, "\n}"), test.function)
		})
	}
	_, err := source("nobody")
	assert.Error(t, err)
}

func TestDurationsForHumans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		14 * 24 * time.Hour:             "about 14 days",
		48*time.Hour - time.Second:      "about 48 hours",
		3 * time.Hour:                   "about 3 hours",
		30*time.Minute - time.Second:    "about 30 minutes",
		119 * time.Second:               "119 seconds",
		29*time.Second + time.Second/10: "29 seconds",
		time.Second:                     "1 second",
		0:                               "0 seconds",
	} {
		assert.Equal(t, want, remaining{d}.String())
	}
	assert.Zero(t, remainingAt(time.Unix(1, 0), time.Unix(2, 0)).Whole(), "what has ended has nothing left")
}

// What the salt of Django's format leaves out is not refused, and the page says so.
func TestNameIsNotSignedInDjangosFormat(t *testing.T) {
	v := cookies.Visit(t, "-key", "", "-django-key", "secret")
	v.Get("/")
	page := v.Post("/forge", "op", "name")
	assert.Contains(t, page, "<strong data-says>Accepted.</strong> <span data-why>What you changed is not signed on this site.")
	assert.Contains(t, page, "admin_sessionid")
}

// An older cookie of the site's is not a forgery, and the page doesn't say that what is
// signed isn't.
func TestAnOlderCookieIsStillValid(t *testing.T) {
	v := cookies.Visit(t)
	v.Get("/")
	parts := strings.Split(v.Cookie(), ":")
	v.Get("/")
	page := v.Post("/forge", "op", "check", "name", "sessionid", "payload", `{"num_visits":1}`, "timestamp", parts[1], "signature", parts[2])
	assert.Contains(t, page, "<strong data-says>Accepted.</strong> <span data-why>The site has signed this one, too")
}

// Without JavaScript, what a visitor checks is still a forgery of chunks.
func TestACheckKeepsTheKind(t *testing.T) {
	v := cookies.Visit(t, "-chunks", "2")
	v.Post("/large", "size", "5000")
	const leave = "Leave out the last one"
	assert.Contains(t, v.Get("/forge"), leave)
	assert.Contains(t, v.Post("/forge", "op", "check", "value", "x"), leave)
}

func TestLogOfAVisitIsTheServersToo(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(visitLog{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})})
	v := &visit{}
	visiting := context.WithValue(t.Context(), visitKey{}, v)
	logger.DebugContext(visiting, "one")
	logger.WarnContext(visiting, "two", "n", 2)
	logger.WarnContext(t.Context(), "three")
	logger.DebugContext(t.Context(), "four")
	assert.Equal(t, []string{"level=DEBUG msg=one", "level=WARN msg=two n=2"}, v.log)
	assert.NotContains(t, out.String(), "one")
	assert.Contains(t, out.String(), "msg=two n=2")
	assert.Contains(t, out.String(), "msg=three")
	assert.NotContains(t, out.String(), "four")
}

func TestInvitation(t *testing.T) {
	for _, test := range []struct{ name, address, opens string }{
		{"a loopback address", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"IPv6's has brackets", "[::1]:8080", "http://[::1]:8080"},
		{"all addresses", "[::]:80", "http://localhost:80"},
		{"all addresses of IPv4", "0.0.0.0:80", "http://localhost:80"},
		{"an address in the network", "192.0.2.1:8080", "http://192.0.2.1:8080"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, err := net.ResolveTCPAddr("tcp", test.address)
			require.NoError(t, err)
			assert.Equal(t, "Open "+test.opens+" in a browser. (Ctrl-C stops it.)", invitation(address, false))
			assert.Equal(t, "Open "+test.opens+" through an HTTPS proxy: browsers send the cookie over HTTPS alone, unless you start with -secure=false. (Ctrl-C stops it.)", invitation(address, true))
		})
	}
}
