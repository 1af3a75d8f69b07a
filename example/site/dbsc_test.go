package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"html"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A device makes the key of a browser that binds sessions.
type device struct {
	*sitetest.Visitor
	key        *ecdsa.PrivateKey
	challenge  string
	identifier string
}

var quotedChallenge = regexp.MustCompile(`^(?:.*challenge=)?"([^"]+)"`)

// signIn signs a visitor in, whose browser then registers its key.
func signIn(t *testing.T, v *sitetest.Visitor) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	d := &device{Visitor: v, key: key}
	status, header, _ := v.Browse("POST", "/login", "user", "Ada")
	require.Equal(t, http.StatusSeeOther, status)
	d.challenge = quotedChallenge.FindStringSubmatch(header.Get("Secure-Session-Registration"))[1]
	return d
}

func (d *device) register() *device {
	d.Helper()
	status, _, body := d.send("/dbsc/register", d.proof())
	require.Equal(d, http.StatusOK, status, body)
	var answer struct {
		ID string `json:"session_identifier"`
	}
	require.NoError(d, json.Unmarshal([]byte(body), &answer))
	d.identifier = answer.ID
	return d
}

// refresh asks for a bound cookie, with a proof or without.
func (d *device) refresh(proof string) int {
	d.Helper()
	status, header, _ := d.send("/dbsc/refresh", proof)
	if challenge := header.Get("Secure-Session-Challenge"); challenge != "" {
		d.challenge = quotedChallenge.FindStringSubmatch(challenge)[1]
	}
	return status
}

func (d *device) send(path, proof string) (int, http.Header, string) {
	d.Helper()
	r := d.Request("POST", path, nil)
	for name, value := range map[string]string{"Secure-Session-Response": proof, "Sec-Secure-Session-Id": d.identifier} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return d.Do(r)
}

// proof signs the challenge.
func (d *device) proof() string {
	d.Helper()
	point, err := d.key.PublicKey.Bytes()
	require.NoError(d, err)
	text := base64.RawURLEncoding.EncodeToString
	encoded := func(v any) string {
		data, err := json.Marshal(v)
		require.NoError(d, err)
		return text(data)
	}
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])}
	signed := encoded(map[string]any{"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}) + "." + encoded(map[string]string{"jti": d.challenge})
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, d.key, sum[:])
	require.NoError(d, err)
	return signed + "." + text(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// A thief has a copy of cookies, as a Cookie field.
type thief struct {
	*sitetest.Visitor
	cookies string
}

func (c thief) do(method, path string, accept string, pairs ...string) (int, http.Header, string) {
	c.Helper()
	var r *http.Request
	if method == "POST" {
		r = c.Request(method, path, sitetest.Fields(pairs...))
	} else {
		r = c.Request(method, path, nil)
	}
	r.Header.Set("Cookie", c.cookies)
	r.Header.Set("Accept", accept)
	return c.Other().Do(r)
}

func (c thief) status(path string) int {
	c.Helper()
	status, _, _ := c.do("GET", path, "*/*")
	return status
}

// copied are the cookies that the visitor has now.
func (d *device) copied() thief {
	return thief{d.Visitor, strings.Join(d.Cookies(), "; ")}
}

var shownCookies = regexp.MustCompile(`-H 'Cookie: ([^']+)'`)

func TestACopyOfTheJar(t *testing.T) {
	ada := signIn(t, cookies.Visit(t, "-dbsc"))
	before := ada.copied()
	assert.Contains(t, ada.Get("/dbsc"), "<strong>Not bound.</strong> The site offered it on <time datetime=\"2026-03-01T12:00:00Z\">")
	ada.register()
	ada.Post("/session", "op", "set", "key", "secret", "value", `"of Ada"`)
	ada.Browse("POST", "/flash", "message", "The page takes it out of the session, and sets another cookie.")
	ada.Clock.Advance(2 * time.Minute)

	page := ada.Get("/dbsc")
	assert.Contains(t, page, "<strong>Bound to this device.</strong>")
	assert.Regexp(t, `ends in <span[^>]*data-seconds="480">about 8 minutes</span>, on <time datetime="2026-03-01T12:10:00Z">`, page)
	shown := shownCookies.FindAllStringSubmatch(html.UnescapeString(page), -1)
	require.Len(t, shown, 2)
	copied := thief{ada.Visitor, shown[0][1]}
	assert.ElementsMatch(t, ada.Cookies(), strings.Split(copied.cookies, "; "), "the command has all cookies")
	without := thief{ada.Visitor, shown[1][1]}
	assert.Equal(t, "sessionid="+ada.Cookie(), without.cookies)

	status, _, body := copied.do("GET", "/session.json", "*/*")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "of Ada", "now the copy works")
	assert.Equal(t, http.StatusUnauthorized, without.status("/account"))
	assert.Equal(t, http.StatusUnauthorized, before.status("/account"), "a copy from before has ended")

	ada.Clock.Advance(8 * time.Minute)
	assert.Equal(t, http.StatusForbidden, ada.refresh(""), "a challenge comes first")
	other := *ada
	var err error
	other.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	assert.Equal(t, http.StatusForbidden, other.refresh(other.proof()), "another key")
	assert.Equal(t, http.StatusOK, ada.refresh(ada.proof()))
	assert.Equal(t, http.StatusOK, ada.Status("/account"), "the browser goes on")
	for _, c := range []thief{copied, without, before} {
		for _, r := range []struct {
			method, path string
			pairs        []string
			status       int
		}{
			{"GET", "/", nil, 401}, {"GET", "/account", nil, 401}, {"GET", "/login", nil, 401}, {"GET", "/inspect", nil, 401},
			{"GET", "/session.json", nil, 401}, {"GET", "/forge", nil, 401}, {"POST", "/forge/verdict", nil, 401},
			{"GET", "/dbsc", nil, 401}, {"GET", "/nothing", nil, 401}, {"POST", "/logout-everywhere", nil, 401},
			{"POST", "/session", []string{"op", "clear"}, 401}, {"GET", "/static/style.css", nil, 200}, {"GET", "/favicon.ico", nil, 200},
		} {
			for _, accept := range []string{"text/html", "*/*"} {
				status, header, body := c.do(r.method, r.path, accept, r.pairs...)
				assert.Equal(t, r.status, status, "%s %s", r.method, r.path)
				assert.NotContains(t, body, "of Ada")
				for _, set := range header.Values("Set-Cookie") {
					assert.True(t, strings.HasPrefix(set, "__Host-dbsc=; Max-Age=0;"), "only what isn't good is deleted: %s", set)
				}
				if status == http.StatusUnauthorized {
					assert.Equal(t, accept == "text/html", strings.Contains(body, "<h1>Bound to another device</h1>"))
				}
			}
		}
	}
	assert.Equal(t, http.StatusOK, ada.Status("/account"), "none of that has ended the session")
}

// Whoever has lost the key must be able to sign in again, and the pages of that show
// nothing of what was in the session.
func TestSigningInAndOutStartsOverWithoutTheBoundCookie(t *testing.T) {
	for _, path := range []string{"/login", "/logout"} {
		t.Run(path, func(t *testing.T) {
			ada := signIn(t, cookies.Visit(t, "-dbsc")).register()
			ada.Post("/session", "op", "set", "key", "secret", "value", `"of Ada"`)
			copied := ada.copied()
			ada.Clock.Advance(10 * time.Minute)
			jar := ada.Other()
			jar.SetCookie(ada.Cookie())
			_, _, body := copied.do("POST", path, "text/html", "user", "Ada")
			assert.NotContains(t, body, "of Ada")
			page := jar.Post(path, "user", "Ada")
			assert.NotContains(t, page, "of Ada")
			assert.NotContains(t, jar.Data(), "of Ada")
		})
	}
	ada := signIn(t, cookies.Visit(t, "-dbsc")).register()
	ada.Clock.Advance(time.Hour)
	assert.Equal(t, http.StatusUnauthorized, ada.Status("/account"))
	assert.Contains(t, ada.Post("/login", "user", "Ada"), "Signed in as Ada")
}

func TestClickOnAnotherSiteComesAgain(t *testing.T) {
	ada := signIn(t, cookies.Visit(t, "-dbsc")).register()
	ada.Clock.Advance(10 * time.Minute)
	for site, status := range map[string]int{"cross-site": 200, "same-site": 200, "same-origin": 401, "none": 401} {
		r := ada.Request("GET", "/account", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		got, _, body := ada.Do(r)
		assert.Equal(t, status, got, site)
		assert.Equal(t, status == 200, strings.Contains(body, `http-equiv="refresh"`), site)
	}
	r := ada.Request("POST", "/dbsc/refresh", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Secure-Session-Id", ada.identifier)
	status, header, _ := ada.Do(r)
	assert.Equal(t, http.StatusForbidden, status)
	assert.NotEmpty(t, header.Get("Secure-Session-Challenge"), "a refresh for another site's page is answered, too")
}

func TestWhatTheSessionIsBoundToIsNotForItsVisitorToChange(t *testing.T) {
	ada := signIn(t, cookies.Visit(t, "-dbsc")).register()
	before := ada.Cookie()
	for _, fields := range [][]string{{"op", "set", "key", "_dbsc", "value", "null"}, {"op", "delete", "key", "_dbsc"}} {
		status, _, body := ada.Do(ada.Request("POST", "/session", sitetest.Fields(fields...)))
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "field \"key\": it says what the session is bound to, and whoever has a copy could unbind it\n", body)
	}
	assert.Equal(t, before, ada.Cookie())
	assert.Equal(t, `{}`, cookies.Visit(t).Post("/session", "op", "delete", "key", "_dbsc")[len(`{"data":`):][:2], "elsewhere it is a key like others")
}

func TestBindingPage(t *testing.T) {
	t.Run("says how to switch it on", func(t *testing.T) {
		v := cookies.Visit(t)
		assert.Contains(t, v.Get("/dbsc"), "go run ./example -dbsc\n")
		status, header, _ := v.Browse("POST", "/login", "user", "Ada")
		assert.Equal(t, http.StatusSeeOther, status)
		assert.Empty(t, header.Get("Secure-Session-Registration"))
		assert.Equal(t, http.StatusNotFound, v.Status("/dbsc/register"))
	})
	t.Run("says that the visitor isn't signed in", func(t *testing.T) {
		page := cookies.Visit(t, "-dbsc").Get("/dbsc")
		assert.Contains(t, page, "<strong>Not bound.</strong> The site offers it when somebody signs in.")
		assert.NotContains(t, page, "before it did")
		assert.Contains(t, page, "It ends after about 10 minutes.")
		assert.NotContains(t, page, "curl")
	})
	t.Run("says that the session is from before it was on", func(t *testing.T) {
		off := cookies.Visit(t)
		off.Post("/login", "user", "Ada")
		v := cookies.VisitAt(t, off.Clock, "-dbsc", "-revoke", "off")
		v.SetCookie(off.Cookie())
		assert.Contains(t, v.Get("/dbsc"), "You signed in before it did.")
	})
	t.Run("says what a copy from before is worth", func(t *testing.T) {
		for revoke, says := range map[string]string{"memory": "binding it ended them", "off": "still work, since revocation is off"} {
			ada := signIn(t, cookies.Visit(t, "-dbsc", "-revoke", revoke)).register()
			assert.Contains(t, ada.Get("/dbsc"), says)
		}
	})
	t.Run("says so where the bound cookie is missing, in the first minute", func(t *testing.T) {
		ada := signIn(t, cookies.Visit(t, "-dbsc", "-revoke", "off")).register()
		ada.Get("/account") // with it: the session notes that it is bound
		other := ada.Other()
		other.SetCookie(ada.Cookie())
		page := other.Get("/dbsc")
		assert.Contains(t, page, "came without the bound cookie")
		assert.NotContains(t, page, "curl")
	})
	t.Run("has the lifetime of the flag", func(t *testing.T) {
		ada := signIn(t, cookies.Visit(t, "-dbsc", "-dbsc-lifetime", "90")).register()
		assert.Contains(t, ada.Get("/dbsc"), `data-seconds="90">90 seconds</span>`)
	})
	t.Run("says for how long requests pass without the bound cookie", func(t *testing.T) {
		ada := signIn(t, cookies.Visit(t, "-dbsc")).register()
		ada.Clock.Advance(50 * time.Second)
		assert.Contains(t, ada.Get("/dbsc"), `for <span class="left" role="timer" data-seconds="10">10 seconds</span> more`)
		ada.Clock.Advance(10 * time.Second)
		assert.NotContains(t, ada.Get("/dbsc"), " more.")
	})
}

func TestABrowserWithoutIt(t *testing.T) {
	v := cookies.Visit(t, "-dbsc")
	v.Post("/login", "user", "Ada")
	v.Clock.Advance(24 * time.Hour)
	assert.Equal(t, http.StatusOK, v.Status("/account"))
	assert.Contains(t, v.Get("/dbsc"), "your browser has not taken it up")
}

func TestShellQuoted(t *testing.T) {
	assert.Equal(t, `'a"b'\''c $d'`, shellQuoted(`a"b'c $d`))
}

func TestOwnCertificate(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	own, err := ownCertificate(now)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(own.Leaf)
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		_, err := own.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
		assert.NoError(t, err, host)
	}
	_, err = own.Leaf.Verify(x509.VerifyOptions{DNSName: "shop.example", Roots: roots, CurrentTime: now})
	assert.Error(t, err)
	_, err = own.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots, CurrentTime: now.Add(31 * 24 * time.Hour)})
	assert.Error(t, err, "it ends")

	sum := sha256.Sum256(own.Leaf.RawSubjectPublicKeyInfo)
	for address, opens := range map[string]string{
		"127.0.0.1:8080": "https://localhost:8080", "[::1]:8080": "https://localhost:8080", "[::]:80": "https://localhost:80",
		"192.0.2.1:8080": "https://192.0.2.1:8080",
	} {
		to, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		says := bindingInvitation(to, own)
		assert.Contains(t, says, "Open "+opens+" in a browser")
		assert.True(t, strings.HasSuffix(says, "--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(sum[:])+" "+opens), says)
	}
}
