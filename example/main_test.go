package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // cookies are refused here on purpose
	os.Exit(m.Run())
}

const hexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func noEnvironment(string) string { return "" }

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		name        string
		args        []string
		environment map[string]string
		want        func(*config)
	}{
		{"without any, the site is on loopback, plain HTTP and the cookie store", nil, nil, func(*config) {}},
		{"an environment variable stands in for a flag", nil,
			map[string]string{"ADDR": "127.0.0.1:9", "SESSION_KEY": hexKey, "COOKIE_NAME": "c", "SESSION_MAX_AGE": "30m", "COOKIE_SECURE": "true"},
			func(c *config) {
				c.addr, c.key, c.name, c.maxAge, c.secure = "127.0.0.1:9", hexKey, "c", 30*time.Minute, true
			}},
		{"a flag goes before its environment variable", []string{"-name", "flag"},
			map[string]string{"COOKIE_NAME": "environment"}, func(c *config) { c.name = "flag" }},
		{"an empty environment variable is none", nil, map[string]string{"ADDR": ""}, func(*config) {}},
		{"SQLite needs no address", []string{"-store", "sqlite"}, nil, func(c *config) { c.store = "sqlite" }},
		{"a database has one", nil, map[string]string{"STORE": "postgres", "DSN": "postgres://127.0.0.1/test"},
			func(c *config) { c.store, c.dsn = "postgres", "postgres://127.0.0.1/test" }},
		{"a maximum age without a unit is in seconds", []string{"-max-age", "90"}, nil, func(c *config) { c.maxAge = 90 * time.Second }},
		{"localhost is loopback", []string{"-addr", "localhost:0"}, nil, func(c *config) { c.addr = "localhost:0" }},
		{"so is IPv6's", []string{"-addr", "[::1]:0"}, nil, func(c *config) { c.addr = "[::1]:0" }},
		{"an empty host is not, so Secure is on", []string{"-addr", ":8080"}, nil, func(c *config) { c.addr, c.secure = ":8080", true }},
		{"Secure is on elsewhere", []string{"-addr", "10.0.0.1:80"}, nil, func(c *config) { c.addr, c.secure = "10.0.0.1:80", true }},
		{"Secure can be switched off elsewhere", []string{"-addr", ":80", "-secure=false"}, nil, func(c *config) { c.addr = ":80" }},
		{"Secure can be switched on for loopback", []string{"-secure"}, nil, func(c *config) { c.secure = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := config{addr: "127.0.0.1:8080", store: "cookie", name: "sessionid", maxAge: 14 * 24 * time.Hour}
			test.want(&want)
			got, err := parseFlags(test.args, func(name string) string { return test.environment[name] }, io.Discard)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestRefusedFlags(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"a flag that there isn't", []string{"-nope"}, "flag provided but not defined: -nope"},
		{"an argument that is no flag", []string{hexKey}, "there is an argument that is no flag"},
		{"an unknown store", []string{"-store", "redis"}, `-store "redis" is unknown: the stores are cookie, sqlite, postgres, mysql`},
		{"PostgreSQL without an address", []string{"-store", "postgres"}, "-store postgres needs -dsn, such as postgres://"},
		{"MySQL without an address", []string{"-store", "mysql"}, "-store mysql needs -dsn, such as user:password@tcp("},
		{"a database for each connection", []string{"-store", "sqlite", "-dsn", "file::memory:"}, "-dsn names a database in memory"},
		{"a short key for a database", []string{"-store", "mysql", "-dsn", "/x", "-key", hexKey[2:]}, "-key: the key has 31 bytes"},
		{"a database for the cookie store", []string{"-dsn", "x"}, "-dsn names a database"},
		{"two kinds of keys", []string{"-key", hexKey, "-django-key", "x"}, "-key and -django-key"},
		{"an address without a port", []string{"-addr", "localhost"}, `-addr "localhost" is no host:port`},
		{"a maximum age that is none", []string{"-max-age", "soon"}, "want seconds, or a duration"},
		{"a maximum age of nothing", []string{"-max-age", "0"}, "the maximum age is under a second"},
		{"a cookie name that isn't one", []string{"-name", "a b"}, `cookie "a b"`},
		{"a cookie name that needs Secure", []string{"-name", "__Host-id"}, "its prefix needs Secure"},
		{"a short key", []string{"-key", hexKey[2:]}, "-key: the key has 31 bytes, and must have at least 32"},
		{"a key in no encoding", []string{"-key", "?" + hexKey}, "-key: the key is neither hex nor base64"},
		{"a short old key", []string{"-key", hexKey, "-old-keys", hexKey + "," + hexKey[2:]}, "key 2 of -old-keys: the key has 31 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := parseFlags(test.args, noEnvironment, io.Discard)
			if err == nil {
				store, closeStore, openErr := openStore(c)
				if err = openErr; err == nil {
					defer closeStore()
					_, err = newHandler(c, store, time.Now)
				}
			}
			require.ErrorContains(t, err, test.says)
			assert.ErrorAs(t, err, new(usageError))
			assert.NotContains(t, err.Error(), hexKey[2:], "a key must not be printed")
		})
	}
	t.Run("an environment variable that is wrong is named", func(t *testing.T) {
		_, err := parseFlags(nil, func(name string) string { return map[string]string{"COOKIE_SECURE": "maybe"}[name] }, io.Discard)
		assert.ErrorContains(t, err, `COOKIE_SECURE is "maybe"`)
	})
}

func TestHelpNamesEachFlagAndItsVariable(t *testing.T) {
	var out bytes.Buffer
	_, err := parseFlags([]string{"-help"}, noEnvironment, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for name, variable := range variables {
		assert.Regexp(t, `(?m)^  -`+name+`\b.*\$`+variable+`$`, out.String())
	}
}

func TestKeysAreReadInHexOrAnyBase64(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xef}, 16) // + and / in base64, - and _ in base64url
	for name, text := range map[string]string{
		"hex":             hex.EncodeToString(key),
		"base64":          base64.StdEncoding.EncodeToString(key),
		"unpadded base64": base64.RawStdEncoding.EncodeToString(key),
		"base64url":       base64.URLEncoding.EncodeToString(key),
	} {
		got, err := decodeKey("-key", text)
		require.NoError(t, err, name)
		assert.Equal(t, key, got, name)
	}
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "example")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// A program is the site as a visitor of the repository runs it.
type program struct {
	*testing.T
	command *exec.Cmd
	log     *bufio.Scanner
}

func start(t *testing.T, binary string, environment []string, flags ...string) *program {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, append(flags, "-addr", "127.0.0.1:0")...)
	command.Env = environment
	output, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	return &program{t, command, bufio.NewScanner(output)}
}

// says returns the next line of the log, and checks what is in it.
func (p *program) says(what string) string {
	p.Helper()
	require.True(p, p.log.Scan(), "no line with %q", what)
	assert.Contains(p, p.log.Text(), what)
	return p.log.Text()
}

// url reads the address from the next line.
func (p *program) url() string {
	p.Helper()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.says("serving"))
	require.NotEmpty(p, url)
	return url
}

func (p *program) stop() {
	p.Helper()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(p, p.command.Process.Signal(syscall.SIGTERM))
	p.says("stopping")
	assert.False(p, p.log.Scan())
	assert.NoError(p, p.command.Wait(), "exit status")
}

// get returns a page, and the session cookie that is then the visitor's.
func get(t *testing.T, url string, cookie *http.Cookie) (string, *http.Cookie) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	if cookie != nil {
		request.AddCookie(cookie)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for _, set := range response.Cookies() {
		cookie = set
	}
	return string(body), cookie
}

func TestProgram(t *testing.T) {
	binary := build(t)

	t.Run("serves until SIGTERM, and then leaves with status 0", func(t *testing.T) {
		p := start(t, binary, []string{})
		p.says("a random one signs")
		page, _ := get(t, p.url(), nil)
		assert.Contains(t, page, "You have visited this page 1 time.")
		p.stop()
	})

	t.Run("says where its SQLite file is, and goes on with the sessions in it", func(t *testing.T) {
		folder := t.TempDir()
		environment := []string{"TMPDIR=" + folder, "STORE=sqlite", "SESSION_KEY=" + hexKey}
		path := filepath.Join(folder, "cookiestore-example.sqlite3")
		var page string
		var cookie *http.Cookie
		for _, want := range []string{"1 time.", "2 times."} {
			p := start(t, binary, environment)
			p.says(path)
			page, cookie = get(t, p.url(), cookie)
			assert.Contains(t, page, "You have visited this page "+want)
			p.stop()
		}
		file, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), file.Mode().Perm(), "others must not read the keys of sessions")
	})

	t.Run("says nothing of the password of a database", func(t *testing.T) {
		const dsn = "postgres://shop:correct-horse@127.0.0.1:1/shop"
		p := start(t, binary, []string{"STORE=postgres", "DSN=" + dsn, "SESSION_KEY=" + hexKey})
		for p.log.Scan() {
			assert.NotContains(t, p.log.Text(), "horse")
		}
		var exit *exec.ExitError
		require.ErrorAs(t, p.command.Wait(), &exit)
		assert.Equal(t, 1, exit.ExitCode())
	})

	t.Run("refuses to start with a sentence and status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-store", "mysql"}, {"-key", hexKey[:60]}, {"-nope"}} {
			program := exec.CommandContext(t.Context(), binary, args...)
			program.Env = []string{}
			out, err := program.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, 2, exit.ExitCode())
			assert.Equal(t, 2, strings.Count(string(out), "\n"), "%s", out)
			assert.NotContains(t, string(out), hexKey[:60])
			assert.NotContains(t, string(out), "goroutine")
		}
	})
}
