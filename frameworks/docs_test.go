// Package frameworks has one program for each of several web frameworks, and the tests
// that they pass. What is needed for each is in docs/frameworks.md, docs/serverless.md,
// docs/login.md and docs/metrics.md.
package frameworks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var snippet = regexp.MustCompile("(?s)(?:<!-- from ([^ ]+) -->\n)?```(?:go|yaml)\n(.*?)```")

func TestPagesQuoteWhatIsTested(t *testing.T) {
	for _, page := range []string{"frameworks.md", "serverless.md", "login.md", "metrics.md"} {
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		require.NoError(t, err)
		snippets := snippet.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, snippets, page)
		for _, found := range snippets {
			from, code := found[1], found[2]
			if assert.NotEmpty(t, from, "%s doesn't say where this is from:\n%s", page, code) {
				source, err := os.ReadFile(filepath.Join("..", from))
				require.NoError(t, err)
				assert.True(t, strings.Contains(string(source), code), "%s: not in %s:\n%s", page, from, code)
			}
		}
	}
}

var version = regexp.MustCompile(`^\t(?:[^/]+/)+?([^/ ]+)(?:/v\d+)? v(\S+)`)

// The versions that the pages name are those of go.mod.
func TestPagesNameTheVersionsThatAreTested(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	versions := map[string][]string{}
	for line := range strings.Lines(string(mod)) {
		if match := version.FindStringSubmatch(line); match != nil {
			versions[match[1]] = append(versions[match[1]], match[2])
		}
	}
	for page, modules := range map[string][]string{
		"frameworks.md": {"chi", "mux", "echo", "gin", "fiber", "huma", "connect", "quic-go", "websocket"},
		"serverless.md": {"aws-lambda-go", "aws-lambda-go-api-proxy", "algnhsa", "functions-framework-go", "wazero"},
		"login.md":      {"go-oidc", "oauth2", "goth", "authboss", "webauthn"},
		"metrics.md":    {"client_golang", "otel"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		require.NoError(t, err)
		for _, module := range modules {
			require.NotEmpty(t, versions[module], module)
			for _, v := range versions[module] {
				assert.Contains(t, string(text), " "+v, "%s: version of %s", page, module)
			}
		}
	}
}
