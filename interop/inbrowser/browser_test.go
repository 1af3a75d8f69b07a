package inbrowser

import (
	"context"
	"database/sql"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"

	_ "modernc.org/sqlite"
)

// What only a browser can show: which of several cookies it sends and keeps, with which
// requests, and what the order of the responses makes of them.

// findChromium returns the path of Chromium. Without one the test is skipped, but for in
// CI, where it must run.
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

// A tab is one tab of one run of Chromium, to which all names under .test are this
// machine, and to which self-signed certificates are good.
type tab struct {
	*testing.T
	ctx context.Context
}

func openTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // Chromium's own needs another user than root
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	return &tab{t, ctx}
}

// open navigates, and returns the page's text.
func (b *tab) open(url string) string {
	b.Helper()
	require.NoError(b, chromedp.Do(b.ctx, chromedp.Navigate(url)))
	return b.run(`document.body.innerText`)
}

// run runs a script in the page, and returns what its promise gives.
func (b *tab) run(script string) string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	require.NoError(b, err, script)
	return strings.TrimSpace(text)
}

// fetch requests a path of the page's site, as its scripts would.
func (b *tab) fetch(path string) string {
	b.Helper()
	return b.run(fmt.Sprintf(`fetch(%q).then(r => r.text())`, path))
}

// cookies returns the cookies of that name that the browser would send to a URL.
func (b *tab) cookies(url string) (values []string) {
	b.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	require.NoError(b, err)
	for _, c := range got.Cookies {
		if c.Name == "sessionid" {
			values = append(values, c.Value)
		}
	}
	return values
}

// A liveSite is a site of the tests' own whose middleware can be changed while it runs,
// as by a deployment.
type liveSite struct {
	*testing.T
	scheme, host, port string

	log syncBuffer

	mu     sync.Mutex
	served http.Handler
	now    time.Time

	loaded, answered chan struct{} // of a poll
	cached           atomic.Int32  // how often the page that may be kept was asked for
}

var flashes = template.Must(template.New("").Parse(`{{range .Flashes}}{{.}}{{end}}`))

// newLiveSite starts a site under https://HOST.
func newLiveSite(t *testing.T, host string, store cookiestore.Store, options ...cookiestore.Option) *liveSite {
	return startLiveSite(t, "https", host, store, options...)
}

func startLiveSite(t *testing.T, scheme, host string, store cookiestore.Store, options ...cookiestore.Option) *liveSite {
	s := &liveSite{T: t, scheme: scheme, host: host, now: time.Now(), loaded: make(chan struct{}), answered: make(chan struct{})}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		served := s.served
		s.mu.Unlock()
		served.ServeHTTP(w, r)
	}))
	if scheme == "https" {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	_, s.port, _ = strings.Cut(server.Listener.Addr().String(), ":")
	s.deploy(store, options...)
	return s
}

func (s *liveSite) deploy(store cookiestore.Store, options ...cookiestore.Option) {
	options = append([]cookiestore.Option{
		cookiestore.WithLogger(slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		cookiestore.WithClock(func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }),
	}, options...)
	served := cookiestore.Middleware(store, options...)(http.HandlerFunc(s.serve))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served = served
}

func (s *liveSite) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *liveSite) url(path string) string { return s.scheme + "://" + s.host + ":" + s.port + path }

func (s *liveSite) serve(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch strings.TrimPrefix(r.URL.Path, "/app") {
	case "/set":
		session.Set(r.FormValue("key"), r.FormValue("value"))
	case "/login":
		session.CycleKey()
		session.Set("user", r.FormValue("user"))
	case "/logout":
		session.Flush()
	case "/flash":
		session.AddFlash(r.FormValue("text"))
	case "/flashes":
		_ = flashes.Execute(w, session)
		return
	case "/get":
		fmt.Fprint(w, cookiestore.Get(session, r.FormValue("key"), "nothing"))
		return
	case "/cached":
		s.cached.Add(1)
		w.Header().Set("Cache-Control", "private, max-age=600")
		fmt.Fprint(w, cookiestore.Get(session, "user", "nothing"))
		return
	case "/poll": // only reads, and takes its time
		session.Get("user")
		s.loaded <- struct{}{}
		<-s.answered
		fmt.Fprint(w, "no news")
		return
	case "/callback": // of a payment provider
		session.AddFlash("The payment failed.")
	case "/bounced": // of one that is told to do it right
		session.Set("paid", r.FormValue("paid"))
	}
	fmt.Fprint(w, "done")
}

// who logs in as, or asks for, the user.
func (b *tab) who() string { b.Helper(); return b.fetch("get?key=user") }

func newCookieStore(t *testing.T) *cookiestore.CookieStore {
	store, err := cookiestore.New([]byte("in-browser-0123456789abcdef01234"), cookiestore.WithCompressionOver(-1))
	require.NoError(t, err)
	return store
}

func newRows(t *testing.T) cookiestore.Store {
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)", filepath.Join(t.TempDir(), "sessions.db")))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	store, err := dbstore.New(db, []byte("in-browser-0123456789abcdef01234"))
	require.NoError(t, err)
	require.NoError(t, store.CreateTable(t.Context()))
	return store
}

func TestInChromium(t *testing.T) {
	b := openTab(t)
	stores := []struct {
		name  string
		store cookiestore.Store
	}{{"cookies", newCookieStore(t)}, {"rows", newRows(t)}}

	// The site's scope changes while visitors have the cookie of the old one, which
	// browsers send first.
	type options = []cookiestore.Option
	for i, change := range []struct {
		name          string
		before, after func(host string) options
	}{
		{"a domain is set", always(), func(host string) options { return options{cookiestore.WithDomain(host)} }},
		{"a domain is set no more", func(host string) options { return options{cookiestore.WithDomain(host)} },
			func(host string) options { return options{cookiestore.WithFormerScope(host, "/")} }},
		{"the path is shortened", always(cookiestore.WithPath("/app")), always(cookiestore.WithFormerScope("", "/app"))},
		{"the path is lengthened", always(), always(cookiestore.WithPath("/app"), cookiestore.WithFormerScope("", "/"))},
		{"it is partitioned", always(), always(cookiestore.WithPartitioned())},
		{"it is partitioned no more", always(cookiestore.WithPartitioned()), always()},
	} {
		for _, kind := range stores {
			t.Run(change.name+", with "+kind.name, func(t *testing.T) {
				b.T = t
				host := fmt.Sprintf("shop%d-%s.test", i, kind.name)
				site := newLiveSite(t, host, kind.store, change.before(host)...)
				b.open(site.url("/app/login?user=ann"))
				site.deploy(kind.store, change.after(host)...)
				require.Equal(t, "ann", b.who(), "the cookie of before counts")
				site.wait(2 * time.Second)
				b.fetch("login?user=bob")
				require.Equal(t, "bob", b.who())
				require.Len(t, b.cookies(site.url("/app/")), 2)
				b.fetch("logout")
				require.Equal(t, "nothing", b.who(), "neither is there any more")
				require.Empty(t, b.cookies(site.url("/app/")))
			})
		}
	}

	// A poll is answered after another request of the same page.
	for _, kind := range stores {
		for name, options := range map[string]options{
			"no renewal":         nil,
			"save every request": {cookiestore.WithSaveEveryRequest()},
			"renewal":            {cookiestore.WithRenewal(0.5)},
		} {
			for what, want := range map[string]string{"logout": "nothing", "login?user=bob": "bob"} {
				t.Run(what+" during a poll, with "+kind.name+" and "+name, func(t *testing.T) {
					b.T = t
					site := newLiveSite(t, strings.NewReplacer(" ", "-", "?", "-", "=", "-").Replace(what+name+kind.name)+".test", kind.store, options...)
					b.open(site.url("/login?user=ann"))
					site.wait(8 * 24 * time.Hour)
					b.run(`window.polled = fetch("poll").then(r => r.text()), ""`)
					<-site.loaded
					b.fetch(what)
					site.wait(2 * time.Second)
					site.answered <- struct{}{}
					require.Equal(t, "no news", b.run(`window.polled`))
					require.Equal(t, want, b.who())
				})
			}
		}
		t.Run("login while a session that has expired polls, with "+kind.name, func(t *testing.T) {
			b.T = t
			site := newLiveSite(t, "expired-"+kind.name+".test", kind.store)
			b.open(site.url("/login?user=ann"))
			site.wait(15 * 24 * time.Hour) // but not in the browser
			b.run(`window.polled = fetch("poll").then(r => r.text()), ""`)
			<-site.loaded
			b.fetch("login?user=bob")
			site.answered <- struct{}{}
			b.run(`window.polled`)
			require.Equal(t, "bob", b.who(), "the answer deletes no cookie")
		})
	}

	t.Run("a template that shows flash messages shows each once", func(t *testing.T) {
		b.T = t
		site := newLiveSite(t, "flash.test", newCookieStore(t), cookiestore.WithBuffer(1<<10))
		b.open(site.url("/flash?text=Saved."))
		require.Equal(t, "Saved.", b.open(site.url("/flashes")))
		require.Empty(t, b.open(site.url("/flashes")))
	})

	t.Run("a page that the browser may keep is asked for again when the cookie has changed", func(t *testing.T) {
		b.T = t
		// Without TLS, since Chromium keeps nothing of a server whose certificate is not good.
		site := startLiveSite(t, "http", "cached.test", newCookieStore(t), cookiestore.WithSecure(false))
		b.open(site.url("/login?user=ann"))
		for range 2 {
			require.Equal(t, "ann", b.fetch("cached"))
		}
		require.EqualValues(t, 1, site.cached.Load(), "the browser has kept it")
		b.open(site.url("/logout"))
		require.Equal(t, "nothing", b.fetch("cached"))
	})

	t.Run("a field of exactly as many bytes as the limit is kept", func(t *testing.T) {
		b.T = t
		store := newCookieStore(t)
		site := newLiveSite(t, "large.test", store)
		b.open(site.url("/get?key=x"))
		value := strings.Repeat("x", exactLength(t, store, cookiestore.MaxCookieSize))
		require.Equal(t, "done", b.run(fmt.Sprintf(`fetch("set?key=x", {method: "POST", body: new URLSearchParams({value: %q})}).then(r => r.text())`, value)))
		require.Equal(t, value, b.fetch("get?key=x"))
		require.Contains(t, b.run(fmt.Sprintf(`fetch("set?key=x", {method: "POST", body: new URLSearchParams({value: %q})}).then(r => r.text())`, value+"xx")), "could not be saved")
		require.Equal(t, value, b.fetch("get?key=x"), "the browser keeps what it had")
	})

	// A payment provider has the visitor's browser POST to the shop.
	for _, test := range []struct {
		name      string
		options   options
		says      string
		cart      string
		logged    string
		notLogged string
	}{
		{"a POST from another site replaces the session", nil, "done", "nothing", "session begun in a cross-site request", "level=ERROR"},
		{"WithoutCrossSiteSessions keeps it", options{cookiestore.WithoutCrossSiteSessions()}, "This request came from another site", "three books", "reason=cross-site", "session begun"},
		{"a cookie that is sent there keeps it", options{cookiestore.WithSameSite(http.SameSiteNoneMode)}, "done", "three books", "", "level="},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.T = t
			host := strings.ReplaceAll(strings.ToLower(test.name), " ", "-") + ".test"
			site := newLiveSite(t, host, newCookieStore(t), test.options...)
			pay := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				fmt.Fprintf(w, `<form method="post" action=%q><button>Pay</button></form>`, site.url("/callback"))
			}))
			defer pay.Close()
			_, port, _ := strings.Cut(pay.Listener.Addr().String(), ":")
			b.open(site.url("/set?key=cart&value=three+books"))
			b.open("https://pay-provider.test:" + port)
			_, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS("button")))
			require.NoError(t, err)
			require.Contains(t, b.run(`document.body.innerText`), test.says)
			b.open(site.url("/get?key=cart"))
			require.Equal(t, test.cart, b.fetch("get?key=cart"))
			require.Contains(t, site.log.String(), test.logged)
			require.NotContains(t, site.log.String(), test.notLogged)
		})
	}
}

// always are options that don't depend on the host.
func always(options ...cookiestore.Option) func(string) []cookiestore.Option {
	return func(string) []cookiestore.Option { return options }
}

// exactLength returns how many bytes a value under "x" has for the Set-Cookie field to
// have size bytes.
func exactLength(t *testing.T, store cookiestore.Store, size int) int {
	m, err := cookiestore.NewManager(store)
	require.NoError(t, err)
	for n := size; n > 0; n-- {
		var s cookiestore.Session
		s.Set("x", strings.Repeat("x", n))
		if cookies, err := m.Save(t.Context(), &s); err == nil && len(cookies[0].String()) == size {
			return n
		}
	}
	require.Fail(t, "no value makes a field of that size")
	return 0
}

// syncBuffer is a log that more than one goroutine writes.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
