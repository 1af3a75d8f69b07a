package cookiestore_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// phrases are what a native speaker would say otherwise.
var phrases = []struct {
	pattern *regexp.Regexp
	allowed *regexp.Regexp // matches of the pattern that are right
	say     string
}{
	{regexp.MustCompile(`(?i)(\w+ )?\b(is|are|was|were|be) no \w+`),
		regexp.MustCompile(`(?i)^there (is|are|was|were|be) no | no (longer|more|less|fewer|later|earlier|different|better|worse)$`), "isn't a"},
	{regexp.MustCompile(`(?i)\ban own \w+`), nil, "a ... of its own"},
	{regexp.MustCompile(`(?:^|[.!:;] )Who [a-z][^.?!]*(?:[.?!]|$)`), regexp.MustCompile(`\?$`), "Anyone who, or If you"},
	{regexp.MustCompile(`(?i)\b(\w+ )?(is|are|was|were|not|and|or) over($|[.,:;)]| (meanwhile|at|in|is|when|or|and|by|for|from)\b)`),
		regexp.MustCompile(`^over and over`), "expired"},
	{regexp.MustCompile(`(?i)\b(so that|then) who [a-z]`), nil, "somebody who"},
	{regexp.MustCompile(`(?i)server table`), nil, "session table to run"},
	{regexp.MustCompile(`(?i)(its|the|their) very bytes`), nil, "byte for byte"},
	{regexp.MustCompile(`(?i)\bnobody touches\b`), nil, "untouched"},
	{regexp.MustCompile(`(?i)used all the time`), nil, "regardless of activity"},
	{regexp.MustCompile(`(?i)that of no\b`), nil, "no ... matches"},
	{regexp.MustCompile(`(?i)\bor otherwise, if\b`), nil, "or fallback, if"},
	{regexp.MustCompile(`(?i)kept from scripts`), nil, "hidden from page JavaScript"},
	{regexp.MustCompile(`(?i)what browsers keep`), nil, "the browsers' limit"},
	{regexp.MustCompile(`(?i)\bmiss(es|ed)? an aim|aims? (is|are) missed|before this page was written`), nil, "(leave development history out)"},
}

func TestTheEnglishIsPlain(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == "testdata", entry.Name() == ".git":
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir(), filepath.ToSlash(path) == "style_test.go":
			return nil
		}
		for _, p := range prose(t, path) {
			for _, found := range badPhrases(p.text) {
				assert.Fail(t, found, "%s:%d", path, p.line)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// placeholder is a line that a script or a person was to replace with text, such as
// the name of a table of figures.
var placeholder = regexp.MustCompile(`^[A-Z]+_[A-Z_]+$`)

func TestTheEnglishLeavesNoPlaceholder(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Empty(t, placeholders(string(text)), path)
		return nil
	})
	require.NoError(t, err)
}

// placeholders returns the placeholders of a page, outside of code.
func placeholders(text string) (found []string) {
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if line = strings.TrimRight(line, " \t\r"); !fenced && placeholder.MatchString(line) {
			found = append(found, fmt.Sprintf("line %d: %s", i+1, line))
		}
	}
	return found
}

func TestPlaceholdersAreFound(t *testing.T) {
	require.Equal(t, []string{"line 1: CLEAR_TABLE", "line 8: A_B_C"},
		placeholders("CLEAR_TABLE \n\n```sh\nSECRET_KEY\n```\n    SECRET_KEY\nSet SECRET_KEY\nA_B_C\nHTTP\n`A_B`"))
}

// badPhrases returns what a text should say otherwise.
func badPhrases(text string) (found []string) {
	for _, phrase := range phrases {
		for _, match := range phrase.pattern.FindAllString(text, -1) {
			if phrase.allowed == nil || !phrase.allowed.MatchString(match) {
				found = append(found, fmt.Sprintf("%q: say %q", match, phrase.say))
			}
		}
	}
	return found
}

func TestPhrasesAreFound(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{"A failed save is no success.", 1},
		{"There is no key that is no longer needed.", 0},
		{"the value is no int", 1},
		{"It has an own name.", 1},
		{"Nobody knows. Who needs more needs a database.", 1},
		{"Who is logged in?", 0},
		{"visitors who only read", 0},
		{"one that verifies and is not over", 1},
		{"whether the session is over", 1},
		{"the cookie is over 4096 bytes", 0},
		{"with no server table", 1},
		{"the signature is that of no key that is given", 1},
	} {
		assert.Len(t, badPhrases(tt.text), tt.want, tt.text)
	}
}

// A paragraph is a text that belongs together, and where it begins.
type paragraph struct {
	line int
	text string
}

// prose returns what people read in a file: paragraphs of a page, and the comments and
// strings of Go code.
func prose(t *testing.T, path string) []paragraph {
	t.Helper()
	switch filepath.Ext(path) {
	case ".go":
		return goProse(t, path)
	case ".md":
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return markdownProse(string(text))
	}
	return nil
}

func goProse(t *testing.T, path string) (all []paragraph) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	add := func(at token.Pos, text string) {
		all = append(all, paragraph{files.Position(at).Line, strings.Join(strings.Fields(text), " ")})
	}
	for _, comment := range file.Comments {
		for _, text := range strings.Split(comment.Text(), "\n\n") {
			add(comment.Pos(), text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				add(literal.Pos(), text)
			}
		}
		return true
	})
	return all
}

// markdownProse leaves code out.
func markdownProse(text string) (all []paragraph) {
	fenced := false
	var current paragraph
	for i, line := range strings.Split(text+"\n", "\n") {
		trimmed := strings.TrimSpace(line)
		isFence := strings.HasPrefix(trimmed, "```")
		if isFence {
			fenced = !fenced
		}
		if trimmed == "" || fenced || isFence || strings.HasPrefix(line, "#") {
			if current.text != "" {
				all = append(all, current)
			}
			current = paragraph{}
			continue
		}
		if current.text == "" {
			current.line = i + 1
		}
		current.text = strings.TrimSpace(current.text + " " + strings.TrimLeft(trimmed, "-*|> "))
	}
	return all
}
