package cookiestore

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"example.com/cookiestore/internal/jsonobject"
)

// The payload of a signed value is the base64url of the data, or a dot and
// then the base64url of the data's zlib stream. It is what Django's
// signing.dumps(obj, compress=True) makes of the serialized object.

// MaxCookieSize is the number of bytes up to which browsers keep a cookie. By default
// no Set-Cookie field is longer, from the name to the last attribute: see
// [WithMaxCookieSize].
const MaxCookieSize = 4096

const (
	defaultCompressOver = 1024
	defaultMaxInflated  = 64 << 10
)

// b64 refuses padding and stray bits in the last character. It skips line
// breaks, as all of encoding/base64 does, so appendBase64 looks for them.
var b64 = base64.RawURLEncoding.Strict()

// compressionMark stands before the base64 of a zlib stream.
const compressionMark = '.'

// buffers lends scratch space. Put back only what is not referred to any more.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer struct{ b []byte }

// maxPooled keeps a rare huge session from staying in memory for ever.
const maxPooled = 64 << 10

func getBuffer() *buffer {
	buf := buffers.Get().(*buffer)
	buf.b = buf.b[:0]
	return buf
}

func (buf *buffer) free() {
	if cap(buf.b) <= maxPooled {
		buffers.Put(buf)
	}
}

// appendPayload appends the payload of data to dst, deflated if that is worth it.
func appendPayload(dst, data []byte, how compression) []byte {
	if how.over < 0 || len(data) <= how.over {
		return b64.AppendEncode(dst, data)
	}
	packed := getBuffer()
	defer packed.free()
	var ok bool
	if packed.b, ok = appendDeflated(packed.b, data, how); ok {
		return b64.AppendEncode(append(dst, compressionMark), packed.b)
	}
	return b64.AppendEncode(dst, data)
}

// appendDeflated appends the zlib stream of data to dst, if that is to be tried and the
// stream is shorter.
func appendDeflated(dst, data []byte, how compression) ([]byte, bool) {
	if how.over < 0 || len(data) <= how.over {
		return dst, false
	}
	pool := fastDeflaters
	if how.best {
		pool = bestDeflaters
	}
	z := pool.Get().(*deflater)
	defer pool.Put(z)
	stream := z.deflate(data)
	// Django compares in the same way: the mark costs one byte.
	if len(stream) >= len(data)-1 {
		return dst, false
	}
	return append(dst, stream...), true
}

// appendDecoded appends the data of a payload to dst. It refuses what inflates
// to more than limit bytes, having held no more than that in memory.
func appendDecoded(dst, payload []byte, limit int) ([]byte, error) {
	if len(payload) == 0 || payload[0] != compressionMark {
		return appendBase64(dst, payload)
	}
	packed := getBuffer()
	defer packed.free()
	var err error
	if packed.b, err = appendBase64(packed.b, payload[1:]); err != nil {
		return dst, err
	}
	return appendInflated(dst, packed.b, limit)
}

// appendBase64 appends what the text stands for to dst.
func appendBase64(dst, text []byte) ([]byte, error) {
	data, err := b64.AppendDecode(dst, text)
	switch {
	case err != nil:
		return dst, refuse(ErrMalformed, "payload is not base64url")
	case b64.EncodedLen(len(data)-len(dst)) != len(text):
		return dst, refuse(ErrMalformed, "line break in the payload") // it skips them
	}
	return data, nil
}

// compression says how data is deflated.
type compression struct {
	over int  // only if it has more bytes than that; never if negative
	best bool // as far as zlib's default level gets, and not its fastest
}

// deflater is a zlib writer with its output, about a megabyte: worth pooling.
type deflater struct {
	out bytes.Buffer
	w   *zlib.Writer
}

// The fastest level takes a third of the time, and its output is a tenth to a quarter
// larger. So it is for what fits nevertheless.
var (
	fastDeflaters = deflaters(zlib.BestSpeed)
	bestDeflaters = deflaters(zlib.DefaultCompression)
)

func deflaters(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		z := new(deflater)
		z.w, _ = zlib.NewWriterLevel(&z.out, level) // fails with other levels
		return z
	}}
}

// deflate returns the zlib stream of data, valid until the next call.
func (z *deflater) deflate(data []byte) []byte {
	z.out.Reset()
	z.w.Reset(&z.out)
	// A bytes.Buffer takes every write, so neither call can fail.
	_, _ = z.w.Write(data)
	_ = z.w.Close()
	return z.out.Bytes()
}

// inflater is a zlib reader with its input.
type inflater struct {
	in bytes.Reader
	r  io.ReadCloser
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// appendInflated appends what the zlib stream holds to dst.
func appendInflated(dst, stream []byte, limit int) ([]byte, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	z.in.Reset(stream)
	defer z.in.Reset(nil)

	var err error
	if z.r == nil {
		z.r, err = zlib.NewReader(&z.in)
	} else {
		err = z.r.(zlib.Resetter).Reset(&z.in, nil)
	}
	if err != nil {
		return dst, refuse(ErrMalformed, "payload is not a zlib stream")
	}

	// One byte over the limit is enough to know. Short of it, reading on to
	// the end of the stream makes zlib check its sum.
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, 1024)
		}
		room := dst[len(dst):cap(dst)]
		if left := limit - (len(dst) - start); left < len(room) {
			room = room[:left+1]
		}
		n, err := z.r.Read(room)
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-start > limit:
			return dst, refuse(ErrTooLarge, fmt.Sprintf("payload inflates to over %d bytes", limit))
		case err == io.EOF && z.in.Len() > 0:
			return dst, refuse(ErrMalformed, "bytes after the zlib stream")
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, refuse(ErrMalformed, "zlib stream is damaged")
		}
	}
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
		"session has %d bytes of JSON, and %d could be read back; %s", len(data), limit, largest(string(data)))}
}

// tooLarge says why a session doesn't fit in a cookie, and what to take out.
func tooLarge(size int, room space, data []byte) error {
	return &cookieError{class: usageError, reason: ErrTooLarge, detail: fmt.Sprintf(
		"cookie would have %d bytes with its name and attributes, and the limit is %d; %s", size+room.overhead, room.limit, largest(string(data)))}
}

// space is what a cookie may take: a number of bytes, some of which are taken already.
type space struct{ limit, overhead int }

func (s space) fits(size int) bool { return s.overhead+size <= s.limit }

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
