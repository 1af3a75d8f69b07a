package cookiestore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"example.com/cookiestore/internal/payload"
	"example.com/cookiestore/internal/scratch"
)

// An Encrypter encrypts sessions, and decrypts those that it, or one with the same
// key, encrypted. A cookie is the base64url, without padding, of
//
//	version   random     nonce      ciphertext        tag
//	1 byte    16 bytes   12 bytes   8 + n*32 bytes    16 bytes
//
//	version     1
//	random      16 random bytes, new for each cookie
//	nonce       12 random bytes, new for each cookie
//	ciphertext  AES-256-GCM(key, nonce, plaintext), with context as additional data
//	tag         GCM's
//
//	plaintext   time data form zeros
//	time        Unix seconds of the last save, 8 bytes, big-endian
//	data        the session's JSON, or its zlib stream
//	form        1 byte: 1 is JSON, 2 a zlib stream
//	zeros       as many zero bytes, 0 to 31, as make data, form and zeros a multiple of 32 bytes
//
//	key         HKDF-Expand(HKDF-Extract("cookiestore:encryption", secret), context, 32)
//	context     version random name, where name is that of the cookie
//
// HKDF is that of RFC 5869 with SHA-256.
//
// What encryption gives: without a key nobody can read a session, make one, change one,
// or use one under the name of another cookie. What it doesn't: whoever holds a cookie
// can send it again until it expires.
//
// Why that holds:
//
//   - GCM fails if one key meets one nonce twice. Here each cookie has a key of its
//     own: HKDF-Expand is a pseudorandom function of its context, of which 16 bytes are
//     random. Two cookies get the same key once in about 2^64 cookies, and the same
//     nonce with it once in about 2^112. So there is no number of cookies after which
//     the secret has to be changed, nor a counter for servers to share. That one key
//     encrypts one session of some kilobytes also keeps GCM's bounds far off: a forged
//     cookie is accepted with a probability below 2^-118, however many visitors there
//     are.
//   - The random bytes are in HKDF's context and not its salt, so that the extraction,
//     which needs nothing of the cookie, is made once. RFC 5869 allows a fixed salt;
//     the secret is random to begin with.
//   - Name and version are in the context, and so part of what makes the key and of what
//     the tag covers. A cookie of another name decrypts under no key.
//   - A [Signer] with the same secret signs with a SHA-256 of it. HKDF hashes the secret
//     after a different first block, so its keys and the signing key tell nothing of each
//     other.
//   - No decrypted byte is used before the tag is verified, and nothing but the cookie's form
//     is looked at before. There is one accepted spelling of each cookie.
//
// What a cookie still tells to those who see it, or its length on the network: the size
// of the session in steps of 32 bytes, and that it was saved, since each save changes
// every byte. The steps hide whether a name has three letters or nine. They don't hide
// how full a basket is. There is no compression unless it is asked for, since the length
// of a compressed session tells what it holds: whoever can put text of their choice in it
// learns from the length whether the text occurs in the rest (CRIME, BREACH).
//
// Keys and fallback keys are as a Signer's; see [Encrypter.SetKeys]. Each key is tried in
// turn, and a cookie doesn't tell which one it is for. An Encrypter is safe for
// concurrent use. It works with GODEBUG=fips140=only, where GCM must choose its nonce
// itself.
type Encrypter struct{ keys keyring }

var _ codec = (*Encrypter)(nil)

const (
	encryptedVersion = 1
	encryptionSalt   = "cookiestore:encryption"

	// What an encrypted cookie is made of, in bytes.
	versionSize  = 1
	randomSize   = 16
	gcmOverhead  = 12 + 16 // nonce and tag
	timeSize     = 8
	paddedTo     = 32
	unpaddedSize = versionSize + randomSize + gcmOverhead + timeSize
)

// The forms of the data, and the end of it: neither is zero, as what follows is.
const (
	plainForm = 1
	zlibForm  = 2
)

// NewEncrypter returns an Encrypter that encrypts with key and also decrypts what was
// encrypted with the fallback keys, newest first. Each must have at least [MinKeySize]
// random bytes. It keeps copies of them.
func NewEncrypter(key []byte, fallbacks ...[]byte) (*Encrypter, error) {
	e := &Encrypter{keyring{minSize: MinKeySize, derive: extract}}
	if err := e.SetKeys(key, fallbacks...); err != nil {
		return nil, err
	}
	return e, nil
}

// extract returns the key for HKDF-Expand. The cookie's name comes in there.
func extract(secret []byte, _ string) []byte {
	key, err := hkdf.Extract(sha256.New, secret, []byte(encryptionSalt))
	if err != nil {
		panic(err) // it takes secrets of MinKeySize
	}
	return key
}

// SetKeys replaces all keys: from now on key encrypts, and only key and the fallback
// keys decrypt. Otherwise it is as [Signer.SetKeys].
func (e *Encrypter) SetKeys(key []byte, fallbacks ...[]byte) error {
	return e.keys.set(key, fallbacks)
}

func (e *Encrypter) hasFallbacks() bool { return e.keys.hasFallbacks() }

// Decrypted is what an encrypted cookie holds.
type Decrypted struct {
	Data     string    // the JSON of a session; it has not been parsed
	At       time.Time // when it was encrypted, to the second
	KeyIndex int       // of the key that decrypts it: 0 the primary one, 1 the first fallback key, and so on

	Compressed bool // whether the cookie holds a zlib stream of the data
}

// Encrypt returns data encrypted for the cookie of the given name. It takes any data
// without looking at it. Two calls never return the same. A time before 1970 counts as
// 1970.
func (e *Encrypter) Encrypt(name, data string, at time.Time) string {
	buf := scratch.Get()
	defer buf.Free()
	buf.B = e.appendEncrypted(buf.B, name, []byte(data), at, payload.Compression{Over: -1})
	return string(buf.B)
}

// Decrypt returns what the value of the cookie of the given name holds. The error says
// why it is refused: [ErrTampered] if no key decrypts it, [ErrMalformed] if it does not
// have the form of an encrypted cookie, as a signed one doesn't, and [ErrTooLarge] if it
// inflates to more than 64 KiB. How old the value is, is for the caller to judge.
func (e *Encrypter) Decrypt(name, value string) (Decrypted, error) {
	return e.decrypt(name, value, defaultMaxInflated)
}

func (e *Encrypter) load(name, value string, maxInflated int) (Record, error) {
	d, err := e.decrypt(name, value, maxInflated)
	if err != nil {
		return Record{}, err
	}
	return Record{Data: d.Data, Saved: d.At, Resave: d.KeyIndex > 0}, nil
}

func (e *Encrypter) append(dst []byte, name string, data []byte, at time.Time, how payload.Compression) ([]byte, error) {
	return e.appendEncrypted(dst, name, data, at, how), nil
}

func (e *Encrypter) appendEncrypted(dst []byte, name string, data []byte, at time.Time, how payload.Compression) []byte {
	raw, work := scratch.Get(), scratch.Get()
	defer raw.Free()
	defer work.Free()
	raw.B = append(raw.B, encryptedVersion)
	raw.B = append(raw.B, make([]byte, randomSize)...)
	rand.Read(raw.B[versionSize:]) // never fails

	work.B = appendExpand(work.B, raw.B, name)
	expand := len(work.B)
	aead := cookieCipher(e.keys.macs("")[0], work.B)
	work.B = appendPlaintext(work.B, data, at, how)
	raw.B = aead.Seal(raw.B, nil, work.B[expand:], work.B[:expand-1])
	return payload.Base64.AppendEncode(dst, raw.B)
}

func (e *Encrypter) decrypt(name, value string, maxInflated int) (Decrypted, error) {
	buf, work := scratch.Get(), scratch.Get()
	defer buf.Free()
	defer work.Free()
	buf.B = append(buf.B, value...)
	var err error
	if buf.B, err = appendRaw(buf.B, buf.B); err != nil {
		return Decrypted{}, err
	}
	raw := buf.B[len(value):]

	work.B = appendExpand(work.B, raw, name)
	expand := work.B
	for i, macs := range e.keys.macs("") {
		plaintext, err := cookieCipher(macs, expand).Open(work.B, nil, raw[versionSize+randomSize:], expand[:len(expand)-1])
		if err != nil {
			continue
		}
		work.B = plaintext
		d, err := readPlaintext(plaintext[len(expand):], maxInflated)
		d.KeyIndex = i
		return d, err
	}
	return Decrypted{}, refuse(ErrTampered, "no key decrypts it")
}

// appendRaw appends the bytes of an encrypted cookie to dst, if the value has the form
// of one. What it says of a value may be said before any key has vouched for it.
func appendRaw(dst, value []byte) ([]byte, error) {
	if bytes.IndexByte(value, ':') >= 0 {
		return dst, refuse(ErrMalformed, "it looks like a signed cookie, and only encrypted ones are accepted")
	}
	all, err := payload.AppendBase64(dst, value)
	if err != nil {
		return dst, refuse(ErrMalformed, "an encrypted cookie is base64url")
	}
	raw := all[len(dst):]
	switch padded := len(raw) - unpaddedSize; {
	case padded <= 0 || padded%paddedTo != 0:
		return dst, refuse(ErrMalformed, fmt.Sprintf("no encrypted cookie has %d bytes", len(raw)))
	case raw[0] != encryptedVersion:
		return dst, refuse(ErrMalformed, fmt.Sprintf("version %d of encrypted cookies is unknown", raw[0]))
	}
	return all, nil
}

// looksEncrypted reports whether the value has the form of an encrypted cookie.
func looksEncrypted(value []byte) bool {
	buf := scratch.Get()
	defer buf.Free()
	var err error
	buf.B, err = appendRaw(buf.B, value)
	return err == nil
}

// appendExpand appends the input of HKDF-Expand's HMAC to dst: the context, which is
// also the additional data, and the number of the only block. raw begins with the
// version and the random bytes.
func appendExpand(dst, raw []byte, name string) []byte {
	dst = append(dst, raw[:versionSize+randomSize]...)
	dst = append(dst, name...)
	return append(dst, 1)
}

// cookieCipher returns the cipher of one cookie, under the key that HKDF-Expand gives.
// hkdf.Expand gives the same, and takes four times as long, since it has to prepare its
// HMAC each time.
func cookieCipher(macs *sync.Pool, expand []byte) cipher.AEAD {
	m := macs.Get().(*mac)
	defer macs.Put(m)
	block, _ := aes.NewCipher(m.digest(expand))    // fails with keys of other sizes
	aead, _ := cipher.NewGCMWithRandomNonce(block) // fails with other ciphers
	return aead
}

func appendPlaintext(dst, data []byte, at time.Time, how payload.Compression) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(min(max(at.Unix(), 0), payload.MaxTimestamp)))
	start := len(dst)
	if packed, ok := payload.AppendDeflated(dst, data, how); ok {
		dst = append(packed, zlibForm)
	} else {
		dst = append(append(dst, data...), plainForm)
	}
	for (len(dst)-start)%paddedTo != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// readPlaintext is the inverse of appendPlaintext, and accepts nothing else. Only
// someone with a key can have made what it refuses.
func readPlaintext(plaintext []byte, maxInflated int) (Decrypted, error) {
	at := binary.BigEndian.Uint64(plaintext)
	padded := plaintext[timeSize:]
	content := bytes.TrimRight(padded, "\x00")
	switch {
	case at > payload.MaxTimestamp:
		return Decrypted{}, refuse(ErrMalformed, "the time is out of range")
	case len(padded)-len(content) >= paddedTo:
		return Decrypted{}, refuse(ErrMalformed, "too much padding")
	}
	data, form := content[:len(content)-1], content[len(content)-1]
	d := Decrypted{At: time.Unix(int64(at), 0)}
	switch form {
	case plainForm:
		d.Data = string(data)
	case zlibForm:
		inflated := scratch.Get()
		defer inflated.Free()
		var err error
		if inflated.B, err = payload.AppendInflated(inflated.B, data, maxInflated); err != nil {
			return Decrypted{}, refusePayload(err)
		}
		d.Data, d.Compressed = string(inflated.B), true
	default:
		return Decrypted{}, refuse(ErrMalformed, fmt.Sprintf("form %d of the data is unknown", form))
	}
	return d, nil
}
