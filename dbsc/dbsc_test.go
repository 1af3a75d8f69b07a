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

func TestABrowserRegistersAndRefreshes(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		w := b.send("GET", "/login", nil)
		require.Equal(t, `(ES256);path="/dbsc/register";challenge="`+b.challenge+`"`, w.Header().Get("Secure-Session-Registration"))
		w = b.register(b.proof(true))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.JSONEq(t, `{"session_identifier":"`+b.identifier+`","refresh_url":"/dbsc/refresh",`+
			`"scope":{"origin":"https://shop.example","include_site":false,"scope_specification":[`+
			`{"type":"exclude","domain":"shop.example","path":"/login"},{"type":"exclude","domain":"shop.example","path":"/logout"},`+
			`{"type":"exclude","domain":"shop.example","path":"/static/"}]},`+
			`"credentials":[{"type":"cookie","name":"__Host-dbsc","attributes":"Path=/; Secure; HttpOnly; SameSite=Lax"}]}`, w.Body.String())
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		set := w.Header().Values("Set-Cookie")
		require.Contains(t, set[0]+set[len(set)-1], "; Max-Age=600; Path=/; Secure; HttpOnly; SameSite=Lax")
		require.Equal(t, "200 ann", b.get("/account"))

		for range 3 {
			b.end()
			require.Equal(t, http.StatusUnauthorized, b.status("/account"))
			w = b.refresh("")
			require.Equal(t, http.StatusForbidden, w.Code)
			require.NotContains(t, s.refused, "forged proof")
			require.Equal(t, `"`+b.challenge+`";id="`+b.identifier+`"`, w.Header().Get("Secure-Session-Challenge"))
			require.Equal(t, http.StatusUnauthorized, b.status("/account"), "a challenge alone gives nothing")
			before := b.identifier
			require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
			require.Equal(t, before, b.identifier)
			require.Equal(t, "200 ann", b.get("/account"))
		}
	})
}

func TestACopyIsWorthMinutes(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.login()
		thief := b.copied()
		s.clock.Advance(10*time.Minute - time.Second)
		require.Equal(t, "200 ann", thief.get("/account"))
		s.clock.Advance(time.Second)
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
		require.Equal(t, "unbound", s.refused[len(s.refused)-1])
		require.Contains(t, s.log.String(), `msg="unbound request of a bound session"`)

		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
		require.Equal(t, "200 ann", b.get("/account"), "the visitor goes on")
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
	})
}

// A login's cookie that was copied before the browser had registered.
func TestACopyFromBeforeTheRegistration(t *testing.T) {
	for _, tt := range []struct {
		name     string
		store    cookiestore.Store
		revoking bool
		want     int
	}{
		{"it ends with revocations", newStore(t), true, http.StatusUnauthorized},
		{"it ends where there are records", newRecords(), false, http.StatusUnauthorized},
		{"without either it remains", newStore(t), false, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.store, tt.revoking)
			b := newBrowser(s)
			b.send("GET", "/login", nil)
			thief := b.copied()
			require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
			require.Equal(t, "200 ann", b.get("/account"))
			s.clock.Advance(time.Minute - time.Second)
			require.Equal(t, http.StatusOK, thief.status("/account"), "requests that were under way are good")
			s.clock.Advance(time.Second)
			require.Equal(t, tt.want, thief.status("/account"))
			if tt.want == http.StatusUnauthorized {
				require.Equal(t, []string{"unbound"}, s.refused)
			}
		})
	}
}

// The response of a request that was under way during the registration sets the session
// as it was before.
func TestARequestUnderWayDoesNotUnbind(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		under := b.copied()
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		under.get("/set?key=cart&value=full")
		b.cookies["sessionid"] = under.cookies["sessionid"] // it is answered last

		require.Equal(t, "200 ann", b.get("/account"))
		stolen := b.copied()
		delete(stolen.cookies, "__Host-dbsc")
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, http.StatusUnauthorized, stolen.status("/account"), "it is bound again")
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	})

	t.Run("the refresh knows the session of before, too", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		before := b.cookies["sessionid"]
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		b.end()
		b.cookies["sessionid"] = before
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
		require.Equal(t, "200 ann", b.get("/account"))
	})
}

func TestBrowsersWithoutDBSC(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		require.Equal(t, "200 nobody", b.get("/account"))
		b.send("GET", "/login", nil)
		for range 3 {
			s.clock.Advance(24 * time.Hour)
			require.Equal(t, "200 ann", b.get("/account"))
		}
		require.Empty(t, s.refused)
		require.NotContains(t, b.cookies, "__Host-dbsc")
	})
}

func TestForgeries(t *testing.T) {
	point := func(x, y string) func(*browser) string {
		return func(b *browser) string {
			jwk := jwkOf(b.key)
			jwk["x"], jwk["y"] = x, y
			return sign(b.key, object{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}, object{"jti": b.challenge})
		}
	}
	header := func(change func(object)) func(*browser) string {
		return func(b *browser) string {
			h := object{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwkOf(b.key)}
			change(h)
			return sign(b.key, h, object{"jti": b.challenge})
		}
	}
	signature := func(change func(s string) string) func(*browser) string {
		return func(b *browser) string {
			proof := b.proof(true)
			dot := strings.LastIndex(proof, ".")
			return proof[:dot+1] + change(proof[dot+1:])
		}
	}
	ones := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\x01", 32)))
	for _, tt := range []struct {
		name  string
		forge func(*browser) string
		says  string
	}{
		{"no proof", func(*browser) string { return "" }, "not a JWT"},
		{"two parts", func(b *browser) string { return "a.b" }, "not a JWT"},
		{"four parts", func(b *browser) string { return b.proof(true) + ".x" }, "not a JWT"},
		{"too long", header(func(h object) { h["x"] = strings.Repeat("x", 4096) }), "over 4096"},
		{"a header that isn't base64url", func(b *browser) string { return "+" + b.proof(true) }, "the header is not base64url"},
		{"a header with a line break", func(b *browser) string { return strings.Replace(b.proof(true), ".", "\n.", 1) }, "the header is not base64url"},
		{"a header that isn't an object", func(b *browser) string { return sign(b.key, []int{1}, object{"jti": b.challenge}) }, "not a JSON object"},
		{"another type", header(func(h object) { h["typ"] = "JWT" }), "typ is not"},
		{"no type", header(func(h object) { delete(h, "typ") }), "typ is not"},
		{"a type that isn't text", header(func(h object) { h["typ"] = 1 }), "typ is not"},
		{"no algorithm", header(func(h object) { h["alg"] = "none" }), "alg is not"},
		{"an HMAC", header(func(h object) { h["alg"] = "HS256" }), "alg is not"},
		{"another spelling", header(func(h object) { delete(h, "alg"); h["ALG"] = "ES256" }), "alg is not"},
		{"extensions", header(func(h object) { h["crit"] = []string{"b64"}; h["b64"] = false }), "crit names"},
		{"no key", header(func(h object) { delete(h, "jwk") }), "jwk is missing"},
		{"a key that isn't an object", header(func(h object) { h["jwk"] = "x" }), "jwk is not a JSON object"},
		{"an RSA key with a point", header(func(h object) { j := h["jwk"].(object); j["kty"] = "RSA" }), "not a key on P-256"},
		{"an RSA key", header(func(h object) { h["jwk"] = object{"kty": "RSA", "n": "AQAB", "e": "AQAB"} }), "not a key on P-256"},
		{"another curve", header(func(h object) { j := h["jwk"].(object); j["crv"] = "P-384" }), "not a key on P-256"},
		{"a point off the curve", point(ones, ones), "not a point of P-256"},
		{"the point at zero", point(strings.Repeat("A", 43), strings.Repeat("A", 43)), "not a point of P-256"},
		{"a coordinate over the prime", point(base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))), ones), "not a point of P-256"},
		{"a short coordinate", point("AQ", ones), "x of jwk is not 32 bytes"},
		{"a long coordinate", point(ones, ones+"AAAA"), "y of jwk is not 32 bytes"},
		{"no signature", signature(func(string) string { return "" }), "not 64 bytes"},
		{"a signature of zeros", signature(func(string) string { return strings.Repeat("A", 86) }), "has not signed"},
		{"a short signature", signature(func(s string) string { return s[:84] }), "not 64 bytes"},
		{"a long signature", signature(func(s string) string { return base64.RawURLEncoding.EncodeToString(make([]byte, 65)) }), "not 64 bytes"},
		{"a signature with bits that say nothing", signature(func(s string) string { return s[:85] + "B" }), "not 64 bytes"},
		{"another spelling of the signature", signature(func(s string) string { return s + "=" }), "not 64 bytes"},
		{"a key that has not signed", func(b *browser) string {
			h := object{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwkOf(newBrowser(b.site).key)}
			return sign(b.key, h, object{"jti": b.challenge})
		}, "has not signed"},
		{"claims that aren't an object", func(b *browser) string {
			return sign(b.key, object{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwkOf(b.key)}, "x")
		}, "the claims are not a JSON object"},
		{"no challenge", func(b *browser) string { b.challenge = ""; return b.proof(true) }, "jti is missing"},
		{"a challenge of one's own", func(b *browser) string { b.challenge = "x"; return b.proof(true) }, "malformed"},
		{"a challenge with another signature", func(b *browser) string { b.challenge = b.challenge[:len(b.challenge)-1] + "_"; return b.proof(true) }, "signature does not match"},
		{"another session's challenge", func(b *browser) string {
			other := newBrowser(b.site)
			other.send("GET", "/login", nil)
			b.challenge = other.challenge
			return b.proof(true)
		}, "another session"},
		{"a challenge that is too old", func(b *browser) string {
			b.clock.Advance(31 * time.Second)
			return b.proof(true)
		}, "too old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, newStore(t), true)
			b := newBrowser(s)
			b.send("GET", "/login", nil)
			w := b.register(tt.forge(b))
			require.Equal(t, "400 Bad Request\n", fmt.Sprint(w.Code, " ", w.Body))
			require.Empty(t, w.Result().Cookies())
			require.Contains(t, s.log.String(), tt.says)
			require.NotEmpty(t, s.refused)
			s.clock.Advance(time.Hour)
			require.Equal(t, "200 ann", b.get("/account"), "the session stays what it was")
		})
	}
}

func TestForgedRefreshes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		forge  func(thief, visitor *browser) string // a proof
		reason string
	}{
		{"a key of one's own", func(thief, _ *browser) string { return thief.proof(false) }, "forged proof"},
		{"a key of one's own, sent along", func(thief, _ *browser) string { return thief.proof(true) }, "forged proof"},
		{"another session's proof", func(thief, _ *browser) string {
			other := newBrowser(thief.site)
			other.login()
			other.refresh("")
			return other.proof(false)
		}, "forged proof"},
		{"a proof of the same key for another session", func(thief, visitor *browser) string {
			other := newBrowser(thief.site)
			other.key = visitor.key
			other.login()
			other.refresh("")
			return other.proof(false)
		}, "forged proof"},
		{"a proof that was used", func(thief, visitor *browser) string {
			visitor.refresh("")
			proof := visitor.proof(false)
			require.Equal(thief, http.StatusOK, visitor.refresh(proof).Code)
			return proof
		}, "replayed challenge"},
		{"a proof of the registration", func(thief, visitor *browser) string { return visitor.proof(true) }, "forged proof"},
		{"a proof that is too old", func(thief, visitor *browser) string {
			visitor.refresh("")
			thief.clock.Advance(31 * time.Second)
			return visitor.proof(false)
		}, "stale challenge"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, newStore(t), true)
			b := newBrowser(s)
			b.login()
			thief := b.copied()
			thief.identifier = b.identifier
			s.clock.Advance(10 * time.Minute)
			thief.refresh("")
			w := thief.refresh(tt.forge(thief, b))
			require.Equal(t, http.StatusForbidden, w.Code)
			require.NotEmpty(t, w.Header().Get("Secure-Session-Challenge"), "or the browser would forget the key")
			require.Empty(t, w.Result().Cookies())
			require.Equal(t, tt.reason, s.refused[len(s.refused)-1])
			require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
		})
	}

	t.Run("the bound cookie of another session", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b, other := newBrowser(s), newBrowser(s)
		b.login()
		thief := b.copied()
		s.clock.Advance(time.Hour)
		other.login()
		thief.cookies["__Host-dbsc"] = other.cookies["__Host-dbsc"]
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
		thief.cookies["__Host-dbsc"] = other.identifier
		require.Equal(t, http.StatusUnauthorized, thief.status("/account"))
	})
}

// The page after the login and the registration are under way at the same time, and the
// later response of two that set a session's cookie would win.
func TestTheRegistrationLeavesTheSessionAlone(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		before := b.cookies["sessionid"]
		b.get("/set?key=cart&value=full")
		changed := b.cookies["sessionid"]
		b.cookies["sessionid"] = before
		require.Len(t, b.register(b.proof(true)).Result().Cookies(), 1)
		require.Equal(t, before, b.cookies["sessionid"])
		b.cookies["sessionid"] = changed
		if s.revocations != nil {
			require.Empty(t, b.send("GET", "/account", nil).Result().Cookies(), "nor do the requests beside it")
		}
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, "full", cookiestore.Get(sessionOf(b), "cart", ""))
		require.Equal(t, 2, strings.Count(cookiestore.Get(sessionOf(b), dbsc.Key, ""), "."), "it notes the binding")
		require.Empty(t, b.send("GET", "/account", nil).Result().Cookies(), "once")
	})
}

func TestOfferCyclesTheKey(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.get("/set?key=user&value=ann")
	thief := b.copied()
	require.Equal(t, "200 ann", thief.get("/account"))
	s.sessions.Handler(http.HandlerFunc(s.binder.Offer)).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
		return r
	}())
	require.Equal(t, "200 nobody", thief.get("/account"))
}

// Revocations forget an offer after 400 days, in which a thief may keep a copy alive.
func TestAnOldOfferIsNoLongerGood(t *testing.T) {
	for _, revoking := range []bool{true, false} {
		s := newSite(t, newStore(t), revoking)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		for range 399 {
			s.clock.Advance(24 * time.Hour)
			b.get("/set?key=day&value=" + s.clock.Now().String()[:10])
		}
		s.clock.Advance(24*time.Hour - time.Second)
		require.Equal(t, "200 ann", b.get("/account"))
		b.get("/set?key=day&value=400")
		s.clock.Advance(time.Second)
		require.Equal(t, map[bool]int{true: 401, false: 200}[revoking], b.status("/account"))
	}
}

func TestOtherMiddlewaresAreAround(t *testing.T) {
	s := newSite(t, newStore(t), true)
	inner, err := cookiestore.NewManager(newStore(t), cookiestore.WithName("other"), cookiestore.WithClock(s.clock.Now))
	require.NoError(t, err)
	s.handler = s.sessions.Handler(inner.Handler(s.binder.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			session, _ := cookiestore.FromContextNamed(r.Context(), "sessionid")
			session.Set("user", "ann")
			s.binder.Offer(w, r)
		default:
			session, _ := cookiestore.FromContextNamed(r.Context(), "sessionid")
			fmt.Fprint(w, cookiestore.Get(session, "user", "nobody"))
		}
	}))))
	b := newBrowser(s)
	b.get("/login")
	require.NotContains(t, b.cookies, "other")
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	require.Equal(t, "200 ann", b.get("/account"))
	b.end()
	require.Equal(t, http.StatusUnauthorized, b.status("/account"))

	require.PanicsWithValue(t, `dbsc: no session of the cookie "sessionid" in this request: put Require inside of the manager's Handler`, func() {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "a", Value: "b"})
		inner.Handler(s.binder.Require(http.NotFoundHandler())).ServeHTTP(httptest.NewRecorder(), r)
	})
}

// What browsers believe to be good they don't refresh.
func TestABoundCookieThatIsWrongIsDeleted(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.login()
	good := b.cookies["__Host-dbsc"]
	s.clock.Advance(2 * time.Minute)
	b.cookies["__Host-dbsc"] = "wrong"
	w := b.send("GET", "/account", nil)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Equal(t, "__Host-dbsc=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax", w.Header().Get("Set-Cookie"))
	w = b.send("GET", "/account", nil)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Empty(t, w.Header().Get("Set-Cookie"), "there is none")
	b.cookies["__Host-dbsc"] = good
	require.Equal(t, "200 ann", b.get("/account"))
}

// A bound cookie with any ID but that of the binding, signed as ours are.
func TestTheBoundCookieOfAnotherBinding(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.login()
	s.clock.Advance(time.Minute)
	b.get("/account")
	parts := strings.Split(cookiestore.Get(sessionOf(b), dbsc.Key, ""), ".")
	signer, err := cookiestore.NewSigner(testKey)
	require.NoError(t, err)
	s.clock.Advance(2 * time.Minute)
	for payload, want := range map[string]int{
		parts[2] + "." + parts[0]: 200,
		"another." + parts[0]:     401,
		"." + parts[0]:            401,
		parts[0] + "." + parts[0]: 401,
	} {
		b.cookies["__Host-dbsc"] = signer.Sign("dbsc bound cookie", payload, s.clock.Now())
		require.Equal(t, want, b.status("/account"), payload)
	}
	for ahead, want := range map[time.Duration]int{time.Minute: 200, time.Minute + time.Second: 401} {
		b.cookies["__Host-dbsc"] = signer.Sign("dbsc bound cookie", parts[2]+"."+parts[0], s.clock.Now().Add(ahead))
		require.Equal(t, want, b.status("/account"), "a clock that is ahead by %v", ahead)
	}
	for ahead, want := range map[time.Duration]int{time.Minute: 200, time.Minute + time.Second: 403} {
		b.challenge = signer.Sign("dbsc challenge", "nonce"+ahead.String()+"."+parts[2], s.clock.Now().Add(ahead))
		require.Equal(t, want, b.refresh(b.proof(false)).Code, "a clock that is ahead by %v", ahead)
	}
}

// What answers browsers on their own, and what refuses, renews no session.
func TestTheSessionIsNotRenewedBeside(t *testing.T) {
	s := newSite(t, newStore(t), true, dbsc.WithUnbound(func(http.ResponseWriter, *http.Request, *cookiestore.Session, http.Handler) {}))
	sessions, err := cookiestore.NewManager(newStore(t), cookiestore.WithSaveEveryRequest(), cookiestore.WithClock(s.clock.Now))
	require.NoError(t, err)
	s.handler = sessions.Handler(s.binder.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			cookiestore.FromContext(r.Context()).Set("user", "ann")
			s.binder.Offer(w, r)
		}
	})))
	b := newBrowser(s)
	b.get("/login")
	set := func(w *httptest.ResponseRecorder) (names []string) {
		require.Equal(t, http.StatusOK, w.Code)
		for _, c := range w.Result().Cookies() {
			names = append(names, c.Name)
		}
		return names
	}
	require.Equal(t, []string{"__Host-dbsc"}, set(b.register(b.proof(true))))
	require.Equal(t, []string{"sessionid"}, set(b.send("GET", "/account", nil)))
	b.refresh("")
	require.Equal(t, []string{"__Host-dbsc"}, set(b.refresh(b.proof(false))))
	s.clock.Advance(time.Minute)
	b.send("GET", "/account", map[string]string{"Sec-Fetch-Mode": "navigate"})
	s.clock.Advance(time.Hour)
	require.Equal(t, []string{"__Host-dbsc"}, set(b.send("GET", "/account", nil)))
}

// Browsers register without the session's cookie if another site has led to the login.
func TestARegistrationWithoutTheSession(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		cookie := b.cookies["sessionid"]
		b.cookies = map[string]string{}
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		b.cookies["sessionid"] = cookie
		require.Equal(t, "200 ann", b.get("/account"))
		s.clock.Advance(time.Minute)
		require.Equal(t, "200 ann", b.get("/account"))
		delete(b.cookies, "__Host-dbsc")
		require.Equal(t, http.StatusUnauthorized, b.status("/account"))
	})
}

// A challenge to refresh doesn't register a key.
func TestChallengesAreForOneThing(t *testing.T) {
	b := newBrowser(newSite(t, newStore(t), true))
	b.send("GET", "/login", nil)
	offered := b.challenge
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	b.refresh("")
	require.Equal(t, http.StatusBadRequest, b.register(b.proof(true)).Code)
	b.challenge = offered
	require.Equal(t, http.StatusForbidden, b.refresh(b.proof(false)).Code)
}

// The session's cookie may be cycled while a browser asks for a challenge.
func TestARefreshWhileTheKeyIsCycled(t *testing.T) {
	s := newSite(t, newRecords(), true)
	b := newBrowser(s)
	b.login()
	old := b.cookies["sessionid"]
	s.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).CycleKey()
	})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: old})
		return r
	}())
	require.Equal(t, http.StatusForbidden, b.refresh("").Code, "and not that it has ended")
}

// A record that is gone has ended, and a browser need not ask again.
func TestARefreshOfARecordThatIsGone(t *testing.T) {
	store := newRecords()
	b := newBrowser(newSite(t, store, false))
	b.login()
	clear(store.all)
	b.refresh("")
	require.Contains(t, b.refresh(b.proof(false)).Body.String(), `"continue":false`)
}

// A server that can't read the session for now doesn't say that it has ended.
func TestARefreshWhereTheSessionCannotBeRead(t *testing.T) {
	store, err := cookiestore.New([]byte("another-0123456789abcdef012345678"))
	require.NoError(t, err)
	s := newSite(t, newStore(t), false)
	b := newBrowser(s)
	b.login()
	other := newSite(t, store, false)
	other.clock.Set(s.clock.Now())
	b.handler = other.handler
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code)
	require.Equal(t, []string{"tampered", "refused"}, other.refused)
	require.NoError(t, other.binder.SetKeys([]byte("another-0123456789abcdef012345678")))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "nor where the binding can't be read either")
}

func TestTheBoundCookieIsAsStrictAsTheSession(t *testing.T) {
	for mode, want := range map[http.SameSite]string{
		http.SameSiteLaxMode: "; SameSite=Lax", http.SameSiteStrictMode: "; SameSite=Strict", http.SameSiteNoneMode: "; SameSite=None", http.SameSiteDefaultMode: "",
	} {
		sessions, err := cookiestore.NewManager(newStore(t), cookiestore.WithSameSite(mode))
		require.NoError(t, err)
		binder, err := dbsc.New(sessions, testKey)
		require.NoError(t, err)
		s := newSite(t, newStore(t), false)
		s.sessions, s.binder = sessions, binder
		s.handler = sessions.Handler(binder.Require(http.HandlerFunc(binder.Offer)))
		b := newBrowser(s)
		b.send("GET", "/", nil)
		w := b.register(b.proof(true))
		require.Contains(t, w.Body.String(), `"attributes":"Path=/; Secure; HttpOnly`+want+`"`)
		require.True(t, strings.HasSuffix(w.Header().Get("Set-Cookie"), "; Max-Age=600; Path=/; Secure; HttpOnly"+want), w.Header())
	}
	for _, option := range []cookiestore.Option{cookiestore.WithPath("/app"), cookiestore.WithPartitioned()} {
		sessions, err := cookiestore.NewManager(newStore(t), option)
		require.NoError(t, err)
		binder, err := dbsc.New(sessions, testKey)
		require.ErrorContains(t, err, "has another path than /, or is partitioned")
		require.Nil(t, binder)
	}
}

// Two browsers can register only one key with one login.
func TestAnOfferIsTakenOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, s *site) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		thief := b.copied()
		thief.challenge = b.challenge
		require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
		require.Equal(t, http.StatusBadRequest, thief.register(thief.proof(true)).Code)
		require.Equal(t, http.StatusBadRequest, b.register(b.proof(true)).Code)
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, http.StatusBadRequest, b.register(b.proof(true)).Code)
	})
}

func TestTheEndOfASession(t *testing.T) {
	for name, end := range map[string]func(*browser){
		"logout":              func(b *browser) { b.send("POST", "/logout", nil) },
		"sign out everywhere": func(b *browser) { require.NoError(b, b.sessions.RevokeUser(b.Context(), "ann")) },
		"it has expired":      func(b *browser) { b.clock.Advance(15 * 24 * time.Hour) },
		"another login":       func(b *browser) { b.send("GET", "/login", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, newStore(t), true)
			b := newBrowser(s)
			b.login()
			thief := b.copied()
			end(b)
			b.refresh("")
			w := b.refresh(b.proof(false))
			require.Equal(t, http.StatusOK, w.Code)
			require.JSONEq(t, `{"session_identifier":"`+b.identifier+`","continue":false}`, w.Body.String())
			require.Equal(t, "200 nobody", thief.get("/account"))
		})
	}
}

func TestKeysAreRotated(t *testing.T) {
	newKey := []byte("another-0123456789abcdef012345678")
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.login()
	b.end()
	b.refresh("")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code, "what the old key has signed counts")
	require.Equal(t, "200 ann", b.get("/account"))

	b.end()
	require.NoError(t, s.binder.SetKeys(newKey))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "the session is bound to it: the key may come back")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	require.NoError(t, s.binder.SetKeys(newKey))
	require.Equal(t, http.StatusServiceUnavailable, b.refresh("").Code, "also while the bound cookie is good")
	require.NoError(t, s.binder.SetKeys(newKey, testKey))
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)

	require.NoError(t, s.binder.SetKeys(newKey))
	b.send("GET", "/login", nil)
	require.Equal(t, http.StatusBadRequest, b.refresh("").Code, "no session needs it any more")
	old := b.identifier
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	b.identifier = old
	require.Equal(t, http.StatusBadRequest, b.refresh("").Code, "the session has another binding, whose cookie is good")

	require.Error(t, s.binder.SetKeys([]byte("short")))
	fallback := newSite(t, newStore(t), true, dbsc.WithFallbackKeys(newKey))
	fallback.clock.Set(s.clock.Now())
	moved := b.copied()
	moved.site = fallback
	require.Equal(t, "200 ann", moved.get("/account"))
}

func TestUnboundRequests(t *testing.T) {
	const bounce = `<!DOCTYPE html><meta http-equiv="refresh" content="0"><title>One moment</title>`
	click := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	for _, tt := range []struct {
		name    string
		options []dbsc.Option
		method  string
		path    string
		header  map[string]string
		code    int
		says    string
	}{
		{"a page", nil, "GET", "/account", nil, 401, `<!DOCTYPE html><title>Not signed in</title><p>This session belongs to another browser, or could not be refreshed. ` +
			`Load the page again, or sign in again.</p>`},
		{"a form", nil, "POST", "/account", click, 401, "sign in again"},
		{"a click on another site", nil, "GET", "/account", click, 200, bounce},
		{"a click on another host of the site", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 200, `<meta http-equiv="refresh" content="0">`},
		{"a picture in another site's page", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 401, "sign in again"},
		{"a click on the own site", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}, 401, "sign in again"},
		{"an excluded path", nil, "POST", "/logout", nil, 200, ""},
		{"a path below an excluded one", nil, "POST", "/logout/x", nil, 404, ""},
		{"a path below an excluded folder", nil, "GET", "/static/x", nil, 404, ""},
		{"an excluded folder itself", nil, "GET", "/static", nil, 401, ""},
		{"a path that another server may take for another one", nil, "GET", "/login/../account", nil, 401, ""},
		{"the same, escaped", nil, "GET", "/login/%2e%2e/account", nil, 401, ""},
		{"with a slash that is escaped", nil, "GET", "/login%2f..%2faccount", nil, 401, ""},
		{"with a backslash", nil, "GET", "/login/..%5caccount", nil, 401, ""},
		{"with two slashes", nil, "GET", "//login", nil, 401, ""},
		{"a path that begins like an excluded one", nil, "POST", "/logouts", nil, 401, ""},
		{"report only", []dbsc.Option{dbsc.WithReportOnly()}, "GET", "/account", nil, 200, "ann"},
		{"start over", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", nil, 200, "nobody"},
		{"start over, for a picture in another site's page", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 401, "sign in again"},
		{"with path parameters, as Java has them", nil, "GET", "/static/..;/account", nil, 401, ""},
		{"escaped twice", nil, "GET", "/static/%252e%252e/account", nil, 401, ""},
		{"start over, at a click", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", click, 200, "http-equiv"},
		{"a handler of one's own", []dbsc.Option{dbsc.WithUnbound(func(w http.ResponseWriter, r *http.Request, _ *cookiestore.Session, _ http.Handler) {
			http.Error(w, "go away", http.StatusTeapot)
		})}, "GET", "/account", nil, 418, "go away"},
		{"another lifetime has ended", []dbsc.Option{dbsc.WithLifetime(10*time.Minute - 1)}, "GET", "/account", nil, 401, ""},
		{"another lifetime", []dbsc.Option{dbsc.WithLifetime(10*time.Minute + 1500*time.Millisecond)}, "GET", "/account", nil, 200, "ann"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, newStore(t), true, tt.options...)
			b := newBrowser(s)
			b.login()
			s.clock.Advance(10 * time.Minute)
			w := b.send(tt.method, tt.path, tt.header)
			require.Equal(t, tt.code, w.Code)
			require.Contains(t, w.Body.String(), tt.says)
			if tt.name == "a page" {
				require.Equal(t, tt.says, w.Body.String())
			}
			if isClick := strings.Contains(w.Body.String(), "http-equiv"); isClick {
				require.Equal(t, bounce, w.Body.String())
			}
			if tt.code == 401 || strings.Contains(tt.says, "http-equiv") {
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
				require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			}
			if tt.name == "report only" {
				require.Equal(t, []string{"unbound"}, s.refused)
			}
		})
	}
	t.Run("starting over ends the session", func(t *testing.T) {
		s := newSite(t, newStore(t), true, dbsc.WithUnbound(dbsc.StartOver))
		b := newBrowser(s)
		b.login()
		copied := b.copied()
		b.end()
		require.Equal(t, "200 nobody", b.get("/account"))
		require.Equal(t, "200 nobody", copied.get("/account"))
	})
}

func TestWhatAHandlerHasPutInTheSessionIsNotTrusted(t *testing.T) {
	for _, value := range []string{"", "x", ".1", "x.y", "x.1.y.z"} {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		b.get("/set?key=_dbsc&value=" + value)
		require.Equal(t, http.StatusUnauthorized, b.status("/account"), "%q", value)
		require.Equal(t, "Bad Request\n", b.refresh("").Body.String())
		for _, what := range []string{"refresh refused", "unbound request of a bound session"} {
			require.Contains(t, s.log.String(), fmt.Sprintf("msg=%q cookie=sessionid reason=refused error=\"dbsc: what the session says of its binding is not from this package\"", what))
		}
		require.Equal(t, `200 {"Offered":"0001-01-01T00:00:00Z","Bound":false,"Until":"0001-01-01T00:00:00Z"}`, b.copied().withoutBinder("/status"))
	}
}

// withoutBinder gets a page past Require.
func (b *browser) withoutBinder(path string) string {
	r := httptest.NewRequest("GET", path, nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
	w := httptest.NewRecorder()
	b.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(b.binder.Status(r))
	})).ServeHTTP(w, r)
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

func TestStatus(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	read := func() (status dbsc.Status) {
		require.NoError(t, json.Unmarshal(b.send("GET", "/status", nil).Body.Bytes(), &status))
		return status
	}
	require.Zero(t, read())
	start := s.clock.Now().Truncate(time.Second).UTC()
	b.send("GET", "/login", nil)
	require.Equal(t, start, read().Offered.UTC())
	require.False(t, read().Bound)
	s.clock.Advance(5 * time.Second)
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	require.True(t, read().Bound)
	require.Equal(t, start.Add(10*time.Minute+5*time.Second), read().Until.UTC())
	require.Equal(t, start, read().Offered.UTC())
	s.clock.Advance(55 * time.Second)
	b.get("/account")
	delete(b.cookies, "__Host-dbsc")
	s.clock.Advance(-time.Second) // or Require refuses it
	require.True(t, read().Bound)
	require.Zero(t, read().Until)
}

func TestRevocationsThatAreDown(t *testing.T) {
	t.Run("nothing is registered", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.revocations.down = true
		require.Equal(t, http.StatusServiceUnavailable, b.register(b.proof(true)).Code)
		require.NotContains(t, b.cookies, "__Host-dbsc")
		require.Equal(t, []string{"failed"}, s.refused)
	})
	t.Run("an offer that can't be withdrawn is not taken", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		offer, _, _ := strings.Cut(cookiestore.Get(sessionOf(b), dbsc.Key, ""), ".")
		s.revocations.mute = "dbsc." + offer
		w := b.register(b.proof(true))
		require.Equal(t, "503 Service Unavailable\n", fmt.Sprint(w.Code, " ", w.Body))
		require.Empty(t, w.Result().Cookies())
	})
	t.Run("with report only they are let through", func(t *testing.T) {
		s := newSite(t, newStore(t), true, dbsc.WithReportOnly())
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.clock.Advance(time.Hour)
		s.revocations.down = true
		require.Equal(t, "200 ann", b.get("/account"))
		require.Equal(t, []string{"failed"}, s.refused)
	})
	t.Run("a challenge of which nobody knows whether it was used", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.refresh("")
		s.revocations.deaf = true
		require.Equal(t, http.StatusServiceUnavailable, b.refresh(b.proof(false)).Code)
	})
	t.Run("the browser keeps its key", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.end()
		b.refresh("")
		s.revocations.down = true
		require.Equal(t, http.StatusServiceUnavailable, b.refresh(b.proof(false)).Code)
		require.Equal(t, "failed", s.refused[len(s.refused)-1])
		s.revocations.down = false
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
		require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	})
	t.Run("a session that may be bound is not let through", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		s.clock.Advance(time.Hour)
		s.revocations.down = true
		require.Equal(t, "503 Service Unavailable", b.get("/account"))
		require.Equal(t, []string{"failed"}, s.refused)
		require.Contains(t, s.log.String(), `msg="unbound request of a bound session"`)
		require.Equal(t, "200 nobody", newBrowser(s).get("/account"))
		b.get("/logout")
		b.get("/set?key=a&value=b")
		require.Equal(t, "200 nobody", b.get("/account"), "nothing was offered to this one")
	})
	t.Run("a challenge that another instance has seen", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.login()
		b.refresh("")
		proof := b.proof(false)
		other, err := dbsc.New(s.sessions, testKey)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, b.refresh(proof).Code)
		s.handler = s.sessions.Handler(other.Require(http.NotFoundHandler()))
		require.Equal(t, http.StatusForbidden, b.refresh(proof).Code)
		require.Equal(t, "replayed challenge", s.refused[len(s.refused)-1])
	})
}

// What is remembered lasts as long as it may be of use, and no longer.
func TestWhatRevocationsAreTold(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	start := s.clock.Now().Truncate(time.Second)
	b.login()
	for id := range s.revocations.until {
		if !strings.HasPrefix(id, "dbsc.") {
			delete(s.revocations.until, id) // Offer cycles the key
		}
	}
	offer, _, _ := strings.Cut(cookiestore.Get(sessionOf(b), dbsc.Key, ""), ".")
	require.Equal(t, start.Add(400*24*time.Hour), s.revocations.until["dbsc."+offer])
	delete(s.revocations.until, "dbsc."+offer)
	for id, until := range s.revocations.until {
		if strings.HasPrefix(id, "dbsc.") {
			require.Equal(t, start.Add(30*time.Second).UTC(), until.UTC(), "the challenge")
			delete(s.revocations.until, id)
		}
	}
	b.end()
	b.refresh("")
	require.Empty(t, s.revocations.until, "the session itself isn't ended, and a challenge costs nothing")
	require.NoError(t, s.revocations.RevokeAll(t.Context(), start.Add(-time.Hour), time.Time{}))
	require.Equal(t, http.StatusOK, b.refresh(b.proof(false)).Code)
	require.Len(t, s.revocations.until, 1)
	for id := range s.revocations.until {
		require.True(t, strings.HasPrefix(id, "dbsc."), id)
	}
}

// sessionOf returns the browser's session.
func sessionOf(b *browser) *cookiestore.Session {
	session, err := b.sessions.Load(b.Context(), "sessionid="+b.cookies["sessionid"])
	require.NoError(b, err)
	return session
}

// The log has a line for each session and cause.
func TestTheLogIsBounded(t *testing.T) {
	s := newSite(t, newStore(t), true)
	first, second := newBrowser(s), newBrowser(s)
	first.login()
	second.login()
	s.clock.Advance(time.Hour)
	for range 3 {
		first.get("/account")
		second.get("/account")
	}
	require.Equal(t, 2, strings.Count(s.log.String(), "reason=unbound"))
	require.Len(t, s.refused, 6)
	for _, identifier := range []string{"a:b:c", "a:b:d", "a:b:c"} {
		first.identifier = identifier
		first.refresh("")
	}
	require.Equal(t, 2, strings.Count(s.log.String(), `msg="refresh refused"`))
	newBrowser(s).register("")
	require.Contains(t, s.log.String(), `msg="registration refused"`)
}

// A challenge is good to the last second.
func TestTheLifeOfAChallenge(t *testing.T) {
	b := newBrowser(newSite(t, newStore(t), true))
	b.send("GET", "/login", nil)
	b.clock.Advance(30 * time.Second)
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
}

// A store that is down gives no reason to forget a key.
func TestAStoreThatIsDown(t *testing.T) {
	store := newRecords()
	s := newSite(t, store, false)
	b := newBrowser(s)
	b.login()
	b.end()
	store.failure = errDown
	require.Equal(t, http.StatusInternalServerError, b.refresh("").Code)
	require.Equal(t, http.StatusInternalServerError, b.register(b.proof(true)).Code)
	require.Equal(t, http.StatusInternalServerError, b.status("/account"))
	require.Empty(t, s.refused, "nobody is to blame")
	store.failure = nil
	require.Equal(t, http.StatusForbidden, b.refresh("").Code)
}

func TestEndpoints(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	for _, path := range []string{"/dbsc/register", "/dbsc/refresh"} {
		w := b.send("GET", path, nil)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "Browsers POST here.\n", w.Body.String())
		require.Equal(t, "POST", w.Header().Get("Allow"))
		require.Equal(t, http.StatusBadRequest, b.send("POST", path, nil).Code)
	}
	require.Equal(t, http.StatusNotFound, b.status("/dbsc/other"))
	require.Empty(t, b.send("GET", "/", nil).Header().Get("Vary"), "without a cookie the session isn't looked at")
	w := httptest.NewRecorder()
	s.sessions.Handler(s.binder).ServeHTTP(w, httptest.NewRequest("POST", "/dbsc/other", nil))
	require.Equal(t, http.StatusNotFound, w.Code)

	t.Run("an identifier of 512 bytes is looked at, and none that is longer", func(t *testing.T) {
		b.identifier = strings.Repeat("x", 512)
		require.Equal(t, http.StatusBadRequest, b.refresh("").Code)
		require.Contains(t, s.log.String(), "no signature")
		require.NotContains(t, s.log.String(), "identifier is too long")
		b.identifier = strings.Repeat("x", 513)
		require.Equal(t, http.StatusBadRequest, b.refresh("").Code)
		require.Contains(t, s.log.String(), "identifier is too long")
	})
	t.Run("a quoted identifier is the same", func(t *testing.T) {
		b := newBrowser(s)
		b.login()
		b.identifier = `"` + b.identifier + `"`
		require.Equal(t, http.StatusForbidden, b.refresh("").Code)
	})
	t.Run("a bound cookie among many isn't looked for", func(t *testing.T) {
		b := newBrowser(s)
		b.login()
		good := "__Host-dbsc=" + b.cookies["__Host-dbsc"]
		delete(b.cookies, "__Host-dbsc")
		s.clock.Advance(2 * time.Minute)
		session := "sessionid=" + b.cookies["sessionid"] + "; "
		b.cookies = nil
		for junk, want := range map[int]int{0: 200, 1: 200, 2: 401} {
			w := b.send("GET", "/account", map[string]string{"Cookie": session + strings.Repeat("__Host-dbsc=x:y:z; ", junk) + good})
			require.Equal(t, want, w.Code)
			b.cookies = nil
		}
	})
	t.Run("an origin behind a proxy", func(t *testing.T) {
		b := newBrowser(newSite(t, newStore(t), true, dbsc.WithOrigin("https://www.example.org:8443")))
		b.send("GET", "/login", nil)
		body := b.register(b.proof(true)).Body.String()
		require.Contains(t, body, `"origin":"https://www.example.org:8443"`)
		require.Contains(t, body, `"domain":"www.example.org"`)
	})
	t.Run("a Host field that isn't one", func(t *testing.T) {
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		r := httptest.NewRequest("POST", "/dbsc/register", nil)
		r.Host = "[::1"
		r.Header.Set("Secure-Session-Response", b.proof(true))
		r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "The Host field is not one.\n", w.Body.String())
	})
	t.Run("nothing to leave out", func(t *testing.T) {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		plain, err := dbsc.New(s.sessions, testKey)
		require.NoError(t, err)
		s.handler = s.sessions.Handler(plain.Require(http.NotFoundHandler()))
		require.Contains(t, b.register(b.proof(true)).Body.String(), `"scope_specification":[]`)
	})
}

func TestNew(t *testing.T) {
	sessions, err := cookiestore.NewManager(newStore(t))
	require.NoError(t, err)
	for _, tt := range []struct {
		says    string
		options []dbsc.Option
	}{
		{"the lifetime is under a second", []dbsc.Option{dbsc.WithLifetime(time.Second - 1)}},
		{"the unbound handler is nil", []dbsc.Option{dbsc.WithUnbound(nil)}},
		{`the excluded path "logout" is everything, or not as a URL has it`, []dbsc.Option{dbsc.WithExcluded("logout")}},
		{`the excluded path "/" is everything`, []dbsc.Option{dbsc.WithExcluded("/")}},
		{`the excluded path "/a/../b" is everything, or not`, []dbsc.Option{dbsc.WithExcluded("/a/../b")}},
		{`the excluded path "" is everything`, []dbsc.Option{dbsc.WithExcluded("")}},
		{`the origin "http://a.example" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("http://a.example")}},
		{`the origin "https://" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://")}},
		{`the origin "https://a.example/" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://a.example/")}},
		{`the origin "https://[" is not https:// and a host`, []dbsc.Option{dbsc.WithOrigin("https://[")}},
		{"fallback key 1 has 5 bytes", []dbsc.Option{dbsc.WithFallbackKeys([]byte("short"))}},
		{"an option is nil", []dbsc.Option{nil}},
	} {
		_, err := dbsc.New(sessions, testKey, tt.options...)
		require.ErrorContains(t, err, tt.says)
	}
	_, err = dbsc.New(sessions, testKey, dbsc.WithLifetime(time.Second))
	require.NoError(t, err)
	_, err = dbsc.New(nil, testKey)
	require.ErrorContains(t, err, "the manager is nil")
	_, err = dbsc.New(sessions, []byte("short"))
	require.ErrorContains(t, err, "the key has 5 bytes")
}
