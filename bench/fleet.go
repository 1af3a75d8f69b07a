package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"example.com/cookiestore"
	demo "example.com/cookiestore/example/site"
)

// instances is how many of them a fleet has.
const instances = 3

// A watch is the clock of a fleet and of those who measure it. A test has one that
// stands still but for step, which lets about that much time pass between requests.
type watch struct {
	now  func() time.Time
	step func(time.Duration)
}

// wallWatch goes by the machine's clock, on which the requests themselves take time.
var wallWatch = watch{now: time.Now, step: func(time.Duration) {}}

// A fleet is the demo site on three instances behind a round-robin. Each has a cache and
// connections of its own; the backend, where it is noted which sessions were ended, and
// the signing key are the same.
type fleet struct {
	watch
	server *httptest.Server
	client *http.Client
	closes []func() error
}

// instanceHeader says which instance has answered.
const instanceHeader = "Demo-Instance"

// newFleet starts the instances. Open connects one of them to the backend.
func newFleet(w watch, bound time.Duration, open opener, whenDown ...cookiestore.CacheOption) (_ *fleet, err error) {
	f := &fleet{watch: w}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	var handlers [instances]http.Handler
	for i := range handlers {
		config, err := demo.NewFlags("bench").Parse([]string{"-key", strings.Repeat("5b", 32)}, func(string) string { return "" }, io.Discard)
		if err != nil {
			return nil, err
		}
		backend, err := config.CookieStore()
		if err != nil {
			return nil, err
		}
		ended, closed, err := open(w.now)
		if err != nil {
			return nil, err
		}
		f.closes = append(f.closes, closed)
		backend.Revocations, backend.RevokedWithin = ended, bound
		backend.WhenDown = append(whenDown, cookiestore.WithCacheLogger(slog.New(slog.DiscardHandler)))
		if handlers[i], err = config.Handler(backend, w.now); err != nil {
			return nil, err
		}
	}
	var turn atomic.Uint64
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := turn.Add(1) % instances
		w.Header().Set(instanceHeader, strconv.FormatUint(i, 10))
		handlers[i].ServeHTTP(w, r)
	}))
	f.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2 * callers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f, nil
}

func (f *fleet) close() error {
	if f.server != nil {
		f.server.Close()
		f.client.CloseIdleConnections()
	}
	var err error
	for _, closed := range f.closes {
		err = errors.Join(err, closed())
	}
	return err
}

// A reply is what one request has shown.
type reply struct {
	status   int
	instance int
	cookie   string // that the session has from now on, "" if it stays as it is
	deleted  bool   // the cookie
}

// send sends a cookie with a form, or asks for a page if the form is nil.
func (f *fleet) send(ctx context.Context, path, cookie string, form url.Values) (reply, error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, f.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		r.Header.Set("Cookie", "sessionid="+cookie)
	}
	response, err := f.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return reply{}, err
	}
	answer := reply{status: response.StatusCode}
	if answer.instance, err = strconv.Atoi(response.Header.Get(instanceHeader)); err != nil {
		return reply{}, err
	}
	for _, c := range response.Cookies() {
		if c.Name == "sessionid" {
			answer.cookie, answer.deleted = c.Value, c.MaxAge < 0
		}
	}
	return answer, nil
}

// logIn returns the cookie of a new session of a user.
func (f *fleet) logIn(ctx context.Context, user string) (string, error) {
	answer, err := f.send(ctx, "/login", "", url.Values{"user": {user}})
	if err == nil && (answer.status != http.StatusSeeOther || answer.cookie == "") {
		err = fmt.Errorf("logging in: status %d", answer.status)
	}
	return answer.cookie, err
}

// logOutEverywhere returns the status of the answer.
func (f *fleet) logOutEverywhere(ctx context.Context, cookie string) (int, error) {
	answer, err := f.send(ctx, "/logout-everywhere", cookie, url.Values{})
	return answer.status, err
}
