package main

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/cookiestore/frameworks/metrics"
	"example.com/cookiestore/frameworks/metrics/fleet"
)

// A panel takes so many pixels for each step of Grafana's grid.
const (
	cell   = 50 // to the right
	row    = 33 // down
	header = 44
)

// colors tell lines apart, for the colour-blind too (Okabe and Ito).
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#8c6d31", "#555555"}

type named struct {
	name   string
	points []fleet.Point
}

type drawing struct {
	from, to time.Time
	marks    []time.Time // restarts
	bytes.Buffer
	width, height int
}

func (d *drawing) text(x, y float64, size int, style, text string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" font-size="%d" %s>`, x, y, size, style)
	xml.EscapeText(d, []byte(text))
	d.WriteString("</text>\n")
}

// panel draws one at its place in the grid.
func (d *drawing) panel(p metrics.Panel, lines []named) {
	x, y := float64(p.GridPos.X*cell), float64(p.GridPos.Y*row+header)
	w, h := float64(p.GridPos.W*cell), float64(p.GridPos.H*row)
	d.width, d.height = max(d.width, int(x+w)+8), max(d.height, int(y+h)+8)
	fmt.Fprintf(d, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="3" fill="#fff" stroke="#d5d9de"/>`+"\n", x+8, y, w-8, h-8)
	d.text(x+18, y+20, 13, `font-weight="600"`, p.Title)

	highest, limit := 0.0, 0.0
	for _, l := range lines {
		for _, point := range l.points {
			if !math.IsNaN(point.Value) {
				highest = max(highest, point.Value)
			}
		}
	}
	for _, s := range p.FieldConfig.Defaults.Thresholds.Steps {
		if s.Value != nil {
			limit = *s.Value
		}
	}
	step, ticks := scale(cmp.Or(max(highest, limit), 1))
	left, right, top, bottom := x+70, x+w-14, y+34, y+h-52
	across := func(t time.Time) float64 {
		return left + (right-left)*float64(t.Sub(d.from))/float64(d.to.Sub(d.from))
	}
	up := func(v float64) float64 { return bottom - (bottom-top)*v/(step*float64(ticks)) }
	for i := range ticks + 1 {
		v := step * float64(i)
		fmt.Fprintf(d, `<path d="M%.1f %.1fH%.1f" stroke="#e9ecef"/>`+"\n", left, up(v), right)
		d.text(left-6, up(v)+4, 11, `text-anchor="end" fill="#666"`, write(v, p.FieldConfig.Defaults.Unit))
	}
	for t := d.from.Truncate(15 * time.Minute); !t.After(d.to); t = t.Add(15 * time.Minute) {
		if !t.Before(d.from) {
			d.text(across(t), bottom+15, 11, `text-anchor="middle" fill="#666"`, t.Format("15:04"))
		}
	}
	for _, t := range d.marks {
		fmt.Fprintf(d, `<path d="M%.1f %.1fV%.1f" stroke="#7aa7d9" stroke-dasharray="2 3"/>`+"\n", across(t), top, bottom)
	}
	if limit > 0 {
		fmt.Fprintf(d, `<path d="M%.1f %.1fH%.1f" stroke="#c4162a" stroke-dasharray="6 4"/>`+"\n", left, up(limit), right)
	}
	lines = slices.DeleteFunc(lines, func(l named) bool { // which would hide others in the legend
		return len(lines) > 5 && !slices.ContainsFunc(l.points, func(p fleet.Point) bool { return p.Value > 0 })
	})
	at := left - 48
	for i, l := range lines {
		color := colors[i%len(colors)]
		fmt.Fprintf(d, `<path d="%s" fill="none" stroke="%s" stroke-width="1.4"/>`+"\n", path(l.points, across, up), color)
		fmt.Fprintf(d, `<path d="M%.1f %.1fh10" stroke="%s" stroke-width="3"/>`+"\n", at, y+h-22, color)
		d.text(at+13, y+h-18, 10, `fill="#333"`, l.name)
		at += 25 + 4.8*float64(len(l.name))
	}
}

// path leaves out what isn't a number, and is broken where points are missing.
func path(points []fleet.Point, across func(time.Time) float64, up func(float64) float64) string {
	var b strings.Builder
	var last time.Time
	for _, p := range points {
		if math.IsNaN(p.Value) {
			continue
		}
		verb := "L"
		if p.At.Sub(last) > fleet.Interval {
			verb = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", verb, across(p.At), up(p.Value))
		last = p.At
	}
	return b.String()
}

// scale returns how far ticks are apart, and how many reach the highest value.
func scale(highest float64) (step float64, ticks int) {
	power := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, factor := range []float64{0.25, 0.5, 1, 2.5} {
		step = factor * power
		if ticks = int(math.Ceil(highest / step)); ticks <= 5 {
			break
		}
	}
	return step, ticks
}

// write is a value with its unit, as Grafana writes it.
func write(v float64, unit string) string {
	switch {
	case v == 0:
		return "0"
	case unit == "percentunit":
		return fmt.Sprintf("%.4g%%", v*100)
	case unit == "bytes":
		return fmt.Sprintf("%.0f B", v)
	case unit == "s" && v < 1e-3:
		return fmt.Sprintf("%.4g µs", v*1e6)
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.4g ms", v*1e3)
	case unit == "s":
		return fmt.Sprintf("%.4g s", v)
	case unit == "ops":
		return fmt.Sprintf("%.4g/s", v)
	}
	return fmt.Sprintf("%.4g", v)
}

func (d *drawing) svg(title string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="Liberation Sans, Arial, sans-serif">`+"\n", d.width, d.height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#f4f5f5"/>`+"\n", d.width, d.height)
	fmt.Fprintf(&b, `<text x="18" y="28" font-size="17" font-weight="600">%s</text>`+"\n", title)
	b.Write(d.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}
