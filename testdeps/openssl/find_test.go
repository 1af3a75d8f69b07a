package openssl

import (
	"testing"

	"example.com/cookiestore/testdeps"
)

func find() error { return testdeps.Program("openssl") }

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
