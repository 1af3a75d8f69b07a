package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
)

// patience is how long work may take before its progress is shown, and pace how often
// it is shown then.
const (
	patience = time.Second
	pace     = 200 * time.Millisecond
)

// A progress is a line on a terminal that says how far long work is. It is erased in
// the end. A nil progress shows nothing.
type progress struct {
	to     io.Writer
	what   string // "sessions removed"
	now    func() time.Time
	next   time.Time // when it may be shown
	done   int64
	isSeen bool
}

// watched returns the progress of work that begins now, if errOut is a terminal, where
// somebody watches.
func watched(errOut io.Writer, what string) *progress {
	if !isTerminal(errOut) {
		return nil
	}
	return newProgress(errOut, what, time.Now)
}

func newProgress(to io.Writer, what string, now func() time.Time) *progress {
	return &progress{to: to, what: what, now: now, next: now().Add(patience)}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// add counts what has been done.
func (p *progress) add(n int64) {
	if p == nil {
		return
	}
	p.done += n
	if now := p.now(); !now.Before(p.next) {
		p.next, p.isSeen = now.Add(pace), true
		fmt.Fprintf(p.to, "\rclearsessions: %d %s", p.done, p.what)
	}
}

// erase removes the line, so that nothing is left of it when all is well.
func (p *progress) erase() {
	if p == nil {
		return
	}
	if p.isSeen {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
	p.isSeen = false
}
