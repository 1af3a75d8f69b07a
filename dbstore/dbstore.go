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
// If you open it yourself, let it have one connection (SetMaxOpenConns), or give
// writers time to wait for each other, or they fail at once (PRAGMA busy_timeout).
// That wait is the driver's: neither the request's context nor [WithTimeout] ends it.
//
// With github.com/go-sql-driver/mysql, interpolateParams=true saves two round
// trips a query.
//
// # Requests at the same time
//
// A session is loaded with one query when a handler first uses it, and saved with
// one statement, which changes the row only if it is as it was loaded. Where it
// isn't, the middleware loads it again and merges the changes of both requests,
// key by key: no change of another key is lost, and of two changes of the same key
// the later one counts. Django loses one of the requests' changes. A row that was
// deleted or is over meanwhile is not brought back: see [cookiestore.ErrInterrupted].
//
// Two things remain as in Django. A request that began with a key from before
// [cookiestore.Session.CycleKey] finds no session, and its response deletes the
// cookie; if it arrives after that with the new key, the visitor is logged out. And
// what one request has moved to a new key, another's Flush of the old one misses.
//
// # Failures
//
// Every query runs under the request's context and for at most five seconds (see
// [WithTimeout]). A database that doesn't answer, or can't be written to, is an
// error for the middleware's error handler, and the visitor's cookie stays as it
// is. Nothing has to be restarted when the database is back.
//
// Where the connection breaks, or the time is up, while a statement runs, the database
// may carry it out all the same. A visitor who goes away ends the request's context:
// what is not saved by then, a Flush too, is not saved.
package dbstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"example.com/cookiestore"
)

// A Store is a [cookiestore.Store] that keeps sessions in the rows of a table. It
// is safe for concurrent use, by any number of processes.
type Store struct {
	db      *sql.DB
	reads   *sql.DB   // the same, but in a store of OpenSQLite
	opened  []*sql.DB // what Close closes
	turns   turns     // to write
	rows    *cookiestore.DjangoRows
	hashed  bool // see WithHashedKeys
	dialect *dialect
	table   string
	queries queries
	timeout time.Duration
	now     func() time.Time
	cleared func(removed int64) // see WithClearProgress
}

var _ cookiestore.Store = (*Store)(nil)

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

// WithTimeout bounds the time that a query may take, beside the request's context.
// Default: five seconds; 0 means no bound.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithClock replaces time.Now, for tests of what ClearExpired removes. Whether a
// session is over is judged by the clock of [cookiestore.WithClock]. Default:
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
// the rows, so that who can write to the table but doesn't have the key can't make
// sessions.
//
// New doesn't connect: a program can start before its database does.
func New(db *sql.DB, key []byte, opts ...Option) (*Store, error) {
	o := options{table: "django_session", timeout: 5 * time.Second, now: time.Now, cleared: func(int64) {}}
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
	makeRows := cookiestore.NewDjangoRows
	if o.hashed {
		makeRows = cookiestore.NewBoundRows
	}
	rows, err := makeRows(key, o.fallbacks...)
	if err != nil {
		return nil, err
	}
	return &Store{db: db, reads: db, rows: rows, hashed: o.hashed, dialect: d, table: o.table, queries: d.queries(o.table), timeout: o.timeout, now: o.now, cleared: o.cleared}, nil
}

// SetKeys replaces the signing keys while the store is in use; see
// [cookiestore.Signer.SetKeys].
func (s *Store) SetKeys(key []byte, fallbacks ...[]byte) error {
	return s.rows.SetKeys(key, fallbacks...)
}

// CreateTable makes the table and its indexes exactly as Django's migrations make
// them. Where the table exists, it does nothing. A table of that name that has
// other columns is an error. A Django that comes later takes the table over with
// manage.py migrate --fake-initial.
func (s *Store) CreateTable(ctx context.Context) error {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	if err := s.refuseSplitMemory(ctx); err != nil {
		return err
	}
	if _, err := s.exec(ctx, s.queries.probe); err == nil {
		return nil
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return failed(ctx, err)
	}
	defer tx.Rollback()
	for _, statement := range s.dialect.create(s.table) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return failed(ctx, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return failed(ctx, err)
	}
	_, err = s.exec(ctx, s.queries.probe) // a table of that name may be another
	return err
}

// A Row is a row of the table.
type Row struct {
	SessionKey  string // the value of the visitor's cookie, or its hash: see [WithHashedKeys]
	SessionData string // signed; see [cookiestore.DjangoRows]
	ExpireDate  time.Time
}

// Row returns the row of a session, as it stands, for tools that show it. The key is
// the value of the visitor's cookie, with [WithHashedKeys], too. The error is [cookiestore.ErrMalformed] if the key is not of the form that Django gives
// keys, which is known without a query; or [cookiestore.ErrNoSession].
func (s *Store) Row(ctx context.Context, key string) (Row, error) {
	if !isKey(key) {
		return Row{}, fmt.Errorf("dbstore: the key is not %d characters of a-z0-9: %w", keySize, cookiestore.ErrMalformed)
	}
	ctx, cancel := s.limit(ctx)
	defer cancel()
	row := Row{SessionKey: s.rowKey(key)}
	var expires moment
	err := s.reads.QueryRowContext(ctx, s.queries.load, row.SessionKey).Scan(&row.SessionData, &expires)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Row{}, fmt.Errorf("dbstore: %w", cookiestore.ErrNoSession)
	case err != nil:
		return Row{}, failed(ctx, err)
	case expires.IsZero():
		return Row{}, errNoDate
	}
	row.ExpireDate = expires.Time
	return row, nil
}

// Load returns the session that a row holds. Besides the errors of Row, it refuses
// rows that no key has signed ([cookiestore.ErrTampered]). Whether the session is
// over is for the middleware to judge, by its expire_date and by what it says
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
	rec.Expires, rec.Version = row.ExpireDate, row.SessionData
	return rec, nil
}

// Save writes a row: a new one with a new random key, or the one that the session
// was loaded from, if it is still as it was then, and not over. A new key for an old
// session replaces that of its row, so that the old key is worth nothing at once. The
// version of a row is its session_data.
func (s *Store) Save(ctx context.Context, _ string, rec cookiestore.Record) (value, version string, err error) {
	key, expires, now := rec.Cookie, s.dialect.time(rec.Expires), s.dialect.time(rec.Saved)
	if rec.Cookie == "" || rec.NewKey {
		key = newKey()
	}
	rowKey := s.rowKey(key)
	data, err := s.rows.EncodeFor(rowKey, rec.Data, rec.Saved)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := s.limit(ctx)
	defer cancel()
	var changed int64
	switch {
	case rec.Cookie == "":
		changed, err = s.exec(ctx, s.queries.insert, rowKey, data, expires)
	case rec.NewKey:
		changed, err = s.exec(ctx, s.queries.cycle, rowKey, data, expires, s.rowKey(rec.Cookie), rec.Version, now)
	default:
		changed, err = s.exec(ctx, s.queries.update, data, expires, rowKey, rec.Version, now)
	}
	switch {
	case rec.Cookie != "" && yielded(err):
		return "", "", conflict(err)
	case err != nil:
		return "", "", err
	case changed == 1 || data == rec.Version && s.holds(ctx, key, data):
		return key, data, nil
	}
	return "", "", cookiestore.ErrConflict
}

// holds reports whether the row has that data. MySQL counts the rows that an
// UPDATE has changed, and a session that is saved twice in a second may be the same.
func (s *Store) holds(ctx context.Context, key, data string) bool {
	row, err := s.Row(ctx, key)
	return err == nil && row.SessionData == data
}

// Delete removes the row of a session.
func (s *Store) Delete(ctx context.Context, _, value, version string) error {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	if version == "" {
		_, err := s.exec(ctx, s.queries.remove, s.rowKey(value))
		return err
	}
	changed, err := s.exec(ctx, s.queries.removeState, s.rowKey(value), version)
	switch {
	case yielded(err):
		return conflict(err)
	case err == nil && changed == 0:
		return cookiestore.ErrConflict // or it is gone, which the middleware will find
	}
	return err
}

// yielded reports whether the database has taken a statement back for the sake of
// another, which is SQLSTATE class 40: where it is set to a strict isolation level,
// and in a deadlock.
func yielded(err error) bool {
	var e interface{ SQLState() string } // of pgx and pq
	if errors.As(err, &e) {
		return strings.HasPrefix(e.SQLState(), "40")
	}
	// of go-sql-driver/mysql, and what MariaDB says under innodb_snapshot_isolation
	return err != nil && (strings.Contains(err.Error(), "(40001)") || strings.Contains(err.Error(), "Error 1020 "))
}

func conflict(cause error) error { return fmt.Errorf("%w: %w", cookiestore.ErrConflict, cause) }

// clearBatch is how many rows one statement of ClearExpired removes. The rows that
// it locks, and the time for which it does, stay small.
const clearBatch = 1000

// maxYields is how often ClearExpired tries again what the database has taken back.
const maxYields = 100

// ClearExpired removes the rows past their expire_date, in batches, as Django's
// clearsessions does. When it fails, what it has removed until then stays removed.
func (s *Store) ClearExpired(ctx context.Context) error {
	now := s.dialect.time(s.now())
	args := []any{now, now}[:s.queries.clearArgs]
	for yields := 0; ; {
		removed, err := s.clearSome(ctx, args)
		switch {
		case yielded(err) && yields < maxYields:
			yields++ // another clears, too, or a session was renewed
		case err != nil || removed < clearBatch:
			return err
		}
	}
}

func (s *Store) clearSome(ctx context.Context, args []any) (int64, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	removed, err := s.exec(ctx, s.queries.clear, args...)
	if err == nil {
		s.cleared(removed)
	}
	return removed, err
}

// ClearEvery runs ClearExpired now and then after each interval, until the context
// is done. Run it in a goroutine; in more than one process it does no harm. Errors
// go to report, or, if that is nil, to slog.Default(). It panics if the interval is
// not positive, as time.NewTicker does.
func (s *Store) ClearEvery(ctx context.Context, interval time.Duration, report func(error)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	s.clearOn(ctx, ticker.C, report)
}

func (s *Store) clearOn(ctx context.Context, ticks <-chan time.Time, report func(error)) {
	if report == nil {
		report = func(err error) { slog.ErrorContext(ctx, "expired sessions not removed", "error", err) }
	}
	for {
		if err := s.ClearExpired(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
	}
}

// limit bounds the time of a query.
func (s *Store) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, s.timeout, timeoutError{s.timeout})
}

// exec runs a statement and returns how many rows it has changed.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	if err := s.turns.take(ctx); err != nil {
		return 0, failed(ctx, err)
	}
	defer s.turns.pass()
	result, err := s.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, failed(ctx, err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return 0, failed(ctx, err)
	}
	return changed, nil
}

// failed says where an error of the database comes from. Values are parameters, and
// no driver repeats those in an error; pq repeats the address with the password, if it
// can't be parsed.
func failed(ctx context.Context, err error) error {
	if address := new(url.Error); errors.As(err, &address) {
		err = address.Err
	}
	if cause := new(timeoutError); errors.As(context.Cause(ctx), cause) {
		return fmt.Errorf("dbstore: %w: %w", cause, err)
	}
	return fmt.Errorf("dbstore: %w", err)
}

// A timeoutError says that the store has had enough, and not the request.
type timeoutError struct{ limit time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("the database took over %v", e.limit) }

const (
	keySize  = 32 // over 165 bits, so two are never the same
	keyChars = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// newKey returns a random key of the form that Django gives keys.
func newKey() string {
	const fair = 256 / len(keyChars) * len(keyChars) // bytes below this are spread evenly
	key := make([]byte, 0, keySize)
	var random [2 * keySize]byte
	for {
		rand.Read(random[:]) // never fails
		for _, b := range random {
			if int(b) < fair {
				key = append(key, keyChars[int(b)%len(keyChars)])
			}
			if len(key) == keySize {
				return string(key)
			}
		}
	}
}

func isKey(value string) bool {
	if len(value) != keySize {
		return false
	}
	for i := range len(value) {
		if c := value[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
