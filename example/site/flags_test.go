package site

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"io"
	"testing"
	"time"

	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func noEnvironment(string) string { return "" }

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		name        string
		args        []string
		environment map[string]string
		want        func(*Config)
	}{
		{"without any, the site is on loopback and plain HTTP", nil, nil, func(*Config) {}},
		{"an environment variable stands in for a flag", nil,
			map[string]string{"ADDR": "127.0.0.1:9", "SESSION_KEY": sitetest.HexKey, "COOKIE_NAME": "c", "SESSION_MAX_AGE": "30m", "COOKIE_SECURE": "true"},
			func(c *Config) {
				c.addr, c.key, c.name, c.maxAge, c.secure = "127.0.0.1:9", sitetest.HexKey, "c", 30*time.Minute, true
			}},
		{"a flag goes before its environment variable", []string{"-name", "flag"},
			map[string]string{"COOKIE_NAME": "environment"}, func(c *Config) { c.name = "flag" }},
		{"an empty environment variable is none", nil, map[string]string{"ADDR": ""}, func(*Config) {}},
		{"a maximum age without a unit is in seconds", []string{"-max-age", "90"}, nil, func(c *Config) { c.maxAge = 90 * time.Second }},
		{"localhost is loopback", []string{"-addr", "localhost:0"}, nil, func(c *Config) { c.addr = "localhost:0" }},
		{"so is IPv6's", []string{"-addr", "[::1]:0"}, nil, func(c *Config) { c.addr = "[::1]:0" }},
		{"an empty host is not, so Secure is on", []string{"-addr", ":8080"}, nil, func(c *Config) { c.addr, c.secure = ":8080", true }},
		{"Secure is on elsewhere", []string{"-addr", "10.0.0.1:80"}, nil, func(c *Config) { c.addr, c.secure = "10.0.0.1:80", true }},
		{"Secure can be switched off elsewhere", []string{"-addr", ":80", "-secure=false"}, nil, func(c *Config) { c.addr = ":80" }},
		{"a session may be encrypted, split, and ended", []string{"-encrypt", "-chunks", "3", "-revoke", "memory"}, nil,
			func(c *Config) { c.encrypt, c.chunks, c.revoke = true, 3, "memory" }},
		{"by environment variables, too", nil, map[string]string{"ENCRYPT": "1", "CHUNKS": "8", "REVOKE": "memory"},
			func(c *Config) { c.encrypt, c.chunks, c.revoke = true, 8, "memory" }},
		{"binding sessions needs HTTPS, and ends copies from before", []string{"-dbsc"}, nil,
			func(c *Config) { c.dbsc, c.secure, c.revoke = true, true, "memory" }},
		{"what is given goes before that", []string{"-dbsc", "-revoke", "off", "-dbsc-lifetime", "90s"}, nil,
			func(c *Config) { c.dbsc, c.secure, c.dbscLifetime = true, true, 90*time.Second }},
		{"a binding may come from environment variables, too", nil, map[string]string{"DBSC": "1", "DBSC_LIFETIME": "60"},
			func(c *Config) { c.dbsc, c.secure, c.revoke, c.dbscLifetime = true, true, "memory", time.Minute }},
		{"Secure can be switched on for loopback", []string{"-secure"}, nil, func(c *Config) { c.secure = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := Config{addr: "127.0.0.1:8080", name: "sessionid", maxAge: 14 * 24 * time.Hour, chunks: 1, revoke: "off", dbscLifetime: 10 * time.Minute}
			test.want(&want)
			got, err := NewFlags("test").Parse(test.args, func(name string) string { return test.environment[name] }, io.Discard)
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
		{"an argument that is not a flag", []string{sitetest.HexKey}, "unexpected argument after the flags"},
		{"two kinds of keys", []string{"-key", sitetest.HexKey, "-django-key", "x"}, "-key and -django-key"},
		{"an address without a port", []string{"-addr", "localhost"}, `-addr "localhost" is not host:port`},
		{"a maximum age that is not one", []string{"-max-age", "soon"}, "want seconds, or a duration"},
		{"a maximum age of nothing", []string{"-max-age", "0"}, "the maximum age is under a second"},
		{"a cookie name that isn't one", []string{"-name", "a b"}, `cookie "a b"`},
		{"a cookie name that needs Secure", []string{"-name", "__Host-id"}, "its prefix needs Secure"},
		{"a short key", []string{"-key", sitetest.HexKey[2:]}, "-key: the key has 31 bytes, and must have at least 32"},
		{"a key in no encoding", []string{"-key", "?" + sitetest.HexKey}, "-key: the key is neither hex nor base64"},
		{"a short old key", []string{"-key", sitetest.HexKey, "-old-keys", sitetest.HexKey + "," + sitetest.HexKey[2:]}, "-old-keys: key 2 of the list has 31 bytes"},
		{"no chunk", []string{"-chunks", "0"}, "want a number from 1 to 8"},
		{"too many chunks", []string{"-chunks", "9"}, "want a number from 1 to 8"},
		{"chunks that are not a number", []string{"-chunks", "some"}, "want a number from 1 to 8"},
		{"encryption that Django can't read", []string{"-encrypt", "-django-key", "x"}, "-encrypt and -django-key exclude each other"},
		{"a binding without HTTPS", []string{"-dbsc", "-secure=false"}, "-dbsc and -secure=false exclude each other"},
		{"the lifetime of what there isn't", []string{"-dbsc-lifetime", "1m"}, "-dbsc-lifetime is for -dbsc"},
		{"a lifetime that is not one", []string{"-dbsc", "-dbsc-lifetime", "soon"}, "want seconds, or a duration"},
		{"a lifetime of nothing", []string{"-dbsc", "-dbsc-lifetime", "0"}, "-dbsc: the lifetime is under a second"},
		{"a binding with Django's key, which is short", []string{"-dbsc", "-django-key", "short"}, "-dbsc: the key has 5 bytes"},
		{"revocations that are elsewhere", []string{"-revoke", "redis://user:" + sitetest.HexKey + "@127.0.0.1"}, "-revoke is neither off nor memory: a database and Redis are for go run ./example/databases"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := NewFlags("test").Parse(test.args, noEnvironment, io.Discard)
			if err == nil {
				backend, storeErr := c.CookieStore()
				if err = storeErr; err == nil {
					_, err = c.Handler(backend, time.Now)
				}
			}
			require.ErrorContains(t, err, test.says)
			assert.ErrorAs(t, err, new(UsageError))
			assert.NotContains(t, err.Error(), sitetest.HexKey[2:], "a key must not be printed")
		})
	}
	t.Run("an environment variable that is wrong is named", func(t *testing.T) {
		_, err := NewFlags("test").Parse(nil, func(name string) string { return map[string]string{"COOKIE_SECURE": "maybe"}[name] }, io.Discard)
		assert.ErrorContains(t, err, `COOKIE_SECURE is "maybe"`)
	})
}

func TestHelpNamesEachFlagAndItsVariable(t *testing.T) {
	var out bytes.Buffer
	flags := NewFlags("test")
	var own string
	flags.Text(&own, "own", "OWN", "", "a flag of a program's own")
	_, err := flags.Parse([]string{"-help"}, noEnvironment, &out)
	require.ErrorIs(t, err, flag.ErrHelp)
	for name, variable := range map[string]string{
		"addr": "ADDR", "key": "SESSION_KEY", "old-keys": "SESSION_OLD_KEYS", "django-key": "DJANGO_SECRET_KEY",
		"name": "COOKIE_NAME", "max-age": "SESSION_MAX_AGE", "secure": "COOKIE_SECURE", "own": "OWN",
		"encrypt": "ENCRYPT", "chunks": "CHUNKS", "revoke": "REVOKE",
		"dbsc": "DBSC", "dbsc-lifetime": "DBSC_LIFETIME",
	} {
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
