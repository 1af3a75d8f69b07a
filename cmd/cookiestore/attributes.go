package main

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// attributes looks at the attributes of each field that sets the cookie. Those of further
// parts are the same, or parts says that they aren't.
func (e *examination) attributes() {
	for _, s := range e.live(e.cookies) {
		e.secure(s)
		e.httpOnly(s)
		e.sameSite(s)
		e.domain(s)
		e.path(s)
		e.prefix(s)
		e.lifetime(s)
		e.value(s)
	}
}

func (e *examination) secure(s setCookie) {
	const fix = "leave WithSecure on (Django: SESSION_COOKIE_SECURE = True)"
	switch {
	case s.has("secure") && e.isPlain() && e.isLocal():
		e.add(note, "Secure", "the cookie is Secure, and came over plain HTTP: Chromium, Firefox and curl keep such a cookie of this machine, Safari doesn't", "")
	case s.has("secure") && e.isPlain():
		e.add(problem, "Secure", "the cookie is Secure, and came over plain HTTP: browsers drop it", "serve the site over HTTPS")
	case s.has("secure"):
		e.add(fine, "Secure", "browsers send the cookie over HTTPS alone", "")
	case e.isLocal() && e.isPlain():
		e.add(note, "Secure", "the cookie is not Secure: fine for development, and not on a site", fix)
	default:
		e.add(problem, "Secure", "the cookie is not Secure: browsers also send it over plain HTTP, where anyone on the network can read it", fix)
	}
	if s.has("partitioned") && !s.has("secure") {
		e.add(problem, "Secure", "the cookie is Partitioned and not Secure: browsers drop it", fix)
	}
}

func (e *examination) httpOnly(s setCookie) {
	if s.has("httponly") {
		e.add(fine, "HttpOnly", "the cookie is hidden from page JavaScript", "")
		return
	}
	e.add(warning, "HttpOnly", "page JavaScript can read the cookie: a script injected into one page can steal sessions",
		"leave WithHTTPOnly on (Django: SESSION_COOKIE_HTTPONLY = True)")
}

func (e *examination) sameSite(s setCookie) {
	const fix = "leave WithSameSite at Lax (Django: SESSION_COOKIE_SAMESITE = 'Lax')"
	switch mode := strings.ToLower(s.attributes["samesite"]); {
	case mode == "lax":
		e.add(fine, "SameSite", "Lax: other sites can link to this one, and not post to it as the visitor", "")
	case mode == "strict":
		e.add(note, "SameSite", "Strict: visitors who follow a link from another site arrive without their session", "")
	case mode == "none" && !s.has("secure"):
		e.add(problem, "SameSite", "None and not Secure: browsers drop the cookie", fix)
	case mode == "none":
		e.add(warning, "SameSite", "None: requests that other sites make carry the cookie, so each change needs protection against cross-site request forgery; some browsers block such cookies",
			fix+", unless the site runs inside pages of other sites")
	case s.has("samesite"):
		e.add(warning, "SameSite", "the value is not Lax, Strict or None, so it counts as missing: Chromium takes Lax, Safari and Firefox send the cookie with requests from other sites", fix)
	default:
		e.add(warning, "SameSite", "missing: Chromium takes Lax, Safari and Firefox send the cookie with requests from other sites", fix)
	}
}

func (e *examination) domain(s setCookie) {
	domain := s.domain()
	if domain == "" {
		e.add(fine, "Domain", "none: the cookie goes to this host alone", "")
		return
	}
	const fix = "leave out WithDomain (Django: SESSION_COOKIE_DOMAIN = None)"
	if e.response.url != nil {
		host := strings.ToLower(e.response.url.Hostname())
		isIP := net.ParseIP(host) != nil
		if host != domain && (isIP || !strings.HasSuffix(host, "."+domain)) {
			e.add(problem, "Domain", fmt.Sprintf("%s is not the domain of %s: browsers drop the cookie", domain, host), fix)
			return
		}
	}
	if !strings.Contains(domain, ".") && domain != "localhost" {
		e.add(problem, "Domain", domain+" is a top-level domain or a local name: browsers drop the cookie", fix)
		return
	}
	e.add(warning, "Domain", fmt.Sprintf("the cookie goes to %s and all its subdomains: each of them can read it", domain),
		fix+", unless subdomains share the session")
}

func (e *examination) path(s setCookie) {
	const fix = "set Path=/, as the package does (Django: SESSION_COOKIE_PATH = '/')"
	switch path := s.path(); {
	case path == "/":
		e.add(fine, "Path", "/: the cookie goes to all pages", "")
	case path != "":
		e.add(note, "Path", "the cookie goes to pages under "+path+" alone; that doesn't protect it from other pages of the site", "")
	case e.response.url != nil && strings.LastIndex(e.response.url.Path, "/") <= 0:
		e.add(note, "Path", "missing: the cookie goes to all pages, but only since a page at the root set it", fix)
	default:
		e.add(warning, "Path", "missing: the cookie goes only to pages in the folder of the page that set it, and each folder may get a cookie of its own", fix)
	}
}

// rules are what a prefix of a cookie's name asks for.
var rules = []struct {
	prefix         string
	host, httpOnly bool
}{
	{"__Host-Http-", true, true},
	{"__Host-", true, false},
	{"__Secure-", false, false},
	{"__Http-", false, true},
}

func (e *examination) prefix(s setCookie) {
	for _, rule := range rules {
		if len(s.name) < len(rule.prefix) || !strings.EqualFold(s.name[:len(rule.prefix)], rule.prefix) {
			continue
		}
		var missing []string
		need := func(holds bool, what string) {
			if !holds {
				missing = append(missing, what)
			}
		}
		need(s.has("secure"), "Secure")
		need(!rule.httpOnly || s.has("httponly"), "HttpOnly")
		need(!rule.host || s.domain() == "", "no Domain")
		need(!rule.host || s.path() == "/", "Path=/")
		switch {
		case missing != nil:
			e.add(problem, "prefix", fmt.Sprintf("browsers drop a cookie whose name begins with %s unless it has %s", rule.prefix, strings.Join(missing, ", ")),
				"set it with "+strings.Join(missing, ", "))
		case rule.host:
			e.add(fine, "prefix", rule.prefix+": no subdomain and no page over plain HTTP can plant a cookie of this name", "")
		default:
			e.add(note, "prefix", rule.prefix+": no page over plain HTTP can plant a cookie of this name, but a subdomain can", "")
		}
		return
	}
	if s.has("secure") && s.domain() == "" && s.path() == "/" {
		e.add(note, "prefix", "a subdomain, or a page over plain HTTP, can plant a cookie of this name",
			fmt.Sprintf("name it __Host-%s: WithName(%q); sessions under the old name end with that", s.name, "__Host-"+s.name))
	}
}

// maxLifetime is the longest that browsers keep a cookie (RFC 6265bis, section 5.5).
const maxLifetime = 400 * 24 * time.Hour

func (e *examination) lifetime(s setCookie) {
	if s.has("max-age") {
		if _, ok := s.maxAge(); !ok {
			e.add(warning, "lifetime", "Max-Age is not a whole number: browsers ignore it", "write it in seconds")
		}
	}
	if s.has("expires") {
		if _, ok := s.expires(); !ok {
			e.add(warning, "lifetime", "Expires is not a date as HTTP writes it: browsers may ignore it", "write it as in Sun, 06 Nov 1994 08:49:37 GMT")
		}
	}
	switch left, limited := s.lifetime(e.now); {
	case !limited:
		e.add(note, "lifetime", "the browser keeps the cookie until it is closed; one that restores its tabs keeps it longer", "")
	case left > maxLifetime:
		e.add(warning, "lifetime", "over 400 days: browsers keep no cookie longer", "set Max-Age to 34560000 or less, and set the cookie again when it is used: WithRenewal")
	default:
		e.add(fine, "lifetime", "the browser keeps the cookie for "+inWords(left), "")
	}
}

// inWords rounds a duration for a reader.
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int(d.Round(unit.size) / unit.size); d >= 2*unit.size {
			return counted(n, unit.name)
		}
	}
	return counted(int(d.Round(time.Second)/time.Second), "second")
}

// value looks at the bytes of the value, which it does not tell.
func (e *examination) value(s setCookie) {
	value := strings.TrimSuffix(strings.TrimPrefix(s.value, `"`), `"`)
	switch {
	case strings.ContainsFunc(s.name+value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		e.add(problem, "value", "there is a control character in the cookie: browsers drop it", "encode the value")
	case strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == '"' || r == ',' || r == '\\' || r > 0x7f }):
		e.add(warning, "value", "there is a character in the value that cookies should not have (RFC 6265, section 4.1.1): some programs read it in another way", "encode the value")
	}
}
