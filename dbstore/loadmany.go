package dbstore

import (
	"context"
	"slices"

	"example.com/cookiestore"
)

// manyKeys is how many rows one query of LoadMany looks for: as many as the cookies of
// one name that the middleware looks at.
const manyKeys = 8

// LoadMany is Load for each of the values, with one query for up to eight of them.
// Values that are not of the form of a key are refused without one.
func (s *Store) LoadMany(ctx context.Context, _ string, values []string) []cookiestore.LoadResult {
	results := make([]cookiestore.LoadResult, len(values))
	var asked []int // the indexes of the values to look for
	for i, value := range values {
		if isKey(value) {
			asked = append(asked, i)
		} else {
			results[i].Err = errNoKey
		}
	}
	for some := range slices.Chunk(asked, manyKeys) {
		s.loadInto(ctx, values, some, results)
	}
	return results
}

// loadInto loads the values that are asked for.
func (s *Store) loadInto(ctx context.Context, values []string, asked []int, results []cookiestore.LoadResult) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	args := make([]any, manyKeys)
	for i := range args { // the same statement whatever their number: the last one fills up
		args[i] = s.rowKey(values[asked[min(i, len(asked)-1)]])
	}
	rows, err := s.queryRows(ctx, s.queries.loadMany, args...)
	byKey := make(map[string]Row, len(rows))
	for _, row := range rows {
		byKey[row.SessionKey] = row
	}
	for i, n := range asked {
		row, there := byKey[args[i].(string)]
		switch result := &results[n]; {
		case err != nil:
			result.Err = err
		case !there:
			result.Err = errNoRow
		default:
			entry, err := s.entry(row)
			result.Record, result.Err = entry.Record, err
		}
	}
}
