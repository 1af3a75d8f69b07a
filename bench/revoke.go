package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"example.com/cookiestore"
)

// A throng says how many users there are, and how many jars each has.
type throng struct{ users, jars int }

// revokeRounds is how often the time is taken with each backend and bound.
const revokeRounds = 3

func runRevoke(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("revoke", flag.ContinueOnError)
	var n throng
	flags.IntVar(&n.users, "users", 50, "how many users there are, 4 at least")
	flags.IntVar(&n.jars, "jars", 4, "how many cookie jars each has")
	bounds := []time.Duration{500 * time.Millisecond, 2 * time.Second}
	flags.Func("bounds", "times of CachedRevocations, separated by commas (default 500ms,2s)", func(text string) error {
		bounds = nil
		for one := range strings.SplitSeq(text, ",") {
			d, err := time.ParseDuration(one)
			if err != nil {
				return err
			}
			bounds = append(bounds, d)
		}
		return nil
	})
	all := flags.Bool("all", false, "fail if a database does not answer")
	dir := flags.String("o", "docs", "the directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if n.users < 4 || n.jars < 1 {
		return errors.New("-users must be 4 at least, and -jars 1")
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the demo logs each request that fails
	up, left, about, err := endingsUp(ctx, n, bounds, *all)
	if err != nil {
		return err
	}
	down, notKilled, err := endingsDown(ctx, n, bounds[len(bounds)-1], *all)
	if err != nil {
		return err
	}
	r := revokeReport(n, up, down, about, append(left, notKilled...))
	fmt.Print(r.String())
	return r.savePart(*dir, "revocation.md", "revoke")
}

// An endingsRow is how long sessions were honoured that had been ended.
type endingsRow struct {
	backend string
	bound   time.Duration
	after   []time.Duration // for each jar, sorted
	others  int64           // requests of users who stayed, all of which were accepted
}

// endingsUp measures with each backend and bound.
func endingsUp(ctx context.Context, n throng, bounds []time.Duration, all bool) (rows []endingsRow, left, about []string, err error) {
	for _, db := range []*database{sqlite, postgres, mariadb} {
		version, err := db.begin(ctx)
		if err != nil {
			if all {
				return nil, nil, nil, fmt.Errorf("%s does not answer, and -all is set: %w", db.name, err)
			}
			left = append(left, db.name)
			continue
		}
		about = append(about, version)
		got, err := endingsOn(ctx, wallWatch, db.name, endedInDatabase(ctx, db), n, bounds)
		if err = errors.Join(err, db.end(context.WithoutCancel(ctx))); err != nil {
			return nil, nil, nil, err
		}
		rows = append(rows, got...)
	}
	server, err := newRedisServer(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	defer server.end()
	got, err := endingsOn(ctx, wallWatch, "Redis", server.open, n, bounds)
	return append(rows, got...), left, append(about, "a Redis of its own (appendonly yes, appendfsync always)"), err
}

func endingsOn(ctx context.Context, w watch, name string, open opener, n throng, bounds []time.Duration) (rows []endingsRow, err error) {
	for _, bound := range bounds {
		fmt.Fprintf(os.Stderr, "%s, %v\n", name, bound)
		sum := endingsRow{backend: name, bound: bound}
		for range revokeRounds {
			row, err := measureEndings(ctx, w, bound, open, n)
			if err != nil {
				return nil, fmt.Errorf("%s, %v: %w", name, bound, err)
			}
			sum.after, sum.others = append(sum.after, row.after...), sum.others+row.others
		}
		slices.Sort(sum.after)
		rows = append(rows, sum)
	}
	return rows, nil
}

// measureEndings has half of the users sign out everywhere, while all of them send
// requests. It is an error if a session works for longer than the bound, or if anything
// happens to the other half.
func measureEndings(ctx context.Context, w watch, bound time.Duration, open opener, n throng) (_ endingsRow, err error) {
	f, err := newFleet(w, bound, open)
	if err != nil {
		return endingsRow{}, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	c, err := gather(ctx, f, n.users, n.jars)
	if err != nil {
		return endingsRow{}, err
	}
	leaving := c.users[:n.users/2]
	var others tally
	err = inTurn(
		func() error { return c.wait(ctx, bound, &others) },
		func() error { return c.during(ctx, &others, func() error { return c.leave(ctx, leaving) }) },
		func() error { return c.wait(ctx, bound+bound/4, &others) },
		func() error { return c.wait(ctx, bound/4, &others) },
	)
	if err != nil {
		return endingsRow{}, err
	}
	row := endingsRow{bound: bound, after: slices.Sorted(slices.Values(honoured(leaving))), others: others.accepted.Load()}
	if failed := others.failed.Load(); failed > 0 {
		return row, fmt.Errorf("%d requests failed", failed)
	}
	return row, within(row.after, bound)
}

// within returns an error if a session was honoured for longer than a limit. By the same
// clock that is never so, however slow the machine is: what counts is when the request
// began.
func within(after []time.Duration, limit time.Duration) error {
	if worst := slices.Max(after); worst > limit {
		return fmt.Errorf("a session that was ended worked for %v, and %v is the most", worst, limit)
	}
	return nil
}

// A downMode is what happens while the backend can't be asked.
type downMode struct {
	name     string
	whenDown []cookiestore.CacheOption

	// most is for how long after the last answer a session may be accepted; 0 is until
	// the backend is back.
	most time.Duration
}

func downModes(bound time.Duration) []downMode {
	stale := 2 * bound
	return []downMode{
		{"none", nil, bound},
		{fmt.Sprintf("`WithStaleAnswers(%v)`", stale), []cookiestore.CacheOption{cookiestore.WithStaleAnswers(stale)}, stale},
		{"`WithUnansweredAccepted()`", []cookiestore.CacheOption{cookiestore.WithUnansweredAccepted()}, 0},
	}
}

// endingsDown measures each mode with servers that are killed and started again.
func endingsDown(ctx context.Context, n throng, bound time.Duration, all bool) (rows []outage, left []string, err error) {
	for _, own := range ownServers {
		server, err := own.start(ctx)
		if errors.Is(err, exec.ErrNotFound) && !all {
			left = append(left, own.name+" to kill")
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		got, err := outagesOf(ctx, own.name, server, n, bound)
		server.end()
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, got...)
	}
	return rows, left, nil
}

func outagesOf(ctx context.Context, name string, server *ownServer, n throng, bound time.Duration) (rows []outage, err error) {
	for _, mode := range downModes(bound) {
		fmt.Fprintf(os.Stderr, "%s is killed, %s\n", name, mode.name)
		row, err := measureOutage(ctx, wallWatch, bound, server, mode, n)
		if err != nil {
			return nil, fmt.Errorf("with %s killed, %s: %w", name, mode.name, err)
		}
		row.backend = name
		rows = append(rows, row)
	}
	return rows, nil
}

func revokeReport(n throng, up []endingsRow, down []outage, about, left []string) *report {
	r := newReport("Measured")
	r.para("Three instances of the demo site are behind a round-robin, with `CachedRevocations` in each. There are %d users with %d cookie jars each, "+
		"whose cookies are sent without a pause. Half of the users sign out everywhere, in each of %d rounds. For each of their jars the table has how long after the "+
		"answer to that the last request began which an instance still accepted. The jars take turns, so a session may have worked for up to a turn longer than is shown, but the command fails if a request is accepted that began after the bound. All requests of the other users were accepted. %s.",
		n.users, n.jars, revokeRounds, strings.Join(about, "; "))
	if len(left) > 0 {
		r.para("Left out, since they did not answer or are not installed: %s.", strings.Join(left, ", "))
	}
	var rows [][]string
	for _, row := range up {
		rows = append(rows, append([]string{row.backend, row.bound.String()}, append(distribution(row.after), thousands(float64(row.others)))...))
	}
	r.table([]string{"backend", "bound", "min, s", "median, s", "p99, s", "max, s", "requests of others"}, rows)

	down0 := down[0]
	r.para("Then servers of the command's own, with default settings but for those of Redis above, are killed and started again under the same load, with a bound of %v: "+
		"MariaDB and Redis with SIGKILL, PostgreSQL with SIGQUIT, after which it recovers as from a crash. A quarter of the users signs out everywhere "+
		"long before, another just before the kill. A third one can't while the backend is down, and is told so, and does after the restart. "+
		"All is as before when no request fails any more, and no session of the first two is accepted. "+
		"What an instance had refused once it refused ever after, and nobody else lost a session.", down0.bound)
	rows = nil
	for _, o := range down {
		after := distribution(o.after)
		rows = append(rows, []string{o.backend, o.mode, seconds(o.down), fmt.Sprintf("%.0f %%", 100*float64(o.accepted)/float64(max(1, o.accepted+o.failed))),
			seconds(o.lastAccepted), after[1], after[3], seconds(o.recovery), seconds(slices.Max(o.later))})
	}
	r.table([]string{"backend", "option", "down, s", "requests of others accepted meanwhile", "last of them after the kill, s",
		"ended just before the kill: median, s", "max, s", "all as before after the restart, s", "ended after it: max, s"}, rows)
	return r
}

// distribution writes the least, the median, the 99th percentile and the most.
func distribution(sorted []time.Duration) []string {
	return []string{seconds(sorted[0]), seconds(quantile(sorted, 0.5)), seconds(quantile(sorted, 0.99)), seconds(sorted[len(sorted)-1])}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
