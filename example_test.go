package cookiestore_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// The key of the examples. A real one is random, and comes from the environment
// or wherever the program's other secrets are.
var exampleKey, _ = hex.DecodeString("6f1d3b0a5c2e4f78899aabbccddeeff00112233445566778899aabbccddeeff0")

func mustNew(options ...cookiestore.StoreOption) *cookiestore.CookieStore {
	store, err := cookiestore.New(exampleKey, options...)
	if err != nil {
		log.Fatal(err)
	}
	return store
}

func Example() {
	store, err := cookiestore.New(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		visits := cookiestore.Get(session, "num_visits", 0) + 1
		session.Set("num_visits", visits)
		fmt.Fprintf(w, "You have visited this page %d times.", visits)
	})
	handler := cookiestore.Middleware(store)(mux)

	// A browser that comes back with the cookie it was given.
	var cookie *http.Cookie
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if cookie != nil {
			r.AddCookie(cookie)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		cookie = w.Result().Cookies()[0]
		fmt.Println(w.Body)
	}
	// Output:
	// You have visited this page 1 times.
	// You have visited this page 2 times.
	// You have visited this page 3 times.
}

func ExampleNew() {
	_, err := cookiestore.New([]byte("hunter2"))
	fmt.Println(err)
	// Output:
	// cookiestore: the key has 7 bytes, and must have at least 32 random ones: make one with securecookie.GenerateRandomKey(32), or with `openssl rand -hex 32` and ParseKey
}

func ExampleParseKey() {
	os.Setenv("SESSION_KEY", "6f1d3b0a5c2e4f78899aabbccddeeff00112233445566778899aabbccddeeff0")
	key, err := cookiestore.ParseKey(os.Getenv("SESSION_KEY"))
	fmt.Println(len(key), err)
	// Output: 32 <nil>
}

// Fallback keys, newest first, from one environment variable.
func ExampleParseKeys() {
	fallbacks, err := cookiestore.ParseKeys(`
		eoHyTlp0GEXF6ZqlFlvpqw1uzPqLtVgmvPYvlhM0sFs=,
		6f1d3b0a5c2e4f78899aabbccddeeff00112233445566778899aabbccddeeff0`)
	fmt.Println(len(fallbacks), err)

	_, err = cookiestore.ParseKeys("eoHyTlp0GEXF6ZqlFlvpqw1uzPqLtVgmvPYvlhM0sFs=, hunter2!")
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// cookiestore: key 2 of the list is neither hex nor base64: make one with `openssl rand -hex 32`
}

// A row of Django's table django_session, and one from before Django 3.1.
func ExampleDjangoRows() {
	rows, err := cookiestore.NewDjangoRows([]byte("r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"))
	if err != nil {
		log.Fatal(err)
	}
	for _, sessionData := range []string{
		"eyJudW1fdmlzaXRzIjoxfQ:1fPj03:fWMDCUV6a3m7GFnASmb_t_4LwcHCxXlDskvGKueJsSQ",
		"NGI2OGU3NmFhYTcwYmRmNzk0YWU3YjRhMzA2NTRlM2JhODI1MmFjYzp7Im51bV92aXNpdHMiOjF9",
	} {
		row, err := rows.Decode(sessionData)
		fmt.Println(row.Data, row.Legacy, err)
	}
	// Output:
	// {"num_visits":1} false <nil>
	// {"num_visits":1} true <nil>
}

// The row of one session is worth nothing under another session key.
func ExampleNewBoundRows() {
	rows, err := cookiestore.NewBoundRows([]byte("32 random bytes that nobody knows"))
	if err != nil {
		log.Fatal(err)
	}
	sessionData, err := rows.EncodeFor("alice", `{"admin":true}`, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	row, err := rows.DecodeFor("alice", sessionData)
	fmt.Println(row.Data, err)
	_, err = rows.DecodeFor("mallory", sessionData)
	fmt.Println(errors.Is(err, cookiestore.ErrTampered))
	// Output:
	// {"admin":true} <nil>
	// true
}

func ExampleRecord_Check() {
	rec := cookiestore.Record{Data: `{"_session_expiry":30}`, Saved: time.Unix(1_800_000_000, 0)}
	err := rec.Check(14*24*time.Hour, time.Unix(1_800_000_060, 0))
	fmt.Println(errors.Is(err, cookiestore.ErrExpired), err)
	// Output: true cookiestore: cookie refused: expired: ended 2027-01-15T08:00:30Z
}

func ExampleRecord_EndsAt() {
	rec := cookiestore.Record{Data: `{"_session_expiry":30}`, Saved: time.Unix(1_800_000_000, 0).UTC()}
	fmt.Println(rec.EndsAt(14 * 24 * time.Hour))
	// Output: 2027-01-15 08:00:30 +0000 UTC <nil>
}

// With a block key, securecookie encrypts the session: the visitor can't read it.
func ExampleNewWithCodec() {
	hashKey := securecookie.GenerateRandomKey(32)
	blockKey := securecookie.GenerateRandomKey(32)
	codec := securecookie.New(hashKey, blockKey).SetSerializer(securecookie.NopEncoder{})

	store, err := cookiestore.NewWithCodec(codec)
	if err != nil {
		log.Fatal(err)
	}
	rec := cookiestore.Record{Data: `{"diagnosis":"a cold"}`, Saved: time.Now()}
	value, _, err := store.Save(context.Background(), "sessionid", rec)
	if err != nil {
		log.Fatal(err)
	}
	rec, err = store.Load(context.Background(), "sessionid", value)
	fmt.Println(rec.Data, err)
	// Output: {"diagnosis":"a cold"} <nil>
}

// To change keys: the new one signs, the old one is still accepted.
func ExampleWithFallbackKeys() {
	old := mustNew()
	value, _, _ := old.Save(context.Background(), "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: time.Now()})

	newKey := securecookie.GenerateRandomKey(32)
	store, err := cookiestore.New(newKey, cookiestore.WithFallbackKeys(exampleKey))
	if err != nil {
		log.Fatal(err)
	}
	rec, err := store.Load(context.Background(), "sessionid", value)
	fmt.Println(rec.Data, err)
	fmt.Println("to be signed anew:", rec.Resave)
	// Output:
	// {"user":7} <nil>
	// to be signed anew: true
}

func ExampleCookieStore_SetKeys() {
	store := mustNew()
	// On a signal, say, while requests go on:
	newKey := securecookie.GenerateRandomKey(32)
	fmt.Println(store.SetKeys(newKey, exampleKey))
	// Output: <nil>
}

// A cookie that Django made, and its session.
func ExampleWithDjango() {
	secretKey := []byte("r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ")
	store, err := cookiestore.New(secretKey, cookiestore.WithDjango())
	if err != nil {
		log.Fatal(err)
	}
	rec, err := store.Load(context.Background(), "sessionid",
		"eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI")
	fmt.Println(rec.Data, rec.Saved.UTC().Format(time.DateOnly), err)
	// Output: {"num_visits":1} 2018-06-04 <nil>
}

// A site that changes its format logs nobody out: what Django has signed is read, and
// written anew.
func ExampleWithLegacy() {
	django, err := cookiestore.New([]byte("Django's SECRET_KEY"), cookiestore.WithDjango())
	if err != nil {
		log.Fatal(err)
	}
	value, _, err := django.Save(context.Background(), "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	store := mustNew(cookiestore.WithLegacy(django))
	rec, err := store.Load(context.Background(), "sessionid", value)
	fmt.Println(rec.Data, rec.Resave, err)
	// Output: {"user":7} true <nil>
}

func ExampleWithCompressionOver() {
	fmt.Println(mustNew(cookiestore.WithCompressionOver(0)) != nil) // always try, as Django does
	// Output: true
}

func ExampleWithMaxInflated() {
	fmt.Println(mustNew(cookiestore.WithMaxInflated(16<<10)) != nil)
	// Output: true
}

func ExampleCookieStore_Save() {
	cart := make([]int, 2000)
	for i := range cart {
		cart[i] = i * i
	}
	m, err := cookiestore.NewManager(mustNew(cookiestore.WithCompressionOver(-1)))
	if err != nil {
		log.Fatal(err)
	}
	var session cookiestore.Session
	session.Set("user", 7)
	session.Set("cart", cart)
	_, err = m.Save(context.Background(), &session)
	fmt.Println(errors.Is(err, cookiestore.ErrTooLarge))
	fmt.Println(err)
	// Output:
	// true
	// session can't be saved: cookiestore: too large: cookie would have 19565 bytes with its name and attributes, and the limit is 4096; largest keys: "cart" (14544 bytes), "user" (7 bytes)
}

func ExampleCookieStore_Load() {
	_, err := mustNew().Load(context.Background(), "sessionid", "eyJhZG1pbiI6dHJ1ZX0:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI")
	fmt.Println(cookiestore.IsRefused(err), errors.Is(err, cookiestore.ErrTampered))
	fmt.Println(err)
	// Output:
	// true true
	// cookiestore: cookie refused: signature does not match
}

func ExampleIsRefused() {
	_, err := mustNew().Load(context.Background(), "sessionid", "nonsense")
	fmt.Println(cookiestore.IsRefused(err), err)
	fmt.Println(cookiestore.IsRefused(errors.New("the database is down")))
	// Output:
	// true cookiestore: cookie refused: malformed: no signature
	// false
}

func ExampleMiddleware() {
	handler := cookiestore.Middleware(mustNew(),
		cookiestore.WithName("__Host-session"),
		cookiestore.WithMaxAge(8*time.Hour),
		cookiestore.WithRenewal(0.5),
		cookiestore.WithLifetime(30*24*time.Hour),
		cookiestore.WithLogger(slog.New(slog.NewJSONHandler(os.Stderr, nil))),
	)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		session.CycleKey() // at login
		session.Set("user_id", 7)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login", nil))
	cookie := w.Result().Cookies()[0]
	fmt.Println(w.Code, cookie.Name, cookie.MaxAge, cookie.Secure, cookie.HttpOnly)
	// Output: 303 __Host-session 28800 true true
}

// Options that contradict each other stop the program when it starts.
func ExampleNewManager() {
	_, err := cookiestore.NewManager(mustNew(),
		cookiestore.WithName("__Host-session"),
		cookiestore.WithDomain("example.org"))
	fmt.Println(err)
	// Output: cookiestore: cookie "__Host-session": the prefix __Host- allows no Domain, and it is "example.org"
}

// A function that gets an event with a cookie header, and returns one.
func ExampleManager_Load() {
	m, err := cookiestore.NewManager(mustNew())
	if err != nil {
		log.Fatal(err)
	}
	handle := func(ctx context.Context, cookieHeader string) (body, setCookie string, err error) {
		session, err := m.Load(ctx, cookieHeader)
		if err != nil {
			return "", "", err
		}
		visits := cookiestore.Get(session, "num_visits", 0) + 1
		session.Set("num_visits", visits)
		cookies, err := m.Save(ctx, session)
		if err != nil {
			return "", "", err
		}
		return fmt.Sprintf("visit %d", visits), cookies[0].String(), nil
	}
	body, setCookie, _ := handle(context.Background(), "")
	fmt.Println(body)
	body, _, _ = handle(context.Background(), setCookie)
	fmt.Println(body)
	// Output:
	// visit 1
	// visit 2
}

func ExampleManager_Save() {
	m, err := cookiestore.NewManager(mustNew())
	if err != nil {
		log.Fatal(err)
	}
	session, _ := m.Load(context.Background())
	cookies, err := m.Save(context.Background(), session)
	fmt.Println(len(cookies), err) // nothing was changed
	session.Set("user", 7)
	cookies, err = m.Save(context.Background(), session)
	fmt.Println(cookies[0].Name, cookies[0].MaxAge, err)
	// Output:
	// 0 <nil>
	// sessionid 1209600 <nil>
}

func ExampleManager_Handler() {
	m, err := cookiestore.NewManager(mustNew())
	if err != nil {
		log.Fatal(err)
	}
	handler := m.Handler(http.NotFoundHandler())
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code)
	// Output: 404
}

// A handler under test, without the middleware around it.
func ExampleNewContext() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "Hello, ", cookiestore.FromContext(r.Context()).Get("name"))
	}
	var session cookiestore.Session
	session.Set("name", "Ankit")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	handler(w, r.WithContext(cookiestore.NewContext(r.Context(), &session)))
	fmt.Println(w.Body)
	// Output: Hello, Ankit
}

func ExampleFromContext() {
	handler := cookiestore.Middleware(mustNew())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		fmt.Println(session.IsNew())
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output: true
}

func ExampleFromContextNamed() {
	store := mustNew()
	visitor := cookiestore.Middleware(store, cookiestore.WithName("visitor"))
	admin := cookiestore.Middleware(store, cookiestore.WithName("__Host-admin"))
	handler := visitor(admin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := cookiestore.FromContext(r.Context())
		outer, ok := cookiestore.FromContextNamed(r.Context(), "visitor")
		fmt.Println(ok, inner != outer)
	})))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output: true true
}

func ExampleGet() {
	var session cookiestore.Session
	session.Set("num_visits", 7)
	fmt.Println(cookiestore.Get(&session, "num_visits", 0))
	fmt.Println(cookiestore.Get(&session, "theme", "light"))
	// Output:
	// 7
	// light
}

func ExampleLookup() {
	var session cookiestore.Session
	session.Set("name", "Ankit")
	_, err := cookiestore.Lookup[int](&session, "user_id")
	fmt.Println(errors.Is(err, cookiestore.ErrNoKey), err)
	_, err = cookiestore.Lookup[int](&session, "name")
	fmt.Println(errors.Is(err, cookiestore.ErrType), err)
	// Output:
	// true cookiestore: session key "user_id": no such key
	// true cookiestore: session key "name": it holds a string, where int is wanted
}

func ExampleModify() {
	var session cookiestore.Session
	session.Set("my_car", map[string]string{"wheels": "steel"})
	err := cookiestore.Modify(&session, "my_car", func(car *map[string]string) { (*car)["wheels"] = "alloy" })
	fmt.Println(session.Get("my_car"), err)

	// It begins with the zero value where there is none.
	err = cookiestore.Modify(&session, "cart", func(cart *[]string) { *cart = append(*cart, "A-1") })
	fmt.Println(session.Get("cart"), err)
	// Output:
	// map[wheels:alloy] <nil>
	// [A-1] <nil>
}

func ExampleSession_Set() {
	var session cookiestore.Session
	session.Set("user", struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}{7, "Ankit"})
	fmt.Println(session.Get("user"))

	session.Set("callback", func() {})
	fmt.Println(session.Err())
	// Output:
	// map[id:7 name:Ankit]
	// cookiestore: session key "callback" can't be set: JSON has no func()
}

func ExampleSession_Get() {
	var session cookiestore.Session
	session.Set("n", 7)
	session.Set("price", 2.0)
	for _, key := range []string{"n", "price", "nothing"} {
		value := session.Get(key)
		fmt.Printf("%T %v\n", value, value)
	}
	// Output:
	// int 7
	// float64 2
	// <nil> <nil>
}

func ExampleSession_Update() {
	var session cookiestore.Session
	session.Update(map[string]any{"user_id": 7, "name": "Ankit"})
	session.Update(struct {
		Theme string `json:"theme"`
	}{"dark"})
	fmt.Println(session.Keys())
	// Output: [name user_id theme]
}

func ExampleSession_Decode() {
	var session cookiestore.Session
	session.Update(map[string]any{"user_id": 7, "name": "Ankit"})
	var user struct {
		ID   int    `json:"user_id"`
		Name string `json:"name"`
	}
	err := session.Decode(&user)
	fmt.Println(user, err)
	// Output: {7 Ankit} <nil>
}

func ExampleSession_All() {
	var session cookiestore.Session
	session.Set("b", 1)
	session.Set("a", "two")
	for key, value := range session.All() {
		fmt.Println(key, value)
	}
	// Output:
	// b 1
	// a two
}

func ExampleSession_Pop() {
	var session cookiestore.Session
	session.Set("next", "/cart")
	fmt.Println(session.Pop("next"), session.Pop("next"))
	// Output: /cart <nil>
}

func ExampleSession_SetDefault() {
	var session cookiestore.Session
	fmt.Println(session.SetDefault("theme", "light"), session.SetDefault("theme", "dark"))
	// Output: light light
}

func ExampleSession_Delete() {
	var session cookiestore.Session
	session.Set("cart", []int{1})
	session.Delete("cart", "nothing")
	fmt.Println(session.Has("cart"), session.IsEmpty())
	// Output: false true
}

func ExampleSession_Flush() {
	var session cookiestore.Session
	session.Set("user_id", 7)
	session.Flush() // the visitor logs out
	session.AddFlash("See you!")
	fmt.Println(session.Keys())
	// Output: [_flash]
}

func ExampleSession_AddFlash() {
	var session cookiestore.Session
	session.AddFlash("Saved.")
	// after the redirect
	fmt.Println(session.Flashes())
	fmt.Println(session.Flashes())
	// Output:
	// [Saved.]
	// []
}

func ExampleSession_SetTestCookie() {
	var session cookiestore.Session
	session.SetTestCookie()
	// in the next request
	if session.TestCookieWorked() {
		session.DeleteTestCookie()
		fmt.Println("the browser takes cookies")
	}
	// Output: the browser takes cookies
}

func ExampleSession_SetExpiry() {
	var session cookiestore.Session
	session.SetExpiry(cookiestore.After(30 * time.Minute))
	fmt.Println(session.ExpiryAge(), session.ExpiresAtBrowserClose())
	session.SetExpiry(cookiestore.AtBrowserClose)
	fmt.Println(session.ExpiryAge(), session.ExpiresAtBrowserClose())
	session.SetExpiry(cookiestore.Default)
	fmt.Println(session.ExpiryAge(), session.ExpiresAtBrowserClose())
	// Output:
	// 30m0s false
	// 336h0m0s true
	// 336h0m0s false
}

func ExampleAfter() {
	fmt.Println(cookiestore.After(30 * time.Minute))
	fmt.Println(cookiestore.After(1500 * time.Millisecond))
	// Output:
	// after 30m0s
	// after 2s
}

func ExampleAt() {
	midnight := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	var session cookiestore.Session
	session.SetExpiry(cookiestore.At(midnight))
	fmt.Println(session.ExpiryDate())
	// Output: 2027-01-01 00:00:00 +0000 UTC
}

func ExampleNewSigner() {
	signer, err := cookiestore.NewSigner(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	value := signer.Sign("unsubscribe", "user-7", time.Unix(1_800_000_000, 0))
	signed, err := signer.Verify("unsubscribe", value)
	fmt.Println(signed.Payload, signed.At.UTC(), err)
	_, err = signer.Verify("unsubscribe", "user-8"+value[6:])
	fmt.Println(err)
	// Output:
	// user-7 2027-01-15 08:00:00 +0000 UTC <nil>
	// cookiestore: cookie refused: signature does not match
}

func ExampleNewDjangoSigner() {
	// In Django: signing.dumps({"id": 7}, salt="unsubscribe")
	signer, err := cookiestore.NewDjangoSigner("unsubscribe", []byte("Django's SECRET_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	value, err := signer.Encode("", map[string]int{"id": 7})
	if err != nil {
		log.Fatal(err)
	}
	var token struct{ ID int }
	err = signer.Decode("", value, &token)
	fmt.Println(token.ID, err)
	// Output: 7 <nil>
}

// A Signer is a securecookie.Codec, for values that JSON can hold.
func ExampleSigner_Encode() {
	signer, err := cookiestore.NewSigner(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	var codec securecookie.Codec = signer
	value, err := codec.Encode("session", map[string]any{"user": 7})
	if err != nil {
		log.Fatal(err)
	}
	var values map[string]any
	err = codec.Decode("session", value, &values)
	fmt.Println(values, err)
	// Output: map[user:7] <nil>
}

func ExampleSigner_SetKeys() {
	signer, err := cookiestore.NewSigner(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	old := signer.Sign("n", "x", time.Now())
	if err := signer.SetKeys(securecookie.GenerateRandomKey(32), exampleKey); err != nil {
		log.Fatal(err)
	}
	signed, err := signer.Verify("n", old)
	fmt.Println("signed with key", signed.KeyIndex, err)
	// Output: signed with key 1 <nil>
}
