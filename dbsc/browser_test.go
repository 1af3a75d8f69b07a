package dbsc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
	"example.com/cookiestore/sessiontest"
)

// How a real browser speaks the protocol is tested in interop/devicebound. Here it is one
// that can do wrong.

var testKey = []byte("dbsc-0123456789abcdef0123456789ab")

// A site has an account, behind a login.
type site struct {
	*testing.T
	clock       *sessiontest.Clock
	sessions    *cookiestore.Manager
	binder      *dbsc.Binder
	revocations *brokenRevocations // nil for none
	handler     http.Handler
	log         strings.Builder
	refused     []string // the reasons that the observer was told
}

// brokenRevocations can be made to fail.
type brokenRevocations struct {
	cookiestore.Revocations
	down  bool
	deaf  bool                 // can't be asked, but told
	mute  string               // can't be told of what begins so
	until map[string]time.Time // of what was ended for this package
}

var errDown = errors.New("the list is down")

func (r *brokenRevocations) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	if strings.HasPrefix(s.ID, "dbsc.") {
		if r.down || r.deaf {
			return false, errDown
		}
	}
	return r.Revocations.Revoked(ctx, s)
}

func (r *brokenRevocations) Revoke(ctx context.Context, id string, until time.Time) error {
	if r.down && strings.HasPrefix(id, "dbsc.") {
		return errDown
	}
	if r.mute != "" && strings.HasPrefix(id, r.mute) {
		return errDown
	}
	r.until[id] = until
	return r.Revocations.Revoke(ctx, id, until)
}

func newSite(t *testing.T, store cookiestore.Store, revoking bool, options ...dbsc.Option) *site {
	s := &site{T: t, clock: sessiontest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	all := []cookiestore.Option{
		cookiestore.WithClock(s.clock.Now),
		cookiestore.WithLogger(slog.New(slog.NewTextHandler(&s.log, nil))),
		cookiestore.WithObserver(func(_ context.Context, e cookiestore.Event) {
			if e.Kind == cookiestore.EventRefused {
				s.refused = append(s.refused, e.Reason)
			}
		}),
	}
	if revoking {
		s.revocations = &brokenRevocations{Revocations: cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(s.clock.Now)), until: map[string]time.Time{}}
		all = append(all, cookiestore.WithRevocations(s.revocations, "user"))
	}
	var err error
	s.sessions, err = cookiestore.NewManager(store, all...)
	require.NoError(t, err)
	s.binder, err = dbsc.New(s.sessions, testKey, append([]dbsc.Option{dbsc.WithExcluded("/login", "/logout", "/static/")}, options...)...)
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
		fmt.Fprint(w, cookiestore.Get(cookiestore.FromContext(r.Context()), "user", "nobody"))
	})
	mux.HandleFunc("/set", func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set(r.FormValue("key"), r.FormValue("value"))
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, json.NewEncoder(w).Encode(s.binder.Status(r)))
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Flush()
	})
	s.handler = s.sessions.Handler(s.binder.Require(mux))
	return s
}

func newStore(t *testing.T) *cookiestore.CookieStore {
	store, err := cookiestore.New(testKey)
	require.NoError(t, err)
	return store
}

// A browser has cookies, a key, and what it was told of the binding.
type browser struct {
	*site
	cookies    map[string]string
	key        *ecdsa.PrivateKey
	challenge  string
	identifier string
}

func newBrowser(s *site) *browser {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(s, err)
	return &browser{site: s, cookies: map[string]string{}, key: key}
}

// copied is a browser to which somebody has copied the cookies.
func (b *browser) copied() *browser {
	thief := newBrowser(b.site)
	thief.cookies = maps.Clone(b.cookies)
	return thief
}

var quoted = regexp.MustCompile(`challenge="([^"]+)"|^"([^"]+)";id="`)

// send makes a request with the browser's cookies, and keeps those that it gets.
func (b *browser) send(method, path string, header map[string]string) *httptest.ResponseRecorder {
	b.Helper()
	r := httptest.NewRequest(method, "https://shop.example"+path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	for _, field := range []string{"Secure-Session-Registration", "Secure-Session-Challenge"} {
		if m := quoted.FindStringSubmatch(w.Header().Get(field)); m != nil {
			b.challenge = m[1] + m[2]
		}
	}
	return w
}

func (b *browser) get(path string) string {
	b.Helper()
	w := b.send("GET", path, map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"})
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

// status of a request for a page.
func (b *browser) status(path string) int { b.Helper(); return b.send("GET", path, nil).Code }

type object = map[string]any

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func jwkOf(key *ecdsa.PrivateKey) object {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return object{"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}
}

func sign(key *ecdsa.PrivateKey, header, claims any) string {
	text := encode(header) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// proof of the key, as the browser makes it: with the public key at the registration.
func (b *browser) proof(withKey bool) string {
	header := object{"alg": "ES256", "typ": "dbsc+jwt"}
	if withKey {
		header["jwk"] = jwkOf(b.key)
	}
	return sign(b.key, header, object{"jti": b.challenge})
}

func (b *browser) register(proof string) *httptest.ResponseRecorder {
	b.Helper()
	w := b.send("POST", "/dbsc/register", map[string]string{"Secure-Session-Response": proof, "Sec-Fetch-Site": "same-origin"})
	if w.Code == http.StatusOK {
		var config struct {
			ID string `json:"session_identifier"`
		}
		require.NoError(b, json.Unmarshal(w.Body.Bytes(), &config))
		b.identifier = config.ID
	}
	return w
}

func (b *browser) refresh(proof string) *httptest.ResponseRecorder {
	b.Helper()
	header := map[string]string{"Sec-Secure-Session-Id": b.identifier, "Sec-Fetch-Site": "same-origin"}
	if proof != "" {
		header["Secure-Session-Response"] = proof
	}
	return b.send("POST", "/dbsc/refresh", header)
}

// login logs in and registers.
func (b *browser) login() {
	b.Helper()
	require.Equal(b, http.StatusSeeOther, b.status("/login"))
	require.Equal(b, http.StatusOK, b.register(b.proof(true)).Code)
	require.Equal(b, "200 ann", b.get("/account"))
}

// end lets the bound cookie end.
func (b *browser) end() {
	b.clock.Advance(10 * time.Minute)
	delete(b.cookies, "__Host-dbsc")
}

// bothWays tests a site whose sessions are in cookies and one with records, each with
// revocations and without.
func bothWays(t *testing.T, test func(*testing.T, *site)) {
	for name, store := range map[string]cookiestore.Store{"cookies": newStore(t), "records": newRecords()} {
		for _, revoking := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, revocations %v", name, revoking), func(t *testing.T) { test(t, newSite(t, store, revoking)) })
		}
	}
}

// sessionOf returns the browser's session.
func sessionOf(b *browser) *cookiestore.Session {
	session, err := b.sessions.Load(b.Context(), "sessionid="+b.cookies["sessionid"])
	require.NoError(b, err)
	return session
}
