package http3

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
)

func TestSessionsOverHTTP3(t *testing.T) {
	site := drive.New(t)
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	config := certificates.TLS.Clone()
	certificates.Close()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http3.Server{Logger: slog.New(slog.DiscardHandler), Handler: New(site.Sessions, site.News), TLSConfig: http3.ConfigureTLSConfig(config)}
	done := make(chan struct{})
	go func() { server.Serve(conn); close(done) }()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() {
		transport.Close()
		server.Close()
		conn.Close()
		<-done
	})
	site.URL, site.Transport = "https://"+conn.LocalAddr().String(), transport
	site.ClosesOnPanic = true
	site.Websockets = nil // they hijack a connection
	site.Run(t)
	site.Change(t, "/take-over", 200, "1", 2)
}

func TestProgramWithoutHTTP3(t *testing.T) {
	site := drive.New(t)
	site.ClosesOnPanic = true
	site.Serve(t, New(site.Sessions, site.News))
	site.Run(t)
}
