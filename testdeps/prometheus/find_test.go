package prometheus

import (
	"cmp"
	"testing"

	"example.com/cookiestore/testdeps"
)

func find() error { return cmp.Or(testdeps.Program("promtool"), testdeps.Program("prometheus")) }

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
