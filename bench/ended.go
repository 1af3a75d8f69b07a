package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
)

// An opener connects an instance to where it is noted which sessions were ended.
type opener func(now func() time.Time) (r cookiestore.Revocations, closed func() error, err error)

// endedInDatabase returns the opener of a table, which it makes.
func endedInDatabase(ctx context.Context, db *database) opener {
	connect := map[*database]func() (*sql.DB, error){
		sqlite:   func() (*sql.DB, error) { return openSQLite("revocations.db") },
		postgres: openPostgres,
		mariadb:  func() (*sql.DB, error) { return openMySQL(schema) },
	}[db]
	return endedIn(ctx, connect)
}

// endedIn returns the opener of a table in the database that connect opens.
func endedIn(ctx context.Context, connect func() (*sql.DB, error)) opener {
	return func(now func() time.Time) (cookiestore.Revocations, func() error, error) {
		pool, err := connect()
		if err != nil {
			return nil, nil, err
		}
		ended, err := dbstore.NewRevocations(pool, dbstore.WithClock(now))
		if err == nil {
			err = ended.CreateTable(ctx)
		}
		if err != nil {
			return nil, nil, errors.Join(err, pool.Close())
		}
		return ended, pool.Close, nil
	}
}
