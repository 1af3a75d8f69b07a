package login

import (
	"fmt"
	"net/http"

	"example.com/cookiestore"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// profile calls the provider's API with the tokens that the session has.
func (s *site) profile(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	kept, err := cookiestore.Lookup[oauth2.Token](session, tokensKey)
	if err != nil {
		http.Error(w, "This session has no tokens.", http.StatusNotFound)
		return
	}
	ctx := oidc.ClientContext(r.Context(), s.Client)
	token, err := s.oauth.TokenSource(ctx, &kept).Token() // asks for another if this one has expired
	if invalidGrant(err) {
		session.Delete(tokensKey)
		http.Error(w, "The provider wants you to sign in again.", http.StatusUnauthorized)
		return
	} else if err != nil {
		http.Error(w, "The provider does not answer as it should. Please reload this page.", http.StatusBadGateway)
		return
	}
	if token.AccessToken != kept.AccessToken {
		session.Set(tokensKey, token)
	}
	info, err := s.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil { // with a status over 500 the new token would not be saved
		http.Error(w, "The provider does not say who you are.", http.StatusFailedDependency)
		return
	}
	fmt.Fprintf(w, "To the provider you are %s.\n", info.Subject)
}
