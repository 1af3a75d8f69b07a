package cookiestore

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// underFIPS reports whether this process has GODEBUG=fips140=only. If not, the test runs
// once more in one that has.
func underFIPS(t *testing.T) bool {
	t.Helper()
	return hasVariable(t, "GODEBUG", "fips140=only")
}

// hasVariable reports whether this process has the variable in its environment, with that
// value. If not, the test runs once more in one that has.
func hasVariable(t *testing.T, name, value string) bool {
	t.Helper()
	if os.Getenv(name) == value {
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), name+"="+value)
	out, err := again.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// A program that must not use SHA-1 refuses the rows that were signed with it, and reads
// all others.
func TestLegacyRowsUnderFIPS(t *testing.T) {
	if !underFIPS(t) {
		require.True(t, sha1Allowed())
		return // the other process has tested the rest
	}
	old := vectors(t, "legacy_db_row")[0]
	for _, value := range []string{old.Value, "A" + old.Value[1:]} {
		_, err := old.rows(t).Decode(value)
		require.True(t, IsRefused(err))
		require.EqualError(t, err, "cookiestore: cookie refused: a row from before Django 3.1 is signed with HMAC-SHA1, which GODEBUG=fips140=only does not allow")
	}
	v := vectors(t, "db_row")[0]
	row, err := v.rows(t).Decode(v.Value)
	require.NoError(t, err)
	require.Equal(t, *v.JSON, row.Data)
}
