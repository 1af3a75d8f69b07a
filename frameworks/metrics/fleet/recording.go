package fleet

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Interval is the time between two scrapes on the clock of the recording.
const Interval = 15 * time.Second

// Start is when a recording begins, on its own clock.
var Start = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// A Recording is what was scraped. Its clock goes from scrape to scrape, however long that
// has taken.
type Recording struct {
	series  map[string][]string // the values in the order of the scrapes
	scrapes int
}

// Clock is the time of the last scrape.
func (r *Recording) Clock() time.Time {
	return Start.Add(time.Duration(max(r.scrapes-1, 0)) * Interval)
}

// scrape reads the metrics of all servers at the same time, on the recording's clock.
func (r *Recording) scrape(servers []*server) error {
	if r.series == nil {
		r.series = map[string][]string{}
	}
	for i, s := range servers {
		response, err := http.Get(s.url + "/metrics")
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(response.Body)
		for lines.Scan() {
			r.add(lines.Text(), fmt.Sprintf(`instance="server-%d",job="shop"`, i+1))
		}
		response.Body.Close()
		if err := lines.Err(); err != nil {
			return err
		}
	}
	r.scrapes++
	return nil
}

// add takes a line of Prometheus' text format, and the labels that Prometheus adds.
func (r *Recording) add(line, labels string) {
	end := strings.LastIndexByte(line, ' ')
	if strings.HasPrefix(line, "#") || end < 0 {
		return
	}
	name, found := strings.CutSuffix(line[:end], "}")
	if found {
		name += "," + labels + "}"
	} else {
		name += "{" + labels + "}"
	}
	values := r.series[name]
	for len(values) < r.scrapes {
		values = append(values, "_") // it wasn't there yet
	}
	r.series[name] = append(values, line[end+1:])
}

// WriteOpenMetrics writes it for promtool tsdb create-blocks-from openmetrics.
func (r *Recording) WriteOpenMetrics(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(r.series)) {
		for i, value := range r.series[name] {
			if value != "_" {
				fmt.Fprintf(b, "%s %s %d\n", name, value, Start.Add(time.Duration(i)*Interval).Unix())
			}
		}
	}
	fmt.Fprintln(b, "# EOF")
	return b.Flush()
}

// WriteTestSeries writes those with a prefix as input_series for promtool test rules.
func (r *Recording) WriteTestSeries(w io.Writer, prefix string) error {
	b := bufio.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(r.series)) {
		if strings.HasPrefix(name, prefix) {
			fmt.Fprintf(b, "      - series: '%s'\n        values: '%s'\n", name, strings.Join(r.series[name], " "))
		}
	}
	return b.Flush()
}
