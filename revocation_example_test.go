package cookiestore_test

import (
	"context"
	"fmt"
	"time"

	"example.com/cookiestore"
)

// A user with two devices signs out on one of them, and then everywhere.
func ExampleRevocations() {
	ctx := context.Background()
	var revocations cookiestore.Revocations = cookiestore.NewMemoryRevocations()
	now := time.Now()
	loggedIn := now.Add(-24 * time.Hour)
	phone := cookiestore.Identity{ID: "mTYQFJSsZ2xpMZ2o6bWXWA", User: "zoe", StartedAt: loggedIn}
	laptop := cookiestore.Identity{ID: "RIbHn5ACRXmVMZe-BGcpyQ", User: "zoe", StartedAt: loggedIn.Add(time.Hour)}
	show := func(when string) {
		phoneEnded, _ := revocations.Revoked(ctx, phone)
		laptopEnded, _ := revocations.Revoked(ctx, laptop)
		fmt.Printf("%s: phone ended %t, laptop ended %t\n", when, phoneEnded, laptopEnded)
	}

	const maxAge = 14 * 24 * time.Hour
	if err := revocations.Revoke(ctx, phone.ID, now.Add(maxAge)); err != nil {
		fmt.Println(err)
		return
	}
	show("signed out on the phone")

	if err := revocations.RevokeUser(ctx, "zoe", now, now.Add(maxAge)); err != nil {
		fmt.Println(err)
		return
	}
	show("signed out everywhere")

	laptop = cookiestore.Identity{ID: "8vXlQ5g7bTKVd1WhCzmUKg", User: "zoe", StartedAt: now.Add(time.Minute)}
	show("logged in again on the laptop")
	// Output:
	// signed out on the phone: phone ended true, laptop ended false
	// signed out everywhere: phone ended true, laptop ended true
	// logged in again on the laptop: phone ended true, laptop ended false
}

// The database is asked about a session once in ten seconds. While it can't be asked,
// sessions are accepted that it knew to be good less than five minutes ago.
func ExampleCachedRevocations() {
	var database cookiestore.Revocations = cookiestore.NewMemoryRevocations() // in production, that of dbstore or redisrevoke
	revocations := cookiestore.CachedRevocations(database, 10*time.Second, 100_000,
		cookiestore.WithStaleAnswers(5*time.Minute))

	session := cookiestore.Identity{ID: "mTYQFJSsZ2xpMZ2o6bWXWA", User: "zoe", StartedAt: time.Now()}
	ended, err := revocations.Revoked(context.Background(), session)
	fmt.Println(ended, err)
	// Output: false <nil>
}
