package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/redis/go-redis/v9"
)

// visitorSize is the bytes of JSON of the sessions of the many visitors.
const visitorSize = 1000

// A footprint is what the sessions of many visitors take.
type footprint struct {
	store       string
	rows, bytes int64
}

// measureFootprints begins n sessions in each of the stores that can tell what
// they take. The first ones, up to a thousand, log in; the rest are copies of
// their rows under new random keys.
func measureFootprints(ctx context.Context, use []backend, n int) ([]footprint, error) {
	var all []footprint
	for _, b := range use {
		if b.db == nil && b.name == "cookiestore" {
			all = append(all, footprint{store: b.name})
		}
		if b.fill == nil {
			continue
		}
		start := time.Now()
		f, err := measureFootprint(ctx, b, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %s visitors in %s\n", b.name, thousands(float64(n)), time.Since(start).Round(time.Second))
		all = append(all, f)
	}
	return all, nil
}

func measureFootprint(ctx context.Context, b backend, n int) (footprint, error) {
	if _, err := b.db.begin(ctx); err != nil { // all is empty again
		return footprint{}, err
	}
	p, err := b.open(ctx)
	if err != nil {
		return footprint{}, err
	}
	login := p.login(sample(visitorSize))
	for range min(n, 1000) {
		if _, _, err := visitOnce(login, nil); err != nil {
			return footprint{}, err
		}
	}
	bytes, err := b.fill(ctx, n)
	return footprint{store: b.name, rows: int64(n), bytes: bytes}, err
}

// fillTable copies rows until the table has n, and returns the table's bytes with
// its indexes. The first column is the key.
func fillTable(ctx context.Context, db *sql.DB, kind *database, table, columns string, n int) (int64, error) {
	keyColumn, newKey := "session_key", map[*database]string{
		sqlite:   "lower(hex(randomblob(16)))",
		postgres: "replace(gen_random_uuid()::text, '-', '')",
		mariadb:  "md5(concat(uuid(), rand()))",
	}[kind]
	if table == "sessions" { // of scs: 43 characters
		keyColumn, newKey = "token", "left("+newKey+" || "+newKey+", 43)"
	}
	if err := execAll(ctx, db, "CREATE TABLE first_rows AS SELECT "+columns+" FROM "+table); err != nil {
		return 0, err
	}
	const batch = 100_000 // so that no transaction is a huge one
	for {
		have, err := scalar[int](ctx, db, "SELECT count(*) FROM "+table)
		if err != nil {
			return 0, err
		}
		if have >= n {
			break
		}
		// In the order of the keys each batch goes through the table once; the
		// table is the same as from keys in any order.
		err = execAll(ctx, db, fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT * FROM "+
			"(SELECT %s AS new_key, a.%s FROM first_rows a CROSS JOIN (SELECT 1 AS one FROM first_rows LIMIT 100) b LIMIT %d) c ORDER BY new_key",
			table, keyColumn, columns, newKey, strings.ReplaceAll(columns, ", ", ", a."), min(batch, n-have)))
		if err != nil {
			return 0, err
		}
	}
	if err := execAll(ctx, db, "DROP TABLE first_rows"); err != nil {
		return 0, err
	}
	switch kind {
	case postgres:
		return scalar[int64](ctx, db, "SELECT pg_total_relation_size('"+table+"')")
	case mariadb:
		if err := execAll(ctx, db, "ANALYZE TABLE "+table); err != nil {
			return 0, err
		}
		return scalar[int64](ctx, db, "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = database() AND table_name = ?", table)
	}
	if err := execAll(ctx, db, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return 0, err
	}
	return scalar[int64](ctx, db, "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size")
}

func fillSCSPostgres(ctx context.Context, n int) (int64, error) {
	db, err := openPostgres()
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return fillTable(ctx, db, postgres, "sessions", "data, expiry", n)
}

// fillSCSRedis copies through the store itself. What the sessions take is by how
// much the server's memory grows for those that are copied.
func fillSCSRedis(ctx context.Context, n int) (int64, error) {
	client, err := openRedis()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	store := goredisstore.NewWithPrefix(client, schema+":")
	first, err := store.AllCtx(ctx)
	if err != nil {
		return 0, err
	}
	copies := make(chan []byte)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	before, err := redisMemory(ctx, client)
	if err != nil {
		return 0, err
	}
	for range connections {
		wg.Go(func() {
			for data := range copies {
				token := (rand.Text() + rand.Text())[:43]
				if err := store.CommitCtx(ctx, token, data, time.Now().Add(maxAge)); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	more := n - len(first)
	for left := more; left > 0; {
		for _, data := range first {
			if left--; left < 0 {
				break
			}
			copies <- data
		}
	}
	close(copies)
	wg.Wait()
	if failed != nil || more <= 0 {
		return 0, failed
	}
	after, err := redisMemory(ctx, client)
	return (after - before) * int64(n) / int64(more), err
}

func redisMemory(ctx context.Context, client *redis.Client) (int64, error) {
	info, err := client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(info["Memory"]["used_memory"], 10, 64)
}
