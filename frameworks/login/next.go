package login

import (
	"net/url"
	"strings"
)

// maxNext is how long the address of the page after a login may be: it is in the cookie.
const maxNext = 500

// LocalPath returns next if it is a page of this site, and otherwise "/". A login
// page that redirects wherever its link says would lend the site's name to anybody.
func LocalPath(next string) string {
	_, err := url.Parse(next)
	local := err == nil && len(next) <= maxNext && strings.HasPrefix(next, "/") &&
		!strings.HasPrefix(next, "//") && !strings.Contains(next, `\`) // a slash, to browsers
	if !local {
		return "/"
	}
	return next
}
