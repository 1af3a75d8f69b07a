// Package devicebound tests package dbsc with a real browser: what Chromium makes of it, and
// what a copy of its cookies is worth.
package devicebound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	"example.com/cookiestore/dbsc"
)

var (
	oldKey = []byte("device-bound-0123456789abcdef0123")
	newKey = []byte("device-bound-3210fedcba9876543210")
)

// need returns the path of a program. Without it the test is skipped, but for in CI, where
// it must run.
func need(t *testing.T, how string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal(how)
	}
	t.Skip(how)
	return ""
}

func chromium(t *testing.T) string {
	return need(t, "no browser: install Debian's chromium package to run this test", "chromium", "chromium-browser", "google-chrome")
}

// A site has a login whose sessions are bound where the browser can do that.
type site struct {
	*testing.T
	sessions *cookiestore.Manager
	binder   *dbsc.Binder
	server   *httptest.Server
	port     string
	answer   string // to curl, a file

	mu     sync.Mutex
	offset time.Duration // of the site's clock

	registered, challenged, refreshed, ended atomic.Int32 // answers to the browser
	fails                                    atomic.Bool  // the refresh does
	lastProof, lastID                        atomic.Value // of a refresh
	reason                                   atomic.Value // of the last refusal
}

func newSite(t *testing.T) *site {
	s := &site{T: t, answer: filepath.Join(t.TempDir(), "answer")}
	store, err := cookiestore.New(oldKey)
	require.NoError(t, err)
	s.sessions, err = cookiestore.NewManager(store,
		cookiestore.WithClock(s.now), cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
		cookiestore.WithObserver(func(_ context.Context, e cookiestore.Event) {
			if e.Kind == cookiestore.EventRefused {
				s.reason.Store(e.Reason)
			}
		}),
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(s.now)), "user"))
	require.NoError(t, err)
	s.binder, err = dbsc.New(s.sessions, oldKey, dbsc.WithExcluded("/login", "/logout"))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.CycleKey()
		session.Set("user", "ann")
		s.binder.Offer(w, r)
		http.Redirect(w, r, "/account", http.StatusSeeOther)
	})
	mux.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, cookiestore.Get(cookiestore.FromContext(r.Context()), "user", "nobody"))
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, cookiestore.Get(cookiestore.FromContext(r.Context()), "user", "nobody"), " posts ", r.PostFormValue("text"))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Flush()
		fmt.Fprint(w, "goodbye")
	})
	shop := s.watch(s.sessions.Handler(s.binder.Require(mux)))
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "other.test") {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="%s">to the shop</a>`, s.url("/account"))
			return
		}
		shop.ServeHTTP(w, r)
	}))
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	_, s.port, _ = strings.Cut(s.server.Listener.Addr().String(), ":")
	return s
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.offset)
}

func (s *site) wait(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

func (s *site) url(path string) string { return "https://shop.test:" + s.port + path }

// watch counts what the browser is answered, and fails when it is told to.
func (s *site) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/dbsc/") {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/dbsc/refresh" && s.fails.Load() {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		if proof := r.Header.Get("Secure-Session-Response"); proof != "" {
			s.lastProof.Store(proof)
		}
		if id := r.Header.Get("Sec-Secure-Session-Id"); id != "" {
			s.lastID.Store(id)
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		switch {
		case r.URL.Path == "/dbsc/register" && answer.Code == http.StatusOK:
			defer s.registered.Add(1)
		case answer.Code == http.StatusForbidden:
			s.challenged.Add(1)
		case strings.Contains(answer.Body.String(), `"continue":false`):
			s.ended.Add(1)
		case answer.Code == http.StatusOK:
			s.refreshed.Add(1)
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// A tab is one of a run of Chromium, with a profile that outlives it.
type tab struct {
	*site
	ctx    context.Context
	cancel func()
}

// open starts Chromium on a profile. It knows the protocol, or doesn't.
func open(s *site, profile string, knows bool) *tab {
	s.Helper()
	certificate, err := x509.ParseCertificate(s.server.TLS.Certificates[0].Certificate[0])
	require.NoError(s, err)
	spki := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	features := "DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"
	if !knows {
		features = "NetworkService"
	}
	ctx, cancelTime := context.WithTimeout(s.Context(), 2*time.Minute)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(s.T)),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // Chromium's own needs another user than root
		chromedp.DisableGPU,
		chromedp.Flag("enable-features", features),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(spki[:])),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(s, err)
	b := &tab{site: s, ctx: ctx}
	b.cancel = sync.OnceFunc(func() {
		_ = chromedp.Cancel(ctx) // as a user closes it
		cancelTab()
		cancelAllocator()
		cancelTime()
	})
	s.Cleanup(b.cancel)
	return b
}

// get navigates, and returns the page's text.
func (b *tab) get(path string) string {
	b.Helper()
	require.NoError(b, chromedp.Do(b.ctx, chromedp.Navigate(b.url(path))))
	return b.run(`document.body.innerText`)
}

func (b *tab) run(script string) string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	require.NoError(b, err, script)
	return strings.TrimSpace(text)
}

// login logs in, and waits for the registration, which comes beside the page.
func (b *tab) login() {
	b.Helper()
	before := b.registered.Load()
	require.Equal(b, "ann", b.get("/login"))
	b.until(func() bool { return b.registered.Load() > before && b.jar()["__Host-dbsc"] != "" })
}

// until waits for what the browser does on its own.
func (b *tab) until(done func() bool) {
	b.Helper()
	require.Eventually(b, done, 30*time.Second, 10*time.Millisecond)
}

// jar returns the browser's cookies.
func (b *tab) jar() map[string]string {
	b.Helper()
	got, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.url("/")}})
	require.NoError(b, err)
	jar := map[string]string{}
	for _, c := range got.Cookies {
		jar[c.Name] = c.Value
	}
	return jar
}

// end lets the bound cookie end, on the site and in the browser.
func (b *tab) end() {
	b.Helper()
	b.wait(10*time.Minute + time.Second)
	_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: "__Host-dbsc", URL: b.url("/")})
	require.NoError(b, err)
}

// body is that of the last answer to curl.
func (s *site) body() string {
	text, err := os.ReadFile(s.answer)
	require.NoError(s, err)
	return string(text)
}

// curl requests a path as whoever has a copy of the jar would, and returns the status.
func (s *site) curl(method, path string, jar map[string]string, header ...string) string {
	s.Helper()
	program := need(s.T, "no curl: install Debian's curl package to run this test", "curl")
	var cookies []string
	for name, value := range jar {
		cookies = append(cookies, name+"="+value)
	}
	args := []string{"-s", "-k", "-X", method, "--resolve", "shop.test:" + s.port + ":127.0.0.1",
		"-o", s.answer, "-w", "%{http_code}", "-H", "Cookie: " + strings.Join(cookies, "; ")}
	for _, field := range header {
		args = append(args, "-H", field)
	}
	status, err := exec.CommandContext(s.Context(), program, append(args, s.url(path))...).Output()
	require.NoError(s, err)
	return string(status)
}

func TestInChromium(t *testing.T) {
	chromium(t)

	t.Run("it registers, and refreshes when the bound cookie has ended", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		for i := range 3 {
			b.end()
			require.Equal(t, "ann", b.get("/account"))
			require.EqualValues(t, i+1, b.refreshed.Load())
		}
		require.EqualValues(t, 3, b.challenged.Load(), "each refresh takes one challenge")
	})

	t.Run("requests at the same time wait for one refresh", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		b.get("/account")
		b.end()
		require.Equal(t, "ann ann ann ann, ann posts hello", b.run(`
			document.body.innerHTML = '<iframe name=answer></iframe><form method=post action=/form target=answer><input name=text value=hello></form>';
			const posted = new Promise(done => document.querySelector('iframe').onload = e => {
				const text = e.target.contentDocument.body.innerText;
				if (text) done(text);
			});
			const fetched = [1, 2, 3, 4].map(() => fetch('/account').then(r => r.text()));
			document.forms[0].submit();
			Promise.all([Promise.all(fetched), posted]).then(([f, p]) => f.join(' ') + ', ' + p)`))
		require.EqualValues(t, 1, b.refreshed.Load())
	})

	t.Run("a restart keeps the binding", func(t *testing.T) {
		s, profile := newSite(t), t.TempDir()
		b := open(s, profile, true)
		b.login()
		b.end()
		require.Equal(t, "ann", b.get("/account"))
		b.cancel()
		b = open(s, profile, true)
		b.end()
		require.Equal(t, "ann", b.get("/account"))
		require.EqualValues(t, 2, s.refreshed.Load())
	})

	for name, end := range map[string]func(*tab){
		"after a logout":              func(b *tab) { require.Equal(b, "goodbye", b.get("/logout")) },
		"after a sign out everywhere": func(b *tab) { require.NoError(b, b.sessions.RevokeUser(b.Context(), "ann")) },
	} {
		t.Run(name+" the browser forgets the binding", func(t *testing.T) {
			b := open(newSite(t), t.TempDir(), true)
			b.login()
			copied := b.jar()
			end(b)
			require.Equal(t, "200 nobody", b.curl("GET", "/account", copied)+" "+b.body())
			b.end()
			require.Equal(t, "nobody", b.get("/account"))
			b.until(func() bool { return b.ended.Load() == 1 })
			require.Equal(t, "nobody", b.get("/account"))
			require.EqualValues(t, 1, b.ended.Load(), "it doesn't ask again")
			b.login()
			b.end()
			require.Equal(t, "ann", b.get("/account"), "another login is bound anew")
		})
	}

	t.Run("a refresh that fails and comes back", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		b.fails.Store(true)
		b.end()
		require.Contains(t, b.get("/account"), "sign in again")
		b.fails.Store(false)
		require.Equal(t, "ann", b.get("/account"))
		require.EqualValues(t, 1, b.registered.Load())
	})

	t.Run("a key is replaced", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		require.NoError(t, b.binder.SetKeys(newKey, oldKey))
		require.Equal(t, "ann", b.get("/account"))
		b.end()
		require.Equal(t, "ann", b.get("/account"))
		require.EqualValues(t, 1, b.refreshed.Load())
		require.NoError(t, b.binder.SetKeys(newKey)) // some server lacks it
		b.end()
		require.Contains(t, b.get("/account"), "sign in again")
		require.NoError(t, b.binder.SetKeys(newKey, oldKey))
		require.Equal(t, "ann", b.get("/account"), "and the browser still has the binding")
	})

	t.Run("a bound cookie that is wrong heals", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		b.wait(2 * time.Minute)
		yes := true
		_, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{
			Name: "__Host-dbsc", Value: "wrong", URL: b.url("/"), Path: "/", Secure: &yes, HTTPOnly: &yes, SameSite: network.CookieSameSiteLax,
		})
		require.NoError(t, err)
		b.get("/account") // this, or a picture that the browser asks for, is refused
		require.Equal(t, "ann", b.get("/account"))
		require.EqualValues(t, 1, b.refreshed.Load())
	})

	t.Run("a login that another site leads to is bound", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		require.NoError(t, chromedp.Do(b.ctx, chromedp.Navigate("https://other.test:"+b.port+"/")))
		b.run(`document.querySelector('a').href = ` + fmt.Sprintf("%q", b.url("/login")) + `; document.querySelector('a').click(); ''`)
		b.until(func() bool { return b.registered.Load() == 1 && b.jar()["__Host-dbsc"] != "" })
		copied := b.jar()
		delete(copied, "__Host-dbsc")
		b.end()
		require.Equal(t, "401", b.curl("GET", "/account", copied))
		require.Equal(t, "ann", b.get("/account"))
	})

	t.Run("a click on another site", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		b.end()
		require.NoError(t, chromedp.Do(b.ctx, chromedp.Navigate("https://other.test:"+b.port+"/")))
		b.run(`document.querySelector('a').click(), ''`)
		b.until(func() bool {
			text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ''`))
			return err == nil && strings.TrimSpace(text) == "ann"
		})
		require.EqualValues(t, 1, b.refreshed.Load())
	})

	t.Run("a picture in another site's page doesn't end the binding", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), true)
		b.login()
		b.end()
		require.NoError(t, chromedp.Do(b.ctx, chromedp.Navigate("https://other.test:"+b.port+"/")))
		b.run(`new Promise(done => {
			const picture = new Image;
			picture.onload = picture.onerror = () => done('');
			picture.src = ` + fmt.Sprintf("%q", b.url("/account")) + `;
		})`)
		require.Equal(t, "ann", b.get("/account"))
		require.EqualValues(t, 0, b.ended.Load())
	})

	t.Run("for a browser that doesn't know the protocol nothing changes", func(t *testing.T) {
		b := open(newSite(t), t.TempDir(), false)
		require.Equal(t, "ann", b.get("/login"))
		for range 3 {
			b.wait(time.Hour)
			require.Equal(t, "ann", b.get("/account"))
		}
		require.Zero(t, b.registered.Load())
		require.NotContains(t, b.jar(), "__Host-dbsc")
	})

	t.Run("a copy of the jar is worth minutes", func(t *testing.T) {
		s := newSite(t)
		b, other := open(s, t.TempDir(), true), open(s, t.TempDir(), true)
		b.login()
		other.login()
		jar := b.jar()
		s.wait(9 * time.Minute)
		require.Equal(t, "200", s.curl("GET", "/account", jar), "while the bound cookie lives")
		b.end()
		require.Equal(t, "401", s.curl("GET", "/account", jar), "and no longer")

		require.Equal(t, "ann", b.get("/account"))
		id, proof := "Sec-Secure-Session-Id: "+s.lastID.Load().(string), s.lastProof.Load().(string)
		require.Equal(t, "403", s.curl("POST", "/dbsc/refresh", jar, id, "Secure-Session-Response: "+proof))
		require.Equal(t, "replayed challenge", s.reason.Load(), "it was good a moment ago")
		other.end()
		require.Equal(t, "ann", other.get("/account"))
		another := s.lastProof.Load().(string)
		for what, forged := range map[string]string{
			"without a proof":          "",
			"with a proof that is old": proof,
			"with another session's":   another,
			"with a key of one's own":  forge(t),
		} {
			header := []string{id}
			if forged != "" {
				header = append(header, "Secure-Session-Response: "+forged)
			}
			require.Equal(t, "403", s.curl("POST", "/dbsc/refresh", jar, header...), what)
			require.Equal(t, "401", s.curl("GET", "/account", jar), what)
		}
		require.Equal(t, "400", s.curl("POST", "/dbsc/register", jar, "Secure-Session-Response: "+forge(t)))
		b.end()
		require.Equal(t, "ann", b.get("/account"), "the visitor notices nothing")
	})
}

// forge returns a proof of a new key, without a challenge of the site's.
func forge(t *testing.T) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString
	part := func(v map[string]any) string {
		encoded, err := json.Marshal(v)
		require.NoError(t, err)
		return text(encoded)
	}
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}
	signed := part(map[string]any{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}) + "." + part(map[string]any{"jti": "a challenge"})
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	return signed + "." + text(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}
