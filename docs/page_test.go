package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A page is a Markdown file, and what of it can be run.
type page struct {
	path   string
	blocks []block
}

// A block is what stands between two lines of three backquotes.
type block struct {
	line     int // of the opening backquotes
	language string
	text     string

	// What a comment of the form <!-- go: ... --> above the block asks for. One that begins
	// with <!-- go: given is a block itself, of what snippets take from the reader's program.
	compileOnly bool   // "compile only": it needs a server that isn't there
	needs       string // "needs NAME": a function that this checkout may not have yet
}

var marker = regexp.MustCompile(`^<!-- go: (compile only|needs (\w+)) -->$`)

// readPage returns the blocks of a page in their order.
func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	p := page{path: path}
	var open *block
	var marked block
	given := false
	for i, line := range strings.Split(string(text), "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open == nil && trimmed == "<!-- go: given":
			open, given = &block{line: i + 1, language: "go"}, true
		case given && trimmed == "-->":
			p.blocks = append(p.blocks, *open)
			open, given = nil, false
		case open == nil && strings.HasPrefix(trimmed, "```"):
			open = &block{line: i + 1, language: strings.TrimPrefix(trimmed, "```"),
				compileOnly: marked.compileOnly, needs: marked.needs}
			marked = block{}
		case open != nil && trimmed == "```":
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(trimmed, "<!-- go:"):
			found := marker.FindStringSubmatch(trimmed)
			require.NotNil(t, found, "%s:%d: this comment is none that the tests know", path, i+1)
			marked = block{compileOnly: marked.compileOnly || found[2] == "", needs: marked.needs + found[2]}
		}
	}
	require.Nil(t, open, "%s: a block isn't closed", path)
	return p
}

// name is the page's, as a folder's.
func (p page) name() string {
	return strings.ToLower(strings.TrimSuffix(filepath.Base(p.path), ".md"))
}

// isThere reports whether the checkout has a function of that name, so that a page can
// show what is about to come.
func isThere(t *testing.T, name string) bool {
	t.Helper()
	if name == "" {
		return true
	}
	declared := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name + `[\[(]`)
	for _, dir := range []string{"..", "../dbstore"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if declared.Match(text) {
				return true
			}
		}
	}
	return false
}
