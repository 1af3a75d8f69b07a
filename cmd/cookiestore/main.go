// Command cookiestore shows what is in a session, makes keys and session cookies, and
// checks how a site sets its session cookie.
//
//	cookiestore inspect [-json] [-name NAME] [-at TIME] [-max-age AGE] [VALUE]
//	cookiestore doctor [-json] [-name NAME] [-at TIME] [-follow] [-timeout DURATION] [URL]...
//	cookiestore sign [-name NAME] [-at TIME] [-encrypt] [-chunks N] < JSON
//	cookiestore keygen
//
// inspect takes a cookie's value, a Cookie header, a whole HTTP message or a session_data
// of Django's table django_session, from its argument or from standard input. Of a session
// in several cookies it needs the header. doctor checks how a site sets its session cookie. cookiestore COMMAND -h says more.
//
// Keys come from the environment, where other users of the machine can't read
// them, unlike arguments:
//
//	SESSION_KEY                   the key of the package's own format, hex or base64
//	SESSION_OLD_KEYS              fallback keys, newest first
//	DJANGO_SECRET_KEY             Django's SECRET_KEY
//	DJANGO_SECRET_KEY_FALLBACKS   fallback keys, newest first
//	GORILLA_HASH_KEY              the hash key of a gorilla/sessions site, as it is, or
//	                              "hex:" or "base64:" and then the key so encoded
//	GORILLA_BLOCK_KEY             its block key, if it has one, likewise
//
// SESSION_KEY is for signed sessions and for encrypted ones.
//
// Lists of keys are separated by commas or line breaks.
//
// The exit status is 0 for a valid, unexpired session, or a site with nothing to change, 1
// if not, and 2 if the command was misused.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
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

// command is what the command line and the environment say.
type command struct {
	flags   *flag.FlagSet
	json    bool
	name    string
	maxAge  time.Duration
	at      time.Time
	timed   bool // at was given
	follow  bool
	timeout time.Duration
	encrypt bool
	chunks  int    // of sign: the most; 0 to print the value alone
	header  string // of inspect: the name=value pairs to look at
	keys    keys
	in      io.Reader
	out     io.Writer
}

func run(args []string, getenv func(string) string, in io.Reader, out, errOut io.Writer) int {
	status, err := dispatch(args, getenv, in, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case errors.As(err, new(misuseError)):
		fmt.Fprintln(errOut, "cookiestore:", escaped(message(err)))
		fmt.Fprintln(errOut, "Run cookiestore help for how to call it.")
		return misuse
	case err != nil:
		fmt.Fprintln(errOut, "cookiestore:", escaped(message(err)))
		return bad
	}
	return status
}

// message returns an error's text without the package's name, which the command's own
// stands for.
func message(err error) string { return strings.TrimPrefix(err.Error(), "cookiestore: ") }

func dispatch(args []string, getenv func(string) string, in io.Reader, out io.Writer) (int, error) {
	if len(args) == 0 {
		return misuse, misusef("which command? inspect, doctor, sign or keygen")
	}
	c := &command{at: time.Now(), maxAge: 14 * 24 * time.Hour, in: in, out: out}
	name := args[0]
	if name == "help" || name == "-h" || name == "-help" || name == "--help" {
		if len(args) == 1 {
			return good, c.help("")
		}
		args = []string{args[1], "-h"}
		name = args[0]
	}
	c.flags = flag.NewFlagSet(name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	var do func() (int, error)
	switch name {
	case "inspect":
		c.inspectFlags()
		do = c.inspect
	case "doctor":
		c.doctorFlags()
		getenv = noKeys
		do = c.doctor
	case "sign":
		c.signFlags()
		do = c.sign
	case "keygen":
		getenv = noKeys // the one that is there may be bad
		do = c.keygen
	default:
		// It may be a session that somebody has forgotten to write inspect before.
		return misuse, misusef("the first word is not a command: inspect, doctor, sign or keygen")
	}
	switch err := c.flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return good, c.help(name)
	case err != nil:
		return misuse, misuseError{err}
	}
	var err error
	if c.keys, err = readKeys(getenv); err != nil {
		return misuse, misuseError{err}
	}
	return do()
}

// noKeys is the environment of a command that needs no keys.
func noKeys(string) string { return "" }

// nameAndTime declares the flags that most commands have.
func (c *command) nameAndTime(what string) {
	c.flags.StringVar(&c.name, "name", "sessionid", "`name` of the cookie")
	c.flags.Func("at", "the `time` "+what+": Unix seconds or RFC 3339 (default now)", c.setTime)
}

func (c *command) inspectFlags() {
	c.nameAndTime("to judge expiry at")
	c.flags.BoolVar(&c.json, "json", false, "print a JSON object")
	c.flags.Func("max-age", "the `age` at which a session without an expiry of its own expires, the site's SESSION_COOKIE_AGE: seconds, or a duration such as 336h (default 1209600, two weeks)", c.setMaxAge)
}

func (c *command) signFlags() {
	c.nameAndTime("to sign at")
	c.flags.BoolVar(&c.encrypt, "encrypt", false, "encrypt the session, with SESSION_KEY")
	c.flags.IntVar(&c.chunks, "chunks", 0, "how many `cookies` the session may take, 1 to 8; they are printed as a Cookie header has them, with their names")
}

// setMaxAge takes seconds, as Django does, as well as Go's durations.
func (c *command) setMaxAge(text string) (err error) {
	if strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	if c.maxAge, err = time.ParseDuration(text); err != nil || c.maxAge <= 0 {
		return errors.New("want seconds such as 3600, or a duration such as 336h")
	}
	return nil
}

// The years that RFC 3339 has, in Unix seconds. A time.Time of a far later one would be
// in the past.
const (
	firstSecond = -62_135_596_800
	lastSecond  = 253_402_300_799
)

func (c *command) setTime(text string) error {
	c.timed = true
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if seconds < firstSecond || seconds > lastSecond {
			return errors.New("outside of the years 1 to 9999")
		}
		c.at = time.Unix(seconds, 0)
		return nil
	}
	var err error
	if c.at, err = time.Parse(time.RFC3339, text); err != nil {
		return errors.New("neither Unix seconds nor an RFC 3339 time such as 2030-01-31T12:00:00Z")
	}
	return nil
}
