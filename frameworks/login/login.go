// Package login is a site whose visitors sign in at an OpenID provider, or with a
// password and a second factor. Its session has who that is, and nothing else about them.
package login

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/cookiestore"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	sessionCookie = "__Host-session"
	loginCookie   = "__Host-login"

	userKey   = "user"   // who is signed in
	tokensKey = "tokens" // with KeepTokens
)

const (
	loginTime    = 10 * time.Minute // at the provider
	halfTime     = 5 * time.Minute  // between password and second factor
	bounceTime   = time.Minute      // between the callback and the page after it
	rememberTime = 30 * 24 * time.Hour
)

type site struct {
	Config
	provider *oidc.Provider
	oauth    oauth2.Config
	failures failures
}

// New returns the site. It asks the provider for its endpoints.
func New(ctx context.Context, config Config) (http.Handler, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, config.Client), config.Issuer)
	if err != nil {
		return nil, err
	}
	s := &site{Config: config, provider: provider}
	s.oauth = oauth2.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret, Endpoint: provider.Endpoint(),
		RedirectURL: config.URL + "/login/callback", Scopes: []string{oidc.ScopeOpenID},
	}
	withSessions, err := s.middleware()
	if err != nil {
		return nil, err
	}
	fromHere := http.NewCrossOriginProtection()
	callback := "GET /login/callback"
	if config.FormPost {
		callback = "POST /login/callback"
		fromHere.AddInsecureBypassPattern(callback) // state is what protects it
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("GET /account", requireLogin(account))
	mux.HandleFunc("GET /profile", requireLogin(s.profile))
	mux.HandleFunc("GET /login", form("remember"))
	mux.HandleFunc("POST /login", s.begin)
	mux.HandleFunc(callback, s.callback)
	mux.HandleFunc("GET /login/done", s.done)
	if s.Password != nil && s.SecondFactor != nil {
		mux.HandleFunc("GET /password", form("name", "password", "remember"))
		mux.HandleFunc("POST /password", s.password)
		mux.HandleFunc("GET /second-factor", form("code"))
		mux.HandleFunc("POST /second-factor", s.secondFactor)
	}
	mux.HandleFunc("POST /logout", logout)
	return fromHere.Handler(withSessions(mux)), nil
}

// middleware has the session, and the login cookie where the session's own does not
// come with the provider's answer.
func (s *site) middleware() (func(http.Handler) http.Handler, error) {
	var keep []cookiestore.StoreOption
	chunks := 1
	if s.KeepTokens {
		keep, chunks = append(keep, cookiestore.WithEncryption()), 3
	}
	store, err := cookiestore.New(s.Key, keep...)
	if err != nil {
		return nil, err
	}
	revocations := cookiestore.WithRevocations(s.Revocations, userKey)
	sessions := cookiestore.Middleware(store,
		cookiestore.WithName(sessionCookie),
		cookiestore.WithSameSite(s.SameSite),
		cookiestore.WithChunks(chunks),
		cookiestore.WithRenewal(0.5),
		revocations, cookiestore.WithClock(s.Now), cookiestore.WithLogger(s.Logger))
	if s.SameSite == http.SameSiteLaxMode && !s.FormPost {
		return sessions, nil
	}
	sameSite := http.SameSiteLaxMode
	if s.FormPost {
		sameSite = http.SameSiteNoneMode
	}
	logins := cookiestore.Middleware(store,
		cookiestore.WithName(loginCookie),
		cookiestore.WithSameSite(sameSite),
		cookiestore.WithMaxAge(loginTime),
		cookiestore.WithChunks(chunks),
		revocations, cookiestore.WithClock(s.Now), cookiestore.WithLogger(s.Logger))
	return func(next http.Handler) http.Handler { return logins(sessions(next)) }, nil
}

// loginSession is where a login is kept until it is finished.
func loginSession(r *http.Request) (session *cookiestore.Session, ownCookie bool) {
	if session, ok := cookiestore.FromContextNamed(r.Context(), loginCookie); ok {
		return session, true
	}
	return cookiestore.FromContext(r.Context()), false
}

// UserID returns what the session keeps of a user: a subject is unique within its issuer
// only, and addresses and names change. An issuer has no space in it.
func UserID(issuer, subject string) string { return issuer + " " + subject }

// A pending login has shown who the visitor is, but is not in the session yet, or
// lacks the second factor.
type pending struct {
	Issuer, Subject string
	Next            string
	Remember        bool
	Since           time.Time
	Tokens          *oauth2.Token `json:",omitempty"`
}

// signIn is the one place that makes a session count as signed in.
func (s *site) signIn(w http.ResponseWriter, r *http.Request, p pending) {
	user := UserID(p.Issuer, p.Subject)
	revoked, err := s.Revocations.Revoked(r.Context(), cookiestore.Identity{User: user, StartedAt: p.Since})
	switch {
	case p.Subject == "":
		s.refuse(w, r, &refusal{http.StatusBadRequest, "Nobody has said who you are.", nil})
		return
	case err != nil:
		s.refuse(w, r, &refusal{http.StatusServiceUnavailable, "Nobody can sign in now.", err})
		return
	case revoked: // with the user's sessions, since the login began
		s.refuse(w, r, &refusal{http.StatusUnauthorized, "This login was ended.", nil})
		return
	}
	session := cookiestore.FromContext(r.Context())
	if cookiestore.Get(session, userKey, user) != user {
		session.Flush() // somebody else was signed in here
	}
	session.CycleKey() // copies from before are worthless now
	session.Delete(attemptKey, halfKey)
	session.Set(userKey, user)
	if p.Tokens != nil {
		session.Set(tokensKey, p.Tokens)
	}
	if p.Remember {
		session.SetExpiry(cookiestore.After(rememberTime))
	} else {
		session.SetExpiry(cookiestore.AtBrowserClose)
	}
	http.Redirect(w, r, p.Next, http.StatusSeeOther)
}

func logout(w http.ResponseWriter, r *http.Request) {
	login, _ := loginSession(r)
	login.Flush() // or one that is waiting there signs the visitor in again
	cookiestore.FromContext(r.Context()).Flush()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func requireLogin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !cookiestore.FromContext(r.Context()).Has(userKey) {
			http.Error(w, "Please sign in.", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func home(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	visits := cookiestore.Get(session, "visits", 0) + 1
	_, err := r.Cookie(sessionCookie)
	if err == nil || r.Header.Get("Sec-Fetch-Site") != "cross-site" { // or a Strict cookie that hasn't come is replaced
		session.Set("visits", visits)
	}
	fmt.Fprintf(w, "Visit number %d of %s.\n", visits, cookiestore.Get(session, userKey, "nobody"))
}

func account(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "You are %s.\n", cookiestore.FromContext(r.Context()).Get(userKey))
}
