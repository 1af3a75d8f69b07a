package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// callers is how many requests a crowd sends at a time.
const callers = 16

// A jar is a browser of a user. It keeps the cookie of its login, as a thief would.
type jar struct {
	user   *user
	cookie string

	// honoured is when the last request began that got the user's page.
	honoured time.Time
	failed   time.Time       // when the last one began that failed
	refused  [instances]bool // by which of them it was refused
}

// A user has several jars.
type user struct {
	name string
	jars []*jar

	mu      sync.Mutex
	leaving bool      // a log-out is under way, or has worked
	left    time.Time // when the log-out that worked had its answer
}

func (u *user) mayBeRefused() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.leaving
}

// A crowd is the users of a fleet.
type crowd struct {
	*fleet
	users []*user
}

// gather logs the users in, each with that many jars.
func gather(ctx context.Context, f *fleet, users, jars int) (*crowd, error) {
	c := &crowd{fleet: f}
	for i := range users {
		u := &user{name: fmt.Sprint("user", i)}
		for range jars {
			cookie, err := f.logIn(ctx, u.name)
			if err != nil {
				return nil, err
			}
			u.jars = append(u.jars, &jar{user: u, cookie: cookie})
		}
		c.users = append(c.users, u)
	}
	return c, nil
}

// A tally counts the answers to users who have not logged out.
type tally struct{ accepted, failed atomic.Int64 }

// sweep sends one request from each jar.
func (c *crowd) sweep(ctx context.Context, t *tally) error {
	jars := make(chan *jar)
	errs := make([]error, callers)
	var callersDone sync.WaitGroup
	for i := range callers {
		callersDone.Go(func() {
			for j := range jars {
				if errs[i] == nil {
					errs[i] = c.call(ctx, j, t)
				}
			}
		})
	}
	for _, u := range c.users {
		for _, j := range u.jars {
			jars <- j
		}
	}
	close(jars)
	callersDone.Wait()
	return errors.Join(errs...)
}

// call sends a jar's request. It is an error if the answer is one that must never be,
// whatever the time.
func (c *crowd) call(ctx context.Context, j *jar, t *tally) error {
	began := c.now()
	answer, err := c.send(ctx, "/account", j.cookie, nil)
	if err != nil {
		return err
	}
	ended := j.user.mayBeRefused()
	switch answer.status {
	case http.StatusOK:
		if j.refused[answer.instance] {
			return fmt.Errorf("%s: an instance accepts a session again that it has refused", j.user.name)
		}
		j.honoured = began
		if !ended {
			t.accepted.Add(1)
		}
	case http.StatusUnauthorized:
		if !ended {
			return fmt.Errorf("%s has not logged out, and was refused", j.user.name)
		}
		j.refused[answer.instance] = true
		return nil // which takes the cookie back
	case http.StatusInternalServerError:
		j.failed = began
		if !ended {
			t.failed.Add(1)
		}
	default:
		return fmt.Errorf("%s: status %d", j.user.name, answer.status)
	}
	if answer.deleted {
		return fmt.Errorf("%s has not logged out, and lost the cookie", j.user.name)
	}
	return nil
}

// wait sends requests from all jars for d.
func (c *crowd) wait(ctx context.Context, d time.Duration, t *tally) error {
	for start := c.now(); c.now().Sub(start) < d; c.step(d / 10) {
		if err := c.sweep(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// during sends requests from all jars until work is done.
func (c *crowd) during(ctx context.Context, t *tally, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	for {
		sweepErr := c.sweep(ctx, t)
		select {
		case err := <-done:
			return errors.Join(sweepErr, err)
		default:
		}
		if sweepErr != nil {
			return errors.Join(sweepErr, <-done)
		}
	}
}

// inTurn does one thing after the other, up to the first error.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// leave has users sign out everywhere. It is an error if that fails.
func (c *crowd) leave(ctx context.Context, users []*user) error {
	for _, u := range users {
		if left, err := c.tryToLeave(ctx, u); err != nil || !left {
			return errors.Join(err, fmt.Errorf("%s can't sign out everywhere", u.name))
		}
	}
	return nil
}

// tryToLeave has a user sign out everywhere, and reports whether the site says that this
// worked.
func (c *crowd) tryToLeave(ctx context.Context, u *user) (bool, error) {
	u.mu.Lock()
	u.leaving = true
	u.mu.Unlock()
	status, err := c.logOutEverywhere(ctx, u.jars[0].cookie)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.leaving = status == http.StatusOK; u.leaving {
		u.left = c.now()
	}
	if err == nil && !u.leaving && status != http.StatusInternalServerError {
		err = fmt.Errorf("%s signs out everywhere: status %d", u.name, status)
	}
	return u.leaving, err
}

// honoured returns, for each jar of users who have signed out everywhere, how long after
// the answer to that a request began which was accepted all the same.
func honoured(users []*user) (all []time.Duration) {
	for _, u := range users {
		for _, j := range u.jars {
			all = append(all, max(0, j.honoured.Sub(u.left)))
		}
	}
	return all
}

// refusedEverywhere reports whether each instance has refused all jars of the users.
func refusedEverywhere(users []*user) bool {
	for _, u := range users {
		for _, j := range u.jars {
			for _, refused := range j.refused {
				if !refused {
					return false
				}
			}
		}
	}
	return true
}
