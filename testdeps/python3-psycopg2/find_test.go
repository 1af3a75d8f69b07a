package psycopg2

import (
	"testing"

	"example.com/cookiestore/testdeps"
)

func find() error { return testdeps.PythonModule("psycopg2") }

func TestMain(m *testing.M) { testdeps.Main(m) }

func TestIsThere(t *testing.T) { testdeps.Need(t, find()) }
