package dbstore

import (
	"database/sql"
	"fmt"
	"reflect"
	"slices"
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
	same     string              // compares %s, text, with a parameter, byte for byte
	tail     string              // the last characters of session_data; %d is how many
	time     func(time.Time) any // as a parameter

	lock          string // keeps others from making the table while a transaction does
	inline        bool   // the index is part of CREATE TABLE
	schemaOfIndex bool   // CREATE INDEX has the schema before the index
	like          string // the operator class of a second index on session_key

	clear         string // removes some rows past their expire_date
	clearUnlocked string // the same, but for those that others have locked

	oneWriter bool   // others wait, and ask again and again
	settings  string // asks for the settings that decide what can be written

	code     func(error) string // what the database calls an error; "" if it isn't its own
	codeName string
	failures map[string]failure
	refusals map[string]string // why there is no connection, by code
}

var dialects = map[Dialect]*dialect{
	SQLite: {
		name:     "SQLite",
		drivers:  []string{"*sqlite.Driver", "*sqlite3.SQLiteDriver", "*driver.SQLite"},
		quote:    `"`,
		dataType: "text",
		timeType: "datetime",
		timeText: "CAST(%s AS TEXT)",
		same:     "%s = ?",
		tail:     "substr({data}, -%d)",
		time:     timeAsText,

		schemaOfIndex: true,

		clear:     "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {date} < ? ORDER BY {date} LIMIT ?)",
		oneWriter: true,
		code:      sqliteCode,
		codeName:  "SQLite code",
		failures:  sqliteFailures,
		refusals: map[string]string{
			"5":  "database is locked",
			"14": "unable to open database file",
			"26": "file is not a database",
		},
	},
	PostgreSQL: {
		name:     "PostgreSQL",
		drivers:  []string{"*stdlib.Driver", "*pq.Driver"},
		quote:    `"`,
		numbered: true,
		dataType: "text",
		timeType: "timestamp with time zone",
		timeText: "%s",
		same:     "%s = ?",
		tail:     "right({data}, %d)",
		time:     func(t time.Time) any { return t.UTC() },
		// IF NOT EXISTS alone fails where two make the table at once.
		lock: "SELECT pg_advisory_xact_lock(7306085893296906784)", // a number of our own
		like: "varchar_pattern_ops",
		// Without a lock, a row may be renewed after it was found: it is looked at
		// again when it is removed.
		clear: "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {date} < $1 ORDER BY {date} LIMIT $2) AND {date} < $1",
		clearUnlocked: "WITH {found} AS (SELECT {key} FROM {table} WHERE {date} < ? ORDER BY {date} LIMIT ? FOR UPDATE SKIP LOCKED) " +
			"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {found})",
		code:     sqlState,
		codeName: "SQLSTATE",
		failures: postgresFailures,
		refusals: map[string]string{
			"28P01": "the password is wrong",
			"28000": "the user may not connect",
			"3D000": "there is no such database",
			"42501": "the user lacks a privilege",
			"53300": "the server has too many connections",
			"57P03": "the server is starting or stopping",
		},
	},
	MySQL: {
		name:     "MySQL",
		drivers:  []string{"*mysql.MySQLDriver"},
		quote:    "`",
		dataType: "longtext",
		timeType: "datetime(6)",
		timeText: "CAST(%s AS CHAR)",
		// The column's collation may ignore case, and its characters be wide.
		same:   "CONVERT(%s USING utf8mb4) = CAST(? AS BINARY)",
		tail:   "RIGHT({data}, %d)",
		time:   timeAsText,
		inline: true,
		clear:  "DELETE FROM {table} WHERE {date} < ? ORDER BY {date} LIMIT ?",
		// A DELETE can't skip what is locked; a join finds its rows by their keys.
		clearUnlocked: "DELETE {table} FROM {table} JOIN (SELECT {key} FROM {table} WHERE {date} < ? ORDER BY {date} LIMIT ? FOR UPDATE SKIP LOCKED) AS {found} " +
			"ON {table}.{key} = {found}.{key}",
		settings: "SELECT @@autocommit, @@max_allowed_packet",
		code:     mysqlNumber,
		codeName: "error",
		failures: mysqlFailures,
		refusals: map[string]string{
			"1040": "the server has too many connections",
			"1044": "the user may not use the database",
			"1045": "the user or the password is wrong",
			"1049": "there is no such database",
			"1053": "the server is stopping",
			"1129": "the server has blocked this host",
			"1130": "the server refuses this host",
			"1203": "the user has too many connections",
		},
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
	return dialectOf(reflect.TypeOf(db.Driver()).String())
}

// dialectOf returns the dialect of a driver, given its type.
func dialectOf(driver string) (*dialect, error) {
	for _, known := range dialects {
		if slices.Contains(known.drivers, driver) {
			return known, nil
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
	upkeep

	load, loadMany, insert, remove, all, count string

	bySignature, byData stateQueries
}

// upkeep are the statements that any table needs, whatever its rows are for.
type upkeep struct{ probe, clear, clearUnlocked, expired string }

// stateQueries are the statements on a row that is in a certain state.
type stateQueries struct{ update, cycle, remove string }

// onState returns the statements that compare a row with a version.
func (q *queries) onState(version string) *stateQueries {
	if len(version) == signatureSize && version[0] == ':' {
		return &q.bySignature
	}
	return &q.byData
}

// signatureSize is the size of a colon and an HMAC-SHA256 in base64.
const signatureSize = 1 + 43

// filler returns what makes a statement on a table of one for any, given its columns: the
// primary key, what stands under it, and until when.
func (d *dialect) filler(table, key, data, date string) func(query string) string {
	return func(query string) string {
		query = strings.NewReplacer(
			"{table}", d.quotedTable(table),
			"{key}", d.quoted(key),
			"{data}", d.quoted(data),
			"{date}", d.quoted(date),
			"{found}", d.quoted("found rows"), // no table of ours has a space in its name
			"{date as text}", fmt.Sprintf(d.timeText, d.quoted(date)),
		).Replace(query)
		if !d.numbered {
			return query
		}
		for n := 1; strings.Contains(query, "?"); n++ {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
		}
		return query
	}
}

// upkeep returns the statements, given what makes one for the table.
func (d *dialect) upkeep(q func(query string) string) upkeep {
	return upkeep{
		// SQLite takes a name alone for a string, where there is no such column.
		probe:         q("SELECT {table}.{key}, {table}.{data}, {table}.{date} FROM {table} WHERE 1 = 0"),
		clear:         q(d.clear),
		clearUnlocked: q(d.clearUnlocked),
		expired:       q("SELECT {key} FROM {table} WHERE {date} < ? LIMIT 1"),
	}
}

func (d *dialect) queries(table string) queries {
	q := d.filler(table, "session_key", "session_data", "expire_date")
	where := func(what string) stateQueries {
		same := fmt.Sprintf(d.same, what)
		return stateQueries{
			update: q("UPDATE {table} SET {data} = ?, {date} = ? WHERE {key} = ? AND " + same + " AND {date} >= ?"),
			cycle:  q("UPDATE {table} SET {key} = ?, {data} = ?, {date} = ? WHERE {key} = ? AND " + same + " AND {date} >= ?"),
			remove: q("DELETE FROM {table} WHERE {key} = ? AND " + same),
		}
	}
	return queries{
		upkeep:      d.upkeep(q),
		load:        q("SELECT {data}, {date as text} FROM {table} WHERE {key} = ?"),
		loadMany:    q("SELECT {key}, {data}, {date as text} FROM {table} WHERE {key} IN (?" + strings.Repeat(", ?", manyKeys-1) + ")"),
		insert:      q("INSERT INTO {table} ({key}, {data}, {date}) VALUES (?, ?, ?)"),
		remove:      q("DELETE FROM {table} WHERE {key} = ?"),
		all:         q("SELECT {key}, {data}, {date as text} FROM {table} WHERE {key} > ? AND {date} >= ? ORDER BY {key} LIMIT ?"),
		count:       q("SELECT count(CASE WHEN {date} >= ? THEN 1 END), count(CASE WHEN {date} < ? THEN 1 END) FROM {table}"),
		bySignature: where(fmt.Sprintf(d.tail, signatureSize)),
		byData:      where("{data}"),
	}
}

// quoted quotes a name.
func (d *dialect) quoted(name string) string { return d.quote + name + d.quote }
