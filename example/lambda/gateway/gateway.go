// Package gateway stands between a browser and an AWS Lambda function in a test, in
// place of AWS: it makes each HTTP request an event, and the function's answer an
// HTTP response, by the rules of Function URLs, API Gateway and Application Load
// Balancers, with what each of them leaves out.
package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// A Front is a service that invokes the function.
type Front string

// The fronts. Of a REST API (payload version 1.0) and an HTTP API (2.0) the same
// function sees different events.
const (
	FunctionURL  Front = "Function URL"
	HTTPAPI      Front = "API Gateway HTTP API"
	RESTAPI      Front = "API Gateway REST API"
	LoadBalancer Front = "ALB"
	MultiValue   Front = "ALB with multi-value headers"
)

// Fronts are all of them.
var Fronts = []Front{FunctionURL, HTTPAPI, RESTAPI, LoadBalancer, MultiValue}

// recorded names the events that AWS's Go package has recorded of each front.
var recorded = map[Front]string{
	FunctionURL:  "lambdaurl/testdata/function-url-request-with-headers-and-cookies-and-text-body.json",
	HTTPAPI:      "events/testdata/apigw-v2-request-no-authorizer.json",
	RESTAPI:      "events/testdata/apigw-request.json",
	LoadBalancer: "events/testdata/alb-lambda-target-request-headers-only.json",
	MultiValue:   "events/testdata/alb-lambda-target-request-multivalue-headers.json",
}

// Recorded returns the event that AWS's Go package has recorded. It needs the go
// command, and a module that requires github.com/aws/aws-lambda-go.
func Recorded(front Front) (map[string]any, error) {
	dir, err := recordings()
	if err != nil {
		return nil, fmt.Errorf("looking for github.com/aws/aws-lambda-go: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, recorded[front]))
	if err != nil {
		return nil, err
	}
	var event map[string]any
	return event, json.Unmarshal(text, &event)
}

// recordings returns the folder of AWS's Go package. The go command takes a while, so it
// is asked once.
var recordings = sync.OnceValues(func() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	return strings.TrimSpace(string(dir)), err
})

// An Answer is what the function gave back.
type Answer struct {
	ContentType string // application/vnd.awslambda.http-integration-response if it streams
	Body        io.ReadCloser
}

// A Gateway is an http.RoundTripper.
type Gateway struct {
	Front  Front
	Event  map[string]any // what is not of the request: see Recorded
	Invoke func(ctx context.Context, event []byte) (*Answer, error)
}

// RoundTrip invokes the function with the request.
func (g *Gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	event, err := g.event(r)
	if err != nil {
		return nil, err
	}
	answer, err := g.Invoke(r.Context(), event)
	if err != nil { // of the function: visitors are not told
		return respond(r, http.StatusBadGateway, http.Header{}, io.NopCloser(strings.NewReader("Internal Server Error"))), nil
	}
	if answer.ContentType == "application/vnd.awslambda.http-integration-response" {
		return streamed(r, answer.Body)
	}
	defer answer.Body.Close()
	var buffered response
	if err := json.NewDecoder(answer.Body).Decode(&buffered); err != nil {
		return nil, fmt.Errorf("the answer is not JSON: %w", err)
	}
	return g.buffered(r, &buffered)
}

// event makes the request an event: the recorded one, with what the request has.
func (g *Gateway) event(r *http.Request) ([]byte, error) {
	event := map[string]any{}
	maps.Copy(event, g.Event)
	body := []byte{}
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
	header := r.Header.Clone()
	header.Set("Host", r.URL.Host)
	header.Set("X-Forwarded-Proto", "https")
	first, last, all := map[string]string{}, map[string]string{}, map[string][]string{}
	for name, values := range header {
		if g.Front != RESTAPI {
			name = strings.ToLower(name)
		}
		first[name], last[name], all[name] = strings.Join(values, ","), values[len(values)-1], values
	}
	query, queries := map[string]string{}, map[string][]string{}
	for name, values := range r.URL.Query() {
		query[name], queries[name] = values[len(values)-1], values
	}
	switch g.Front {
	case FunctionURL, HTTPAPI:
		var cookies []string
		for _, field := range header["Cookie"] {
			cookies = append(cookies, strings.Split(field, "; ")...)
		}
		if g.Front == HTTPAPI {
			delete(first, "cookie")
		} else if cookies != nil {
			first["cookie"] = strings.Join(cookies, "; ")
		}
		event["cookies"], event["headers"] = cookies, first
		event["rawPath"], event["rawQueryString"], event["queryStringParameters"] = r.URL.Path, r.URL.RawQuery, query
		called := map[string]any{}
		maps.Copy(called, event["requestContext"].(map[string]any))
		called["http"] = map[string]string{"method": r.Method, "path": r.URL.Path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
		event["requestContext"] = called
	case RESTAPI:
		event["headers"], event["multiValueHeaders"] = last, all
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = query, queries
	case LoadBalancer:
		event["headers"], event["queryStringParameters"] = last, query
	case MultiValue:
		event["multiValueHeaders"], event["multiValueQueryStringParameters"] = all, queries
	}
	if g.Front != FunctionURL && g.Front != HTTPAPI {
		event["httpMethod"], event["path"] = r.Method, r.URL.Path
	}
	return json.Marshal(event)
}

// response is what a function may answer.
type response struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Cookies           []string            `json:"cookies"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// header is the response's, as far as the front passes it on.
func (r *response) header(front Front) http.Header {
	header := http.Header{}
	if front != MultiValue {
		for name, value := range r.Headers {
			header.Set(name, value)
		}
	}
	if front == RESTAPI || front == MultiValue {
		for name, values := range r.MultiValueHeaders {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if front == FunctionURL || front == HTTPAPI {
		for _, cookie := range r.Cookies {
			header.Add("Set-Cookie", cookie)
		}
	}
	return header
}

func (g *Gateway) buffered(request *http.Request, r *response) (*http.Response, error) {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return nil, err
		}
	}
	return respond(request, r.StatusCode, r.header(g.Front), io.NopCloser(bytes.NewReader(body))), nil
}

// streamed reads the prelude; the body follows as it comes.
func streamed(request *http.Request, body io.ReadCloser) (*http.Response, error) {
	buffer := bufio.NewReader(body)
	var r response
	prelude, err := buffer.ReadBytes(0)
	if err == nil {
		err = json.Unmarshal(prelude[:len(prelude)-1], &r)
	}
	if err == nil {
		_, err = buffer.Discard(7) // of the eight zeros
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the prelude of the stream: %w", err), body.Close())
	}
	type rest struct {
		io.Reader
		io.Closer
	}
	return respond(request, r.StatusCode, r.header(FunctionURL), rest{buffer, body}), nil
}

func respond(request *http.Request, status int, header http.Header, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status: fmt.Sprint(status, " ", http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: -1, Request: request,
	}
}
