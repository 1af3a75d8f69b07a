package dbstore

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A failure is what an error means for trying the statement again.
type failure int

const (
	// final: trying again would change nothing.
	final failure = iota

	// takenBack: the database has undone the statement for the sake of another.
	takenBack

	// misplaced: the statement was not carried out, and could be on another
	// connection: this one leads to a server that is read-only now, say.
	misplaced

	// cutOff: the connection broke, and the statement may have been carried out.
	cutOff

	// tooSlow: the server has set a limit of its own, and the statement took
	// longer. It was not carried out.
	tooSlow
)

// postgresFailures has SQLSTATEs, and classes of them.
var postgresFailures = map[string]failure{
	"40":    takenBack,
	"40003": cutOff,    // statement completion unknown
	"25006": misplaced, // read-only transaction: a standby
	"0A000": misplaced, // "cached plan must not change result type", after ALTER TABLE
	"26000": misplaced, // no such prepared statement
	"08":    cutOff,
	"57P01": cutOff, // the server is shutting down
	"57P02": cutOff,
	"57P05": cutOff,
	"57014": tooSlow,
	"55P03": tooSlow, // lock_timeout
}

var mysqlFailures = map[string]failure{
	"1213": takenBack, // deadlock
	"1020": takenBack, // MariaDB's innodb_snapshot_isolation
	"1205": takenBack, // lock wait timeout; what is undone at least is the statement
	"8002": takenBack, // TiDB's write conflicts
	"8005": takenBack,
	"8022": takenBack,
	"9007": takenBack,
	"1290": misplaced, // --read-only
	"1792": misplaced, // read-only transaction
	"1836": misplaced, // read-only mode
	"1047": misplaced, // a Galera node that isn't ready
	"1053": cutOff,    // the server is shutting down
	"1927": cutOff,    // the connection was killed
	"1158": cutOff,
	"1159": cutOff,
	"1160": cutOff,
	"1161": cutOff,
	"4031": cutOff, // disconnected for inactivity
	"1969": tooSlow,
	"3024": tooSlow,
}

// sqliteFailures has primary result codes. A statement that finds the database
// locked has changed nothing.
var sqliteFailures = map[string]failure{
	"5": takenBack, // SQLITE_BUSY
	"6": takenBack, // SQLITE_LOCKED, with a shared cache
}

// sqlState is the code in errors of pgx and pq.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) && len(e.SQLState()) == 5 {
		return e.SQLState()
	}
	return ""
}

// mysqlNumber is the number with which errors of go-sql-driver/mysql begin. They
// have no method for it.
func mysqlNumber(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if rest, ok := strings.CutPrefix(err.Error(), "Error "); ok {
			return rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		}
	}
	return ""
}

// sqliteCode is the primary result code. The drivers have different types for it,
// but all of them use SQLite's own text.
func sqliteCode(err error) string {
	var e interface{ Code() int }
	switch {
	case errors.As(err, &e):
		return strconv.Itoa(e.Code() & 0xff)
	case strings.Contains(err.Error(), "database is locked"):
		return "5"
	case strings.Contains(err.Error(), "database table is locked"):
		return "6"
	case strings.Contains(err.Error(), "unable to open database file"):
		return "14"
	case strings.Contains(err.Error(), "file is not a database"):
		return "26"
	}
	return ""
}

// classify tells what an error means.
func (d *dialect) classify(err error) failure {
	code := d.code(err)
	if what, ok := d.failures[code]; ok {
		return what
	}
	if what, ok := d.failures[code[:min(2, len(code))]]; ok && len(code) == 5 {
		return what // a class of SQLSTATEs
	}
	var unsent interface{ SafeToRetry() bool } // of pgx
	switch {
	case errors.Is(err, driver.ErrBadConn), errors.As(err, &unsent) && unsent.SafeToRetry():
		return misplaced
	case code == "" && isBroken(err):
		return cutOff
	}
	return final
}

// isBroken reports whether an error is that of a connection that was cut.
func isBroken(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, new(*net.OpError)) || errors.As(err, new(syscall.Errno)) ||
		strings.Contains(err.Error(), "invalid connection") // of go-sql-driver/mysql
}

// A connectError says why there is no connection. It holds nothing of the driver's
// own text, which may repeat the DSN, or the half of a password that was taken for
// a host.
type connectError struct {
	reason string
	cause  error // one that says nothing of the DSN, or nil
}

func (e *connectError) Error() string { return "no connection: " + e.reason }
func (e *connectError) Unwrap() error { return e.cause }

// plainTexts are errors that are the same whatever the DSN is.
var plainTexts = []string{
	"sql: database is closed",
	"server refused TLS connection",                 // of pgx
	"TLS requested but server does not support TLS", // of go-sql-driver/mysql
	"SSL is not enabled on the server",              // of pq
}

// connectFailure says why there is no connection, as far as that can be told
// without the driver's own words.
func (s *Store) connectFailure(ctx context.Context, db *pool, err error) error {
	if ctx.Err() != nil {
		use := db.Stats()
		if most := use.MaxOpenConnections; most > 0 && use.InUse >= most {
			return &connectError{fmt.Sprintf("all %d of the pool are in use (does a handler keep one, in a transaction of its own?)", most), ctx.Err()}
		}
		return ctx.Err()
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, text := range plainTexts {
			if e.Error() == text {
				return &connectError{reason: text}
			}
		}
	}
	if own := new(connectError); errors.As(err, &own) {
		return own
	}
	var errno syscall.Errno
	var host *net.DNSError
	var untrusted *tls.CertificateVerificationError
	code := s.dialect.code(err)
	switch {
	case s.dialect.refusals[code] != "":
		return &connectError{reason: fmt.Sprintf("%s (%s %s)", s.dialect.refusals[code], s.dialect.codeName, code)}
	case code != "":
		return &connectError{reason: s.dialect.codeName + " " + code}
	case errors.As(err, &errno):
		return &connectError{errno.Error(), errno}
	case errors.As(err, &host):
		return &connectError{reason: "the host in the DSN can't be looked up"}
	case errors.As(err, &untrusted):
		return &connectError{reason: "the server's certificate is not trusted"}
	case isBroken(err):
		return &connectError{reason: "it was closed, or the server can't be reached"}
	}
	return &connectError{reason: fmt.Sprintf("the driver's error, a %T, is not shown, since it may repeat a password: check the DSN", err)}
}

// failed says where an error comes from. Values are parameters, and no database
// repeats those in an error.
func failed(ctx context.Context, err error) error {
	var cause timeoutError
	if errors.As(context.Cause(ctx), &cause) {
		return fmt.Errorf("dbstore: %w: %w", cause, err)
	}
	return fmt.Errorf("dbstore: %w", err)
}

// A timeoutError says that the store has had enough, and not the request.
type timeoutError struct{ limit time.Duration }

func (e timeoutError) Error() string { return fmt.Sprintf("the database took over %v", e.limit) }
