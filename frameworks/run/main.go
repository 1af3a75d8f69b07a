// Command run serves one of the sites of frameworks/, to try it out. At the top of a
// checkout,
//
//	go run ./frameworks/run chi
//
// serves the one with chi on http://127.0.0.1:8080, and says what to open. Without a name
// it lists them all. The flag -addr, before the name, sets another address.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"example.com/cookiestore"
	"github.com/gin-gonic/gin"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`address` to listen on")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./frameworks/run [-addr ADDRESS] [NAME]")
		flag.PrintDefaults()
	}
	flag.Parse()
	gin.SetMode(gin.ReleaseMode) // or it prints all routes
	if err := run(*addr, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// run lists the programs, or serves the named one.
func run(addr string, args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprintln(out, "go run ./frameworks/run NAME serves one of these:")
		for _, p := range programs {
			fmt.Fprintf(out, "  %-13s %s\n", p.name, p.what)
		}
		fmt.Fprintln(out, "authboss and webauthn need users and a passkey: go test tries them. wasm is a program by itself.")
		return nil
	}
	for _, p := range programs {
		if len(args) == 1 && args[0] == p.name {
			listener, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			return p.run(listener, out)
		}
	}
	return fmt.Errorf("%q is not the name of one program; without a name, all are listed", args)
}

// run says what to open, and serves the program until the listener is closed. The sessions
// are signed with a new key.
func (p program) run(listener net.Listener, out io.Writer) error {
	at := place{Listener: listener, key: make([]byte, 32), news: make(chan string)}
	rand.Read(at.key) // never fails
	scheme, options := "http://", ""
	if p.secure {
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		at.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
		at.Listener = tls.NewListener(listener, at.tls)
		scheme, options = "https://", "-k "
	}
	at.url = scheme + listener.Addr().String()
	var err error
	if at.store, err = cookiestore.New(at.key); err != nil {
		return err
	}
	if at.sessions, err = cookiestore.NewManager(at.store, cookiestore.WithSecure(p.secure)); err != nil {
		return err
	}
	go func() {
		for now := range time.Tick(time.Second) {
			at.news <- now.Format(time.TimeOnly)
		}
	}()
	fmt.Fprintf(out, "%s, until Ctrl-C\n", p.what)
	if !p.curlOnly {
		fmt.Fprintf(out, "Open %s%s and reload it, or repeat\n", at.url, p.page)
	}
	fmt.Fprintf(out, "curl -b jar -c jar %s%s%s%s\n", options, p.options, at.url, p.page)
	return p.serve(at)
}

// selfSigned makes a certificate for this machine.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
