package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"net/http"
	"strings"
	"sync"
)

// The peers that times are compared with.
const (
	floorName       = "floor"
	pooledFloorName = "floor, pooled"
)

// A floor is what the standard library takes for the work that a signed cookie
// can't do without: http.Request.Cookie, one HMAC to verify, base64, and for a change
// one HMAC to sign, base64 and http.SetCookie. Its cookie is as cookiestore's,
//
//	base64(JSON) ":" timestamp ":" base64(HMAC)
//
// but it does not look into the session, and its time stands still.
type floor interface {
	open(r *http.Request) ([]byte, error)    // verifies the request's cookie and returns the JSON in it
	seal(w http.ResponseWriter, data []byte) // signs the JSON and sets the cookie
}

const floorTime = ":1xUkn5"

// isFloor reports whether a peer is one that the others are compared with.
func isFloor(name string) bool { return name == floorName || name == pooledFloorName }

func floorPeer(name string, floors *sync.Pool) peer {
	with := func(reply answer, do func(f floor, w http.ResponseWriter, r *http.Request) error) http.Handler {
		return handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
			f := floors.Get().(floor)
			defer floors.Put(f)
			return 0, do(f, w, r) // 0: it doesn't look into the session
		})
	}
	return peer{
		name: name,
		login: func(v visit) http.Handler {
			return with(noAnswer, func(f floor, w http.ResponseWriter, _ *http.Request) error {
				data, err := json.Marshal(v)
				f.seal(w, data)
				return err
			})
		},
		read: func(reply answer) http.Handler {
			return with(reply, func(f floor, _ http.ResponseWriter, r *http.Request) error {
				_, err := f.open(r)
				return err
			})
		},
		change: func(reply answer) http.Handler {
			return with(reply, func(f floor, w http.ResponseWriter, r *http.Request) error {
				data, err := f.open(r)
				if err == nil {
					f.seal(w, data)
				}
				return err
			})
		},
		untouched: nothing,
	}
}

func floorCookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// A plainFloor is written as one would write it, with the HMAC kept for the next
// request.
type plainFloor struct{ mac hash.Hash }

var floors = &sync.Pool{New: func() any { return &plainFloor{hmac.New(sha256.New, key)} }}

func (f *plainFloor) open(r *http.Request) ([]byte, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, err
	}
	payload, rest, _ := strings.Cut(cookie.Value, ":")
	timestamp, signature, _ := strings.Cut(rest, ":")
	signed := cookie.Value[:len(payload)+len(":")+len(timestamp)]
	if !hmac.Equal([]byte(f.sign(signed)), []byte(signature)) {
		return nil, errNotThere
	}
	return base64.RawURLEncoding.DecodeString(payload)
}

func (f *plainFloor) seal(w http.ResponseWriter, data []byte) {
	signed := base64.RawURLEncoding.EncodeToString(data) + floorTime
	http.SetCookie(w, floorCookie(signed+":"+f.sign(signed)))
}

func (f *plainFloor) sign(text string) string {
	f.mac.Reset()
	f.mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(f.mac.Sum(nil))
}

// A pooledFloor keeps its buffers, too, for the next request. What is left to
// allocate is net/http's.
type pooledFloor struct {
	mac                         hash.Hash
	value, data, sum, signature []byte
}

var pooledFloors = &sync.Pool{New: func() any { return &pooledFloor{mac: hmac.New(sha256.New, key)} }}

// open returns JSON that is valid until the next call.
func (f *pooledFloor) open(r *http.Request) ([]byte, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, err
	}
	f.value = append(f.value[:0], cookie.Value...)
	end := strings.LastIndexByte(cookie.Value, ':')
	payload := strings.IndexByte(cookie.Value, ':')
	if end < 0 || !hmac.Equal(f.sign(f.value[:end]), f.value[end+1:]) {
		return nil, errNotThere
	}
	f.data, err = base64.RawURLEncoding.AppendDecode(f.data[:0], f.value[:payload])
	return f.data, err
}

func (f *pooledFloor) seal(w http.ResponseWriter, data []byte) {
	f.value = base64.RawURLEncoding.AppendEncode(f.value[:0], data)
	f.value = append(f.value, floorTime...)
	signature := f.sign(f.value)
	f.value = append(append(f.value, ':'), signature...)
	http.SetCookie(w, floorCookie(string(f.value)))
}

// sign returns a signature that is valid until the next call.
func (f *pooledFloor) sign(text []byte) []byte {
	f.mac.Reset()
	f.mac.Write(text)
	f.sum = f.mac.Sum(f.sum[:0])
	f.signature = base64.RawURLEncoding.AppendEncode(f.signature[:0], f.sum)
	return f.signature
}
