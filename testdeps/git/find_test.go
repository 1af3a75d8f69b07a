package git

import (
	"testing"

	"example.com/cookiestore/testdeps"
)

func find() error { return testdeps.Program("git") }

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
