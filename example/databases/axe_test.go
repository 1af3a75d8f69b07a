package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/example/databases/internal/chromium"
	"example.com/cookiestore/example/databases/internal/tour"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The release of axe-core that looks at the pages, and what its script must be.
const (
	axeRelease = "axe-core@4.14.1"
	axeSHA256  = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
)

// axeScript gets axe-core from npm's registry. Without npm the test is skipped, but
// for in CI, where it must run.
func axeScript(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "npm", "pack", "--silent", "--prefer-offline", "--pack-destination", dir, axeRelease).CombinedOutput()
	if err != nil {
		missing(t, "no %s: install npm (Debian's npm package), with access to its registry, to run this test: %v %s", axeRelease, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	file, err := os.Open(archives[0])
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	for archive := tar.NewReader(unzipped); ; {
		entry, err := archive.Next()
		require.NoError(t, err, "no axe.min.js in the package")
		if entry.Name != "package/axe.min.js" {
			continue
		}
		script, err := io.ReadAll(archive)
		require.NoError(t, err)
		sum := sha256.Sum256(script)
		require.Equal(t, axeSHA256, hex.EncodeToString(sum[:]))
		return string(script)
	}
}

// shifts are what has moved on the page without the visitor's doing.
const shifts = `new Promise(resolve => {
	new PerformanceObserver(list => resolve(list.getEntries().filter(e => e.value > 0).map(e =>
		e.value + ": " + e.sources.map(s => s.node?.outerHTML?.slice(0, 80)).join(", "))))
		.observe({type: "layout-shift", buffered: true});
	setTimeout(() => resolve([]), 100);
})`

// wide are the elements that stick out of the window, or whose text is cut off.
const wide = `Array.from(document.querySelectorAll("body, body *"), e => [e, getComputedStyle(e)])
	.filter(([e, style]) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("pre, .scroll, .skip")
		|| style.overflowX === "hidden" && e.scrollWidth > e.clientWidth && e.tagName !== "METER" && e.tagName !== "PROGRESS")
	.map(([e]) => e.outerHTML.slice(0, 80))`

// findings are what axe-core has to say against the page, everything unfolded.
const findings = `document.querySelectorAll("details").forEach(d => d.open = true),
	axe.run({resultTypes: ["violations"]}).then(result => result.violations.flatMap(v => v.nodes.map(n =>
		v.id + ": " + n.target.join(" ") + ": " + n.failureSummary)))`

func TestEveryPageIsAccessible(t *testing.T) {
	script := axeScript(t)
	for _, test := range []struct {
		store         string
		flags         []string
		width, height int64
		dark          bool
	}{
		{"cookie", nil, 360, 740, false},
		{"cookie", []string{"-revoke", "memory"}, 768, 1024, true},
		{"cookie", nil, 1440, 900, false},
		{"cookie", []string{"-encrypt", "-chunks", "3", "-revoke", "memory"}, 360, 740, false},
		{"cookie", []string{"-dbsc"}, 768, 1024, false},
		{"sqlite", nil, 360, 740, true},
		{"sqlite", []string{"-spill", "-revoke", "database"}, 1440, 900, true},
	} {
		t.Run(fmt.Sprintf("%s %s at %d pixels, dark %t", test.store, strings.Join(test.flags, " "), test.width, test.dark), func(t *testing.T) {
			server := newPlace(t, test.store).Serve(t, time.Now, test.flags...)
			base, flags := server.URL, []string(nil)
			if server.TLS != nil {
				base, flags = byName(server), []string{binds, trusts(server)}
			}
			b := startBrowser(t, findBrowser(t), t.TempDir(), base, flags...)
			require.NoError(t, chromium.Look(b.ctx, test.width, test.height, test.dark))
			err := tour.Walk(b.ctx, base, func(page string) error {
				return b.accessible(script, page)
			})
			require.NoError(t, err)
			b.onlyRefusals()
		})
	}
}

// accessible has axe-core look at the page in the browser, and checks that it fits.
func (b *browser) accessible(script, page string) error {
	b.Helper()
	shifted, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](shifts, chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	if page != "forge" { // where typing moves what is below
		assert.Empty(b, shifted, "layout shift on %s", page)
	}
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script+";0")); err != nil {
		return err
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](findings, chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	assert.Empty(b, found, page)
	cut, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](wide))
	assert.Empty(b, cut, "cut off on %s", page)
	return err
}

// onlyRefusals checks that all that went wrong are pages that a visitor may not have, and
// that nothing came from elsewhere.
func (b *browser) onlyRefusals() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		if !strings.Contains(problem, "the server responded with a status of 40") { // the console says it again
			assert.Contains(b, problem, "status 40")
		}
	}
	b.nothingElsewhere()
}
