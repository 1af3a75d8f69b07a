package inbrowser

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

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

// A largeTab is a tab at a large site.
type largeTab struct {
	*tab
	site *largeSite
}

// openLargeTabs returns two tabs of one browser.
func openLargeTabs(t *testing.T, site *largeSite) (one, two *largeTab) {
	t.Helper()
	one = &largeTab{openTab(t), site}
	one.visit("/")
	ctx, cancel := chromedp.NewContext(one.ctx)
	t.Cleanup(cancel)
	two = &largeTab{&tab{t, ctx}, site}
	two.visit("/")
	return one, two
}

// visit opens a path, and returns the page's text.
func (b *largeTab) visit(path string) string {
	b.Helper()
	return b.open(b.site.URL + path)
}

// sessionCookies returns the names of the cookies that the browser has, sorted, and the
// value of the session's own.
func (b *largeTab) sessionCookies() (names []string, session string) {
	b.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.site.URL}})
	require.NoError(b, err)
	names = []string{}
	for _, c := range got.Cookies {
		require.True(b, c.Secure && c.HTTPOnly)
		if names = append(names, c.Name); c.Name == largeName {
			session = c.Value
		}
	}
	slices.Sort(names)
	return names, session
}

func (b *largeTab) requireSession(user string, size, cookies int) {
	b.Helper()
	require.Equal(b, fmt.Sprintf("%q has %d bytes", user, size), b.visit("/"))
	want := []string{}
	for i := range cookies {
		want = append(want, strings.TrimSuffix(largeName+"-"+strconv.Itoa(i), "-0"))
	}
	names, _ := b.sessionCookies()
	require.Equal(b, want, names)
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
			one, two := openLargeTabs(t, site)
			for _, size := range []int{2500, 3000, 9000, 15_000, 9000, 3000, 15_000, 2500, 9000} {
				require.Equal(t, "filled for Ann", one.visit(fmt.Sprint("/fill/Ann/", size)))
				one.requireSession("Ann", size, test.cookies[size])
				two.requireSession("Ann", size, test.cookies[size])
			}
			// The other tab logs out, and in again as somebody with less.
			require.Equal(t, "bye", two.visit("/logout"))
			one.requireSession("nobody", 0, 0)
			require.Equal(t, "filled for Bob", one.visit("/login/Bob/15000"))
			require.Equal(t, "filled for Cid", two.visit("/login/Cid/3000"))
			one.requireSession("Cid", 3000, test.cookies[3000])
			require.NotContains(t, site.log.String(), "refused", "chunks of two sessions never met")
		})
	}
}

// The same with a table for what one cookie doesn't hold.
func TestSpilledSessionsInABrowser(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "sessions.sqlite3")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	records, err := dbstore.New(db, []byte("a secret of the table's own"))
	require.NoError(t, err)
	require.NoError(t, records.CreateTable(t.Context()))
	cookie, err := cookiestore.New([]byte("32 random bytes, kept as a secret"), cookiestore.WithEncryption())
	require.NoError(t, err)
	site := newLargeSite(t, cookiestore.Spill(cookie, records))
	one, two := openLargeTabs(t, site)
	rows := func() (n int) {
		require.NoError(t, db.QueryRow("SELECT count(*) FROM django_session").Scan(&n))
		return n
	}
	for _, step := range []struct{ size, rows int }{{100, 0}, {3000, 1}, {9000, 1}, {15_000, 1}, {2600, 1}, {1500, 0}, {2600, 0}, {9000, 1}} {
		require.Equal(t, "filled for Ann", one.visit(fmt.Sprint("/fill/Ann/", step.size)))
		one.requireSession("Ann", step.size, 1)
		two.requireSession("Ann", step.size, 1)
		require.Equal(t, step.rows, rows(), step.size)
		_, value := one.sessionCookies()
		require.Equal(t, step.rows == 1, strings.HasPrefix(value, "~"))
	}
	require.Equal(t, "bye", two.visit("/logout"))
	require.Zero(t, rows())
	one.requireSession("nobody", 0, 0)
	require.Equal(t, "filled for Bob", one.visit("/login/Bob/15000"))
	require.Equal(t, "filled for Cid", two.visit("/login/Cid/10"))
	require.Zero(t, rows())
	one.requireSession("Cid", 10, 1)
}
