package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
)

// A caller calls a handler with one request over and over, as a server would with
// keep-alive, and without a server's own costs.
type caller struct {
	handler http.Handler
	request *http.Request
	copy    http.Request
	discard discard
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

func newCaller(handler http.Handler, cookie *http.Cookie) *caller {
	return &caller{handler: handler, request: newRequest(cookie), discard: discard{http.Header{}}}
}

// newCallerWith is newCaller with several cookies.
func newCallerWith(handler http.Handler, cookies []*http.Cookie) *caller {
	c := newCaller(handler, nil)
	for _, cookie := range cookies {
		c.request.AddCookie(cookie)
	}
	return c
}

func newRequest(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return r
}

// call serves the request once. Some peers keep what they have decoded in the
// request, so each call gets a fresh copy of it.
func (c *caller) call() {
	c.copy = *c.request
	clear(c.discard.header)
	c.handler.ServeHTTP(&c.discard, &c.copy)
}

// visitOnce calls the handler with the cookie and returns the page and the cookie
// that the response sets, or else the one before.
func visitOnce(handler http.Handler, cookie *http.Cookie) (page string, _ *http.Cookie, _ error) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, newRequest(cookie).WithContext(context.Background()))
	page = w.Body.String()
	if w.Code != http.StatusOK {
		if strings.Contains(page, "too long") || strings.Contains(page, "does not fit") {
			return "", nil, errTooLarge{strings.TrimSpace(page)}
		}
		return "", nil, fmt.Errorf("status %d: %s", w.Code, strings.TrimSpace(page))
	}
	if set := w.Result().Cookies(); len(set) > 0 {
		cookie = set[0]
		return page, cookie, checkCookie(cookie)
	}
	return page, cookie, nil
}

// logIn returns the cookie of a visitor of the peer.
func logIn(p peer, v visit) (*http.Cookie, error) {
	_, cookie, err := visitOnce(p.login(v), nil)
	return cookie, err
}
