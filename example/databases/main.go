// Command databases is the demo site of cookiestore with sessions kept in a
// database:
//
//	go run ./example/databases
//
// serves http://127.0.0.1:8080 with a SQLite file of its own. Run it with -help for
// the flags. What is worth copying is in stores.go; the site is that of example.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"example.com/cookiestore/example/site"
)

func main() { site.Main("databases", run) }

// run serves the site until ctx ends.
func run(ctx context.Context, args []string) error {
	o, err := parseFlags(args, os.Getenv, os.Stdout)
	if err != nil {
		return err
	}
	attributes := []slog.Attr{slog.String("store", o.store), slog.String("revoke", o.revokeKind())}
	if o.store == "sqlite" && o.dsn == "" {
		if o.dsn, err = ownFile(); err != nil {
			return site.Usagef("name a SQLite file with -dsn: there can be none in your cache folder: %w", err)
		}
		attributes = append(attributes, slog.String("file", o.dsn))
	}
	backend, err := openStore(o, time.Now)
	if err != nil {
		return err
	}
	defer backend.close()
	handler, err := o.Handler(backend.Backend, time.Now)
	if err != nil {
		return err
	}
	if err := backend.createTables(ctx); err != nil { // after five seconds at the latest
		return err
	}
	for _, table := range backend.tables {
		go table.ClearEvery(ctx, time.Hour, nil)
	}
	return o.Serve(ctx, handler, attributes...)
}

// options are what the flags say.
type options struct {
	site.Config
	store, dsn string
	spill      bool
}

// parseFlags reads the flags, as [site.Flags.Parse] does.
func parseFlags(args []string, getenv func(string) string, out io.Writer) (o options, err error) {
	flags := site.NewFlags("databases", ",\ndatabase (that of -dsn; instances share it), or the URL of a Redis, such as redis://127.0.0.1:6379")
	flags.Text(&o.store, "store", "STORE", "sqlite", "where sessions are kept, a `name` of "+stores)
	flags.Text(&o.dsn, "dsn", "DSN", "", dsnUsage())
	flags.Switch(&o.spill, "spill", "SPILL", "keep small sessions in the cookie, and only large ones in the database of -store")
	if o.Config, err = flags.Parse(args, getenv, out); err != nil {
		return o, err
	}
	return o, o.check()
}

// check refuses a store without its database, a database without its store, and what
// doesn't fit the store.
func (o options) check() error {
	example, isDatabase := exampleDSNs[o.store]
	inRows := isDatabase && !o.spill
	switch {
	case !isDatabase && o.store != "cookie":
		return site.Usagef("-store %q is unknown: the stores are %s", o.store, stores)
	case !isDatabase && o.dsn != "" && o.Revoke() != "database":
		return site.Usagef("-dsn names a database, and -store cookie has none, unless -revoke database uses it")
	case !isDatabase && o.dsn == "" && o.Revoke() == "database":
		return site.Usagef("-revoke database beside -store cookie needs -dsn, such as %s", strings.Join(dsnForms(), ", "))
	case !isDatabase && o.spill:
		return site.Usagef("-spill keeps large sessions in the database of -store, and -store cookie has none")
	case isDatabase && o.dsn == "" && o.store != "sqlite":
		return site.Usagef("-store %s needs -dsn, such as %s", o.store, example)
	case o.databaseKind() == "sqlite" && strings.Contains(o.dsn, ":memory:"):
		return site.Usagef("-dsn names a database in memory, which is another one for each connection: leave -dsn out for a file that you need not keep")
	case inRows && o.Encrypts():
		return site.Usagef("-encrypt is for sessions in cookies, and -store %s keeps all of them in rows, which visitors never see: add -spill, or use -store cookie", o.store)
	case inRows && o.Chunks() > 1:
		return site.Usagef("-chunks is for sessions in cookies, and -store %s keeps all of them in rows, of any size: add -spill, or use -store cookie", o.store)
	}
	return nil
}

// databaseKind returns what kind of database -dsn names: that of the store, or, beside
// the cookie store, what its form says.
func (o options) databaseKind() string {
	if o.store != "cookie" {
		return o.store
	}
	return kindOf(o.dsn)
}

// revokeKind is what -revoke says without what may be a password.
func (o options) revokeKind() string {
	if isRedis(o.Revoke()) {
		return "redis"
	}
	return o.Revoke()
}

// dsnForms are examples, one for each kind of database.
func dsnForms() (all []string) {
	for _, kind := range []string{"sqlite", "postgres", "mysql"} {
		all = append(all, exampleDSNs[kind])
	}
	return all
}

func dsnUsage() string {
	return "data source `name` of the database, such as\n    " + strings.Join(dsnForms(), "\n    ") +
		"\nsqlite needs none, and then has a file in a private folder in your cache folder"
}
