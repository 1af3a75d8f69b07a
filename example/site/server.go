package site

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/cookiestore"
)

// Main runs a program with the command line's arguments and a context that SIGINT
// and SIGTERM end. An error of run is printed and ends the process, with status 2
// if it is a [UsageError] and 1 otherwise.
func Main(program string, run func(ctx context.Context, args []string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(UsageError)):
		fmt.Fprintf(os.Stderr, "%s: %v\nRun it with -help for the flags.\n", program, err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
}

// Handler returns the site, with the session around it. The clock is now.
func (c Config) Handler(backend Backend, now func() time.Time) (http.Handler, error) {
	s := &site{config: c, backend: backend, now: now, logger: slog.New(visitLog{slog.Default().Handler()})}
	var err error
	if s.revocations, err = c.revocations(backend, now); err != nil {
		return nil, err
	}
	if s.sessions, err = s.manager(c.name, s.logger); err != nil {
		return nil, UsageError{Err: err}
	}
	if s.binder, err = c.binder(s.sessions); err != nil {
		return nil, err
	}
	return s.handler(), nil
}

// manager returns a Manager for the cookie of a name.
func (s *site) manager(name string, logger *slog.Logger) (*cookiestore.Manager, error) {
	options := []cookiestore.Option{
		cookiestore.WithName(name),
		cookiestore.WithMaxAge(s.config.maxAge),
		cookiestore.WithSecure(s.config.secure),
		cookiestore.WithErrorHandler(notSaved),
		cookiestore.WithLogger(logger),
		cookiestore.WithClock(s.now),
		cookiestore.WithChunks(s.config.chunks),
	}
	if s.revocations != nil {
		options = append(options, cookiestore.WithRevocations(s.revocations, userKey))
	}
	return cookiestore.NewManager(s.backend.Store, append(options, s.backend.Options...)...)
}

// Serve serves the site until ctx ends, and then finishes the requests under way.
// It says what to open, and logs that it serves, with the attributes given.
func (c Config) Serve(ctx context.Context, handler http.Handler, attributes ...slog.Attr) error {
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    128 << 10, // eight chunks, and as many that /forge keeps
	}
	serve, scheme := server.Serve, "http"
	if c.dbsc {
		certificate, err := ownCertificate(time.Now())
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		serve, scheme = func(l net.Listener) error { return server.ServeTLS(l, "", "") }, "https"
		fmt.Fprintln(os.Stderr, bindingInvitation(listener.Addr(), certificate))
	} else {
		fmt.Fprintln(os.Stderr, invitation(listener.Addr(), c.secure))
	}
	if c.randomKey() {
		slog.Warn("no -key given, so a random one signs: all sessions end when the server stops. " +
			"Make a key that stays with `openssl rand -hex 32`, and pass it as SESSION_KEY")
	}
	log := []slog.Attr{slog.String("url", scheme+"://"+listener.Addr().String()), slog.Bool("secure", c.secure)}
	slog.LogAttrs(ctx, slog.LevelInfo, "serving", append(log, attributes...)...)
	failed := make(chan error, 1)
	go func() { failed <- serve(listener) }()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping: waiting for the requests under way")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

// invitation says what to open. A server on all addresses is on this machine's
// loopback address, too, and a URL can't name all of them.
func invitation(address net.Addr, secure bool) string {
	url := "http://" + visible(address, net.IP.IsUnspecified)
	if secure {
		return fmt.Sprintf("Open %s through an HTTPS proxy: browsers send the cookie over HTTPS alone, unless you start with -secure=false. (Ctrl-C stops it.)", url)
	}
	return fmt.Sprintf("Open %s in a browser. (Ctrl-C stops it.)", url)
}

// visible returns the host and port of an address, with localhost for the IPs that it is to
// stand for.
func visible(address net.Addr, local func(net.IP) bool) string {
	host, port, _ := net.SplitHostPort(address.String())
	if local(net.ParseIP(host)) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
