package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/chi"
	"example.com/cookiestore/frameworks/connect"
	echo4 "example.com/cookiestore/frameworks/echo4"
	echo5 "example.com/cookiestore/frameworks/echo5"
	fiber2 "example.com/cookiestore/frameworks/fiber2"
	fiber3 "example.com/cookiestore/frameworks/fiber3"
	"example.com/cookiestore/frameworks/gin"
	gothsite "example.com/cookiestore/frameworks/goth"
	http3site "example.com/cookiestore/frameworks/http3"
	"example.com/cookiestore/frameworks/huma"
	"example.com/cookiestore/frameworks/internal/idp"
	"example.com/cookiestore/frameworks/login"
	"example.com/cookiestore/frameworks/metrics/otel"
	"example.com/cookiestore/frameworks/metrics/prom"
	"example.com/cookiestore/frameworks/mux"
	"example.com/cookiestore/frameworks/serverless"
	vercel "example.com/cookiestore/frameworks/vercel"
	"github.com/go-jose/go-jose/v4"
	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/openidConnect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/quic-go/quic-go/http3"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
)

// A program is a site, and how to try it.
type program struct {
	name, what string
	page       string // with a session
	serve      func(place) error
	secure     bool   // it needs TLS, or its cookies do
	options    string // of curl, with a space at the end
	curlOnly   bool   // browsers don't send such requests
}

var programs = []program{
	{name: "chi", what: "chi", page: "/visits", serve: handler(chi.New)},
	{name: "mux", what: "gorilla/mux", page: "/visits", serve: handler(mux.New)},
	{name: "echo4", what: "Echo v4", page: "/visits", serve: handler(echo4.New)},
	{name: "echo5", what: "Echo v5", page: "/visits", serve: handler(echo5.New)},
	{name: "gin", what: "Gin", page: "/visits", serve: handler(gin.New)},
	{name: "fiber2", what: "Fiber v2", page: "/visits", serve: func(p place) error { return fiber2.New(p.sessions, p.news).Listener(p) }},
	{name: "fiber3", what: "Fiber v3", page: "/visits", serve: func(p place) error { return fiber3.New(p.sessions, p.news).Listener(p) }},
	{name: "huma", what: "huma", page: "/visits", serve: handler(huma.New)},
	{name: "connect", what: "connect-go", page: "/visits.v1/Visit", serve: handler(connect.New),
		options: "-H 'Content-Type: application/json' -d {} ", curlOnly: true},
	{name: "http3", what: "HTTP/3, which needs a curl that has it", page: "/visits", serve: serveHTTP3,
		secure: true, options: "--http3-only ", curlOnly: true},
	{name: "login", what: "a login at an OpenID provider, which runs beside it; sign in at /login", page: "/", serve: serveLogin, secure: true},
	{name: "goth", what: "goth, with the same provider", page: "/auth/openid-connect", serve: serveGoth, options: "-L "},
	{name: "metrics/prom", what: "what Prometheus reads, at /metrics", page: "/visits", serve: servePrometheus},
	{name: "metrics/otel", what: "the same from OpenTelemetry", page: "/visits", serve: serveOTel},
	{name: "serverless", what: "the handler for Lambda and Google's functions, as a server", page: "/visits", serve: handler(serverless.New)},
	{name: "vercel", what: "the function for Vercel, as a server", page: "/", serve: serveVercel, secure: true},
}

// A place is where a program is served, and with what.
type place struct {
	net.Listener
	tls      *tls.Config // of a secure program
	url      string
	key      []byte
	store    *cookiestore.CookieStore // with that key
	sessions *cookiestore.Manager     // of that store
	news     chan string              // for /stream and /events
}

func handler[H http.Handler](newSite func(*cookiestore.Manager, <-chan string) H) func(place) error {
	return func(p place) error { return http.Serve(p, newSite(p.sessions, p.news)) }
}

// serveHTTP3 serves the site over TCP, too: browsers take HTTP/3 only with a certificate
// that they trust.
func serveHTTP3(p place) error {
	conn, err := net.ListenPacket("udp", p.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	site := http3site.New(p.sessions, p.news)
	go (&http3.Server{Handler: site, TLSConfig: http3.ConfigureTLSConfig(p.tls)}).Serve(conn)
	return http.Serve(p, site)
}

// newProvider serves an OpenID provider, where ann has signed in already, on a port of its
// own.
func newProvider(callback string) (*idp.Provider, error) {
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	provider := &idp.Provider{
		Issuer: "http://" + own.Addr().String(), ClientID: "site", ClientSecret: "secret", RedirectURL: callback,
		Subject: "ann", Algorithm: jose.ES256, Lifetime: time.Hour, Now: time.Now,
	}
	go http.Serve(own, provider)
	return provider, nil
}

func serveLogin(p place) error {
	provider, err := newProvider(p.url + "/login/callback")
	if err != nil {
		return err
	}
	site, err := login.New(context.Background(), login.Config{
		Key: p.key, URL: p.url, Issuer: provider.Issuer, ClientID: provider.ClientID, ClientSecret: provider.ClientSecret,
	})
	if err != nil {
		return err
	}
	return http.Serve(p, site)
}

func serveGoth(p place) error {
	provider, err := newProvider(p.url + "/auth/openid-connect/callback")
	if err != nil {
		return err
	}
	client, err := openidConnect.New(provider.ClientID, provider.ClientSecret, provider.RedirectURL, provider.Issuer+"/.well-known/openid-configuration")
	if err != nil {
		return err
	}
	goth.UseProviders(client)
	return http.Serve(p, gothsite.New(p.sessions))
}

func servePrometheus(p place) error {
	registry := prometheus.NewRegistry()
	return serveObserved(p, registry, prom.Observer(registry, "sessionid"))
}

func serveOTel(p place) error {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return err
	}
	observe, err := otel.Observer(metric.NewMeterProvider(metric.WithReader(exporter)).Meter("sessions"), "sessionid")
	if err != nil {
		return err
	}
	return serveObserved(p, registry, observe)
}

// serveObserved serves chi's site, and what the observer has counted.
func serveObserved(p place, registry *prometheus.Registry, observe func(context.Context, cookiestore.Event)) error {
	sessions, err := cookiestore.NewManager(p.store, cookiestore.WithSecure(false), cookiestore.WithObserver(observe))
	if err != nil {
		return err
	}
	router := http.NewServeMux()
	router.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	router.Handle("/", chi.New(sessions, p.news))
	return http.Serve(p, router)
}

func serveVercel(p place) error {
	os.Setenv("SESSION_KEY", hex.EncodeToString(p.key))
	return http.Serve(p, http.HandlerFunc(vercel.Handler))
}
