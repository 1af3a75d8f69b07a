package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// What people paste is seldom a bare value. unpaste finds the cookies in it.

var (
	// A line of a request or response, as curl -v and browsers' developer tools show it.
	headerLine = regexp.MustCompile(`(?mi)^[<>\s]*(set-)?cookie[ \t]*:[ \t]*(.*)$`)
	// The same between quotes: in a curl command, in JSON, in source text.
	quotedHeader = regexp.MustCompile(`(?i)["'](set-)?cookie["']?[ \t]*:[ \t]*["']?([^"'\r\n]*)["']`)
	curlCookie   = regexp.MustCompile(`(?:^|\s)(?:-b|--cookie)[ =]*\$?(?:'([^']*)'|"([^"]*)"|(\S+))`)
	httpMessage  = regexp.MustCompile(`(?m)^[<>\s]*(?:[A-Z]+ \S+ )?HTTP/[0-9.]+`)
	// A value that a terminal has wrapped.
	wrapped = regexp.MustCompile(`^[\w.:=+/%-]+$`)
	quotes  = regexp.MustCompile(`=[ \t]*"([^";]*)"[ \t]*(;|$)`)
)

// unpaste returns a value or the text of a Cookie header, whatever stood around it, and
// notes on what it undid. Text that it can't make out it returns as it is.
func unpaste(text string) (found string, notes []string, err error) {
	text = strings.TrimSpace(text)
	if pairs := headerPairs(text); pairs != nil {
		found, notes = undoEncoding("Cookie: "+strings.Join(pairs, "; "), nil)
		return found, notes, nil
	}
	if httpMessage.MatchString(text) {
		return "", nil, errors.New("the HTTP message has no Cookie or Set-Cookie line")
	}
	if lines := strings.Fields(text); len(lines) > 1 && strings.ContainsAny(text, "\r\n") {
		joined := strings.Join(lines, "")
		if colons := strings.Count(joined, ":"); wrapped.MatchString(joined) && (colons == 0 || colons == 2) {
			text, notes = joined, []string{"the value was on several lines, which were joined"}
		}
	}
	text = strings.TrimRight(text, ";, \t")
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		text, notes = text[1:n-1], append(notes, "the quotes around the value are not part of it, and were taken off")
	}
	found, notes = undoEncoding(text, notes)
	return found, notes, nil
}

// headerPairs returns the name=value pairs of all Cookie and Set-Cookie lines, or of what
// else holds cookies, those with a value first; nil if text holds none.
func headerPairs(text string) (pairs []string) {
	found := headerLine.FindAllStringSubmatch(text, -1)
	if found == nil {
		found = quotedHeader.FindAllStringSubmatch(text, -1)
	}
	for _, line := range found {
		if line[1] != "" { // of Set-Cookie, what follows the pair are attributes
			line[2], _, _ = strings.Cut(line[2], ";")
		}
		for pair := range strings.SplitSeq(line[2], ";") {
			pairs = append(pairs, strings.TrimSpace(pair))
		}
	}
	if found == nil {
		for _, flag := range curlCookie.FindAllStringSubmatch(text, -1) {
			pairs = append(pairs, flag[1]+flag[2]+flag[3])
		}
	}
	if pairs == nil {
		pairs = tablePairs(text)
	}
	slices.SortStableFunc(pairs, func(a, b string) int { return emptiness(a) - emptiness(b) })
	return pairs
}

// emptiness is 1 for a cookie without a value, as one is that was deleted, and else 0.
func emptiness(pair string) int {
	if _, value, _ := strings.Cut(pair, "="); value == "" {
		return 1
	}
	return 0
}

// tablePairs reads lines with tabs: those of a cookie file, as curl -c writes it, and
// those of the tables in browsers' developer tools, which begin with name and value.
func tablePairs(text string) (pairs []string) {
	const fileColumns = 7 // name and value are the last two
	for line := range strings.Lines(text) {
		columns := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		switch {
		case len(columns) < 2:
			continue
		case len(columns) == fileColumns && isFileFlag(columns[1]) && isFileFlag(columns[3]):
			columns = columns[fileColumns-2:]
		}
		pairs = append(pairs, strings.TrimSpace(columns[0])+"="+strings.TrimSpace(columns[1]))
	}
	return pairs
}

func isFileFlag(column string) bool { return column == "TRUE" || column == "FALSE" }

// undoEncoding undoes what clients and proxies do to a value, as the middleware does:
// quotes, and the percent-encoded colons of npm's cookie package.
func undoEncoding(text string, notes []string) (string, []string) {
	if plain := quotes.ReplaceAllString(text, "=$1$2"); plain != text {
		text, notes = plain, append(notes, "the cookie's value was in quotes, which a site takes off, too")
	}
	if plain := strings.NewReplacer("%3A", ":", "%3a", ":").Replace(text); plain != text {
		text, notes = plain, append(notes, "the colons were percent-encoded (%3A); a site undoes that, too")
	}
	return text, notes
}
