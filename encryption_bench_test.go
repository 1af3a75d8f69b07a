package cookiestore

import (
	"fmt"
	"strings"
	"testing"

	"example.com/cookiestore/internal/payload"
)

// The two formats side by side: what a session costs to read, and to change, which is
// to read it and write it. Neither is compressed.
func BenchmarkFormats(b *testing.B) {
	signer, encrypter := newSigner(b, key1), newEncrypter(b, key1)
	for _, size := range []int{145, 1000, 3000} {
		data := []byte(`{"a":"` + strings.Repeat("x", size-8) + `"}`)
		for _, format := range []struct {
			name string
			codec
		}{{"signed", signerCodec{signer}}, {"encrypted", encrypter}} {
			never := payload.Compression{Over: -1}
			value, err := format.append(nil, "sessionid", data, signedAt, never)
			if err != nil {
				b.Fatal(err)
			}
			cookie := string(value)
			read := func(b *testing.B) {
				if _, err := format.load("sessionid", cookie, defaultMaxInflated); err != nil {
					b.Fatal(err)
				}
			}
			b.Run(fmt.Sprintf("read/%d/%s", size, format.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					read(b)
				}
			})
			b.Run(fmt.Sprintf("change/%d/%s", size, format.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					read(b)
					value, _ = format.append(value[:0], "sessionid", data, signedAt, never)
				}
				b.ReportMetric(float64(len(value)), "bytes/cookie")
			})
		}
	}
}
