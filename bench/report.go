package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A report is a Markdown page that a command writes.
type report struct{ bytes.Buffer }

// newReport begins a page that says which command made it, when and where.
func newReport(title string) *report {
	command := strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " ")
	r := &report{}
	r.para("<!-- Made by `%s`. Changes by hand are lost. -->", command)
	r.para("# %s", title)
	r.para("Made by `%s` on %s, with %s on %s.", command, time.Now().UTC().Format(time.DateOnly), runtime.Version(), machine())
	return r
}

func (r *report) para(format string, args ...any) { fmt.Fprintf(r, format+"\n\n", args...) }

// table writes a table; all columns but the first are to the right.
func (r *report) table(head []string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(r, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(append([]string{"---"}, slices.Repeat([]string{"---:"}, len(head)-1)...))
	for _, row := range rows {
		line(row)
	}
	r.WriteByte('\n')
}

// savePart puts the report into its place in a page that somebody has written, between
// the lines <!-- part --> and <!-- end of part -->; its headings go a level down.
func (r *report) savePart(dir, name, part string) error {
	path := filepath.Join(dir, name)
	page, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	begin, end := fmt.Sprintf("<!-- %s -->\n", part), fmt.Sprintf("<!-- end of %s -->\n", part)
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		before, after = string(page), ""
	}
	text := strings.ReplaceAll("\n"+strings.TrimSpace(r.String()), "\n#", "\n##")
	return os.WriteFile(path, []byte(before+begin+text+"\n\n"+end+after), 0o644)
}

func (r *report) save(dir, name string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := append(bytes.TrimRight(r.Bytes(), "\n"), '\n')
	return os.WriteFile(filepath.Join(dir, name), text, 0o644)
}

// machine names the processor and the cores that the program may use.
func machine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s", model, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.GOARCH)
}

// versions lists the modules with those paths as they were built in.
func versions(paths ...string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "versions unknown"
	}
	var list []string
	for _, path := range paths {
		for _, m := range info.Deps {
			if m.Path == path {
				list = append(list, strings.TrimPrefix(path, "github.com/")+" "+m.Version)
			}
		}
	}
	return strings.Join(list, ", ")
}

// quantile returns the value below which that part of the sorted values lies.
func quantile[T any](sorted []T, part float64) T {
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// rounds are what one thing measured in each round.
type rounds []float64

func (r rounds) sorted() []float64 { return slices.Sorted(slices.Values(r)) }

func (r rounds) median() float64 {
	s := r.sorted()
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// spread writes how far the lowest and the highest round are off the median.
func (r rounds) spread() string {
	s, m := r.sorted(), r.median()
	return fmt.Sprintf("%+.0f/%+.0f %%", 100*(s[0]/m-1), 100*(s[len(s)-1]/m-1))
}

// thousands writes 1234567 as 1,234,567.
func thousands(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
