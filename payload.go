package cookiestore

import (
	"fmt"
	"strings"

	"example.com/cookiestore/internal/jsonobject"
	"example.com/cookiestore/internal/payload"
)

// MaxCookieSize is how many bytes of a cookie browsers accept. By default no Set-Cookie
// field is longer, from the name to the last attribute: see [WithMaxCookieSize].
const MaxCookieSize = 4096

const (
	defaultCompressOver = 1024
	defaultMaxInflated  = 64 << 10
)

// refusePayload makes a refusal of why something can't be decoded.
func refusePayload(err error) error {
	e, ok := err.(*payload.Error)
	switch {
	case !ok:
		return err // nil, as a rule
	case e.TooLarge:
		return refuse(ErrTooLarge, e.Detail)
	}
	return refuse(ErrMalformed, e.Detail)
}

func refuseTooLong(size, limit int) error {
	return refuse(ErrTooLarge, fmt.Sprintf("name and value have %d bytes, over %d", size, limit))
}

// checkReadable refuses to write a session that could not be read back, since it
// inflates to more than limit bytes.
func checkReadable(data []byte, limit int) error {
	if len(data) <= limit {
		return nil
	}
	return &cookieError{class: usageError, reason: ErrTooLarge, detail: fmt.Sprintf(
		"session has %d bytes of JSON, and the limit is %d; %s", len(data), limit, largest(string(data)))}
}

// tooLarge says why a session doesn't fit in a cookie, and what to take out.
func tooLarge(size int, room space, data []byte) error {
	return &cookieError{class: usageError, reason: ErrTooLarge, detail: fmt.Sprintf(
		"cookie would have %d bytes with its name and attributes, and the limit is %d%s; %s",
		size+room.overhead, room.limit, room.inChunks(), largest(string(data)))}
}

// space is what a session's cookies may take: a number of bytes, some of which are taken
// already.
type space struct {
	limit, overhead int
	single          int // the bytes of a value that one cookie takes; 0 if there is only one
}

func (s space) fits(size int) bool { return s.overhead+size <= s.limit }

// fitsOne reports whether so many bytes fit in one cookie.
func (s space) fitsOne(size int) bool {
	if s.single > 0 {
		return size <= s.single
	}
	return s.fits(size)
}

// largest names the keys that take the most room.
func largest(data string) string {
	object, err := jsonobject.Parse(data)
	if err != nil || object.Len() == 0 {
		return "it has no keys to leave out"
	}
	var parts []string
	for _, part := range object.Largest(3) {
		parts = append(parts, fmt.Sprintf("%q (%d bytes)", part.Key, part.Size))
	}
	return "largest keys: " + strings.Join(parts, ", ")
}
