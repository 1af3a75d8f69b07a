package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"example.com/cookiestore"
)

// An examination adds what it finds in a response to a diagnosis.
type examination struct {
	*diagnosis
	response response
	cookies  []setCookie // of the session cookie's name
	chunks   []setCookie // its further parts
	now      time.Time
}

// isPlain reports whether the response is known to have come over plain HTTP.
func (e *examination) isPlain() bool { return e.response.url != nil && e.response.url.Scheme == "http" }

// isLocal reports whether it came from this machine.
func (e *examination) isLocal() bool {
	if e.response.url == nil {
		return false
	}
	host := e.response.url.Hostname()
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

// transport looks at how the response came.
func (e *examination) transport() {
	switch {
	case e.isPlain() && e.isLocal():
		e.add(note, "transport", "plain HTTP on this machine: fine for development", "")
	case e.isPlain():
		e.add(problem, "transport", "the response came over plain HTTP: anyone on the network can read the cookie, or plant one",
			"serve the site over HTTPS alone")
	case e.response.url != nil:
		e.add(fine, "transport", "the response came over HTTPS", "")
	}
	if location := e.response.header.Get("Location"); location != "" && !e.response.passing && e.response.status >= 300 && e.response.status < 400 {
		e.add(note, "redirect", "the response is a redirect; -follow checks where it leads, too", "")
	}
}

// live returns the fields that set a cookie, and do not delete it.
func (e *examination) live(all []setCookie) []setCookie {
	return slices.DeleteFunc(slices.Clone(all), func(s setCookie) bool { return s.isDeletion(e.now) })
}

// scopes looks at the cookies of one name together, and at their parts.
func (e *examination) scopes() {
	live := e.live(e.cookies)
	last := map[[3]string]setCookie{}
	twice := false
	for _, s := range e.cookies {
		_, before := last[s.scope()]
		twice = twice || before
		last[s.scope()] = s
	}
	places := 0
	for _, s := range last {
		if !s.isDeletion(e.now) {
			places++
		}
	}
	switch {
	case len(e.cookies) > 0 && len(live) == 0 && slices.ContainsFunc(e.cookies, func(s setCookie) bool { return s.value != "" }):
		e.add(warning, "expired", "the cookie has a value, and has already expired: browsers delete it",
			"if the visitor was not logged out, compare the server's clock with this one, and look at Max-Age and Expires")
	case len(e.cookies) > 0 && len(live) == 0:
		e.add(note, "deleted", "the response deletes the cookie, as a logout does", "")
	case len(live) > 0 && places == 0:
		e.add(problem, "scopes", "the response sets the cookie, and then deletes it again in the same scope",
			"set or delete it once")
	}
	if twice {
		e.add(warning, "scopes", "the response sets the cookie more than once in one scope: browsers keep the last",
			"set it once: is the middleware there twice, or does a handler set the cookie, too?")
	}
	switch {
	case places > 1:
		e.add(warning, "scopes", fmt.Sprintf("the response sets %d cookies of this name, with other domains or paths: browsers keep and send all of them", places),
			"set one, and delete those of former scopes, as WithFormerScope does")
	case places == 1 && len(last) > 1:
		e.add(fine, "scopes", "the response sets the cookie once, and deletes it in other scopes", "")
	}
	e.parts()
}

// parts looks at the further cookies of a session that takes more than one.
func (e *examination) parts() {
	chunks := e.live(e.chunks)
	if len(chunks) == 0 {
		return
	}
	first := e.live(e.cookies)
	if len(first) == 0 {
		e.add(problem, "chunks", "the response sets further parts of the session, but not the first one", "set all parts in one response")
		return
	}
	total := len(first[0].name) + len(first[0].value) + len("=; ")
	numbers := map[byte]bool{}
	for _, s := range chunks {
		numbers[s.name[len(s.name)-1]] = true
		total += len(s.name) + len(s.value) + len("=; ")
		if !sameAttributes(s, first[0]) {
			e.add(problem, "chunks", s.name+" has other attributes than "+first[0].name+": browsers may keep or send one without the other",
				"give all parts the same attributes")
		}
	}
	for n := byte('1'); n < '1'+byte(len(numbers)); n++ {
		if !numbers[n] {
			e.add(problem, "chunks", fmt.Sprintf("part %c of the session is missing", n), "set all parts in one response")
			break
		}
	}
	e.add(note, "chunks", fmt.Sprintf("the session takes %d cookies of %d bytes in all, which each request carries", len(numbers)+1, total),
		"keep less in the session, or use a store with records on the server")
	if total > maxRequestField {
		e.add(warning, "chunks", fmt.Sprintf("the Cookie header is over %d bytes: nginx and Apache refuse such requests unless configured", maxRequestField),
			"raise large_client_header_buffers (nginx) or LimitRequestFieldSize (Apache), or keep less in the session")
	}
}

// maxRequestField is what Apache takes of one field by default; nginx takes 8 KiB.
const maxRequestField = 8190

// sameAttributes compares all attributes but Expires, which may be a second later.
func sameAttributes(a, b setCookie) bool {
	for _, one := range []string{"secure", "httponly"} {
		if a.has(one) != b.has(one) {
			return false
		}
	}
	return a.scope() == b.scope() && strings.EqualFold(a.attributes["samesite"], b.attributes["samesite"]) &&
		a.attributes["max-age"] == b.attributes["max-age"] && a.has("expires") == b.has("expires")
}

// size looks at what browsers and proxies have room for.
func (e *examination) size() {
	for _, s := range append(e.live(e.cookies), e.live(e.chunks)...) {
		switch pair := len(s.name) + len(s.value); {
		case pair > cookiestore.MaxCookieSize:
			e.add(problem, "size", fmt.Sprintf("name and value of %s have %d bytes: browsers drop cookies of over %d without a word", s.name, pair, cookiestore.MaxCookieSize),
				"keep less in the session, or use a store with records on the server")
		case len(s.line) > cookiestore.MaxCookieSize:
			e.add(warning, "size", fmt.Sprintf("the Set-Cookie field of %s has %d bytes: some clients and front ends drop those of over %d", s.name, len(s.line), cookiestore.MaxCookieSize),
				"keep less in the session: WithMaxCookieSize sets the limit of the whole field")
		case len(s.line) > cookiestore.MaxCookieSize*7/8:
			e.add(note, "size", fmt.Sprintf("the Set-Cookie field of %s has %d bytes of the usual limit of %d: there is little room left", s.name, len(s.line), cookiestore.MaxCookieSize), "")
		default:
			e.add(fine, "size", fmt.Sprintf("the Set-Cookie field of %s has %d bytes of the usual limit of %d", s.name, len(s.line), cookiestore.MaxCookieSize), "")
		}
	}
	const page, twoPages = 4 << 10, 8 << 10 // what proxy_buffer_size is by default
	fix := "keep less in the session, or raise proxy_buffer_size"
	switch size := e.response.size; {
	case size > twoPages:
		e.add(problem, "proxy", fmt.Sprintf("the response's header has %d bytes: behind nginx visitors get status 502, since its proxy_buffer_size is 4096 or 8192 bytes unless set", size), fix)
	case size > page:
		e.add(warning, "proxy", fmt.Sprintf("the response's header has %d bytes: behind nginx visitors get status 502 where its proxy_buffer_size is 4096 bytes, the default on most machines", size), fix)
	}
}
