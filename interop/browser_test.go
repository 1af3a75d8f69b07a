package interop

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

// A largeSite is a site over HTTPS whose sessions have the size that a request asks for.
type largeSite struct {
	*httptest.Server
	log syncBuffer
}

const largeName = "__Host-session"

// newLargeSite starts a site over HTTPS.
func newLargeSite(t *testing.T, store cookiestore.Store, options ...cookiestore.Option) *largeSite {
	t.Helper()
	site := &largeSite{}
	options = append([]cookiestore.Option{
		cookiestore.WithName(largeName),
		cookiestore.WithLogger(slog.New(slog.NewTextHandler(&site.log, nil))),
	}, options...)
	mux := http.NewServeMux()
	mux.HandleFunc("/fill/{user}/{bytes}", func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(r.PathValue("bytes"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s := cookiestore.FromContext(r.Context())
		s.Set("user", r.PathValue("user"))
		s.Set("data", incompressible(size))
		fmt.Fprintf(w, "filled for %s", r.PathValue("user"))
	})
	mux.HandleFunc("/login/{user}/{bytes}", func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Flush()
		http.Redirect(w, r, "/fill/"+r.PathValue("user")+"/"+r.PathValue("bytes"), http.StatusSeeOther)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Flush()
		io.WriteString(w, "bye")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		data := cookiestore.Get(s, "data", "")
		if data != incompressible(len(data)) {
			io.WriteString(w, "broken ")
		}
		fmt.Fprintf(w, "%q has %d bytes", cookiestore.Get(s, "user", "nobody"), len(data))
	})
	site.Server = httptest.NewUnstartedServer(cookiestore.Middleware(store, options...)(mux))
	site.EnableHTTP2 = true
	site.StartTLS()
	t.Cleanup(site.Close)
	return site
}

// incompressible returns text that is as random as base64 can be, and always the same.
func incompressible(n int) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

// A tab is one of Chromium's.
type tab struct {
	t    *testing.T
	ctx  context.Context
	site *largeSite
}

// startChromium returns two tabs of one browser.
func startChromium(t *testing.T, site *largeSite) (one, two *tab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // Chromium's own needs another user than root
		chromedp.DisableGPU,
		chromedp.Flag("ignore-certificate-errors", true), // of httptest
		chromedp.Flag("disable-component-update", true),
	)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	first, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	one = &tab{t, first, site}
	one.open("/")
	second, cancel := chromedp.NewContext(first)
	t.Cleanup(cancel)
	two = &tab{t, second, site}
	two.open("/")
	return one, two
}

func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const how = "no browser: install Debian's chromium package, or put Google Chrome in the PATH, to run this test"
	if os.Getenv("CI") != "" {
		t.Fatal(how)
	}
	t.Skip(how)
	return ""
}

// open navigates, and returns the page's text.
func (b *tab) open(path string) string {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, chromedp.Navigate(b.site.URL+path)))
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	require.NoError(b.t, err)
	return text
}

// cookies returns the names of the cookies that the browser has, sorted, and that of the
// session.
func (b *tab) cookies() (names []string, session string) {
	b.t.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.site.URL}})
	require.NoError(b.t, err)
	names = []string{}
	for _, c := range got.Cookies {
		require.True(b.t, c.Secure && c.HTTPOnly)
		if names = append(names, c.Name); c.Name == largeName {
			session = c.Value
		}
	}
	slices.Sort(names)
	return names, session
}

func (b *tab) requireSession(user string, size, cookies int) {
	b.t.Helper()
	require.Equal(b.t, fmt.Sprintf("%q has %d bytes", user, size), b.open("/"))
	want := []string{}
	for i := range cookies {
		want = append(want, strings.TrimSuffix(largeName+"-"+strconv.Itoa(i), "-0"))
	}
	names, _ := b.cookies()
	require.Equal(b.t, want, names)
}

// A real browser keeps the cookies of large sessions, sends them all, and deletes those
// that are no longer needed, whichever tab asks for it.
func TestLargeSessionsInABrowser(t *testing.T) {
	key := []byte("32 random bytes, kept as a secret")
	for _, test := range []struct {
		name    string
		options []cookiestore.StoreOption
		cookies map[int]int // for so many bytes
	}{
		{"signed", []cookiestore.StoreOption{cookiestore.WithCompressionOver(-1)}, map[int]int{2500: 1, 3000: 2, 9000: 4, 15_000: 6}},
		{"compressed", nil, map[int]int{2500: 1, 3000: 1, 9000: 3, 15_000: 4}},
		{"encrypted", []cookiestore.StoreOption{cookiestore.WithEncryption()}, map[int]int{2500: 1, 3000: 2, 9000: 4, 15_000: 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := cookiestore.New(key, test.options...)
			require.NoError(t, err)
			site := newLargeSite(t, store, cookiestore.WithChunks(6))
			one, two := startChromium(t, site)
			for _, size := range []int{2500, 3000, 9000, 15_000, 9000, 3000, 15_000, 2500, 9000} {
				require.Equal(t, "filled for Ann", one.open(fmt.Sprint("/fill/Ann/", size)))
				one.requireSession("Ann", size, test.cookies[size])
				two.requireSession("Ann", size, test.cookies[size])
			}
			// The other tab logs out, and in again as somebody with less.
			require.Equal(t, "bye", two.open("/logout"))
			one.requireSession("nobody", 0, 0)
			require.Equal(t, "filled for Bob", one.open("/login/Bob/15000"))
			require.Equal(t, "filled for Cid", two.open("/login/Cid/3000"))
			one.requireSession("Cid", 3000, test.cookies[3000])
			require.NotContains(t, site.log.String(), "refused", "chunks of two sessions never met")
		})
	}
}

// The same with a table for what one cookie doesn't hold.
func TestSpilledSessionsInABrowser(t *testing.T) {
	db, err := openSQLite(t, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(db.drop)
	records, err := dbstore.New(db.DB, []byte("a secret of the table's own"))
	require.NoError(t, err)
	require.NoError(t, records.CreateTable(t.Context()))
	cookie, err := cookiestore.New([]byte("32 random bytes, kept as a secret"), cookiestore.WithEncryption())
	require.NoError(t, err)
	site := newLargeSite(t, cookiestore.Spill(cookie, records))
	one, two := startChromium(t, site)
	rows := func() (n int) {
		require.NoError(t, db.QueryRow("SELECT count(*) FROM django_session").Scan(&n))
		return n
	}
	for _, step := range []struct{ size, rows int }{{100, 0}, {3000, 1}, {9000, 1}, {15_000, 1}, {2600, 1}, {1500, 0}, {2600, 0}, {9000, 1}} {
		require.Equal(t, "filled for Ann", one.open(fmt.Sprint("/fill/Ann/", step.size)))
		one.requireSession("Ann", step.size, 1)
		two.requireSession("Ann", step.size, 1)
		require.Equal(t, step.rows, rows(), step.size)
		_, value := one.cookies()
		require.Equal(t, step.rows == 1, strings.HasPrefix(value, "~"))
	}
	require.Equal(t, "bye", two.open("/logout"))
	require.Zero(t, rows())
	one.requireSession("nobody", 0, 0)
	require.Equal(t, "filled for Bob", one.open("/login/Bob/15000"))
	require.Equal(t, "filled for Cid", two.open("/login/Cid/10"))
	require.Zero(t, rows())
	one.requireSession("Cid", 10, 1)
}
