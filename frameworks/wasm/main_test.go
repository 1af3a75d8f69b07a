package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// build builds the program for that system.
func build(t *testing.T, goos string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "site.wasm")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=wasm")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

// environment is what a CGI host says of a request.
func environment(cookie string) []string {
	return []string{
		"SESSION_KEY=" + strings.Repeat("07", 32), "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1",
		"REQUEST_METHOD=GET", "HTTP_HOST=visits.example", "REQUEST_URI=/", "HTTPS=on", "HTTP_COOKIE=" + cookie,
	}
}

// counts visits the site twice, with a process for each visit.
func counts(t *testing.T, run func(env []string) []byte) {
	cookie := "theme=dark"
	for _, text := range []string{"You have visited this page 1 times.\n", "You have visited this page 2 times.\n"} {
		answer := "HTTP/1.1 200 OK\r\n" + string(run(environment(cookie)))
		response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		require.NoError(t, err, answer)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Equal(t, text, string(body))
		require.Len(t, response.Cookies(), 1)
		cookie = "theme=dark; sessionid=" + response.Cookies()[0].Value
	}
}

// output runs a host, and returns what the program in it has answered.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	return out
}

// The host is a program of its own: the race detector would slow its compiler down.
func TestVisitsAreCountedOnWASI(t *testing.T) {
	module, cache := build(t, "wasip1"), t.TempDir()
	counts(t, func(env []string) []byte {
		args := []string{"tool", "wazero", "run", "-cachedir=" + cache}
		for _, pair := range env {
			args = append(args, "-env="+pair)
		}
		return output(t, exec.Command("go", append(args, module)...))
	})
}

func TestVisitsAreCountedInJavaScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no node: install the package nodejs")
		}
		t.Skip("there is no node: install the package nodejs")
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	host := filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec_node.js")
	module := build(t, "js")
	counts(t, func(env []string) []byte {
		cmd := exec.Command(node, host, module)
		cmd.Env = env
		return output(t, cmd)
	})
}
