package sitetest

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Build builds the program in the working directory, and returns its file.
func Build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// A Program is the site as a visitor of the repository runs it.
type Program struct {
	*testing.T
	command *exec.Cmd
	log     *bufio.Scanner
}

// Start runs a program on a free port.
func Start(t *testing.T, binary string, environment []string, flags ...string) *Program {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, append(flags, "-addr", "127.0.0.1:0")...)
	command.Env = environment
	output, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	return &Program{t, command, bufio.NewScanner(output)}
}

// Says returns the next line that the program prints, and checks what is in it.
func (p *Program) Says(what string) string {
	p.Helper()
	require.True(p, p.log.Scan(), "no line with %q", what)
	assert.Contains(p, p.log.Text(), what)
	return p.log.Text()
}

// URL reads what is to be opened from the next line.
func (p *Program) URL() string {
	p.Helper()
	line := regexp.MustCompile(`^Open (http://127\.0\.0\.1:\d+) in a browser\. \(Ctrl-C stops it\.\)$`)
	match := line.FindStringSubmatch(p.Says("Open"))
	require.Len(p, match, 2, p.log.Text())
	return match[1]
}

// SaysNothingOf reads what the program still prints, and checks that words are not
// in it. It returns the exit status.
func (p *Program) SaysNothingOf(words string) int {
	p.Helper()
	for p.log.Scan() {
		assert.NotContains(p, p.log.Text(), words)
	}
	_ = p.command.Wait()
	return p.command.ProcessState.ExitCode()
}

// Stop sends SIGTERM, and checks that the program then leaves with status 0.
func (p *Program) Stop() {
	p.Helper()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(p, p.command.Process.Signal(syscall.SIGTERM))
	p.Says("stopping")
	assert.False(p, p.log.Scan())
	assert.NoError(p, p.command.Wait(), "exit status")
}

// Fetch returns a page, and the session cookie that is then the visitor's.
func Fetch(t *testing.T, url string, cookie *http.Cookie) (string, *http.Cookie) {
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

// RefusesToStart checks that a program with these flags ends with a sentence and
// status 2, and returns what it prints.
func RefusesToStart(t *testing.T, binary string, flags ...string) string {
	t.Helper()
	program := exec.CommandContext(t.Context(), binary, flags...)
	program.Env = []string{}
	out, err := program.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 2, exit.ExitCode())
	assert.Equal(t, 2, strings.Count(string(out), "\n"), "%s", out)
	assert.NotContains(t, string(out), "goroutine")
	return string(out)
}
