package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An internet has the sites of a test, by their hosts.
type internet struct {
	*http.Transport
	addresses map[string]string
}

func newInternet(t *testing.T) *internet {
	n := &internet{addresses: map[string]string{}}
	n.Transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return new(net.Dialer).DialContext(ctx, network, n.addresses[host])
		},
		TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com"}, // whom httptest's certificate is for
	}
	t.Cleanup(n.CloseIdleConnections)
	return n
}

func (n *internet) serve(t *testing.T, host string, handler http.Handler) {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	n.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	n.addresses[host] = server.Listener.Addr().String()
}

// A browser sends and keeps cookies by the rules of RFC 6265bis: SameSite, Secure and the
// prefix __Host-, which net/http/cookiejar doesn't look at. Each host is a site of its own.
type browser struct {
	t    *testing.T
	net  *internet
	now  func() time.Time
	jar  map[string]map[string]*http.Cookie // by host and name
	at   *url.URL                           // the page that is shown; nil for a new window
	seen []string                           // what the last visit asked for

	// stopAt is a path that it doesn't go on to, and tells stopped about, if there is one.
	stopAt  string
	stopped func(method string, to *url.URL, form url.Values)
}

func newBrowser(t *testing.T, n *internet, now func() time.Time) *browser {
	return &browser{t: t, net: n, now: now, jar: map[string]map[string]*http.Cookie{}}
}

// A page is what the browser shows.
type page struct {
	status  int
	text    string
	header  http.Header
	address string
}

// open is what typing an address does: no other site has asked for it.
func (b *browser) open(address string) page {
	b.t.Helper()
	b.at = nil
	return b.visit(http.MethodGet, address, nil)
}

// post submits a form of the page that is shown.
func (b *browser) post(address string, form url.Values) page {
	b.t.Helper()
	return b.visit(http.MethodPost, address, form)
}

var (
	refreshing = regexp.MustCompile(`<meta http-equiv="refresh" content="0; url=([^"]*)">`)
	submitted  = regexp.MustCompile(`onload="document.forms\[0\].submit\(\)"`)
	action     = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	input      = regexp.MustCompile(`<input name="([^"]*)" value="([^"]*)">`)
)

// visit asks for a page and goes on as long as that sends it somewhere else.
func (b *browser) visit(method, address string, form url.Values) page {
	b.t.Helper()
	b.seen = nil
	var passed []string // the hosts of this navigation, its redirects included
	if b.at != nil {
		passed = append(passed, b.at.Hostname())
	}
	to, err := url.Parse(address)
	require.NoError(b.t, err)
	for range 20 {
		if b.at != nil {
			to = b.at.ResolveReference(to)
		}
		if b.stopAt != "" && to.Path == b.stopAt {
			if b.stopped != nil {
				b.stopped(method, to, form)
			}
			return page{address: to.String()}
		}
		passed = append(passed, to.Hostname())
		response, text := b.request(method, to, form, passed)
		b.seen = append(b.seen, method+" "+to.Hostname()+to.Path)
		if location := response.Header.Get("Location"); location != "" {
			next, err := to.Parse(location)
			require.NoError(b.t, err)
			to, method, form = next, http.MethodGet, nil
			continue
		}
		b.at, passed = to, []string{to.Hostname()}
		if found := refreshing.FindStringSubmatch(text); found != nil {
			method, form = http.MethodGet, nil
			to, err = url.Parse(html.UnescapeString(found[1]))
			require.NoError(b.t, err)
		} else if submitted.MatchString(text) {
			method, form = http.MethodPost, url.Values{}
			to, err = url.Parse(html.UnescapeString(action.FindStringSubmatch(text)[1]))
			require.NoError(b.t, err)
			for _, field := range input.FindAllStringSubmatch(text, -1) {
				form.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
			}
		} else {
			return page{response.StatusCode, strings.TrimSpace(text), response.Header, to.String()}
		}
	}
	require.Fail(b.t, "it goes on forever", "%v", b.seen)
	return page{}
}

func (b *browser) request(method string, to *url.URL, form url.Values, passed []string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequest(method, to.String(), strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	sameSite := true
	for _, host := range passed {
		sameSite = sameSite && host == to.Hostname()
	}
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	switch {
	case b.at == nil && sameSite:
		r.Header.Set("Sec-Fetch-Site", "none")
	case sameSite:
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	default:
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if b.at != nil {
			r.Header.Set("Origin", b.at.Scheme+"://"+b.at.Host)
		}
	}
	for _, c := range b.jar[to.Hostname()] {
		ended := !c.Expires.IsZero() && !c.Expires.After(b.now())
		lax := sameSite || method == http.MethodGet
		if !ended && (c.SameSite == http.SameSiteNoneMode || c.SameSite == http.SameSiteLaxMode && lax || sameSite) {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	response, err := b.net.RoundTrip(r)
	require.NoError(b.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	for _, c := range response.Cookies() {
		b.keep(to.Hostname(), c)
	}
	return response, string(text)
}

func (b *browser) keep(host string, c *http.Cookie) {
	b.t.Helper()
	require.True(b.t, c.Secure && c.HttpOnly && c.Path == "/" && c.Domain == "", "%s: the prefix __Host- and more", c)
	require.LessOrEqual(b.t, len(c.Raw), 4096, c.Name)
	if b.jar[host] == nil {
		b.jar[host] = map[string]*http.Cookie{}
	}
	if c.MaxAge < 0 {
		delete(b.jar[host], c.Name)
		return
	}
	c.Expires = time.Time{}
	if c.MaxAge > 0 {
		c.Expires = b.now().Add(time.Duration(c.MaxAge) * time.Second)
	}
	b.jar[host][c.Name] = c
}

// close forgets what a browser forgets when it is closed.
func (b *browser) close() {
	b.at = nil
	for _, cookies := range b.jar {
		maps.DeleteFunc(cookies, func(_ string, c *http.Cookie) bool { return c.Expires.IsZero() })
	}
}

// cookies are the names and values of a host's cookies.
func (b *browser) cookies(host string) map[string]string {
	values := map[string]string{}
	for name, c := range b.jar[host] {
		values[name] = c.Value
	}
	return values
}

// copy is another browser with the same cookies.
func (b *browser) copy() *browser {
	other := newBrowser(b.t, b.net, b.now)
	for host, cookies := range b.jar {
		other.jar[host] = maps.Clone(cookies)
	}
	return other
}
