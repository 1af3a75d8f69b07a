package main

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What caches that visitors share make of a response that sets their cookie.

// caching looks at the fields that speak to caches.
func (e *examination) caching() {
	h := e.response.header
	if isHit(h) {
		e.add(problem, "cache", "the response comes from a shared cache: it hands one visitor's session to others",
			"send Cache-Control: private, and have the cache keep no response with Set-Cookie")
	}
	cc := directives(h.Values("Cache-Control"))
	kept := e.cacheControl(cc)
	e.vary(kept, cc.has("no-store"))
}

// isHit reports whether a cache says that it has answered.
func isHit(h http.Header) bool {
	if age, err := strconv.Atoi(strings.TrimSpace(h.Get("Age"))); err == nil && age > 0 {
		return true
	}
	for _, name := range []string{"X-Cache", "Cf-Cache-Status", "X-Vercel-Cache", "X-Cache-Status"} {
		for _, line := range h.Values(name) {
			words := strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return r < 'a' || r > 'z' })
			if slices.Contains(words, "hit") {
				return true
			}
		}
	}
	return false
}

// cdnFields are the fields with which a response speaks to some shared caches alone.
var cdnFields = []string{"Cdn-Cache-Control", "Surrogate-Control", "Cloudflare-Cdn-Cache-Control"}

// cacheControl reports whether a shared cache may keep the response.
func (e *examination) cacheControl(cc fieldDirectives) (kept bool) {
	const fix = "send Cache-Control: private, or no-store"
	for _, name := range cdnFields {
		lines := e.response.header.Values(name)
		if special := directives(lines); len(lines) > 0 && !special.has("no-store") && !special.isPrivate() {
			e.add(problem, "cache", name+" has shared caches keep the response with its cookie, whatever Cache-Control says",
				"leave "+name+" out where a cookie is set")
			kept = true
		}
	}
	isShared := cc.has("public") || cc.has("s-maxage") && cc["s-maxage"] != "0"
	switch {
	case isShared && (cc.has("no-store") || cc.isPrivate()):
		e.add(warning, "cache", "Cache-Control contradicts itself: it asks shared caches to keep the response, and not to", fix+", and neither public nor s-maxage")
	case cc.has("no-store"):
		e.add(fine, "cache", "no-store: no cache keeps the response", "")
	case cc.isPrivate():
		e.add(fine, "cache", "private: shared caches don't keep the response", "")
	case isShared:
		e.add(problem, "cache", "Cache-Control has shared caches keep the response with its cookie: they hand one visitor's session to others", fix)
		return true
	case e.isFresh(cc):
		e.add(warning, "cache", "shared caches may keep the response with its cookie while it is fresh", fix)
		return true
	case cc.has("no-cache") || cc["max-age"] == "0":
		e.add(note, "cache", "shared caches may keep the response, though they must ask before they use it", fix)
		return true
	case e.response.header.Get("Last-Modified") != "":
		e.add(warning, "cache", "there is no Cache-Control, but Last-Modified: shared caches may guess how long to keep the response with its cookie", fix)
		return true
	default:
		e.add(note, "cache", "there is no Cache-Control that keeps the response from shared caches: most don't keep one with Set-Cookie, and some are configured to", fix)
		return true
	}
	return kept
}

// isFresh reports whether caches may use the response for a while without asking.
func (e *examination) isFresh(cc fieldDirectives) bool {
	if cc.has("max-age") { // it goes before Expires
		seconds, err := strconv.Atoi(cc["max-age"])
		return err == nil && seconds > 0 && !cc.has("no-cache")
	}
	expires, err := http.ParseTime(e.response.header.Get("Expires"))
	return err == nil && expires.After(e.date()) && !cc.has("no-cache")
}

// date returns when the response was made.
func (e *examination) date() time.Time {
	if date, err := http.ParseTime(e.response.header.Get("Date")); err == nil {
		return date
	}
	return e.now
}

// vary looks at what tells caches that the response depends on the cookie.
func (e *examination) vary(kept, noStore bool) {
	for _, line := range e.response.header.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				e.add(fine, "Vary", "caches know that the response depends on the cookie", "")
				return
			}
		}
	}
	const fix = "send Vary: Cookie, as the middleware does when a handler uses the session"
	switch {
	case kept:
		e.add(warning, "Vary", "there is no Vary: Cookie: a cache that keeps the response gives it to visitors with other cookies", fix)
	case !noStore:
		e.add(note, "Vary", "there is no Vary: Cookie: the visitor's own browser may show the page again after a logout", fix)
	}
}

// directive is what stands between commas that are not in quotes.
var directive = regexp.MustCompile(`(?:[^,"]|"[^"]*")+`)

// fieldDirectives are those of Cache-Control, by their names in small letters.
type fieldDirectives map[string]string

func directives(lines []string) fieldDirectives {
	all := fieldDirectives{}
	for _, line := range lines {
		for _, text := range directive.FindAllString(line, -1) {
			name, value, _ := strings.Cut(text, "=")
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				all[name] = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return all
}

func (d fieldDirectives) has(name string) bool { _, ok := d[name]; return ok }

// isPrivate reports whether shared caches keep neither the response nor its cookie: private,
// or private or no-cache for the field Set-Cookie (RFC 9111, section 5.2.2).
func (d fieldDirectives) isPrivate() bool {
	if fields, ok := d["private"]; ok && fields == "" {
		return true
	}
	for field := range strings.SplitSeq(d["private"]+","+d["no-cache"], ",") {
		if strings.EqualFold(strings.TrimSpace(field), "Set-Cookie") {
			return true
		}
	}
	return false
}
