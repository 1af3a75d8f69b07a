// Command cookiestore shows what is in a session, makes keys, and makes session
// cookies for use with curl.
//
//	cookiestore inspect [-json] [-name NAME] [-at TIME] [-max-age DURATION] [VALUE]
//	cookiestore keygen
//	cookiestore sign [-name NAME] [-at TIME] [-encrypt] [-chunks N] < JSON
//
// inspect takes a cookie's value, a Cookie header, the Set-Cookie headers of a response
// or a session_data of Django's table django_session, from its argument or from standard
// input. Of a session in several cookies it needs the header.
//
// sign prints the value of a cookie. With -chunks, it prints all cookies of the session as
// a Cookie header has them, for curl -b.
//
// Keys come from the environment, where other users of the machine can't read
// them, unlike arguments:
//
//	SESSION_KEY                   the key of the package's own format, hex or base64
//	SESSION_OLD_KEYS              older ones, newest first, one a line
//	DJANGO_SECRET_KEY             Django's SECRET_KEY
//	DJANGO_SECRET_KEY_FALLBACKS   older ones, newest first, one a line
//	GORILLA_HASH_KEY              the hash key of a gorilla/sessions site, as it is, or
//	                              "hex:" or "base64:" and then the key so encoded
//	GORILLA_BLOCK_KEY             its block key, if it has one, likewise
//
// SESSION_KEY is the key of signed and of encrypted sessions.
//
// The exit status is 0 if the session verifies and is not over, 1 if not, and 2
// if the command was misused.
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

const usage = `usage:
  cookiestore inspect [-json] [-name NAME] [-at TIME] [-max-age DURATION] [VALUE]
      show what is in a cookie value, a Cookie or Set-Cookie header or a session_data
      of Django's table, from the argument or standard input, and whether it verifies
  cookiestore keygen
      make a key
  cookiestore sign [-name NAME] [-at TIME] [-encrypt] [-chunks N] < JSON
      make a session cookie of a JSON object; with -chunks, a Cookie header

Keys come from the environment: SESSION_KEY (hex or base64) and SESSION_OLD_KEYS,
or DJANGO_SECRET_KEY and DJANGO_SECRET_KEY_FALLBACKS, older keys one a line; or
GORILLA_HASH_KEY and GORILLA_BLOCK_KEY (as they are, or "hex:" or "base64:" before).
Exit status: 0 verified and not expired, 1 otherwise, 2 misuse.

flags of inspect and sign:
`

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
	flags  *flag.FlagSet
	json   bool
	name   string
	maxAge time.Duration
	at     time.Time
	timed  bool     // the time was given
	fields []string // the header to look at, as a Cookie field has it
	keys   keys

	encrypt bool
	chunks  int // 0: print the value alone

	in  io.Reader
	out io.Writer
}

func run(args []string, getenv func(string) string, in io.Reader, out, errOut io.Writer) int {
	status, err := dispatch(args, getenv, in, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return good
	case errors.As(err, new(misuseError)):
		fmt.Fprintln(errOut, "cookiestore:", escaped(err.Error()))
		fmt.Fprintln(errOut, "Run cookiestore help for how to call it.")
		return misuse
	case err != nil:
		fmt.Fprintln(errOut, "cookiestore:", escaped(strings.TrimPrefix(err.Error(), "cookiestore: ")))
		return bad
	}
	return status
}

func dispatch(args []string, getenv func(string) string, in io.Reader, out io.Writer) (int, error) {
	if len(args) == 0 {
		return misuse, misusef("which command? inspect, keygen or sign")
	}
	c := &command{at: time.Now(), in: in, out: out}
	c.flags = flag.NewFlagSet(args[0], flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	c.flags.StringVar(&c.name, "name", "sessionid", "`name` of the cookie")
	c.flags.Func("at", "the `time` to judge expiry at, or to sign at: Unix seconds or RFC 3339 (default now)", c.setTime)

	var do func() (int, error)
	switch args[0] {
	case "inspect":
		c.inspectFlags()
		do = c.inspect
	case "sign":
		c.signFlags()
		do = c.sign
	case "keygen":
		getenv = func(string) string { return "" } // who makes a key may have a bad one
		do = c.keygen
	case "help", "-h", "-help", "--help":
		return good, c.help()
	default:
		// It may be a session that somebody has forgotten to write inspect before.
		return misuse, misusef("the first word is none of the commands inspect, keygen, sign")
	}
	switch err := c.flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return good, c.help()
	case err != nil:
		return misuse, misuseError{err}
	}
	var err error
	if c.keys, err = readKeys(getenv); err != nil {
		return misuse, misuseError{err}
	}
	return do()
}

// inspectFlags declares the flags that inspect alone has.
func (c *command) inspectFlags() {
	c.flags.BoolVar(&c.json, "json", false, "inspect: print a JSON object")
	c.flags.DurationVar(&c.maxAge, "max-age", 14*24*time.Hour, "inspect: `duration` of a session without an expiry of its own, the site's SESSION_COOKIE_AGE")
}

// signFlags declares the flags that sign alone has.
func (c *command) signFlags() {
	c.flags.BoolVar(&c.encrypt, "encrypt", false, "sign: encrypt the session, with SESSION_KEY")
	c.flags.IntVar(&c.chunks, "chunks", 0, "sign: the most `cookies` that the session may take, 1 to 8, and print them with their names")
}

func (c *command) help() error {
	fmt.Fprint(c.out, usage)
	c.flags.SetOutput(c.out)
	if c.flags.Lookup("json") == nil {
		c.inspectFlags() // help is about all commands
	}
	if c.flags.Lookup("chunks") == nil {
		c.signFlags()
	}
	c.flags.PrintDefaults()
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
