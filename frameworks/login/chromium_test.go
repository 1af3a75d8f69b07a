package login_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no browser: install Debian's chromium package, or put Google Chrome in the PATH"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// startChromium starts Chromium in this internet, and returns the context of a tab.
func (n *internet) startChromium(t *testing.T, path string) context.Context {
	t.Helper()
	var rules []string
	for host, at := range n.addresses {
		rules = append(rules, fmt.Sprintf("MAP %s:443 %s", host, at))
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // Chromium's own needs another user than root
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", strings.Join(rules, ",")),
	)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// show opens an address and returns the text of the page that the tab ends up on. It is
// plain text, which Chromium shows in a <pre>; those on the way have none.
func show(t *testing.T, tab context.Context, address string) string {
	t.Helper()
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address)))
	return shown(t, tab)
}

// press does what a visitor does who presses the page's button.
func press(t *testing.T, tab context.Context, address string) string {
	t.Helper()
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(address)))
	require.NoError(t, chromedp.Do(tab, chromedp.Click(chromedp.CSS("button"))))
	return shown(t, tab)
}

func shown(t *testing.T, tab context.Context) string {
	t.Helper()
	text, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("pre")))
	require.NoError(t, err)
	return strings.TrimSpace(text)
}

// The rules of SameSite that the other tests go by are a real browser's.
func TestTheFlowsInChromium(t *testing.T) {
	path := findChromium(t)
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			w := newWorld(t, flow.with)
			tab := w.net.startChromium(t, path)
			require.Equal(t, "Visit number 1 of nobody.", show(t, tab, shop+"/"))
			require.Equal(t, "You are "+visitor+".", press(t, tab, shop+"/login?next=/account"))
			require.Equal(t, "Visit number 2 of "+visitor+".", show(t, tab, shop+"/"))

			linked := "You are " + visitor + "."
			if strings.Contains(flow.name, "Strict") {
				linked = "Please sign in."
			}
			require.Equal(t, linked, show(t, tab, "https://evil.test/?to="+shop+"/account"), "by a link of another site")
		})
	}
}
