package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/cookiestore/example/lambda/gateway"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bootstrap builds the file that is deployed.
func bootstrap(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

// One visitor and 100 visits: in processes that were started one after the other, and
// behind each front in turn, while the key is rotated in the three steps that it takes.
func TestBootstrapSpeaksTheRuntimeAPI(t *testing.T) {
	program := bootstrap(t)
	v := newVisitor(t, gateway.FunctionURL)
	recorded := map[gateway.Front]map[string]any{}
	for _, front := range gateway.Fronts {
		event, err := gateway.Recorded(front)
		require.NoError(t, err)
		recorded[front] = event
	}
	visits := 0
	for _, process := range []struct {
		name          string
		key, fallback string
		stream        bool
	}{
		{"the first key", hexKey, "", false},
		{"the same, streaming", hexKey, "", true},
		{"the next key verifies already", hexKey, newerKey, false},
		{"the next key signs", newerKey, hexKey, false},
		{"the first key is gone", newerKey, "", false},
	} {
		env := []string{"SESSION_KEY=" + process.key, "SESSION_FALLBACK_KEYS=" + process.fallback}
		if process.stream {
			env = append(env, "RESPONSE=stream")
		}
		rt, err := gateway.Start(program, env...)
		require.NoError(t, err)
		v.gateway.Invoke = rt.Invoke
		for i := range 20 {
			v.gateway.Front = gateway.Fronts[i%len(gateway.Fronts)]
			if process.stream {
				v.gateway.Front = gateway.FunctionURL
			}
			v.gateway.Event = recorded[v.gateway.Front]
			visits++
			text := fmt.Sprintf("Hello, Ankit. Visits: %d\n", visits)
			if process.stream {
				v.streams(text)
			} else {
				v.wants("Ankit", text)
			}
		}
		rt.Stop()
	}
	assert.Equal(t, 100, visits)
}

// streams is wants for the streaming function.
func (v *visitor) streams(text string) {
	v.t.Helper()
	response, err := v.http.Get(site)
	require.NoError(v.t, err)
	defer response.Body.Close()
	assert.Equal(v.t, "private", response.Header.Get("Cache-Control"))
	assert.Equal(v.t, "Cookie", response.Header.Get("Vary"))
	assert.Len(v.t, response.Cookies(), 1)
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	assert.Equal(v.t, text+"still here: 0\nstill here: 1\nstill here: 2\n", string(body))
}

func TestFunctionWithoutAKeyDoesNotStart(t *testing.T) {
	output, err := exec.Command(bootstrap(t)).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "lambda: ")
	assert.Contains(t, string(output), "SESSION_KEY")
}
