package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/inspect"
)

// list prints a line for each live session. The command has no signing key, so every
// row is one that doesn't verify; that is not what is asked here.
func (c *command) list(ctx context.Context, store *dbstore.Store, out io.Writer, seen func(int64)) error {
	lines := bufio.NewWriter(out)
	for entry, err := range store.All(ctx) {
		if err != nil && !cookiestore.IsRefused(err) {
			_ = lines.Flush() // the sessions before it
			return err
		}
		if err := c.printRow(lines, entry.Row); err != nil {
			return err
		}
		seen(1)
	}
	return lines.Flush()
}

func (c *command) printRow(w io.Writer, row dbstore.Row) error {
	ends := "?"
	if !row.ExpireDate.IsZero() {
		ends = row.ExpireDate.Format(time.RFC3339)
	}
	line := fmt.Sprintf("%s\t%s\t%d", printable(row.SessionKey), ends, len(row.SessionData))
	if c.values {
		line += "\t" + dictionary(row.SessionData)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// dictionary returns what a row says its session holds, in one line.
func dictionary(sessionData string) string {
	seen, err := inspect.Parse(sessionData)
	var line bytes.Buffer
	if err != nil || json.Compact(&line, []byte(seen.Data)) != nil {
		return "unreadable"
	}
	return printable(line.String())
}

// printable quotes what a terminal would not show as it is: anyone who can write to
// the table could make it do other things.
func printable(text string) string {
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return strconv.Quote(text)
		}
	}
	return text
}

// count prints how many sessions there are.
func count(ctx context.Context, store *dbstore.Store, out io.Writer) error {
	live, expired, err := store.Count(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "live\t%d\nexpired\t%d\n", live, expired)
	return err
}
