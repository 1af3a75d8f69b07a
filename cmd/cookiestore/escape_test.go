package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestEscaped(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain text stays", `Größe 寿司　😀 "a\b"`, `Größe 寿司　😀 "a\b"`},
		{"combining marks stay", "e\u0301", "e\u0301"},
		{"a color", "\x1b[31mred", `\u001b[31mred`},
		{"a bell, a tab and a line break", "\a\t\r\n", `\u0007\u0009\u000d\u000a`},
		{"delete", "\x7f", `\u007f`},
		{"the control sequence introducer of eight bits", "\u009b31m", `\u009b31m`},
		{"a bidirectional override", "\u202egnp.exe", `\u202egnp.exe`},
		{"a bidirectional isolate", "\u2066a\u2069", `\u2066a\u2069`},
		{"marks of direction", "\u200e\u200f\u061c", `\u200e\u200f\u061c`},
		{"what has no width", "a\u200bb\ufeff", `a\u200bb\ufeff`},
		{"separators of lines", "\u2028\u2029", `\u2028\u2029`},
		{"tags, beyond the BMP", "\U000e0041", `\udb40\udc41`},
		{"bytes that are not UTF-8", "a\xff\xc0\x80", `a\xff\xc0\x80`},
		{"a replacement character", "\ufffd", "\ufffd"},
	} {
		t.Run(test.name, func(t *testing.T) { require.Equal(t, test.want, escaped(test.text)) })
	}
}

// hostile is text that takes over a terminal, or hides in one, by each means.
const hostile = "\x1b]0;pwned\a\x1b[2J\r\x7f\u009b31m\u202e\u2066\u200b\u2028\U000e0041"

// requireHarmless says that text is UTF-8 that a terminal shows and does nothing else with.
func requireHarmless(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	for _, r := range text {
		require.True(t, r == '\n' || unicode.IsGraphic(r), "%q in %q", r, text)
	}
}

func TestInspectShowsNothingThatActs(t *testing.T) {
	encode := func(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }
	text, err := json.Marshal(hostile)
	require.NoError(t, err)
	var spelled string // as JSON may have it: only what is below U+0020 must be escaped
	for _, r := range hostile {
		if r < ' ' {
			quoted, err := json.Marshal(string(r))
			require.NoError(t, err)
			spelled += strings.Trim(string(quoted), `"`)
		} else {
			spelled += string(r)
		}
	}
	signed := func(data string) string {
		return sign(t, env{"SESSION_KEY": ownKey}, data)
	}
	for _, test := range []struct{ name, value string }{
		{"in a value of unverified data", encode(`{"a":"`+spelled+`"}`) + ":1fPj03:sig"},
		{"in a key of unverified data", encode(`{"`+spelled+`":1}`) + ":1fPj03:sig"},
		{"in verified data", signed(`{"a":"` + spelled + `"}`)},
		{"raw in a string", encode(`{"a":"`+hostile+`"}`) + ":1fPj03:sig"},
		{"between values", encode("{\"a\":1,\r\n\t\"b\":2}") + ":1fPj03:sig"},
		{"bytes that are not UTF-8", encode("{\"a\":\"\xff\x9b31m\"}") + ":1fPj03:sig"},
		{"in a legacy row", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("0", 40) + ":{\"a\":\"" + spelled + "\xff\"}"))},
		{"in the value itself", hostile},
		{"in the timestamp", "e30:" + hostile + ":sig"},
		{"in the signature", "e30:1fPj03:" + hostile + "\xff"},
		{"in a header", "Cookie: sessionid=" + hostile + "; x=1"},
		{"in a header of another cookie", "Cookie: " + hostile + "=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, e := range []env{nil, {"SESSION_KEY": ownKey}, {"DJANGO_SECRET_KEY": djangoKey}} {
				for _, name := range []string{"sessionid", hostile + "\xff"} {
					_, out, errOut := call(e, test.value, "inspect", "-at", signedAt, "-name", name)
					requireHarmless(t, out+errOut)
					_, out, errOut = call(e, test.value, "inspect", "-json", "-at", signedAt, "-name", name)
					requireHarmless(t, out+errOut)
					require.Equal(t, 1, strings.Count(out, "\n"), "one line")
					require.True(t, json.Valid([]byte(out)), out)
				}
			}
		})
	}

	// The escapes mean the same text.
	_, s := inspectJSON(t, nil, encode(`{"a":"`+spelled+`"}`)+":1fPj03:sig")
	require.JSONEq(t, `{"a":`+string(text)+`}`, string(s.Data))
	_, s = inspectJSON(t, nil, encode("{\"a\":1,\r\n\t\"b\":2}")+":1fPj03:sig")
	require.Equal(t, "{\"a\":1,   \"b\":2}", string(s.Data))

	status, s := inspectJSON(t, nil, encode("{\"a\":\"\xff\"}")+":1fPj03:sig")
	require.Equal(t, bad, status)
	require.Equal(t, "null", string(s.Data))
	require.Contains(t, *s.Error, "set SESSION_KEY, DJANGO_SECRET_KEY or GORILLA_HASH_KEY; its data is not JSON in UTF-8")
}

func TestMisuseShowsNothingThatActs(t *testing.T) {
	key := env{"SESSION_KEY": ownKey}
	for _, args := range [][]string{
		{hostile}, {"inspect", "-" + hostile}, {"inspect", "-at", hostile}, {"inspect", "-max-age", hostile + "\xff"},
		{"inspect", "-json=" + hostile}, {"sign", "-name", hostile}, {"sign", "-name", "\xff"}, {"inspect", hostile, hostile},
	} {
		status, out, errOut := call(key, "{}", args...)
		require.Equal(t, misuse, status)
		require.Empty(t, out)
		requireHarmless(t, errOut)
	}
	for _, in := range []string{hostile, `{"a":` + hostile, "{\"" + hostile + "\":1}", "{\"a\":\"\xff\"}", "{\"\xff\":1}"} {
		_, out, errOut := call(key, in, "sign")
		requireHarmless(t, out+errOut)
	}
}
