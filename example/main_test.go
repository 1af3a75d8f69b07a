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
		{"an argument that is no flag", []string{"serve"}, `"serve" is no flag`},
		{"a store that is to come", []string{"-store", "sqlite"}, "-store sqlite is not there yet: only cookie is"},
		{"another one", []string{"-store", "postgres", "-dsn", "postgres://"}, "-store postgres is not there yet"},
		{"an unknown store", []string{"-store", "redis"}, `-store "redis" is unknown`},
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
				_, err = newHandler(c, time.Now)
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

// TestProgram runs the site as a visitor of the repository would.
func TestProgram(t *testing.T) {
	binary := build(t)

	t.Run("serves until SIGTERM, and then leaves with status 0", func(t *testing.T) {
		program := exec.CommandContext(t.Context(), binary, "-addr", "127.0.0.1:0")
		program.Env = []string{}
		output, err := program.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, program.Start())

		lines := bufio.NewScanner(output)
		require.True(t, lines.Scan())
		assert.Contains(t, lines.Text(), "a random one signs")
		require.True(t, lines.Scan())
		url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(lines.Text())
		require.NotEmpty(t, url, lines.Text())

		response, err := http.Get(url)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		response.Body.Close()
		assert.Contains(t, string(body), "You have visited this page 1 time.")
		http.DefaultClient.CloseIdleConnections()

		require.NoError(t, program.Process.Signal(syscall.SIGTERM))
		require.True(t, lines.Scan())
		assert.Contains(t, lines.Text(), "stopping")
		assert.False(t, lines.Scan())
		assert.NoError(t, program.Wait(), "exit status")
	})

	t.Run("refuses to start with a sentence and status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-store", "sqlite"}, {"-key", hexKey[:60]}, {"-nope"}} {
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
