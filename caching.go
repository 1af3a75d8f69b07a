package cookiestore

import (
	"net/http"
	"slices"
	"strings"
)

// What a response's header says to caches, where it depends on a session.

// vary says that the response depends on the cookie.
func vary(h http.Header) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Cookie") {
				return
			}
		}
	}
	h["Vary"] = append(h["Vary"], "Cookie")
}

// cdnFields are the fields with which a response speaks to some shared caches alone
// (RFC 9213, and what was there before), in place of Cache-Control.
var cdnFields = [...]string{"Cdn-Cache-Control", "Surrogate-Control", "Cloudflare-Cdn-Cache-Control",
	"Vercel-Cdn-Cache-Control", "Netlify-Cdn-Cache-Control", "Akamai-Cache-Control", "Edge-Control", "X-Accel-Expires"}

// mayBeShared reports whether the header asks shared caches to keep the response, or says
// how long caches may, and doesn't except the shared ones (RFC 9111, section 3).
func mayBeShared(h http.Header) bool {
	if len(h) == 0 {
		return false
	}
	if isKept(h["Cache-Control"]) {
		return true
	}
	if expires := h["X-Accel-Expires"]; len(expires) > 0 && expires[0] != "0" && !strings.HasPrefix(expires[0], "-") { // nginx's is a time
		return true
	}
	return slices.ContainsFunc(cdnFields[:], func(name string) bool { return isKept(h[name]) })
}

// isKept reports whether a field has shared caches keep the response.
func isKept(lines []string) bool {
	kept := false
	for directive := range directives(lines) {
		name, value, _ := strings.Cut(directive, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "no-store", "private":
			if value == "" {
				return false
			}
		case "public", "s-maxage", "max-age":
			kept = kept || strings.Trim(value, `" 0`) != "" || name == "public"
		}
	}
	return kept
}

// keepPrivate makes the response one that shared caches don't keep (RFC 9111, section
// 5.2.2.7): they would hand the cookie that it sets to everybody. It returns room for the
// Set-Cookie field, if it has allocated some.
func keepPrivate(h http.Header) (room []string) {
	if len(h) > 0 {
		for _, name := range cdnFields {
			delete(h, name)
		}
	}
	if len(h) == 0 || len(h["Cache-Control"]) == 0 {
		fields := [...]string{"private", ""} // not shared between responses: who wraps us may change it
		h["Cache-Control"] = fields[:1:1]
		return fields[1:1]
	}
	kept := []string{}
	private := false
	for directive := range directives(h["Cache-Control"]) {
		if isSharedDirective(directive) {
			continue
		}
		name, fields, _ := strings.Cut(directive, "=")
		if strings.EqualFold(name, "private") && fields != "" {
			continue // private for some fields only
		}
		private = private || strings.EqualFold(name, "private") || strings.EqualFold(name, "no-store")
		kept = append(kept, directive)
	}
	if !private {
		kept = append(kept, "private")
	}
	h["Cache-Control"] = []string{strings.Join(kept, ", ")}
	return nil
}

func isSharedDirective(directive string) bool {
	name, _, _ := strings.Cut(directive, "=")
	name = strings.TrimSpace(name)
	return strings.EqualFold(name, "public") || strings.EqualFold(name, "s-maxage")
}

// directives iterates over the directives of a field such as Cache-Control. Commas in
// quotes don't separate them.
func directives(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
				end := endOfDirective(line)
				directive := strings.TrimSpace(line[:end])
				line = line[min(end+1, len(line)):]
				if directive != "" && !yield(directive) {
					return
				}
			}
		}
	}
}

func endOfDirective(line string) int {
	quoted := false
	for i := range len(line) {
		switch line[i] {
		case '"':
			quoted = !quoted
		case ',':
			if !quoted {
				return i
			}
		}
	}
	return len(line)
}
