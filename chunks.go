package cookiestore

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A session that is too large for one cookie is cut into chunks, each a cookie of its
// own: NAME, NAME-1, NAME-2 and so on. There is one signature, or one ciphertext, over
// the whole. The value of a chunk is
//
//	place "." count "." tag "." piece
//
//	place   its place, one digit: 0 for NAME, 1 for NAME-1
//	count   of the chunks, one digit
//	tag     the last 8 bytes of the whole value, which are a part of its signature
//	piece   of the whole value
//
// The tag tells the chunks of one save from those of another, so that no combination has
// to be tried. It proves nothing: the signature does, once the whole is put together.
//
// No value of a CookieStore looks like that: a dot is at most its first byte. Whatever
// another store or codec makes that does look like it is written as chunks, too, if only
// as one of one.

// maxChunks is the most that WithChunks takes.
const maxChunks = 8

const (
	tagSize   = 8
	chunkHead = len("0.2.") + tagSize + len(".")
)

// A chunk is a part of a session's value.
type chunk struct {
	place, count int
	tag, piece   string
}

// parseChunk takes the value of a chunk apart, and reports whether it is one.
func parseChunk(value string) (c chunk, ok bool) {
	if len(value) <= chunkHead || value[1] != '.' || value[3] != '.' || value[chunkHead-1] != '.' {
		return c, false
	}
	c = chunk{int(value[0]) - '0', int(value[2]) - '0', value[chunkHead-1-tagSize : chunkHead-1], value[chunkHead:]}
	return c, 0 <= c.place && c.place < c.count && c.count <= maxChunks
}

func (c chunk) String() string {
	head := [...]byte{byte('0' + c.place), '.', byte('0' + c.count), '.'}
	return string(head[:]) + c.tag + "." + c.piece
}

// tagOf returns the tag of the chunks of a value.
func tagOf(value string) string {
	if short := tagSize - len(value); short > 0 {
		value += strings.Repeat("-", short)
	}
	return value[len(value)-tagSize:]
}

// split returns the chunks of a value, with pieces of at most size bytes.
func split(value string, size int) []string {
	count := (len(value) + size - 1) / size
	chunks := make([]string, count)
	for i := range chunks {
		piece := value[i*size : min((i+1)*size, len(value))]
		chunks[i] = chunk{i, count, tagOf(value), piece}.String()
	}
	return chunks
}

// chunkSet says which of the chunks' cookies there are: bit i stands for NAME-i.
type chunkSet uint8

func (s chunkSet) has(place int) bool { return s&(1<<place) != 0 }

// chunkName returns the name of a chunk's cookie.
func chunkName(name string, place int) string {
	if place == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(place)
}

// pieceSize is how many bytes of a value a chunk takes, where one cookie takes so many.
func pieceSize(single int) int { return single - chunkHead - len("-1") }

// chunked returns the room that there is in n cookies, where s is that in one.
func (s space) chunked(n int) space {
	s.single = s.limit - s.overhead
	s.limit *= n
	s.overhead = s.limit - n*pieceSize(s.single)
	return s
}

// needsChunks reports whether the value can't stand in a cookie as it is.
func (s space) needsChunks(value []byte) bool {
	if len(value) > s.single {
		return s.single > 0
	}
	_, looksLikeOne := parseChunk(string(value[:min(len(value), chunkHead+1)]))
	return looksLikeOne
}

// inChunks says how many cookies there may be, if there may be several.
func (s space) inChunks() string {
	if s.single == 0 {
		return ""
	}
	return " in all chunks"
}

// gather notes the values of a visitor's cookies, those of chunks put together. It looks
// at no more than maxDuplicates cookies of each name, puts no more than limit bytes
// together, and uses each chunk once, so that what has to be verified is never more than
// what was sent. A cookie NAME-i that doesn't have the form of chunk i is another program's.
func (c *candidates) gather(fields []string, name string, limit int) {
	var own candidates // the values of the cookie itself
	var chunks chunkCookies
	for _, field := range fields {
		for field != "" {
			var pair string
			pair, field, _ = strings.Cut(field, ";")
			if value := cookieValue(pair, name); value != "" {
				own.add(value)
			} else {
				chunks.add(pair, name)
			}
		}
	}
	c.chunks = chunks.set()
	for _, value := range own.values[:own.n] {
		whole, err := chunks.join(value, limit-len(name))
		if err != nil {
			c.refused = append(c.refused, refusal{value, err})
			continue
		}
		c.add(whole)
	}
	if missing, ok := chunks.first(); own.n == 0 && ok {
		c.refused = append(c.refused, missing)
	}
	c.several = own.several
}

// chunkCookies are the chunks of each place that a visitor sent, but for the first.
type chunkCookies [maxChunks][]chunk

// add notes the cookie if it is a chunk of the named one.
func (c *chunkCookies) add(pair, name string) {
	pair = afterBlanks(pair)
	rest, ok := strings.CutPrefix(pair, name)
	if !ok || len(rest) < len("-1") || rest[0] != '-' {
		return
	}
	part, ok := parseChunk(cookieValue(pair, pair[:len(name)+len("-1")]))
	if ok && rest[1] == byte('0'+part.place) && len(c[part.place]) < maxDuplicates {
		c[part.place] = append(c[part.place], part)
	}
}

// join returns the value that begins with that of the cookie itself: another one, if it
// is a chunk. It takes the other chunks out.
func (c *chunkCookies) join(value string, limit int) (string, error) {
	first, ok := parseChunk(value)
	switch {
	case !ok:
		return value, nil
	case first.place != 0:
		return "", refuse(ErrMalformed, fmt.Sprintf("chunk %d is where the first belongs", first.place))
	}
	pieces, size := []string{first.piece}, len(first.piece)
	for place := 1; place < first.count; place++ {
		i := slices.IndexFunc(c[place], func(part chunk) bool { return part.count == first.count && part.tag == first.tag })
		if i < 0 {
			return "", refuse(ErrMalformed, fmt.Sprintf("chunk %d of %d is missing", place, first.count))
		}
		pieces = append(pieces, c[place][i].piece)
		size += len(c[place][i].piece)
		c[place] = slices.Delete(c[place], i, i+1)
	}
	if size > limit {
		return "", refuse(ErrTooLarge, fmt.Sprintf("the chunks have %d bytes, over %d", size, limit))
	}
	whole := strings.Join(pieces, "")
	if tagOf(whole) != first.tag {
		return "", refuse(ErrMalformed, "the chunks don't end with what their tag says")
	}
	return whole, nil
}

// first returns the refusal of chunks of which the first is missing, if there are any.
func (c *chunkCookies) first() (refusal, bool) {
	for _, parts := range c {
		if len(parts) > 0 {
			err := refuse(ErrMalformed, fmt.Sprintf("chunk 0 of %d is missing", parts[0].count))
			return refusal{parts[0].String(), err}, true
		}
	}
	return refusal{}, false
}

// set returns the places of the chunks.
func (c *chunkCookies) set() (places chunkSet) {
	for place, parts := range c {
		if len(parts) > 0 {
			places |= 1 << place
		}
	}
	return places
}

// cut makes the cookies of a change whose value one can't hold.
func (c *cookieChange) cut(value string, room space) {
	c.line, c.value = "", value
	c.pieces = split(value, pieceSize(room.single))
	for place := range c.pieces[1:] {
		c.chunks |= 1 << (place + 1)
	}
}

// lines returns the Set-Cookie fields that set the cookie's chunks.
func (j *jar) lines(c *cookieChange) []string {
	lines := make([]string, len(c.pieces))
	for place, value := range c.pieces {
		line := append([]byte(chunkName(j.cookie.Name, place)), '=')
		line = appendTimes(append(line, value...), c)
		lines[place] = string(append(line, j.attributes...))
	}
	return lines
}

// surplus returns the chunks' cookies to delete: those that the visitor may have and the
// change doesn't set, and, in other scopes, all of them, if the session has ended there.
func (j *jar) surplus(c *cookieChange, elsewhere []http.Cookie) (all []http.Cookie) {
	for place := 1; place < maxChunks; place++ {
		if !c.chunks.has(place) {
			continue
		}
		scopes := elsewhere
		if place >= len(c.pieces) {
			scopes = append([]http.Cookie{j.cookie}, elsewhere...)
		}
		for _, cookie := range scopes {
			cookie.Name = chunkName(j.cookie.Name, place)
			all = append(all, cookie)
		}
	}
	return all
}

// isOfChunk reports whether a Set-Cookie field sets one of the chunks of a value, or
// deletes the cookie of one.
func (j *jar) isOfChunk(line, value string) bool {
	name, rest, _ := strings.Cut(line, "=")
	suffix, ok := strings.CutPrefix(strings.TrimSpace(name), j.cookie.Name)
	if j.chunks < 2 || !ok {
		return false
	}
	was, _, _ := strings.Cut(rest, ";")
	part, ok := parseChunk(was)
	switch {
	case suffix == "":
		return ok && part.place == 0 && part.tag == tagOf(value)
	case len(suffix) != len("-1") || suffix[0] != '-' || suffix[1] < '1' || suffix[1] >= '0'+maxChunks:
		return false
	}
	return was == "" || ok && part.tag == tagOf(value)
}
