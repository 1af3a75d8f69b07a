package dbsc_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

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
			if tt.name == "a key of one's own" {
				require.Contains(t, s.log.String(), "the key has not signed the proof")
			}
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

// A challenge is good to the last second.
func TestTheLifeOfAChallenge(t *testing.T) {
	b := newBrowser(newSite(t, newStore(t), true))
	b.send("GET", "/login", nil)
	b.clock.Advance(30 * time.Second)
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
}
