// Package interop has no code: its tests run a Django site, a gorilla/sessions
// site and a cookiestore site side by side, and walk a visitor from one to the
// other.
package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secretKey is like those that Django's startproject makes.
const (
	secretKey    = "django-insecure-8(w3k$2^x!m=u5vq#z@c9&t0_r7)y*e-hb+n1jd4a6"
	newSecretKey = "rr#9n)w+0t@k5m!c=q2x8&z_v4(j7$y1^b*s3-ue6hdagfpl"
)

// djangoSite is testdata/django_site.py, running.
type djangoSite struct {
	url     string
	version [3]int
	quit    func()
}

// since reports whether the site runs on this version of Django or a later one.
func (d *djangoSite) since(major, minor int) bool {
	return d.version[0] > major || d.version[0] == major && d.version[1] >= minor
}

type settings map[string]any

// TestMain ends the site that the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared.site != nil {
		shared.site.quit()
	}
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

var shared struct {
	once sync.Once
	dir  string
	site *djangoSite
	err  error
}

// sharedDjango is a site with Django's own defaults. It keeps nothing of its
// visitors but the user zoe, so one will do for many tests.
func sharedDjango(t *testing.T) *djangoSite {
	t.Helper()
	python := pythonWithDjango(t)
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "interop"); shared.err == nil {
			shared.site, shared.err = startDjango(python, shared.dir, settings{"SECRET_KEY": secretKey})
		}
	})
	require.NoError(t, shared.err)
	return shared.site
}

// newDjango starts a site with the given settings. Sites with the same directory
// have the same users.
func newDjango(t *testing.T, dir string, s settings) *djangoSite {
	t.Helper()
	site, err := startDjango(pythonWithDjango(t), dir, s)
	require.NoError(t, err)
	t.Cleanup(site.quit)
	return site
}

var findPython = sync.OnceValue(func() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import django").Run() == nil {
			return python
		}
	}
	return ""
})

// pythonWithDjango returns the Python interpreter that has Django. Debian's is
// not always the first in the path.
func pythonWithDjango(t *testing.T) string {
	t.Helper()
	python := findPython()
	if python != "" {
		return python
	}
	const missing = "no python3 can import django: install Debian's python3-django package (apt-get install python3-django)"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

func startDjango(python, dir string, s settings) (*djangoSite, error) {
	config := settings{"DATABASE": filepath.Join(dir, "users.sqlite3")}
	for name, value := range s {
		config[name] = value
	}
	line, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}

	cmd := exec.Command(python, filepath.Join("testdata", "django_site.py"))
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	// It ends itself when this is closed, and so even if the tests are killed.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	quit := sync.OnceFunc(func() {
		stdin.Close()
		timer := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer timer.Stop()
		cmd.Wait()
	})

	if _, err := fmt.Fprintf(stdin, "%s\n", line); err != nil {
		quit()
		return nil, errors.Join(err, errors.New(complaints.String()))
	}
	var said struct {
		Address string
		Version [3]int
	}
	first, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(first, &said)
	}
	if err != nil {
		quit()
		return nil, fmt.Errorf("the Django site did not start: %w\n%s", err, complaints.String())
	}
	return &djangoSite{url: "http://" + said.Address, version: said.Version, quit: quit}, nil
}

// reply is what a site answered.
type reply struct {
	status int
	body   string
	cookie *cookie // nil if it set none
	vary   string
}

// decode returns the JSON of the body.
func decode[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(r.body))
	require.NoError(t, decoder.Decode(&v), "not a %T: %s", v, r.body)
	_, err := decoder.Token()
	require.ErrorIs(t, err, io.EOF)
	return v
}
