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

// loadFrom returns what loads the sessions of several cookies: at once where the store can.
func (m *Manager) loadFrom(ctx context.Context, values []string) loadFunc {
	store, ok := m.store.(ManyLoader)
	if !ok {
		return m.loadValue
	}
	wanted := slices.DeleteFunc(slices.Clone(values), func(value string) bool { return m.checkSize(value) != nil })
	results := store.LoadMany(ctx, m.cookie.Name, wanted)
	return func(ctx context.Context, value string) (Record, error) {
		if i := slices.Index(wanted, value); i >= 0 {
			return results[i].Record, results[i].Err
		}
		return m.loadValue(ctx, value)
	}
}
