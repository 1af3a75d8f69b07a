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
	"maps"
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
	url      string
	version  [3]int
	quit     func()
	settings settings  // all that it was started with
	db       *database // where it keeps sessions; nil is in the cookies
}

// since reports whether the site runs on this version of Django or a later one.
func (d *djangoSite) since(major, minor int) bool {
	return d.version[0] > major || d.version[0] == major && d.version[1] >= minor
}

type settings map[string]any

// with returns these settings and others, which count where both have one.
func (s settings) with(others settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, others)
	return all
}

// another starts a site beside this one, with the same users and database, whose
// settings are the same but for these.
func (d *djangoSite) another(t *testing.T, s settings) *djangoSite {
	t.Helper()
	site, err := startDjango(pythonWithDjango(t), d.settings.with(s))
	require.NoError(t, err)
	t.Cleanup(site.quit)
	site.db = d.db
	return site
}

// TestMain ends the sites that the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range append(inDatabases, inCookies) {
		s.end()
	}
	os.Exit(code)
}

// A sharedSite is a site with Django's own defaults. It keeps nothing of its
// visitors but the user zoe and their sessions, so one will do for many tests.
type sharedSite struct {
	name string
	open func(t *testing.T, dir string) (*database, error) // nil: sessions are in the cookies

	once sync.Once
	dir  string
	db   *database
	site *djangoSite
	err  error
}

var (
	inCookies    = &sharedSite{name: "in signed cookies"}
	inSQLite     = &sharedSite{name: "in SQLite", open: openSQLite}
	inPostgreSQL = &sharedSite{name: "in PostgreSQL", open: openPostgreSQL}
	inMariaDB    = &sharedSite{name: "in MariaDB", open: openMariaDB}

	inDatabases = []*sharedSite{inSQLite, inPostgreSQL, inMariaDB}
)

// start returns the site, which runs until all tests have.
func (s *sharedSite) start(t *testing.T) *djangoSite {
	t.Helper()
	python := pythonWithDjango(t)
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "interop"); s.err != nil {
			return
		}
		if s.open != nil {
			if s.db, s.err = s.open(t, s.dir); s.err != nil {
				return
			}
		}
		s.site, s.err = startDjangoOn(python, s.db, s.dir, settings{"SECRET_KEY": secretKey})
	})
	skipIfMissing(t, s.err)
	require.NoError(t, s.err)
	return s.site
}

func (s *sharedSite) end() {
	if s.site != nil {
		s.site.quit()
	}
	if s.db != nil {
		s.db.drop()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// sharedDjango is the shared site that keeps sessions in signed cookies.
func sharedDjango(t *testing.T) *djangoSite {
	t.Helper()
	return inCookies.start(t)
}

// onEachStore runs a test with sessions in cookies and in each database.
func onEachStore(t *testing.T, test func(t *testing.T, django *djangoSite)) {
	t.Helper()
	t.Run(inCookies.name, func(t *testing.T) { test(t, inCookies.start(t)) })
	onEachDatabase(t, test)
}

// onEachDatabase runs a test with sessions in each database.
func onEachDatabase(t *testing.T, test func(t *testing.T, django *djangoSite)) {
	t.Helper()
	for _, s := range inDatabases {
		t.Run(s.name, func(t *testing.T) { test(t, s.start(t)) })
	}
}

// newDjango starts a site that keeps sessions in signed cookies, with the given
// settings. Sites with the same directory have the same users.
func newDjango(t *testing.T, dir string, s settings) *djangoSite {
	t.Helper()
	site, err := startDjangoOn(pythonWithDjango(t), nil, dir, s)
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
	skipIfMissing(t, &missing{"no python3 can import django: install Debian's python3-django package (apt-get install python3-django)"})
	return ""
}

// missing is an error that says what to install.
type missing struct{ what string }

func (m *missing) Error() string { return m.what }

// skipIfMissing skips the test if the error says that something is missing. Where
// all tests must run, it fails.
func skipIfMissing(t *testing.T, err error) {
	t.Helper()
	var m *missing
	switch {
	case !errors.As(err, &m):
		return
	case os.Getenv("CI") != "":
		t.Fatal(m.what)
	default:
		t.Skip(m.what)
	}
}

// startDjangoOn starts a site that keeps sessions in a database, or in cookies if
// there is none. Its users are then in the directory.
func startDjangoOn(python string, db *database, dir string, s settings) (*djangoSite, error) {
	base := settings{"DATABASES": settings{"default": sqliteSettings(dir)}}
	if db != nil {
		base = settings{
			"DATABASES":      settings{"default": db.settings},
			"SESSION_ENGINE": "django.contrib.sessions.backends.db",
		}
	}
	site, err := startDjango(python, base.with(s))
	if err != nil {
		return nil, err
	}
	site.db = db
	return site, nil
}

func startDjango(python string, s settings) (*djangoSite, error) {
	line, err := json.Marshal(s)
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
	return &djangoSite{url: "http://" + said.Address, version: said.Version, quit: quit, settings: s}, nil
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
