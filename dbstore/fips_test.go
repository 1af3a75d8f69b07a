package dbstore

import (
	"go/build"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// underFIPS reports whether this process has GODEBUG=fips140=only. If not, the test runs
// once more in one that has.
func underFIPS(t *testing.T) bool {
	t.Helper()
	if os.Getenv("GODEBUG") == "fips140=only" {
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// A program that must not use MD5 gets the names that Django gives indexes, or before
// Go 1.26 an error, and never a panic.
func TestTableIsMadeUnderFIPS(t *testing.T) {
	if !underFIPS(t) {
		return // the other process has tested it
	}
	store, err := New(openSQLite(t), testKey)
	require.NoError(t, err)
	err = store.CreateTable(t.Context())
	if slices.Contains(build.Default.ReleaseTags, "go1.26") {
		require.NoError(t, err)
		var name string
		require.NoError(t, store.db.QueryRow("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%expire_date%'").Scan(&name))
		require.Equal(t, "django_session_expire_date_a5c62663", name)
		return
	}
	require.ErrorContains(t, err, "Django names indexes with MD5")
}
