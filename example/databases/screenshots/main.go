// Command screenshots takes pictures of the demo site in Chromium:
//
//	go run ./example/databases/screenshots -dir docs/images
//
// makes those of the documentation. With -all it takes every page, whole, at three
// widths, in light and dark, to be looked at. The site's time and key are fixed, so
// that a picture changes only if the page does. Flags of the site follow after --, as in
//
//	go run ./example/databases/screenshots -all -dir /tmp/pictures -- -encrypt -chunks 3
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"example.com/cookiestore/example/databases/internal/chromium"
	"example.com/cookiestore/example/databases/internal/tour"
	"example.com/cookiestore/example/site"
	"github.com/chromedp/chromedp"
)

func main() {
	dir := flag.String("dir", "docs/images", "the `folder` for the pictures")
	all := flag.Bool("all", false, "take every page at every width")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a forged cookie is refused on purpose
	if err := run(*dir, *all); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// A look is a size of the window, and the colors.
type look struct {
	width, height int64
	dark          bool
}

func (l look) String() string {
	if l.dark {
		return fmt.Sprintf("%d-dark", l.width)
	}
	return fmt.Sprintf("%d-light", l.width)
}

var looks = []look{
	{360, 740, false}, {360, 740, true},
	{768, 1024, false}, {768, 1024, true},
	{1440, 900, false}, {1440, 900, true},
}

// documented are the pictures in the documentation, of one window each.
var documented = map[string]look{
	"home":       {1440, 900, false},
	"forge":      {1440, 900, true},
	"forge-sent": {768, 1024, false},
	"changed":    {1440, 900, false},
	"account":    {360, 740, true},
}

func run(dir string, all bool) error {
	path, err := chromium.Find()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if all {
		for _, l := range looks {
			if err := takeAll(path, dir, l, func(string) bool { return true }, chromedp.FullScreenshot(100)); err != nil {
				return err
			}
		}
		return nil
	}
	wanted := map[look]bool{}
	for _, l := range documented {
		wanted[l] = true
	}
	for l := range wanted {
		if err := takeAll(path, dir, l, func(page string) bool { return documented[page] == l }, chromedp.CaptureScreenshot()); err != nil {
			return err
		}
	}
	return nil
}

// takeAll walks through the pages as a new visitor and takes those that are wanted.
func takeAll(browser, dir string, l look, wanted func(page string) bool, take chromedp.Action[[]byte]) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	base, err := serve(ctx)
	if err != nil {
		return err
	}
	profile, err := os.MkdirTemp("", "screenshots")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	tab, stop := chromium.Start(ctx, browser, profile)
	defer stop()
	if err := chromium.Look(tab, l.width, l.height, l.dark); err != nil {
		return err
	}
	return tour.Walk(tab, base, func(page string) error {
		if !wanted(page) {
			return nil
		}
		picture, err := chromedp.Run(tab, take)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, page+"-"+l.String()+".png")
		fmt.Println(file)
		return write(file, picture)
	})
}

// serve serves the site until ctx ends.
func serve(ctx context.Context) (base string, err error) {
	key := "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	config, err := site.NewFlags("screenshots").Parse(append([]string{"-key", key}, flag.Args()...), func(string) string { return "" }, io.Discard)
	if err != nil {
		return "", err
	}
	backend, err := config.CookieStore()
	if err != nil {
		return "", err
	}
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	// A microsecond passes between any two looks at the clock, so that a session that begins
	// after all were ended is later than that.
	var looks atomic.Int64
	now := func() time.Time { return noon.Add(time.Duration(looks.Add(1)) * time.Microsecond) }
	handler, err := config.Handler(backend, now)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), nil
}
