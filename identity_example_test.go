package cookiestore_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"example.com/cookiestore"
)

// A logout that ends every copy of the cookie, and signing out everywhere.
func ExampleWithRevocations() {
	revocations := cookiestore.NewMemoryRevocations() // or dbstore's, or redisrevoke's
	m, err := cookiestore.NewManager(mustNew(), quiet, cookiestore.WithRevocations(revocations, "user_id"))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	session, _ := m.Load(ctx)
	session.CycleKey()
	session.Set("user_id", 7)
	cookies, err := m.Save(ctx, session)
	if err != nil {
		log.Fatal(err)
	}
	stolen := cookies[0].Name + "=" + cookies[0].Value

	session.Flush() // the visitor logs out
	if _, err := m.Save(ctx, session); err != nil {
		log.Fatal(err)
	}
	session, _ = m.Load(ctx, stolen)
	fmt.Println(session.IsNew(), errors.Is(session.Refused(), cookiestore.ErrRevoked))
	// Output: true true
}

func ExampleManager_RevokeUser() {
	m, err := cookiestore.NewManager(mustNew(), quiet,
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user_id"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.RevokeUser(context.Background(), "7"))
	// Output: <nil>
}

func ExampleSession_ID() {
	m, err := cookiestore.NewManager(mustNew(),
		cookiestore.WithRevocations(cookiestore.NewMemoryRevocations(), "user_id"))
	if err != nil {
		log.Fatal(err)
	}
	session, _ := m.Load(context.Background())
	session.CycleKey()
	session.Set("user_id", 7)
	fmt.Println(len(session.ID()), session.StartedAt().IsZero())
	// Output: 22 false
}
