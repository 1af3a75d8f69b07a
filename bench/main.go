// Command bench measures cookiestore beside what else keeps sessions, and writes
// what it has measured into docs/.
//
//	go run ./bench stores       # cookies and databases over HTTP: docs/stores.md and a plot
//	go run ./bench speed        # the time of a session in a request: a part of docs/performance.md, and a plot
//	go run ./bench large        # what encryption and several cookies cost: a part of docs/large-sessions.md
//	go run ./bench revoke       # how long a session works that was ended elsewhere: a part of docs/revocation.md
//	go run ./bench coldstart    # bytes of the binary, and time to the first answer: a part of docs/performance.md
//
// Each has -help, and writes elsewhere with -o DIR. Run them from the repository's
// root, on a machine that does nothing else.
//
// # stores
//
// It uses the databases that it can reach, at the addresses in
//
//	BENCH_POSTGRES   postgres://postgres@127.0.0.1:5432/test?sslmode=disable
//	BENCH_MYSQL      root@tcp(127.0.0.1:3306)/test
//	BENCH_REDIS      redis://127.0.0.1:6379/0
//
// which are the defaults, and says what it leaves out; with -all that is an error.
// It makes a schema (a database in MariaDB, a prefix in Redis) called
// cookiestore_bench, and drops it at the end; so do the tests: run one of them at a
// time. SQLite's files are in the directory BENCH_SQLITE, or else the temporary one.
//
// To see where a store's server spends its time:
//
//	go run ./bench stores -only cookiestore -visitors 0 -o /tmp -cpuprofile cpu.out
//	go tool pprof -top cpu.out
//
// # revoke
//
// It uses the same databases, and starts servers of its own to kill them: PostgreSQL and
// MariaDB, if they are installed (with -all they must be), and Redis, which it needs.
//
// # speed
//
// The same measurements are there as benchmarks, for benchstat, and for profiles:
//
//	cd bench
//	go test -run '^$' -bench . -count 10 . > new.txt
//	benchstat -col /peer new.txt
//	go test -run '^$' -bench Parallel -mutexprofile mutex.out .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "stores":
		return runStores(ctx, args[1:])
	case "serve": // the server process of stores
		return runServe(ctx, args[1:])
	case "speed":
		return runSpeed(ctx, args[1:])
	case "large":
		return runLarge(ctx, args[1:])
	case "revoke":
		return runRevoke(ctx, args[1:])
	case "coldstart":
		return runColdstart(ctx, args[1:])
	}
	return errors.New("want stores, speed, large, revoke or coldstart, and -help after it for the flags")
}
