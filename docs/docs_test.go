// Package docs tests the pages beside it, and README: each Go snippet is compiled and run,
// and each curl command does what the page says.
package docs

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// untested are pages whose snippets are not tested here.
var untested = map[string]string{
	"frameworks.md": "its programs are tested in frameworks/",
	"metrics.md":    "its programs are tested in frameworks/",
	"serverless.md": "its programs are tested in frameworks/",
	"login.md":      "its programs are tested in frameworks/",
}

func allPages(t *testing.T) []page {
	t.Helper()
	paths, err := filepath.Glob("*.md")
	require.NoError(t, err)
	pages := []page{readPage(t, "../README.md")}
	for _, path := range paths {
		if untested[path] == "" && path != "README.md" { // the index
			pages = append(pages, readPage(t, path))
		}
	}
	return pages
}

func TestSnippetsRun(t *testing.T) {
	var programs []program
	for _, p := range allPages(t) {
		programs = append(programs, programsOf(t, p)...)
	}
	require.NotEmpty(t, programs)
	bin := build(t, programs)
	t.Setenv("SESSION_KEY", strings.Repeat("0123456789abcdef", 4))
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			if p.serves {
				serve(t, p, filepath.Join(bin, p.name))
				return
			}
			command := exec.Command(filepath.Join(bin, p.name), "-test.v")
			command.Dir = t.TempDir()
			out, err := command.CombinedOutput()
			require.NoError(t, err, "%s", out)
			for _, test := range p.tests {
				require.Contains(t, string(out), "--- PASS: "+test+" ")
			}
		})
	}
}

// build compiles the programs with a single go build, and returns the folder they are in.
func build(t *testing.T, programs []program) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir + "/bin/"}
	for _, p := range programs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, p.name+".go"), []byte(p.source), 0o600))
		args = append(args, "./snippets/"+p.name)
	}
	files, err := json.Marshal(map[string]any{"Replace": overlay(t, dir, programs)})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), files, 0o600))
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "bin")
}

// start starts a site in that folder, and returns where it listens. Another program may
// have taken a port that was free a moment ago, so there are some attempts.
func start(t *testing.T, path, dir string) string {
	t.Helper()
	var log strings.Builder
	for range 5 {
		address := freeAddress(t)
		log.Reset()
		site := exec.Command(path)
		site.Dir = dir
		site.Env = append(os.Environ(), "ADDRESS="+address)
		site.Stderr = &log
		require.NoError(t, site.Start())
		ended := make(chan struct{})
		go func() {
			site.Wait()
			close(ended)
		}()
		if listens(address, ended) {
			t.Cleanup(func() {
				site.Process.Kill()
				<-ended
				if t.Failed() {
					t.Log(log.String())
				}
			})
			return address
		}
	}
	require.Fail(t, "it doesn't start", "%s: %s", path, log.String())
	return ""
}

// listens waits until something listens at the address, or the program has ended.
func listens(address string, ended <-chan struct{}) bool {
	for {
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				return true
			}
		}
	}
}

// serve starts a site and compares what the page's curl commands get from it with what
// the page says: from those below the program, and above the next.
func serve(t *testing.T, p program, path string) {
	dir := t.TempDir()
	address := start(t, path, dir)
	needed(t, "curl", "the commands of the pages")
	ran := 0
	for _, b := range p.page.blocks {
		if b.language != "console" || p.startsAfter(b) {
			continue
		}
		for _, step := range transcript(b) {
			if !strings.HasPrefix(step.command, "curl ") {
				continue
			}
			command := exec.Command("bash", "-c", strings.ReplaceAll(step.command, shownAddress, address)+" -sS")
			command.Dir = dir
			out, err := command.CombinedOutput()
			require.NoError(t, err, "%s:%d: %s\n%s", p.page.path, b.line, step.command, out)
			require.Equal(t, step.output, strings.TrimSpace(string(out)), "%s:%d: %s", p.page.path, b.line, step.command)
			ran++
		}
	}
	require.NotZero(t, ran, "%s: no curl command shows what the program %s does", p.page.path, p.name)
}

var lineOf = regexp.MustCompile(`_line(\d+)$`)

// startsAfter reports whether the program of a single snippet stands below the block, or
// another one is between them.
func (p program) startsAfter(b block) bool {
	found := lineOf.FindStringSubmatch(p.name)
	if found == nil {
		return false
	}
	latest := ""
	for _, other := range p.page.blocks {
		if other.language == "go" && strings.HasPrefix(other.text, "package ") && other.line < b.line {
			latest = fmt.Sprint(other.line)
		}
	}
	return latest != found[1]
}

// TestTheCommandDoesWhatREADMESays runs the commands of README that use cmd/cookiestore.
func TestTheCommandDoesWhatREADMESays(t *testing.T) {
	needed(t, "bash", "the commands of README")
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "cookiestore"), "../cmd/cookiestore").CombinedOutput()
	require.NoError(t, err, "%s", out)
	var script, want strings.Builder
	for _, b := range readPage(t, "../README.md").blocks {
		if b.language == "console" && strings.Contains(b.text, "./cookiestore ") {
			for _, s := range transcript(b) {
				if !strings.HasPrefix(s.command, "go build") {
					script.WriteString(s.command + "\n")
					want.WriteString(s.output)
				}
			}
		}
	}
	require.NotZero(t, script.Len())
	command := exec.Command("bash", "-e")
	command.Dir = dir
	command.Stdin = strings.NewReader(script.String())
	out, err = command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, want.String(), strings.TrimSpace(string(out)))
}

// TestTheFirstSessionIsAsRecorded runs the commands of first-session.md.
func TestTheFirstSessionIsAsRecorded(t *testing.T) {
	for _, program := range []string{"bash", "git", "curl", "openssl"} {
		needed(t, program, "the commands of first-session.md")
	}
	if out, err := exec.Command("git", "-C", "..", "rev-parse", "--git-dir").CombinedOutput(); err != nil {
		t.Skipf("only a git repository can be cloned: %s", out)
	}
	var log strings.Builder
	command := exec.Command("../scripts/first-session.sh", freeAddress(t))
	command.Stderr = &log
	out, err := command.Output()
	require.NoError(t, err, "%s", &log)
	require.Equal(t, readPage(t, "first-session.md").blocks[0].text, string(out), "%s", &log)
}

// A newcomer types 40 words a minute, of 5 characters, and reads 240 that they don't type.
func TestTheFirstSessionTakesLessThanTwoMinutes(t *testing.T) {
	p := readPage(t, "first-session.md")
	typed, words := 0, 0
	for _, s := range transcript(p.blocks[0]) {
		typed += len(s.command)
		words -= len(strings.Fields(s.command))
	}
	text, err := os.ReadFile(p.path)
	require.NoError(t, err)
	recording, _, _ := strings.Cut(string(text), "The address of the repository")
	words += len(strings.Fields(recording))
	took := time.Duration(typed)*time.Minute/(40*5) + time.Duration(words)*time.Minute/240
	require.Less(t, took, 2*time.Minute)
}

// A step is a command of a page and what it prints.
type step struct{ command, output string }

func transcript(b block) []step {
	var steps []step
	for line := range strings.Lines(b.text) {
		line = strings.TrimSuffix(line, "\n")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			steps = append(steps, step{command: command})
		case len(steps) > 0:
			last := &steps[len(steps)-1]
			last.output += line + "\n"
		}
	}
	for i := range steps {
		steps[i].output = strings.TrimSpace(steps[i].output)
	}
	return steps
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// needed skips the test where a program is missing, or fails it where env CI is set.
func needed(t *testing.T, name, what string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		message := fmt.Sprintf("%s need %s: install it (apt-get install %s)", what, name, name)
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	punct   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the headings of a page as GitHub writes them in links.
func anchors(text string) map[string]bool {
	all := map[string]bool{"": true}
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		all[strings.ReplaceAll(punct.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	paths, err := filepath.Glob("*.md")
	require.NoError(t, err)
	root, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	for _, path := range append(paths, root...) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") || untested[filepath.Base(target)] != "" {
				continue
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			there, err := os.ReadFile(file)
			if err != nil { // a folder
				_, err = os.Stat(file)
				require.NoError(t, err, "%s: %s", path, found[1])
				continue
			}
			require.True(t, anchors(string(there))[anchor], "%s: %s has no such heading", path, found[1])
		}
	}
}

func TestTheIndexListsEveryPage(t *testing.T) {
	index, err := os.ReadFile("README.md")
	require.NoError(t, err)
	paths, err := filepath.Glob("*.md")
	require.NoError(t, err)
	for _, path := range paths {
		if path != "README.md" {
			require.Contains(t, string(index), "]("+path+")")
		}
	}
}
