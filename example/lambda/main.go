// Command lambda counts visits in an AWS Lambda function behind an API Gateway
// HTTP API (payload version 2.0), with the session in the visitor's cookie: no
// database, and no net/http server to put a middleware around.
//
// Set SESSION_KEY to the output of `openssl rand -hex 32`. At the top of a checkout,
//
//	GOOS=linux CGO_ENABLED=0 go build -o bootstrap ./example/lambda
//
// makes the file bootstrap, to be deployed on the runtime provided.al2023.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"example.com/cookiestore"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	counter, err := newCounter(os.Getenv("SESSION_KEY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "lambda:", err)
		os.Exit(1)
	}
	lambda.Start(counter.handle)
}

// A counter counts the visits of each visitor.
type counter struct {
	sessions *cookiestore.Manager
}

func newCounter(textKey string) (*counter, error) {
	key, err := cookiestore.ParseKey(textKey)
	if err != nil {
		return nil, fmt.Errorf("SESSION_KEY: %w", err)
	}
	store, err := cookiestore.New(key)
	if err != nil {
		return nil, err
	}
	sessions, err := cookiestore.NewManager(store)
	if err != nil {
		return nil, err
	}
	return &counter{sessions}, nil
}

// handle answers a request. The name in ?name= is remembered.
func (c *counter) handle(ctx context.Context, request events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	session, err := c.sessions.Load(ctx, request.Cookies...)
	if err != nil {
		return failed(ctx, err), nil
	}
	if name := request.QueryStringParameters["name"]; name != "" {
		session.Set("name", name)
	}
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)

	cookies, err := c.sessions.Save(ctx, session)
	if err != nil {
		return failed(ctx, err), nil
	}
	name := cookiestore.Get(session, "name", "stranger")
	response := answer(http.StatusOK, fmt.Sprintf("Hello, %s. Visits: %d\n", name, visits))
	for _, cookie := range cookies {
		response.Cookies = append(response.Cookies, cookie.String())
	}
	return response, nil
}

// failed answers where the session can't be loaded or saved. It sets no cookie,
// so the visitor keeps the session that was. An error returned to Lambda would
// be a 500, too, but without a text.
func failed(ctx context.Context, err error) events.APIGatewayV2HTTPResponse {
	slog.ErrorContext(ctx, "session failed", "error", err)
	return answer(http.StatusInternalServerError, "The session could not be saved, and nothing was changed.\n")
}

func answer(status int, text string) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status,
		Headers: map[string]string{
			"Cache-Control": "no-store", // it depends on the cookie
			"Content-Type":  "text/plain; charset=utf-8",
		},
		Body: text,
	}
}
