package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// All that doctor may say is in testdata/doctor.txt, to be read as a whole. UPDATE=1 in the
// environment writes it anew.
func TestDoctorsWords(t *testing.T) {
	var out strings.Builder
	diagnose := func(address, lines string) {
		c := &command{at: time.Unix(1528093791, 0), name: "sessionid", out: &out, flags: flag.NewFlagSet("doctor", flag.ContinueOnError)}
		r := pastedResponses("HTTP/1.1 200 OK\n" + lines)[0]
		if address != "" {
			var err error
			r.url, err = url.Parse(address)
			require.NoError(t, err)
		}
		fmt.Fprintln(&out, "# "+strings.TrimSpace(escaped(address+" "+strings.ReplaceAll(lines[:min(len(lines), 200)], "\n", " | "))))
		require.NoError(t, c.diagnose(r).print(c))
	}
	const private = "Cache-Control: private\nVary: Cookie\n"
	big := strings.Repeat("x", 4000)
	for _, lines := range []string{
		"",
		"Set-Cookie: theme=dark\nSet-Cookie: lang=en",
		"Set-Cookie: sessionid=1",
		"Cache-Control: public\nSet-Cookie: sessionid=1; Path=/; SameSite=None",
		"Cache-Control: max-age=60\nSet-Cookie: sessionid=1; Path=/; Secure; SameSite=None; Max-Age=99999999",
		"Cache-Control: no-cache\nVary: Cookie\nSet-Cookie: sessionid=1; Path=/a; SameSite=x; Max-Age=x; Expires=x; Partitioned",
		"Cache-Control: public, private\nSet-Cookie: __Host-sessionid=1; Domain=com; Max-Age=600",
		"Cache-Control: no-store\nSet-Cookie: __Http-sessionid=1; Secure; HttpOnly; SameSite=Strict; Path=/; Domain=shop.example",
		"Last-Modified: Mon, 04 Jun 2018 06:29:52 GMT\nVary: Cookie\nAge: 1\nSet-Cookie: __Host-sessionid=a b; Secure; Path=/",
		private + "CDN-Cache-Control: max-age=1\nSet-Cookie: sessionid=a\x01b; Path=/",
		private + "Set-Cookie: sessionid=; Max-Age=0",
		private + "Set-Cookie: sessionid=1; Max-Age=0",
		private + "Set-Cookie: sessionid=1; " + flawless + "\nSet-Cookie: sessionid=; Max-Age=0; Path=/",
		private + "Set-Cookie: sessionid=1; " + flawless + "\nSet-Cookie: sessionid=; Max-Age=0; Path=/; Domain=shop.example",
		private + "Set-Cookie: sessionid=1; " + flawless + "\nSet-Cookie: sessionid=1; Path=/; Domain=shop.example",
		private + "Set-Cookie: sessionid=1; " + flawless + "\nSet-Cookie: sessionid-2=1; " + flawless,
		private + "Set-Cookie: sessionid=1; " + flawless + "\nSet-Cookie: sessionid-1=1; Path=/",
		private + "Set-Cookie: sessionid=" + big + "; " + flawless,
		private + "Set-Cookie: sessionid=" + big + big + "; " + flawless + "\nSet-Cookie: sessionid-1=" + big + "; " + flawless,
		private + "Set-Cookie: sessionid=" + big[:3600] + "; " + flawless,
	} {
		diagnose("", lines)
	}
	for _, address := range []string{"https://shop.example/", "http://shop.example/", "http://localhost/", "https://www.shop.example/a/b"} {
		diagnose(address, private+"Set-Cookie: sessionid=1; HttpOnly; SameSite=Lax; Secure; Domain=shop.example")
		diagnose(address, private+"Set-Cookie: sessionid=1; HttpOnly; SameSite=Lax")
	}
	c := &command{out: &out, name: "sessionid", flags: flag.NewFlagSet("doctor", flag.ContinueOnError)}
	require.NoError(t, c.diagnose(response{status: 302, passing: true, header: http.Header{}}).print(c))
	require.NoError(t, c.diagnose(response{status: 302, header: http.Header{"Location": {"/"}}}).print(c))

	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/doctor.txt", []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/doctor.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
}
