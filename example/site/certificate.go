package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"net"
	"time"
)

// certificateLife is how long the program's own certificate is good. Nothing keeps it when
// the program ends.
const certificateLife = 30 * 24 * time.Hour

// ownCertificate makes a certificate for this machine, signed by itself.
func ownCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "cookiestore's demo site"},
		NotBefore:             now.Add(-time.Minute), // for clocks that are behind
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// bindingInvitation says what to open, and how to have Chromium trust the certificate and
// bind sessions where there is no hardware for it.
func bindingInvitation(address net.Addr, certificate tls.Certificate) string {
	url := "https://" + visible(address, func(ip net.IP) bool { return ip.IsUnspecified() || ip.IsLoopback() })
	key := sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo)
	return fmt.Sprintf(`Open %s in a browser, which warns of the certificate. (Ctrl-C stops it.)
Sessions are bound by Chrome on Windows, once it trusts the certificate, and by Chromium on Linux like this:
chromium --user-data-dir="$(mktemp -d)" --enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting --ignore-certificate-errors-spki-list=%s %s`,
		url, base64.StdEncoding.EncodeToString(key[:]), url)
}
