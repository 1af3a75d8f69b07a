package cookiestore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"example.com/cookiestore/internal/payload"
	"example.com/cookiestore/internal/scratch"
)

// A Codec makes cookie values and reads them. It has the methods of
// securecookie.Codec, so that whatever is one is the other; it is written out
// here to keep encoding/gob, which securecookie imports, out of programs that
// don't use it.
type Codec interface {
	Encode(name string, value any) (string, error)
	Decode(name, value string, dst any) error
}

var _ Codec = (*Signer)(nil)

// A codec is what a CookieStore needs of one: the time of signing, too.
type codec interface {
	load(name, value string, maxInflated int) (Record, error)
	append(dst []byte, name string, data []byte, at time.Time, how payload.Compression) ([]byte, error)
}

// signerCodec is the store's own format.
type signerCodec struct{ *Signer }

func (c signerCodec) load(name, value string, maxInflated int) (Record, error) {
	rec, _, err := c.open(name, value, maxInflated)
	return rec, err
}

// open is load, and tells which key signed.
func (c signerCodec) open(name, value string, maxInflated int) (Record, int, error) {
	buf := scratch.Get()
	defer buf.Free()
	buf.B = append(buf.B, value...)
	v, err := c.verify(name, buf.B)
	if err != nil {
		return Record{}, -1, err
	}
	if buf.B, err = payload.AppendDecoded(buf.B, v.payload, maxInflated); err != nil {
		return Record{}, -1, refusePayload(err)
	}
	data := string(buf.B[len(value):])
	return Record{Data: data, Saved: time.Unix(v.at, 0), Resave: v.key > 0}, v.key, nil
}

func (c signerCodec) append(dst []byte, name string, data []byte, at time.Time, how payload.Compression) ([]byte, error) {
	return c.appendSigned(dst, name, data, at, how), nil
}

// storeCodec returns what a CookieStore needs of a codec.
func storeCodec(c Codec) codec {
	if signer, ok := c.(*Signer); ok {
		return signerCodec{signer}
	}
	return foreignCodec{c}
}

// codecLoader reads what an older codec has made.
type codecLoader struct {
	codec       codec
	maxInflated int
}

func (l codecLoader) Load(_ context.Context, name, value string) (Record, error) {
	return l.codec.load(name, value, l.maxInflated)
}

// appendFitting appends the value of a cookie that holds data to dst, compressed as well
// as need be for it to fit in one cookie, or nothing and [ErrTooLarge].
func appendFitting(dst []byte, c codec, name string, data []byte, at time.Time, compressOver int, room space) ([]byte, error) {
	value, err := c.append(dst, name, data, at, payload.Compression{Over: compressOver})
	if err == nil && !room.fitsOne(len(value)-len(dst)) && compressOver >= 0 {
		value, err = c.append(dst, name, data, at, payload.Compression{Over: compressOver, Best: true})
	}
	if err != nil {
		return dst, err
	}
	if size := len(value) - len(dst); !room.fits(size) {
		return dst, tooLarge(size, room, data)
	}
	return value, nil
}

// foreignCodec wraps a Codec that can't tell when it signed. Its values are
//
//	timestamp ":" data            or
//	timestamp ":." zlib stream
type foreignCodec struct{ Codec }

func (c foreignCodec) load(name, value string, maxInflated int) (Record, error) {
	var text []byte
	if err := c.Decode(name, value, &text); err != nil {
		return Record{}, refuseBy(err)
	}
	stamp, data, ok := bytes.Cut(text, []byte(":"))
	if !ok {
		return Record{}, refuse(ErrMalformed, "no timestamp")
	}
	at, err := payload.ParseTimestamp(stamp)
	if err != nil {
		return Record{}, refusePayload(err)
	}
	if packed, ok := bytes.CutPrefix(data, []byte{payload.Mark}); ok {
		if data, err = payload.AppendInflated(nil, packed, maxInflated); err != nil {
			return Record{}, refusePayload(err)
		}
	}
	return Record{Data: string(data), Saved: time.Unix(at, 0)}, nil
}

func (c foreignCodec) append(dst []byte, name string, data []byte, at time.Time, how payload.Compression) ([]byte, error) {
	how.Best = true // the codec may have a limit of its own
	text := append(payload.AppendTimestamp(nil, at), ':')
	if packed, ok := payload.AppendDeflated(append(text, payload.Mark), data, how); ok {
		text = packed
	} else {
		text = append(text, data...)
	}
	value, err := c.Encode(name, text)
	if err != nil {
		return dst, &cookieError{class: usageError, detail: fmt.Sprintf(
			"codec can't encode a session of %d bytes: %v; %s", len(data), err, largest(string(data))), cause: err}
	}
	return append(dst, value...), nil
}

// refuseBy makes a refusal of what a codec says. Whatever the codec can't
// read is not a session.
func refuseBy(err error) error {
	if IsRefused(err) {
		return err
	}
	return &cookieError{class: decodeError, detail: err.Error(), cause: err}
}
