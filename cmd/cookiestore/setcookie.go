package main

import (
	"flag"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/cookiestore/inspect"
)

// A setCookie is a Set-Cookie field, read as browsers do (RFC 6265bis, section 5.6).
type setCookie struct {
	name, value string
	line        string            // the whole field
	attributes  map[string]string // by their names in small letters; the last of a name counts
}

func setCookies(h http.Header) (all []setCookie) {
	for _, line := range h.Values("Set-Cookie") {
		pair, rest, _ := strings.Cut(line, ";")
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue // a cookie without a name, which is not a session
		}
		s := setCookie{strings.Trim(name, " \t"), strings.Trim(value, " \t"), line, map[string]string{}}
		for attribute := range strings.SplitSeq(rest, ";") {
			name, value, _ := strings.Cut(attribute, "=")
			if name = strings.ToLower(strings.Trim(name, " \t")); name != "" {
				s.attributes[name] = strings.Trim(value, " \t")
			}
		}
		all = append(all, s)
	}
	return all
}

func (s setCookie) has(attribute string) bool { _, ok := s.attributes[attribute]; return ok }

// domain returns the Domain attribute, or "" for a host-only cookie.
func (s setCookie) domain() string {
	return strings.ToLower(strings.TrimPrefix(s.attributes["domain"], "."))
}

// path returns the Path attribute, or "" if it doesn't count.
func (s setCookie) path() string {
	if path := s.attributes["path"]; strings.HasPrefix(path, "/") {
		return path
	}
	return ""
}

// scope is what tells cookies of one name apart in a browser.
func (s setCookie) scope() [3]string {
	partitioned := ""
	if s.has("partitioned") {
		partitioned = "partitioned"
	}
	return [3]string{s.domain(), s.path(), partitioned}
}

// lifetime returns how long a browser keeps the cookie, at a moment: forever is false if
// that is until it is closed. An attribute that browsers don't understand doesn't count.
func (s setCookie) lifetime(now time.Time) (left time.Duration, limited bool) {
	if seconds, ok := s.maxAge(); ok {
		return time.Duration(min(max(seconds, 0), int64(math.MaxInt64/time.Second))) * time.Second, true
	}
	if end, ok := s.expires(); ok {
		return max(end.Sub(now), 0), true
	}
	return 0, false
}

// isDeletion reports whether the field has browsers delete the cookie.
func (s setCookie) isDeletion(now time.Time) bool {
	left, limited := s.lifetime(now)
	return limited && left == 0
}

var wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)

// maxAge returns the Max-Age attribute, if it counts.
func (s setCookie) maxAge() (seconds int64, ok bool) {
	text := s.attributes["max-age"]
	if !wholeNumber.MatchString(text) {
		return 0, false
	}
	seconds, _ = strconv.ParseInt(text, 10, 64) // out of range it is the nearest number
	return seconds, true
}

// cookieDates are the ways to write a date that servers use.
var cookieDates = []string{http.TimeFormat, "Mon, 02-Jan-2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}

// expires returns the Expires attribute, if it counts.
func (s setCookie) expires() (time.Time, bool) {
	for _, layout := range cookieDates {
		if end, err := time.Parse(layout, s.attributes["expires"]); err == nil {
			return end, true
		}
	}
	return time.Time{}, false
}

// sessionName returns the name of the session cookie: that of -name, or if it isn't given,
// the likeliest of those that are set.
func (c *command) sessionName(all []setCookie) string {
	given := false
	c.flags.Visit(func(f *flag.Flag) { given = given || f.Name == "name" })
	isSet := func(fits func(setCookie) bool) (string, bool) {
		if i := slices.IndexFunc(all, fits); i >= 0 {
			return all[i].name, true
		}
		return "", false
	}
	if name, ok := isSet(func(s setCookie) bool { return s.name == c.name }); ok {
		return name
	}
	if given {
		if _, ok := isSet(func(s setCookie) bool { return chunkOf(s.name, c.name) }); ok {
			return c.name
		}
		return ""
	}
	for _, usual := range usualNames {
		if name, ok := isSet(func(s setCookie) bool { return withoutPrefix(s.name) == usual }); ok {
			return name
		}
	}
	name, _ := isSet(func(s setCookie) bool {
		seen, err := inspect.Parse(s.value)
		return err == nil && !seen.Legacy || databaseKey.MatchString(s.value) || isSecureCookie(s.value)
	})
	return name
}

// chunkOf reports whether a name is that of a further part of a session that takes more
// than one cookie: NAME-1, NAME-2 and so on.
func chunkOf(name, session string) bool {
	number, ok := strings.CutPrefix(name, session+"-")
	return ok && session != "" && len(number) == 1 && number[0] >= '1' && number[0] <= '9'
}
