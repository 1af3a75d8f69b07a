package cookiestore_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// A site that signs its visitors in with OpenID Connect keeps three tokens, which the
// visitor should not read and which don't fit in one cookie. Encrypted, and in two, they
// need no database.
func ExampleWithChunks() {
	store, err := cookiestore.New(exampleKey, cookiestore.WithEncryption())
	if err != nil {
		fmt.Println(err)
		return
	}
	withSession := cookiestore.Middleware(store, cookiestore.WithChunks(2), cookiestore.WithName("__Host-session"))

	mux := http.NewServeMux()
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.CycleKey()
		session.Set("access_token", newToken())
		session.Set("refresh_token", newToken())
		session.Set("id_token", newToken())
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		token := cookiestore.Get(cookiestore.FromContext(r.Context()), "access_token", "")
		fmt.Fprintf(w, "calling the API with a token of %d bytes", len(token))
	})
	site := withSession(mux)

	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/callback", nil))
	next := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, cookie := range w.Result().Cookies() {
		fmt.Println(cookie.Name, len(cookie.String()) <= cookiestore.MaxCookieSize)
		next.AddCookie(cookie)
	}
	w = httptest.NewRecorder()
	site.ServeHTTP(w, next)
	fmt.Println(w.Body)
	// Output:
	// __Host-session true
	// __Host-session-1 true
	// calling the API with a token of 1500 bytes
}

// newToken returns what stands for a token of a login provider.
func newToken() string {
	const size = 1500
	random := securecookie.GenerateRandomKey(size)
	var token strings.Builder
	for _, b := range random {
		token.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[b%64])
	}
	return token.String()
}

// A visitor who writes much gets a record in the database, and the others need none. In a
// program, the records are those of package dbstore.
func ExampleSpill() {
	cookie, err := cookiestore.New(exampleKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	records := newRows()
	store := cookiestore.Spill(cookie, records)

	manager, err := cookiestore.NewManager(store)
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := manager.Load(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, size := range []int{1, 4, 1} {
		var drafts []string
		for range size {
			drafts = append(drafts, newToken())
		}
		session.Set("drafts", drafts)
		if _, err := manager.Save(context.Background(), session); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d bytes: %d records\n", size*len(drafts[0]), len(records.rows))
	}
	// Output:
	// 1500 bytes: 0 records
	// 6000 bytes: 1 records
	// 1500 bytes: 0 records
}

// The new codec writes, and what the old one wrote is read and written anew.
func ExampleWithFallbackCodecs() {
	newCodec := func() *securecookie.SecureCookie {
		hashKey, blockKey := securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)
		return securecookie.New(hashKey, blockKey).MaxAge(0).MaxLength(0).SetSerializer(securecookie.NopEncoder{})
	}
	oldCodec := newCodec()
	old, err := cookiestore.NewWithCodec(oldCodec)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	value, _, err := old.Save(ctx, "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: time.Now()})
	if err != nil {
		fmt.Println(err)
		return
	}

	store, err := cookiestore.NewWithCodec(newCodec(), cookiestore.WithFallbackCodecs(oldCodec))
	if err != nil {
		fmt.Println(err)
		return
	}
	rec, err := store.Load(ctx, "sessionid", value)
	fmt.Println(rec.Data, "to be written anew:", rec.Resave, err)
	// Output: {"user":7} to be written anew: true <nil>
}
