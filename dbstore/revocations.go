package dbstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
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
	db      *sql.DB
	dialect *dialect
	table   string
	queries revocationQueries
	timeout time.Duration
	now     func() time.Time
}

var _ cookiestore.Revocations = (*Revocations)(nil)

// revocationTable is the default name.
const revocationTable = "cookiestore_revocations"

// NewRevocations returns Revocations in the table cookiestore_revocations, or that which
// [WithTable] names. The other options that count are [WithDialect], [WithTimeout] and
// [WithClock], as for New. It doesn't connect.
func NewRevocations(db *sql.DB, opts ...Option) (*Revocations, error) {
	o := options{table: revocationTable, timeout: 5 * time.Second, now: time.Now}
	for _, option := range opts {
		option(&o)
	}
	if db == nil {
		return nil, errors.New("dbstore: the database is nil")
	}
	d, err := findDialect(db, o.dialect)
	if err != nil {
		return nil, err
	}
	switch {
	case !isName(o.table):
		return nil, fmt.Errorf("dbstore: table %q: the name needs 1 to %d letters, digits and _, and no digit first", o.table, maxName)
	case o.timeout < 0:
		return nil, errors.New("dbstore: the timeout is negative")
	case o.now == nil:
		return nil, errors.New("dbstore: the clock is nil")
	case len(o.fallbacks) > 0:
		return nil, errors.New("dbstore: revocations are not signed: WithFallbackKeys is for New")
	}
	return &Revocations{db: db, dialect: d, table: o.table, queries: d.revocationQueries(o.table), timeout: o.timeout, now: o.now}, nil
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
	ctx, cancel := r.limit(ctx)
	defer cancel()
	var rows int
	err := r.db.QueryRowContext(ctx, r.queries.ask,
		subject(oneSession, s.ID), subject(ofUser, s.User), allSessions, s.StartedAt.UnixMicro()).Scan(&rows)
	if err != nil {
		return false, failed(ctx, err)
	}
	return rows > 0, nil
}

// Revoke ends a session.
func (r *Revocations) Revoke(ctx context.Context, id string, until time.Time) error {
	if id == "" {
		return errors.New("dbstore: no session can be ended: its ID is empty")
	}
	return r.end(ctx, subject(oneSession, id), math.MaxInt64, until)
}

// RevokeUser ends the sessions of a user.
func (r *Revocations) RevokeUser(ctx context.Context, user string, upTo, until time.Time) error {
	if user == "" {
		return errors.New("dbstore: no sessions can be ended: the user is empty")
	}
	return r.end(ctx, subject(ofUser, user), upTo.UnixMicro(), until)
}

// RevokeAll ends all sessions.
func (r *Revocations) RevokeAll(ctx context.Context, upTo, until time.Time) error {
	return r.end(ctx, allSessions, upTo.UnixMicro(), until)
}

// end writes a row, or moves the times of one that is there.
func (r *Revocations) end(ctx context.Context, subject string, upTo int64, until time.Time) error {
	ctx, cancel := r.limit(ctx)
	defer cancel()
	_, err := r.exec(ctx, r.queries.end, subject, upTo, keepUntil(until))
	return err
}

// CreateTable makes the table and its index, unless they exist.
func (r *Revocations) CreateTable(ctx context.Context) error {
	ctx, cancel := r.limit(ctx)
	defer cancel()
	if _, err := r.exec(ctx, r.queries.probe); err == nil {
		return nil
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return failed(ctx, err)
	}
	defer tx.Rollback()
	for _, statement := range r.dialect.createRevocations(r.table) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return failed(ctx, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return failed(ctx, err)
	}
	_, err = r.exec(ctx, r.queries.probe) // a table of that name may be another
	return err
}

// ClearExpired removes the rows that aren't needed any more, in batches: those of
// sessions that would have expired more than an hour ago.
func (r *Revocations) ClearExpired(ctx context.Context) error {
	now := r.now().UnixMicro()
	args := []any{now, now}[:r.queries.clearArgs]
	for {
		removed, err := r.clearSome(ctx, args)
		if err != nil || removed < clearBatch {
			return err
		}
	}
}

func (r *Revocations) clearSome(ctx context.Context, args []any) (int64, error) {
	ctx, cancel := r.limit(ctx)
	defer cancel()
	return r.exec(ctx, r.queries.clear, args...)
}

// ClearEvery runs ClearExpired now and then after each interval, as
// [Store.ClearEvery] does.
func (r *Revocations) ClearEvery(ctx context.Context, interval time.Duration, report func(error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	r.clearOn(ctx, ticker.C, report)
}

func (r *Revocations) clearOn(ctx context.Context, ticks <-chan time.Time, report func(error)) {
	if report == nil {
		report = func(err error) { slog.ErrorContext(ctx, "expired revocations not removed", "error", err) }
	}
	for {
		if err := r.ClearExpired(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
	}
}

// limit bounds the time of a statement.
func (r *Revocations) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.timeout, timeoutError{r.timeout})
}

// exec runs a statement, again if the database has taken it back for the sake of
// another, and returns how many rows it has changed. Each one here may be run twice.
func (r *Revocations) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	for yields := 0; ; yields++ {
		result, err := r.db.ExecContext(ctx, statement, args...)
		switch {
		case err == nil:
			changed, err := result.RowsAffected()
			if err != nil {
				return 0, failed(ctx, err)
			}
			return changed, nil
		case !yielded(err) || yields == maxYields:
			return 0, failed(ctx, err)
		}
	}
}

// revocationQueries are the statements on one table.
type revocationQueries struct {
	probe, ask, end, clear string

	clearArgs int // how often clear takes the time
}

func (d *dialect) revocationQueries(table string) revocationQueries {
	q := func(query string) string {
		query = strings.NewReplacer("{table}", d.quoted(table), "{subject}", d.quoted("subject"),
			"{upto}", d.quoted("up_to"), "{keep}", d.quoted("keep_until")).Replace(query)
		if !d.numbered {
			return query
		}
		for n := 1; strings.Contains(query, "?"); n++ {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
		}
		return query
	}
	// One statement, so that of two at the same time neither moves a time back.
	end := "INSERT INTO {table} ({subject}, {upto}, {keep}) VALUES (?, ?, ?) "
	if d == dialects[MySQL] {
		end += "ON DUPLICATE KEY UPDATE {upto} = GREATEST({upto}, VALUES({upto})), {keep} = GREATEST({keep}, VALUES({keep}))"
	} else {
		later := "{column} = CASE WHEN excluded.{column} > {table}.{column} THEN excluded.{column} ELSE {table}.{column} END"
		end += "ON CONFLICT ({subject}) DO UPDATE SET " +
			strings.ReplaceAll(later, "{column}", "{upto}") + ", " + strings.ReplaceAll(later, "{column}", "{keep}")
	}
	all := revocationQueries{
		probe: q("SELECT {table}.{subject}, {table}.{upto}, {table}.{keep} FROM {table} WHERE 1 = 0"),
		ask:   q("SELECT COUNT(*) FROM {table} WHERE {subject} IN (?, ?, ?) AND {upto} >= ?"),
		end:   q(end),
	}
	batch := " ORDER BY {keep} LIMIT " + strconv.Itoa(clearBatch)
	if d.limited {
		all.clear, all.clearArgs = q("DELETE FROM {table} WHERE {keep} < ?"+batch), 1
	} else {
		// The row is looked at again when it is removed: its times may have been
		// moved since it was found.
		all.clear, all.clearArgs = q("DELETE FROM {table} WHERE {subject} IN (SELECT {subject} FROM {table} WHERE {keep} < ?"+batch+") AND {keep} < ?"), 2
	}
	return all
}

// createRevocations returns the statements that make the table, in one transaction.
func (d *dialect) createRevocations(table string) []string {
	keep := d.quoted("keep_until")
	index := d.quoted(table + "_keep_until")
	columns := fmt.Sprintf("%s varchar(33) NOT NULL PRIMARY KEY, %s bigint NOT NULL, %s bigint NOT NULL",
		d.quoted("subject"), d.quoted("up_to"), keep)
	var all []string
	if d.begin != "" {
		all = append(all, d.begin)
	}
	if d.inline {
		columns += fmt.Sprintf(", KEY %s (%s)", index, keep)
	}
	all = append(all, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", d.quoted(table), columns))
	if !d.inline {
		all = append(all, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)", index, d.quoted(table), keep))
	}
	return all
}
