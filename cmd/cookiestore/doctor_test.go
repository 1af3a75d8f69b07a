package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secretValue is the value of the cookies here, which doctor must never print.
const secretValue = "eyJzZWNyZXQiOjF9:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI"

// doctored calls doctor, and returns a diagnosis for each response.
func doctored(t *testing.T, in string, args ...string) (status int, all []diagnosis) {
	t.Helper()
	status, out, errOut := call(nil, in, append([]string{"doctor", "-json", "-at", signedAt}, args...)...)
	require.Empty(t, errOut)
	require.NotContains(t, out, secretValue[:16])
	for line := range strings.Lines(out) {
		var d diagnosis
		require.NoError(t, json.Unmarshal([]byte(line), &d), line)
		all = append(all, d)
	}
	_, text, _ := call(nil, in, append([]string{"doctor", "-at", signedAt}, args...)...)
	require.NotContains(t, text, secretValue[:16])
	return status, all
}

// requireFindings compares the findings that are not ok: each wanted is "severity check: " and
// a part of the message.
func requireFindings(t *testing.T, want []string, d diagnosis) {
	t.Helper()
	var got []string
	for _, f := range d.Findings {
		if f.Severity != fine {
			got = append(got, fmt.Sprintf("%s %s: %s", f.Severity, f.Check, f.Message))
			require.True(t, f.Fix != "" || f.Severity == note || f.Check == "fetch", "what to change about %s", f.Message)
		}
	}
	require.Len(t, got, len(want), "%q", got)
	for i, text := range want {
		check, part, _ := strings.Cut(text, ": ")
		require.True(t, strings.HasPrefix(got[i], check+": "), "%q", got)
		require.Contains(t, got[i], part)
	}
	worst := fine
	if len(want) > 0 {
		first, _, _ := strings.Cut(want[0], " ")
		worst = severity(first)
	}
	require.Equal(t, worst, d.Worst)
}

const (
	flawless    = "Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax"
	privatePage = "HTTP/1.1 200 OK\nCache-Control: private\nVary: Cookie\n"
)

// setting returns a response with a cookie that has nothing to change but what is given.
func setting(attributes string) string {
	return privatePage + "Set-Cookie: __Host-sessionid=" + secretValue + "; " + attributes + "\n\n"
}

func TestDoctorOnAttributes(t *testing.T) {
	without := func(attribute string) string {
		return setting(strings.Join(strings.Split(strings.ReplaceAll(flawless, attribute, ""), "; ; "), "; "))
	}
	plainName := func(response string) string { return strings.ReplaceAll(response, "__Host-", "") }
	with := func(more string) string { return setting(flawless + "; " + more) }
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"nothing to change", setting(flawless), nil},
		{"attributes in any case", setting(" path = / ;MAX-AGE=1209600;httponly;SECURE;samesite=lax"), nil},
		{"no prefix", plainName(setting(flawless)), []string{"note prefix: a subdomain, or a page over plain HTTP, can plant"}},
		{"no Secure", plainName(without("Secure")), []string{"problem Secure: send it over plain HTTP"}},
		{"no HttpOnly", without("HttpOnly"), []string{"warning HttpOnly: page JavaScript can read the cookie"}},
		{"no SameSite", without("SameSite=Lax"), []string{"warning SameSite: missing: Chromium takes Lax"}},
		{"SameSite=Strict", with("SameSite=Strict"), []string{"note SameSite: Strict: visitors who follow a link"}},
		{"SameSite=None", with("SameSite=None"), []string{"warning SameSite: None: requests that other sites make"}},
		{"SameSite=None without Secure", plainName(setting("Path=/; Max-Age=1; HttpOnly; SameSite=None")), []string{"problem Secure: plain HTTP", "problem SameSite: None and not Secure: browsers drop"}},
		{"SameSite of another value", with("SameSite=On"), []string{"warning SameSite: not Lax, Strict or None"}},
		{"the last of a name counts", with("SameSite=Strict; SameSite=Lax"), nil},
		{"Partitioned", with("Partitioned"), nil},
		{"Partitioned without Secure", plainName(without("Secure")[:len(without("Secure"))-2] + "; Partitioned\n"), []string{"problem Secure: over plain HTTP", "problem Secure: Partitioned and not Secure"}},
		{"a Domain", plainName(with("Domain=.Shop.example")), []string{"warning Domain: goes to shop.example and all its subdomains"}},
		{"a Domain of one label", plainName(with("Domain=example")), []string{"problem Domain: example is a top-level domain"}},
		{"localhost as Domain", plainName(with("Domain=localhost")), []string{"warning Domain: localhost and all"}},
		{"an empty Domain", with("Domain="), nil},
		{"no Path", plainName(without("Path=/; ")), []string{"warning Path: missing: the cookie goes only to pages in the folder"}},
		{"a relative Path", plainName(with("Path=shop")), []string{"warning Path: missing"}},
		{"a Path of a folder", plainName(with("Path=/shop")), []string{"note Path: under /shop alone"}},
		{"__Host- with all that it forbids", setting("Max-Age=1; HttpOnly; SameSite=Lax; Domain=shop.example; Path=/a"),
			[]string{"problem Secure: plain", "problem prefix: begins with __Host- unless it has Secure, no Domain, Path=/", "warning Domain: shop.example", "note Path: /a"}},
		{"__host- in small letters", strings.ReplaceAll(with("Path=/a"), "__Host-", "__host-"), []string{"problem prefix: __Host- unless it has Path=/", "note Path: /a"}},
		{"__Secure-", strings.ReplaceAll(setting(flawless), "__Host-", "__Secure-"), []string{"note prefix: but a subdomain can"}},
		{"__Secure- without Secure", strings.ReplaceAll(without("Secure"), "__Host-", "__Secure-"), []string{"problem Secure: plain", "problem prefix: __Secure- unless it has Secure"}},
		{"__Http-", strings.ReplaceAll(setting(flawless), "__Host-", "__Http-"), []string{"note prefix: but a subdomain can"}},
		{"__Http- without HttpOnly", strings.ReplaceAll(without("HttpOnly"), "__Host-", "__Http-"), []string{"problem prefix: __Http- unless it has HttpOnly", "warning HttpOnly: "}},
		{"__Host-Http-", strings.ReplaceAll(setting(flawless), "__Host-", "__Host-Http-"), nil},
		{"__Host-Http- without HttpOnly", strings.ReplaceAll(without("HttpOnly"), "__Host-", "__Host-Http-"), []string{"problem prefix: __Host-Http- unless it has HttpOnly", "warning HttpOnly: "}},
		{"400 days", with("Max-Age=34560000"), nil},
		{"over 400 days", with("Max-Age=34560001"), []string{"warning lifetime: over 400 days"}},
		{"a Max-Age past all numbers", with("Max-Age=99999999999999999999"), []string{"warning lifetime: over 400 days"}},
		{"a Max-Age past all durations", with("Max-Age=9223372036854775807"), []string{"warning lifetime: over 400 days"}},
		{"no age", without("Max-Age=1209600"), []string{"note lifetime: until it is closed"}},
		{"Expires alone", setting("Path=/; Expires=Mon, 18 Jun 2018 06:29:51 GMT; HttpOnly; Secure; SameSite=Lax"), nil},
		{"Expires with dashes", setting("Path=/; Expires=Mon, 18-Jun-2018 06:29:51 GMT; HttpOnly; Secure; SameSite=Lax"), nil},
		{"Expires far off", setting("Path=/; Expires=Mon, 18 Jun 2029 06:29:51 GMT; HttpOnly; Secure; SameSite=Lax"), []string{"warning lifetime: over 400 days"}},
		{"Max-Age goes before Expires", with("Expires=Mon, 18 Jun 2029 06:29:51 GMT"), nil},
		{"an Expires that is none", setting("Path=/; Expires=soon; HttpOnly; Secure; SameSite=Lax"), []string{"warning lifetime: Expires is not a date", "note lifetime: until it is closed"}},
		{"a Max-Age that is none", setting("Path=/; Max-Age=1.5; HttpOnly; Secure; SameSite=Lax"), []string{"warning lifetime: Max-Age is not a whole number", "note lifetime: until it is closed"}},
		{"a deletion", privatePage + "Set-Cookie: sessionid=; Max-Age=0; Path=/\n", []string{"note deleted: as a logout does"}},
		{"a value that has expired", setting("Max-Age=0"), []string{"warning expired: has already expired"}},
		{"a value that expired by its date", setting("Expires=Mon, 04 Jun 2018 06:29:51 GMT"), []string{"warning expired: has already expired"}},
		{"a value with a negative age", setting("Max-Age=-1"), []string{"warning expired: has already expired"}},
		{"a control character", privatePage + "Set-Cookie: __Host-sessionid=a\x01b; " + flawless, []string{"problem value: a control character"}},
		{"a delete character", privatePage + "Set-Cookie: __Host-sessionid=a\x7fb; " + flawless, []string{"problem value: a control character"}},
		{"a quote in the value", privatePage + `Set-Cookie: __Host-sessionid=a"b; ` + flawless, []string{"warning value: a character in the value"}},
		{"a comma in the value", privatePage + `Set-Cookie: __Host-sessionid=a,b; ` + flawless, []string{"warning value: a character in the value"}},
		{"a space in the value", privatePage + `Set-Cookie: __Host-sessionid=a b; ` + flawless, []string{"warning value: a character in the value"}},
		{"a tab in the value", privatePage + "Set-Cookie: __Host-sessionid=a\tb; " + flawless, []string{"warning value: a character in the value"}},
		{"a backslash in the value", privatePage + `Set-Cookie: __Host-sessionid=a\b; ` + flawless, []string{"warning value: a character in the value"}},
		{"the first character past ASCII", privatePage + "Set-Cookie: __Host-sessionid=a\u0080b; " + flawless, []string{"warning value: a character in the value"}},
		{"neither Secure nor SameSite", plainName(setting("Path=/; Max-Age=1; HttpOnly")), []string{"problem Secure: plain", "warning SameSite: missing"}},
		{"quotes around the value", privatePage + `Set-Cookie: __Host-sessionid="ab"; ` + flawless, nil},
		{"letters that are not ASCII", privatePage + `Set-Cookie: __Host-sessionid=é; ` + flawless, []string{"warning value: a character in the value"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, all := doctored(t, test.in)
			require.Len(t, all, 1)
			requireFindings(t, test.want, all[0])
			require.Equal(t, all[0].Worst == problem || all[0].Worst == warning, status == bad)
			require.Equal(t, 200, all[0].Status)
			require.Empty(t, all[0].URL)
		})
	}
}

func TestDoctorOnSeveralCookies(t *testing.T) {
	cookie := func(name, value, attributes string) string {
		return "Set-Cookie: " + name + "=" + value + "; " + attributes + "\n"
	}
	const ours = "__Host-sessionid"
	const name, domain = "sessionid", "Path=/; Max-Age=1209600; HttpOnly; Secure; SameSite=Lax; Domain=shop.example"
	prefix, wide := "note prefix: can plant", "warning Domain: shop.example"
	big := strings.Repeat("x", 3000)
	many := ""
	for i := range 3 {
		many += cookie(fmt.Sprintf("%s-%d", ours, i+1), big, flawless)
	}
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"other cookies don't count", cookie("theme", "dark", "") + cookie(ours, secretValue, flawless), nil},
		{"twice in one scope", cookie(ours, "a", flawless) + cookie(ours, secretValue, flawless), []string{"warning scopes: more than once in one scope"}},
		{"in two scopes", cookie(name, "a", flawless) + cookie(name, secretValue, domain),
			[]string{"warning scopes: 2 cookies of this name", wide, prefix}},
		{"with and without Partitioned", cookie(ours, "a", flawless) + cookie(ours, secretValue, flawless+"; Partitioned"), []string{"warning scopes: 2 cookies"}},
		{"in one, and deleted in another", cookie(name, secretValue, flawless) + cookie(name, "", domain+"; Max-Age=0"), []string{prefix}},
		{"set and deleted in one", cookie(ours, secretValue, flawless) + cookie(ours, "", flawless+"; Max-Age=0"),
			[]string{"problem scopes: and then deletes it again", "warning scopes: more than once"}},
		{"deleted and set in one", cookie(ours, "", flawless+"; Max-Age=0") + cookie(ours, secretValue, flawless), []string{"warning scopes: more than once"}},
		{"parts", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", flawless) + cookie(ours+"-2", "c", flawless) + cookie(ours+"-3", "", "Max-Age=0"),
			[]string{"note chunks: takes 3 cookies of 64 bytes in all"}},
		{"a digit as a name", cookie(ours, "a", flawless) + cookie("5", "b", ""), nil},
		{"what is not a part", cookie(ours, "a", flawless) + cookie(ours+"-x", "b", "") + cookie(ours+"-10", "b", "") + cookie(ours+"-0", "b", ""), nil},
		{"deleted parts", cookie(ours, "a", flawless) + cookie(ours+"-1", "", "Max-Age=0"), nil},
		{"two missing parts", cookie(ours, "a", flawless) + cookie(ours+"-3", "c", flawless) + cookie(ours+"-4", "c", flawless), []string{"problem chunks: part 1 of the session is missing", "note chunks: takes 3 cookies"}},
		{"a part without Secure", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", strings.Replace(flawless, "Secure; ", "", 1)), []string{"problem chunks: other attributes", "note chunks: "}},
		{"parts that all have Expires", cookie(ours, "a", flawless+"; Expires=Mon, 18 Jun 2018 06:29:51 GMT") + cookie(ours+"-1", "b", flawless+"; Expires=Mon, 18 Jun 2018 06:29:52 GMT"), []string{"note chunks: "}},
		{"twice in one scope, and in another", cookie(ours, "a", flawless) + cookie(ours, "b", flawless) + cookie(ours, "c", flawless+"; Partitioned"), []string{"warning scopes: more than once", "warning scopes: 2 cookies"}},
		{"a missing part", cookie(ours, "a", flawless) + cookie(ours+"-2", "c", flawless), []string{"problem chunks: part 1 of the session is missing", "note chunks: takes 2 cookies"}},
		{"no first part", cookie(ours+"-1", "b", flawless), []string{"problem chunks: but not the first one"}},
		{"parts with other attributes", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", flawless+"; SameSite=Strict"),
			[]string{"problem chunks: __Host-sessionid-1 has other attributes", "note chunks: "}},
		{"parts with another age", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", flawless+"; Max-Age=5"), []string{"problem chunks: other attributes", "note chunks: "}},
		{"parts with another path", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", flawless+"; Path=/a"), []string{"problem chunks: other attributes", "note chunks: "}},
		{"parts with an expiry", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", flawless+"; Expires=x"), []string{"problem chunks: other attributes", "note chunks: "}},
		{"a part without HttpOnly", cookie(ours, "a", flawless) + cookie(ours+"-1", "b", strings.Replace(flawless, "HttpOnly; ", "", 1)), []string{"problem chunks: other attributes", "note chunks: "}},
		{"parts of more than servers take", cookie(ours, big, flawless) + many,
			[]string{"problem proxy: has 12", "warning chunks: the Cookie header is over 8190 bytes", "note chunks: takes 4 cookies"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			args := []string{}
			if test.name == "no first part" {
				args = []string{"-name", ours}
			}
			_, all := doctored(t, privatePage+test.in, args...)
			require.Len(t, all, 1)
			requireFindings(t, test.want, all[0])
		})
	}
}

func TestDoctorOnSize(t *testing.T) {
	const name = "__Host-sessionid"
	value := func(n int) string { return strings.Repeat("x", n) }
	field := func(n int) string { // a Set-Cookie field of n bytes
		return "Set-Cookie: " + name + "=" + value(n-len(name+"=; "+flawless)) + "; " + flawless + "\n"
	}
	header := func(n int) string { // a header of n bytes
		lines := strings.ReplaceAll(privatePage+field(1000), "\n", "\r\n")
		return lines + "X: " + value(n-len(lines)-len("X: \r\n\r\n")) + "\r\n\r\nbody: not counted"
	}
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"a field with room", privatePage + field(3584), nil},
		{"a field with little room", privatePage + field(3585), []string{"note size: has 3585 bytes of the usual limit of 4096"}},
		{"a full field", privatePage + field(4096), []string{"warning proxy: ", "note size: has 4096 bytes"}},
		{"a field over the limit", privatePage + field(4097), []string{"warning size: has 4097 bytes", "warning proxy: "}},
		{"name and value at the limit", privatePage + field(4096+len("=; "+flawless)), []string{"warning size: ", "warning proxy: "}},
		{"name and value over the limit", privatePage + field(4097+len("=; "+flawless)), []string{"problem size: name and value of __Host-sessionid have 4097 bytes", "warning proxy: "}},
		{"a header of a page", header(4096), nil},
		{"a header over a page", header(4097), []string{"warning proxy: has 4097 bytes"}},
		{"a header of two pages", header(8192), []string{"warning proxy: has 8192 bytes"}},
		{"a header over two pages", header(8193), []string{"problem proxy: has 8193 bytes"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, all := doctored(t, test.in)
			require.Len(t, all, 1)
			requireFindings(t, test.want, all[0])
		})
	}
}

func TestDoctorOnCaches(t *testing.T) {
	private := "Cache-Control: private\n"
	vary := "Vary: Accept, cookie\n"
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"private", private + vary, nil},
		{"no-store", "Cache-Control: No-Store\n", nil},
		{"private without Vary", private, []string{"note Vary: the visitor's own browser"}},
		{"any Vary", private + "Vary: *\n", nil},
		{"Vary on another field", private + "Vary: Accept\n", []string{"note Vary: the visitor's own browser"}},
		{"public", "Cache-Control: public, max-age=60\n" + vary, []string{"problem cache: Cache-Control has shared caches keep the response"}},
		{"public without Vary", "Cache-Control: max-age=60, public\n", []string{"problem cache: shared caches keep", "warning Vary: gives it to visitors with other cookies"}},
		{"s-maxage", "Cache-Control: s-maxage=60\n" + vary, []string{"problem cache: shared caches keep"}},
		{"s-maxage of nothing", "Cache-Control: s-maxage=0, private\n" + vary, nil},
		{"public and private", "Cache-Control: public\nCache-Control: private\n" + vary, []string{"warning cache: contradicts itself"}},
		{"public and no-store", "Cache-Control: public, no-store\n" + vary, []string{"warning cache: contradicts itself"}},
		{"max-age alone", "Cache-Control: max-age=60\n" + vary, []string{"warning cache: while it is fresh"}},
		{"Expires", "Date: Mon, 04 Jun 2018 06:29:51 GMT\nExpires: Mon, 04 Jun 2018 06:29:52 GMT\n" + vary, []string{"warning cache: while it is fresh"}},
		{"Expires without a Date", "Expires: Mon, 04 Jun 2018 06:29:52 GMT\n" + vary, []string{"warning cache: while it is fresh"}},
		{"Expires at once", "Date: Mon, 04 Jun 2018 06:29:52 GMT\nExpires: Mon, 04 Jun 2018 06:29:52 GMT\n" + vary, []string{"note cache: there is no Cache-Control"}},
		{"max-age goes before Expires", "Cache-Control: max-age=0\nExpires: Mon, 04 Jun 2029 06:29:52 GMT\n" + vary, []string{"note cache: they must ask before"}},
		{"no-cache", "Cache-Control: no-cache\n" + vary, []string{"note cache: they must ask before"}},
		{"no-cache and max-age", "Cache-Control: no-cache, max-age=60\n" + vary, []string{"note cache: they must ask before"}},
		{"no-cache and Expires", "Cache-Control: no-cache\nExpires: Mon, 04 Jun 2029 06:29:52 GMT\n" + vary, []string{"note cache: they must ask before"}},
		{"private for the cookie", "Cache-Control: max-age=60, private=\"x, set-cookie\"\n" + vary, nil},
		{"private for a field of such a name", "Cache-Control: max-age=60, x=\"a, private\"\n" + vary, []string{"warning cache: while it is fresh"}},
		{"private for another field", "Cache-Control: max-age=60, private=\"x\"\n" + vary, []string{"warning cache: while it is fresh"}},
		{"no-cache for the cookie", "Cache-Control: max-age=60, no-cache=\"Set-Cookie\"\n" + vary, nil},
		{"no-cache without Vary", "Cache-Control: no-cache\n", []string{"warning Vary: gives it", "note cache: they must ask"}},
		{"Last-Modified without Vary", "Last-Modified: Mon, 04 Jun 2018 06:29:52 GMT\n", []string{"warning cache: may guess", "warning Vary: gives it"}},
		{"an Expires that has passed, without a Date", "Expires: Mon, 04 Jun 2018 06:29:50 GMT\n" + vary, []string{"note cache: there is no Cache-Control"}},
		{"Last-Modified alone", "Last-Modified: Mon, 04 Jun 2018 06:29:52 GMT\n" + vary, []string{"warning cache: may guess"}},
		{"nothing", vary, []string{"note cache: there is no Cache-Control"}},
		{"nothing at all", "", []string{"warning Vary: there is no", "note cache: there is no Cache-Control"}},
		{"a field for one cache", private + vary + "CDN-Cache-Control: max-age=60\n", []string{"problem cache: Cdn-Cache-Control has shared caches keep"}},
		{"a field for one cache, without Vary", private + "Surrogate-Control: max-age=60\n", []string{"problem cache: Surrogate-Control", "warning Vary: gives it"}},
		{"a field for one cache that forbids", private + vary + "CDN-Cache-Control: no-store\nCloudflare-CDN-Cache-Control: private\n", nil},
		{"an answer of a cache", private + vary + "Age: 5\n", []string{"problem cache: comes from a shared cache"}},
		{"an answer that a cache passed on", private + vary + "Age: 0\nX-Cache: Miss from cloudfront\nCF-Cache-Status: DYNAMIC\n", nil},
		{"an answer of CloudFront", private + vary + "X-Cache: Hit from cloudfront\n", []string{"problem cache: comes from a shared cache"}},
		{"an answer of Fastly", private + vary + "X-Cache: MISS, HIT\n", []string{"problem cache: comes from a shared cache"}},
		{"an answer of Cloudflare", private + vary + "cf-cache-status: HIT\n", []string{"problem cache: comes from a shared cache"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, all := doctored(t, "HTTP/2 200\n"+test.in+"Set-Cookie: __Host-sessionid="+secretValue+"; "+flawless+"\n")
			require.Len(t, all, 1)
			requireFindings(t, test.want, all[0])
		})
	}
}

func TestDoctorFindsTheSessionCookie(t *testing.T) {
	set := func(names ...string) (lines string) {
		for _, name := range names {
			lines += "Set-Cookie: " + name + "=" + secretValue + "; " + flawless + "\n"
		}
		return lines
	}
	for _, test := range []struct {
		name, in string
		args     []string
		want     string
	}{
		{"the usual name", set("a", "sessionid"), nil, "sessionid"},
		{"the usual name with a prefix", set("a", "__Host-sessionid"), nil, "__Host-sessionid"},
		{"another usual name", set("a", "__Secure-sid"), nil, "__Secure-sid"},
		{"the likelier of two", set("sid", "session"), nil, "session"},
		{"by its value", "Set-Cookie: theme=dark\n" + set("shop"), nil, "shop"},
		{"by a database's session ID", "Set-Cookie: theme=dark\nSet-Cookie: shop=" + strings.Repeat("a1b2c3d4", 4) + "\n", nil, "shop"},
		{"by the form of gorilla's", "Set-Cookie: theme=dark\nSet-Cookie: shop=" + base64.URLEncoding.EncodeToString([]byte("1528093791|MTIz|"+strings.Repeat("m", 32))) + "\n", nil, "shop"},
		{"a name that is only the end of a part's", "Set-Cookie: -1=x\n", nil, ""},
		{"by -name", set("sessionid", "shop"), []string{"-name", "shop"}, "shop"},
		{"by -name alone", set("sessionid"), []string{"-name", "shop", "-timeout", "5s"}, ""},
		{"by -name, in another case", set("SHOP"), []string{"-name", "shop"}, ""},
		{"none", "Set-Cookie: theme=dark\n", nil, ""},
		{"a cookie without a name", "Set-Cookie: dark\nSet-Cookie: theme=1\n", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, all := doctored(t, privatePage+test.in, test.args...)
			require.Equal(t, test.want, all[0].Cookie)
			if test.want == "" {
				require.Equal(t, bad, status)
				requireFindings(t, []string{"warning cookie: the response sets no session cookie, only "}, all[0])
			}
		})
	}
	_, all := doctored(t, privatePage)
	require.Equal(t, "the response sets no session cookie", all[0].Findings[0].Message)
	_, all = doctored(t, privatePage+set("a", "b", "a"), "-name", "c")
	require.Equal(t, "the response sets no session cookie, only a, b", all[0].Findings[0].Message)
}

func TestDoctorForReaders(t *testing.T) {
	status, out, errOut := call(nil, "HTTP/1.1 200 OK\nCache-Control: private\nVary: Cookie\nSet-Cookie: sid="+secretValue+"; Path=/; Secure; Max-Age=7200; SameSite=Lax\n", "doctor")
	require.Equal(t, bad, status)
	require.Empty(t, errOut)
	require.Equal(t, `response (status 200), session cookie sid
  warning  HttpOnly  page JavaScript can read the cookie: a script injected into one page can steal sessions
                     to change: leave WithHTTPOnly on (Django: SESSION_COOKIE_HTTPONLY = True)
  note     prefix    a subdomain, or a page over plain HTTP, can plant a cookie of this name
                     to change: name it __Host-sid: WithName("__Host-sid"); sessions under the old name end with that
  ok       Secure    browsers send the cookie over HTTPS alone
  ok       SameSite  Lax: other sites can link to this one, and not post to it as the visitor
  ok       Domain    none: the cookie goes to this host alone
  ok       Path      /: the cookie goes to all pages
  ok       lifetime  the browser keeps the cookie for 2 hours
  ok       size      the Set-Cookie field of sid has 115 bytes of the usual limit of 4096
  ok       cache     private: shared caches don't keep the response
  ok       Vary      caches know that the response depends on the cookie
  0 problems, 1 warning

`, out)
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 119 * time.Second: "119 seconds", 2 * time.Minute: "2 minutes",
		90 * time.Minute: "90 minutes", 2 * time.Hour: "2 hours", 47 * time.Hour: "47 hours", 48 * time.Hour: "2 days", 336 * time.Hour: "14 days",
	} {
		require.Equal(t, want, inWords(d))
	}
}

func TestDoctorShowsNothingThatActs(t *testing.T) {
	for _, in := range []string{
		"HTTP/1.1 200 OK\nSet-Cookie: sessionid=" + hostile + "; Path=/" + hostile + "; Domain=" + hostile + "\xff.example; SameSite=" + hostile,
		"HTTP/1.1 200 OK\nSet-Cookie: \u202e\xff=1; Path=/\nCache-Control: " + hostile,
		"HTTP/1.1 200 OK\nSet-Cookie: sessionid=1\nSet-Cookie: sessionid-1=1; Domain=\u202e\xff",
	} {
		_, out, errOut := call(nil, in, "doctor")
		requireHarmless(t, out+errOut)
		_, out, errOut = call(nil, in, "doctor", "-json")
		requireHarmless(t, out+errOut)
		require.True(t, json.Valid([]byte(out)), out)
	}
	for _, args := range [][]string{{hostile}, {"http://" + hostile}, {"-timeout", hostile}, {"-name", hostile, "http://127.0.0.1:1/\u202e"}} {
		_, out, errOut := call(nil, "", append([]string{"doctor"}, args...)...)
		requireHarmless(t, out+errOut)
	}
}
