// Package testdeps makes go test say which software is missing that tests of the other
// modules need, and without which they are skipped in silence: go test shows nothing of a
// package that passes but one line.
//
// Each package below it is named after a package of Debian's, and has that line. Where the
// software is missing, it ends in [no tests to run]:
//
//	ok  	example.com/cookiestore/testdeps/chromium	0.004s [no tests to run]
//
// With -v, go test says what was looked for. The name of the module makes these the last
// lines of go test work.
package testdeps

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

var skipped bool

// Need skips the test if err says that the software was not found, or fails it where env CI
// is set.
func Need(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		skipped = true
		t.Skipf("tests that need it are skipped: %v", err)
	}
}

// Main is for the TestMain of a package that stands for some software.
func Main(m *testing.M) {
	status := m.Run()
	if skipped {
		// What package testing says, and go test reads: a skipped test is a passed one to it.
		fmt.Println("testing: warning: no tests to run")
	}
	os.Exit(status)
}

// Program finds the first of some programs.
func Program(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("none of the programs %q is in the PATH", names)
}

// Database finds a server that answers, at the address in a variable of the environment, or
// else at the usual one.
func Database(driver, variable, usual string) error {
	db, err := sql.Open(driver, cmp.Or(os.Getenv(variable), usual))
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// PythonModule finds a module in the Python that the tests use: Debian's is not always the
// first in the PATH.
func PythonModule(name string) error {
	var err error
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if err = exec.Command(python, "-c", "import django, "+name).Run(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("no python3 can import %s together with django: %w", name, err)
}
