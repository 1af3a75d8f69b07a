package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"example.com/cookiestore"
	"github.com/go-jose/go-jose/v4"
)

// The names of the peers of the large command that others are compared with.
const (
	signedName    = "cookiestore, signed"
	encryptedName = "cookiestore, encrypted"
)

// secret is a second key, for peers that need one of 32 bytes to encrypt.
var secret = []byte("no secret either, but 32 bytes  ")

// encryptingPeers are those whose cookies the visitor can't read, after the signed one
// that they are compared with. Nothing is compressed.
func encryptingPeers() []peer {
	return []peer{
		cookiestorePeer(signedName, must(cookiestore.New(key, cookiestore.WithCompressionOver(-1)))),
		cookiestorePeer(encryptedName, must(cookiestore.New(key, cookiestore.WithEncryption()))),
		securecookiePeer("securecookie with a block key", secret),
		josePeer(),
	}
}

// josePeer is go-jose, with an encrypted JSON Web Token: AES-256-GCM under one key.
func josePeer() peer {
	encrypter := must(jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: secret}, nil))
	return structPeer("go-jose, JWE",
		func(v visit) (string, error) {
			text, err := json.Marshal(v)
			if err != nil {
				return "", err
			}
			object, err := encrypter.Encrypt(text)
			if err != nil {
				return "", err
			}
			return object.CompactSerialize()
		},
		func(value string) (visit, error) {
			var v visit
			object, err := jose.ParseEncryptedCompact(value, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil {
				return v, err
			}
			text, err := object.Decrypt(secret)
			if err != nil {
				return v, err
			}
			return v, json.Unmarshal(text, &v)
		})
}

// chunkedPeers are the store that signs and the one that encrypts, with up to that many
// cookies.
func chunkedPeers(chunks int) []peer {
	n, limit := cookiestore.WithChunks(chunks), cookiestore.WithMaxCookieSize(cookiestore.MaxCookieSize)
	return []peer{
		cookiestorePeer(signedName, must(cookiestore.New(key, cookiestore.WithCompressionOver(-1))), n, limit),
		cookiestorePeer(encryptedName, must(cookiestore.New(key, cookiestore.WithEncryption())), n, limit),
	}
}

// chunkSizes are the bytes of JSON that take one, two, three and four cookies.
var chunkSizes = []int{2700, 5400, 8100, 10_800}

func runLarge(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("large", flag.ContinueOnError)
	round := flags.Duration("round", 50*time.Millisecond, "how long each peer runs in a round")
	count := flags.Int("rounds", 15, "how many rounds")
	dir := flags.String("o", "docs", "the directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	encrypting, chunked, err := largeCases()
	if err != nil {
		return err
	}
	err = runRounds(ctx, slices.Concat(encrypting, chunked), *round, *count, func() {
		for _, c := range encrypting {
			c.ratio = c.over(find(encrypting, signedName, c.op, c.size), c.ratio)
		}
		for _, c := range chunked {
			c.ratio = c.over(find(chunked, c.peer, c.op, chunkSizes[0]), c.ratio)
		}
	})
	if err != nil {
		return err
	}
	r := largeReport(encrypting, chunked, *round, *count)
	fmt.Print(r.String())
	return r.savePart(*dir, "large-sessions.md", "large")
}

// largeCases lists what is to be measured.
func largeCases() (encrypting, chunked []*speedCase, err error) {
	add := func(to *[]*speedCase, p peer, size int) error {
		cookies, err := enter(p, sample(size))
		if err != nil && !errors.As(err, new(errTooLarge)) {
			return fmt.Errorf("%s with %d bytes: %w", p.name, size, err)
		}
		for op, handler := range map[string]http.Handler{"change": p.change(noAnswer), "read": p.read(noAnswer)} {
			c := &speedCase{peer: p.name, op: op, size: size, unfit: err, cookies: len(cookies)}
			for _, cookie := range cookies {
				c.cookie += len(cookie.Name) + len(cookie.Value)
			}
			if err == nil {
				c.caller = newCallerWith(handler, cookies)
			}
			*to = append(*to, c)
		}
		return nil
	}
	for _, size := range speedSizes {
		for _, p := range encryptingPeers() {
			if err := add(&encrypting, p, size); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, size := range chunkSizes {
		for _, p := range chunkedPeers(len(chunkSizes)) {
			if err := add(&chunked, p, size); err != nil {
				return nil, nil, err
			}
		}
	}
	return encrypting, chunked, nil
}

// enter logs a visitor in, and returns all cookies.
func enter(p peer, v visit) ([]*http.Cookie, error) {
	w := httptest.NewRecorder()
	p.login(v).ServeHTTP(w, newRequest(nil))
	switch page := strings.TrimSpace(w.Body.String()); {
	case w.Code == http.StatusOK:
	case strings.Contains(page, "too long"):
		return nil, errTooLarge{page}
	default:
		return nil, fmt.Errorf("status %d: %s", w.Code, page)
	}
	cookies := w.Result().Cookies()
	for _, c := range cookies {
		if err := checkCookie(c); err != nil {
			return nil, err
		}
	}
	return cookies, nil
}

func largeReport(encrypting, chunked []*speedCase, round time.Duration, count int) *report {
	r := newReport("What encryption and chunks cost")
	r.para("Each handler is called without a network. All run %s in each of %d rounds, one after the other; a time is the median "+
		"of the rounds, followed by how far the fastest and the slowest were off it. Nothing is compressed. Peers: %s.",
		round, count, versions("github.com/gorilla/securecookie", "github.com/go-jose/go-jose/v4"))
	for _, op := range []struct{ name, title string }{
		{"change", "Change: read the counter of visits, add one, and save"}, {"read", "Read: read the counter, and save nothing"},
	} {
		r.para("## %s", op.title)
		for _, size := range speedSizes {
			r.para("%s bytes of JSON:", thousands(float64(size)))
			var rows [][]string
			for _, c := range encrypting {
				if c.op == op.name && c.size == size {
					rows = append(rows, c.largeRow(c.peer))
				}
			}
			r.table([]string{"", "bytes of name and value", "time", "rounds", "allocations", "times signed"}, rows)
		}
	}
	r.para("## Chunks")
	for _, peer := range []string{signedName, encryptedName} {
		var rows [][]string
		for _, op := range []string{"change", "read"} {
			for _, size := range chunkSizes {
				c := find(chunked, peer, op, size)
				rows = append(rows, c.largeRow(fmt.Sprintf("%s of %s bytes, in %d", op, thousands(float64(size)), c.cookies)))
			}
		}
		r.table([]string{peer, "bytes of names and values", "time", "rounds", "allocations", "times one cookie"}, rows)
	}
	return r
}

func (c *speedCase) largeRow(name string) []string {
	if c.unfit != nil {
		return []string{name, "does not fit", "", "", "", ""}
	}
	row := append([]string{name, thousands(float64(c.cookie))}, c.times()...)
	return append(row, fmt.Sprintf("%.2f", c.ratio.median()))
}
