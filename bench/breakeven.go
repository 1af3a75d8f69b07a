package main

import (
	"fmt"
	"strings"
)

// uplinks are how fast visitors send and receive, in Mbit/s.
var uplinks = []struct {
	name     string
	up, down float64
}{
	{"slow mobile", 0.5, 2},
	{"ADSL", 1, 10},
	{"4G", 10, 30},
	{"cable", 40, 250},
	{"fibre", 500, 1000},
}

// breakEven writes what a cookie's bytes cost the visitor beside what a database
// costs the server, from what was measured with one client.
func breakEven(r *report, bouts []*bout) {
	const cookie = "cookiestore"
	var databases []string
	for _, name := range storeNames(bouts) {
		if strings.HasPrefix(name, "dbstore") {
			databases = append(databases, name)
		}
	}
	if len(databases) == 0 || findBout(bouts, cookie, sizes[0], "/read", oneClient) == nil {
		return
	}
	r.para("## Bytes or round trips")
	r.para("A cookie costs the visitor's line, a database costs the server. With one client:")
	r.WriteString("    line     = 8 × more bytes up / uplink + 8 × more bytes down / downlink\n" +
		"    database = p50 of dbstore - p50 of cookiestore\n\n")
	r.para("\"More bytes\" are those of the request and the response with cookiestore beside the same with dbstore, whose " +
		"cookie is a key of 32 characters. The round trip to the visitor is in both, and is the same: a cookie of 4096 bytes " +
		"and the rest of the headers fit the first window of a connection (10 segments, about 14 KB), so it never takes " +
		"another. The databases here are on the server's own machine; for one that is not, add its round trip, once for a " +
		"read and twice for a change.")
	head := []string{"", "more bytes up", "down"}
	for _, l := range uplinks {
		head = append(head, fmt.Sprintf("%s, %g/%g Mbit/s", l.name, l.up, l.down))
	}
	head = append(head, databases...)
	var rows [][]string
	var equal [][]string
	for _, path := range []struct{ path, title string }{{"/read", "read"}, {"/change", "change"}} {
		for _, size := range sizes {
			own := findBout(bouts, cookie, size, path.path, oneClient)
			base := findBout(bouts, databases[0], size, path.path, oneClient)
			title := fmt.Sprintf("%s, %s bytes", path.title, thousands(float64(size)))
			moreUp, moreDown := own.median(up)-base.median(up), own.median(down)-base.median(down)
			row := []string{title, thousands(moreUp), thousands(moreDown)}
			for _, l := range uplinks {
				row = append(row, fmt.Sprintf("%.3f", lineTime(moreUp, l.up)+lineTime(moreDown, l.down)))
			}
			even := []string{title}
			for _, name := range databases {
				trip := findBout(bouts, name, size, path.path, oneClient).median(p50) - own.median(p50)
				row = append(row, fmt.Sprintf("%.3f", trip))
				// Above this speed, with a downlink as fast, the cookie takes less.
				speed := "never"
				if trip > 0 {
					speed = fmt.Sprintf("%.1f", lineTime(moreUp+moreDown, trip))
				}
				even = append(even, speed)
			}
			rows = append(rows, row)
			equal = append(equal, even)
		}
	}
	r.para("Milliseconds: what the cookie's bytes take on a line, and what a database's round trips take on the server.")
	r.table(head, rows)
	r.para("From how many Mbit/s, the same both ways, the cookie's bytes take less than the database does:")
	r.table(append([]string{""}, databases...), equal)

	r.para("What the visitor waits for in all, in milliseconds, on the line called 4G, for a change of 1,000 bytes: the round trip, the bytes, " +
		"and the server's p50.")
	head = []string{"round trip"}
	names := append([]string{cookie}, databases...)
	var total [][]string
	for _, rtt := range []float64{10, 50, 100} {
		row := []string{fmt.Sprintf("%g ms", rtt)}
		for _, name := range names {
			b := findBout(bouts, name, 1000, "/change", oneClient)
			line := uplinks[2]
			row = append(row, fmt.Sprintf("%.2f", rtt+lineTime(b.median(up), line.up)+lineTime(b.median(down), line.down)+b.median(p50)))
		}
		total = append(total, row)
	}
	r.table(append(head, names...), total)
}

// lineTime returns the milliseconds that bytes take at so many Mbit/s; or the
// Mbit/s at which they take so many milliseconds.
func lineTime(bytes, speed float64) float64 { return 8 * bytes / speed / 1000 }
