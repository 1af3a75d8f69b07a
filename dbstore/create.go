package dbstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// CreateTable makes the table and its indexes exactly as Django's migrations make
// them. Where the table exists, it does nothing. A table of that name that has
// other columns is an error. A Django that comes later takes the table over with
// manage.py migrate --fake-initial.
//
// It refuses a pool of which each connection has a SQLite database of its own in memory:
// call db.SetMaxOpenConns(1). From then on, no context ends a statement that runs in a
// database in memory, as in a store of [OpenSQLite].
//
// Django names indexes with MD5. A program under GODEBUG=fips140=only can't do so
// before Go 1.26, and gets an error.
func (s *Store) CreateTable(ctx context.Context) error {
	return s.createTable(ctx, s.dialect.create)
}

// createTable makes a table if it isn't there.
func (s *Store) createTable(ctx context.Context, create func(table string) (creation, error)) error {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	if err := s.vetMemory(ctx); err != nil {
		return err
	}
	err := s.probe(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, errAutocommit) || errors.As(err, new(*connectError)) {
		return err
	}
	steps, err := create(s.table)
	if err != nil {
		return err
	}
	err = s.createAtOnce(ctx, steps)
	if err != nil && s.createInSteps(ctx, steps) != nil {
		return err
	}
	return s.probe(ctx) // a table of that name may be another
}

// probe asks whether the table is there, with its columns.
func (s *Store) probe(ctx context.Context) error {
	_, _, err := s.exec(ctx, s.queries.probe)
	return err
}

// createAtOnce makes the table in one transaction, while nobody else does.
func (s *Store) createAtOnce(ctx context.Context, steps creation) error {
	_, err := s.attempt(ctx, s.db, func(ctx context.Context, conn *sql.Conn) error {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, statement := range slices.Concat(steps.lock, steps.needed, steps.wanted) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
	return err
}

// createInSteps is for engines that speak PostgreSQL's SQL without advisory locks
// (YugabyteDB), operator classes or transactions that make a table (CockroachDB). Two
// that make the table at once may be in each other's way.
func (s *Store) createInSteps(ctx context.Context, steps creation) (err error) {
	for range 5 {
		err = nil
		for _, statement := range steps.needed {
			if _, _, failure := s.exec(ctx, statement); failure != nil {
				err = failure
			}
		}
		if err == nil {
			break
		}
	}
	for _, statement := range steps.wanted {
		_, _, _ = s.exec(ctx, statement)
	}
	return err
}

// creation has the statements that make the table.
type creation struct {
	lock   []string
	needed []string
	wanted []string // for what Django has, and the table can do without
}

func (d *dialect) create(table string) (steps creation, err error) {
	_, name := splitTable(table)
	byDate, err := indexName(name, "expire_date", "")
	if err != nil {
		return creation{}, err
	}
	byKey, err := indexName(name, "session_key", "_like")
	if err != nil {
		return creation{}, err
	}
	key, date := d.quoted("session_key"), d.quoted("expire_date")
	columns := fmt.Sprintf("%s varchar(40) NOT NULL PRIMARY KEY, %s %s NOT NULL, %s %s NOT NULL",
		key, d.quoted("session_data"), d.dataType, date, d.timeType)
	steps = d.creation(table, columns, byDate, date)
	if d.like != "" {
		steps.wanted = []string{d.createIndex(table, byKey, key+" "+d.like)}
	}
	return steps, nil
}

// creation makes a table with its columns and an index on one of them.
func (d *dialect) creation(table, columns, index, indexed string) (steps creation) {
	if d.lock != "" {
		steps.lock = []string{d.lock}
	}
	if d.inline {
		columns += fmt.Sprintf(", KEY %s (%s)", d.quoted(index), indexed)
	}
	steps.needed = []string{fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", d.quotedTable(table), columns)}
	if !d.inline {
		steps.needed = append(steps.needed, d.createIndex(table, index, indexed))
	}
	return steps
}

// createIndex makes an index on a table. An index is in the schema of its table:
// SQLite wants that said of the index, and the others of the table.
func (d *dialect) createIndex(table, index, expression string) string {
	schema, name := splitTable(table)
	index, on := d.quoted(index), d.quotedTable(table)
	if schema != "" && d.schemaOfIndex {
		index, on = d.quoted(schema)+"."+index, d.quoted(name)
	}
	return fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)", index, on, expression)
}

// indexName is the name that Django gives an index.
func indexName(table, column, suffix string) (string, error) {
	digest, err := md5Sum(table + column)
	if err != nil {
		return "", err
	}
	return table + "_" + column + "_" + hex.EncodeToString(digest[:4]) + suffix, nil
}
