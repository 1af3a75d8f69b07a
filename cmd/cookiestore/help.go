package main

import (
	"fmt"
	"strings"
)

const overview = `cookiestore shows what is in a session, makes keys and cookies, and checks a site.

usage:
  cookiestore inspect [flags] [VALUE]   show what is in a session, and whether it verifies
  cookiestore doctor [flags] [URL]...   check how a site sets its session cookie
  cookiestore sign [flags] < JSON       make a session cookie
  cookiestore keygen                    make a key

cookiestore COMMAND -h shows a command's flags, with examples.

` + keyHelp

const keyHelp = `Keys come from the environment, where other users of the machine can't read them:
  SESSION_KEY                  the site's key, in hex or base64
  SESSION_OLD_KEYS             fallback keys, newest first
  DJANGO_SECRET_KEY            Django's SECRET_KEY, for Django's formats
  DJANGO_SECRET_KEY_FALLBACKS  fallback keys, newest first
  GORILLA_HASH_KEY             the hash key of a gorilla/sessions site, as it is, or
                               "hex:" or "base64:" and then the key so encoded
  GORILLA_BLOCK_KEY            its block key, if it has one, likewise
Lists of keys are separated by commas or line breaks.
`

// helps are what each command says of itself, before its flags.
var helps = map[string]string{
	"inspect": `usage: cookiestore inspect [flags] [VALUE]

Shows what is in a session, whether a key verifies it, when it expires, and if it is
refused, what is likely wrong. VALUE, or else standard input, is a cookie's value, or
what holds one: a Cookie or Set-Cookie header, a whole HTTP request or response, a curl
command, a browser's table of cookies. It can also be a session_data of Django's table
django_session. Of a session in several cookies, all of them are needed.

Exit status: 0 for a valid, unexpired session, 1 for any other, 2 for misuse.

examples:
  SESSION_KEY=... cookiestore inspect 'Cookie: theme=dark; sessionid=eyJ1Ijo3fQ:1fPj03:...'
  curl -si https://shop.example/ | cookiestore inspect -json | jq .data

` + keyHelp,
	"sign": `usage: cookiestore sign [flags] < JSON

Makes the value of a session cookie of the JSON object on standard input. With -chunks it
makes all cookies of the session, with their names.

examples:
  curl -b "sessionid=$(echo '{"num_visits": 41}' | cookiestore sign)" http://127.0.0.1:8080/
  curl -b "$(cookiestore sign -encrypt -chunks 2 < session.json)" http://127.0.0.1:8080/

` + keyHelp,
	"keygen": `usage: cookiestore keygen

Makes a key: 32 random bytes in hex, which cookiestore.ParseKey reads.

example:
  export SESSION_KEY=$(cookiestore keygen)
`,
	"doctor": `usage: cookiestore doctor [flags] [URL]...

Checks how a site sets its session cookie: attributes, size, and what caches and proxies
make of the response. It says what each means, and what to change. It asks for each URL
once, sends no cookie, and never prints a cookie's value. Without a URL it reads standard
input: responses as curl -i or curl -v prints them, or URLs, one a line.

Exit status: 0 if there is nothing to change, 1 for a warning or a problem, or a site
that can't be reached, 2 for misuse.

examples:
  cookiestore doctor https://shop.example/
  curl -si -d 'user=me&password=...' https://shop.example/login | cookiestore doctor
`,
}

// help is about all commands, or the one that is named.
func (c *command) help(name string) error {
	text, ok := helps[name]
	if !ok {
		fmt.Fprint(c.out, overview)
		return nil
	}
	fmt.Fprint(c.out, text)
	var flags strings.Builder
	c.flags.SetOutput(&flags)
	c.flags.PrintDefaults()
	if flags.Len() > 0 {
		fmt.Fprintf(c.out, "\nflags:\n%s", flags.String())
	}
	return nil
}
