package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What people paste has the cookie in it, and is inspected as the cookie alone is.
func TestInspectFindsTheCookieInWhatIsPasted(t *testing.T) {
	value := djangoCookie
	encoded := strings.ReplaceAll(value, ":", "%3A")
	for _, test := range []struct{ name, in, note string }{
		{"a bare value", value, ""},
		{"a value in double quotes", `"` + value + `"`, "quotes around the value"},
		{"a value in single quotes", `'` + value + `'`, "quotes around the value"},
		{"a value and the semicolon after it", value + ";", ""},
		{"a value with percent-encoded colons", encoded, "%3A"},
		{"percent-encoded in small letters", strings.ReplaceAll(value, ":", "%3a"), "%3A"},
		{"quoted and percent-encoded", `"` + encoded + `"`, "%3A"},
		{"a value that a terminal wrapped", value[:20] + "\n" + value[20:50] + "\r\n  " + value[50:], "several lines"},
		{"a name and a value", "sessionid=" + value, ""},
		{"a name and a quoted value", `sessionid="` + value + `"`, "in quotes"},
		{"a header with a quoted value", `Cookie: a="b"; sessionid="` + value + `"; c=d`, "in quotes"},
		{"a header in quotes", `'Cookie: a=b; sessionid=` + value + `'`, ""},
		{"a percent-encoded value in a header", "Cookie: a=b; sessionid=" + encoded, "%3A"},
		{"curl's line of a request", "> Cookie: a=b; sessionid=" + value, ""},
		{"curl's line of a response", "< Set-Cookie: sessionid=" + value + "; Path=/; HttpOnly", ""},
		{"a field with a blank before the colon", "cookie : sessionid=" + value, ""},
		{"a whole request", "GET / HTTP/1.1\r\nHost: shop.example\r\nCookie: theme=dark; sessionid=" + value + "\r\nAccept: */*\r\n\r\n", ""},
		{"a whole response", "HTTP/2 200\nset-cookie: theme=dark; Path=/\nset-cookie: sessionid=" + value + "; Path=/\n\n<html>", ""},
		{"a response that deletes the cookie elsewhere", "HTTP/1.1 200 OK\nSet-Cookie: sessionid=; Domain=shop.example; Max-Age=0\nSet-Cookie: sessionid=" + value + "\n", ""},
		{"curl -v", "* Connected\n> GET / HTTP/1.1\n> Host: x\n> \n< HTTP/1.1 200 OK\n< Set-Cookie: sessionid=" + value + "; Path=/\n< \n", ""},
		{"curl with a header", "curl 'https://shop.example/' \\\n  -H 'accept: */*' \\\n  -H 'cookie: a=b; sessionid=" + value + "' \\\n  --compressed", ""},
		{"curl with -b", "curl 'https://shop.example/' -b 'a=b; sessionid=" + value + "' --compressed", ""},
		{"curl with --cookie", `curl --cookie "sessionid=` + value + `" https://shop.example/`, ""},
		{"curl with -b and no quotes", "curl -b sessionid=" + value + " https://shop.example/", ""},
		{"JSON", `{"Accept": "*/*", "Cookie": "a=b; sessionid=` + value + `"}`, ""},
		{"a cookie file", "# Netscape HTTP Cookie File\n\n#HttpOnly_127.0.0.1\tFALSE\t/\tTRUE\t0\tsessionid\t" + value + "\n", ""},
		{"a table of a browser's with seven columns", "sessionid\t" + value + "\tshop.example\t/\tSession\t82\tyes\n", ""},
		{"a table of two columns", "theme\tdark\nsessionid\t" + value, ""},
		{"a table of a browser's", "theme\tdark\tshop.example\t/\nsessionid\t" + value + "\tshop.example\t/\tSession\t82\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, e := range []env{{"DJANGO_SECRET_KEY": djangoKey}, {}} {
				status, got := inspectJSON(t, e, test.in, "-at", signedAt)
				require.Equal(t, `{"num_visits":1}`, string(got.Data))
				require.Equal(t, len(value), got.Size)
				if e["DJANGO_SECRET_KEY"] != "" {
					require.Equal(t, good, status)
					require.Nil(t, got.Error)
					if test.note == "" {
						require.Empty(t, got.Hints)
					}
				}
				require.Contains(t, strings.Join(got.Hints, "\n"), test.note)
			}
		})
	}
}

func TestInspectSaysWhatIsNotInWhatIsPasted(t *testing.T) {
	own := sign(t, env{"SESSION_KEY": ownKey}, `{"a":1}`, "-name", "shop")
	for _, test := range []struct{ name, in, says, hint string }{
		{"a request without a cookie", "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "the HTTP message has no Cookie or Set-Cookie line", ""},
		{"a response without a cookie", "HTTP/2 200\ncontent-type: text/html\n\n", "the HTTP message has no Cookie or Set-Cookie line", ""},
		{"other cookies", "Cookie: theme=dark; flag; =x; lang=en; theme=light", `no cookie "sessionid"`, "the header's cookies are theme, lang"},
		{"a session under another name", "Cookie: theme=dark; shop=" + own, `no cookie "sessionid"`, `"shop" looks like a session: add -name shop`},
		{"an unverified session under another name", "Cookie: theme=dark; other=" + own, `no cookie "sessionid"`, `"other" looks like a session`},
		{"a cookie that is empty", "Cookie: a=b; sessionid=", `"sessionid" is empty`, ""},
		{"two values on two lines", djangoCookie + "\n" + djangoCookie, "malformed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, got := inspectJSON(t, env{"SESSION_KEY": ownKey}, test.in)
			require.Equal(t, bad, status)
			require.Contains(t, *got.Error, test.says)
			require.Contains(t, strings.Join(got.Hints, "\n"), test.hint)
		})
	}
	for name, in := range map[string]string{
		"a value with a blank in it":          djangoCookie[:20] + " " + djangoCookie[20:],
		"a value between quotes of two kinds": `"` + djangoCookie + `'`,
		"lines of text":                       "Hello: <b>\nworld: !",
	} {
		status, got := inspectJSON(t, env{"DJANGO_SECRET_KEY": djangoKey}, in, "-at", signedAt)
		require.Equal(t, bad, status, name)
		require.NotContains(t, strings.Join(got.Hints, ""), "lines", name)
		require.NotContains(t, strings.Join(got.Hints, ""), "quotes", name)
	}
	for _, in := range []string{`"`, "rubbishr", `"rubbish`} {
		_, got := inspectJSON(t, nil, in)
		require.Equal(t, len(in), got.Size, "nothing is taken off %s", in)
	}
	_, nothing := inspectJSON(t, nil, `""`)
	require.Equal(t, "the input is empty", *nothing.Error)
	_, attribute := inspectJSON(t, nil, "Set-Cookie: a=b; Path=/x", "-name", "Path")
	require.Contains(t, *attribute.Error, `no cookie "Path"`)
	_, named := inspectJSON(t, nil, "Cookie: theme=dark; flag; =x; lang=en; theme=light")
	require.Equal(t, []string{"the header's cookies are theme, lang"}, named.Hints)
	many := "Cookie: " + strings.Repeat("x", 30)
	for i := range 100 {
		many += "=1; n" + strings.Repeat("x", i)
	}
	_, got := inspectJSON(t, nil, many+"=1")
	require.Equal(t, maxNames-1, strings.Count(got.Hints[0], ","), "it does not list any number")
}
