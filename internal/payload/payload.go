// Package payload has the encoding of Django's signing module, for untrusted input:
// base64url and zlib, each with one accepted spelling and a bound, and the timestamp in
// base62.
//
// A payload is the base64url of the data, or a dot and then the base64url of the data's
// zlib stream. It is what signing.dumps(obj, compress=True) makes of the serialized
// object.
package payload

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"sync"

	"example.com/cookiestore/internal/scratch"
)

// An Error says why something can't be decoded.
type Error struct {
	TooLarge bool // it would be larger than the limit; otherwise it is malformed
	Detail   string
}

func (e *Error) Error() string { return e.Detail }

func malformed(detail string) error { return &Error{Detail: detail} }

// Base64 refuses padding and stray bits in the last character. It skips line
// breaks, as all of encoding/base64 does, so AppendBase64 looks for them.
var Base64 = base64.RawURLEncoding.Strict()

// Mark stands before the base64 of a zlib stream.
const Mark = '.'

// Append appends the payload of data to dst, deflated if that is worth it.
func Append(dst, data []byte, how Compression) []byte {
	if how.Over < 0 || len(data) <= how.Over {
		return Base64.AppendEncode(dst, data)
	}
	packed := scratch.Get()
	defer packed.Free()
	var ok bool
	if packed.B, ok = AppendDeflated(packed.B, data, how); ok {
		return Base64.AppendEncode(append(dst, Mark), packed.B)
	}
	return Base64.AppendEncode(dst, data)
}

// AppendDeflated appends the zlib stream of data to dst, if that is to be tried and the
// stream is shorter.
func AppendDeflated(dst, data []byte, how Compression) ([]byte, bool) {
	if how.Over < 0 || len(data) <= how.Over {
		return dst, false
	}
	pool := fastDeflaters
	if how.Best {
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

// AppendDecoded appends the data of a payload to dst. It refuses what inflates
// to more than limit bytes, having held no more than that in memory.
func AppendDecoded(dst, payload []byte, limit int) ([]byte, error) {
	if len(payload) == 0 || payload[0] != Mark {
		return AppendBase64(dst, payload)
	}
	packed := scratch.Get()
	defer packed.Free()
	var err error
	if packed.B, err = AppendBase64(packed.B, payload[1:]); err != nil {
		return dst, err
	}
	return AppendInflated(dst, packed.B, limit)
}

// AppendBase64 appends what the text stands for to dst.
func AppendBase64(dst, text []byte) ([]byte, error) {
	data, err := Base64.AppendDecode(dst, text)
	switch {
	case err != nil:
		return dst, malformed("payload is not base64url")
	case Base64.EncodedLen(len(data)-len(dst)) != len(text):
		return dst, malformed("line break in the payload") // it skips them
	}
	return data, nil
}

// A Compression says how data is deflated.
type Compression struct {
	Over int  // only if it has more bytes than that; never if negative
	Best bool // as far as zlib's default level gets, and not its fastest
}

// deflater is a zlib writer with its output, about a megabyte: worth pooling.
type deflater struct {
	out bytes.Buffer
	w   *zlib.Writer
}

// The fastest level takes a third of the time, and its output is a tenth to a quarter
// larger. So it is used if the result still fits.
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

// AppendInflated appends what the zlib stream holds to dst.
func AppendInflated(dst, stream []byte, limit int) ([]byte, error) {
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
		return dst, malformed("payload is not a zlib stream")
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
			return dst, &Error{TooLarge: true, Detail: fmt.Sprintf("payload inflates to over %d bytes", limit)}
		case err == io.EOF && z.in.Len() > 0:
			return dst, malformed("bytes after the zlib stream")
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, malformed("zlib stream is damaged")
		}
	}
}
