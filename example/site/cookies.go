package site

import (
	"fmt"
	"net/http"
	"strings"

	"example.com/cookiestore"
)

// cookieSet are the cookies of one session as a browser sends them. There is one, or
// the session is in chunks: NAME, NAME-1, NAME-2 and so on.
type cookieSet struct {
	Name   string
	Values []string // of NAME-i at i; empty if the browser sent none
}

// A chunk is one of several cookies, taken apart: place "." count "." tag "." piece.
type chunk struct {
	Place, Count int
	Tag, Piece   string

	Name, Value string // of the cookie; Value is empty if the browser sent none
}

// Size is what browsers count.
func (c chunk) Size() int { return len(c.Name) + len(c.Value) }

const tagSize = 8

// parseChunk takes the value of a chunk apart.
func parseChunk(value string) (c chunk, ok bool) {
	const head = len("0.2.") + tagSize + len(".")
	if len(value) <= head || value[1] != '.' || value[3] != '.' || value[head-1] != '.' {
		return c, false
	}
	c = chunk{Place: int(value[0]) - '0', Count: int(value[2]) - '0', Tag: value[len("0.2."):][:tagSize], Piece: value[head:]}
	return c, 0 <= c.Place && c.Place < c.Count && c.Count <= maxChunks
}

// chunkName is the name of the cookie at a place.
func chunkName(name string, place int) string {
	if place == 0 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, place)
}

// cookiesIn returns the cookies of the session of a name, of all that a browser has.
// There is no value where there is no session.
func (s *site) cookiesIn(jar map[string]string, name string) cookieSet {
	set := cookieSet{Name: name}
	if jar[name] == "" {
		return set
	}
	set.Values = []string{jar[name]}
	if first, ok := parseChunk(jar[name]); ok && s.config.chunks > 1 {
		for place := 1; place < first.Count; place++ {
			set.Values = append(set.Values, jar[chunkName(name, place)])
		}
	}
	return set
}

// sent returns the cookies of the session of a name that came with a request.
func (s *site) sent(r *http.Request, name string) cookieSet { return s.cookiesIn(jarOf(r), name) }

// jarOf returns the values of a request's cookies. Of several with one name, browsers
// send the one that is meant first.
func jarOf(r *http.Request) map[string]string {
	jar := map[string]string{}
	for _, c := range r.Cookies() {
		if _, known := jar[c.Name]; !known {
			jar[c.Name] = c.Value
		}
	}
	return jar
}

// each calls f with name and value of each cookie.
func (c cookieSet) each(f func(name, value string)) {
	for place, value := range c.Values {
		if value != "" {
			f(chunkName(c.Name, place), value)
		}
	}
}

// A field is a cookie to be shown or edited as a whole.
type field struct {
	Part, Name, Value string // Part is what a verdict on a forgery calls it
}

// fields are all of them, those that the browser sent none of, too.
func (c cookieSet) fields() (all []field) {
	for place, value := range c.Values {
		all = append(all, field{chunkName("value", place), chunkName(c.Name, place), value})
	}
	return all
}

// header is the Cookie field that sends them.
func (c cookieSet) header() string {
	var pairs []string
	c.each(func(name, value string) { pairs = append(pairs, name+"="+value) })
	return strings.Join(pairs, "; ")
}

// Size is what the browser counts, in all.
func (c cookieSet) Size() (n int) {
	c.each(func(name, value string) { n += len(name) + len(value) })
	return n
}

// Chunks takes the cookies apart, if there are several.
func (c cookieSet) Chunks() []chunk {
	if len(c.Values) < 2 {
		return nil
	}
	chunks := make([]chunk, len(c.Values))
	for place, value := range c.Values {
		chunks[place], _ = parseChunk(value)
		chunks[place].Name, chunks[place].Value = chunkName(c.Name, place), value
		if chunks[place].Count == 0 { // it was forged, or is missing
			chunks[place].Piece = value
		}
	}
	return chunks
}

// whole puts the value of the session together. Where a chunk is missing, or doesn't
// belong there, it is only what there is: the store refuses it.
func (c cookieSet) whole() string {
	if len(c.Values) < 2 {
		return strings.Join(c.Values, "")
	}
	var all strings.Builder
	for _, part := range c.Chunks() {
		all.WriteString(part.Piece)
	}
	return all.String()
}

// valid returns what is wrong with a cookie's name or value, or too large.
func (c cookieSet) valid() (err error) {
	if len(c.Values) == 0 {
		return (&http.Cookie{Name: c.Name}).Valid()
	}
	for place, value := range c.Values {
		cookie := http.Cookie{Name: chunkName(c.Name, place), Value: value}
		if err := cookie.Valid(); err != nil {
			return err
		}
	}
	return nil
}

// tooLarge returns the size of a cookie that browsers would drop, or 0.
func (c cookieSet) tooLarge() (size int) {
	c.each(func(name, value string) {
		if n := len(name) + len(value); n > cookiestore.MaxCookieSize {
			size = n
		}
	})
	return size
}
