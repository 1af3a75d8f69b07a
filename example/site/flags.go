package site

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Config is what the flags say that all programs with the site have.
type Config struct {
	addr                    string
	key, oldKeys, djangoKey string
	name                    string
	maxAge                  time.Duration
	secure                  bool
	encrypt                 bool
	chunks                  int
	revoke                  string // off, memory, or what a program knows beside
	dbsc                    bool
	dbscLifetime            time.Duration // of the bound cookie
}

// Encrypts reports whether the sessions in cookies are to be encrypted.
func (c Config) Encrypts() bool { return c.encrypt }

// Chunks returns how many cookies a session may take.
func (c Config) Chunks() int { return c.chunks }

// Revoke returns where it is noted which sessions were ended. It may hold a password.
func (c Config) Revoke() string { return c.revoke }

// Flags are the flags of a program, each with an environment variable that stands
// in for it.
type Flags struct {
	set       *flag.FlagSet
	variables map[string]string // of each flag
	config    Config
}

// NewFlags returns the flags that make up a [Config].
//
// A program that notes elsewhere which sessions were ended says so in the help of
// -revoke with more.
func NewFlags(program string, more ...string) *Flags {
	revokeMore := strings.Join(more, "")
	f := &Flags{flag.NewFlagSet(program, flag.ContinueOnError), map[string]string{}, Config{maxAge: 14 * 24 * time.Hour, chunks: 1, dbscLifetime: 10 * time.Minute}}
	f.set.SetOutput(io.Discard) // Main prints the errors
	c := &f.config
	f.Text(&c.addr, "addr", "ADDR", "127.0.0.1:8080", "`host:port` to serve on; port 0 takes a free one")
	f.Text(&c.key, "key", "SESSION_KEY", "", "signing `key`, at least 32 bytes in hex or base64; a random one if empty")
	f.Text(&c.oldKeys, "old-keys", "SESSION_OLD_KEYS", "", "`keys` that are still accepted, newest first, separated by commas or line breaks")
	f.Text(&c.djangoKey, "django-key", "DJANGO_SECRET_KEY", "", "Django's `SECRET_KEY`, to share sessions with a Django site;\n-old-keys are then its SECRET_KEY_FALLBACKS")
	f.Text(&c.name, "name", "COOKIE_NAME", "sessionid", "`name` of the session cookie")
	f.set.Func("max-age", "how long a session lasts after it was saved: a `duration` such as 30m, or seconds (default 336h, two weeks)", setDuration(&c.maxAge))
	f.variables["max-age"] = "SESSION_MAX_AGE"
	f.Switch(&c.secure, "secure", "COOKIE_SECURE", "let browsers send the cookie over HTTPS alone (default: off on a loopback address, on elsewhere)")
	f.Switch(&c.encrypt, "encrypt", "ENCRYPT", "encrypt the sessions in cookies, so that visitors can't read them")
	f.set.Func("chunks", fmt.Sprintf("into how many cookies a large session may be split, a `number` from 1 to %d (default 1)", maxChunks), c.setChunks)
	f.variables["chunks"] = "CHUNKS"
	f.Text(&c.revoke, "revoke", "REVOKE", "off", "`where` it is noted which sessions were ended, so that copies of their cookies are refused:\noff, memory (of this process)"+revokeMore)
	f.Switch(&c.dbsc, "dbsc", "DBSC", "bind sessions to the visitors' devices (Device Bound Session Credentials), over HTTPS with a\ncertificate that the program makes; switches on -revoke memory, unless -revoke is given")
	f.set.Func("dbsc-lifetime", "how long a copy of all cookies of a bound session works, a `duration`; under 5m only to try it out,\nsince browsers sign about six times in nine minutes (default 10m)", setDuration(&c.dbscLifetime))
	f.variables["dbsc-lifetime"] = "DBSC_LIFETIME"
	return f
}

// Text adds a flag of the program's own, as [flag.FlagSet.StringVar] does, and its
// environment variable.
func (f *Flags) Text(value *string, name, variable, standard, usage string) {
	f.set.StringVar(value, name, standard, usage)
	f.variables[name] = variable
}

// Switch adds a flag that is off unless it is given.
func (f *Flags) Switch(value *bool, name, variable, usage string) {
	f.set.BoolVar(value, name, false, usage)
	f.variables[name] = variable
}

// Parse reads the command line and, for flags that are not on it, the environment.
// With -help it prints the flags to out and returns [flag.ErrHelp]. Other errors are
// a [UsageError].
func (f *Flags) Parse(args []string, getenv func(string) string, out io.Writer) (Config, error) {
	if err := f.set.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.printHelp(out)
		return Config{}, err
	} else if err != nil {
		return Config{}, UsageError{Err: err}
	}
	if f.set.NArg() > 0 {
		return Config{}, Usagef("unexpected argument after the flags") // it may hold a password
	}
	given := map[string]bool{}
	f.set.Visit(func(set *flag.Flag) { given[set.Name] = true })
	for name, variable := range f.variables {
		if value := getenv(variable); value != "" && !given[name] {
			if err := f.set.Set(name, value); err != nil {
				return Config{}, Usagef("%s is %q: %v", variable, value, err)
			}
			given[name] = true
		}
	}
	return f.config.check(given)
}

// check refuses what contradicts itself, and fills in what depends on the rest.
func (c Config) check(given map[string]bool) (Config, error) {
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return c, Usagef("-addr %q is not host:port: %v", c.addr, err)
	}
	if !given["secure"] {
		ip := net.ParseIP(host)
		c.secure = c.dbsc || host != "localhost" && !ip.IsLoopback()
	}
	if c.dbsc && !given["revoke"] {
		c.revoke = "memory" // ends what was copied before a session was bound
	}
	if c.key != "" && c.djangoKey != "" {
		return c, Usagef("-key and -django-key (SESSION_KEY and DJANGO_SECRET_KEY) exclude each other: one key signs")
	}
	if c.encrypt && c.djangoKey != "" {
		return c, Usagef("-encrypt and -django-key exclude each other: Django can't read encrypted sessions")
	}
	if c.dbsc && !c.secure {
		return c, Usagef("-dbsc and -secure=false exclude each other: browsers bind sessions over HTTPS alone")
	}
	if given["dbsc-lifetime"] && !c.dbsc {
		return c, Usagef("-dbsc-lifetime is for -dbsc")
	}
	return c, nil
}

// setDuration takes seconds, as Django does, as well as Go's durations.
func setDuration(d *time.Duration) func(text string) error {
	return func(text string) (err error) {
		if _, bare := strconv.Atoi(text); bare == nil {
			text += "s"
		}
		if *d, err = time.ParseDuration(text); err != nil {
			return errors.New("want seconds, or a duration such as 30m")
		}
		return nil
	}
}

// maxChunks is the most that [cookiestore.WithChunks] takes.
const maxChunks = 8

func (c *Config) setChunks(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxChunks {
		return fmt.Errorf("want a number from 1 to %d", maxChunks)
	}
	c.chunks = n
	return nil
}

func (f *Flags) printHelp(out io.Writer) {
	fmt.Fprintln(out, "The demo site of cookiestore. Each flag can also be set by an environment variable.")
	fmt.Fprintln(out)
	f.set.VisitAll(func(one *flag.Flag) {
		what, usage := flag.UnquoteUsage(one)
		if one.DefValue != "" && one.DefValue != "false" {
			usage += fmt.Sprintf(" (default %s)", one.DefValue)
		}
		fmt.Fprintf(out, "  %-22s $%s\n", strings.TrimSpace("-"+one.Name+" "+what), f.variables[one.Name])
		fmt.Fprintf(out, "        %s\n", strings.ReplaceAll(usage, "\n", "\n        "))
	})
}

// A UsageError is about how the program was started.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef returns a [UsageError].
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }
