package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// NeedPrometheus skips the test where Debian's package prometheus is missing, or fails it
// where env CI is set.
func NeedPrometheus(t testing.TB) {
	t.Helper()
	for _, name := range []string{"promtool", "prometheus"} {
		if _, err := exec.LookPath(name); err != nil {
			message := "the alerts and the dashboard are tried with Prometheus: install it (apt-get install prometheus)"
			if os.Getenv("CI") != "" {
				t.Fatal(message)
			}
			t.Skip(message)
		}
	}
}

// A Prometheus is a server of its own.
type Prometheus struct {
	url     string
	process *exec.Cmd
}

// Serve starts Prometheus with the recording, in dir, which must be new. Close it.
func (r *Recording) Serve(ctx context.Context, dir string) (*Prometheus, error) {
	samples := filepath.Join(dir, "samples")
	f, err := os.Create(samples)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.WriteOpenMetrics(f), f.Close()); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "promtool", "tsdb", "create-blocks-from", "openmetrics", samples, filepath.Join(dir, "data")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("promtool: %w: %s", err, out)
	}
	return StartPrometheus(ctx, dir, "")
}

// StartPrometheus starts the program prometheus with a configuration, in dir. Close it.
func StartPrometheus(ctx context.Context, dir, config string) (*Prometheus, error) {
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	p := &Prometheus{"http://" + address, exec.CommandContext(ctx, "prometheus", "--config.file="+path,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--storage.tsdb.retention.time=100y", "--web.listen-address="+address)}
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get(p.url + "/-/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return p, nil
			}
		}
	}
	p.Close()
	return nil, errors.New("prometheus doesn't get ready")
}

// Close ends the server.
func (p *Prometheus) Close() {
	p.process.Process.Kill()
	p.process.Wait()
}

// A Line is one series of the answer to a query.
type Line struct {
	Labels map[string]string
	Points []Point
}

// A Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
}

// UnmarshalJSON reads the pair that Prometheus writes: seconds, and the value as text.
func (p *Point) UnmarshalJSON(data []byte) error {
	var seconds float64
	var text string
	if err := json.Unmarshal(data, &[2]any{&seconds, &text}); err != nil {
		return err
	}
	p.At = time.UnixMilli(int64(seconds * 1000)).UTC()
	var err error
	p.Value, err = strconv.ParseFloat(text, 64)
	return err
}

// Query evaluates PromQL at each scrape between two times.
func (p *Prometheus) Query(ctx context.Context, promQL string, from, to time.Time) ([]Line, error) {
	parameters := url.Values{
		"query": {promQL}, "step": {fmt.Sprint(Interval.Seconds())},
		"start": {from.Format(time.RFC3339)}, "end": {to.Format(time.RFC3339)},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query_range?"+parameters.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values []Point
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", promQL, answer.Error)
	}
	var lines []Line
	for _, result := range answer.Data.Result {
		lines = append(lines, Line{result.Metric, result.Values})
	}
	return lines, nil
}
