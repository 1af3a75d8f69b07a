package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// speedSizes are the bytes of JSON of the sessions that speed measures.
var speedSizes = []int{smallSize, 1000, 3000}

// A speedCase is one peer doing one thing, and what its rounds have measured.
type speedCase struct {
	peer   string
	op     string
	size   int
	caller *caller
	cookie int // bytes of name and value

	cookies int // how many, if there may be several

	unfit  error // why there is no caller
	ns     rounds
	ratio  rounds // to the floor in the same round
	pooled rounds // and to the floor that pools its buffers
	allocs rounds
}

func runSpeed(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("speed", flag.ContinueOnError)
	round := flags.Duration("round", 50*time.Millisecond, "how long each peer runs in a round")
	count := flags.Int("rounds", 15, "how many rounds")
	dir := flags.String("o", "docs", "the directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cases, err := speedCases()
	if err != nil {
		return err
	}
	if err := runRounds(ctx, cases, *round, *count, func() { relate(cases) }); err != nil {
		return err
	}
	r := speedReport(cases, *round, *count)
	fmt.Print(r.String())
	if err := r.savePart(*dir, "performance.md", "speed"); err != nil {
		return err
	}
	return plotSpeed(cases, filepath.Join(*dir, "performance"))
}

// runRounds measures each case in each round, and calls relate after it.
func runRounds(ctx context.Context, cases []*speedCase, round time.Duration, count int, relate func()) error {
	// A server has some memory in use, and so its collector runs seldom. In a
	// program that has none it would run all the time, over the globals of all
	// peers and drivers.
	inUse := make([]byte, 64<<20)
	defer runtime.KeepAlive(inUse)
	for i := range count {
		fmt.Fprintf(os.Stderr, "\rround %d of %d ", i+1, count)
		for _, c := range cases {
			if err := ctx.Err(); err != nil {
				return err
			}
			if c.caller != nil {
				c.run(round)
			}
		}
		relate()
	}
	fmt.Fprintln(os.Stderr)
	return nil
}

// speedCases lists all that is to be measured, in the order of a round.
func speedCases() ([]*speedCase, error) {
	cases := []*speedCase{{peer: "no middleware", op: "untouched", size: smallSize, caller: newCaller(nothing, nil)}}
	for _, size := range speedSizes {
		for _, p := range peersFor(size) {
			cookie, err := logIn(p, sample(size))
			if err != nil && !errors.As(err, new(errTooLarge)) {
				return nil, fmt.Errorf("%s with %d bytes: %w", p.name, size, err)
			}
			add := func(op string, handler http.Handler) {
				c := &speedCase{peer: p.name, op: op, size: size, unfit: err}
				if err == nil {
					c.cookie = len(cookie.Name) + len(cookie.Value)
					c.caller = newCaller(handler, cookie)
				}
				cases = append(cases, c)
			}
			add("change", p.change(noAnswer))
			add("read", p.read(noAnswer))
			if size == smallSize {
				add("untouched", p.untouched)
			}
		}
	}
	return cases, nil
}

// run measures the case for d.
func (c *speedCase) run(d time.Duration) {
	const batch = 32
	for range batch {
		c.caller.call()
	}
	runtime.GC() // nobody pays for what another has left
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	start := time.Now()
	for time.Since(start) < d {
		for range batch {
			c.caller.call()
		}
		n += batch
	}
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	c.ns = append(c.ns, float64(elapsed)/float64(n))
	c.allocs = append(c.allocs, float64(after.Mallocs-before.Mallocs)/float64(n))
}

// relate divides the times of the last round by those of the floors.
func relate(cases []*speedCase) {
	for _, c := range cases {
		c.ratio = c.over(find(cases, floorName, c.op, c.size), c.ratio)
		c.pooled = c.over(find(cases, pooledFloorName, c.op, c.size), c.pooled)
	}
}

// over appends the time of the last round, divided by the floor's, to the ratios.
func (c *speedCase) over(floor *speedCase, ratios rounds) rounds {
	if floor == nil || len(floor.ns) == 0 || len(c.ns) == 0 {
		return ratios
	}
	return append(ratios, c.ns[len(c.ns)-1]/floor.ns[len(floor.ns)-1])
}

func find(cases []*speedCase, peer, op string, size int) *speedCase {
	for _, c := range cases {
		if c.peer == peer && c.op == op && c.size == size {
			return c
		}
	}
	return nil
}

func speedReport(cases []*speedCase, round time.Duration, count int) *report {
	r := newReport("What a session costs in a request")
	r.para("The time that a handler with its session takes, called without a server, and its allocations. "+
		"The sessions have %d, %d and %d bytes of JSON. All peers run %s in each of %d rounds, one after the other; "+
		"a time is the median of the rounds, followed by how far the fastest and the slowest were off it. "+
		"The times of one round are divided by the floor's of that round, and the factor is the median of these. "+
		"64 MiB are in use, as in a server, so that the garbage collector runs as seldom as there.",
		speedSizes[0], speedSizes[1], speedSizes[2], round, count)
	r.para("The floor is what the standard library takes for what a signed cookie can't do without: parsing the Cookie " +
		"header, base64, an HMAC-SHA256 to verify, and for a change another to sign, base64 and `http.SetCookie`. It " +
		"doesn't look into the session, and knows no expiry. It is there twice: as one writes it, and with all its buffers pooled.")
	r.para("Peers: %s.", versions("github.com/gorilla/sessions", "github.com/gorilla/securecookie", "github.com/alexedwards/scs/v2",
		"github.com/gin-contrib/sessions", "github.com/gin-gonic/gin", "github.com/golang-jwt/jwt/v5"))
	r.para("![Time per change by session size](performance.svg)")
	for _, op := range []struct{ name, title, what string }{
		{"change", "Change", "Reads the counter of visits, adds one, and saves the session."},
		{"read", "Read", "Reads the counter, and saves nothing."},
	} {
		r.para("## %s", op.title)
		r.para("%s", op.what)
		for _, size := range speedSizes {
			r.para("%s bytes of JSON:", thousands(float64(size)))
			var rows [][]string
			for _, c := range cases {
				if c.op == op.name && c.size == size {
					rows = append(rows, c.row())
				}
			}
			r.table(speedHead, rows)
		}
	}
	r.para("## Untouched")
	r.para("The handler doesn't use the session. What has no middleware of its own costs nothing then.")
	var rows [][]string
	for _, c := range cases {
		if c.op == "untouched" {
			rows = append(rows, append([]string{c.peer}, c.times()...))
		}
	}
	r.table([]string{"", "time", "rounds", "allocations"}, rows)

	r.para("## Bytes of the cookie")
	r.para("Name and value, of the 4096 that browsers keep. The name has %d. The cookie of scs is a token: its sessions are in "+
		"the server's memory.", len(cookieName))
	rows = nil
	for _, p := range cookiePeers() {
		row := []string{p.name}
		for _, size := range speedSizes {
			cell := ""
			if c := find(cases, p.name, "change", size); c == nil {
				cell = "as cookiestore"
			} else if c.unfit != nil {
				cell = "does not fit"
			} else {
				cell = thousands(float64(c.cookie))
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	r.table([]string{"bytes of JSON", "145", "1,000", "3,000"}, rows)
	return r
}

var speedHead = []string{"", "time", "rounds", "allocations", "times the floor", "times the pooled floor"}

func (c *speedCase) row() []string {
	if c.unfit != nil {
		return []string{c.peer, "does not fit", "", "", "", ""}
	}
	return append(append([]string{c.peer}, c.times()...), fmt.Sprintf("%.2f", c.ratio.median()), fmt.Sprintf("%.2f", c.pooled.median()))
}

func (c *speedCase) times() []string {
	return []string{micros(c.ns.median()), c.ns.spread(), fmt.Sprintf("%.0f", c.allocs.median())}
}

func micros(ns float64) string {
	if ns < 1000 {
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.2f µs", ns/1000)
}
