package redisrevoke_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/cookiestore"
	"example.com/cookiestore/redisrevoke"
)

// Redis is asked about a session once in ten seconds, and while it can't be asked,
// sessions are accepted that were good less than five minutes ago. This example is only
// compiled, since it needs a Redis.
func ExampleNew() {
	client := redis.NewClient(&redis.Options{
		Addr:                  "redis.internal:6379",
		DialTimeout:           time.Second,
		DialerRetries:         1,
		ReadTimeout:           time.Second,
		MaxRetries:            1,
		ContextTimeoutEnabled: true,
	})
	defer client.Close()
	ended, err := redisrevoke.New(client, redisrevoke.WithPrefix("shop:revoked:"))
	if err != nil {
		fmt.Println(err)
		return
	}
	revocations := cookiestore.CachedRevocations(ended, 10*time.Second, 100_000,
		cookiestore.WithStaleAnswers(5*time.Minute))

	// Sign zoe out everywhere. Sessions last two weeks here.
	now := time.Now()
	if err := revocations.RevokeUser(context.Background(), "zoe", now, now.Add(14*24*time.Hour)); err != nil {
		fmt.Println(err)
	}
}
