package sessiontest_test

import (
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// The tests of revocations of one's own begin with the behaviour that all have.
func ExampleTestRevocations() {
	_ = func(t *testing.T) { // func TestMyRevocations(t *testing.T)
		sessiontest.TestRevocations(t, func(_ testing.TB, clock func() time.Time) cookiestore.Revocations {
			return cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(clock))
		})
	}
	// Output:
}
