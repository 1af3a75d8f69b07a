package cookiestore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// MinKeySize is how many bytes a signing key must have: the size of an HMAC-SHA256.
// A shorter key would be easier to guess than the output.
const MinKeySize = 32

// A keyring holds a primary key and its fallback keys, and the HMAC states that
// derive from them. minSize and derive are set before it is used.
type keyring struct {
	minSize int

	// derive returns the HMAC key of a secret, for the cookie of a name.
	derive func(secret []byte, name string) []byte

	current atomic.Pointer[keys]
}

// set replaces all keys, or none after an error. It keeps copies of them.
func (r *keyring) set(key []byte, fallbacks [][]byte) error {
	next := &keys{}
	for i, secret := range append([][]byte{key}, fallbacks...) {
		switch {
		case len(secret) < r.minSize:
			return keySizeError(whichKey(i), len(secret), r.minSize)
		case !slices.ContainsFunc(secret, func(c byte) bool { return c != 0 }):
			return usage(whichKey(i) + " has only zero bytes: was its buffer ever filled?")
		}
		next.secrets = append(next.secrets, bytes.Clone(secret))
	}
	if r.minSize == MinKeySize && isKeyText(key) {
		warnOfKeyText()
	}
	r.current.Store(next)
	return nil
}

// hasFallbacks reports whether there is another key than the primary one.
func (r *keyring) hasFallbacks() bool { return len(r.current.Load().secrets) > 1 }

// macs returns for each key a pool of HMAC states, keyed for the name.
func (r *keyring) macs(name string) []*sync.Pool {
	k := r.current.Load()
	if known := k.byName.Load(); known != nil {
		if pools, ok := (*known)[name]; ok {
			return pools
		}
	}
	pools := make([]*sync.Pool, len(k.secrets))
	for i, secret := range k.secrets {
		key := r.derive(secret, name)
		pools[i] = &sync.Pool{New: func() any { return &mac{hash: hmac.New(sha256.New, key)} }}
	}
	return k.keep(name, pools)
}

// keys is one generation of keys. It does not change once it is in use, but
// for the derived states, which are added as names are met.
type keys struct {
	secrets [][]byte // the primary key first

	mu     sync.Mutex // guards writes to byName
	byName atomic.Pointer[map[string][]*sync.Pool]
}

// maxNames bounds the derived states kept. Names come from the program, which has
// few; if they come from elsewhere, keys are derived anew for each call.
const maxNames = 64

// keep adds the pools of a name while there is room, and returns them.
func (k *keys) keep(name string, pools []*sync.Pool) []*sync.Pool {
	k.mu.Lock()
	defer k.mu.Unlock()
	grown := map[string][]*sync.Pool{name: pools}
	if known := k.byName.Load(); known != nil {
		if len(*known) >= maxNames {
			return pools
		}
		maps.Copy(grown, *known)
	}
	k.byName.Store(&grown)
	return pools
}

// mac is a keyed HMAC with room for its output, so that signing allocates nothing.
type mac struct {
	hash hash.Hash
	sum  [sha256.Size]byte
	text [(sha256.Size*8 + 5) / 6]byte
}

// digest returns the HMAC of text, valid until the next call.
func (m *mac) digest(text []byte) []byte {
	m.hash.Reset()
	m.hash.Write(text)
	return m.hash.Sum(m.sum[:0])
}

// sign returns the signature of text in base64url, valid until the next call.
func (m *mac) sign(text []byte) []byte {
	base64.RawURLEncoding.Encode(m.text[:], m.digest(text))
	return m.text[:]
}

func whichKey(index int) string {
	if index > 0 {
		return fmt.Sprintf("fallback key %d", index)
	}
	return "the key"
}

// isKeyText reports whether a key is text that should have gone through ParseKey: hex of at
// least 32 bytes, or base64 that ends in padding. Random bytes or a passphrase are unlikely
// to look like either; they may well look like base64 without padding.
func isKeyText(key []byte) bool {
	key = bytes.TrimSpace(key) // a file ends in a line break
	_, notHex := hex.DecodeString(string(key))
	isHex := notHex == nil && len(key) >= 2*MinKeySize
	isBase64 := len(key)%4 == 0 && bytes.HasSuffix(key, []byte("="))
	if !isHex && !isBase64 {
		return false
	}
	_, err := ParseKey(string(key))
	return err == nil
}

// warnOfKeyText warns once in a process. A fallback key doesn't cause it: it may be there
// because the mistake has been corrected.
var warnOfKeyText = sync.OnceFunc(func() {
	slog.Warn("cookiestore: the signing key looks like hex or base64 text: pass it to ParseKey, and keep the text as a fallback key until the cookies that it signed have expired")
})

func keySizeError(which string, size, minimum int) error {
	detail := fmt.Sprintf("%s has %d bytes, and must have at least %d random ones: "+
		"make one with securecookie.GenerateRandomKey(32), or with `openssl rand -hex 32` and ParseKey",
		which, size, minimum)
	if minimum < MinKeySize {
		detail = which + " is empty: pass Django's SECRET_KEY"
	}
	return usage(detail)
}

// ParseKey reads a signing key from text, such as an environment variable holds:
// hex, or else any kind of base64. The error says what is wrong, and never shows
// the text.
func ParseKey(text string) ([]byte, error) { return parseKey("the key", text) }

// ParseKeys reads a list of signing keys, such as an environment variable with fallback
// keys holds: each as [ParseKey] reads it, separated by commas, line breaks or both. Blank
// entries don't count, so an empty list gives no keys and no error. The error says which
// entry is wrong and why, and never shows the text.
//
// It is not for Django's SECRET_KEY_FALLBACKS: those are text, and may hold commas.
func ParseKeys(list string) ([][]byte, error) {
	var keys [][]byte
	for text := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key, err := parseKey(fmt.Sprintf("key %d of the list", len(keys)+1), text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseKey is ParseKey, with what to call the key in an error.
func parseKey(which, text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	key, err := hex.DecodeString(text) // first: all hex is base64, too, of another key
	if err != nil {
		standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		key, err = base64.RawStdEncoding.DecodeString(standard)
	}
	switch {
	case err != nil:
		return nil, usage(which + " is neither hex nor base64: make one with `openssl rand -hex 32`")
	case len(key) < MinKeySize:
		return nil, keySizeError(which, len(key), MinKeySize)
	}
	return key, nil
}
