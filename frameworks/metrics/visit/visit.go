// Package visit makes the requests that the tests of metrics count the events of.
package visit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/sessiontest"
)

// Want is what an observer must have counted.
type Want struct {
	Events    map[[4]string]int // by cookie, kind, reason and beside
	Conflicts int               // all of the cookie "record"

	// Of the saved sessions in the cookie "sessionid", and how many they are.
	CookieBytes, Chunks, JSONBytes, Saved int
}

// A site is a server with two middlewares: for the cookies "sessionid", which holds the
// session, and "record", whose session is in a database.
type site struct {
	*httptest.Server
	cookies *cookiestore.CookieStore
	records *dbstore.Store
	key     []byte
	secret  string // in each session
}

func open(t *testing.T, observe func(context.Context, cookiestore.Event), wrap func(http.Handler) http.Handler) *site {
	s := &site{key: bytes.Repeat([]byte{7}, 32), secret: "a secret value"}
	var err error
	s.cookies, err = cookiestore.New(s.key, cookiestore.WithFallbackKeys(bytes.Repeat([]byte{6}, 32)), cookiestore.WithCompressionOver(-1))
	require.NoError(t, err)
	s.records, err = dbstore.OpenSQLite("sqlite", filepath.Join(t.TempDir(), "sessions.db"), s.key)
	require.NoError(t, err)
	t.Cleanup(func() { s.records.Close() })
	require.NoError(t, s.records.CreateTable(t.Context()))
	options := []cookiestore.Option{
		cookiestore.WithSecure(false), cookiestore.WithChunks(4), cookiestore.WithRenewal(0.5),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)), cookiestore.WithObserver(observe),
	}
	mux := http.NewServeMux()
	mux.Handle("/cookie/", cookiestore.Middleware(s.cookies, options...)(s.handlers("/cookie")))
	options[1] = cookiestore.WithName("record")
	mux.Handle("/record/", cookiestore.Middleware(s.records, options...)(s.handlers("/record")))
	s.Server = httptest.NewServer(wrap(mux))
	t.Cleanup(s.Close)
	return s
}

func (s *site) handlers(prefix string) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, h func(http.ResponseWriter, *http.Request, *cookiestore.Session)) {
		mux.HandleFunc(prefix+path, func(w http.ResponseWriter, r *http.Request) {
			h(w, r, cookiestore.FromContext(r.Context()))
		})
	}
	handle("/read", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Has("a") })
	handle("/change", func(_ http.ResponseWriter, r *http.Request, session *cookiestore.Session) {
		session.Set("a", s.secret+r.URL.Query().Get("a"))
	})
	handle("/large", func(_ http.ResponseWriter, _ *http.Request, session *cookiestore.Session) {
		session.Set("a", strings.Repeat("x", 5000))
	})
	handle("/larger", func(_ http.ResponseWriter, _ *http.Request, session *cookiestore.Session) {
		session.Set("a", strings.Repeat("x", 50000))
	})
	handle("/leave", func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush() })
	handle("/late", func(w http.ResponseWriter, _ *http.Request, session *cookiestore.Session) {
		fmt.Fprint(w, "hello")
		session.Set("a", s.secret)
	})
	handle("/meanwhile", func(w http.ResponseWriter, r *http.Request, session *cookiestore.Session) {
		session.Set("b", 1)
		if err := s.another(r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// another changes the session as a request to another server does.
func (s *site) another(r *http.Request) error {
	other, err := cookiestore.NewManager(s.records, cookiestore.WithName("record"))
	if err != nil {
		return err
	}
	session, err := other.Load(r.Context(), r.Header.Get("Cookie"))
	if err != nil {
		return err
	}
	session.Set("c", 1)
	_, err = other.Save(r.Context(), session)
	return errors.Join(err, session.Refused())
}

// get makes a request with that Cookie field, and returns the Set-Cookie fields.
func (s *site) get(t *testing.T, path, cookie string) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	require.NoError(t, err)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	response.Body.Close()
	return response.Header["Set-Cookie"]
}

// Run makes requests to a server of its own, inside the middleware wrap, and returns what
// observe must have been told.
func Run(t *testing.T, observe func(context.Context, cookiestore.Event), wrap func(http.Handler) http.Handler) Want {
	s := open(t, observe, wrap)
	want := Want{Events: map[[4]string]int{}}
	expect := func(cookie string, events ...string) {
		for _, e := range events {
			beside := ""
			if found, ok := strings.CutSuffix(e, " beside"); ok {
				e, beside = found, "true"
			}
			kind, reason, _ := strings.Cut(e, " ")
			want.Events[[4]string{cookie, kind, reason, beside}]++
		}
	}
	saved := func(fields []string, jsonBytes int) {
		want.CookieBytes += len(strings.Join(fields, ""))
		want.Chunks += len(fields)
		want.JSONBytes += jsonBytes
		want.Saved++
	}
	ago := func(d time.Duration) cookiestore.Option {
		return cookiestore.WithClock(func() time.Time { return time.Now().Add(-d) })
	}
	values := map[string]any{"a": s.secret}
	jsonBytes := len(`{"a":""}`) + len(s.secret)
	good := sessiontest.Cookie(t, s.cookies, values).String()
	good = good[:strings.Index(good+";", ";")]
	old := sessiontest.Cookie(t, s.cookies, values, ago(10*24*time.Hour))
	expired := sessiontest.Cookie(t, s.cookies, values, ago(15*24*time.Hour))
	ahead := sessiontest.Cookie(t, s.cookies, values, ago(-time.Hour))
	formerly, err := cookiestore.New(bytes.Repeat([]byte{6}, 32))
	require.NoError(t, err)
	rotated := sessiontest.Cookie(t, formerly, values)
	unknown, err := cookiestore.New(bytes.Repeat([]byte{5}, 32))
	require.NoError(t, err)
	foreign := sessiontest.Cookie(t, unknown, values)

	for range 3 {
		s.get(t, "/cookie/read", good)
		expect("sessionid", "loaded")
	}
	s.get(t, "/cookie/read", "")
	saved(s.get(t, "/cookie/change", good), jsonBytes)
	expect("sessionid", "loaded", "saved asked")
	large := s.get(t, "/cookie/large", "")
	require.Len(t, large, 2)
	saved(large, len(`{"a":""}`)+5000)
	expect("sessionid", "saved asked")
	saved(s.get(t, "/cookie/read", "sessionid="+old.Value), jsonBytes)
	expect("sessionid", "loaded", "saved renewal")
	saved(s.get(t, "/cookie/read", "sessionid="+rotated.Value), jsonBytes)
	expect("sessionid", "loaded", "saved key")
	s.get(t, "/cookie/leave", good)
	expect("sessionid", "loaded", "deleted")
	s.get(t, "/cookie/read", "sessionid="+expired.Value)
	expect("sessionid", "refused expired")
	s.get(t, "/cookie/read", "sessionid="+ahead.Value)
	expect("sessionid", "refused future")
	s.get(t, "/cookie/read", "sessionid="+foreign.Value)
	expect("sessionid", "refused tampered")
	s.get(t, "/cookie/read", "sessionid=<script>; sessionid="+strings.Repeat("y", 20000)+"; "+good)
	expect("sessionid", "refused malformed beside", "refused too large beside", "loaded")
	s.get(t, "/cookie/late", good)
	expect("sessionid", "loaded", "failed late")
	s.get(t, "/cookie/larger", "")
	expect("sessionid", "failed too large")

	record := s.get(t, "/record/change", "")
	expect("record", "saved asked")
	cookie := record[0][:strings.Index(record[0], ";")]
	s.get(t, "/record/meanwhile", cookie)
	expect("record", "loaded", "saved asked")
	want.Conflicts++
	s.get(t, "/record/read", "record="+strings.Repeat("z", 32))
	expect("record", "refused unknown")
	require.NoError(t, s.records.Close())
	s.get(t, "/record/read", cookie)
	expect("record", "failed failed")
	return want
}
