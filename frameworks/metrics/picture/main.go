// Command picture draws the dashboard: it runs a site of three servers, one of which loses
// the key for a while, has Prometheus answer the dashboard's queries, and writes
// docs/images/metrics.svg.
//
//	go run ./frameworks/metrics/picture    # from the repository's root
//
// It needs the programs prometheus and promtool: apt-get install prometheus.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"time"

	"example.com/cookiestore/frameworks/metrics"
	"example.com/cookiestore/frameworks/metrics/fleet"
)

func main() {
	if err := run(context.Background(), "docs/images/metrics.svg"); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp("", "metrics")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	key := func(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }
	f, err := fleet.New(dir, 3, key(1))
	if err != nil {
		return err
	}
	defer f.Close()
	visits := func(minutes int) error {
		for range minutes * int(time.Minute/fleet.Interval) {
			busy := 60 + 25*math.Sin(float64(f.Clock().Sub(fleet.Start))/float64(20*time.Minute))
			if err := f.Visit(int(busy)); err != nil {
				return err
			}
		}
		return nil
	}
	deploy := func(i int, keys ...[]byte) func() error {
		return func() error { return f.Deploy(i, keys[0], keys[1:]...) }
	}
	for _, step := range []struct {
		minutes int // before it happens
		happens func() error
	}{
		// One server gets another key, and then the right one again.
		{10, deploy(2, key(9))},
		{8, deploy(2, key(1))},

		// One has no database for a minute: it can't load large sessions.
		{10, func() error { return f.CloseDatabase(0) }},
		{1, deploy(0, key(1))},

		// The key is replaced, in two steps.
		{6, deploy(0, key(1), key(2))},
		{1, deploy(1, key(1), key(2))},
		{1, deploy(2, key(1), key(2))},
		{2, deploy(0, key(2), key(1))},
		{1, deploy(1, key(2), key(1))},
		{1, deploy(2, key(2), key(1))},
		{19, func() error { return nil }},
	} {
		if err := visits(step.minutes); err != nil {
			return err
		}
		if err := step.happens(); err != nil {
			return err
		}
	}
	data, err := os.MkdirTemp(dir, "prometheus")
	if err != nil {
		return err
	}
	p, err := f.Serve(ctx, data)
	if err != nil {
		return err
	}
	defer p.Close()
	dashboard, err := metrics.Load()
	if err != nil {
		return err
	}
	from, to := fleet.Start.Add(time.Minute), f.Clock()
	d := &drawing{from: from, to: to}
	restarts, err := p.Query(ctx, dashboard.Annotations.List[0].PromQL(), from, to)
	if err != nil {
		return err
	}
	for _, line := range restarts {
		// resets() counts those of five minutes: a restart is where there is one more.
		var last fleet.Point
		for _, point := range line.Points {
			if point.Value > last.Value || point.At.Sub(last.At) > fleet.Interval {
				d.marks = append(d.marks, point.At)
			}
			last = point
		}
	}
	for _, panel := range dashboard.Panels {
		var lines []named
		for _, q := range panel.Targets {
			answer, err := p.Query(ctx, q.PromQL(), from, to)
			if err != nil {
				return err
			}
			for _, line := range answer {
				lines = append(lines, named{q.Legend(line.Labels), line.Points})
			}
		}
		d.panel(panel, lines)
	}
	if err := os.WriteFile(path, d.svg(dashboard.Title), 0o644); err != nil {
		return err
	}
	_, err = fmt.Println("wrote", filepath.Clean(path))
	return err
}
