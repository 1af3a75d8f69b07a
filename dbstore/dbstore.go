// Package dbstore keeps sessions in a database, as rows of Django's own table
// django_session. Handlers, middleware and options are those of package
// cookiestore: only the store differs.
//
//	db, err := sql.Open("pgx", "postgres://shop@db.internal/shop")
//	...
//	store, err := dbstore.New(db, []byte(djangoSecretKey))
//	...
//	err = store.CreateTable(ctx) // unless Django's migrations have made it
//	go store.ClearEvery(ctx, time.Hour, nil)
//	handler := cookiestore.Middleware(store)(mux)
//
// It is for sessions that outgrow a cookie, that must end at once when they are
// deleted, or that a Django site with
//
//	SESSION_ENGINE = "django.contrib.sessions.backends.db"
//
// keeps in the same table (not "cached_db", whose cache knows nothing of what others
// write). The visitor's cookie is the key of a row: 32 random
// characters, never ones that the visitor chose.
//
// # Databases
//
// SQLite, PostgreSQL, MariaDB and MySQL, with any driver of database/sql. The
// package imports none. Times are in UTC, as Django keeps them with USE_TZ = True.
//
// With SQLite, [OpenSQLite] takes the place of sql.Open and New, and sets what makes
// it fast:
//
//	store, err := dbstore.OpenSQLite("sqlite", "sessions.db", key)
//
// If you open it yourself, set PRAGMA journal_mode = WAL and busy_timeout. A store's own
// writers take turns; busy_timeout lets them wait for other programs. That wait is the
// driver's: neither the request's context nor [WithTimeout] ends it. Without it the store
// waits itself, which takes longer.
//
// With github.com/go-sql-driver/mysql, interpolateParams=true saves two round
// trips a query. A session in MySQL or MariaDB can be as large as the server's
// max_allowed_packet; a larger one is [cookiestore.ErrTooLarge]. With autocommit off
// nothing would be committed, and the store refuses to write.
//
// Any isolation level will do: each statement is a transaction of its own. The tests
// run on PostgreSQL at all levels and in all of pgx's modes of execution, and on
// MariaDB at all levels and in several SQL modes. The engines that speak the same SQL
// (CockroachDB, YugabyteDB, TiDB, Vitess) were not tried. What their documentation
// says they lack, the store can do without: advisory locks, operator classes and SKIP
// LOCKED.
//
// # Requests at the same time
//
// A session is loaded with one query when a handler first uses it, and saved with
// one statement, which changes the row only if it is as it was loaded. Where it
// isn't, the middleware loads it again and merges the changes of both requests,
// key by key: no change of another key is lost, and of two changes of the same key
// the later one counts, but [cookiestore.Modify] and flash messages of both do. Django
// loses one of the requests' changes. Within a process, requests that save one session
// take turns, and each merges onto what the one before has saved, so that many of them
// at once take no more statements than one after the other. A row that was
// deleted or has expired meanwhile is not brought back: see [cookiestore.ErrInterrupted].
//
// Two things remain as in Django. A request that began with a key from before
// [cookiestore.Session.CycleKey] finds no session, and if it stores something, the
// cookie of its response logs the visitor out. And what one request has moved to a new
// key, another's Flush of the old one misses.
//
// # Failures
//
// Every statement runs for at most five seconds (see [WithTimeout]), with all that is
// tried for it. A load also ends with the request's context. A save or a deletion
// doesn't: a visitor who closes the page has still logged out, or paid.
//
// A statement is tried again where that is safe:
//
//   - What the database has taken back for the sake of another statement (a
//     serialization failure, a deadlock, a lock that SQLite would not wait for) is
//     tried again after a short random pause, up to 50 times.
//   - What a server refuses because it is read-only, as the old primary is after a
//     failover, goes to another connection, and the first is closed. So does what
//     fails because pgx's prepared statement is stale.
//   - Where the connection breaks, the statement may have been carried out. It is sent
//     once more, on a connection that answers. A new session has a key that is used
//     once, and a change is made only to the state that was loaded, so neither can
//     happen twice; what the first has done, the second finds. If another process
//     has saved the very same dictionary in that same second, the two can't be told
//     apart, and count as one: a counter that both have raised to 2 stays at 2.
//
// A database that doesn't answer all the same, or can't be written to, is an error for
// the middleware's error handler, and the visitor's cookie stays as it is. Nothing has
// to be restarted when the database is back.
//
// Errors hold no session ID, no value of a session, and nothing of the DSN. Where
// there is no connection, they say why in the store's own words, since a driver may
// repeat the DSN with its password.
package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"example.com/cookiestore"
)

// A Store is a [cookiestore.Store] that keeps sessions in the rows of a table. It
// is safe for concurrent use, by any number of processes.
type Store struct {
	db       *pool
	reads    *pool       // the same, but in a store of OpenSQLite
	opened   []*sql.DB   // what Close closes
	volatile atomic.Bool // the database ends with its connection, so nothing interrupts a statement
	rows     *cookiestore.DjangoRows
	hashed   bool // see WithHashedKeys
	dialect  *dialect
	table    string
	queries  queries
	timeout  time.Duration
	now      func() time.Time

	vetted   atomic.Pointer[settings] // of the server, where they matter
	writers  queue                    // where only one can write
	mustWait atomic.Bool              // the server doesn't know SKIP LOCKED
	cleared  func(removed int64)      // see WithClearProgress
}

var _ cookiestore.ManyLoader = (*Store)(nil)

// An Option is an option of [New].
type Option func(*options)

type options struct {
	dialect   Dialect
	fallbacks [][]byte
	table     string
	hashed    bool
	timeout   time.Duration
	now       func() time.Time
	cleared   func(removed int64)
}

// sessionTable is Django's.
const sessionTable = "django_session"

// newOptions returns what was asked for, and else the defaults.
func newOptions(table string, opts []Option) *options {
	o := &options{table: table, timeout: 5 * time.Second, now: time.Now, cleared: func(int64) {}}
	for _, option := range opts {
		option(o)
	}
	return o
}

// WithDialect says what SQL the database speaks. It is needed where the driver is
// not one that New knows, or is wrapped in another. Default: what the driver's
// type says.
func WithDialect(d Dialect) Option { return func(o *options) { o.dialect = d } }

// WithFallbackKeys accepts rows that were signed with these keys, newest first,
// and signs them anew with the primary key when they are next read. It is Django's
// SECRET_KEY_FALLBACKS. Default: none.
func WithFallbackKeys(keys ...[]byte) Option {
	return func(o *options) { o.fallbacks = append(o.fallbacks, keys...) }
}

// WithTable names the table. A dot separates it from the schema it is in, if that is
// not the one where the database looks first: "shop.django_session" (in MySQL a
// database; in SQLite an attached one, which every connection must attach). Two
// middlewares of one program should have a table each: a key of the one's sessions
// would be good for the other's, too. Default: django_session.
func WithTable(name string) Option { return func(o *options) { o.table = name } }

// WithTimeout bounds the time that a statement may take, with the wait for a
// connection and all that is tried again. In ClearExpired it is the time of one batch.
// Default: five seconds; 0 means no bound, and then a save waits for a dead database
// as long as the middleware lets it, 30 seconds.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithClock replaces time.Now, for tests of what ClearExpired removes. Whether a
// session has expired is judged by the clock of [cookiestore.WithClock]. Default:
// time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithClearProgress calls report after each batch that [Store.ClearExpired] has
// removed, with the number of its rows: for tools that show how far they are. Default:
// nothing is reported.
func WithClearProgress(report func(removed int64)) Option {
	return func(o *options) { o.cleared = report }
}

// New returns a store on the table django_session. The key is Django's SECRET_KEY,
// of any length but zero; without a Django, use 32 random bytes or more. It signs
// the rows, so that somebody who can write to the table but doesn't have the key can't make
// sessions.
//
// New doesn't connect: a program can start before its database does.
func New(db *sql.DB, key []byte, opts ...Option) (*Store, error) {
	o := newOptions(sessionTable, opts)
	store, err := o.open(db)
	if err != nil {
		return nil, err
	}
	makeRows := cookiestore.NewDjangoRows
	if o.hashed {
		makeRows = cookiestore.NewBoundRows
	}
	rows, err := makeRows(key, o.fallbacks...)
	if err != nil {
		return nil, err
	}
	store.rows, store.hashed, store.queries = rows, o.hashed, store.dialect.queries(o.table)
	return store, nil
}

// open returns a store without rows and statements.
func (o *options) open(db *sql.DB) (*Store, error) {
	if db == nil {
		return nil, errors.New("dbstore: the database is nil")
	}
	d, err := findDialect(db, o.dialect)
	if err != nil {
		return nil, err
	}
	switch {
	case o.timeout < 0:
		return nil, errors.New("dbstore: the timeout is negative")
	case o.now == nil:
		return nil, errors.New("dbstore: the clock is nil")
	case o.cleared == nil:
		return nil, errors.New("dbstore: the function that reports progress is nil")
	}
	if err := checkTable(o.table); err != nil {
		return nil, err
	}
	all := &pool{DB: db}
	return &Store{db: all, reads: all, dialect: d, table: o.table, timeout: o.timeout, now: o.now, cleared: o.cleared}, nil
}

// SetKeys replaces the signing keys while the store is in use; see
// [cookiestore.Signer.SetKeys].
func (s *Store) SetKeys(key []byte, fallbacks ...[]byte) error {
	return s.rows.SetKeys(key, fallbacks...)
}

// A Row is a row of the table.
type Row struct {
	SessionKey  string // the value of the visitor's cookie, or its hash: see [WithHashedKeys]
	SessionData string // signed; see [cookiestore.DjangoRows]
	ExpireDate  time.Time
}

// Row returns the row of a session, as it stands, for tools that show it. The key is
// the value of the visitor's cookie, with [WithHashedKeys], too. The error is
// [cookiestore.ErrMalformed] if the key is not of the form that Django gives keys,
// which is known without a query; or [cookiestore.ErrNoSession].
func (s *Store) Row(ctx context.Context, key string) (Row, error) {
	if !isKey(key) {
		return Row{}, errNoKey
	}
	ctx, cancel := s.limit(ctx)
	defer cancel()
	row := Row{SessionKey: s.rowKey(key)}
	var expires moment
	err := s.query(ctx, s.queries.load, []any{row.SessionKey}, &row.SessionData, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Row{}, errNoRow
	case err != nil:
		return Row{}, err
	case expires.IsZero():
		return Row{}, errNoDate
	}
	row.ExpireDate = expires.Time
	return row, nil
}

var (
	errNoKey = fmt.Errorf("dbstore: the key is not %d characters of a-z0-9: %w", keySize, cookiestore.ErrMalformed)
	errNoRow = fmt.Errorf("dbstore: %w", cookiestore.ErrNoSession)
)

// Load returns the session that a row holds. Besides the errors of Row, it refuses
// rows that no key has signed ([cookiestore.ErrTampered]). Whether the session has
// expired is for the middleware to judge, by its expire_date and by what it says
// itself.
func (s *Store) Load(ctx context.Context, _, value string) (cookiestore.Record, error) {
	row, err := s.Row(ctx, value)
	if err != nil {
		return cookiestore.Record{}, err
	}
	return s.record(row)
}

// record returns the session that a row holds.
func (s *Store) record(row Row) (cookiestore.Record, error) {
	decoded, err := s.rows.DecodeFor(row.SessionKey, row.SessionData)
	if err != nil {
		return cookiestore.Record{}, err
	}
	rec := decoded.Record
	rec.Expires, rec.Version = row.ExpireDate, stateOf(row.SessionData)
	return rec, nil
}

// Save writes a row: a new one with a new random key, or the one that the session
// was loaded from, if it is still as it was then, and has not expired. A new key for
// an old session replaces that of its row, so that the old key is worth nothing at
// once. The version of a row is the end of its session_data, the signature, which
// covers the rest; or all of it, in a row from before Django 3.1.
//
// Save runs to its end under the store's timeout, even if the context is canceled: a
// visitor who closes the page has still paid. A deadline of the context holds. The error is
// [cookiestore.ErrTooLarge] if the row exceeds MySQL's max_allowed_packet.
func (s *Store) Save(ctx context.Context, _ string, rec cookiestore.Record) (value, version string, err error) {
	key, expires, now := rec.Cookie, s.dialect.time(rec.Expires), s.dialect.time(rec.Saved)
	if rec.Cookie == "" || rec.NewID {
		key = newKey()
	}
	rowKey := s.rowKey(key)
	data, err := s.rows.EncodeFor(rowKey, rec.Data, rec.Saved)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := s.detached(ctx)
	defer cancel()
	onState := s.queries.onState(rec.Version)
	var changed int64
	var torn bool
	switch {
	case rec.Cookie == "":
		changed, torn, err = s.exec(ctx, s.queries.insert, rowKey, data, expires)
	case rec.NewID:
		changed, torn, err = s.exec(ctx, onState.cycle, rowKey, data, expires, s.rowKey(rec.Cookie), rec.Version, now)
	default:
		changed, torn, err = s.exec(ctx, onState.update, data, expires, rowKey, rec.Version, now)
	}
	version = stateOf(data)
	switch {
	case err == nil && changed == 1:
		return key, version, nil
	case (torn || err == nil && version == rec.Version) && s.holds(ctx, key, data, rec.Saved):
		return key, version, nil
	case err != nil:
		return "", "", err
	}
	return "", "", cookiestore.ErrConflict
}

// holds reports whether the row has that data, and has not expired: it was saved after
// all. MySQL counts the rows that an UPDATE has changed, and a session that is saved
// twice in a second may be the same; and a statement whose connection broke may have
// been carried out.
func (s *Store) holds(ctx context.Context, key, data string, now time.Time) bool {
	row, err := s.Row(ctx, key)
	return err == nil && row.SessionData == data && !row.ExpireDate.Before(now.Truncate(time.Microsecond))
}

// Delete removes the row of a session. As Save does, it runs to its end under the
// store's timeout.
func (s *Store) Delete(ctx context.Context, _, value, version string) error {
	ctx, cancel := s.detached(ctx)
	defer cancel()
	if version == "" {
		_, _, err := s.exec(ctx, s.queries.remove, s.rowKey(value))
		return err
	}
	changed, _, err := s.exec(ctx, s.queries.onState(version).remove, s.rowKey(value), version)
	if err == nil && changed == 0 {
		return cookiestore.ErrConflict // or it is gone, which the middleware will find
	}
	return err
}

// stateOf returns the version of a row: what tells its session_data from all others
// that it can have.
func stateOf(data string) string {
	if signature := strings.LastIndexByte(data, ':'); signature >= 0 {
		return data[signature:]
	}
	return data
}
