// Command example is the demo site of cookiestore: the session scenarios that
// Django is taught with, one page each.
//
//	go run ./example
//
// serves http://127.0.0.1:8080 with nothing to configure. Run it with -help for
// the flags. What is worth copying is in site.go, and for a database in stores.go;
// this file reads the flags and runs the server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

func main() {
	err := run(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "example:", err)
		fmt.Fprintln(os.Stderr, "Run it with -help for the flags.")
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run serves the site until it is told to stop.
func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := parseFlags(args, os.Getenv, os.Stdout)
	if err != nil {
		return err
	}
	store, closeStore, err := openStore(c)
	if err != nil {
		return err
	}
	defer closeStore()
	handler, err := newHandler(c, store, time.Now)
	if err != nil {
		return err
	}
	if rows, ok := store.(*dbstore.Store); ok {
		if err := rows.CreateTable(ctx); err != nil { // after five seconds at the latest
			return fmt.Errorf("the %s database can't be used: %w", c.store, err)
		}
		go rows.ClearEvery(ctx, time.Hour, nil)
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	slog.Info("serving", "url", "http://"+listener.Addr().String(), "store", c.store, "secure", c.secure)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop() // a second signal ends the program at once
	slog.Info("stopping: waiting for the requests under way")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// newHandler puts the session around the site.
func newHandler(c config, store cookiestore.Store, now func() time.Time) (http.Handler, error) {
	sessions, err := cookiestore.NewManager(store,
		cookiestore.WithName(c.name),
		cookiestore.WithMaxAge(c.maxAge),
		cookiestore.WithSecure(c.secure),
		cookiestore.WithErrorHandler(notSaved),
		cookiestore.WithClock(now),
	)
	if err != nil {
		return nil, usageError{err}
	}
	s := &site{store: c.store, cookie: c.name, inspect: inspect(store, c.name, now)}
	return s.handler(sessions), nil
}

// config is what the flags say.
type config struct {
	addr, store, dsn        string
	key, oldKeys, djangoKey string
	name                    string
	maxAge                  time.Duration
	secure                  bool
}

// variables are the environment variables that stand in for flags.
var variables = map[string]string{
	"addr":       "ADDR",
	"store":      "STORE",
	"dsn":        "DSN",
	"key":        "SESSION_KEY",
	"old-keys":   "SESSION_OLD_KEYS",
	"django-key": "DJANGO_SECRET_KEY",
	"name":       "COOKIE_NAME",
	"max-age":    "SESSION_MAX_AGE",
	"secure":     "COOKIE_SECURE",
}

// parseFlags reads the command line and, for flags that are not on it, the
// environment. With -help it prints the flags to out and returns flag.ErrHelp.
func parseFlags(args []string, getenv func(string) string, out io.Writer) (config, error) {
	c := config{maxAge: 14 * 24 * time.Hour}
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the errors
	flags.StringVar(&c.addr, "addr", "127.0.0.1:8080", "`host:port` to serve on; port 0 takes a free one")
	flags.StringVar(&c.store, "store", "cookie", "where sessions are kept, one of "+stores)
	flags.StringVar(&c.dsn, "dsn", "", dsnUsage())
	flags.StringVar(&c.key, "key", "", "signing `key`, at least 32 bytes in hex or base64; a random one if empty")
	flags.StringVar(&c.oldKeys, "old-keys", "", "`keys` that are still accepted, newest first, separated by commas")
	flags.StringVar(&c.djangoKey, "django-key", "", "Django's `SECRET_KEY`, to share sessions with a Django site;\n-old-keys are then its SECRET_KEY_FALLBACKS")
	flags.StringVar(&c.name, "name", "sessionid", "`name` of the session cookie")
	flags.Func("max-age", "how long a session lasts after it was saved: a `duration` such as 30m, or seconds (default 336h, two weeks)", c.setMaxAge)
	flags.BoolVar(&c.secure, "secure", false, "let browsers send the cookie over HTTPS alone (default: off on a loopback address, on elsewhere)")

	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		printHelp(flags, out)
		return c, err
	} else if err != nil {
		return c, usageError{err}
	}
	if flags.NArg() > 0 {
		return c, usagef("there is an argument that is no flag") // and may hold a password
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, variable := range variables {
		if value := getenv(variable); value != "" && !given[name] {
			if err := flags.Set(name, value); err != nil {
				return c, usagef("%s is %q: %v", variable, value, err)
			}
			given[name] = true
		}
	}
	return c.check(given["secure"])
}

// check refuses what contradicts itself, and fills in what depends on the rest.
func (c config) check(secureGiven bool) (config, error) {
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return c, usagef("-addr %q is no host:port: %v", c.addr, err)
	}
	if !secureGiven {
		ip := net.ParseIP(host)
		c.secure = host != "localhost" && !ip.IsLoopback()
	}
	example, isDatabase := exampleDSNs[c.store]
	switch {
	case !isDatabase && c.store != "cookie":
		return c, usagef("-store %q is unknown: the stores are %s", c.store, stores)
	case !isDatabase && c.dsn != "":
		return c, usagef("-dsn names a database, and -store cookie has none")
	case isDatabase && c.dsn == "" && c.store != "sqlite":
		return c, usagef("-store %s needs -dsn, such as %s", c.store, example)
	case c.store == "sqlite" && strings.Contains(c.dsn, ":memory:"):
		return c, usagef("-dsn names a database in memory, which is another one for each connection: leave -dsn out for a file that you need not keep")
	case c.key != "" && c.djangoKey != "":
		return c, usagef("-key and -django-key (SESSION_KEY and DJANGO_SECRET_KEY) exclude each other: one key signs")
	}
	return c, nil
}

// setMaxAge takes seconds, as Django does, as well as Go's durations.
func (c *config) setMaxAge(text string) (err error) {
	if _, bare := strconv.Atoi(text); bare == nil {
		text += "s"
	}
	if c.maxAge, err = time.ParseDuration(text); err != nil {
		return errors.New("want seconds, or a duration such as 30m")
	}
	return nil
}

func dsnUsage() string {
	usage := "data source `name` of the database, such as"
	for _, store := range []string{"sqlite", "postgres", "mysql"} {
		usage += "\n    " + exampleDSNs[store]
	}
	return usage + "\nsqlite alone needs none, and then uses a file in the temporary folder"
}

func printHelp(flags *flag.FlagSet, out io.Writer) {
	fmt.Fprintln(out, "The demo site of cookiestore. Each flag can also be set by an environment variable.")
	fmt.Fprintln(out)
	flags.VisitAll(func(f *flag.Flag) {
		what, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(out, "  %-22s $%s\n", strings.TrimSpace("-"+f.Name+" "+what), variables[f.Name])
		fmt.Fprintf(out, "        %s\n", strings.ReplaceAll(usage, "\n", "\n        "))
	})
}

// A usageError is about how the program was started.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}
