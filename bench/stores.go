package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The numbers of clients that make requests at the same time.
const (
	oneClient   = 1
	manyClients = 64
)

// A bout is a store with one way of using it, and what its rounds have measured.
type bout struct {
	store   string
	size    int
	path    string
	clients int

	server   *server
	visitors []*visitor
	unfit    error
	results  []result
}

func (b *bout) each(of func(result) float64) rounds {
	var r rounds
	for _, x := range b.results {
		r = append(r, of(x))
	}
	return r
}

func (b *bout) median(of func(result) float64) float64 { return b.each(of).median() }

func rate(r result) float64   { return r.rate }
func p50(r result) float64    { return r.p50 }
func p99(r result) float64    { return r.p99 }
func allocs(r result) float64 { return r.allocs }
func up(r result) float64     { return r.up }
func down(r result) float64   { return r.down }

func runStores(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("stores", flag.ContinueOnError)
	round := flags.Duration("round", 300*time.Millisecond, "how long a round of one store is, for each way of using it")
	count := flags.Int("rounds", 5, "how many rounds")
	visitors := flags.Int("visitors", 1_000_000, "how many sessions to begin in each database to see what they take; 0 for none")
	all := flags.Bool("all", false, "fail if a database does not answer")
	only := flags.String("only", "", "the stores to measure, with commas between them; all if empty")
	profile := flags.String("cpuprofile", "", "a file for a CPU profile of the server; needs -only with one store")
	dir := flags.String("o", "docs", "the directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen := backends()
	if *only != "" {
		chosen = nil
		for name := range strings.SplitSeq(*only, ",") {
			b, err := findBackend(name)
			if err != nil {
				return err
			}
			chosen = append(chosen, b)
		}
	}
	if *profile != "" && len(chosen) != 1 {
		return errors.New("-cpuprofile needs -only with one store")
	}
	use, about, left := reachable(ctx, chosen)
	for _, line := range left {
		fmt.Fprintln(os.Stderr, line)
	}
	defer func() { err = errors.Join(err, cleanUp(use)) }()
	if *all && len(left) > 0 {
		return errors.New("-all is set, and stores were left out")
	}

	bouts, err := runBouts(ctx, use, *profile, *round, *count)
	if err != nil {
		return err
	}
	var footprints []footprint
	if *visitors > 0 {
		if footprints, err = measureFootprints(ctx, use, *visitors); err != nil {
			return err
		}
	}
	r := storesReport(bouts, footprints, about, left, *round, *count)
	fmt.Print(r.String())
	if err := r.save(*dir, "stores.md"); err != nil {
		return err
	}
	return plotStores(bouts, filepath.Join(*dir, "stores"))
}

// cleanUp removes what the stores have made in their databases.
func cleanUp(use []backend) error {
	var errs []error
	done := map[*database]bool{nil: true}
	for _, b := range use {
		if !done[b.db] {
			done[b.db] = true
			errs = append(errs, b.db.end(context.Background()))
		}
	}
	return errors.Join(errs...)
}

// runBouts starts a server for each store, and has all of them measured in turn, so
// that what else the machine does hits all alike.
func runBouts(ctx context.Context, use []backend, profile string, round time.Duration, count int) (bouts []*bout, err error) {
	for _, b := range use {
		s, err := startServer(ctx, b.name, profile)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		for _, size := range sizes {
			visitors, unfit := logInAll(s, size)
			if unfit != nil && !errors.As(unfit, new(errTooLarge)) {
				return nil, fmt.Errorf("%s: %w", b.name, unfit)
			}
			for _, path := range []string{"/read", "/change"} {
				for _, clients := range []int{oneClient, manyClients} {
					bouts = append(bouts, &bout{store: b.name, size: size, path: path, clients: clients, server: s, visitors: visitors, unfit: unfit})
				}
			}
		}
	}
	// In the order of the ways, not of the stores: stores that are compared
	// with each other are measured one after the other.
	inTurn := slices.Clone(bouts)
	slices.SortStableFunc(inTurn, func(a, b *bout) int {
		return strings.Compare(a.way(), b.way())
	})
	for i := range count {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, count)
		for _, b := range inTurn {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if b.unfit != nil {
				continue
			}
			result, err := measure(b.server, b.visitors[:b.clients], b.path, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.store, err)
			}
			b.results = append(b.results, result)
		}
	}
	return bouts, nil
}

func (b *bout) way() string { return fmt.Sprintf("%05d %s %02d", b.size, b.path, b.clients) }

// logInAll makes the visitors of a server, each with a session of its own.
func logInAll(s *server, size int) ([]*visitor, error) {
	visitors := make([]*visitor, manyClients)
	for i := range visitors {
		visitors[i] = &visitor{addr: s.addr}
		if err := visitors[i].logIn(size); err != nil {
			return nil, err
		}
	}
	return visitors, nil
}

func findBout(bouts []*bout, store string, size int, path string, clients int) *bout {
	for _, b := range bouts {
		if b.store == store && b.size == size && b.path == path && b.clients == clients && b.unfit == nil {
			return b
		}
	}
	return nil
}

// storeNames lists the stores of the bouts in their order.
func storeNames(bouts []*bout) (names []string) {
	for _, b := range bouts {
		if !slices.Contains(names, b.store) {
			names = append(names, b.store)
		}
	}
	return names
}

func storesReport(bouts []*bout, footprints []footprint, about, left []string, round time.Duration, count int) *report {
	r := newReport("Cookies and databases")
	r.para("One page behind each store, with the same sessions. Each store has a server process of its own; the clients are "+
		"in another process on the same machine, and so are the databases. A client has one keep-alive connection over "+
		"loopback and one session, and checks that each answer counts on from the one before. All stores are measured in "+
		"turn, %s each, in %d rounds; a figure is the median of the rounds, and what follows the requests per second is how far "+
		"the slowest and the fastest round were off it.", round, count)
	r.para("Databases: %s. SQLite is modernc.org/sqlite. Every server has up to %d connections to its database. Peers: %s.",
		strings.Join(about, "; "), connections,
		versions("github.com/alexedwards/scs/v2", "github.com/gorilla/sessions", "github.com/jackc/pgx/v5",
			"github.com/go-sql-driver/mysql", "modernc.org/sqlite", "github.com/redis/go-redis/v9"))
	for _, line := range left {
		r.para("%s.", line)
	}
	r.para("Allocations are the server's, for the whole request, with net/http's. Bytes are those of HTTP, up to the server and " +
		"down from it, for a request with no other header than Host and Cookie. 3,000 bytes of JSON fit a cookie of " +
		"cookiestore's with compression or without; it compresses what is over 1,024.")
	r.para("![Requests per second](stores.svg)")
	for _, path := range []struct{ path, title string }{
		{"/change", "Read, change, save"},
		{"/read", "Read only"},
	} {
		for _, size := range sizes {
			r.para("## %s: %s bytes of JSON", path.title, thousands(float64(size)))
			var rows [][]string
			for _, name := range storeNames(bouts) {
				rows = append(rows, storeRow(bouts, name, size, path.path))
			}
			r.table([]string{"", "64 clients: requests/s", "p50 ms", "p99 ms", "1 client: requests/s", "p50 ms", "p99 ms",
				"allocations", "bytes up", "bytes down"}, rows)
		}
	}
	breakEven(r, bouts)
	footprintTable(r, footprints)
	return r
}

func storeRow(bouts []*bout, name string, size int, path string) []string {
	row := []string{name}
	many := findBout(bouts, name, size, path, manyClients)
	for _, b := range []*bout{many, findBout(bouts, name, size, path, oneClient)} {
		if b == nil {
			row = append(row, "does not fit", "", "")
			continue
		}
		row = append(row, fmt.Sprintf("%s (%s)", thousands(b.median(rate)), b.each(rate).spread()),
			fmt.Sprintf("%.2f", b.median(p50)), fmt.Sprintf("%.2f", b.median(p99)))
	}
	if many == nil {
		return append(row, "", "", "")
	}
	return append(row, fmt.Sprintf("%.0f", many.median(allocs)), fmt.Sprintf("%.0f", many.median(up)), fmt.Sprintf("%.0f", many.median(down)))
}

func footprintTable(r *report, footprints []footprint) {
	if len(footprints) == 0 {
		return
	}
	visitors := footprints[len(footprints)-1].rows
	r.para("## What %s visitors leave on the server", thousands(float64(visitors)))
	r.para("Each has a session of %s bytes of JSON. The first thousand logged in; the others are copies of their rows under "+
		"random keys of their own. Bytes are those of the table with its indexes as the database tells them (SQLite: of the file; "+
		"Redis: by how much its memory grew).", thousands(visitorSize))
	var rows [][]string
	for _, f := range footprints {
		each := "0"
		if f.rows > 0 {
			each = thousands(float64(f.bytes) / float64(f.rows))
		}
		rows = append(rows, []string{f.store, thousands(float64(f.rows)), thousands(float64(f.bytes)), each})
	}
	r.table([]string{"", "rows", "bytes", "bytes per visitor"}, rows)
}

// plotStores draws the requests per second and the p99 of changes of 1 KB.
func plotStores(bouts []*bout, path string) error {
	const size = 1000
	var rates, waits []bar
	for _, name := range storeNames(bouts) {
		b := findBout(bouts, name, size, "/change", manyClients)
		if b == nil {
			continue
		}
		own := strings.HasPrefix(name, "cookiestore") || strings.HasPrefix(name, "dbstore")
		rates = append(rates, bar{name, b.median(rate), own, thousands(b.median(rate))})
		waits = append(waits, bar{name, b.median(p99), own, fmt.Sprintf("%.1f", b.median(p99))})
	}
	return drawStores(rates, waits, path)
}

func drawStores(rates, waits []bar, path string) error {
	left, err := barChart("Requests per second", "a change of 1,000 bytes, 64 clients; more is better", rates,
		&legend{"cookiestore and dbstore", "other packages"})
	if err != nil {
		return err
	}
	right, err := barChart("99 of 100 requests take at most", "milliseconds; less is better", waits, nil)
	if err != nil {
		return err
	}
	return savePlots(path, plotWidth, plotHeight, left, right)
}
