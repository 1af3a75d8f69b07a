package dbsc_test

import (
	"context"
	"fmt"
	"sync"

	"example.com/cookiestore"
)

// records is a store with records and versions, in memory, that can be made to fail.
type records struct {
	mu      sync.Mutex
	all     map[string]cookiestore.Record
	number  int
	failure error
}

func newRecords() *records { return &records{all: map[string]cookiestore.Record{}} }

func (s *records) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, ok := s.all[value]
	switch {
	case s.failure != nil:
		return rec, s.failure
	case !ok:
		return rec, cookiestore.ErrNoSession
	}
	return cookiestore.Record{Data: rec.Data, Saved: rec.Saved, Version: rec.Version}, nil
}

func (s *records) Save(_ context.Context, _ string, rec cookiestore.Record) (value, version string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec.Cookie != "" && s.all[rec.Cookie].Version != rec.Version {
		return "", "", cookiestore.ErrConflict
	}
	s.number++
	if value = rec.Cookie; value == "" || rec.NewID {
		delete(s.all, value)
		value = fmt.Sprintf("id%d", s.number)
	}
	rec.Version = fmt.Sprint("v", s.number)
	s.all[value] = rec
	return value, rec.Version, nil
}

func (s *records) Delete(_ context.Context, _, value, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, value)
	return nil
}

func (s *records) ClearExpired(context.Context) error { return nil }
