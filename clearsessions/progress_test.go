package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgress(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var terminal bytes.Buffer
	shown := func() string { defer terminal.Reset(); return terminal.String() }
	p := newProgress(&terminal, "sessions removed", func() time.Time { return now })
	for _, step := range []struct {
		name  string
		later time.Duration
		want  string
	}{
		{"short work shows nothing", 0, ""},
		{"until a second has passed", patience - 1, ""},
		{"then it does", 1, "\rclearsessions: 30 sessions removed"},
		{"not too often", pace - 1, ""},
		{"but often enough", 1, "\rclearsessions: 50 sessions removed"},
	} {
		now = now.Add(step.later)
		p.add(10)
		assert.Equal(t, step.want, shown(), step.name)
	}
	p.erase()
	assert.Equal(t, "\r\x1b[K", shown())
	p.erase()
	assert.Empty(t, shown(), "there is nothing left to erase")

	newProgress(&terminal, "", time.Now).erase()
	assert.Empty(t, shown(), "nothing was shown")
	var nobody *progress
	nobody.add(1)
	nobody.erase()
}

// A line is shown where somebody watches: on a terminal, and nowhere else.
func TestWatched(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("there are no pseudo-terminals to test with: run it on Linux with devpts mounted (%v)", err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "errors.txt"))
	require.NoError(t, err)
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()

	require.NotNil(t, watched(terminal, ""))
	require.Nil(t, watched(file, ""))
	require.Nil(t, watched(null, ""))
	require.Nil(t, watched(&bytes.Buffer{}, ""))

	for _, test := range []struct {
		name    string
		command command
		out     *os.File
		want    string // "" means no line
	}{
		{"removing", command{}, file, "sessions removed"},
		{"removing, at a terminal", command{}, terminal, "sessions removed"},
		{"a list into a file", command{wantsList: true}, file, "sessions listed"},
		{"a list that is seen itself", command{wantsList: true}, terminal, ""},
		{"a count", command{wantsCount: true}, file, ""},
		{"a service", command{every: time.Hour}, file, ""},
	} {
		p := test.command.progress(test.out, terminal)
		if test.want == "" {
			assert.Nil(t, p, test.name)
			continue
		}
		if assert.NotNil(t, p, test.name) {
			assert.Equal(t, test.want, p.what, test.name)
			assert.True(t, p.next.After(time.Now().Add(-patience)), test.name)
		}
		assert.Nil(t, test.command.progress(test.out, file), "nobody watches")
	}
}
