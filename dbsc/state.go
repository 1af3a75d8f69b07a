package dbsc

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/cookiestore"
)

// What is signed, and under which names: one can't stand for another, nor for a session.
// No cookie can have such a name.
const (
	boundName      = "dbsc bound cookie"
	identifierName = "dbsc identifier"
	offerName      = "dbsc offer"     // a challenge to register
	refreshName    = "dbsc challenge" // and one to refresh
)

// A state is what a session's dictionary says of its binding, as offer "." at ["." bound].
type state struct {
	offer string // the ID of the offer that was made at login
	at    int64  // when, in Unix seconds
	bound string // the ID of the binding; "" before the browser has registered
}

func (s state) String() string {
	text := s.offer + "." + strconv.FormatInt(s.at, 10)
	if s.bound != "" {
		text += "." + s.bound
	}
	return text
}

// isOf reports whether it is the state of a binding's session, be it that of before the
// registration: a response that was under way may have set that again.
func (s state) isOf(id, offer string) bool {
	if s.bound != "" {
		return s.bound == id
	}
	return s.offer != "" && s.offer == offer
}

var errState = errors.New("dbsc: what the session says of its binding is not from this package")

// stateOf reads the state of a session. It is the zero state if nothing was offered, and
// an error if a handler has put something else in its place.
func stateOf(session *cookiestore.Session) (state, error) {
	if !session.Has(Key) {
		return state{}, nil
	}
	parts := strings.Split(cookiestore.Get(session, Key, ""), ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" {
		return state{}, errState
	}
	at, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return state{}, errState
	}
	s := state{offer: parts[0], at: at}
	if len(parts) == 3 {
		s.bound = parts[2]
	}
	return s, nil
}

// newID returns 128 random bits in base64url.
func newID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// A binding is a registered key, and what it is good for.
type binding struct {
	id, offer  string
	key        *ecdsa.PublicKey
	identifier string // all of that, signed: the browser's session identifier
}

// newBinding returns one for the session of an offer, which has registered that key.
func (b *Binder) newBinding(offer string, key *ecdsa.PublicKey) binding {
	own := binding{id: newID(), offer: offer, key: key}
	point, _ := key.Bytes() // fails for the keys of others alone
	text := own.id + "." + own.offer + "." + base64.RawURLEncoding.EncodeToString(point)
	own.identifier = b.signer.Sign(identifierName, text, b.sessions.Now())
	return own
}

// maxIdentifier is how long an identifier may be, in bytes. Those of ours have some 190.
const maxIdentifier = 512

// parseIdentifier verifies an identifier. Where it can't, it returns what the identifier
// claims to be, too: that is good for saying which session is out of luck.
func (b *Binder) parseIdentifier(text string) (own binding, err error) {
	if len(text) > maxIdentifier {
		return own, errors.New("the session identifier is too long")
	}
	id, rest, _ := strings.Cut(text, ".")
	offer, rest, _ := strings.Cut(rest, ".")
	own = binding{id: id, offer: offer, identifier: text}
	if _, err = b.signer.Verify(identifierName, text); err != nil {
		return own, err
	}
	encoded, _, _ := strings.Cut(rest, ":")
	point, _ := decode(encoded) // it is ours, and nothing else is a point
	own.key, err = parseKey(point)
	return own, err
}

// setBoundCookie has the response set the bound cookie of a binding.
func (b *Binder) setBoundCookie(w http.ResponseWriter, own binding) {
	value := b.signer.Sign(boundName, own.id+"."+own.offer, b.sessions.Now())
	w.Header().Add("Set-Cookie", fmt.Sprintf("%s=%s; Max-Age=%d; %s", cookieName, value, b.lifetime/time.Second, b.attributes))
}

// dropBoundCookie deletes a bound cookie that is not good. Browsers refresh what isn't
// there; what is there they believe to be good.
func (b *Binder) dropBoundCookie(w http.ResponseWriter) {
	w.Header().Add("Set-Cookie", cookieName+"=; Max-Age=0; "+b.attributes)
}

// maxCookies is how many cookies of the bound cookie's name are looked at. Browsers keep
// one.
const maxCookies = 2

// boundBy returns the binding for which the request has a bound cookie that is good now, and
// until when, if it is that of the session.
func (b *Binder) boundBy(r *http.Request, s state, now time.Time) (id string, until time.Time, ok bool) {
	for i, cookie := range r.CookiesNamed(cookieName) {
		if i == maxCookies {
			break
		}
		signed, err := b.signer.Verify(boundName, cookie.Value)
		until = signed.At.Add(b.lifetime)
		if err != nil || !now.Before(until) || signed.At.Sub(now) > skew {
			continue
		}
		id, offer, _ := strings.Cut(signed.Payload, ".")
		if s.isOf(id, offer) {
			return id, until, true
		}
	}
	return "", time.Time{}, false
}

// newChallenge returns a challenge of that name, for what has that ID: an offer or a binding.
func (b *Binder) newChallenge(name, id string) string {
	return b.signer.Sign(name, newID()+"."+id, b.sessions.Now())
}

var errReplayed = errors.New("the challenge was used before")

// useChallenge checks a challenge that was signed, remembers that it was used, and returns
// what it was for.
func (b *Binder) useChallenge(r *http.Request, name, challenge string) (id string, err error) {
	signed, err := b.signer.Verify(name, challenge)
	if err != nil {
		return "", &forged{err}
	}
	now := b.sessions.Now()
	nonce, id, _ := strings.Cut(signed.Payload, ".")
	switch {
	case now.Sub(signed.At) > challengeLife || signed.At.Sub(now) > skew:
		return "", errStale
	case !b.used.first(nonce, now):
		return "", errReplayed
	}
	if shared := b.sessions.Revocations(); shared != nil {
		entry := "dbsc." + nonce
		known, err := shared.Revoked(r.Context(), cookiestore.Identity{ID: entry, StartedAt: now})
		if err == nil && !known {
			err = shared.Revoke(r.Context(), entry, signed.At.Add(challengeLife))
		}
		switch {
		case err != nil:
			return "", &unavailable{err}
		case known:
			return "", errReplayed
		}
	}
	return id, nil
}

var errStale = errors.New("the challenge is too old, or of a server whose clock is ahead")

type (
	unavailable struct{ error } // revocations can't be asked or told
	forged      struct{ error } // it isn't the key's
)

// A memory remembers challenges that were used, for at least as long as they live, unless
// they are more than it has room for.
type memory struct {
	mu            sync.Mutex
	recent, older map[string]struct{}
	since         time.Time // when recent began
}

// maxUsed is how many are in either half. To be one of them takes a registered key.
const maxUsed = 1 << 15

// first notes a challenge, and reports whether it is new.
func (m *memory) first(nonce string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, recent := m.recent[nonce]
	_, older := m.older[nonce]
	if recent || older {
		return false
	}
	if len(m.recent) == maxUsed || now.Sub(m.since) > challengeLife+skew {
		m.recent, m.older, m.since = map[string]struct{}{}, m.recent, now
	}
	m.recent[nonce] = struct{}{}
	return true
}
