package login

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"example.com/cookiestore"
)

// Config is what the site needs to know.
type Config struct {
	Key      []byte        // signs the sessions, or encrypts them
	URL      string        // of the site, such as https://shop.example
	SameSite http.SameSite // of the session's cookie: Lax, which is the default, or Strict

	Issuer                 string // the OpenID provider
	ClientID, ClientSecret string
	FormPost               bool // the provider answers with a POST: response_mode=form_post
	KeepTokens             bool // to call the provider's API later; sessions are then encrypted

	// Password looks a user up by what was typed, and returns the one ID that the user has
	// however the name is spelled. SecondFactor gets that ID. A code must count once: nothing
	// in a cookie can see to that. Without these two, passwords sign nobody in.
	Password     func(name, password string) (userID string, ok bool)
	SecondFactor func(userID, code string) bool

	Revocations cookiestore.Revocations // default: in memory, where a restart forgets them
	Client      *http.Client            // to the provider; a request takes ten seconds unless its Timeout says otherwise
	Now         func() time.Time        // default: time.Now
	Logger      *slog.Logger            // default: slog.Default()
}

func (c Config) withDefaults() (Config, error) {
	c.SameSite = cmp.Or(c.SameSite, http.SameSiteLaxMode)
	if c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode {
		return c, fmt.Errorf("login: SameSite is %d: neither Lax nor Strict", c.SameSite)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Revocations == nil {
		c.Revocations = cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(c.Now))
	}
	var client http.Client
	if c.Client != nil {
		client = *c.Client
	}
	client.Timeout = cmp.Or(client.Timeout, 10*time.Second) // or a callback waits for as long as the provider does
	c.Client = &client
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, nil
}
