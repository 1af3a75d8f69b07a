package cookiestore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// errDown is the error of stores that fail.
var errDown = errors.New("the database is down")

// saveOne saves a session of which at most one cookie is to be set.
func saveOne(ctx context.Context, m *cookiestore.Manager, s *cookiestore.Session) (*http.Cookie, error) {
	cookies, err := m.Save(ctx, s)
	if err != nil || len(cookies) == 0 {
		return nil, err
	}
	if len(cookies) > 1 {
		panic("more than one cookie is to be set")
	}
	return cookies[0], nil
}

// rows is a store with records, in memory, with versions.
type rows struct {
	mu     sync.Mutex
	rows   map[string]cookiestore.Record
	number int
}

func newRows() *rows { return &rows{rows: map[string]cookiestore.Record{}} }

func (s *rows) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[value]
	if !ok {
		return cookiestore.Record{}, cookiestore.ErrNoSession
	}
	return cookiestore.Record{Data: row.Data, Saved: row.Saved, Version: row.Version}, nil
}

func (s *rows) Save(_ context.Context, _ string, rec cookiestore.Record) (value, version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec.Cookie != "" && s.rows[rec.Cookie].Version != rec.Version {
		return "", "", cookiestore.ErrConflict
	}
	s.number++
	value = rec.Cookie
	if value == "" || rec.NewID {
		delete(s.rows, value)
		value = fmt.Sprintf("id:%d", s.number)
	}
	rec.Version = fmt.Sprint("v", s.number)
	s.rows[value] = rec
	return value, rec.Version, nil
}

func (s *rows) Delete(_ context.Context, _, value, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != "" && s.rows[value].Version != version {
		return cookiestore.ErrConflict
	}
	delete(s.rows, value)
	return nil
}

func (s *rows) ClearExpired(context.Context) error { return nil }

// begin saves a session at a time, and returns its cookie, "name=value".
func begin(t *testing.T, store cookiestore.Store, at time.Time, data string) string {
	t.Helper()
	value, _, err := store.Save(t.Context(), "sessionid", cookiestore.Record{Data: data, Saved: at})
	require.NoError(t, err)
	return "sessionid=" + value
}

// A clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) option() cookiestore.Option { return cookiestore.WithClock(c.time) }

// logTo returns a logger of all levels.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// infoTo returns a logger of the levels that one has by default.
func infoTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// bothKinds are a store that keeps sessions in cookies, and one that keeps records.
func bothKinds(t *testing.T) map[string]cookiestore.Store {
	return map[string]cookiestore.Store{"in the cookie": newStore(t), "in a record": newRows()}
}
