package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
)

const (
	// schema is where the databases keep what is made here.
	schema = "cookiestore_bench"

	// connections is the size of each server's pool.
	connections = 16
)

// A database is a place for sessions.
type database struct {
	name string

	// begin makes the place new and empty, or says why that can't be, and
	// returns the version and the settings that matter to the speed.
	begin func(context.Context) (about string, err error)

	// end removes it.
	end func(context.Context) error

	// help says how to get one.
	help string
}

var (
	sqlite   = &database{name: "SQLite", begin: beginSQLite, end: endSQLite}
	postgres = &database{name: "PostgreSQL", begin: beginPostgres, end: endPostgres,
		help: "start one (apt-get install postgresql) and set BENCH_POSTGRES to its address"}
	mariadb = &database{name: "MariaDB", begin: beginMySQL, end: endMySQL,
		help: "start one (apt-get install mariadb-server) and set BENCH_MYSQL to its address"}
	redisDB = &database{name: "Redis", begin: beginRedis, end: endRedis,
		help: "start one (apt-get install redis-server) and set BENCH_REDIS to its address"}
)

func getenv(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func pooled(db *sql.DB) *sql.DB {
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// sqliteDir is where SQLite's files are.
func sqliteDir() string {
	return filepath.Join(getenv("BENCH_SQLITE", os.TempDir()), schema)
}

func sqlitePath(name string) string { return filepath.Join(sqliteDir(), name) }

// openSQLite opens the file with that name.
func openSQLite(name string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+sqlitePath(name)+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	return pooled(db), nil
}

func beginSQLite(ctx context.Context) (string, error) {
	if err := endSQLite(ctx); err != nil {
		return "", err
	}
	if err := os.MkdirAll(sqliteDir(), 0o700); err != nil {
		return "", err
	}
	db, err := openSQLite("version.db")
	if err != nil {
		return "", err
	}
	defer db.Close()
	version, err := scalar[string](ctx, db, "SELECT sqlite_version()")
	return fmt.Sprintf("SQLite %s (journal_mode WAL, synchronous NORMAL)", version), err
}

func endSQLite(context.Context) error { return os.RemoveAll(sqliteDir()) }

func postgresAddress() string {
	return getenv("BENCH_POSTGRES", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
}

func openPostgres() (*sql.DB, error) {
	config, err := pgx.ParseConfig(postgresAddress())
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = schema
	return pooled(stdlib.OpenDB(*config)), nil
}

// openPostgresPool is for the store that uses pgx without database/sql.
func openPostgresPool(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(postgresAddress())
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["search_path"] = schema
	config.MaxConns = connections
	return pgxpool.NewWithConfig(ctx, config)
}

func beginPostgres(ctx context.Context) (string, error) {
	db, err := openPostgres()
	if err != nil {
		return "", err
	}
	defer db.Close()
	if err := execAll(ctx, db, "DROP SCHEMA IF EXISTS "+schema+" CASCADE", "CREATE SCHEMA "+schema); err != nil {
		return "", err
	}
	version, err := scalar[string](ctx, db, "SHOW server_version")
	if err != nil {
		return "", err
	}
	commit, err := scalar[string](ctx, db, "SHOW synchronous_commit")
	number, _, _ := strings.Cut(version, " ")
	return fmt.Sprintf("PostgreSQL %s (synchronous_commit %s)", number, commit), err
}

func endPostgres(ctx context.Context) error {
	db, err := openPostgres()
	if err != nil {
		return err
	}
	defer db.Close()
	return execAll(ctx, db, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
}

// openMySQL opens the database with that name; "" is the one of the address.
func openMySQL(name string) (*sql.DB, error) {
	config, err := mysql.ParseDSN(getenv("BENCH_MYSQL", "root@tcp(127.0.0.1:3306)/test"))
	if err != nil {
		return nil, err
	}
	config.InterpolateParams = true // one round trip for a statement, not three
	if name != "" {
		config.DBName = name
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return pooled(sql.OpenDB(connector)), nil
}

func beginMySQL(ctx context.Context) (string, error) {
	db, err := openMySQL("")
	if err != nil {
		return "", err
	}
	defer db.Close()
	if err := execAll(ctx, db, "DROP DATABASE IF EXISTS "+schema, "CREATE DATABASE "+schema); err != nil {
		return "", err
	}
	version, err := scalar[string](ctx, db, "SELECT version()")
	if err != nil {
		return "", err
	}
	flush, err := scalar[int](ctx, db, "SELECT @@innodb_flush_log_at_trx_commit")
	name := "MySQL"
	if strings.Contains(version, "MariaDB") {
		name = "MariaDB"
	}
	number, _, _ := strings.Cut(version, "-")
	return fmt.Sprintf("%s %s (innodb_flush_log_at_trx_commit %d)", name, number, flush), err
}

func endMySQL(ctx context.Context) error {
	db, err := openMySQL("")
	if err != nil {
		return err
	}
	defer db.Close()
	return execAll(ctx, db, "DROP DATABASE IF EXISTS "+schema)
}

func openRedis() (*redis.Client, error) {
	options, err := redis.ParseURL(getenv("BENCH_REDIS", "redis://127.0.0.1:6379/0"))
	if err != nil {
		return nil, err
	}
	options.PoolSize = connections
	return redis.NewClient(options), nil
}

func beginRedis(ctx context.Context) (string, error) {
	client, err := openRedis()
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := endRedis(ctx); err != nil {
		return "", err
	}
	info, err := client.InfoMap(ctx, "server", "persistence").Result()
	if err != nil {
		return "", err
	}
	appending := "off"
	if info["Persistence"]["aof_enabled"] == "1" {
		appending = "on"
	}
	return fmt.Sprintf("Redis %s (appendonly %s)", info["Server"]["redis_version"], appending), nil
}

// endRedis removes the keys that begin with the prefix.
func endRedis(ctx context.Context) error {
	client, err := openRedis()
	if err != nil {
		return err
	}
	defer client.Close()
	var cursor uint64
	for {
		keys, next, err := client.Scan(ctx, cursor, schema+":*", 10_000).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := client.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

func execAll(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return nil
}

func scalar[T any](ctx context.Context, db *sql.DB, query string, args ...any) (v T, err error) {
	err = db.QueryRowContext(ctx, query, args...).Scan(&v)
	return v, err
}
