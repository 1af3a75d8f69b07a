package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

const (
	ownKey    = "6f1d3b0a5c2e4f78899aabbccddeeff00112233445566778899aabbccddeeff0"
	olderKey  = "eoHyTlp0GEXF6ZqlFlvpqw1uzPqLtVgmvPYvlhM0sFs="
	djangoKey = "r_iGp@58WAm!dX3a5ID)nOdcd*bWB2d^C4@(DSDC6Lc1-mxLpQ"

	djangoCookie = "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI"
	djangoRow    = "eyJudW1fdmlzaXRzIjoxfQ:1fPj03:fWMDCUV6a3m7GFnASmb_t_4LwcHCxXlDskvGKueJsSQ"
	legacyRow    = "NGI2OGU3NmFhYTcwYmRmNzk0YWU3YjRhMzA2NTRlM2JhODI1MmFjYzp7Im51bV92aXNpdHMiOjF9"
	signedAt     = "1528093791"
)

type env map[string]string

// call runs the command in this process.
func call(e env, in string, args ...string) (status int, out, errOut string) {
	var o, eo strings.Builder
	status = run(args, func(name string) string { return e[name] }, strings.NewReader(in), &o, &eo)
	return status, o.String(), eo.String()
}

// seen is the JSON that inspect prints.
type seen struct {
	Format     string
	Verified   bool
	Key        int
	Compressed bool
	Size       int
	Chunks     int
	DataSize   int        `json:"data_size"`
	SignedAt   *time.Time `json:"signed_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	Expired    bool
	Data       json.RawMessage
	Error      *string
	Hints      []string
}

func inspectJSON(t *testing.T, e env, in string, args ...string) (int, seen) {
	t.Helper()
	status, out, errOut := call(e, in, append([]string{"inspect", "-json"}, args...)...)
	require.Empty(t, errOut)
	var s seen
	require.NoError(t, json.Unmarshal([]byte(out), &s), out)
	require.Equal(t, 1, strings.Count(out, "\n"))
	return status, s
}

func TestInspectJSON(t *testing.T) {
	django := env{"DJANGO_SECRET_KEY": djangoKey}
	at := func(unix int64) *time.Time { t := time.Unix(unix, 0).UTC(); return &t }
	fail := func(text string) *string { return &text }
	own := sign(t, env{"SESSION_KEY": ownKey}, `{"a":1.0,"_session_expiry":30}`)
	old := sign(t, env{"SESSION_KEY": olderKey}, `{"a":1.0,"_session_expiry":30}`)
	signed, ends, twoWeeks := at(1528093791), at(1528093821), at(1528093791+14*24*3600)
	ownWant := seen{Format: "cookiestore", Verified: true, Size: len(own), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Data: json.RawMessage(`{"a":1.0,"_session_expiry":30}`)}
	data := json.RawMessage(`{"num_visits":1}`)
	yearOne := time.Time{}.Add(time.Microsecond)
	over := sign(t, env{"SESSION_KEY": ownKey}, `{"b":1}`, "-at", "1500000000")
	signer, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, []byte(djangoKey))
	require.NoError(t, err)
	signData := func(data string) string {
		return signer.Sign("", base64.RawURLEncoding.EncodeToString([]byte(data)), *signed)
	}
	list, first := signData("[1]"), signData(`{"_session_expiry":"0001-01-01T00:00:00+00:00"}`)
	longData := json.RawMessage(`{"a":"` + incompressible(8000)[:8000] + `"}`)
	long := signData(string(longData))

	for _, test := range []struct {
		name   string
		env    env
		in     string
		args   []string
		status int
		want   seen
	}{
		{"a Django cookie", django, "", []string{"-at", signedAt, djangoCookie}, good,
			seen{Format: "django", Verified: true, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data}},
		{"a Django row from standard input", django, djangoRow + "\n", []string{"-at", "2018-06-04T06:29:51Z"}, good,
			seen{Format: "django-db", Verified: true, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data}},
		{"a legacy row", django, legacyRow, nil, good,
			seen{Format: "django-db-legacy", Verified: true, Size: 76, DataSize: 16, Data: data}},
		{"a fallback key", env{"DJANGO_SECRET_KEY": "new", "DJANGO_SECRET_KEY_FALLBACKS": "other,\r\n " + djangoKey + "\n"}, djangoRow, []string{"-at", signedAt}, good,
			seen{Format: "django-db", Verified: true, Key: 2, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data}},
		{"fallback keys on lines, some blank", env{"DJANGO_SECRET_KEY": "new", "DJANGO_SECRET_KEY_FALLBACKS": "\nother\n \r,\n" + djangoKey}, djangoRow, []string{"-at", signedAt}, good,
			seen{Format: "django-db", Verified: true, Key: 2, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data}},
		{"fallback keys and carriage returns", env{"DJANGO_SECRET_KEY": "new", "DJANGO_SECRET_KEY_FALLBACKS": "other\r" + djangoKey}, djangoRow, []string{"-at", signedAt}, good,
			seen{Format: "django-db", Verified: true, Key: 2, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data}},
		{"a legacy row that a terminal wrapped", django, legacyRow[:30] + "\n" + legacyRow[30:], nil, good,
			seen{Format: "django-db-legacy", Verified: true, Size: 76, DataSize: 16, Data: data}},
		{"the package's own format", env{"SESSION_KEY": ownKey}, own, []string{"-at", signedAt}, good, ownWant},
		{"with both kinds of key", env{"SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": djangoKey}, own, []string{"-at", signedAt}, good, ownWant},
		{"a header", env{"SESSION_KEY": ownKey}, "Cookie: theme=dark; sessionid=" + own + "; x=1", []string{"-at", signedAt}, good, ownWant},
		{"a header without its name", env{"SESSION_KEY": ownKey}, "sessionid=" + own, []string{"-at", signedAt}, good, ownWant},
		{"a Set-Cookie header", env{"SESSION_KEY": ownKey}, "set-cookie: sessionid=" + own + "; Path=/; HttpOnly", []string{"-at", signedAt}, good, ownWant},
		{"the first of a header's cookies that verifies", env{"SESSION_KEY": ownKey}, "Cookie: sessionid=bad; sessionid=" + own, []string{"-at", signedAt}, good, ownWant},
		{"a header with no such cookie", env{"SESSION_KEY": ownKey}, "Cookie: a=b", nil, bad,
			seen{Format: "unknown", Key: -1, Data: json.RawMessage("null"), Error: fail(`the header has no cookie "sessionid" (see -name)`)}},
		{"an older key", env{"SESSION_KEY": ownKey, "SESSION_OLD_KEYS": olderKey}, old, []string{"-at", signedAt}, good,
			seen{Format: "cookiestore", Verified: true, Key: 1, Size: len(old), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Data: ownWant.Data}},
		{"at its end", env{"SESSION_KEY": ownKey}, own, []string{"-at", "1528093821"}, good, ownWant},
		{"past its end", env{"SESSION_KEY": ownKey}, own, []string{"-at", "1528093822"}, bad,
			seen{Format: "cookiestore", Verified: true, Size: len(own), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Expired: true, Data: ownWant.Data}},
		{"a minute before it was signed", env{"SESSION_KEY": ownKey}, own, []string{"-at", "1528093731"}, good, ownWant},
		{"earlier", env{"SESSION_KEY": ownKey}, own, []string{"-at", "1528093730"}, bad,
			seen{Format: "cookiestore", Verified: true, Size: len(own), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Data: ownWant.Data,
				Error: fail("cookie refused: signed in the future: signed 2018-06-04T06:29:51Z")}},
		{"a site's own maximum age", django, djangoCookie, []string{"-at", signedAt, "-max-age", "3600"}, good,
			seen{Format: "django", Verified: true, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: at(1528093791 + 3600), Data: data}},
		{"another cookie's name", env{"SESSION_KEY": ownKey}, own, []string{"-at", signedAt, "-name", "other"}, bad,
			seen{Format: "unknown", Key: -1, Size: len(own), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Data: ownWant.Data, Error: fail("no configured key matches this signature")}},
		{"no key", env{}, djangoCookie, []string{"-at", signedAt}, bad,
			seen{Format: "unknown", Key: -1, Size: 73, DataSize: 16, SignedAt: signed, ExpiresAt: twoWeeks, Data: data, Error: fail("not verified, since no key for it is given: set SESSION_KEY, DJANGO_SECRET_KEY or GORILLA_HASH_KEY")}},
		{"another key for a legacy row", env{"DJANGO_SECRET_KEY": "x"}, legacyRow, nil, bad,
			seen{Format: "django-db-legacy", Key: -1, Size: 76, DataSize: 16, Data: data, Error: fail("cookie refused: signature does not match")}},
		{"rubbish", django, "rubbish", nil, bad,
			seen{Format: "unknown", Key: -1, Size: 7, Data: json.RawMessage("null"), Error: fail("cookie refused: malformed: no signature")}},
		{"a timestamp past all years", django, "e30:zzzzzzzzzz:x", nil, bad,
			seen{Format: "unknown", Key: -1, Size: 16, DataSize: 2, Data: json.RawMessage("{}"), Error: fail("cookie refused: malformed: timestamp is past the year 9999")}},
		{"a header without its name and the cookie", django, "theme=dark; other=1", nil, bad,
			seen{Format: "unknown", Key: -1, Data: json.RawMessage("null"), Error: fail(`the header has no cookie "sessionid" (see -name)`)}},
		{"a deleted cookie", django, "Set-Cookie: sessionid=; Max-Age=0", nil, bad,
			seen{Format: "unknown", Key: -1, Data: json.RawMessage("null"), Error: fail(`the cookie "sessionid" is empty: it was deleted`)}},
		{"the first of a header's cookies that has not expired", env{"SESSION_KEY": ownKey}, "Cookie: sessionid=" + over + "; sessionid=" + own, []string{"-at", signedAt}, good, ownWant},
		{"the first that verifies if none is good", env{"SESSION_KEY": ownKey}, "Cookie: sessionid=bad; sessionid=" + own, []string{"-at", "1528093822"}, bad,
			seen{Format: "cookiestore", Verified: true, Size: len(own), DataSize: 30, SignedAt: signed, ExpiresAt: ends, Expired: true, Data: ownWant.Data}},
		{"a signed list", django, list, []string{"-at", signedAt}, bad,
			seen{Format: "django", Size: len(list), DataSize: 3, SignedAt: signed, Data: json.RawMessage("[1]"), Error: fail("cookie refused: malformed: not a JSON object")}},
		{"a cookie that is too long", django, long, []string{"-at", signedAt}, bad,
			seen{Format: "django", Size: len(long), DataSize: 8008, SignedAt: signed, ExpiresAt: twoWeeks, Data: longData, Error: fail("cookie refused: too large: name and value have 10738 bytes, over 4096")}},
		{"a long row with another key", env{"DJANGO_SECRET_KEY": "x"}, long, []string{"-at", signedAt}, bad,
			seen{Format: "unknown", Key: -1, Size: len(long), DataSize: 8008, SignedAt: signed, ExpiresAt: twoWeeks, Data: longData, Error: fail("no configured key matches this signature")}},
		{"an end in the year 1", django, first, []string{"-at", signedAt}, bad,
			seen{Format: "django", Verified: true, Size: len(first), DataSize: 47, SignedAt: signed, ExpiresAt: &yearOne, Expired: true, Data: json.RawMessage(`{"_session_expiry":"0001-01-01T00:00:00+00:00"}`)}},
		{"nothing", django, "\n", nil, bad,
			seen{Format: "unknown", Key: -1, Data: json.RawMessage("null"), Error: fail("the input is empty")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, got := inspectJSON(t, test.env, test.in, test.args...)
			test.want.Chunks = 1
			got.Hints = nil // they have tests of their own
			require.Equal(t, test.want, got)
			require.Equal(t, test.status, status)
		})
	}
}

// sign makes a cookie at the time of the constants.
func sign(t *testing.T, e env, data string, args ...string) string {
	t.Helper()
	status, out, errOut := call(e, data, append([]string{"sign", "-at", signedAt}, args...)...)
	require.Equal(t, good, status, errOut)
	return strings.TrimSpace(out)
}

// Every string that Django made or refuses is what the file says of it.
func TestInspectVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/django.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Kind, Value, Why, Secret string
			JSON                     *string
			SignedAt                 int64 `json:"signed_at"`
			Valid                    bool
			Fallbacks                []string
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Vectors, 835)
	formats := map[string]string{"signed_cookie": djangoFormat, "db_row": rowFormat, "legacy_db_row": legacyFormat}
	for _, v := range file.Vectors {
		e := env{"DJANGO_SECRET_KEY": v.Secret, "DJANGO_SECRET_KEY_FALLBACKS": strings.Join(v.Fallbacks, "\n")}
		status, out, _ := call(e, v.Value, "inspect", "-json", "-at", strconv.FormatInt(v.SignedAt, 10))
		var got seen
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Equal(t, v.Valid, got.Verified, "%s: %s", v.Why, out)
		if !v.Valid {
			assert.Equal(t, bad, status)
			assert.NotNil(t, got.Error, v.Why)
			continue
		}
		assert.Equal(t, formats[v.Kind], got.Format)
		assert.Equal(t, len(v.Fallbacks), got.Key)
		assert.Nil(t, got.Error)
		assert.Equal(t, got.Expired, status == bad)
		assert.Contains(t, out, `,"data":`+*v.JSON+`,`, "the bytes as signed")
	}
}

func TestInspectForReaders(t *testing.T) {
	status, out, _ := call(env{"DJANGO_SECRET_KEY": djangoKey}, djangoCookie, "inspect", "-at", signedAt)
	require.Equal(t, good, status)
	require.Equal(t, `format      Django's signed_cookies
verified    yes, with the primary key
compressed  no
size        16 bytes of JSON in 73 bytes; with the name 82 of the browsers' limit of 4096
signed      2018-06-04T06:29:51Z
ends        2018-06-18T06:29:51Z

{
  "num_visits": 1
}
`, out)
	status, out, _ = call(env{"DJANGO_SECRET_KEY": "new", "DJANGO_SECRET_KEY_FALLBACKS": djangoKey}, legacyRow, "inspect")
	require.Equal(t, good, status)
	require.Equal(t, `format      a row of Django's django_session, from before 3.1
verified    yes, with older key 1
compressed  no
size        16 bytes of JSON in 76 bytes
signed      unknown
ends        unknown

{
  "num_visits": 1
}
`, out)
	compressed := sign(t, env{"SESSION_KEY": ownKey}, `{"a":"`+strings.Repeat("x", 2000)+`"}`)
	status, out, _ = call(env{}, compressed, "inspect")
	require.Equal(t, bad, status)
	require.Contains(t, out, "format      unknown\nverified    no\ncompressed  yes\n")
	require.Contains(t, out, "ends        2018-06-18T06:29:51Z: it has expired\nerror       not verified, since no key for it is given")
	status, out, _ = call(env{"DJANGO_SECRET_KEY": djangoKey}, "InRleHQi:1r31eq:krFDOAi1kULMj3oEF1XXao8qA6yIPlz8paf6FtGy0iI", "inspect")
	require.Equal(t, bad, status)
	require.Contains(t, out, "verified    no: key 0 has signed it, but it is not a session\n")
	status, out, _ = call(env{}, strings.Repeat(" ", maxInput+1), "inspect", "-json")
	require.Equal(t, bad, status)
	require.Contains(t, out, `"error":"standard input has over 33554432 bytes"`)
	status, out, _ = call(env{}, "rubbish", "inspect")
	require.Equal(t, bad, status)
	require.True(t, strings.HasSuffix(out, "error       cookie refused: malformed: no signature\n"), out)
}

func TestSign(t *testing.T) {
	for _, e := range []env{{"SESSION_KEY": ownKey}, {"DJANGO_SECRET_KEY": djangoKey}} {
		value := sign(t, e, ` {"z": 1.0, "a": "é", "n": 1e2}`+"\n", "-name", "s")
		status, got := inspectJSON(t, e, "s="+value, "-name", "s", "-at", signedAt)
		require.Equal(t, good, status)
		want := `{"z":1.0,"a":"é","n":1e2}`
		if e["DJANGO_SECRET_KEY"] != "" {
			want = `{"z":1.0,"a":"\u00e9","n":1e2}`
		}
		require.Equal(t, want, string(got.Data))
	}
	require.Equal(t, djangoCookie, sign(t, env{"DJANGO_SECRET_KEY": djangoKey}, `{"num_visits":1}`))

	for _, test := range []struct{ name, in, says string }{
		{"no JSON", "nope", "standard input is not a JSON object"},
		{"null", "null", "standard input is null"},
		{"a list", "[1]", "standard input is not a JSON object"},
		{"nothing", "", "standard input is not a JSON object"},
		{"an empty session", "{}", "the session is empty, or expires at once"},
		{"one that has expired", `{"a":1,"_session_expiry":-1}`, "the session is empty, or expires at once"},
		{"one that is too large", `{"a":"` + incompressible(5000) + `"}`, `largest keys: "a"`},
		{"an expiry that is none", `{"_session_expiry":"soon"}`, "is not an ISO 8601 time"},
		{"too much", strings.Repeat(" ", maxInput+1), "standard input has over 33554432 bytes"},
	} {
		status, out, errOut := call(env{"SESSION_KEY": ownKey}, test.in, "sign")
		require.Equal(t, bad, status, test.name)
		require.Empty(t, out, test.name)
		require.Contains(t, errOut, test.says, test.name)
	}
}

func incompressible(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strconv.FormatInt(int64(i*i*7919), 36))
	}
	return b.String()
}

func TestKeygen(t *testing.T) {
	_, one, _ := call(nil, "", "keygen")
	status, two, _ := call(env{"SESSION_KEY": "bad"}, "", "keygen")
	require.Equal(t, good, status)
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{64}\n$`), one)
	require.NotEqual(t, one, two)
	key, err := cookiestore.ParseKey(one)
	require.NoError(t, err)
	_, err = cookiestore.New(key)
	require.NoError(t, err)
}

func TestMisuse(t *testing.T) {
	for _, test := range []struct {
		name string
		env  env
		args []string
		says string
	}{
		{"no command", nil, nil, "which command?"},
		{"an unknown command", nil, []string{"hunter2"}, `the first word is not a command`},
		{"an unknown flag", nil, []string{"inspect", "-key", "x"}, "flag provided but not defined: -key"},
		{"a time past all years", nil, []string{"inspect", "-at", "9223372036854775807"}, "outside of the years 1 to 9999"},
		{"a time before all years", nil, []string{"sign", "-at", "-62135596801"}, "outside of the years 1 to 9999"},
		{"a time that is none", nil, []string{"inspect", "-at", "noon"}, "neither Unix seconds nor an RFC 3339 time"},
		{"two values", nil, []string{"inspect", "a", "b"}, "inspect takes one value, and got 2"},
		{"an argument of keygen", nil, []string{"keygen", "64"}, "keygen takes no argument"},
		{"an argument of sign", nil, []string{"sign", "{}"}, "takes no argument"},
		{"sign without a key", nil, []string{"sign"}, "no key: set SESSION_KEY"},
		{"sign with two kinds of key", env{"SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": "x"}, []string{"sign"}, "unset the one that is not to sign"},
		{"sign with three kinds of key", env{"SESSION_KEY": ownKey, "DJANGO_SECRET_KEY": "x", "GORILLA_HASH_KEY": "y"}, []string{"sign"}, "unset those that are not to sign"},
		{"encryption for Django", env{"DJANGO_SECRET_KEY": "x"}, []string{"sign", "-encrypt"}, "-encrypt needs SESSION_KEY: with DJANGO_SECRET_KEY"},
		{"a time for gorilla", env{"GORILLA_HASH_KEY": "x"}, []string{"sign", "-at", "1"}, "-at is not for"},
		{"chunks for gorilla", env{"GORILLA_HASH_KEY": "x"}, []string{"sign", "-chunks", "2"}, "-chunks is not for"},
		{"nine chunks", env{"SESSION_KEY": ownKey}, []string{"sign", "-chunks", "9"}, "takes 1 to 8, and got 9"},
		{"a block key alone", env{"GORILLA_BLOCK_KEY": "hunter2hunter2hu"}, []string{"inspect", "x"}, "GORILLA_BLOCK_KEY is set, and GORILLA_HASH_KEY is not"},
		{"a short block key", env{"GORILLA_HASH_KEY": "x", "GORILLA_BLOCK_KEY": "hunter2"}, []string{"inspect", "x"}, "GORILLA_BLOCK_KEY: the key has 7 bytes"},
		{"a key that isn't hex", env{"GORILLA_HASH_KEY": "hex:hunter2"}, []string{"inspect", "x"}, "GORILLA_HASH_KEY: the key is not in the encoding that it says"},
		{"a key that isn't base64", env{"GORILLA_HASH_KEY": "x", "GORILLA_BLOCK_KEY": "base64:hunter2!"}, []string{"inspect", "x"}, "GORILLA_BLOCK_KEY: the key is not in the encoding that it says"},
		{"a key with nothing in it", env{"GORILLA_HASH_KEY": "hex:"}, []string{"inspect", "x"}, "GORILLA_HASH_KEY: the key is empty"},
		{"a name that no cookie can have", env{"SESSION_KEY": ownKey}, []string{"sign", "-name", "a b"}, "invalid Cookie.Name"},
		{"a key of zeros", env{"SESSION_KEY": strings.Repeat("00", 32)}, []string{"inspect", "x"}, "SESSION_KEY and SESSION_OLD_KEYS: the key has only zero bytes"},
		{"a Django key of zeros", env{"DJANGO_SECRET_KEY": "\x00"}, []string{"inspect", "x"}, "the key has only zero bytes"},
		{"a maximum age that is none", nil, []string{"inspect", "-max-age", "soon"}, "want seconds such as 3600, or a duration such as 336h"},
		{"a maximum age of nothing", nil, []string{"inspect", "-max-age", "0"}, "want seconds such as 3600"},
		{"a negative maximum age", nil, []string{"inspect", "-max-age", "-1h"}, "want seconds such as 3600"},
		{"an empty maximum age", nil, []string{"inspect", "-max-age", ""}, "want seconds such as 3600"},
		{"a maximum age past all durations", nil, []string{"inspect", "-max-age", "99999999999"}, "want seconds such as 3600"},
		{"help on a command that there isn't", nil, []string{"help", "hunter2"}, "the first word is not a command"},
		{"a key in no encoding", env{"SESSION_KEY": "hunter2!"}, []string{"inspect", "x"}, "SESSION_KEY: the key is neither hex nor base64"},
		{"a short old key", env{"SESSION_KEY": ownKey, "SESSION_OLD_KEYS": ownKey + "\n68756e74657232"}, []string{"inspect", "x"}, "SESSION_OLD_KEYS: key 2 of the list has 7 bytes"},
		{"old keys alone", env{"SESSION_OLD_KEYS": ownKey}, []string{"inspect", "x"}, "SESSION_OLD_KEYS is set, and SESSION_KEY is not"},
		{"Django's fallbacks alone", env{"DJANGO_SECRET_KEY_FALLBACKS": "x"}, []string{"inspect", "x"}, "DJANGO_SECRET_KEY_FALLBACKS is set, and DJANGO_SECRET_KEY is not"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, errOut := call(test.env, "{}", test.args...)
			require.Equal(t, misuse, status)
			require.Empty(t, out)
			require.Contains(t, errOut, test.says)
			require.NotContains(t, errOut, "hunter2")
			require.Equal(t, 1, strings.Count(errOut, "cookiestore:"), errOut)
		})
	}
}

func TestHelp(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says []string
	}{
		{"help", []string{"help"}, []string{"cookiestore inspect", "cookiestore doctor", "cookiestore sign", "cookiestore keygen", "SESSION_KEY"}},
		{"-h", []string{"-h"}, []string{"COMMAND -h"}},
		{"inspect", []string{"inspect", "-h"}, []string{"usage: cookiestore inspect", "example", "SESSION_OLD_KEYS", "commas or line breaks", "-max-age age", "-json", "-at time", "-name name"}},
		{"help inspect", []string{"help", "inspect"}, []string{"usage: cookiestore inspect", "-max-age age"}},
		{"sign", []string{"sign", "-help"}, []string{"usage: cookiestore sign", "example", "SESSION_KEY", "to sign at"}},
		{"keygen", []string{"keygen", "-h"}, []string{"usage: cookiestore keygen", "example"}},
		{"doctor", []string{"doctor", "--help"}, []string{"usage: cookiestore doctor", "example", "Exit status", "-follow", "-timeout duration", "-json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, errOut := call(env{"SESSION_KEY": "bad"}, "", test.args...)
			require.Equal(t, good, status)
			require.Empty(t, errOut)
			for _, text := range test.says {
				require.Contains(t, out, text)
			}
		})
	}
	_, out, _ := call(nil, "", "keygen", "-h")
	require.NotContains(t, out, "flags:", "it has none")
	_, out, _ = call(nil, "", "sign", "-h")
	require.NotContains(t, out, "-json", "it is inspect's")
}

// build builds the program, and returns its file.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "cookiestore")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// The program itself, with its own environment and exit status.
func TestProgram(t *testing.T) {
	program := build(t)
	for status, args := range map[int][]string{
		good:   {"inspect", "-at", signedAt, djangoCookie},
		bad:    {"inspect", djangoCookie},
		misuse: {"inspect", "-at", "noon"},
	} {
		c := exec.Command(program, args...)
		c.Env = append(os.Environ(), "DJANGO_SECRET_KEY="+djangoKey)
		_ = c.Run()
		require.Equal(t, status, c.ProcessState.ExitCode(), args)
	}
}
