package dbstore

import (
	"crypto/md5" // Django names indexes with it
	"database/sql"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A Dialect is the SQL that a database speaks.
type Dialect int

const (
	// SQLite is that of SQLite, from version 3.9 on.
	SQLite Dialect = iota + 1

	// PostgreSQL is that of PostgreSQL, from version 9.5 on.
	PostgreSQL

	// MySQL is that of MySQL, from version 5.7 on, and of MariaDB.
	MySQL
)

// String returns the name of the database.
func (d Dialect) String() string {
	if known := dialects[d]; known != nil {
		return known.name
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// dialect is what differs between databases.
type dialect struct {
	name    string
	drivers []string // the types of known drivers

	quote    string
	numbered bool                // parameters are $1, $2, and not ?
	dataType string              // of session_data
	timeType string              // of expire_date
	timeText string              // reads a time as text; %s is the column
	sameData string              // compares session_data with a parameter, byte for byte
	time     func(time.Time) any // as a parameter

	begin         string // the first statement of the transaction that makes the table
	inline        bool   // the index is part of CREATE TABLE
	schemaOfIndex bool   // CREATE INDEX has the schema before the index
	like          string // the operator class of a second index on session_key
	limited       bool   // DELETE has a LIMIT
}

var dialects = map[Dialect]*dialect{
	SQLite: {
		name:          "SQLite",
		drivers:       []string{"*sqlite.Driver", "*sqlite3.SQLiteDriver", "*driver.SQLite"},
		quote:         `"`,
		dataType:      "text",
		timeType:      "datetime",
		timeText:      "CAST(%s AS TEXT)",
		sameData:      "{data} = ?",
		time:          timeAsText,
		schemaOfIndex: true,
	},
	PostgreSQL: {
		name:     "PostgreSQL",
		drivers:  []string{"*stdlib.Driver", "*pq.Driver"},
		quote:    `"`,
		numbered: true,
		dataType: "text",
		timeType: "timestamp with time zone",
		timeText: "%s",
		sameData: "{data} = ?",
		time:     func(t time.Time) any { return t.UTC() },
		// IF NOT EXISTS alone fails where two make the table at once.
		begin: "SELECT pg_advisory_xact_lock(7306085893296906784)", // a number of our own
		like:  "varchar_pattern_ops",
	},
	MySQL: {
		name:     "MySQL",
		drivers:  []string{"*mysql.MySQLDriver"},
		quote:    "`",
		dataType: "longtext",
		timeType: "datetime(6)",
		timeText: "CAST(%s AS CHAR)",
		// The column's collation may ignore case, and its characters be wide.
		sameData: "CONVERT({data} USING utf8mb4) = CAST(? AS BINARY)",
		time:     timeAsText,
		inline:   true,
		limited:  true,
	},
}

// findDialect returns the dialect that was asked for, or else that of the driver.
func findDialect(db *sql.DB, d Dialect) (*dialect, error) {
	if d != 0 {
		if known := dialects[d]; known != nil {
			return known, nil
		}
		return nil, fmt.Errorf("dbstore: there is no %v", d)
	}
	driver := reflect.TypeOf(db.Driver()).String()
	for _, known := range dialects {
		for _, name := range known.drivers {
			if driver == name {
				return known, nil
			}
		}
	}
	return nil, fmt.Errorf("dbstore: no telling which SQL the driver %s speaks: use WithDialect", driver)
}

// textTime is how Python's str(datetime) writes a time in UTC, which is how
// Django keeps it where the database has no type for it. The fraction is left out
// where it is zero, and read after any seconds.
const textTime = "2006-01-02 15:04:05"

func timeAsText(t time.Time) any {
	layout := textTime
	if t.Nanosecond()/1000 != 0 {
		layout += ".000000"
	}
	return t.UTC().Format(layout)
}

// A moment is a time as any of the databases gives it; zero if it is none.
type moment struct{ time.Time }

// Scan is for database/sql.
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		m.Time = v.UTC()
	case string:
		m.Time, _ = time.Parse(textTime, v)
	case []byte:
		m.Time, _ = time.Parse(textTime, string(v))
	}
	return nil
}

// queries are the statements on one table.
type queries struct {
	probe, load, insert, update, cycle, remove, removeState, clear string
	all, count                                                     string

	clearArgs int // how often clear takes the time
}

func (d *dialect) queries(table string) queries {
	q := func(query string) string {
		query = strings.ReplaceAll(query, "{same}", d.sameData)
		query = strings.NewReplacer(
			"{table}", d.quotedTable(table),
			"{key}", d.quoted("session_key"),
			"{data}", d.quoted("session_data"),
			"{date}", d.quoted("expire_date"),
			"{date as text}", fmt.Sprintf(d.timeText, d.quoted("expire_date")),
		).Replace(query)
		if !d.numbered {
			return query
		}
		for n := 1; strings.Contains(query, "?"); n++ {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
		}
		return query
	}
	all := queries{
		// SQLite takes a name alone for a string, where there is no such column.
		probe:       q("SELECT {table}.{key}, {table}.{data}, {table}.{date} FROM {table} WHERE 1 = 0"),
		load:        q("SELECT {data}, {date as text} FROM {table} WHERE {key} = ?"),
		insert:      q("INSERT INTO {table} ({key}, {data}, {date}) VALUES (?, ?, ?)"),
		update:      q("UPDATE {table} SET {data} = ?, {date} = ? WHERE {key} = ? AND {same} AND {date} >= ?"),
		cycle:       q("UPDATE {table} SET {key} = ?, {data} = ?, {date} = ? WHERE {key} = ? AND {same} AND {date} >= ?"),
		remove:      q("DELETE FROM {table} WHERE {key} = ?"),
		all:         q("SELECT {key}, {data}, {date as text} FROM {table} WHERE {key} > ? AND {date} >= ? ORDER BY {key} LIMIT ?"),
		count:       q("SELECT count(CASE WHEN {date} >= ? THEN 1 END), count(CASE WHEN {date} < ? THEN 1 END) FROM {table}"),
		removeState: q("DELETE FROM {table} WHERE {key} = ? AND {same}"),
	}
	batch := " ORDER BY {date} LIMIT " + strconv.Itoa(clearBatch)
	if d.limited {
		all.clear, all.clearArgs = q("DELETE FROM {table} WHERE {date} < ?"+batch), 1
	} else {
		// The row is looked at again when it is removed: it may have been
		// renewed since it was found.
		all.clear, all.clearArgs = q("DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {date} < ?"+batch+") AND {date} < ?"), 2
	}
	return all
}

// create returns the statements that make the table, in one transaction.
func (d *dialect) create(table string) []string {
	key, date := d.quoted("session_key"), d.quoted("expire_date")
	columns := fmt.Sprintf("%s varchar(40) NOT NULL PRIMARY KEY, %s %s NOT NULL, %s %s NOT NULL",
		key, d.quoted("session_data"), d.dataType, date, d.timeType)
	var all []string
	if d.begin != "" {
		all = append(all, d.begin)
	}
	if d.inline {
		_, name := splitTable(table)
		columns += fmt.Sprintf(", KEY %s (%s)", d.quoted(indexName(name, "expire_date", "")), date)
	}
	all = append(all, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", d.quotedTable(table), columns))
	if !d.inline {
		all = append(all, d.createIndex(table, "expire_date", "", date))
	}
	if d.like != "" {
		all = append(all, d.createIndex(table, "session_key", "_like", key+" "+d.like))
	}
	return all
}

// indexName is the name that Django gives an index.
func indexName(table, column, suffix string) string {
	digest := md5.Sum([]byte(table + column))
	return table + "_" + column + "_" + hex.EncodeToString(digest[:4]) + suffix
}

// quoted quotes a name.
func (d *dialect) quoted(name string) string { return d.quote + name + d.quote }
