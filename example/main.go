// Command example is the demo site of cookiestore: the session scenarios that
// Django is taught with, one page each.
//
//	go run ./example
//
// serves http://127.0.0.1:8080 with nothing to configure, and sessions kept in the
// visitors' cookies. Run it with -help for the flags. What is worth copying is in
// site/: visits.go, login.go, car.go, flash.go and expire.go.
//
// This program is built from the standard library and cookiestore alone. The same
// site with sessions in a database is example/databases.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"example.com/cookiestore/example/site"
)

func main() { site.Main("example", run) }

// run serves the site until ctx ends.
func run(ctx context.Context, args []string) error {
	config, err := parseFlags(args, os.Getenv, os.Stdout)
	if err != nil {
		return err
	}
	backend, err := config.CookieStore()
	if err != nil {
		return err
	}
	handler, err := config.Handler(backend, time.Now)
	if err != nil {
		return err
	}
	return config.Serve(ctx, handler, slog.String("store", backend.Name))
}

// parseFlags reads the flags, as [site.Flags.Parse] does. It knows those that name
// a database to say which program has them.
func parseFlags(args []string, getenv func(string) string, out io.Writer) (site.Config, error) {
	var store, dsn string
	var spill bool
	flags := site.NewFlags("example")
	flags.Text(&store, "store", "STORE", "cookie", "where sessions are kept, which is `cookie` here; sqlite, postgres and mysql\nare in the same site on databases: go run ./example/databases")
	flags.Text(&dsn, "dsn", "DSN", "", "data source `name` of a database, for go run ./example/databases")
	flags.Switch(&spill, "spill", "SPILL", "keep large sessions in a database, for go run ./example/databases")
	config, err := flags.Parse(args, getenv, out)
	switch {
	case err != nil:
		return config, err
	case store == "sqlite", store == "postgres", store == "mysql":
		return config, site.Usagef("-store %[1]s needs a database driver, which this program leaves out: use go run ./example/databases -store %[1]s", store)
	case store != "cookie":
		return config, site.Usagef("-store %q is unknown: this program has cookie alone, and go run ./example/databases has sqlite, postgres and mysql, too", store)
	case dsn != "":
		return config, site.Usagef("-dsn names a database, and -store cookie has none: use go run ./example/databases for one")
	case spill:
		return config, site.Usagef("-spill keeps large sessions in a database, which this program leaves out: use go run ./example/databases -spill")
	}
	return config, nil
}
