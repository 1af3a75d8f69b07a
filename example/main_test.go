package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"example.com/cookiestore/example/site"
	"example.com/cookiestore/example/site/sitetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgram(t *testing.T) {
	binary := sitetest.Build(t)

	t.Run("says first what to open, serves until SIGTERM, and then leaves with status 0", func(t *testing.T) {
		p := sitetest.Start(t, binary, []string{})
		url := p.URL()
		p.Says("a random one signs")
		p.Says("serving url=" + url + " secure=false store=cookie")
		page, _ := sitetest.Fetch(t, url, nil)
		assert.Contains(t, page, "You have visited this page 1 time.")
		p.Stop()
	})

	t.Run("goes on with the sessions of its key", func(t *testing.T) {
		p := sitetest.Start(t, binary, []string{"SESSION_KEY=" + sitetest.HexKey})
		first := p.URL()
		p.Says("serving")
		_, cookie := sitetest.Fetch(t, first, nil)
		p.Stop()
		p = sitetest.Start(t, binary, nil, "-key", sitetest.HexKey, "-store", "cookie")
		page, _ := sitetest.Fetch(t, p.URL(), cookie)
		p.Says("serving")
		assert.Contains(t, page, "You have visited this page 2 times.")
		p.Stop()
	})

	t.Run("serves HTTPS with its own certificate, and says what Chromium is to be told", func(t *testing.T) {
		p := sitetest.Start(t, binary, []string{"SESSION_KEY=" + sitetest.HexKey}, "-dbsc")
		p.Says(" in a browser, which warns of the certificate. (Ctrl-C stops it.)")
		p.Says("Chrome on Windows")
		command := strings.Fields(p.Says("--ignore-certificate-errors-spki-list="))
		url := command[len(command)-1]
		p.Says("serving url=" + strings.Replace(url, "localhost", "127.0.0.1", 1) + " secure=true store=cookie")
		var key [sha256.Size]byte
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // as the flag has Chromium do
			VerifyConnection: func(state tls.ConnectionState) error {
				key = sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
				return state.PeerCertificates[0].VerifyHostname("localhost")
			},
		}}}
		r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		require.NoError(t, err)
		response, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Contains(t, command, "--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(key[:]))
		require.Len(t, response.Cookies(), 1)
		assert.True(t, response.Cookies()[0].Secure)
		client.CloseIdleConnections()
		p.Stop()
	})

	t.Run("refuses to start with a sentence and status 2", func(t *testing.T) {
		for _, args := range [][]string{{"-store", "sqlite"}, {"-key", sitetest.HexKey[:60]}, {"-nope"}, {"-revoke", "database"}, {"-chunks", "9"}, {"-dbsc", "-secure=false"}} {
			assert.NotContains(t, sitetest.RefusesToStart(t, binary, args...), sitetest.HexKey[:60])
		}
	})
}

func TestDatabasesAreLeftToAnotherProgram(t *testing.T) {
	for _, test := range []struct {
		name        string
		args        []string
		environment map[string]string
		says        string
	}{
		{"SQLite", []string{"-store", "sqlite"}, nil, "-store sqlite needs a database driver, which this program leaves out: use go run ./example/databases -store sqlite"},
		{"PostgreSQL with its address", []string{"-store", "postgres", "-dsn", "postgres://127.0.0.1/test"}, nil, "use go run ./example/databases -store postgres"},
		{"MySQL from the environment", nil, map[string]string{"STORE": "mysql"}, "use go run ./example/databases -store mysql"},
		{"an unknown store", []string{"-store", "redis"}, nil, `-store "redis" is unknown: this program has cookie alone, and go run ./example/databases has sqlite, postgres and mysql, too`},
		{"large sessions in a database", []string{"-spill"}, nil, "use go run ./example/databases -spill"},
		{"a database for the cookie store", []string{"-dsn", "x"}, nil, "-dsn names a database, and -store cookie has none: use go run ./example/databases"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseFlags(test.args, func(name string) string { return test.environment[name] }, io.Discard)
			require.ErrorContains(t, err, test.says)
			assert.ErrorAs(t, err, new(site.UsageError))
		})
	}
	t.Run("the cookie store may be named", func(t *testing.T) {
		_, err := parseFlags([]string{"-store", "cookie"}, func(string) string { return "" }, io.Discard)
		assert.NoError(t, err)
	})
}

// What this program is built from is what a newcomer waits for.
func TestProgramIsBuiltFromTheStandardLibraryAndCookiestoreAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for module := range strings.FieldsSeq(string(out)) {
		assert.Contains(t, []string{"example.com/cookiestore", "example.com/cookiestore/example"}, module)
	}
}
