package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of the drawings.
const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 11 * vg.Centimeter
)

var (
	ours   = color.RGBA{0x1f, 0x6f, 0xb4, 0xff}
	others = color.RGBA{0xa9, 0xb4, 0xbf, 0xff}

	// colors tell lines apart, for the colour-blind too (Okabe and Ito).
	colors = []color.RGBA{
		{0x55, 0x55, 0x55, 0xff}, {0x00, 0x72, 0xb2, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0xd5, 0x5e, 0x00, 0xff},
		{0xe6, 0x9f, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff}, {0x8c, 0x6d, 0x31, 0xff},
	}
)

func init() {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
}

// plotSpeed draws the time of a change by the size of the session.
func plotSpeed(cases []*speedCase, path string) error {
	p := plot.New()
	p.Title.Text, p.Title.Padding = "Time to read, change and save a session", vg.Points(8)
	p.X.Label.Text = "bytes of JSON"
	p.Y.Label.Text = "µs"
	p.Y.Min = 0
	p.X.Min, p.X.Max = 0, 3100
	p.X.Tick.Marker = separated{}
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(2)
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(10), vg.Points(-6)
	p.Add(plotter.NewGrid())
	for i, peer := range cookiePeers() {
		if !slices.ContainsFunc(cases, func(c *speedCase) bool { return c.peer == peer.name }) {
			continue
		}
		var points plotter.XYs
		for _, size := range speedSizes {
			c := find(cases, peer.name, "change", size)
			if c == nil {
				c = find(cases, "cookiestore", "change", size) // which it is up to there
			}
			if c.unfit == nil {
				points = append(points, plotter.XY{X: float64(size), Y: c.ns.median() / 1000})
			}
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color = colors[i%len(colors)], colors[i%len(colors)]
		line.Width = vg.Points(1.5)
		dots.Shape = draw.CircleGlyph{}
		if isFloor(peer.name) {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(line, dots)
		p.Legend.Add(peer.name, line, dots)
	}
	p.Y.Max *= 1.5 // room for the legend
	return savePlots(path, plotWidth, 13*vg.Centimeter, p)
}

// A bar is a line of a bar chart.
type bar struct {
	label string
	value float64
	ours  bool
	write string // the value, as it is written beside the bar
}

// legend says what the colours of the bars mean.
type legend struct{ ours, others string }

// barChart draws horizontal bars, the first on top.
func barChart(title, axis string, bars []bar, colours *legend) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Title.Padding = title, vg.Points(8)
	p.X.Label.Text, p.X.Label.Padding = axis, vg.Points(3)
	p.X.Min = 0
	p.X.Tick.Marker = separated{}
	labels := plotter.XYLabels{}
	names := make([]string, len(bars))
	for i, b := range bars {
		y := float64(len(bars) - 1 - i)
		names[int(y)] = b.label
		one, err := plotter.NewBarChart(plotter.Values{b.value}, vg.Points(13))
		if err != nil {
			return nil, err
		}
		one.Horizontal, one.XMin, one.LineStyle.Width, one.Color = true, y, 0, others
		if b.ours {
			one.Color = ours
		}
		if colours != nil {
			if b.ours {
				colours.add(p, &colours.ours, one)
			} else {
				colours.add(p, &colours.others, one)
			}
		}
		p.Add(one)
		p.X.Max = math.Max(p.X.Max, b.value*1.22)
		labels.XYs = append(labels.XYs, plotter.XY{X: b.value, Y: y})
		labels.Labels = append(labels.Labels, " "+b.write)
	}
	values, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	for i := range values.TextStyle {
		values.TextStyle[i].YAlign = draw.YCenter
	}
	p.Add(values)
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.7, float64(len(bars))-0.3 // room for whole bars
	return p, nil
}

// add names the colour of a bar, once.
func (l *legend) add(p *plot.Plot, label *string, b *plotter.BarChart) {
	if *label != "" {
		p.Legend.Add(*label, b)
		p.Legend.Padding, p.Legend.XOffs, p.Legend.YOffs = vg.Points(4), vg.Points(-14), vg.Points(10)
		p.Legend.TextStyle.Font.Size = vg.Points(10)
	}
	*label = ""
}

// separated are the default ticks, written as 10,000.
type separated struct{}

func (separated) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = thousands(t.Value)
		}
	}
	return ticks
}

// savePlots writes the plots, side by side, to path.svg and path.png.
func savePlots(path string, width, height vg.Length, plots ...*plot.Plot) error {
	if len(plots) == 0 {
		return fmt.Errorf("nothing to draw in %s", path)
	}
	drawOn := func(c vg.CanvasSizer) {
		canvas := draw.New(c)
		tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: 5 * vg.Millimeter,
			PadTop: 2 * vg.Millimeter, PadBottom: 2 * vg.Millimeter, PadLeft: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
		for i, part := range plot.Align([][]*plot.Plot{plots}, tiles, canvas)[0] {
			plots[i].Draw(part)
		}
	}
	svg := vgsvg.New(width, height)
	drawOn(svg)
	png := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))
	drawOn(png)
	for name, write := range map[string]func(*os.File) error{
		path + ".svg": func(f *os.File) error { _, err := svg.WriteTo(f); return err },
		path + ".png": func(f *os.File) error { _, err := vgimg.PngCanvas{Canvas: png}.WriteTo(f); return err },
	} {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if err := write(f); err != nil {
			f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
