// Package metrics has a dashboard and alerts for the metrics of package prom, as files for
// Grafana and Prometheus, and their tests.
package metrics

import (
	_ "embed"
	"encoding/json"
	"strings"
)

//go:embed dashboard.json
var dashboardJSON []byte

// A Dashboard is what the picture and the tests read of dashboard.json, which is for Grafana.
type Dashboard struct {
	Title      string
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Annotations struct {
		List []Query
	}
	Panels []Panel
}

// A Panel is a diagram.
type Panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct {
				Steps []struct{ Value *float64 }
			}
		}
	}
	Targets []Query
}

// A Query has the PromQL of some lines, and how to name them.
type Query struct {
	RefID, Expr, LegendFormat string
	Datasource                struct{ Type, UID string }
}

// Load reads dashboard.json.
func Load() (Dashboard, error) {
	var d Dashboard
	err := json.Unmarshal(dashboardJSON, &d)
	return d, err
}

// PromQL is the expression with what Grafana puts in for its variables: all jobs and cookies.
func (q Query) PromQL() string {
	return strings.NewReplacer("$job", ".*", "$cookie", ".*", "$__rate_interval", "1m").Replace(q.Expr)
}

// Legend is the name of a line with those labels.
func (q Query) Legend(labels map[string]string) string {
	name := q.LegendFormat
	for label, value := range labels {
		name = strings.ReplaceAll(name, "{{"+label+"}}", value)
	}
	return name
}
