package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A visitor is a client with one connection and one cookie. It knows just enough
// HTTP for the servers here, so that the measuring takes little of the machine,
// and checks that every answer counts on from the one before.
type visitor struct {
	addr   string
	cookie []byte // name=value
	visits int

	conn net.Conn
	in   *bufio.Reader
	out  []byte

	sent, received int
	latencies      []time.Duration
}

// dial opens the visitor's connection and makes a first request, which isn't measured.
func (v *visitor) dial(path string) error {
	conn, err := net.Dial("tcp", v.addr)
	if err != nil {
		return err
	}
	v.conn, v.in = conn, bufio.NewReaderSize(conn, 8<<10)
	if err := v.count(path); err != nil {
		return err
	}
	v.sent, v.received, v.latencies = 0, 0, v.latencies[:0]
	return nil
}

// logIn begins the visitor's session.
func (v *visitor) logIn(size int) error {
	conn, err := net.Dial("tcp", v.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	v.conn, v.in, v.visits = conn, bufio.NewReader(conn), sample(size).Visits
	_, err = v.get(loginPath(size))
	return err
}

// visit makes requests until the time has passed.
func (v *visitor) visit(path string, until time.Time) error {
	for start := time.Now(); start.Before(until); {
		if err := v.count(path); err != nil {
			return err
		}
		now := time.Now()
		v.latencies = append(v.latencies, now.Sub(start))
		start = now
	}
	return nil
}

// count gets the page and checks the number on it.
func (v *visitor) count(path string) error {
	if path == "/change" {
		v.visits++
	}
	page, err := v.get(path)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(string(page)); err != nil || n != v.visits {
		return fmt.Errorf("%s says %q, and not %d", path, page, v.visits)
	}
	return nil
}

var crlf = []byte("\r\n")

// get makes one request and returns the page. It keeps the cookie that is set.
func (v *visitor) get(path string) ([]byte, error) {
	v.out = fmt.Appendf(v.out[:0], "GET %s HTTP/1.1\r\nHost: %s\r\n", path, v.addr)
	if len(v.cookie) > 0 {
		v.out = append(append(append(v.out, "Cookie: "...), v.cookie...), crlf...)
	}
	v.out = append(v.out, crlf...)
	if _, err := v.conn.Write(v.out); err != nil {
		return nil, err
	}
	v.sent += len(v.out)

	status, length := "", -1
	for {
		line, err := v.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		v.received += len(line)
		line = bytes.TrimSuffix(line, crlf)
		if status == "" {
			status = string(line[len("HTTP/1.1 "):])
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return nil, err
			}
		case "Set-Cookie":
			value, _, _ = bytes.Cut(value, []byte(";"))
			v.cookie = append(v.cookie[:0], value...)
		}
	}
	if length < 0 {
		return nil, errors.New("a response without a Content-Length")
	}
	page, err := v.in.Peek(length)
	if err != nil {
		return nil, err
	}
	v.in.Discard(length)
	v.received += length
	if status != "200 OK" {
		page = bytes.TrimSpace(page)
		if bytes.Contains(page, []byte("too long")) {
			return nil, errTooLarge{string(page)}
		}
		return nil, fmt.Errorf("%s: %s: %s", path, status, page)
	}
	return page, nil
}

// A result is what one round has measured.
type result struct {
	rate     float64 // requests a second
	p50, p99 float64 // milliseconds
	allocs   float64 // and the rest per request
	up, down float64 // bytes
}

// measure has the visitors make requests for d, all at once.
func measure(s *server, visitors []*visitor, path string, d time.Duration) (result, error) {
	for _, v := range visitors {
		if err := v.dial(path); err != nil {
			return result{}, err
		}
		defer v.conn.Close()
	}
	before, err := s.mallocs()
	if err != nil {
		return result{}, err
	}
	var wg sync.WaitGroup
	errs := make([]error, len(visitors))
	start := time.Now()
	for i, v := range visitors {
		wg.Go(func() { errs[i] = v.visit(path, start.Add(d)) })
	}
	wg.Wait()
	elapsed := time.Since(start)
	after, err := s.mallocs()
	if err := errors.Join(append(errs, err)...); err != nil {
		return result{}, err
	}
	var latencies []time.Duration
	sent, received := 0, 0
	for _, v := range visitors {
		latencies = append(latencies, v.latencies...)
		sent += v.sent
		received += v.received
	}
	slices.Sort(latencies)
	n := float64(len(latencies))
	return result{
		rate:   n / elapsed.Seconds(),
		p50:    quantile(latencies, 0.50).Seconds() * 1000,
		p99:    quantile(latencies, 0.99).Seconds() * 1000,
		allocs: (after - before) / n,
		up:     float64(sent) / n,
		down:   float64(received) / n,
	}, nil
}
