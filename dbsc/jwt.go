package dbsc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"example.com/cookiestore/internal/jsonobject"
)

// maxProof is how long a proof may be, in bytes. Those of browsers have some 450.
const maxProof = 4096

// A proof is a JWT by which a browser shows that it has a private key (RFC 7515 and 7519).
// Only what DBSC needs of them is read, and nothing else accepted: ES256, typ "dbsc+jwt".
type proof struct {
	header    jsonobject.Object
	signed    string // what is signed: header "." claims
	claims    string // not decoded
	signature []byte // r and s, 32 bytes each
}

// parseProof takes a proof apart. Nothing of it is trusted yet, and the claims, which
// nobody needs before, are not looked at.
func parseProof(text string) (*proof, error) {
	if len(text) > maxProof {
		return nil, fmt.Errorf("the proof has %d bytes, over %d", len(text), maxProof)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("the proof is not a JWT of three parts")
	}
	p := &proof{signed: text[:len(text)-len(parts[2])-1], claims: parts[1]}
	var err error
	if p.signature, err = decode(parts[2]); err != nil || len(p.signature) != 64 {
		return nil, errors.New("the signature is not 64 bytes in base64url")
	}
	if p.header, err = parsePart(parts[0]); err != nil {
		return nil, fmt.Errorf("the header is %w", err)
	}
	if typ := textOf(&p.header, "typ"); typ != "dbsc+jwt" {
		return nil, errors.New(`typ is not "dbsc+jwt"`)
	}
	if alg := textOf(&p.header, "alg"); alg != "ES256" {
		return nil, errors.New(`alg is not "ES256"`)
	}
	if _, ok := p.header.Find("crit"); ok {
		return nil, errors.New("crit names extensions, and none is known")
	}
	return p, nil
}

// readProof returns the challenge that a proof has signed with the key, or, without one,
// with that which it brings along.
func readProof(text string, key *ecdsa.PublicKey) (challenge string, _ *ecdsa.PublicKey, err error) {
	p, err := parseProof(text)
	if err == nil && key == nil {
		key, err = p.key()
	}
	if err == nil {
		challenge, err = p.verify(key)
	}
	return challenge, key, err
}

// key returns the public key that a header holds.
func (p *proof) key() (*ecdsa.PublicKey, error) {
	value, ok := p.header.Find("jwk")
	if !ok {
		return nil, errors.New("jwk is missing")
	}
	jwk, err := jsonobject.Parse(value)
	if err != nil {
		return nil, errors.New("jwk is not a JSON object")
	}
	if textOf(&jwk, "kty") != "EC" || textOf(&jwk, "crv") != "P-256" {
		return nil, errors.New("jwk is not a key on P-256")
	}
	point := []byte{4} // uncompressed: SEC 1, section 2.3.3
	for _, name := range []string{"x", "y"} {
		coordinate, err := decode(textOf(&jwk, name))
		if err != nil || len(coordinate) != 32 {
			return nil, fmt.Errorf("%s of jwk is not 32 bytes in base64url", name)
		}
		point = append(point, coordinate...)
	}
	return parseKey(point)
}

// parseKey reads a point of P-256, and refuses those off the curve.
func parseKey(point []byte) (*ecdsa.PublicKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errors.New("the key is not a point of P-256")
	}
	return key, nil
}

// verify checks the signature, and returns the challenge that was signed.
func (p *proof) verify(key *ecdsa.PublicKey) (challenge string, err error) {
	sum := sha256.Sum256([]byte(p.signed))
	r, s := new(big.Int).SetBytes(p.signature[:32]), new(big.Int).SetBytes(p.signature[32:])
	if !ecdsa.Verify(key, sum[:], r, s) {
		return "", errors.New("the key has not signed the proof")
	}
	claims, err := parsePart(p.claims)
	if err != nil {
		return "", fmt.Errorf("the claims are %w", err)
	}
	if challenge = textOf(&claims, "jti"); challenge == "" {
		return "", errors.New("jti is missing")
	}
	return challenge, nil
}

// parsePart reads one part of a JWT, a JSON object in base64url.
func parsePart(part string) (object jsonobject.Object, err error) {
	text, err := decode(part)
	if err != nil {
		return object, err
	}
	if object, err = jsonobject.Parse(string(text)); err != nil {
		return object, errors.New("not a JSON object")
	}
	return object, nil
}

// decode decodes base64url, of which each text has one spelling. That of encoding/base64
// skips line breaks.
func decode(text string) ([]byte, error) {
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("not base64url")
	}
	return decoded, nil
}

// textOf returns the string under a name, or "".
func textOf(object *jsonobject.Object, name string) string {
	if value, ok := object.Find(name); ok {
		text, _ := jsonobject.Decode[string](value)
		return text
	}
	return ""
}
