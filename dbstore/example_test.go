package dbstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	_ "modernc.org/sqlite"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/inspect"
)

const secretKey = "the SECRET_KEY of the Django site, or 32 random bytes"

// openDB opens a database that is gone when the example ends.
func openDB() *sql.DB {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	return db
}

func newStore(options ...dbstore.Option) *dbstore.Store {
	store, err := dbstore.New(openDB(), []byte(secretKey), options...)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.CreateTable(context.Background()); err != nil {
		log.Fatal(err)
	}
	return store
}

// visit requests a page, and returns the value of the session cookie.
func visit(store *dbstore.Store, cookie string) string {
	handler := cookiestore.Middleware(store)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		session := cookiestore.FromContext(r.Context())
		visits := cookiestore.Get(session, "num_visits", 0) + 1
		session.Set("num_visits", visits)
		fmt.Printf("You have visited this page %d times.\n", visits)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: cookie})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result().Cookies()[0].Value
}

// save makes a session with one value.
func save(store *dbstore.Store, key string, value any) {
	manager, err := cookiestore.NewManager(store)
	if err != nil {
		log.Fatal(err)
	}
	session, err := manager.Load(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	session.Set(key, value)
	if _, err := manager.Save(context.Background(), session); err != nil {
		log.Fatal(err)
	}
}

func Example() {
	db := openDB()
	defer db.Close()
	store, err := dbstore.New(db, []byte(secretKey))
	if err != nil {
		log.Fatal(err)
	}
	if err := store.CreateTable(context.Background()); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	handler := cookiestore.Middleware(store)(mux)
	_ = handler // for http.ListenAndServe
	// Output:
}

func ExampleNew() {
	store := newStore()
	cookie := visit(store, "")
	visit(store, cookie)
	fmt.Println("The cookie has", len(cookie), "characters.")
	// Output:
	// You have visited this page 1 times.
	// You have visited this page 2 times.
	// The cookie has 32 characters.
}

func ExampleOpenSQLite() {
	store, err := dbstore.OpenSQLite("sqlite", ":memory:", []byte(secretKey)) // or the path of a file
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateTable(context.Background()); err != nil {
		log.Fatal(err)
	}
	visit(store, "")
	// Output: You have visited this page 1 times.
}

// A store of OpenSQLite has its database for itself, and closes it.
func ExampleStore_Close() {
	store, err := dbstore.OpenSQLite("sqlite", ":memory:", []byte(secretKey))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.Close())
	// Output: <nil>
}

func ExampleStore_Row() {
	store := newStore()
	key := visit(store, "")
	row, err := store.Row(context.Background(), key)
	if err != nil {
		log.Fatal(err)
	}
	data, err := inspect.Parse(row.SessionData)
	fmt.Println(data.Data, err)
	// Output:
	// You have visited this page 1 times.
	// {"num_visits":1} <nil>
}

func ExampleStore_Delete() {
	store := newStore()
	key := visit(store, "")
	// An administrator ends a session, whatever state it is in.
	fmt.Println(store.Delete(context.Background(), "sessionid", key, ""))
	visit(store, key)
	// Output:
	// You have visited this page 1 times.
	// <nil>
	// You have visited this page 1 times.
}

// Signs one user out on all devices.
func ExampleStore_All() {
	store := newStore()
	ctx := context.Background()
	for _, user := range []string{"7", "8", "7"} {
		save(store, "_auth_user_id", user)
	}
	for entry, err := range store.All(ctx) {
		if cookiestore.IsRefused(err) {
			continue // a row that doesn't verify
		}
		if err != nil {
			log.Fatal(err)
		}
		var session struct {
			User string `json:"_auth_user_id"` // Django's
		}
		if err := json.Unmarshal([]byte(entry.Record.Data), &session); err != nil {
			log.Fatal(err)
		}
		if session.User == "7" {
			fmt.Println(entry.Record.Data, store.DeleteRow(ctx, entry.Row))
		}
	}
	fmt.Println(store.Count(ctx))
	// Output:
	// {"_auth_user_id":"7"} <nil>
	// {"_auth_user_id":"7"} <nil>
	// 1 0 <nil>
}

func ExampleStore_Count() {
	live, expired, err := newStore().Count(context.Background())
	fmt.Println(live, expired, err)
	// Output: 0 0 <nil>
}

// An administrator ends a session that was listed.
func ExampleStore_DeleteRow() {
	store := newStore(dbstore.WithHashedKeys())
	cookie := visit(store, "")
	row, err := store.Row(context.Background(), cookie)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.DeleteRow(context.Background(), row))
	visit(store, cookie)
	// Output:
	// You have visited this page 1 times.
	// <nil>
	// You have visited this page 1 times.
}

func ExampleStore_CreateTable() {
	store, err := dbstore.New(openDB(), []byte(secretKey))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.CreateTable(context.Background()))
	fmt.Println(store.CreateTable(context.Background()))
	// Output:
	// <nil>
	// <nil>
}

func ExampleStore_ClearExpired() {
	store := newStore()
	fmt.Println(store.ClearExpired(context.Background())) // in a cron job, say
	// Output: <nil>
}

func ExampleWithClearProgress() {
	var total int64
	store := newStore(dbstore.WithClearProgress(func(removed int64) { total += removed }))
	fmt.Println(store.ClearExpired(context.Background()), total)
	// Output: <nil> 0
}

func ExampleStore_ClearEvery() {
	store := newStore()
	ctx, stop := context.WithCancel(context.Background())
	go store.ClearEvery(ctx, time.Hour, func(err error) { log.Print(err) })
	stop() // when the server stops
	// Output:
}

func ExampleStore_SetKeys() {
	store := newStore()
	cookie := visit(store, "")
	newKey := []byte("another SECRET_KEY")
	if err := store.SetKeys(newKey, []byte(secretKey)); err != nil {
		log.Fatal(err)
	}
	visit(store, cookie)
	// Output:
	// You have visited this page 1 times.
	// You have visited this page 2 times.
}

// The old key is a fallback key: Django's SECRET_KEY_FALLBACKS.
func ExampleWithFallbackKeys() {
	newStore(dbstore.WithFallbackKeys([]byte("the SECRET_KEY before")))
	// Output:
}

// A driver that is wrapped in another doesn't tell what SQL it speaks.
func ExampleWithDialect() {
	newStore(dbstore.WithDialect(dbstore.SQLite))
	// Output:
}

// The sessions of the people who run the site have a table, and a cookie, of their
// own.
func ExampleWithTable() {
	staff := newStore(dbstore.WithTable("staff_session"))
	handler := cookiestore.Middleware(staff, cookiestore.WithName("staffsession"))(http.NotFoundHandler())
	_ = handler
	// Output:
}

// A copy of the table logs nobody in: it holds hashes of the cookies.
func ExampleWithHashedKeys() {
	store := newStore(dbstore.WithHashedKeys())
	cookie := visit(store, "")
	row, err := store.Row(context.Background(), cookie)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(cookie), len(row.SessionKey))
	visit(store, row.SessionKey) // is not a cookie
	visit(store, cookie)
	// Output:
	// You have visited this page 1 times.
	// 32 40
	// You have visited this page 1 times.
	// You have visited this page 2 times.
}

// The sessions are in the schema "accounts".
func ExampleWithTable_schema() {
	db := openDB()
	if _, err := db.Exec("ATTACH ':memory:' AS accounts"); err != nil { // elsewhere: CREATE SCHEMA
		log.Fatal(err)
	}
	store, err := dbstore.New(db, []byte(secretKey), dbstore.WithTable("accounts.django_session"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.CreateTable(context.Background()))
	// Output: <nil>
}

func ExampleWithTimeout() {
	newStore(dbstore.WithTimeout(time.Second))
	// Output:
}

// A test moves the clock.
func ExampleWithClock() {
	now := time.Now()
	store := newStore(dbstore.WithClock(func() time.Time { return now }))
	key := visit(store, "")
	now = now.Add(15 * 24 * time.Hour)
	if err := store.ClearExpired(context.Background()); err != nil {
		log.Fatal(err)
	}
	_, err := store.Row(context.Background(), key)
	fmt.Println(err)
	// Output:
	// You have visited this page 1 times.
	// dbstore: no such session
}
