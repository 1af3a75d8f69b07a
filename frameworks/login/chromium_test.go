package login_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing := errors.New("no browser: install Debian's chromium package, or put Google Chrome in the PATH")
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// newProfile makes a folder for Chromium, whose processes may write to it a moment longer
// than they are waited for.
func newProfile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

var tag = regexp.MustCompile(`<[^>]*>`)

// show starts Chromium on a profile and returns the text of the page that it ends up on.
func (n *internet) show(t *testing.T, path, profile, address string) string {
	t.Helper()
	var rules []string
	for host, at := range n.addresses {
		rules = append(rules, fmt.Sprintf("MAP %s:443 %s", host, at))
	}
	command := exec.CommandContext(t.Context(), path, "--headless=new", "--no-sandbox", "--disable-gpu",
		"--disable-component-update", "--user-data-dir="+profile, "--ignore-certificate-errors",
		"--host-resolver-rules="+strings.Join(rules, ","), "--virtual-time-budget=10000", "--dump-dom", address)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	require.NoError(t, err, complaints.String())
	return strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(string(out), "")))
}

// The rules of SameSite that the other tests go by are a real browser's.
func TestTheFlowsInChromium(t *testing.T) {
	chromium := findChromium(t)
	for _, flow := range flows {
		t.Run(flow.name, func(t *testing.T) {
			t.Parallel()
			w, profile := newWorld(t, flow.with), newProfile(t)
			require.Equal(t, "Visit number 1 of nobody.", w.net.show(t, chromium, profile, shop+"/"))
			text := w.net.show(t, chromium, profile, shop+"/login?remember=on&next=/account")
			require.Equal(t, "You are "+visitor+".", text)
			require.Equal(t, "Visit number 2 of "+visitor+".", w.net.show(t, chromium, profile, shop+"/"))

			linked := "You are " + visitor + "."
			if strings.Contains(flow.name, "Strict") {
				linked = "Please sign in."
			}
			link := "https://evil.test/?to=" + url.QueryEscape(shop+"/account")
			require.Equal(t, linked, w.net.show(t, chromium, profile, link), "by a link of another site")
		})
	}
}
