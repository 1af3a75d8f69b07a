package sessiontest

import (
	"sync"
	"time"
)

// A Clock stands still until a test moves it. Its Now is for [cookiestore.WithClock] and
// the options like it. It is safe for concurrent use: the handlers of an
// httptest.Server run while the test moves it. Make one with [NewClock].
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that shows the time at.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set moves the clock to a time, which may be earlier.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Advance moves the clock on by d, or back if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
