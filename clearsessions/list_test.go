package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

func TestCount(t *testing.T) {
	path, store, over, kept := sessions(t, "django_session")
	status, out, errOut := call(t, t.Context(), nil, "-store", "sqlite", "-dsn", path, "-count")
	assert.Equal(t, good, status)
	assert.Equal(t, "live\t1\nexpired\t1\n", out)
	assert.Empty(t, errOut)
	for _, key := range []string{over, kept} {
		_, err := store.Row(t.Context(), key)
		assert.NoError(t, err, "nothing is removed")
	}
}

func TestList(t *testing.T) {
	path, store, over, kept := sessions(t, "django_session")
	row, err := store.Row(t.Context(), kept)
	require.NoError(t, err)
	line := fmt.Sprintf("%s\t%s\t%d", kept, row.ExpireDate.Format(time.RFC3339), len(row.SessionData))

	status, out, errOut := call(t, t.Context(), nil, "-store", "sqlite", "-dsn", path, "-list")
	assert.Equal(t, good, status)
	assert.Equal(t, line+"\n", out)
	assert.Empty(t, errOut)

	status, out, _ = call(t, t.Context(), nil, "-store", "sqlite", "-dsn", path, "-list", "-values")
	assert.Equal(t, good, status)
	assert.Equal(t, line+"\t{\"n\":1}\n", out)

	_, err = store.Row(t.Context(), over)
	assert.NoError(t, err, "nothing is removed")
}

// What the table holds is shown in one line each, and does nothing to a terminal.
func TestListOfWhatOthersWrote(t *testing.T) {
	path, _, _, _ := sessions(t, "django_session")
	db, err := openDatabase("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	rows, err := cookiestore.NewDjangoRows([]byte("key"))
	require.NoError(t, err)
	spaced, err := rows.Encode("{ \"name\" : \"J\u00fcrgen Gro\u00df\" }", time.Now())
	require.NoError(t, err)
	_, err = db.Exec("DELETE FROM django_session")
	require.NoError(t, err)
	insert := func(key, data, date string) {
		_, err := db.Exec("INSERT INTO django_session VALUES (?, ?, ?)", key, data, date)
		require.NoError(t, err)
	}
	insert("a", "pickled", "2999-01-01 00:00:00")
	insert("b", spaced, "2999-01-01 00:00:00")
	insert("c\x1b]0;owned\a\n", "", "soon")
	insert("d", "eyJhIjoiwpsyIn0:1xocE4:s", "2999-01-01 00:00:00") // has U+009B, a control character
	status, out, errOut := call(t, t.Context(), nil, "-store", "sqlite", "-dsn", path, "-list", "-values")
	assert.Equal(t, good, status)
	assert.Empty(t, errOut)
	assert.Equal(t, []string{
		"a\t2999-01-01T00:00:00Z\t7\tunreadable",
		fmt.Sprintf("b\t2999-01-01T00:00:00Z\t%d\t%s", len(spaced), `{"name":"J\u00fcrgen Gro\u00df"}`),
		`"c\x1b]0;owned\a\n"` + "\t?\t0\tunreadable",
		"d\t2999-01-01T00:00:00Z\t24\t" + `"{\"a\":\"\u009b2\"}"`,
		"",
	}, strings.Split(out, "\n"))
}

func TestListOfHashedKeys(t *testing.T) {
	path, plain, _, _ := sessions(t, "django_session")
	db, err := openDatabase("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	hashed, err := dbstore.New(db, []byte("the site's own key"), dbstore.WithTable("hashed"), dbstore.WithHashedKeys())
	require.NoError(t, err)
	require.NoError(t, hashed.CreateTable(t.Context()))
	cookie := save(t, hashed, time.Hour)
	_, out, _ := call(t, t.Context(), nil, "-store", "sqlite", "-dsn", path, "-list", "-values", "-table", "hashed")
	assert.NotContains(t, out, cookie)
	assert.Regexp(t, `^[a-z2-7]{40}\t\S+\t\d+\t{"n":1}\n$`, out)
	require.NotNil(t, plain)
}

// full is an output that can't be written to.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	path, store, _, _ := sessions(t, "django_session")
	for range 200 { // more than a buffer holds
		save(t, store, time.Hour)
	}
	for _, flags := range [][]string{{"-list"}, {"-count"}} {
		var errOut strings.Builder
		status := run(t.Context(), slices.Concat(flags, []string{"-store", "sqlite", "-dsn", path}), func(string) string { return "" }, full{}, &errOut)
		assert.Equal(t, bad, status, flags)
		assert.Contains(t, errOut.String(), "no space left on device")
	}
}
