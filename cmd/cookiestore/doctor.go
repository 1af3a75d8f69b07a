package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A severity is how much a finding matters.
type severity string

const (
	problem severity = "problem" // sessions get lost or stolen
	warning severity = "warning" // they may, or only in some browsers or behind some proxies
	note    severity = "note"    // good to know
	fine    severity = "ok"
)

// severities are all of them, the worst first.
var severities = []severity{problem, warning, note, fine}

// A finding is one thing that doctor says of a response. It holds no cookie's value.
type finding struct {
	Severity severity `json:"severity"`
	Check    string   `json:"check"`         // what was looked at, in one word
	Message  string   `json:"message"`       // what it is, and what that means
	Fix      string   `json:"fix,omitempty"` // what to change
}

// A diagnosis is all that doctor says of a response. It prints as one JSON object.
type diagnosis struct {
	URL      string    `json:"url"`    // without what may be secret in it; "" for a pasted response
	Status   int       `json:"status"` // 0 if unknown
	Cookie   string    `json:"cookie"` // name of the session cookie; "" if there is none
	Worst    severity  `json:"worst"`
	Findings []finding `json:"findings"` // the worst first
}

func (c *command) doctorFlags() {
	c.nameAndTime("to judge expiry at")
	c.flags.BoolVar(&c.json, "json", false, "print a JSON object for each response, one a line")
	c.flags.BoolVar(&c.follow, "follow", false, "follow redirects, and check each response")
	c.flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for a response, a `duration`")
}

// doctor checks responses.
func (c *command) doctor() (int, error) {
	if c.timeout <= 0 {
		return misuse, misusef("-timeout must be over zero")
	}
	addresses, responses, err := c.patients()
	if err != nil {
		return bad, err
	}
	status := good
	report := func(d diagnosis) error {
		if d.Worst == problem || d.Worst == warning {
			status = bad
		}
		if c.json {
			return d.printJSON(c)
		}
		return d.print(c)
	}
	for _, r := range responses {
		if err := report(c.diagnose(r)); err != nil {
			return bad, err
		}
	}
	for _, address := range addresses {
		for r, err := range c.fetch(address) {
			d := diagnosis{URL: shown(r.url)}
			if err != nil {
				d.add(problem, "fetch", "there is no response: "+err.Error(), "")
				d.sort()
			} else {
				d = c.diagnose(r)
			}
			if err := report(d); err != nil {
				return bad, err
			}
		}
	}
	return status, nil
}

// diagnose checks one response.
func (c *command) diagnose(r response) diagnosis {
	d := diagnosis{URL: shown(r.url), Status: r.status}
	all := setCookies(r.header)
	d.Cookie = c.sessionName(all)
	e := examination{diagnosis: &d, response: r, now: c.at}
	for _, s := range all {
		if s.name == d.Cookie {
			e.cookies = append(e.cookies, s)
		} else if chunkOf(s.name, d.Cookie) {
			e.chunks = append(e.chunks, s)
		}
	}
	e.transport()
	switch {
	case len(e.cookies)+len(e.chunks) > 0:
		e.scopes()
		e.attributes()
		e.size()
		e.caching()
	case r.passing:
		d.add(note, "cookie", "the response sets no session cookie, and leads to the next", "")
	default:
		d.add(warning, "cookie", "the response sets no session cookie"+others(all),
			"ask for a page that sets it, such as the answer to a login, or name the cookie with -name")
	}
	d.sort()
	return d
}

// others names the cookies that a response sets.
func others(all []setCookie) string {
	var names []string
	for _, s := range all {
		if !slices.Contains(names, s.name) && len(names) < maxNames {
			names = append(names, s.name)
		}
	}
	if names == nil {
		return ""
	}
	return ", only " + strings.Join(names, ", ")
}

func (d *diagnosis) add(how severity, check, message, fix string) {
	d.Findings = append(d.Findings, finding{how, check, message, fix})
}

// sort puts the worst findings first.
func (d *diagnosis) sort() {
	rank := func(f finding) int { return slices.Index(severities, f.Severity) }
	slices.SortStableFunc(d.Findings, func(a, b finding) int { return rank(a) - rank(b) })
	d.Worst = fine
	if len(d.Findings) > 0 {
		d.Worst = d.Findings[0].Severity
	}
}

func (d diagnosis) printJSON(c *command) error {
	line, err := jsonLine(d)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, escaped(line))
	return err
}

// print prints the diagnosis for a reader.
func (d diagnosis) print(c *command) error {
	var out bytes.Buffer
	title := "response"
	if d.URL != "" {
		title = d.URL
	}
	if d.Status != 0 {
		title += fmt.Sprintf(" (status %d)", d.Status)
	}
	if d.Cookie != "" {
		title += ", session cookie " + d.Cookie
	}
	fmt.Fprintln(&out, escaped(title))
	count := map[severity]int{}
	for _, f := range d.Findings {
		count[f.Severity]++
		fmt.Fprintf(&out, "  %-8s %-9s %s\n", f.Severity, f.Check, escaped(f.Message))
		if f.Fix != "" {
			fmt.Fprintf(&out, "  %-8s %-9s to change: %s\n", "", "", escaped(f.Fix))
		}
	}
	fmt.Fprintf(&out, "  %s, %s\n\n", counted(count[problem], "problem"), counted(count[warning], "warning"))
	_, err := out.WriteTo(c.out)
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
