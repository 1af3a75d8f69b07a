package dbstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"example.com/cookiestore"
)

// Revocations are [cookiestore.Revocations] in a table, shared by all processes that
// use it. They work with any store: sessions in cookies, or rows of django_session.
// Wrap them in [cookiestore.CachedRevocations]:
//
//	ended, err := dbstore.NewRevocations(db)
//	...
//	err = ended.CreateTable(ctx)
//	go ended.ClearEvery(ctx, time.Hour, nil)
//	revocations := cookiestore.CachedRevocations(ended, 10*time.Second, 100_000)
//
// A question is one query by primary key, and an ending is one statement. The table
// holds nothing of a session: a row has the hash of a session ID or of a user, and
// until when it is needed, in Unix microseconds. From the hash of a session ID nobody
// learns the ID; that of a user can be found by trying all users.
//
// Give them the primary server: a replica that lags doesn't know yet what was ended.
// SQLite must be 3.24 or later.
type Revocations struct {
	store    *Store // with the statements on the table, and no rows of sessions
	ask, end string
}

var _ cookiestore.Revocations = (*Revocations)(nil)

// revocationTable is the default name.
const revocationTable = "cookiestore_revocations"

// NewRevocations returns Revocations in the table cookiestore_revocations, or that which
// [WithTable] names. The other options that count are [WithDialect], [WithTimeout] and
// [WithClock], as for New. It doesn't connect.
func NewRevocations(db *sql.DB, opts ...Option) (*Revocations, error) {
	o := newOptions(revocationTable, opts)
	switch {
	case len(o.fallbacks) > 0:
		return nil, errors.New("dbstore: revocations are not signed: WithFallbackKeys is for New")
	case o.hashed:
		return nil, errors.New("dbstore: revocations hold hashes in any case: WithHashedKeys is for New")
	}
	store, err := o.open(db)
	if err != nil {
		return nil, err
	}
	r := &Revocations{store: store}
	r.prepare(store.dialect, o.table)
	return r, nil
}

// A row's subject is what it ends: the sessions of an ID, of a user, or all.
const (
	oneSession  = "s"
	ofUser      = "u"
	allSessions = "a"
)

// subject names a session or a user in 33 characters. That is half of a SHA-256, so
// that nobody can find two that have the same.
func subject(kind, text string) string {
	sum := sha256.Sum256([]byte(text))
	return kind + hex.EncodeToString(sum[:16])
}

// graceTime is how much longer than until a row is kept; see [cookiestore.Revocations].
const graceTime = time.Hour

// keepUntil is until when a row is kept, in Unix microseconds.
func keepUntil(until time.Time) int64 {
	if until.IsZero() {
		return math.MaxInt64
	}
	return until.Add(graceTime).UnixMicro()
}

// Revoked asks whether a session was ended.
func (r *Revocations) Revoked(ctx context.Context, s cookiestore.Identity) (bool, error) {
	ctx, cancel := r.store.limit(ctx)
	defer cancel()
	var rows int
	args := []any{subject(oneSession, s.ID), subject(ofUser, s.User), allSessions, s.StartedAt.UnixMicro()}
	err := r.store.query(ctx, r.ask, args, &rows)
	return rows > 0, err
}

// Revoke ends a session.
func (r *Revocations) Revoke(ctx context.Context, id string, until time.Time) error {
	if id == "" {
		return errors.New("dbstore: no session can be ended: its ID is empty")
	}
	return r.record(ctx, subject(oneSession, id), math.MaxInt64, until)
}

// RevokeUser ends the sessions of a user.
func (r *Revocations) RevokeUser(ctx context.Context, user string, upTo, until time.Time) error {
	if user == "" {
		return errors.New("dbstore: no sessions can be ended: the user is empty")
	}
	return r.record(ctx, subject(ofUser, user), upTo.UnixMicro(), until)
}

// RevokeAll ends all sessions.
func (r *Revocations) RevokeAll(ctx context.Context, upTo, until time.Time) error {
	return r.record(ctx, allSessions, upTo.UnixMicro(), until)
}

// record writes a row, or moves the times of one that is there. It may run twice.
func (r *Revocations) record(ctx context.Context, subject string, upTo int64, until time.Time) error {
	ctx, cancel := r.store.detached(ctx) // a visitor who leaves has still logged out
	defer cancel()
	_, _, err := r.store.exec(ctx, r.end, subject, upTo, keepUntil(until))
	return err
}

// CreateTable makes the table and its index, unless they exist.
func (r *Revocations) CreateTable(ctx context.Context) error {
	return r.store.createTable(ctx, r.store.dialect.createRevocations)
}

// ClearExpired removes the rows that aren't needed any more, as [Store.ClearExpired]
// does: those of sessions that would have expired more than an hour ago.
func (r *Revocations) ClearExpired(ctx context.Context) error {
	return r.store.clearBefore(ctx, r.store.now().UnixMicro())
}

// ClearEvery runs ClearExpired now and then after each interval, as
// [Store.ClearEvery] does.
func (r *Revocations) ClearEvery(ctx context.Context, interval time.Duration, report func(error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	r.clearOn(ctx, ticker.C, report)
}

func (r *Revocations) clearOn(ctx context.Context, ticks <-chan time.Time, report func(error)) {
	clearOn(ctx, ticks, r.ClearExpired, "expired revocations not removed", report)
}

// prepare makes the statements on the table.
func (r *Revocations) prepare(d *dialect, table string) {
	q := d.filler(table, "subject", "up_to", "keep_until")
	// One statement, so that of two at the same time neither moves a time back.
	end := "INSERT INTO {table} ({key}, {data}, {date}) VALUES (?, ?, ?) "
	if d == dialects[MySQL] {
		end += "ON DUPLICATE KEY UPDATE {data} = GREATEST({data}, VALUES({data})), {date} = GREATEST({date}, VALUES({date}))"
	} else {
		_, name := splitTable(table)
		later := "{column} = CASE WHEN excluded.{column} > " + d.quoted(name) + ".{column} THEN excluded.{column} ELSE " + d.quoted(name) + ".{column} END"
		end += "ON CONFLICT ({key}) DO UPDATE SET " +
			strings.ReplaceAll(later, "{column}", "{data}") + ", " + strings.ReplaceAll(later, "{column}", "{date}")
	}
	r.ask = q("SELECT COUNT(*) FROM {table} WHERE {key} IN (?, ?, ?) AND {data} >= ?")
	r.end = q(end)
	r.store.queries = queries{upkeep: d.upkeep(q)}
}

// createRevocations returns the statements that make the table.
func (d *dialect) createRevocations(table string) (creation, error) {
	_, name := splitTable(table)
	keep := d.quoted("keep_until")
	columns := fmt.Sprintf("%s varchar(33) NOT NULL PRIMARY KEY, %s bigint NOT NULL, %s bigint NOT NULL",
		d.quoted("subject"), d.quoted("up_to"), keep)
	return d.creation(table, columns, name+"_keep_until", keep), nil
}
