package dbstore

import (
	"fmt"
	"strings"
)

const (
	// maxTable leaves room for the names of the indexes in PostgreSQL, where a name
	// has at most maxSchema bytes.
	maxTable  = 37
	maxSchema = 63
)

// checkTable refuses what can't be the name of a table in all databases.
func checkTable(name string) error {
	schema, table := splitTable(name)
	if strings.Contains(name, ".") && !isName(schema, maxSchema) {
		return fmt.Errorf("dbstore: table %q: the schema's name needs 1 to %d letters, digits and _, and no digit first", name, maxSchema)
	}
	if !isName(table, maxTable) {
		return fmt.Errorf("dbstore: table %q: the name needs 1 to %d letters, digits and _, and no digit first", name, maxTable)
	}
	return nil
}

// splitTable returns the schema, "" if none is given, and the table.
func splitTable(name string) (schema, table string) {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return schema, table
	}
	return "", name
}

// isName reports whether a part of a table's name is one that all databases can have.
func isName(name string, limit int) bool {
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return 0 < len(name) && len(name) <= limit
}

// quotedTable quotes the name of a table, and of its schema.
func (d *dialect) quotedTable(name string) string {
	schema, table := splitTable(name)
	if schema == "" {
		return d.quoted(table)
	}
	return d.quoted(schema) + "." + d.quoted(table)
}
