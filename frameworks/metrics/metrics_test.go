package metrics

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/metrics/fleet"
	"example.com/cookiestore/frameworks/metrics/prom"
)

var (
	key      = bytes.Repeat([]byte{1}, 32)
	newKey   = bytes.Repeat([]byte{2}, 32)
	wrongKey = bytes.Repeat([]byte{3}, 32)
)

type rule struct {
	Alert, Expr         string
	For                 string
	Labels, Annotations map[string]string
}

func readRules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// exported are the metrics of package prom as they are in a query, each with its labels.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	reg := prometheus.NewRegistry()
	prom.Observer(reg, "sessionid")(t.Context(), cookiestore.Event{
		Kind: cookiestore.EventSaved, Reason: "asked", Cookie: "sessionid", Took: time.Second,
	})
	families, err := reg.Gather()
	require.NoError(t, err)
	all := map[string][]string{}
	for _, f := range families {
		labels := []string{"job", "instance"} // which Prometheus adds
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if f.GetType().String() != "HISTOGRAM" {
			all[f.GetName()] = labels
			continue
		}
		all[f.GetName()+"_sum"], all[f.GetName()+"_count"] = labels, labels
		all[f.GetName()+"_bucket"] = append(labels, "le")
	}
	return all
}

var (
	selector = regexp.MustCompile(`(cookiestore_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`by \(([^)]*)\)`)
)

// Every query asks for metrics and labels that there are, and for reasons and events that
// happen.
func TestQueriesAskForWhatIsExported(t *testing.T) {
	metrics := exported(t)
	queries := map[string]string{}
	for _, r := range readRules(t) {
		queries[r.Alert] = r.Expr
	}
	dashboard, err := Load()
	require.NoError(t, err)
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			queries[p.Title+" "+q.RefID] = q.PromQL()
		}
	}
	for _, q := range dashboard.Annotations.List {
		queries["an annotation"] = q.PromQL()
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			queries[v.Name] = v.Query.(map[string]any)["query"].(string)
		}
	}
	used := map[string]bool{}
	for name, query := range queries {
		found := selector.FindAllStringSubmatch(query, -1)
		require.NotEmpty(t, found, name)
		labels := map[string]bool{}
		for _, s := range found {
			require.Contains(t, metrics, s[1], name)
			used[strings.NewReplacer("_sum", "", "_count", "", "_bucket", "").Replace(s[1])] = true
			for _, l := range metrics[s[1]] {
				labels[l] = true
			}
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				require.Contains(t, metrics[s[1]], m[1], name)
				if m[1] == "event" || m[1] == "reason" || m[1] == "beside" {
					for word := range strings.SplitSeq(m[2], "|") {
						require.Contains(t, words(t), word, name)
					}
				}
			}
		}
		for _, by := range grouping.FindAllStringSubmatch(query, -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				require.True(t, labels[label], "%s: no metric of it has the label %s", name, label)
			}
		}
	}
	for metric := range metrics {
		require.Contains(t, used, strings.NewReplacer("_sum", "", "_count", "", "_bucket", "").Replace(metric), "nothing shows it")
	}
}

// words are the events and reasons that are counted from the start.
func words(t *testing.T) map[string]bool {
	t.Helper()
	reg := prometheus.NewRegistry()
	prom.Observer(reg, "sessionid")
	families, err := reg.Gather()
	require.NoError(t, err)
	all := map[string]bool{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				all[l.GetValue()] = true
			}
		}
	}
	return all
}

func TestTheDashboardFillsItsGrid(t *testing.T) {
	dashboard, err := Load()
	require.NoError(t, err)
	taken := map[[2]int]int{}
	rows := 0
	for _, p := range dashboard.Panels {
		require.Equal(t, "timeseries", p.Type)
		require.Contains(t, []string{"ops", "percentunit", "bytes", "short", "s"}, p.FieldConfig.Defaults.Unit)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, q := range p.Targets {
			require.Equal(t, "${datasource}", q.Datasource.UID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Zero(t, taken[[2]int{x, y}], "%s lies on another panel", p.Title)
				require.Less(t, x, 24)
				taken[[2]int{x, y}] = p.ID
				rows = max(rows, y+1)
			}
		}
	}
	require.Len(t, taken, 24*rows)
	require.Equal(t, "datasource", dashboard.Templating.List[0].Type)
}

// minutes visits the site for that long, on the recording's clock.
func minutes(t *testing.T, f *fleet.Fleet, n int) { visits(t, f, n, 30) }

func visits(t *testing.T, f *fleet.Fleet, minutes, each int) {
	t.Helper()
	for range minutes * int(time.Minute/fleet.Interval) {
		require.NoError(t, f.Visit(each))
	}
}

// fired are the alerts of an hour.
const fired = `max by (alertname, cookie, instance, reason) (max_over_time(ALERTS{alertstate="firing"}[1h]))`

func TestAlerts(t *testing.T) {
	fleet.NeedPrometheus(t)
	missing := func(server int) string {
		return fmt.Sprintf(`{alertname="SessionKeyMissing", cookie="sessionid", instance="server-%d"}`, server)
	}
	for _, tt := range []struct {
		name   string
		happen func(t *testing.T, f *fleet.Fleet)
		fire   []string
	}{
		{"nothing fires in normal traffic", func(t *testing.T, f *fleet.Fleet) { minutes(t, f, 12) }, nil},
		{"nothing fires when the key is replaced in two steps", func(t *testing.T, f *fleet.Fleet) {
			for _, keys := range [][][]byte{{key, newKey}, {newKey, key}} {
				for i := range 3 {
					minutes(t, f, 2)
					require.NoError(t, f.Deploy(i, keys[0], keys[1:]...))
				}
			}
			minutes(t, f, 4)
		}, nil},
		{"nothing fires for a few bad cookies among many good ones", func(t *testing.T, f *fleet.Fleet) {
			f.Strays = 50
			visits(t, f, 8, 150)
		}, nil},
		{"nothing fires for the few cookies of a quiet site", func(t *testing.T, f *fleet.Fleet) {
			f.Strays = 1
			for range 12 {
				visits(t, f, 1, 0)
				require.NoError(t, f.Visit(1))
			}
		}, nil},
		{"a server that is deployed with another key", func(t *testing.T, f *fleet.Fleet) {
			minutes(t, f, 4)
			require.NoError(t, f.Deploy(2, wrongKey))
			minutes(t, f, 8)
		}, []string{missing(1), missing(2), missing(3)}}, // 1 and 2 get what 3 has signed
		{"all servers are deployed with a new key, and the old one is forgotten", func(t *testing.T, f *fleet.Fleet) {
			minutes(t, f, 4)
			for i := range 3 {
				require.NoError(t, f.Deploy(i, newKey))
			}
			minutes(t, f, 8)
		}, []string{missing(1), missing(2), missing(3)}},
		{"a server loses its database", func(t *testing.T, f *fleet.Fleet) {
			minutes(t, f, 4)
			require.NoError(t, f.CloseDatabase(1))
			minutes(t, f, 4)
		}, []string{`{alertname="SessionChangesLost", cookie="sessionid", reason="failed"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := fleet.New(t.TempDir(), 3, key)
			require.NoError(t, err)
			defer f.Close()
			tt.happen(t, f)
			promtool(t, recorded(t, f), "promql_expr_test:\n"+expression(fired, f.Clock(), tt.fire, 1))
		})
	}
}

// What a small fleet can't show: series of twenty minutes, each of which grows by so much
// between two scrapes.
func TestAlertsOnOtherSites(t *testing.T) {
	fleet.NeedPrometheus(t)
	const (
		missing    = `{alertname="SessionKeyMissing", cookie="sessionid", instance="server-1"}`
		everywhere = `{alertname="SessionKeyMissingEverywhere", cookie="sessionid"}`
	)
	lost := func(reason string) string {
		return fmt.Sprintf(`{alertname="SessionChangesLost", cookie="sessionid", reason="%s"}`, reason)
	}
	type growth map[[3]string]float64 // by event, reason and beside
	for _, tt := range []struct {
		name    string
		servers int
		growth  growth
		fire    []string
	}{
		{"a hundred servers with few visitors each", 100, growth{{"refused", "tampered"}: 0.25, {"loaded"}: 0.1}, []string{everywhere}},
		{"few refusals on many servers", 100, growth{{"refused", "tampered"}: 0.25, {"loaded"}: 10}, nil},
		{"fewer than eleven in five minutes", 1, growth{{"refused", "tampered"}: 0.4}, nil},
		{"encryption without the former format", 1, growth{{"refused", "malformed"}: 500}, []string{missing}},
		{"a foreign cookie beside each good one", 1, growth{{"refused", "tampered", "true"}: 100, {"loaded"}: 100}, nil},
		{"a foreign cookie beside each good one hides nothing", 1, growth{
			{"refused", "tampered", "true"}: 1000, {"refused", "tampered"}: 10, {"loaded"}: 100,
		}, []string{missing}},
		{"nor do refusals of package dbsc", 1, growth{
			{"refused", "unbound"}: 1000, {"refused", "expired"}: 1000, {"refused", "tampered"}: 10, {"loaded"}: 100,
		}, []string{missing}},
		{"sessions that end by themselves", 1, growth{{"refused", "expired"}: 100, {"refused", "revoked"}: 100, {"loaded"}: 1}, nil},
		{"clients that have gone, and renewals that fail", 1, growth{
			{"failed", "canceled"}: 5, {"failed", "renewal"}: 5, {"failed", "key"}: 5, {"failed", "interrupted"}: 5, {"failed", "cross-site"}: 5,
		}, nil},
		{"what is lost", 1, growth{{"failed", "failed"}: 1, {"failed", "flash"}: 1, {"failed", "late"}: 1, {"failed", "value"}: 1},
			[]string{lost("failed"), lost("flash"), lost("late"), lost("value")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var series strings.Builder
			for server := range tt.servers {
				for labels, each := range tt.growth {
					fmt.Fprintf(&series, "      - series: 'cookiestore_session_events_total{job=\"shop\", instance=\"server-%d\", cookie=\"sessionid\", "+
						"event=\"%s\", reason=\"%s\", beside=\"%s\"}'\n        values: '0+%gx80'\n", server+1, labels[0], labels[1], labels[2], each)
				}
			}
			promtool(t, series.String(), "promql_expr_test:\n"+expression(fired, fleet.Start.Add(20*time.Minute), tt.fire, 1))
		})
	}
}

func TestWhatTheAlertsSay(t *testing.T) {
	fleet.NeedPrometheus(t)
	f, err := fleet.New(t.TempDir(), 2, key)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Deploy(1, wrongKey))
	minutes(t, f, 5)
	r := readRules(t)[0]
	require.Equal(t, "SessionKeyMissing", r.Alert)
	var want strings.Builder
	for i := range 2 {
		instance := fmt.Sprintf("server-%d", i+1)
		summary := strings.NewReplacer("{{ $labels.instance }}", instance, "{{ $labels.cookie }}", "sessionid").Replace(r.Annotations["summary"])
		require.NotContains(t, summary, "{{")
		fmt.Fprintf(&want, "    - exp_labels: {severity: page, job: shop, cookie: sessionid, instance: %s}\n"+
			"      exp_annotations: {summary: %q, description: %q}\n", instance, summary, r.Annotations["description"])
	}
	promtool(t, recorded(t, f), fmt.Sprintf("alert_rule_test:\n  - eval_time: %s\n    alertname: SessionKeyMissing\n    exp_alerts:\n%s",
		f.Clock().Sub(fleet.Start), &want))
	waited := `count by (cookie) (max_over_time(ALERTS{alertstate="pending"}[1h]))` // for 2 minutes
	promtool(t, recorded(t, f), "promql_expr_test:\n"+expression(waited, f.Clock(), []string{`{cookie="sessionid"}`}, 2))
}

// expression is a test that those series, and no others, have that value.
func expression(promQL string, at time.Time, series []string, value int) string {
	test := fmt.Sprintf("  - expr: '%s'\n    eval_time: %s\n    exp_samples:\n", promQL, at.Sub(fleet.Start))
	for _, s := range series {
		test += fmt.Sprintf("    - labels: '%s'\n      value: %d\n", s, value)
	}
	return test
}

// recorded is what a fleet has recorded, as input series.
func recorded(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	var series bytes.Buffer
	require.NoError(t, f.WriteTestSeries(&series, "cookiestore_session_events_total"))
	return series.String()
}

// promtool tries the rules with input series.
func promtool(t *testing.T, series, test string) {
	t.Helper()
	rules, err := filepath.Abs("alerts.yml")
	require.NoError(t, err)
	var file bytes.Buffer
	fmt.Fprintf(&file, "rule_files: ['%s']\nevaluation_interval: %s\ntests:\n  - interval: %s\n    input_series:\n", rules, fleet.Interval, fleet.Interval)
	file.WriteString(series)
	file.WriteString("    " + strings.ReplaceAll(strings.TrimSpace(test), "\n", "\n    ") + "\n")
	path := filepath.Join(t.TempDir(), "test.yml")
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o600))
	out, err := exec.Command("promtool", "test", "rules", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Prometheus itself answers each query of the dashboard.
func TestTheDashboardShowsWhatHappened(t *testing.T) {
	fleet.NeedPrometheus(t)
	f, err := fleet.New(t.TempDir(), 3, key)
	require.NoError(t, err)
	defer f.Close()
	minutes(t, f, 4)
	require.NoError(t, f.Deploy(2, newKey, key))
	require.NoError(t, f.CloseDatabase(1))
	minutes(t, f, 4)
	p, err := f.Serve(t.Context(), t.TempDir())
	require.NoError(t, err)
	defer p.Close()
	dashboard, err := Load()
	require.NoError(t, err)
	ask := func(q Query) map[string]float64 {
		lines, err := p.Query(t.Context(), q.PromQL(), fleet.Start, f.Clock())
		require.NoError(t, err)
		highest := map[string]float64{}
		for _, line := range lines {
			for _, point := range line.Points {
				highest[q.Legend(line.Labels)] = max(highest[q.Legend(line.Labels)], point.Value)
			}
		}
		require.NotContains(t, fmt.Sprint(highest), "{{")
		return highest
	}
	shown := map[string]map[string]float64{}
	for _, panel := range dashboard.Panels {
		shown[panel.Title] = map[string]float64{}
		for _, q := range panel.Targets {
			lines := ask(q)
			require.NotEmpty(t, lines, q.Expr)
			for name, value := range lines {
				shown[panel.Title][name] = value
			}
		}
	}
	for title, lines := range map[string][]string{
		"Sessions, by what happened":          {"loaded", "refused", "saved", "deleted", "failed"},
		"Refused cookies, by reason":          {"tampered", "expired"},
		"Saved, by reason":                    {"asked", "renewal", "key"},
		"Failed, by reason":                   {"failed"},
		"Time in the store, 99%":              {"loaded", "saved"},
		"Conflicts that were merged":          {"conflicts"},
		"Set-Cookie bytes of a saved session": {"median", "99%"},
		"JSON bytes of a saved session":       {"median", "99%"},
		"Cookies of a saved session":          {"cookies"},
	} {
		for _, line := range lines {
			require.Positive(t, shown[title][line], "%s: %s", title, line)
		}
	}
	require.Greater(t, shown["Unknown keys or formats, by server"]["server-1"], 0.05)
	require.Len(t, ask(dashboard.Annotations.List[0]), 1)
}
