package webauthn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore"
	site "example.com/cookiestore/frameworks/webauthn"
	"example.com/cookiestore/sessiontest"
	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/stretchr/testify/require"
)

// A user is the only one of the site, and the site's table.
type user struct {
	passkeys []webauthn.Credential
	broken   error
}

func (u *user) WebAuthnID() []byte                         { return []byte("user-7") }
func (u *user) WebAuthnName() string                       { return "ankit" }
func (u *user) WebAuthnDisplayName() string                { return "Ankit" }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.passkeys }

func (u *user) ByHandle(handle []byte) (webauthn.User, error) {
	if !bytes.Equal(handle, u.WebAuthnID()) {
		return nil, errors.New("no such user")
	}
	return u, nil
}

func (u *user) Add(_ webauthn.User, c *webauthn.Credential) error {
	u.passkeys = append(u.passkeys, *c)
	return nil
}

func (u *user) Update(_ webauthn.User, c *webauthn.Credential) error {
	if u.broken == nil {
		u.passkeys[0] = *c
	}
	return u.broken
}

const origin = "https://shop.test"

func newWebAuthn(t *testing.T) *webauthn.WebAuthn {
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: time.Minute, TimeoutUVD: time.Minute}
	w, err := webauthn.New(&webauthn.Config{
		RPID: "shop.test", RPDisplayName: "Shop", RPOrigins: []string{origin},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	require.NoError(t, err)
	return w
}

// A passkey is what the visitor's device has.
type passkey struct {
	key   *ecdsa.PrivateKey
	id    []byte
	count uint32
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// data is the authenticator data of WebAuthn, section 6.1.
func (p *passkey) data(flags byte, attested []byte) []byte {
	p.count++
	relyingParty := sha256.Sum256([]byte("shop.test"))
	data := append(relyingParty[:], flags)
	return append(binary.BigEndian.AppendUint32(data, p.count), attested...)
}

func (p *passkey) answer(t *testing.T, response map[string]any) string {
	text, err := json.Marshal(map[string]any{"id": encode(p.id), "rawId": encode(p.id), "type": "public-key", "response": response})
	require.NoError(t, err)
	return string(text)
}

func clientData(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":"webauthn.%s","challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, origin)
}

// register is navigator.credentials.create.
func (p *passkey) register(t *testing.T, challenge string) string {
	point, err := p.key.PublicKey.Bytes() // 4, x, y
	require.NoError(t, err)
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	require.NoError(t, err)
	attested := make([]byte, 16) // of no model
	attested = binary.BigEndian.AppendUint16(attested, uint16(len(p.id)))
	attested = append(append(attested, p.id...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": p.data(0x45, attested)})
	require.NoError(t, err)
	return p.answer(t, map[string]any{"attestationObject": encode(object), "clientDataJSON": encode(clientData("create", challenge))})
}

// signIn is navigator.credentials.get.
func (p *passkey) signIn(t *testing.T, challenge string) string {
	client, data := clientData("get", challenge), p.data(0x05, nil)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, p.key, digest[:])
	require.NoError(t, err)
	return p.answer(t, map[string]any{
		"authenticatorData": encode(data), "clientDataJSON": encode(client),
		"signature": encode(signature), "userHandle": encode([]byte("user-7")),
	})
}

var revocations = cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user")

type visitor struct {
	t      *testing.T
	table  *user
	store  cookiestore.Store
	url    string
	client *http.Client
	key    *passkey
	nobody bool // is signed in
}

func newVisitor(t *testing.T) *visitor {
	store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	manager, err := cookiestore.NewManager(store, cookiestore.WithSecure(false), revocations)
	require.NoError(t, err)
	table := new(user)
	v := &visitor{t: t, table: table, store: store}
	server := httptest.NewServer(site.New(manager, newWebAuthn(t), table, func(*http.Request) webauthn.User {
		if v.nobody {
			return nil
		}
		return table
	}))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	v.url, v.client, v.key = server.URL, &http.Client{Jar: jar}, &passkey{key: key, id: []byte("passkey-of-ankit")}
	return v
}

func (v *visitor) ask(method, path, body string) (int, string) {
	v.t.Helper()
	r, err := http.NewRequest(method, v.url+path, strings.NewReader(body))
	require.NoError(v.t, err)
	response, err := v.client.Do(r)
	require.NoError(v.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	return response.StatusCode, strings.TrimSpace(string(text))
}

// begin returns the challenge.
func (v *visitor) begin(path string) string {
	v.t.Helper()
	status, text := v.ask("POST", path, "")
	require.Equal(v.t, 200, status, text)
	var options struct {
		PublicKey struct{ Challenge string }
	}
	require.NoError(v.t, json.Unmarshal([]byte(text), &options))
	require.NotEmpty(v.t, options.PublicKey.Challenge)
	return options.PublicKey.Challenge
}

func (v *visitor) register() {
	v.t.Helper()
	status, text := v.ask("POST", "/register/finish", v.key.register(v.t, v.begin("/register")))
	require.Equal(v.t, 204, status, text)
}

func (v *visitor) wants(status int, who, answer string) {
	v.t.Helper()
	got, text := v.ask("POST", "/login/finish", answer)
	require.Equal(v.t, status, got, text)
	_, text = v.ask("GET", "/", "")
	require.Equal(v.t, who, text)
}

func TestAVisitorSignsInWithAPasskey(t *testing.T) {
	v := newVisitor(t)
	v.register()
	v.wants(204, `You are "user-7".`, v.key.signIn(t, v.begin("/login")))
}

func TestPasskeysThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(v *visitor) string
		status int
	}{
		{"nothing was begun", func(v *visitor) string { return v.key.signIn(t, "AAAA") }, 400},
		{"another challenge", func(v *visitor) string { v.begin("/login"); return v.key.signIn(t, encode(make([]byte, 32))) }, 401},
		{"the challenge of an earlier attempt", func(v *visitor) string {
			challenge := v.begin("/login")
			v.begin("/login")
			return v.key.signIn(t, challenge)
		}, 401},
		{"an answer that was used", func(v *visitor) string {
			answer := v.key.signIn(t, v.begin("/login"))
			v.ask("POST", "/login/finish", answer)
			v.client.Jar, _ = cookiejar.New(nil)
			return answer
		}, 400},
		{"a registration's challenge", func(v *visitor) string { return v.key.signIn(t, v.begin("/register")) }, 400},
		{"a counter that can't be kept", func(v *visitor) string {
			v.table.broken = errors.New("the database is down")
			return v.key.signIn(t, v.begin("/login"))
		}, 401},
		{"a counter that goes back", func(v *visitor) string {
			v.ask("POST", "/login/finish", v.key.signIn(t, v.begin("/login")))
			v.client.Jar, _ = cookiejar.New(nil)
			v.key.count = 0
			return v.key.signIn(t, v.begin("/login"))
		}, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t)
			v.register()
			v.wants(test.status, `You are "".`, test.answer(v))
		})
	}
	v := newVisitor(t)
	challenge := v.begin("/register")
	v.ask("POST", "/register/finish", v.key.register(t, challenge))
	status, _ := v.ask("POST", "/register/finish", v.key.register(t, challenge))
	require.Equal(t, 400, status, "a registration counts once")
	v.begin("/register")
	status, _ = v.ask("POST", "/register/finish", v.key.register(t, challenge))
	require.Equal(t, 400, status, "another challenge")
	require.Len(t, v.table.passkeys, 1)
}

func TestNobodyGetsNoPasskey(t *testing.T) {
	v := newVisitor(t)
	answer := v.key.register(t, v.begin("/register"))
	v.nobody = true
	for path, body := range map[string]string{"/register": "", "/register/finish": answer} {
		status, text := v.ask("POST", path, body)
		require.Equal(t, 401, status, path)
		require.Equal(t, "Please sign in.", text, path)
	}
	require.Empty(t, v.table.passkeys)
}

func TestPasskeysFixNoSession(t *testing.T) {
	for owner, cart := range map[string]bool{"": true, "user-7": true, "user-1": false} {
		v := newVisitor(t)
		v.register()
		values := map[string]any{"cart": "tea"}
		if owner != "" {
			values["user"] = []byte(owner)
		}
		before := sessiontest.Cookie(t, v.store, values, revocations)
		to, err := url.Parse(v.url)
		require.NoError(t, err)
		v.client.Jar.SetCookies(to, []*http.Cookie{{Name: before.Name, Value: before.Value}})
		v.wants(204, `You are "user-7".`, v.key.signIn(t, v.begin("/login")))
		old := sessiontest.Session(t, v.store, []*http.Cookie{before})
		after := sessiontest.Session(t, v.store, v.client.Jar.Cookies(to))
		require.NotEqual(t, old.Get("_session_id"), after.Get("_session_id"), "a session of %q", owner)
		require.Equal(t, cart, after.Has("cart"), "a session of %q", owner)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	v := newVisitor(t)
	for _, path := range []string{"/register", "/register/finish", "/login", "/login/finish"} {
		r, err := http.NewRequest("POST", v.url+path, nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		response, err := v.client.Do(r)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusForbidden, response.StatusCode, path)
		require.Empty(t, response.Header["Set-Cookie"], path)
	}
}

// Every field of SessionData comes back from the cookie.
func TestSessionDataIsTheSameAfterTheCookie(t *testing.T) {
	w, ankit := newWebAuthn(t), &user{passkeys: []webauthn.Credential{{ID: []byte{0, 255, 7}}, {ID: []byte("second")}}}
	_, registration, err := w.BeginRegistration(ankit, webauthn.WithConveyancePreference(protocol.PreferDirectAttestation))
	require.NoError(t, err)
	_, login, err := w.BeginLogin(ankit, webauthn.WithUserVerification(protocol.VerificationRequired),
		webauthn.WithAssertionExtensions(protocol.AuthenticationExtensions{"appid": "https://shop.test", "uvm": true}))
	require.NoError(t, err)
	_, mediated, err := w.BeginMediatedRegistration(ankit, protocol.MediationConditional)
	require.NoError(t, err)
	for name, data := range map[string]*webauthn.SessionData{"registration": registration, "login": login, "mediated": mediated} {
		data.Expires = data.Expires.UTC().Round(0) // JSON has no monotonic clock
		store, err := cookiestore.New(bytes.Repeat([]byte{7}, 32))
		require.NoError(t, err)
		cookie := sessiontest.Cookie(t, store, map[string]any{"webauthn": data})
		session := sessiontest.Session(t, store, []*http.Cookie{cookie})
		got, err := cookiestore.Lookup[webauthn.SessionData](session, "webauthn")
		require.NoError(t, err)
		require.Equal(t, *data, got, name)
		require.False(t, got.Expires.IsZero(), name)
		t.Logf("%s: a cookie of %d bytes", name, len(cookie.Value))
	}
}
