package sessiontest_test

import (
	"context"
	"crypto/rand"
	"strconv"
	"sync"
	"testing"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
)

// records is a store that keeps sessions in memory, as small as one can be. It
// shows that the suite fits stores with records, and is not a store for a program:
// nothing bounds it.
type records struct {
	now   func() time.Time
	mu    sync.Mutex
	rows  map[string]cookiestore.Record
	saves int
}

func (s *records) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := s.rows[value]
	if !ok {
		return cookiestore.Record{}, cookiestore.ErrNoSession
	}
	return cookiestore.Record{Data: row.Data, Saved: row.Saved, Expires: row.Expires, Version: row.Version}, nil
}

func (s *records) Save(_ context.Context, _ string, rec cookiestore.Record) (value, version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := rec.Cookie
	if key != "" {
		if row, ok := s.rows[key]; !ok || row.Version != rec.Version {
			return "", "", cookiestore.ErrConflict
		}
	}
	if key == "" || rec.NewID {
		delete(s.rows, key)
		key = rand.Text()
	}
	s.saves++
	rec.Version = strconv.Itoa(s.saves)
	s.rows[key] = rec
	return key, rec.Version, nil
}

func (s *records) Delete(_ context.Context, _, value, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != "" && s.rows[value].Version != version {
		return cookiestore.ErrConflict
	}
	delete(s.rows, value)
	return nil
}

func (s *records) ClearExpired(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, row := range s.rows {
		if row.Expires.Before(s.now()) {
			delete(s.rows, key)
		}
	}
	return nil
}

func TestRecords(t *testing.T) {
	sessiontest.TestStore(t, func(_ testing.TB, clock func() time.Time) cookiestore.Store {
		return newRecords(clock)
	})
	t.Run("with revocations", func(t *testing.T) {
		sessiontest.TestStore(t, func(_ testing.TB, clock func() time.Time) cookiestore.Store {
			return newRecords(clock)
		}, revoking()...)
	})
}
