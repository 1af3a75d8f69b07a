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
	"fmt"
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
	attributes := []slog.Attr{slog.String("store", o.store)}
	if o.store == "sqlite" && o.dsn == "" {
		if o.dsn, err = ownFile(); err != nil {
			return site.Usagef("name a SQLite file with -dsn: there can be none in your cache folder: %w", err)
		}
		attributes = append(attributes, slog.String("file", o.dsn))
	}
	backend, err := openStore(o)
	if err != nil {
		return err
	}
	defer backend.close()
	handler, err := o.Handler(backend.Backend, time.Now)
	if err != nil {
		return err
	}
	if backend.rows != nil {
		if err := backend.rows.CreateTable(ctx); err != nil { // after five seconds at the latest
			return fmt.Errorf("the %s database can't be used: %w", o.store, err)
		}
		go backend.rows.ClearEvery(ctx, time.Hour, nil)
	}
	return o.Serve(ctx, handler, attributes...)
}

// options are what the flags say.
type options struct {
	site.Config
	store, dsn string
}

// parseFlags reads the flags, as [site.Flags.Parse] does.
func parseFlags(args []string, getenv func(string) string, out io.Writer) (o options, err error) {
	flags := site.NewFlags("databases")
	flags.Text(&o.store, "store", "STORE", "sqlite", "where sessions are kept, a `name` of "+stores)
	flags.Text(&o.dsn, "dsn", "DSN", "", dsnUsage())
	if o.Config, err = flags.Parse(args, getenv, out); err != nil {
		return o, err
	}
	return o, o.check()
}

// check refuses a store without its database, and a database without its store.
func (o options) check() error {
	example, isDatabase := exampleDSNs[o.store]
	switch {
	case !isDatabase && o.store != "cookie":
		return site.Usagef("-store %q is unknown: the stores are %s", o.store, stores)
	case !isDatabase && o.dsn != "":
		return site.Usagef("-dsn names a database, and -store cookie has none")
	case isDatabase && o.dsn == "" && o.store != "sqlite":
		return site.Usagef("-store %s needs -dsn, such as %s", o.store, example)
	case o.store == "sqlite" && strings.Contains(o.dsn, ":memory:"):
		return site.Usagef("-dsn names a database in memory, which is another one for each connection: leave -dsn out for a file that you need not keep")
	}
	return nil
}

func dsnUsage() string {
	usage := "data source `name` of the database, such as"
	for _, store := range []string{"sqlite", "postgres", "mysql"} {
		usage += "\n    " + exampleDSNs[store]
	}
	return usage + "\nsqlite needs none, and then has a file in a private folder in your cache folder"
}
