// Command clearsessions removes the sessions that have expired from a table of
// package dbstore or of Django, as Django's clearsessions does.
//
//	clearsessions -store sqlite|postgres|mysql -dsn NAME [-table django_session] [-every 1h] [-timeout 30s]
//
// It removes them once, or with -every again and again until SIGINT or SIGTERM.
// The environment variables STORE and DSN stand in for the flags: other users of
// the machine can't read a password there, unlike in arguments. It says nothing
// when all is well.
//
// While it removes them for more than a second, a line says how far it is: on a terminal
// alone, and not with -every.
//
//	clearsessions -count ...
//	clearsessions -list [-values] ...
//
// These remove nothing. -count prints how many sessions are live, and how many have
// expired. -list prints a line for each live session: its session key, when it expires
// (UTC) and the bytes of its data, separated by tabs. Anyone who sees a session key can
// hijack the session, unless the table holds hashes of them (dbstore.WithHashedKeys).
// With -values, the dictionary follows, as JSON. It shows whatever the visitors' sessions
// hold, and is not verified: the command has no signing key.
//
// The exit status is 0 if all went well, 1 if not, and 2 if the command was misused.
// With -every, failures are logged, and the next time is tried.
//
// A program that uses dbstore can run Store.ClearEvery itself.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"example.com/cookiestore/dbstore"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	good   = 0
	bad    = 1
	misuse = 2
)

// A misuseError is about how the command was called.
type misuseError struct{ error }

func misusef(format string, args ...any) error { return misuseError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, getenv func(string) string, out, errOut io.Writer) int {
	c, err := parseFlags(args, getenv, out)
	if err == nil {
		err = c.do(ctx, out, errOut)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case errors.As(err, new(misuseError)):
		fmt.Fprintln(errOut, "clearsessions:", err)
		fmt.Fprintln(errOut, "Run clearsessions -help for how to call it.")
		return misuse
	case err != nil:
		fmt.Fprintln(errOut, "clearsessions:", strings.TrimPrefix(err.Error(), "dbstore: "))
		return bad
	}
	return good
}

// command is what the flags say.
type command struct {
	store, dsn, table string
	every, timeout    time.Duration

	wantsCount, wantsList, values bool
}

const usage = `usage: clearsessions -store sqlite|postgres|mysql -dsn NAME [flags]
Removes the sessions that have expired from a table of sessions, as Django's
clearsessions does, and says nothing when all is well.
Exit status: 0 removed, 1 failed, 2 misuse.

flags:
`

func parseFlags(args []string, getenv func(string) string, out io.Writer) (*command, error) {
	c := &command{}
	flags := flag.NewFlagSet("clearsessions", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the errors
	flags.StringVar(&c.store, "store", "", "sqlite, postgres or mysql ($STORE)")
	flags.StringVar(&c.dsn, "dsn", "", "data source `name` of the database ($DSN)")
	flags.StringVar(&c.table, "table", "django_session", "`name` of the table")
	flags.DurationVar(&c.every, "every", 0, "do it again after each `interval`, such as 1h, until SIGINT or SIGTERM (default: do it once)")
	flags.BoolVar(&c.wantsCount, "count", false, "print how many sessions are live and how many have expired; remove nothing")
	flags.BoolVar(&c.wantsList, "list", false, "print the session key, the expiry and the size of each live session; remove nothing")
	flags.BoolVar(&c.values, "values", false, "with -list, print what each session holds, too, unverified")
	flags.DurationVar(&c.timeout, "timeout", 30*time.Second, "`duration` that the database may take for one batch; 0 for any")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, flagError(err)
	case flags.NArg() > 0:
		return nil, misusef("unexpected argument")
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["store"] {
		c.store = getenv("STORE")
	}
	if !given["dsn"] {
		c.dsn = getenv("DSN")
	}
	switch {
	case c.store == "":
		return nil, misusef("-store is missing: sqlite, postgres or mysql")
	case exampleDSNs[c.store] == "" && mayHoldPassword(c.store):
		return nil, misusef("-store is none of sqlite, postgres, mysql")
	case exampleDSNs[c.store] == "":
		return nil, misusef("-store %q is none of sqlite, postgres, mysql", c.store)
	case c.dsn == "":
		return nil, misusef("-dsn is missing: the database, such as %s", exampleDSNs[c.store])
	case mayHoldPassword(c.table):
		return nil, misusef("-table isn't the name of a table: letters, digits and _, perhaps with a schema and a dot before it")
	case c.every < 0 || given["every"] && c.every == 0:
		return nil, misusef("-every %v is not an interval", c.every)
	case c.wantsCount && c.wantsList:
		return nil, misusef("-count and -list exclude each other")
	case given["every"] && (c.wantsCount || c.wantsList):
		return nil, misusef("-every is for removing: -count and -list print once")
	case c.values && !c.wantsList:
		return nil, misusef("-values is for -list")
	}
	return c, nil
}

// mayHoldPassword reports whether a value looks like a DSN. It may be one even of a flag
// for something else, by mistake, and messages end up in logs.
func mayHoldPassword(value string) bool { return strings.ContainsAny(value, ":@=") }

// badValue is what package flag says of a value that it can't read, and badFlag what it
// says of an argument that is not a flag.
var (
	badValue = regexp.MustCompile(`(?s)^invalid (boolean )?value (".*") for (?:flag )?(-\w+): `)
	badFlag  = regexp.MustCompile(`(?s)^(flag provided but not defined|bad flag syntax): (.*)$`)
)

// flagError returns an error of package flag without what may hold a password.
func flagError(err error) error {
	if match := badValue.FindStringSubmatch(err.Error()); match != nil && mayHoldPassword(match[2]) {
		if match[1] != "" {
			return misusef("%s isn't true or false", match[3])
		}
		return misusef("%s isn't a duration, such as 1h", match[3])
	}
	if match := badFlag.FindStringSubmatch(err.Error()); match != nil && mayHoldPassword(match[2]) {
		return misusef("%s", match[1])
	}
	return misuseError{err}
}

// do does what the flags say.
func (c *command) do(ctx context.Context, out, errOut io.Writer) error {
	db, err := openDatabase(c.store, c.dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	line := c.progress(out, errOut)
	defer line.erase()
	// A store needs a key to verify sessions and to sign them. This one does neither,
	// so any will do.
	key := []byte(rand.Text())
	store, err := dbstore.New(db, key, dbstore.WithTable(c.table), dbstore.WithTimeout(c.timeout), dbstore.WithClearProgress(line.add))
	if err != nil {
		return misuseError{err}
	}
	switch {
	case c.wantsCount:
		return count(ctx, store, out)
	case c.wantsList:
		return c.list(ctx, store, out, line.add)
	case c.every == 0:
		return store.ClearExpired(ctx)
	}
	store.ClearEvery(ctx, c.every, nil)
	return nil
}

// progress returns the progress of what the flags ask for, nil where nobody watches or
// where the output itself is seen.
func (c *command) progress(out, errOut io.Writer) *progress {
	switch {
	case c.every > 0 || c.wantsCount || c.wantsList && isTerminal(out):
		return nil
	case c.wantsList:
		return watched(errOut, "sessions listed")
	}
	return watched(errOut, "sessions removed")
}

// exampleDSNs has an example for each store.
var exampleDSNs = map[string]string{
	"sqlite":   "sessions.db",
	"postgres": "postgres://user:password@127.0.0.1:5432/name",
	"mysql":    "user:password@tcp(127.0.0.1:3306)/name",
}

// openDatabase returns a database, which connects when it is first used. Where
// the DSN is wrong, the driver's own error may hold a part of the password.
func openDatabase(store, dsn string) (*sql.DB, error) {
	badDSN := misusef("-dsn is not one of %s, such as %s", store, exampleDSNs[store])
	switch store {
	case "sqlite":
		return sql.Open("sqlite", sqliteURI(dsn))
	case "postgres":
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, badDSN
		}
		return stdlib.OpenDB(*config), nil
	default:
		if _, err := mysql.ParseDSN(dsn); err != nil {
			return nil, badDSN
		}
		return sql.Open("mysql", dsn)
	}
}

// sqliteURI waits for other writers, makes no file where there is none, and leaves
// the journal as it is. What is a URI already says itself what it wants.
func sqliteURI(dsn string) string {
	if strings.HasPrefix(dsn, "file:") {
		return dsn
	}
	path := url.URL{Path: dsn}
	return "file:" + path.EscapedPath() + "?mode=rw&_pragma=busy_timeout(5000)"
}
