package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

func TestDoctorReadsWhatCurlPrints(t *testing.T) {
	good := "Set-Cookie: __Host-sessionid=" + secretValue + "; " + flawless
	for _, test := range []struct {
		name, in string
		statuses []int
	}{
		{"curl -i", "HTTP/1.1 200 OK\r\n" + good + "\r\n\r\n<html>\r\nSet-Cookie: sid=1\r\n", []int{200}},
		{"curl -i of HTTP/2", "HTTP/2 200 \r\n" + strings.ToLower(good[:10]) + good[10:] + "\r\n\r\n", []int{200}},
		{"curl -iL", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\nHTTP/1.1 200 OK\r\n" + good + "\r\n\r\nbody", []int{302, 200}},
		{"curl -v", "* Trying\n> GET / HTTP/1.1\n> Cookie: sid=1\n>\n< HTTP/1.1 200 OK\n< " + good + "\n< \n<html>\n", []int{200}},
		{"curl -v from its first line", "< HTTP/1.1 200 OK\r\n< " + good + "\r\n< \r\nSet-Cookie: sid=1\r\n", []int{200}},
		{"lines of a header", "\n" + good + "\nVary: Cookie\n", []int{0}},
		{"a line before the response", "Date: today\nHTTP/1.1 200 OK\n" + good, []int{200}},
		{"several", "HTTP/1.1 500 Oops\n\nHTTP/1.1 404 Not Found\n\n", []int{500, 404}},
		{"any number", strings.Repeat("HTTP/1.1 200 OK\n\n", maxResponses+1), make([]int, maxResponses)},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, all := doctored(t, test.in)
			require.Len(t, all, len(test.statuses))
			for i, status := range test.statuses {
				if test.name != "any number" {
					require.Equal(t, status, all[i].Status)
				}
			}
			if strings.Contains(test.in, flawless) {
				require.Equal(t, "__Host-sessionid", all[len(all)-1].Cookie)
			}
		})
	}
	status, _ := doctored(t, "HTTP/1.1 100 Continue\n\nHTTP/1.1 302 Found\nLocation: /\n\nHTTP/1.1 200 OK\nCache-Control: private\nVary: Cookie\n"+good)
	require.Equal(t, 0, status, "what leads to the session cookie needs none")
	status, _ = doctored(t, "HTTP/1.1 200 OK\n\nHTTP/1.1 200 OK\nCache-Control: private\nVary: Cookie\n"+good)
	require.Equal(t, bad, status)
	status, all := doctored(t, "HTTP/1.1 302 Found\nLocation: /\n\n")
	require.Equal(t, bad, status)
	requireFindings(t, []string{"warning cookie: ", "note redirect: "}, all[0])
	status, out, errOut := call(nil, strings.Repeat(" ", maxInput+1), "doctor")
	require.Equal(t, bad, status)
	require.Empty(t, out)
	require.Equal(t, "cookiestore: standard input has over 33554432 bytes\n", errOut)
	_, all = doctored(t, "HTTPS://127.0.0.1:1/\n")
	requireFindings(t, []string{"problem fetch: there is no response"}, all[0])
	for _, in := range []string{"", " \n", "hello", "GET / HTTP/1.1\n", "https://one.example\nnot a URL"} {
		status, out, errOut := call(nil, in, "doctor")
		require.Equal(t, bad, status)
		require.Empty(t, out)
		require.Contains(t, errOut, "standard input holds neither URLs nor a response")
	}
}

// ownSite is a site of the package's own, with what else a test needs.
func ownSite(t *testing.T, options ...cookiestore.Option) *http.ServeMux {
	store, err := cookiestore.New(make32())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", cookiestore.Middleware(store, options...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Set("visits", 1)
		fmt.Fprint(w, strings.Repeat("a long body ", 100_000))
	})))
	mux.Handle("GET /away", http.RedirectHandler("/?token=secret", http.StatusFound))
	mux.HandleFunc("GET /made", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /long", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "sid=1")
		w.Header().Set("X-Long", strings.Repeat("x", 5000))
	})
	mux.Handle("GET /round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("GET /mail", http.RedirectHandler("mailto:a@example.com", http.StatusFound))
	return mux
}

func TestDoctorAsksASite(t *testing.T) {
	asked := 0
	mux := ownSite(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		require.Empty(t, r.Cookies())
		require.Equal(t, http.MethodGet, r.Method)
		require.Equal(t, "cookiestore-doctor", r.UserAgent())
		require.Contains(t, r.Header.Get("Accept"), "text/html")
		mux.ServeHTTP(w, r)
	}))
	defer server.Close()
	onLoopback := []string{"note transport: plain HTTP on this machine", "note Secure: came over plain HTTP", "note prefix: can plant"}

	status, all := doctored(t, "", "-at", now(), server.URL+"/?password=hunter2")
	require.Equal(t, good, status)
	require.Len(t, all, 1)
	requireFindings(t, onLoopback, all[0])
	require.Equal(t, server.URL+"/", all[0].URL, "without the query")
	require.Equal(t, 2, asked, "once for each call")

	_, all = doctored(t, " "+server.URL+"/\n"+server.URL+"/away\n", "-at", now())
	require.Len(t, all, 2, "URLs on standard input")
	requireFindings(t, []string{"warning cookie: sets no session cookie", "note transport: ", "note redirect: -follow checks"}, all[1])

	asked = 0
	status, all = doctored(t, "", "-at", now(), "-follow", server.URL+"/away")
	require.Equal(t, good, status, "what leads to the session cookie needs none")
	requireFindings(t, []string{"note transport: ", "note cookie: leads to the next"}, all[0])
	status, all = doctored(t, "", "-at", now(), "-follow", server.URL+"/away", server.URL+"/mail")
	require.Equal(t, bad, status)
	require.Len(t, all, 3)
	requireFindings(t, []string{"warning cookie: ", "note transport: ", "note redirect: "}, all[2])
	require.Equal(t, []int{302, 200, 302}, []int{all[0].Status, all[1].Status, all[2].Status})
	require.Equal(t, server.URL+"/", all[1].URL)
	requireFindings(t, onLoopback, all[1])
	require.Equal(t, 10, asked)

	_, all = doctored(t, "", "-follow", server.URL+"/round")
	require.Len(t, all, maxRedirects+2)
	requireFindings(t, []string{"problem fetch: over 10 redirects"}, all[maxRedirects+1])

	_, all = doctored(t, "", "-follow", server.URL+"/made")
	require.Len(t, all, 1, "a Location is not always a redirect")

	long := httptest.NewServer(mux)
	defer long.Close()
	answer, err := http.Get(long.URL + "/long")
	require.NoError(t, err)
	dump, err := httputil.DumpResponse(answer, false)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	_, all = doctored(t, "", long.URL+"/long")
	require.Contains(t, fmt.Sprint(all[0].Findings), fmt.Sprintf("the response's header has %d bytes", len(dump)))

	insecure := httptest.NewServer(ownSite(t, cookiestore.WithSecure(false)))
	defer insecure.Close()
	_, all = doctored(t, "", "-at", now(), insecure.URL)
	requireFindings(t, []string{"note transport: ", "note Secure: fine for development"}, all[0])

	domain := httptest.NewServer(ownSite(t, cookiestore.WithDomain("shop.example")))
	defer domain.Close()
	_, all = doctored(t, "", "-at", now(), domain.URL)
	requireFindings(t, []string{"problem Domain: shop.example is not the domain of 127.0.0.1", "note transport: ", "note Secure: "}, all[0])
}

// now is what -at takes for the cookies of a running site.
func now() string { return time.Now().UTC().Format(time.RFC3339) }

// What depends on the URL, and not on what a test's server can have.
func TestDoctorOnURLs(t *testing.T) {
	cookie := func(more string) http.Header {
		return http.Header{"Cache-Control": {"private"}, "Vary": {"Cookie"}, "Set-Cookie": {"__Secure-sid=1; Secure; HttpOnly; SameSite=Lax; Max-Age=60; " + more}}
	}
	prefix := "note prefix: __Secure-"
	for _, test := range []struct {
		name, url, more string
		want            []string
	}{
		{"HTTPS", "https://shop.example/", "Path=/", []string{prefix}},
		{"HTTPS on this machine", "https://localhost/", "Path=/", []string{prefix}},
		{"plain HTTP", "http://shop.example/", "Path=/", []string{"problem transport: anyone on the network", "problem Secure: came over plain HTTP: browsers drop it", prefix}},
		{"localhost", "http://localhost:8080/", "Path=/", []string{"note transport: ", "note Secure: ", prefix}},
		{"a name under localhost", "http://shop.localhost/", "Path=/", []string{"note transport: ", "note Secure: ", prefix}},
		{"IPv6", "http://[::1]:80/", "Path=/", []string{"note transport: ", "note Secure: ", prefix}},
		{"the host's own domain", "https://shop.example/", "Path=/; Domain=SHOP.example", []string{"warning Domain: ", prefix}},
		{"a domain above", "https://www.shop.example/", "Path=/; Domain=.shop.example", []string{"warning Domain: ", prefix}},
		{"a domain below", "https://shop.example/", "Path=/; Domain=www.shop.example", []string{"problem Domain: is not the domain of shop.example", prefix}},
		{"a domain that ends alike", "https://myshop.example/", "Path=/; Domain=shop.example", []string{"problem Domain: is not the domain", prefix}},
		{"a part of an address", "https://10.0.0.1/", "Path=/; Domain=0.0.1", []string{"problem Domain: is not the domain", prefix}},
		{"an address of its own", "https://10.0.0.1/", "Path=/; Domain=10.0.0.1", []string{"warning Domain: ", prefix}},
		{"no Path, at the root", "https://shop.example", "", []string{"note Path: a page at the root", prefix}},
		{"no Path, at a page of the root", "https://shop.example/login", "", []string{"note Path: a page at the root", prefix}},
		{"no Path, in a folder", "https://shop.example/a/login", "", []string{"warning Path: in the folder", prefix}},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, err := url.Parse(test.url)
			require.NoError(t, err)
			c := &command{at: time.Unix(1528093791, 0), name: "sessionid", flags: flag.NewFlagSet("doctor", flag.ContinueOnError)}
			requireFindings(t, test.want, c.diagnose(response{url: address, status: 200, header: cookie(test.more)}))
		})
	}
}

func TestDoctorOnSecureOfThisMachine(t *testing.T) {
	for text, want := range map[string]string{
		"https://localhost/": "problem", "http://shop.example/": "problem", "http://localhost/": "note",
	} {
		address, err := url.Parse(text)
		require.NoError(t, err)
		c := &command{at: time.Unix(1528093791, 0), name: "sid", flags: flag.NewFlagSet("doctor", flag.ContinueOnError)}
		d := c.diagnose(response{url: address, header: http.Header{"Set-Cookie": {"sid=1; Path=/"}}})
		require.Contains(t, fmt.Sprint(d.Findings), "{"+want+" Secure the cookie is not Secure", text)
	}
}

func TestDoctorOnRedirects(t *testing.T) {
	for _, test := range []struct {
		name, in string
		redirect bool
	}{
		{"a redirect", "HTTP/1.1 300 Choices\nLocation: /\n", true},
		{"a permanent one", "HTTP/1.1 308 Moved\nLocation: /\n", true},
		{"no Location", "HTTP/1.1 302 Found\n", false},
		{"a Location of what was made", "HTTP/1.1 201 Created\nLocation: /\n", false},
		{"a Location with an error", "HTTP/1.1 400 Bad\nLocation: /\n", false},
	} {
		_, all := doctored(t, test.in)
		require.Equal(t, test.redirect, strings.Contains(fmt.Sprint(all[0].Findings), "is a redirect"), test.name)
	}
}

// failing is an output that takes nothing.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestDoctorSaysThatItCannotPrint(t *testing.T) {
	server := httptest.NewServer(ownSite(t, cookiestore.WithName("sid")))
	defer server.Close()
	for _, args := range [][]string{{"doctor"}, {"doctor", "-json"}, {"doctor", server.URL}, {"doctor", "-json", server.URL}} {
		var errOut strings.Builder
		status := run(args, func(string) string { return "" }, strings.NewReader(privatePage), failing{}, &errOut)
		require.Equal(t, bad, status)
		require.Equal(t, "cookiestore: the disk is full\n", errOut.String())
	}
}

func TestDoctorSaysWhyThereIsNoResponse(t *testing.T) {
	listen := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096))
				if answer != "" {
					fmt.Fprint(conn, answer)
					conn.Close()
				} else {
					t.Cleanup(func() { conn.Close() })
				}
			}
		}()
		return "http://user:hunter2@" + l.Addr().String() + "/?hunter2"
	}
	closed := listen("x")
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer tlsServer.Close()
	for _, test := range []struct {
		name, url, says string
		args            []string
	}{
		{"nobody listens", "http://127.0.0.1:1/", "connection refused", nil},
		{"no answer", listen(""), "there was no answer in time (see -timeout)", []string{"-timeout", "50ms"}},
		{"what is not HTTP", closed, "the answer is not HTTP, or its header is malformed", nil},
		{"a header that is malformed", listen("HTTP/1.1 200 OK\r\nSet-Cookie sessionid=" + secretValue + "\r\n\r\n"), "its header is malformed", nil},
		{"a header without end", listen("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n"), "exceeded", nil},
		{"a certificate that nobody vouches for", tlsServer.URL, "certificate", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, all := doctored(t, "", append(test.args, test.url)...)
			require.Equal(t, bad, status)
			require.Len(t, all, 1)
			requireFindings(t, []string{"problem fetch: there is no response: "}, all[0])
			require.Contains(t, all[0].Findings[0].Message, test.says)
			require.NotContains(t, all[0].Findings[0].Message+all[0].URL, "hunter2")
			require.Zero(t, all[0].Status)
		})
	}
	for _, args := range [][]string{{"shop.example"}, {"ftp://shop.example/"}, {"https://"}, {"https://shop.example/", "hunter2"}, {"http://a b/"}, {"-timeout", "0s", "http://x/"}, {"-timeout", "-1s", "http://x/"}} {
		status, out, errOut := call(nil, "", append([]string{"doctor"}, args...)...)
		require.Equal(t, misuse, status)
		require.Empty(t, out)
		require.NotContains(t, errOut, "hunter2")
		require.Equal(t, 1, strings.Count(errOut, "cookiestore:"))
	}
}

// The program itself, on a site over HTTPS whose certificate it is told to trust.
func TestDoctorOverHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(ownSite(t, cookiestore.WithName("__Host-sessionid")))
	defer server.Close()
	certificate := filepath.Join(t.TempDir(), "cert.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	c := exec.Command(build(t), "doctor", "-json", server.URL)
	c.Env = append(os.Environ(), "SSL_CERT_FILE="+certificate)
	out, err := c.Output()
	require.NoError(t, err, "there is nothing to change: %s", out)
	var d diagnosis
	require.NoError(t, json.Unmarshal(out, &d))
	requireFindings(t, nil, d)
	require.Equal(t, "the response came over HTTPS", d.Findings[0].Message)
	require.Equal(t, "__Host-sessionid", d.Cookie)
}
