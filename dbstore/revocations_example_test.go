package dbstore_test

import (
	"context"
	"fmt"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

// Revocations in a database, which is asked about a session once in ten seconds.
func ExampleNewRevocations() {
	db := openDB()
	defer db.Close()
	ended, err := dbstore.NewRevocations(db)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := ended.CreateTable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	go ended.ClearEvery(ctx, time.Hour, nil)
	revocations := cookiestore.CachedRevocations(ended, 10*time.Second, 100_000)

	session := cookiestore.Identity{ID: "mTYQFJSsZ2xpMZ2o6bWXWA", User: "zoe", StartedAt: time.Now().Add(-time.Hour)}
	revoked, err := revocations.Revoked(ctx, session)
	fmt.Println(revoked, err)

	// Signed out everywhere. Zoe's sessions last two weeks.
	now := time.Now()
	if err := revocations.RevokeUser(ctx, "zoe", now, now.Add(14*24*time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	revoked, err = revocations.Revoked(ctx, session)
	fmt.Println(revoked, err)
	// Output:
	// false <nil>
	// true <nil>
}

// Entries that aren't needed any more are removed.
func ExampleRevocations_ClearExpired() {
	db := openDB()
	defer db.Close()
	ended, err := dbstore.NewRevocations(db, dbstore.WithTable("ended_sessions"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := ended.CreateTable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	expired := time.Now().Add(-2 * time.Hour)
	if err := ended.Revoke(ctx, "mTYQFJSsZ2xpMZ2o6bWXWA", expired); err != nil {
		fmt.Println(err)
		return
	}
	if err := ended.ClearExpired(ctx); err != nil {
		fmt.Println(err)
		return
	}
	var rows int
	err = db.QueryRow("SELECT COUNT(*) FROM ended_sessions").Scan(&rows)
	fmt.Println(rows, err)
	// Output: 0 <nil>
}
