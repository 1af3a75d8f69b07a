// Package chromium starts a real browser, for the tests of the demo site and for its
// screenshots.
package chromium

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Find returns the path of Chromium. The error says how to get it.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no browser: install Debian's chromium package, or put Google Chrome in the PATH")
}

// Start starts the browser at path on a profile, with more flags of the form --name=value,
// and returns the context of a tab. Cancel ends it.
func Start(ctx context.Context, path, profile string, flags ...string) (tab context.Context, cancel context.CancelFunc) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // Chromium's own needs another user than root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
	)
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		options = append(options, chromedp.Flag(name, value))
	}
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, cancelTab := chromedp.NewContext(ctx)
	return tab, func() {
		cancelTab()
		cancelAllocator()
	}
}

// Look makes the window of a tab so wide and high, and the colors dark or light.
func Look(tab context.Context, width, height int64, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return err
	}
	return chromedp.Do(tab, chromedp.EmulateViewport(width, height))
}
