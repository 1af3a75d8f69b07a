package dbstore

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// fillExpired adds a million rows with times in the past, of 300 bytes each.
var fillExpired = map[Dialect]string{
	SQLite: `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000000)
		INSERT INTO {table} SELECT lower(hex(randomblob(16))), '{data}', '2020-01-01 00:00:00' FROM n`,
	PostgreSQL: `INSERT INTO {table} SELECT md5(i::text), '{data}', '2020-01-01 00:00:00Z' FROM generate_series(1, 1000000) AS i`,
	MySQL:      `INSERT INTO {table} SELECT MD5(seq), '{data}', '2020-01-01 00:00:00' FROM seq_1_to_1000000`,
}

// BenchmarkClearExpired measures ClearExpired on a million expired rows, and what
// requests of 16 visitors who change a session every 5 ms wait, before it and beside it.
// It needs some gigabytes of disk.
//
//	go test -run '^$' -bench ClearExpired -benchtime 1x -timeout 60m ./dbstore
func BenchmarkClearExpired(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			var store *Store
			if d.dialect == SQLite {
				store = newSQLite(b, "sqlite", filepath.Join(b.TempDir(), "s.db"))
			} else {
				db := d.open(b)
				db.SetMaxOpenConns(32)
				db.SetMaxIdleConns(32)
				store = newStore(b, db)
			}
			fill := strings.ReplaceAll(fillExpired[d.dialect], "{data}", strings.Repeat("x", 300))
			for range b.N {
				require.EqualValues(b, 1_000_000, store.sql(b, fill))
				var before, beside latencies
				require.Zero(b, changing(b, store, &before, func() { time.Sleep(10 * time.Second) }))
				var took time.Duration
				failed := changing(b, store, &beside, func() {
					began := time.Now()
					require.NoError(b, store.ClearExpired(b.Context()))
					took = time.Since(began)
				})
				b.ReportMetric(took.Seconds(), "s/clear")
				b.ReportMetric(before.at(0.99), "ms/p99-before")
				b.ReportMetric(beside.at(0.5), "ms/p50")
				b.ReportMetric(beside.at(0.99), "ms/p99")
				b.ReportMetric(float64(failed), "failed")
				b.ReportMetric(float64(len(beside.all)), "requests")
			}
		})
	}
}

// changing has visitors change their sessions while something is done, and returns how
// many of their requests failed.
func changing(b *testing.B, store *Store, took *latencies, do func()) int64 {
	manager, err := cookiestore.NewManager(store)
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	var failures atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		key := store.insert(b, `{"a":"`+strings.Repeat("x", 200)+`"}`, time.Now(), time.Hour)
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				began := time.Now()
				s, err := manager.Load(b.Context(), "sessionid="+key)
				if err == nil {
					s.Set("n", n)
					_, err = manager.Save(b.Context(), s)
				}
				if err != nil {
					failures.Add(1)
				}
				took.add(time.Since(began))
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	do()
	stop()
	all.Wait()
	return failures.Load()
}
