package site

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"

	"example.com/cookiestore"
)

// A sealing is one session as a cookie that is signed, and as one that is encrypted.
type sealing struct {
	Own       bool // it is the visitor's session, not an example
	Signed    signedValue
	Visitor   string // what anybody can read in the signed one
	Encrypted sealed
	Again     sealed // the same session, encrypted once more
	Encrypts  bool   // this site does
	InRow     bool   // or keeps all sessions in rows
}

type signedValue struct {
	signedParts
	Size int
}

// A sealed is an encrypted value taken apart, without a key.
type sealed struct {
	Head, Body, Tail string // of the value: version, random bytes and nonce; ciphertext; tag
	Version          int
	Random, Nonce    string // in base64url
	Ciphertext       int    // bytes
	Tag              string
	Size             int // of the value, in bytes
}

// sizes of the parts of an encrypted value in bytes; see [cookiestore.Encrypter].
const (
	randomStart     = 1
	nonceStart      = randomStart + 16
	ciphertextStart = nonceStart + 12
	gcmTag          = 16
)

// takeSealed takes an encrypted value apart, and reports whether it has the form of one.
func takeSealed(value string) (v sealed, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	end := len(raw) - gcmTag
	if err != nil || end <= ciphertextStart {
		return sealed{Size: len(value)}, false
	}
	text := base64.RawURLEncoding.EncodeToString
	body, tail := characters(ciphertextStart), characters(end)
	return sealed{
		Head: value[:body], Body: value[body:tail], Tail: value[tail:],
		Version:    int(raw[0]),
		Random:     text(raw[randomStart:nonceStart]),
		Nonce:      text(raw[nonceStart:ciphertextStart]),
		Ciphertext: end - ciphertextStart,
		Tag:        text(raw[end:]),
		Size:       len(value),
	}, true
}

// characters is how many characters of base64 so many bytes take that none of them has a
// bit of what follows.
func characters(bytes int) int { return bytes * 4 / 3 }

// example is what is encrypted for a visitor without a session.
const example = `{"user":"Ada","basket":["lamp","chair"]}`

// signAndEncrypt saves a session signed, encrypted, and encrypted once more, all with one
// key of their own.
func signAndEncrypt(ctx context.Context, name string, session cookiestore.Record) (values [3]string, err error) {
	key := make([]byte, cookiestore.MinKeySize)
	rand.Read(key)
	signs, err := cookiestore.New(key)
	if err != nil {
		return values, err
	}
	encrypts, err := cookiestore.New(key, cookiestore.WithEncryption())
	if err != nil {
		return values, err
	}
	for i, store := range []*cookiestore.CookieStore{signs, encrypts, encrypts} {
		if values[i], _, err = store.Save(ctx, name, session); err != nil {
			return values, err
		}
	}
	return values, nil
}

// encryption shows the visitor's session signed and encrypted.
func (s *site) encryption(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	page := sealing{Encrypts: s.config.encrypt, InRow: s.backend.cookies == nil}
	data, err := session.MarshalJSON()
	if err != nil {
		notSaved(w, r, err)
		return
	}
	page.Own = !session.IsEmpty() && len(data) < 1000 // a long one is hard to look at
	if !page.Own {
		data = []byte(example)
	}
	record := cookiestore.Record{Data: string(data), Saved: s.now()}
	name := s.config.name
	values, err := signAndEncrypt(r.Context(), name, record)
	if err != nil {
		notSaved(w, r, err)
		return
	}
	signed := values[0]
	page.Signed = signedValue{split(signed), len(name) + len(signed)}
	page.Visitor = readable(page.Signed.Payload)
	page.Encrypted, _ = takeSealed(values[1])
	page.Encrypted.Size += len(name)
	page.Again, _ = takeSealed(values[2])
	render(w, r, "encryption.html", page)
}

// readable is what anybody reads in the payload of a signed cookie that is not
// compressed, without a key.
func readable(payload string) string {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(payload, "."))
	if err != nil {
		return ""
	}
	return indent(string(data))
}
