package cookiestore_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// serveJunk sends a request with those cookies to a handler that reads the session.
func serveJunk(served http.Handler, method, target string, cookies ...string) {
	r := httptest.NewRequest(method, target, nil)
	r.Header["Cookie"] = cookies
	served.ServeHTTP(&discard{header: http.Header{}}, r)
}

func reader(t *testing.T, log *strings.Builder, options ...cookiestore.Option) http.Handler {
	options = append(options, cookiestore.WithLogger(logTo(log)))
	return cookiestore.Middleware(newStore(t), options...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Get("a")
	}))
}

// count returns how many lines of a level there are.
func count(log *strings.Builder, level string) int {
	return strings.Count(log.String(), "level="+level+" ")
}

// What is logged is a line for a request, with what it asked for, and without its query.
func TestOneLineForARequest(t *testing.T) {
	var log strings.Builder
	served := reader(t, &log)
	serveJunk(served, http.MethodPost, "/reset?token=secret", "sessionid=a; sessionid=b", "sessionid=c")
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), `level=WARN msg="session cookie refused" cookie=sessionid reason=malformed`)
	require.Contains(t, log.String(), "method=POST path=/reset refused=3\n")
	require.NotContains(t, log.String(), "secret")

	log.Reset()
	serveJunk(served, strings.Repeat("M", 1000), "/"+strings.Repeat("p", 1000), "sessionid=d")
	require.Contains(t, log.String(), "method="+strings.Repeat("M", 256)+"... path=/"+strings.Repeat("p", 255)+"... refused=1\n")

	log.Reset()
	serveJunk(served, strings.Repeat("M", 256), "/", "sessionid=e")
	require.Contains(t, log.String(), "method="+strings.Repeat("M", 256)+" path=/ ")
}

// The same dead cookie again is at debug level, as are more than sixty lines a minute.
func TestRefusalsAreLimited(t *testing.T) {
	clock := newClock()
	var log strings.Builder
	served := reader(t, &log, clock.option())
	for range 3 {
		serveJunk(served, "GET", "/", "sessionid=a")
	}
	require.Equal(t, 1, count(&log, "WARN"))
	require.Equal(t, 2, count(&log, "DEBUG"))
	require.NotContains(t, log.String(), "unreported")

	log.Reset()
	for i := range 100 {
		serveJunk(served, "GET", "/", fmt.Sprint("sessionid=b", i))
	}
	require.Equal(t, 59, count(&log, "WARN"), "with the first")
	require.Equal(t, 41, count(&log, "DEBUG"))
	require.NotContains(t, log.String(), "unreported")

	log.Reset()
	clock.add(59 * time.Second)
	serveJunk(served, "GET", "/", "sessionid=c")
	require.Zero(t, count(&log, "WARN"), "it is the same minute")
	clock.add(time.Second)
	serveJunk(served, "GET", "/", "sessionid=d")
	serveJunk(served, "GET", "/", "sessionid=e")
	serveJunk(served, "GET", "/", "sessionid=a")
	require.Equal(t, 2, count(&log, "WARN"))
	require.Equal(t, 1, strings.Count(log.String(), "unreported=42"), "the next line says how many were not")

	log.Reset()
	clock.add(time.Minute)
	for i := range 61 {
		serveJunk(served, "GET", "/", fmt.Sprint("sessionid=f", i))
	}
	clock.add(time.Minute)
	serveJunk(served, "GET", "/", "sessionid=g")
	require.Equal(t, 1, strings.Count(log.String(), "unreported=1\n"))

	// Cookies of which one is valid are counted in the same way.
	log.Reset()
	clock.add(time.Minute)
	store := newStore(t)
	twins := begin(t, store, clock.time().Add(-time.Hour), `{"a":1}`) + "; " + begin(t, store, clock.time(), `{"a":2}`)
	for range 3 {
		serveJunk(served, "GET", "/", twins)
	}
	require.Equal(t, 1, count(&log, "WARN"))
	require.Equal(t, 2, count(&log, "DEBUG"))
}

// The cookies that were logged are remembered in bounded memory: then they are forgotten all
// at once.
func TestLoggedCookiesAreForgotten(t *testing.T) {
	clock := newClock()
	var log strings.Builder
	served := reader(t, &log, clock.option())
	warned := func(cookie int) bool {
		log.Reset()
		clock.add(time.Second)
		serveJunk(served, "GET", "/", fmt.Sprint("sessionid=", cookie))
		return count(&log, "WARN") == 1
	}
	for i := range 1 << 14 {
		require.True(t, warned(i))
	}
	require.False(t, warned(0))
	require.True(t, warned(1<<14))
	require.True(t, warned(0))
}

func TestLinesOfManyRequestsAtOnceAreLimited(t *testing.T) {
	var log syncBuffer
	served := cookiestore.Middleware(newStore(t), newClock().option(), cookiestore.WithLogger(infoTo(&log)))(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cookiestore.FromContext(r.Context()).Get("a") }))
	var all sync.WaitGroup
	for client := range 8 {
		all.Go(func() {
			for i := range 100 {
				serveJunk(served, "GET", "/", fmt.Sprint("sessionid=", client, ".", i))
			}
		})
	}
	all.Wait()
	require.Equal(t, 60, strings.Count(log.String(), "\n"))
}

// Expired sessions are news, not warnings; one beside a valid cookie is.
func TestLevelOfExpiredSessions(t *testing.T) {
	clock := newClock()
	store := newStore(t)
	expired := begin(t, store, clock.time().Add(-15*24*time.Hour), `{"a":1}`)
	for cookies, level := range map[string]string{
		expired:                   "INFO",
		"sessionid=x; " + expired: "INFO",
		expired + "; sessionid=x": "WARN",
		expired + "; " + begin(t, store, clock.time(), `{"a":2}`): "WARN",
	} {
		var log strings.Builder
		serveJunk(reader(t, &log, clock.option()), "GET", "/", cookies)
		require.Equal(t, 1, count(&log, level), log.String())
	}
}

// 100,000 requests of somebody who wants to fill the disk, in ten minutes.
func TestJunkDoesNotFillADisk(t *testing.T) {
	clock := newClock()
	var log strings.Builder
	served := cookiestore.Middleware(newStore(t), clock.option(), cookiestore.WithLogger(infoTo(&log)))(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cookiestore.FromContext(r.Context()).Get("a") }))
	r := httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("p", 8000), nil)
	w := &discard{header: http.Header{}}
	for i := range 100_000 {
		r.Header["Cookie"] = []string{fmt.Sprint("sessionid=a; sessionid=", i)}
		served.ServeHTTP(w, r)
		clock.add(6 * time.Millisecond)
	}
	lines := strings.Count(log.String(), "\n")
	t.Logf("%d lines, %d bytes", lines, log.Len())
	require.Equal(t, 600, lines)
	require.Less(t, log.Len(), 600*600)
}

func TestPackagesThatAddToSessionsReport(t *testing.T) {
	var log bytes.Buffer
	var o observed
	now := newClock()
	revocations := cookiestore.NewMemoryRevocations()
	m, err := cookiestore.NewManager(newStore(t), cookiestore.WithLogger(infoTo(&log)), o.option(), now.option(), cookiestore.WithRevocations(revocations, "user"))
	require.NoError(t, err)
	require.Same(t, revocations, m.Revocations())
	require.Equal(t, now.time(), m.Now())
	require.Equal(t, http.Cookie{Name: "sessionid", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}, m.Cookie())
	r := httptest.NewRequest(http.MethodGet, "/path?secret", nil)
	refused := cookiestore.Event{Kind: cookiestore.EventRefused, Reason: "forged", Err: errDown}
	for range 2 {
		m.Report(r, "proof refused", "the subject", refused)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), `level=WARN msg="proof refused" cookie=sessionid reason=forged error="the database is down" method=GET path=/path`)
	require.NotContains(t, log.String(), "subject")
	m.Report(r, "proof refused", "another subject", refused)
	m.Report(r, "proof doubted", "the subject", refused)
	require.Equal(t, 3, strings.Count(log.String(), "\n"))
	told := refused
	told.Cookie = "sessionid"
	require.Equal(t, []cookiestore.Event{told, told, told, told}, o.events)

	log.Reset()
	for i := range 70 {
		m.Report(r, "proof refused", fmt.Sprint(i), refused)
	}
	now.add(time.Minute)
	m.Report(r, "proof refused", "after a minute", refused)
	require.Equal(t, 58, strings.Count(log.String(), "\n"))
	require.Contains(t, log.String(), "unreported=13\n")
	log.Reset()

	without, err := cookiestore.NewManager(newStore(t), cookiestore.WithLogger(infoTo(&log)))
	require.NoError(t, err)
	require.Nil(t, without.Revocations())
	without.Report(r, "proof refused", "the subject", refused)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
}
