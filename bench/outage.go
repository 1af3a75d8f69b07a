package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An outage is what was measured while the backend was killed and started again.
type outage struct {
	backend, mode string
	bound         time.Duration
	down          time.Duration // from the kill to the restart

	accepted, failed int64         // requests meanwhile of those who had not signed out
	lastAccepted     time.Duration // when the last of them began that was accepted, after the kill

	after    []time.Duration // for each jar that was ended just before the kill, sorted
	recovery time.Duration   // from the restart to the last request that failed, or was accepted with one of these
	later    []time.Duration // for each jar that was ended after it
}

// patience is how long it may take, by the wall clock, until all is as it should be.
const patience = 30 * time.Second

// measureOutage kills the server under load. It is an error if a session is accepted, or
// is not, against what the mode promises.
func measureOutage(ctx context.Context, w watch, bound time.Duration, server *ownServer, mode downMode, n throng) (o outage, err error) {
	f, err := newFleet(w, bound, server.open, mode.whenDown...)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	c, err := gather(ctx, f, n.users, n.jars)
	if err != nil {
		return o, err
	}
	quarter := n.users / 4
	before, last, later, staying := c.users[:quarter], c.users[quarter:2*quarter], c.users[2*quarter:3*quarter], c.users[3*quarter:]
	var up, down tally
	o = outage{mode: mode.name, bound: bound}

	var killed time.Time
	err = inTurn(
		func() error { return c.wait(ctx, bound, &up) },
		func() error { return c.during(ctx, &up, func() error { return c.leave(ctx, before) }) },
		func() error { return c.wait(ctx, bound+bound/4, &up) },
		func() error { return c.settle(ctx, before) }, // what an instance has not heard by the kill, it may accept
		func() error { return c.during(ctx, &up, func() error { return c.leave(ctx, last) }) },
	)
	if err != nil {
		return o, err
	}
	if failed := up.failed.Load(); failed > 0 {
		return o, fmt.Errorf("%d requests failed before the kill", failed)
	}
	err = inTurn(
		func() error {
			return c.during(ctx, &down, func() error { server.kill(); killed = c.now(); return nil })
		},
		func() error { return c.during(ctx, &down, func() error { return c.failToLeave(ctx, later) }) },
		func() error { return c.wait(ctx, 3*bound, &down) },
	)
	if err != nil {
		return o, err
	}
	o.accepted, o.failed = down.accepted.Load(), down.failed.Load()
	for _, u := range staying {
		for _, j := range u.jars {
			o.lastAccepted = max(o.lastAccepted, j.honoured.Sub(killed))
		}
	}
	switch {
	case mode.most > 0 && o.lastAccepted > mode.most:
		return o, fmt.Errorf("a session was accepted %v after the kill, and %v is the most", o.lastAccepted, mode.most)
	case mode.most == 0 && o.failed > 0:
		return o, fmt.Errorf("%d requests failed, and all should be accepted", o.failed)
	}

	var restarted time.Time
	err = c.during(ctx, &up, func() error {
		err := server.start(ctx)
		restarted = c.now()
		return err
	})
	if err != nil {
		return o, err
	}
	o.down = restarted.Sub(killed)
	if err := c.settle(ctx, last); err != nil {
		return o, err
	}
	for _, u := range slices.Concat(last, staying) {
		for _, j := range u.jars {
			o.recovery = max(o.recovery, j.failed.Sub(restarted))
			if u.mayBeRefused() {
				o.recovery = max(o.recovery, j.honoured.Sub(restarted))
			}
		}
	}
	var back tally
	err = inTurn(
		func() error { return c.during(ctx, &back, func() error { return c.leave(ctx, later) }) },
		func() error { return c.wait(ctx, bound+bound/4, &back) },
	)
	if err != nil {
		return o, err
	}
	if failed := back.failed.Load(); failed > 0 {
		return o, fmt.Errorf("%d requests failed after the restart", failed)
	}
	o.after, o.later = slices.Sorted(slices.Values(honoured(last))), honoured(later)
	if mode.most > 0 {
		err = within(o.after, mode.most)
	}
	return o, errors.Join(err, within(honoured(before), bound), within(o.later, bound))
}

// failToLeave has users sign out everywhere while the backend is down.
func (c *crowd) failToLeave(ctx context.Context, users []*user) error {
	for _, u := range users {
		if left, err := c.tryToLeave(ctx, u); err != nil || left {
			return errors.Join(err, fmt.Errorf("%s is told that all sessions have ended, which can't be", u.name))
		}
	}
	return nil
}

// settle sends requests until the sessions that were ended are refused by all instances,
// and none of the others fails.
func (c *crowd) settle(ctx context.Context, ended []*user) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); c.step(100 * time.Millisecond) {
		var t tally
		if err := c.sweep(ctx, &t); err != nil {
			return err
		}
		if t.failed.Load() == 0 && refusedEverywhere(ended) {
			return nil
		}
	}
	return fmt.Errorf("not all is as it should be after %v", patience)
}
