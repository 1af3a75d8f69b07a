package dbstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"sync"
)

// OpenSQLite opens or makes a SQLite database and returns a store on it, with the
// settings that were measured to be the fast ones. The driver is the name under
// which a driver was registered: "sqlite" for modernc.org/sqlite, "sqlite3" for
// github.com/mattn/go-sqlite3 or github.com/ncruces/go-sqlite3. The package imports
// none. The path is that of a file, or a URI that begins with "file:". Key and
// options are those of [New].
//
// SQLite lets one connection write at a time. Connections that wait for their turn
// poll for it, and some wait for seconds. So the store writes through one
// connection, where requests queue, and reads through others, which don't wait for
// writers:
//
//	writing   1 connection    PRAGMA busy_timeout = 5000; journal_mode = WAL; synchronous = NORMAL
//	reading   4 or more       PRAGMA busy_timeout = 5000; query_only = ON
//
// synchronous = NORMAL keeps the database consistent whatever happens. When the
// machine loses power, the sessions saved in the last moments may be as they were
// before; when only the program dies, nothing is lost.
//
// A database in memory (":memory:", mode=memory) exists once for each connection,
// so it gets a single connection, for reading and writing. It is empty again after
// Close. A context, or [WithTimeout], ends the wait for that connection, but not a
// statement that runs: a driver may close a connection that it has interrupted.
//
// The connections are the store's own. A program that keeps other data in the same
// file opens it a second time. Close the store when the program ends.
func OpenSQLite(driver, path string, key []byte, opts ...Option) (*Store, error) {
	if path == "" {
		return nil, errors.New("dbstore: the path of the SQLite database is empty")
	}
	uri := sqliteURI(path)
	if file, _, _ := strings.Cut(uri, "?"); strings.Contains(path, "\x00") || strings.Contains(file, "%00") {
		return nil, errors.New("dbstore: the path of the SQLite database has a NUL byte")
	}
	if d := newOptions(sessionTable, opts).dialect; d != 0 && d != SQLite {
		return nil, fmt.Errorf("dbstore: OpenSQLite was given WithDialect of %v", d)
	}
	named, err := sqliteDriver(driver)
	if err != nil {
		return nil, err
	}
	open := func(connections int, settings string) *sql.DB {
		db := sql.OpenDB(&sqliteConnector{named, uri, settings})
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections) // a database in memory ends with its connection
		return db
	}
	writer := open(1, "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
	store, err := New(writer, key, append(opts[:len(opts):len(opts)], WithDialect(SQLite))...)
	if err != nil {
		return nil, err
	}
	store.opened = append(store.opened, writer)
	if inMemory(uri) {
		store.volatile.Store(true)
	} else {
		reader := open(max(4, runtime.GOMAXPROCS(0)), "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON")
		store.reads = &pool{DB: reader}
		store.opened = append(store.opened, reader)
	}
	return store, nil
}

// Close closes the database if [OpenSQLite] opened it. A database that [New] was
// given is the caller's to close.
func (s *Store) Close() error {
	var all []error
	for _, db := range s.opened {
		all = append(all, db.Close())
	}
	return errors.Join(all...)
}

// sqliteDriver returns the driver that is registered under a name.
func sqliteDriver(name string) (driver.Driver, error) {
	db, err := sql.Open(name, "") // connects to nothing
	if err != nil {
		return nil, fmt.Errorf("dbstore: %w", err)
	}
	defer db.Close()
	if known, err := findDialect(db, 0); err == nil && known != dialects[SQLite] {
		return nil, fmt.Errorf("dbstore: the driver %q is one for %s, not for SQLite", name, known.name)
	}
	return db.Driver(), nil
}

// sqliteURI returns the URI of a path. A URI can hold every path; in a path, drivers
// take a question mark for the beginning of their parameters.
func sqliteURI(path string) string {
	if strings.HasPrefix(path, "file:") {
		return path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// inMemory reports whether the URI names a database in memory, or the temporary one
// that SQLite opens for a URI without a path.
func inMemory(uri string) bool {
	path, query, _ := strings.Cut(strings.TrimPrefix(uri, "file:"), "?")
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	values, _ := url.ParseQuery(query) // it returns what it could read
	return path == "" || path == ":memory:" || values.Get("mode") == "memory" || values.Get("vfs") == "memdb"
}

// A sqliteConnector makes connections with their settings. Drivers differ in how a
// DSN spells those, but not in SQL.
type sqliteConnector struct {
	driver   driver.Driver
	uri      string
	settings string
}

// Driver is for database/sql.
func (c *sqliteConnector) Driver() driver.Driver { return c.driver }

// Connect is for database/sql.
func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.uri)
	if err != nil {
		return nil, err
	}
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		err = &connectError{reason: fmt.Sprintf("the driver %T can't run statements without preparing them", c.driver)}
	} else {
		_, err = execer.ExecContext(ctx, c.settings, nil)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// memoryCheck lets one check hold two connections at a time: two that hold one each
// of a pool of two would wait for each other.
var memoryCheck sync.Mutex

// vetMemory finds out whether the database is in memory. It refuses a pool of which each
// connection has a database of its own: a session saved through one would be missing in
// the next.
func (s *Store) vetMemory(ctx context.Context) error {
	if s.dialect != dialects[SQLite] {
		return nil
	}
	schema, _ := splitTable(s.table)
	if schema == "" {
		schema = "main"
	}
	var file sql.NullString
	_, err := s.attempt(ctx, s.db, func(ctx context.Context, conn *sql.Conn) error {
		const query = "SELECT file FROM pragma_database_list WHERE name = ?"
		ctx = context.WithoutCancel(ctx) // it may be volatile
		return conn.QueryRowContext(ctx, query, schema).Scan(&file)
	})
	if err != nil || file.String != "" {
		return nil // whatever is wrong, the statements that follow will say
	}
	s.volatile.Store(true)
	if s.reads == s.db && s.db.Stats().MaxOpenConnections == 1 {
		return nil
	}
	memoryCheck.Lock()
	defer memoryCheck.Unlock()
	one, err := s.db.Conn(ctx)
	if err != nil {
		return failed(ctx, s.connectFailure(ctx, s.db, err))
	}
	defer one.Close()
	other, err := s.reads.Conn(ctx)
	if err != nil {
		return failed(ctx, s.connectFailure(ctx, s.reads, err))
	}
	defer other.Close()
	if sharesDatabase(ctx, one, other, s.dialect.quoted(schema)) {
		return nil
	}
	return errors.New("dbstore: each connection of the pool has a SQLite database of its own in memory: " +
		"call db.SetMaxOpenConns(1), or use OpenSQLite or a file")
}

// sharesDatabase reports whether what one connection makes is there for the other.
// The errors of a shared database, such as that another connection has locked it,
// are none that a connection's own database could give.
func sharesDatabase(ctx context.Context, one, other *sql.Conn, schema string) bool {
	name := "dbstore_" + rand.Text()
	if _, err := one.ExecContext(ctx, "CREATE TABLE "+schema+"."+name+" (a)"); err != nil {
		return true
	}
	defer one.ExecContext(ctx, "DROP TABLE "+schema+"."+name)
	var found int
	err := other.QueryRowContext(ctx, "SELECT count(*) FROM "+schema+".sqlite_master WHERE name = ?", name).Scan(&found)
	return err != nil || found > 0
}
