package main

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/example/databases/internal/chromium"
	"example.com/cookiestore/example/databases/internal/tour"
	"example.com/cookiestore/example/site/sitetest"
	"example.com/cookiestore/sessiontest"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binds has Chromium bind sessions, with keys in software, as often as the site asks.
const binds = "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"

// trusts has Chromium trust the certificate of a server.
func trusts(server *httptest.Server) string {
	key := sha256.Sum256(server.Certificate().RawSubjectPublicKeyInfo)
	return "--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(key[:])
}

// byName returns the address of a server with a name in it: browsers bind no sessions of
// IP addresses.
func byName(server *httptest.Server) string {
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// signIn signs Ada in with the form on the page.
func (b *browser) signIn() {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](`document.querySelector("#remember button").click()`))
	require.NoError(b, err)
	require.NoError(b, tour.Wait(b.ctx, `location.pathname === "/account" && document.readyState === "complete"`))
}

// untilBound opens the page about the binding until it says that there is one: the browser
// registers its key while it goes on.
func (b *browser) untilBound() string {
	b.Helper()
	var page string
	for range 100 {
		if page = b.open("/dbsc"); strings.Contains(page, "Bound to this device.") {
			return page
		}
	}
	require.Contains(b, page, "Bound to this device.")
	return page
}

// dropBoundCookie has the browser's bound cookie end, whose clock no test can move.
func (b *browser) dropBoundCookie() {
	b.Helper()
	_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: "__Host-dbsc", URL: b.base})
	require.NoError(b, err)
}

// inShell runs a command from the page, as a visitor does who pastes it.
func inShell(t *testing.T, command string) string {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "no curl: install Debian's curl package to run this test")
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", command)
	out, err := shell.Output()
	require.NoError(t, err, command)
	return string(out)
}

func TestBindingInBrowser(t *testing.T) {
	for _, test := range []struct {
		store         string
		width, height int64
		dark          bool
	}{{"cookie", 360, 740, false}, {"sqlite", 1440, 900, true}} {
		t.Run(test.store, func(t *testing.T) {
			path, script := findBrowser(t), axeScript(t)
			clock := sessiontest.NewClock(time.Now())
			server := newPlace(t, test.store).Serve(t, clock.Now, "-dbsc")
			ada := startBrowser(t, path, t.TempDir(), byName(server), binds, trusts(server))
			require.NoError(t, chromium.Look(ada.ctx, test.width, test.height, test.dark))
			ada.open("/login")
			ada.signIn()
			ada.untilBound()
			require.NoError(t, ada.accessible(script, "dbsc"))
			command := func(which string) string {
				text, err := chromedp.Run(ada.ctx, chromedp.Evaluate[string](`document.querySelector("[aria-label='Command `+which+`']").textContent`))
				require.NoError(t, err)
				return text
			}
			all, without := command("with all cookies"), command("without the bound cookie")
			stolen := ada.cookies()

			// A copy of all cookies works until the bound one ends. The browser gets another.
			out := inShell(t, all)
			assert.Contains(t, out, `"user":"Ada"`)
			assert.Contains(t, out, "status 200")
			clock.Advance(10 * time.Minute)
			for _, command := range []string{all, without} {
				out = inShell(t, command)
				assert.NotContains(t, out, "Ada")
				assert.Contains(t, out, "status 401")
			}
			ada.dropBoundCookie()
			assert.Contains(t, ada.open("/account"), "Signed in as Ada")
			assert.Contains(t, ada.open("/dbsc"), "The bound cookie ends in about 10 minutes")

			// A thief's browser gets a page, and can sign in anew.
			thief := startBrowser(t, path, t.TempDir(), byName(server), binds, trusts(server))
			require.NoError(t, chromium.Look(thief.ctx, test.width, test.height, test.dark))
			for _, c := range stolen {
				_, err := chromedp.Call(thief.ctx, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: thief.base, Path: "/", Secure: &c.Secure})
				require.NoError(t, err)
			}
			assert.Contains(t, thief.open("/dbsc"), "Bound to another device")
			require.NoError(t, thief.accessible(script, "unbound"))
			thief.signIn()
			thief.untilBound()
			thief.onlyRefusals()

			// Signing out first gets another bound cookie, and then ends the session.
			ada.open("/login")
			ada.signIn() // the thief has ended the session
			ada.untilBound()
			ada.open("/account")
			clock.Advance(10 * time.Minute)
			ada.dropBoundCookie()
			_, err := chromedp.RunResponse(ada.ctx, chromedp.Click(chromedp.CSS(`[action="/logout"] button`)))
			require.NoError(t, err)
			assert.Contains(t, ada.text(), "You are signed out")
			ada.noProblems()
			assert.Contains(t, ada.open("/account"), "Not signed in")
		})
	}
}

// TestTheCommandForChromium starts the browser as the program says.
func TestTheCommandForChromium(t *testing.T) {
	path, binary := findBrowser(t), sitetest.Build(t)
	p := sitetest.Start(t, binary, []string{"SESSION_KEY=" + sitetest.HexKey}, "-store", "cookie", "-dbsc")
	p.Says("Open https://localhost:")
	p.Says("Chrome on Windows")
	said := regexp.MustCompile(`^chromium --user-data-dir="\$\(mktemp -d\)" (--\S+) (--\S+) (https://localhost:\d+)$`)
	match := said.FindStringSubmatch(p.Says("chromium"))
	require.Len(t, match, 4)
	p.Says("serving url=https://127.0.0.1:")
	b := startBrowser(t, path, t.TempDir(), match[3], match[1:3]...)
	b.open("/login")
	b.signIn()
	b.untilBound()
	b.noProblems()
	b.close()
	p.Stop()
}
