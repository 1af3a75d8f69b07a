package cookiestore

import (
	"context"
	"slices"
)

// A ManyLoader is a [Store] that loads several sessions as fast as one. A visitor may
// send several cookies of one name, and anyone can send as many as are looked at, eight:
// without it, each of them is a query.
type ManyLoader interface {
	Store

	// LoadMany is Load for each of the values: its results are in their order, and
	// there are as many.
	LoadMany(ctx context.Context, name string, values []string) []LoadResult
}

// A LoadResult is what Load returns.
type LoadResult struct {
	Record Record
	Err    error
}

// loadAll has the store load several sessions, at once where it can.
func (m *Manager) loadAll(ctx context.Context, values []string) []found {
	all := make([]found, len(values))
	load := m.loadRecord
	if many, ok := m.store.(ManyLoader); ok {
		load = m.preload(ctx, many, values)
	}
	for i, value := range values {
		all[i].value = value
		if slices.Contains(values[:i], value) {
			all[i].err = refuse(ErrMalformed, "the same cookie was sent twice")
			continue
		}
		all[i].rec, all[i].err = load(ctx, value)
	}
	return all
}

// preload loads sessions at once and returns what takes the place of loadRecord for them.
func (m *Manager) preload(ctx context.Context, store ManyLoader, values []string) func(context.Context, string) (Record, error) {
	var wanted []string
	for _, value := range values {
		if m.checkSize(value) == nil && !slices.Contains(wanted, value) {
			wanted = append(wanted, value)
		}
	}
	results := store.LoadMany(ctx, m.cookie.Name, wanted)
	return func(ctx context.Context, value string) (Record, error) {
		if i := slices.Index(wanted, value); i >= 0 {
			return results[i].Record, results[i].Err
		}
		return m.loadRecord(ctx, value)
	}
}
