package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

// trusting accepts the programs' certificates.
var trusting = &tls.Config{InsecureSkipVerify: true}

// start runs a program on a free port. It returns the page and the curl command that the
// program names.
func start(t *testing.T, p program) (page, curl string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- p.run(listener, out)
		out.Close()
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "Open "); ok {
			page, _, _ = strings.Cut(rest, " ")
		}
		if strings.HasPrefix(line, "curl ") {
			return page, line
		}
	}
	require.NoError(t, <-ended)
	return page, curl
}

// do does what curl would, but for HTTP/3, and returns the text.
func do(t *testing.T, client *http.Client, curl string) string {
	t.Helper()
	address := curl[strings.LastIndex(curl, " ")+1:]
	method, body := http.MethodGet, ""
	if strings.Contains(curl, " -d {} ") {
		method, body = http.MethodPost, "{}"
	}
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	require.NoError(t, err)
	if _, field, ok := strings.Cut(curl, "-H '"); ok {
		name, value, _ := strings.Cut(field[:strings.Index(field, "'")], ": ")
		r.Header.Set(name, value)
	}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
	return strings.TrimSpace(string(text))
}

// newClient returns a browser, more or less.
func newClient(t *testing.T, transport http.RoundTripper) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}
}

func TestEachProgramRunsAndHasASession(t *testing.T) {
	second := map[string]string{ // of two visits; otherwise "2"
		"connect": `"2"`,
		"login":   "Visit number 2 of nobody.",
		"goth":    "You are openid-connect ann.",
		"vercel":  "You have visited this page 2 times.",
	}
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: trusting}
			defer transport.CloseIdleConnections()
			client := newClient(t, transport)
			page, curl := start(t, p)
			if !p.curlOnly {
				require.True(t, strings.HasSuffix(curl, " "+page), "%s, and %s", page, curl)
			}
			address := curl[strings.LastIndex(curl, " ")+1:]
			require.Equal(t, strings.HasPrefix(address, "https://"), strings.Contains(curl, " -k "), curl)
			do(t, client, curl)
			want := cmp.Or(second[p.name], "2")
			require.Equal(t, want, do(t, client, curl))
			site := strings.TrimSuffix(address, p.page)
			switch p.name {
			case "login":
				response, err := client.PostForm(site+"/login", nil)
				require.NoError(t, err)
				response.Body.Close()
				require.Regexp(t, `^Visit number \d of http://127.0.0.1:\d+ ann\.$`, do(t, client, curl))
			case "goth":
				require.Equal(t, want, do(t, client, site+"/"), "the session remembers that")
			case "metrics/prom", "metrics/otel":
				require.Regexp(t, `(?m)^cookiestore_session_events_total\{.*asked.*\} 2$`, do(t, client, site+"/metrics"))
			}
		})
	}
}

func TestTheProgramWithHTTP3SpeaksIt(t *testing.T) {
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == "http3" })
	_, curl := start(t, programs[i])
	require.Contains(t, curl, " --http3-only ")
	transport := &http3.Transport{TLSClientConfig: trusting}
	defer transport.Close()
	client := newClient(t, transport)
	do(t, client, curl)
	require.Equal(t, "2", do(t, client, curl))
}

func TestWithoutANameTheProgramsAreListed(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run("", nil, &out))
	for _, p := range programs {
		require.Contains(t, out.String(), "  "+p.name+" ")
		require.DirExists(t, filepath.Join("..", p.name))
	}
}

func TestWhatCannotBeServed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"a name that no program has", []string{"wasm"}, `["wasm"] is not the name of one program`},
		{"a flag after the name", []string{"chi", "-addr=127.0.0.1:0"}, `["chi" "-addr=127.0.0.1:0"] is not the name of one program`},
		{"two programs", []string{"chi", "mux"}, "is not the name of one program"},
		{"an address that is in use", []string{"chi"}, "address already in use"},
	} {
		require.ErrorContains(t, run(taken.Addr().String(), test.args, io.Discard), test.says, test.name)
	}
}
