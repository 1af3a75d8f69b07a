package main

import (
	"net/http"
	"net/url"
	"strings"
)

// An event is what Lambda hands to the function, as far as this one looks at it. Which
// fields are filled in depends on what invoked it:
//
//   - Function URL and HTTP API: version 2.0. Cookies has the cookies, one an element.
//   - REST API: the request's header in Headers and MultiValueHeaders.
//   - Load balancer: in either, which is a setting of its target group.
type event struct {
	Version           string              `json:"version"`
	Cookies           []string            `json:"cookies"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext    struct {
		LoadBalancer *struct{} `json:"elb"`
	} `json:"requestContext"`
}

// cookies returns what the Cookie fields of the request were.
func (e *event) cookies() []string {
	if e.Cookies != nil {
		return e.Cookies
	}
	for name, fields := range e.MultiValueHeaders {
		if strings.EqualFold(name, "Cookie") {
			return fields
		}
	}
	for name, field := range e.Headers {
		if strings.EqualFold(name, "Cookie") {
			return []string{field}
		}
	}
	return nil
}

// query returns a parameter. A load balancer hands it on encoded, the others decoded.
func (e *event) query(name string) (string, error) {
	value := e.Query[name]
	if values := e.MultiValueQuery[name]; len(values) > 0 {
		value = values[0]
	}
	if e.RequestContext.LoadBalancer == nil {
		return value, nil
	}
	return url.QueryUnescape(value)
}

// takesCookies reports whether the answer may set more than one cookie.
func (e *event) takesCookies() bool {
	return e.RequestContext.LoadBalancer == nil || e.MultiValueHeaders != nil
}

// A response is what the function answers. What a front doesn't know is left out.
type response struct {
	StatusCode        int                 `json:"statusCode"`
	StatusDescription string              `json:"statusDescription,omitempty"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body"`
}

// answer makes a response for what invoked the function.
func (e *event) answer(status int, text string, cookies []*http.Cookie) response {
	lines := make([]string, len(cookies))
	for i, cookie := range cookies {
		lines[i] = cookie.String()
	}
	header := map[string]string{
		"Cache-Control": "no-store", // it depends on the cookie
		"Content-Type":  "text/plain; charset=utf-8",
	}
	r := response{StatusCode: status, Body: text}
	switch {
	case e.Version == "2.0":
		r.Headers, r.Cookies = header, lines
	case !e.takesCookies():
		r.Headers = header
		for _, line := range lines {
			header["Set-Cookie"] = line
		}
	default:
		r.MultiValueHeaders = map[string][]string{}
		for name, value := range header {
			r.MultiValueHeaders[name] = []string{value}
		}
		if len(lines) > 0 {
			r.MultiValueHeaders["Set-Cookie"] = lines
		}
	}
	return r
}
