// Package idp is a small OpenID provider for tests: discovery, keys, the code flow
// with PKCE, and signed ID tokens.
package idp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// A Provider has one client and one user, who has signed in there already.
type Provider struct {
	Issuer                 string
	ClientID, ClientSecret string
	RedirectURL            string
	Subject                string
	Algorithm              jose.SignatureAlgorithm // RS256 or ES256
	Now                    func() time.Time

	// Asks has the authorization endpoint show a page of its own first, from which the
	// browser then comes, and not from the client's.
	Asks bool

	// Alter changes the ID token before it is signed.
	Alter func(claims map[string]any)

	// Forge has the ID token signed with another key than the published one.
	Forge bool

	// Refuse has the authorization endpoint answer with that error.
	Refuse string

	// Down has endpoints fail, with that status: "/token", "/keys", "/userinfo".
	Down map[string]int

	// Padding makes access tokens that much longer, and Lifetime is how long they last.
	Padding  int
	Lifetime time.Duration

	mu      sync.Mutex
	codes   map[string]url.Values // of the authorization request
	refresh map[string]bool
}

// Two keys for each algorithm, for all providers, since making one takes long. The
// second is not published.
var (
	published = keys()
	forged    = keys()
)

func keys() map[jose.SignatureAlgorithm]func() *jose.JSONWebKey {
	newKey := func(algorithm jose.SignatureAlgorithm, key any, err error) *jose.JSONWebKey {
		if err != nil {
			panic(err)
		}
		return &jose.JSONWebKey{Key: key, KeyID: "of-" + string(algorithm), Algorithm: string(algorithm), Use: "sig"}
	}
	return map[jose.SignatureAlgorithm]func() *jose.JSONWebKey{
		jose.RS256: sync.OnceValue(func() *jose.JSONWebKey {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			return newKey(jose.RS256, key, err)
		}),
		jose.ES256: sync.OnceValue(func() *jose.JSONWebKey {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			return newKey(jose.ES256, key, err)
		}),
	}
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := p.Down[r.URL.Path]; status != 0 {
		reply(w, status, map[string]any{"error": "temporarily_unavailable"})
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /.well-known/openid-configuration":
		reply(w, http.StatusOK, map[string]any{
			"issuer":                                p.Issuer,
			"authorization_endpoint":                p.Issuer + "/authorize",
			"token_endpoint":                        p.Issuer + "/token",
			"userinfo_endpoint":                     p.Issuer + "/userinfo",
			"jwks_uri":                              p.Issuer + "/keys",
			"id_token_signing_alg_values_supported": []string{string(p.Algorithm)},
		})
	case "GET /keys":
		reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{published[p.Algorithm]().Public()}})
	case "GET /authorize":
		if p.Asks {
			posted.Execute(w, map[string]any{"To": p.Issuer + "/authorize", "Fields": r.URL.Query()})
			return
		}
		p.authorize(w, r.URL.Query())
	case "POST /authorize":
		r.ParseForm()
		p.authorize(w, r.PostForm)
	case "POST /token":
		p.token(w, r)
	case "GET /userinfo":
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer access-") {
			reply(w, http.StatusUnauthorized, nil)
			return
		}
		reply(w, http.StatusOK, map[string]any{"sub": p.Subject})
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

var posted = template.Must(template.New("").Parse(`<!DOCTYPE html><body onload="document.forms[0].submit()">
<form method="post" action="{{.To}}">{{range $name, $value := .Fields}}<input name="{{$name}}" value="{{index $value 0}}">{{end}}</form>`))

func (p *Provider) authorize(w http.ResponseWriter, request url.Values) {
	if request.Get("client_id") != p.ClientID || request.Get("redirect_uri") != p.RedirectURL || request.Get("response_type") != "code" {
		http.Error(w, "no such client", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {request.Get("state")}}
	if p.Refuse != "" {
		answer.Set("error", p.Refuse)
	} else {
		code := rand.Text()
		answer.Set("code", code)
		p.mu.Lock()
		if p.codes == nil {
			p.codes, p.refresh = map[string]url.Values{}, map[string]bool{}
		}
		p.codes[code] = request
		p.mu.Unlock()
	}
	if request.Get("response_mode") == "form_post" {
		posted.Execute(w, map[string]any{"To": p.RedirectURL, "Fields": answer})
		return
	}
	w.Header().Set("Location", p.RedirectURL+"?"+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

// token takes each code and each refresh token once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != p.ClientID || secret != p.ClientSecret {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer := map[string]any{
		"access_token": "access-" + rand.Text() + strings.Repeat("x", p.Padding),
		"token_type":   "Bearer", "expires_in": int(p.Lifetime / time.Second),
	}
	if r.PostFormValue("grant_type") == "refresh_token" {
		given := r.PostFormValue("refresh_token")
		ok = p.refresh[given]
		delete(p.refresh, given)
	} else {
		code := r.PostFormValue("code")
		request := p.codes[code]
		delete(p.codes, code)
		ok = request != nil && request.Get("code_challenge") == challenge(r.PostFormValue("code_verifier"))
		if ok {
			answer["id_token"] = p.idToken(request.Get("nonce"))
		}
	}
	if !ok {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	next := "refresh-" + rand.Text()
	p.refresh[next] = true
	answer["refresh_token"] = next
	reply(w, http.StatusOK, answer)
}

// challenge is S256 of RFC 7636; without a verifier there was to be none.
func challenge(verifier string) string {
	if verifier == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (p *Provider) idToken(nonce string) string {
	claims := map[string]any{
		"iss": p.Issuer, "sub": p.Subject, "aud": p.ClientID,
		"iat": p.Now().Unix(), "exp": p.Now().Add(5 * time.Minute).Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if p.Alter != nil {
		p.Alter(claims)
	}
	key := *published[p.Algorithm]()
	if p.Forge {
		key = *forged[p.Algorithm]()
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: p.Algorithm, Key: key}, nil)
	if err != nil {
		panic(fmt.Sprint("idp: ", err))
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(fmt.Sprint("idp: ", err))
	}
	return token
}
