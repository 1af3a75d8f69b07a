package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
)

// runServe is the server process: one store, until its standard input ends. It
// prints its address.
func runServe(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	name := flags.String("store", "cookiestore", "the store")
	profile := flags.String("cpuprofile", "", "a file for a CPU profile")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := findBackend(*name)
	if err != nil {
		return err
	}
	p, err := b.open(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	server := &http.Server{Handler: site(p)}
	fmt.Println(listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// site has the pages of a server process.
func site(p peer) http.Handler {
	mux := http.NewServeMux()
	for _, size := range sizes {
		mux.Handle(loginPath(size), p.login(sample(size)))
	}
	mux.Handle("/read", p.read(writeVisits))
	mux.Handle("/change", p.change(writeVisits))
	mux.HandleFunc("/mallocs", func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprint(w, m.Mallocs)
	})
	return mux
}

func loginPath(size int) string { return "/login/" + strconv.Itoa(size) }

// A server is a server process as its parent sees it.
type server struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startServer(ctx context.Context, name, profile string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "serve", "-store", name, "-cpuprofile", profile)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server of %s did not start: %w", name, errors.Join(err, s.stop()))
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() error {
	s.stdin.Close()
	return s.cmd.Wait()
}

// mallocs is how many allocations the server has made.
func (s *server) mallocs() (float64, error) {
	response, err := http.Get("http://" + s.addr + "/mallocs")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(text), 64)
}
