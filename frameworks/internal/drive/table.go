package drive

import (
	"slices"
	"strconv"
	"testing"

	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/stretchr/testify/assert"
)

// table is what every program must do: with a real server, and a visitor of its own
// for each row.
var table = []struct {
	name  string
	paths []string // which the program must have
	drive func(v *visitor)
	logs  []string // what the middleware says, in any case; and nothing else
}{
	{"a page that doesn't use the session says nothing of it", []string{"/plain"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		response := v.wants("GET", "/plain", 200, "plain", left)
		assert.Empty(v.t, response.Header["Vary"])
		assert.Empty(v.t, response.Header["Cache-Control"])
	}, nil},
	{"a page that reads the session depends on the cookie", []string{"/peek"}, func(v *visitor) {
		response := v.wants("GET", "/peek", 200, "0", left)
		assert.Equal(v.t, []string{"Cookie"}, response.Header["Vary"])
	}, nil},
	{"a page that doesn't exist sets no cookie", nil, func(v *visitor) {
		v.wants("GET", "/nowhere", 404, anyBody, left)
	}, nil},
	{"a change is there in the next request", []string{"/peek"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		v.wants("GET", "/visits", 200, "2", set)
		v.wants("GET", "/peek", 200, "2", left)
	}, nil},
	{"with JSON", []string{"/json"}, func(v *visitor) {
		v.wants("GET", "/json", 200, `{"visits":1}`, set)
		v.wants("GET", "/json", 200, `{"visits":2}`, set)
	}, nil},
	{"with no content", []string{"/empty"}, func(v *visitor) {
		v.wants("GET", "/empty", 204, "", set)
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
	{"with a redirect", []string{"/redirect"}, func(v *visitor) {
		response := v.wants("GET", "/redirect", 303, anyBody, set)
		assert.Equal(v.t, "/visits", response.Header.Get("Location"))
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
	{"with an error of the client's", []string{"/denied"}, func(v *visitor) {
		v.wants("GET", "/denied", 403, anyBody, set)
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
	{"a change before an error of the server's is dropped", []string{"/broken"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		v.wants("GET", "/broken", 500, anyBody, left)
		v.wants("GET", "/visits", 200, "2", set)
	}, []string{"session changes dropped"}},
	{"a change before a panic is dropped", []string{"/panic"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		v.panics("/panic")
		v.wants("GET", "/visits", 200, "2", set)
	}, []string{"session changes dropped"}},
	{"a sign-out holds though the page fails", []string{"/sign-out-broken"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		v.wants("GET", "/sign-out-broken", 500, anyBody, deleted)
		v.wants("GET", "/visits", 200, "1", set)
	}, nil},
	{"a value that can't be saved is an error page, and not the handler's", []string{"/unsaveable"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		v.wants("GET", "/unsaveable", 500, "The session could not be saved.", left)
		assert.Contains(v.t, v.site.Log.String(), `session key \"callback\" can't be set`)
		v.wants("GET", "/visits", 200, "2", set)
	}, []string{"session not saved"}},
	{"a flash crosses a redirect and is shown once", []string{"/flash"}, func(v *visitor) {
		v.wants("GET", "/visits", 200, "1", set)
		response := v.wants("POST", "/flash", 303, anyBody, set)
		v.wants("GET", response.Header.Get("Location"), 200, "Saved.", set)
		v.wants("GET", "/flash", 200, "", left)
	}, nil},
	{"a file", []string{"/file"}, func(v *visitor) {
		v.wants("GET", "/file", 200, plain.Text[:len(plain.Text)-1], set)
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
	{"a part of a file", []string{"/file", "range"}, func(v *visitor) {
		v.wants("GET", "/file", 206, plain.Text[4:11], set, "Range", "bytes=4-10")
	}, nil},
	{"a stream: the cookie comes first, and nothing is held back", []string{"/stream"}, func(v *visitor) {
		v.streams("/stream", "first", "second")
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
	{"server-sent events", []string{"/events"}, func(v *visitor) {
		v.streams("/events", "first", "second")
		v.wants("GET", "/visits", 200, "2", set)
	}, nil},
}

// Run drives the program through the table.
func (s *Site) Run(t *testing.T) {
	for _, row := range table {
		if slices.ContainsFunc(row.paths, func(path string) bool { return slices.Contains(s.Without, path) }) {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			s.Log.Reset()
			row.drive(s.visitor(t))
			messages := slices.DeleteFunc(s.Log.Messages(), func(message string) bool { return message == s.MayLog })
			assert.ElementsMatch(t, row.logs, messages)
		})
	}
	for _, path := range s.Websockets {
		t.Run("a websocket at "+path, func(t *testing.T) {
			s.Log.Reset()
			v := s.visitor(t)
			v.upgrades(path, "1")
			v.upgrades(path, "2")
			v.wants("GET", "/visits", 200, "3", set)
			if messages := s.Log.Messages(); messages != nil { // this alone: it can't tell what the websocket package sends
				assert.Equal(t, []string{"session cookie left to the handler"}, messages)
			}
		})
	}
}

// Change asks for a page that changes the session, and how many visits there are at the
// next one.
func (s *Site) Change(t *testing.T, path string, status int, body string, visits int) {
	t.Helper()
	v := s.visitor(t)
	v.wants("GET", path, status, body, set)
	v.wants("GET", "/visits", 200, strconv.Itoa(visits), set)
}
