package cookiestore

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDuplicates is how many cookies of one name are looked at. Browsers may send
// one for each scope, and attackers any number.
const maxDuplicates = 8

// cookieValues iterates over the values of the cookies of a name, in order. It
// reads only as much of the Cookie fields as is asked for, and no other cookie.
// Like Django and net/http, it takes blanks around the parts, and a pair of quotes
// around the value, which no cookie of a store has.
func cookieValues(fields []string, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, field := range fields {
			for field != "" {
				var pair string
				pair, field, _ = strings.Cut(field, ";")
				if value := cookieValue(pair, name); value != "" && !yield(value) {
					return
				}
			}
		}
	}
}

// cookieValue returns the value of one part of a Cookie field, if that is the cookie of
// that name, or "".
func cookieValue(pair, name string) string {
	rest, ok := strings.CutPrefix(afterBlanks(pair), name)
	if rest = afterBlanks(rest); !ok || rest == "" || rest[0] != '=' {
		return ""
	}
	return unquoted(strings.Trim(rest[1:], " \t"))
}

func afterBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return s
}

func unquoted(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}

// A cookieChange is what a response does with the visitor's cookie.
type cookieChange struct {
	vary    bool      // the response depends on the cookie
	set     bool      // it sets it, or deletes it, and the rest counts
	line    string    // the Set-Cookie field, if the value is in one
	value   string    // of the cookie; "" to delete it
	pieces  []string  // the values of the chunks' cookies, if there is more than one
	chunks  chunkSet  // that the visitor may have, beside or instead of those
	age     int       // Max-Age in seconds; -1 for none
	expires time.Time // where there is an age
	ended   bool      // the cookies in other scopes are to be deleted, too
	several bool      // and the visitor has sent more than one

	replaces string   // the value that the session's cookie had before
	left     []string // the cookies of sessions that were flushed
}

// A jar writes the Set-Cookie fields of one cookie.
type jar struct {
	cookie     http.Cookie // without value and times
	attributes string      // "; Path=/; HttpOnly..." of cookie
	others     []http.Cookie
	unlike     http.Cookie // in the same scope, partitioned if cookie isn't
	limit      int         // bytes of a field
	chunks     int         // at most
}

func newJar(o *settings) jar {
	j := jar{cookie: o.cookie, attributes: attributesOf(&o.cookie), unlike: o.cookie, limit: o.maxCookieSize, chunks: o.chunks}
	j.unlike.Partitioned = !o.cookie.Partitioned
	elsewhere := o.former
	if o.cookie.Domain != "" {
		elsewhere = append([]scope{{path: o.cookie.Path}}, elsewhere...)
	}
	own := scope{o.cookie.Domain, o.cookie.Path}
	for _, s := range elsewhere {
		if s.is(own) {
			continue // it would delete what was just set
		}
		other := o.cookie
		other.Domain, other.Path = s.domain, s.path
		j.others = append(j.others, other)
	}
	return j
}

// room returns what a value may take beside so many bytes of times.
func (j *jar) room(times int) space {
	one := space{limit: j.limit, overhead: len(j.cookie.Name) + len("=") + times + len(j.attributes)}
	if j.chunks > 1 {
		return one.chunked(j.chunks)
	}
	return one
}

// setIn adds the fields that make a change to a header, and keeps it private.
func (j *jar) setIn(h http.Header, c *cookieChange) {
	room := keepPrivate(h)
	lines := h["Set-Cookie"]
	if lines == nil {
		lines = room
	}
	if c.pieces == nil {
		lines = append(lines, c.line)
	} else {
		lines = append(lines, j.lines(c)...)
	}
	for _, other := range j.deletions(c) {
		lines = append(lines, deletion(&other))
	}
	h["Set-Cookie"] = lines
}

// deletions returns the cookies to delete beside that of the change: those in
// other scopes of the site's, if the visitor has sent more than one, the
// partitioned twin, and those of chunks.
func (j *jar) deletions(c *cookieChange) (all []http.Cookie) {
	if c.ended {
		all = j.others
		if c.several && j.cookie.Secure {
			all = append(all[:len(all):len(all)], j.unlike)
		}
	}
	if c.chunks != 0 {
		all = append(all[:len(all):len(all)], j.surplus(c, all)...)
	}
	return all
}

// isSetIn reports whether a header sets the cookie.
func (j *jar) isSetIn(h http.Header) bool {
	return slices.ContainsFunc(h["Set-Cookie"], func(line string) bool { return j.has(line) })
}

// has reports whether a Set-Cookie field is about the cookie.
func (j *jar) has(line string) bool {
	name, _, _ := strings.Cut(line, "=")
	return strings.TrimSpace(name) == j.cookie.Name
}

// takeBack removes the field from a header that sets the cookie to what the session had
// before, which a handler has got from Manager.Save. It reports whether the handler has
// set the cookie to anything else.
func (j *jar) takeBack(h http.Header, change *cookieChange) (others bool) {
	lines := h["Set-Cookie"]
	if len(lines) == 0 {
		return false
	}
	h["Set-Cookie"] = slices.DeleteFunc(lines, func(line string) bool {
		if j.isOfChunk(line, change.replaces) {
			return true
		}
		if !j.has(line) {
			return false
		}
		c, err := http.ParseSetCookie(line)
		switch {
		case err == nil && !j.inScope(c) && c.Value == "":
			return false // deleted elsewhere, by Manager.Save
		case err != nil || !j.inScope(c) || c.Value != change.replaces && !slices.Contains(change.left, c.Value):
			others = true
			return false
		}
		return true
	})
	return others
}

// inScope reports whether a cookie takes the place of the jar's.
func (j *jar) inScope(c *http.Cookie) bool {
	return c.Path == j.cookie.Path && c.Domain == strings.TrimPrefix(j.cookie.Domain, ".") && c.Partitioned == j.cookie.Partitioned
}

// deletion returns the Set-Cookie field that deletes the cookie.
func deletion(cookie *http.Cookie) string {
	gone := cookieChange{expires: time.Unix(0, 0)}
	return string(appendTimes([]byte(cookie.Name+"="), &gone)) + attributesOf(cookie)
}

// cookies returns the change as http.SetCookie takes it.
func (j *jar) cookies(c *cookieChange) []*http.Cookie {
	cookie := j.cookie
	cookie.Value, cookie.Expires = c.value, c.expires
	switch {
	case c.age == 0:
		cookie.MaxAge = -1 // net/http's word for Max-Age=0
	case c.age > 0:
		cookie.MaxAge = c.age
	}
	all := []*http.Cookie{&cookie}
	for place, value := range c.pieces {
		piece := cookie
		piece.Name, piece.Value = chunkName(cookie.Name, place), value
		all = append(all[:place], &piece)
	}
	for _, other := range j.deletions(c) {
		other.MaxAge, other.Expires = -1, time.Unix(0, 0)
		all = append(all, &other)
	}
	return all
}

// attributesOf writes the attributes that don't change, as net/http does.
func attributesOf(c *http.Cookie) string {
	all := "; Path=" + c.Path
	if c.Domain != "" {
		all += "; Domain=" + strings.TrimPrefix(c.Domain, ".")
	}
	if c.HttpOnly {
		all += "; HttpOnly"
	}
	if c.Secure {
		all += "; Secure"
	}
	switch c.SameSite {
	case http.SameSiteLaxMode:
		all += "; SameSite=Lax"
	case http.SameSiteStrictMode:
		all += "; SameSite=Strict"
	case http.SameSiteNoneMode:
		all += "; SameSite=None"
	}
	if c.Partitioned {
		all += "; Partitioned"
	}
	return all
}

// maxTimes is the most bytes that appendTimes appends.
const maxTimes = len("; Expires=Mon, 02 Jan 2006 15:04:05 GMT; Max-Age=") + len("2147483647")

// appendTimes appends the attributes that say how long the browser keeps the cookie.
func appendTimes(dst []byte, c *cookieChange) []byte {
	if c.age < 0 {
		return dst
	}
	dst = append(dst, "; Expires="...)
	dst = appendHTTPTime(dst, c.expires)
	dst = append(dst, "; Max-Age="...)
	return strconv.AppendInt(dst, int64(c.age), 10)
}

// appendHTTPTime appends t in http.TimeFormat, which takes time.Time.AppendFormat
// three times as long.
func appendHTTPTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(append(dst, t.Weekday().String()[:3]...), ", "...)
	dst = append(appendTwo(dst, day), ' ')
	dst = append(append(dst, month.String()[:3]...), ' ')
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), ' ')
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	return append(appendTwo(dst, second), " GMT"...)
}

// appendTwo appends the last two decimal digits of n.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

// lasting fills in how long the browser keeps a cookie that ends at end: to the
// second, and not a part of one less than the session lasts.
func (c *cookieChange) lasting(saved, end time.Time) {
	lasts := end.Sub(saved) // at most 292 years
	left := lasts / time.Second
	if lasts%time.Second > 0 {
		left++
	}
	left = max(left, 1)
	c.age = int(min(left, math.MaxInt32))
	c.expires = saved.Add(min(left, math.MaxInt64/time.Second) * time.Second)
}

// checkValue refuses what a cookie can't hold (RFC 6265, section 4.1.1), such as
// a line break, with which a store could write fields of its own.
func checkValue(value []byte, room space) error {
	if !room.fits(len(value)) {
		return &cookieError{class: internalError, reason: ErrTooLarge, detail: fmt.Sprintf(
			"the store made a cookie of %d bytes with its name and attributes, and the limit is %d", room.overhead+len(value), room.limit)}
	}
	for i := range len(value) {
		if notInCookie[value[i]] {
			return &cookieError{class: internalError, detail: fmt.Sprintf("the store made a value that a cookie can't hold: byte %d is %#02x", i, value[i])}
		}
	}
	return nil
}

var notInCookie = func() (set [256]bool) {
	for i := range set {
		c := byte(i)
		set[i] = c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\'
	}
	return set
}()
