package main

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A response is the header of one.
type response struct {
	url    *url.URL // nil if it was pasted
	status int      // 0 if unknown
	header http.Header
	size   int // bytes of the header, as HTTP/1.1 has it

	passing bool // the one that counts follows, as after a redirect
}

// maxHeader bounds the header of a response that is fetched, maxResponses the responses
// that one paste holds, and maxRedirects those that are followed.
const (
	maxHeader    = 1 << 20
	maxResponses = 100
	maxRedirects = 10
)

// patients returns the URLs to fetch, or the responses on standard input.
func (c *command) patients() (addresses []*url.URL, responses []response, err error) {
	texts := c.flags.Args()
	if len(texts) == 0 {
		text, err := readAll(c.in)
		if err != nil {
			return nil, nil, err
		}
		if texts = urlLines(string(text)); texts == nil {
			if responses = pastedResponses(string(text)); len(responses) == 0 {
				return nil, nil, errors.New("standard input holds neither URLs nor a response: paste what curl -i or curl -v prints")
			}
			return nil, responses, nil
		}
	}
	for _, text := range texts {
		address, err := url.Parse(text)
		if err != nil || !isWeb(address) {
			return nil, nil, misusef("a URL begins with https:// or http:// and a host; put flags before it")
		}
		addresses = append(addresses, address)
	}
	return addresses, nil, nil
}

func isWeb(u *url.URL) bool { return (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" }

// urlLines returns the lines of text if all are URLs.
func urlLines(text string) (all []string) {
	for _, line := range strings.Fields(text) {
		if lower := strings.ToLower(line); !strings.HasPrefix(lower, "https://") && !strings.HasPrefix(lower, "http://") {
			return nil
		}
		all = append(all, line)
	}
	return all
}

// shown returns a URL without a user, a password and a query, which may be secret.
func shown(u *url.URL) string {
	if u == nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// fetch yields the response of a URL, and with -follow those of the redirects. An error
// comes with the URL that it is about.
func (c *command) fetch(address *url.URL) iter.Seq2[response, error] {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = maxHeader
	transport.DisableKeepAlives = true
	client := &http.Client{
		Transport:     transport,
		Timeout:       c.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(yield func(response, error) bool) {
		for range maxRedirects + 1 {
			r, next, err := get(client, address)
			r.passing = next != nil && c.follow
			if !yield(r, err) || err != nil || next == nil || !c.follow {
				return
			}
			address = next
		}
		yield(response{url: address}, fmt.Errorf("there were over %d redirects", maxRedirects))
	}
}

// get asks for a URL, and returns where it redirects to, or nil. The body isn't read.
func get(client *http.Client, address *url.URL) (r response, next *url.URL, err error) {
	r.url = address
	request, err := http.NewRequest(http.MethodGet, address.String(), nil)
	if err != nil {
		return r, nil, err
	}
	request.Header.Set("User-Agent", "cookiestore-doctor")
	request.Header.Set("Accept", "text/html, */*")
	answer, err := client.Do(request)
	if err != nil {
		return r, nil, plainError(err)
	}
	answer.Body.Close()
	r.status, r.header = answer.StatusCode, answer.Header
	r.size = len("HTTP/1.1 \r\n\r\n") + len(answer.Status)
	for name, lines := range answer.Header {
		for _, line := range lines {
			r.size += fieldSize(name, line)
		}
	}
	if next, err := answer.Location(); err == nil && isWeb(next) && r.status >= 300 && r.status < 400 {
		return r, next, nil
	}
	return r, nil, nil
}

// plainError returns why there is no response, without the URL, and without the line of
// the header that net/http quotes, which may hold a cookie.
func plainError(err error) error {
	about := (*url.Error)(nil)
	switch {
	case errors.As(err, &about) && about.Timeout():
		return errors.New("there was no answer in time (see -timeout)")
	case strings.Contains(err.Error(), "malformed"):
		return errors.New("the answer is not HTTP, or its header is malformed")
	case about != nil:
		return about.Err
	}
	return err
}

func fieldSize(name, line string) int { return len(name) + len(": \r\n") + len(line) }

var (
	statusLine = regexp.MustCompile(`^HTTP/[0-9.]+ +([0-9]{3})\b`)
	headerName = regexp.MustCompile("^[\\w!#$%&'*+.^`|~-]+:")
)

// pastedResponses reads responses as curl -i and curl -v print them, bodies included, or
// lines of a header with Set-Cookie alone.
func pastedResponses(text string) (all []response) {
	verbose := strings.Contains(text, "\n< HTTP/") || strings.HasPrefix(text, "< HTTP/")
	inHeader := true // lines of a header may come without a status line
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if verbose {
			var ok bool
			if line, ok = strings.CutPrefix(line, "< "); !ok {
				continue // the request, the body, or a remark
			}
		}
		if status := statusLine.FindStringSubmatch(line); status != nil {
			if len(all) == maxResponses {
				break
			}
			code, _ := strconv.Atoi(status[1])
			all = append(all, response{status: code, header: http.Header{}, size: len(line) + len("\r\n\r\n")})
			inHeader = true
			continue
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			inHeader = len(all) == 0
		case !inHeader || !headerName.MatchString(line):
			continue
		default:
			if all == nil {
				all = []response{{header: http.Header{}}}
			}
			name, value, _ := strings.Cut(line, ":")
			r := &all[len(all)-1]
			r.header.Add(name, strings.TrimSpace(value))
			r.size += fieldSize(name, strings.TrimSpace(value))
		}
	}
	for i := range max(len(all)-1, 0) {
		kind := all[i].status / 100
		all[i].passing = kind == 1 || kind == 3
	}
	if len(all) > 0 && all[0].status == 0 && all[0].header["Set-Cookie"] == nil {
		return all[1:] // text with a colon is not a header yet
	}
	return all
}
