package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"example.com/cookiestore/example/lambda/gateway"
)

// A starter is a program of coldstart/, and what was measured of it.
type starter struct {
	name  string
	path  string
	start func(context.Context) (time.Duration, error)
	bytes int64
	ms    rounds
	more  rounds // than the program without sessions in the same round
}

func runColdstart(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("coldstart", flag.ContinueOnError)
	count := flags.Int("rounds", 100, "how often to start each program")
	dir := flags.String("o", "docs", "the directory to write to")
	lambda := flags.Bool("lambda", false, "start AWS Lambda functions, and not servers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "coldstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	starters := []*starter{{name: "none"}, {name: "cookiestore"}, {name: "gorilla"}}
	for _, s := range starters {
		s.start = s.serve
		folder := "coldstart/"
		if *lambda {
			s.start, folder = s.invoke, "coldstart/lambda/"
		}
		if err := s.build(ctx, folder, temp); err != nil {
			return err
		}
		if _, err := s.start(ctx); err != nil { // reads the file into memory
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for range *count {
		for _, s := range starters {
			took, err := s.start(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			s.ms = append(s.ms, took.Seconds()*1000)
			s.more = append(s.more, s.ms[len(s.ms)-1]-starters[0].ms[len(s.ms)-1])
		}
	}
	what, page := fmt.Sprintf("Three servers of one page, with net/http: without sessions, with cookiestore, and with %s",
		versions("github.com/gorilla/sessions")), "performance.md"
	if *lambda {
		what, page = fmt.Sprintf("Three AWS Lambda functions, with lambdaurl of aws-lambda-go: without sessions, with cookiestore, and with %s. "+
			"They are connected to a Runtime API on the loopback interface", versions("github.com/gorilla/sessions")), "serverless.md"
	}
	r := coldstartReport(starters, what, *count)
	fmt.Print(r.String())
	return r.savePart(*dir, page, "coldstart")
}

// build builds the program as it would be shipped: stripped.
func (s *starter) build(ctx context.Context, folder, dir string) error {
	s.path = filepath.Join(dir, s.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags=-s -w", "-o", s.path, "example.com/cookiestore/bench/"+folder+s.name)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w", s.name, err)
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	s.bytes = info.Size()
	return nil
}

// serve returns the time from starting the server to its first answer. The
// request waits in the listener, which the program inherits, so that nobody polls.
func (s *starter) serve(ctx context.Context) (time.Duration, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, s.path)
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	took := time.Since(start)
	cmd.Process.Kill()
	cmd.Wait() // says that it was killed
	if err != nil {
		return 0, err
	}
	status, header, _ := strings.Cut(string(answer[:n]), "\r\n")
	if !strings.Contains(status, fmt.Sprint(http.StatusOK)) || (s.name != "none") != strings.Contains(header, "Set-Cookie: ") {
		return 0, errors.New("unexpected answer: " + status)
	}
	return took, nil
}

// invoke returns the time from starting the function to its first answer.
func (s *starter) invoke(ctx context.Context) (time.Duration, error) {
	event := []byte(`{"version":"2.0","rawPath":"/","headers":{"host":"visits.example"},"requestContext":{"http":{"method":"GET","path":"/"}}}`)
	start := time.Now()
	process, err := gateway.Start(s.path)
	if err != nil {
		return 0, err
	}
	defer process.Stop()
	answer, err := process.Invoke(ctx, event)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(answer.Body)
	took := time.Since(start)
	if err != nil {
		return 0, err
	}
	if !bytes.Contains(text, []byte(`"statusCode":200`)) || (s.name != "none") != bytes.Contains(text, []byte("sessionid=")) {
		return 0, fmt.Errorf("unexpected answer: %s", text)
	}
	return took, nil
}

func coldstartReport(starters []*starter, what string, count int) *report {
	r := newReport("Bytes and starting time")
	r.para("%s. They are "+
		"built with `-trimpath -ldflags='-s -w'`. The time is from starting the process to the answer to its first request, which begins "+
		"a session. All are started in turn, %d times each; a time is the median, and what it is more is the median of the "+
		"differences to the program without sessions in the same round. The middle half of these lies in the range after it.",
		what, count)
	var rows [][]string
	for i, s := range starters {
		row := []string{s.name, thousands(float64(s.bytes)), "", fmt.Sprintf("%.2f", s.ms.median()), "", ""}
		if i > 0 {
			more := s.more.sorted()
			row[2] = thousands(float64(s.bytes - starters[0].bytes))
			row[4] = fmt.Sprintf("%+.2f", s.more.median())
			row[5] = fmt.Sprintf("%+.2f to %+.2f", quantile(more, 0.25), quantile(more, 0.75))
		}
		rows = append(rows, row)
	}
	r.table([]string{"sessions", "bytes", "more", "ms to the first answer", "more", "middle half"}, rows)
	return r
}
