package cookiestore

import (
	"context"
	"fmt"
	"time"
)

// Revocations end sessions before they expire: one session, all of a user's, or all.
// A cookie store can't do that by itself: the session is in the cookie, and nothing on
// the server can take back a copy of it.
//
// What is kept is which sessions were ended, not the sessions. An entry is needed only
// for as long as the sessions that it ends could have lasted, so that the number of
// entries is bounded by the log-outs in that time.
//
// There are [NewMemoryRevocations] for one process, NewRevocations of package dbstore
// for a database, and package redisrevoke for Redis and Valkey. [CachedRevocations]
// saves most of the round trips to them. Test one of your own with TestRevocations of
// package sessiontest.
//
// All methods are safe for concurrent use. An error means that the backend can't be
// asked, or told, or that an ID or user is empty, which would end nothing. It holds no
// session ID and no user.
//
// Times count to the microsecond. Servers that share revocations should keep their
// clocks in sync: a session that began on a server whose clock is ahead, less than that
// before its user's sessions were ended, is missed.
type Revocations interface {
	// Revoked reports whether a session was ended: by its ID, or because it began
	// at or before a moment up to which its user's sessions, or all, were ended. Once
	// it has returned true for a session, it does so until the session would have
	// expired.
	Revoked(ctx context.Context, s Identity) (bool, error)

	// Revoke ends the session with that ID, which could have lasted until then at
	// the latest: the entry may be forgotten an hour after that. (The hour is for
	// clocks that differ, and for requests that save the session meanwhile.) The zero
	// time is for a session whose end isn't known: the entry is kept for good.
	Revoke(ctx context.Context, id string, until time.Time) error

	// RevokeUser ends the sessions of a user that began at upTo or before. They
	// could have lasted until then at the latest, as for Revoke. Of several calls for
	// one user the latest upTo counts, and the latest until.
	RevokeUser(ctx context.Context, user string, upTo, until time.Time) error

	// RevokeAll ends all sessions that began at upTo or before, also those without
	// a user. Otherwise it is like RevokeUser.
	RevokeAll(ctx context.Context, upTo, until time.Time) error
}

// An Identity says which session is meant.
type Identity struct {
	// ID is the session ID: random, and new with each login. One without an ID can be
	// ended with its user's sessions, or with all.
	ID string

	// User is whose session it is; "" if nobody is logged in.
	User string

	// StartedAt is when the session began. Saving it doesn't move it.
	StartedAt time.Time
}

// revoke ends sessions, and all copies of their cookies: those that were saved since this
// one, too, and last longer.
func (m *Manager) revoke(ctx context.Context, ids []identity) error {
	if m.rules.revocations == nil {
		return nil
	}
	for _, i := range ids {
		until := m.rules.longest(time.Unix(i.latest, 0), m.rules.now())
		if err := m.rules.revocations.Revoke(ctx, i.id, until); err != nil {
			return fmt.Errorf("session can't be revoked: %w", err)
		}
	}
	return nil
}

// RevokeUser ends all sessions of the user that have begun until now, on every device, as
// [WithRevocations] tells users apart. That includes the session of this request; a login
// that follows begins one that lasts. The entry, one for each user, is kept for good, or for as
// long as [WithLifetime] lets sessions last. The error is that of the [Revocations], or says
// that there are none.
func (m *Manager) RevokeUser(ctx context.Context, user string) error {
	if m.rules.revocations == nil {
		return usage("RevokeUser needs WithRevocations")
	}
	now := m.rules.now()
	var until time.Time // SetExpiry may have let them last for however long
	if m.rules.lifetime > 0 {
		until = now.Add(m.rules.lifetime)
	}
	upTo := time.UnixMicro(m.rules.moments.after(now))
	if err := m.rules.revocations.RevokeUser(ctx, user, upTo, until); err != nil {
		return fmt.Errorf("the user's sessions can't be revoked: %w", err)
	}
	return nil
}

var (
	errNoID   = usage("no session can be ended: its ID is empty")
	errNoUser = usage("no sessions can be ended: the user is empty")
)
