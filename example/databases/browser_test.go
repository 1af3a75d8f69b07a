package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore/example/databases/internal/chromium"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// findBrowser returns the path of Chromium. Without one the test is skipped,
// but for in CI, where it must run.
func findBrowser(t *testing.T) string {
	t.Helper()
	path, err := chromium.Find()
	if err != nil {
		missing(t, "%v, to run this test", err)
	}
	return path
}

// missing skips a test for want of software, but fails it in CI.
func missing(t *testing.T, how string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(how, args...)
	}
	t.Skipf(how, args...)
}

// A browser is one tab of one run of Chromium.
type browser struct {
	*testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	requests map[network.RequestID]string
	problems []string // failed requests, and what is in the console
}

// startBrowser starts Chromium on a profile, and stops it when the test ends.
func startBrowser(t *testing.T, path, profile, base string, flags ...string) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromium.Start(ctx, path, profile, flags...)
	t.Cleanup(cancel)

	b := &browser{T: t, ctx: ctx, base: base, requests: map[network.RequestID]string{}}
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	return b
}

// listen notes what a visitor with the developer tools open would see in red.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := func(format string, args ...any) { b.problems = append(b.problems, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests[e.RequestID] = e.Request.URL
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			problem("%s: status %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFailed:
		problem("%s: %s %s", b.requests[e.RequestID], e.ErrorText, e.BlockedReason)
	case *log.EventEntryAdded:
		problem("console: %s", e.Entry.Text)
	case *runtime.EventConsoleAPICalled, *runtime.EventExceptionThrown:
		problem("console: %+v", e)
	}
}

func (b *browser) noProblems() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b, b.problems)
	b.nothingElsewhere()
}

// nothingElsewhere checks that all requests went to the site. The caller holds b.mu.
func (b *browser) nothingElsewhere() {
	b.Helper()
	for _, url := range b.requests {
		assert.True(b, strings.HasPrefix(url, b.base), "a request elsewhere: %s", url)
	}
}

// open navigates, and returns the page's text.
func (b *browser) open(path string) string {
	b.Helper()
	require.NoError(b, chromedp.Do(b.ctx, chromedp.Navigate(b.base+path)))
	return b.text()
}

func (b *browser) text() string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	require.NoError(b, err)
	return text
}

// send fills in the form with the given op, presses its button, and returns the
// text of the page that follows.
func (b *browser) send(op string, fields ...string) string {
	b.Helper()
	form := fmt.Sprintf(`form:has([name=op][value=%[1]s], [name=op] [value=%[1]s])`, op)
	steps := []chromedp.Action[chromedp.Void]{chromedp.WaitVisible(chromedp.CSS(form))}
	for i := 0; i < len(fields); i += 2 {
		steps = append(steps, chromedp.SetValue(chromedp.CSS(form+` [name=`+fields[i]+`]`), fields[i+1]))
	}
	steps = append(steps, chromedp.Click(chromedp.CSS(form+` button`)))
	_, err := chromedp.RunResponse(b.ctx, steps...)
	require.NoError(b, err)
	return b.text()
}

// cookies returns the cookies that the browser would send to the site.
func (b *browser) cookies() []*network.Cookie {
	b.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.base}})
	require.NoError(b, err)
	return got.Cookies
}

// close ends the browser as a visitor does, so that it writes its profile.
func (b *browser) close() {
	b.Helper()
	require.NoError(b, chromedp.Cancel(b.ctx))
}

func TestInBrowser(t *testing.T) {
	for _, store := range []string{"cookie", "sqlite"} {
		t.Run(store, func(t *testing.T) { inBrowser(t, newPlace(t, store)) })
	}
}

func inBrowser(t *testing.T, on place) {
	path := findBrowser(t)
	server := on.Serve(t, time.Now)
	profile := t.TempDir()

	b := startBrowser(t, path, profile, server.URL)

	// Visits are counted, from load to load.
	assert.Contains(t, b.open("/inspect"), "Your browser sent no session cookie.")
	assert.Contains(t, b.open("/"), "You have visited this page 1 time.")
	for _, want := range []string{"2 times.", "3 times."} {
		require.NoError(t, chromedp.Do(b.ctx, chromedp.Reload()))
		assert.Contains(t, b.text(), "You have visited this page "+want)
	}

	// The forms of the car, with a flash that is shown once.
	assert.Contains(t, b.open("/car"), "You drive a mini with steel wheels.")
	page := b.send("set", "model", "beetle")
	assert.Contains(t, page, "You drive a beetle with steel wheels.")
	assert.Contains(t, page, "You now drive a beetle.")
	assert.NotContains(t, b.open("/car"), "You now drive a beetle.")
	assert.Contains(t, b.send("wheels", "wheels", "alloy"), "You drive a beetle with alloy wheels.")
	page = b.send("delete")
	assert.Contains(t, page, "Your car is gone.")
	assert.Contains(t, page, "You drive a mini with steel wheels.")

	// A name, for a while.
	assert.Contains(t, b.open("/set-session?name=Ankit"), "Session is set...")
	assert.Contains(t, b.open("/get-session"), "Hello, Ankit")

	// The cookie verifies, scripts can't read it, and it has an end.
	assert.Contains(t, b.open("/inspect"), "Verifies: the signature is right")
	visible, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.cookie`))
	require.NoError(t, err)
	assert.Empty(t, visible)
	cookies := b.cookies()
	require.Len(t, cookies, 1)
	assert.True(t, cookies[0].HTTPOnly)
	assert.Equal(t, network.CookieSameSiteLax, cookies[0].SameSite)
	assert.False(t, cookies[0].Session)
	assert.InDelta(t, time.Now().Add(30*time.Second).Unix(), cookies[0].Expires, 5)

	// Nothing is wider than a phone, with a long session and all unfolded.
	b.open("/api")
	assert.Contains(t, b.send("set", "key", "long", "value", `"`+sitetest.Noise(1500)+`"`), "set is done")
	require.NoError(t, chromedp.Do(b.ctx, chromedp.EmulateViewport(360, 740)))
	for _, page := range []string{"/", "/inspect", "/forge", "/stores", "/api", "/account"} {
		b.open(page)
		width, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](
			`document.querySelectorAll("details").forEach(d => d.open = true), document.documentElement.scrollWidth`))
		require.NoError(t, err)
		assert.Equal(t, 360, width, page)
	}
	b.problems = nil // the status of /account

	// A persistent cookie outlives the browser.
	b.open("/api")
	b.send("clear")
	assert.Contains(t, b.open("/"), "1 time.")
	b.noProblems()
	b.close()
	b = startBrowser(t, path, profile, server.URL)
	assert.Contains(t, b.open("/"), "2 times.")

	// One that ends at browser close does not.
	b.open("/api")
	assert.Contains(t, b.send("expiry", "value", "0"), "or when the browser is closed")
	cookies = b.cookies()
	require.Len(t, cookies, 1)
	assert.True(t, cookies[0].Session)
	assert.Contains(t, b.open("/"), "3 times.")
	b.noProblems()
	b.close()
	b = startBrowser(t, path, profile, server.URL)
	assert.Empty(t, b.cookies())
	assert.Contains(t, b.open("/"), "1 time.")
	b.noProblems()
	b.close()
}
