package main

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireDatabase begins the database's place, or skips the test with a sentence
// that says how to get the database; where CI is set, it fails instead.
func requireDatabase(t *testing.T, db *database) {
	t.Helper()
	if db == nil {
		return
	}
	if db == sqlite {
		t.Setenv("BENCH_SQLITE", t.TempDir())
	}
	_, err := db.begin(t.Context())
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("%s does not answer: %s (%v)", db.name, db.help, err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.end(context.Background())) })
}

func TestEveryStoreCounts(t *testing.T) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) {
			requireDatabase(t, b.db)
			p, err := b.open(t.Context())
			require.NoError(t, err)
			requireCounts(t, p, 1000)
		})
	}
}

func TestEveryStoreIsFilledToTheNumberOfVisitors(t *testing.T) {
	for _, b := range backends() {
		if b.fill == nil {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			requireDatabase(t, b.db)
			const n = 2500
			f, err := measureFootprint(t.Context(), b, n)
			require.NoError(t, err)
			require.EqualValues(t, n, f.rows)
			require.Greater(t, f.bytes, int64(n*300), "of each session, though it may be compressed")
		})
	}
}

func TestVisitorsMeasureAServer(t *testing.T) {
	b, err := findBackend("cookiestore")
	require.NoError(t, err)
	p, err := b.open(t.Context())
	require.NoError(t, err)
	web := httptest.NewServer(site(p))
	defer web.Close()
	s := &server{addr: strings.TrimPrefix(web.URL, "http://")}
	visitors, err := logInAll(s, 1000)
	require.NoError(t, err)
	for _, path := range []string{"/read", "/change"} {
		got, err := measure(s, visitors[:3], path, 20*time.Millisecond)
		require.NoError(t, err)
		require.Positive(t, got.rate)
		require.LessOrEqual(t, got.p50, got.p99)
		require.Greater(t, got.up, 1400.0, "the cookie goes up")
		require.Equal(t, path == "/change", got.down > 1400, "and down when it changes")
	}

	visitors[0].visits += 5
	_, err = measure(s, visitors[:1], "/read", time.Millisecond)
	require.ErrorContains(t, err, "says", "a server that counts wrongly gives no result")
}

func TestASessionThatDoesNotFitIsSaid(t *testing.T) {
	web := httptest.NewServer(site(gorillaPeer()))
	defer web.Close()
	_, err := logInAll(&server{addr: strings.TrimPrefix(web.URL, "http://")}, 3000)
	require.ErrorAs(t, err, new(errTooLarge))
}

func TestAStoreWhoseDatabaseDoesNotAnswerIsLeftOut(t *testing.T) {
	t.Setenv("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:1/test?sslmode=disable")
	var asked []backend
	for _, name := range []string{"cookiestore", "dbstore-postgresql", "scs-memory"} {
		b, err := findBackend(name)
		require.NoError(t, err)
		asked = append(asked, b)
	}
	use, _, left := reachable(t.Context(), asked)
	require.Len(t, use, 2)
	require.Len(t, left, 1)
	require.Contains(t, left[0], "dbstore-postgresql is left out: PostgreSQL does not answer")

	err := run(t.Context(), []string{"stores", "-only", "dbstore-postgresql", "-all", "-o", t.TempDir()})
	require.ErrorContains(t, err, "-all is set")
}
