// Command lambda counts visits in an AWS Lambda function, with the session in the
// visitor's cookie: no database. It runs behind a Function URL, API Gateway (HTTP and
// REST APIs) and an Application Load Balancer, and finds out by the event which one.
//
// Set SESSION_KEY to the output of `openssl rand -hex 32`, and SESSION_FALLBACK_KEYS
// to the keys it had before, separated by commas; or SESSION_SECRET_ID to the secret
// in AWS Secrets Manager that has them, newest first. With RESPONSE=stream the
// function streams, behind a Function URL whose InvokeMode is RESPONSE_STREAM. At the
// top of a checkout,
//
//	GOOS=linux CGO_ENABLED=0 go build -tags lambda.norpc -o bootstrap ./example/lambda
//
// makes the file bootstrap, to be deployed on the runtime provided.al2023. With
// template.yaml, `sam build && sam deploy --guided` does both.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"example.com/cookiestore"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

func main() {
	sessions, err := newSessions(context.Background(), os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lambda:", err)
		os.Exit(1)
	}
	if os.Getenv("RESPONSE") == "stream" {
		lambdaurl.Start(sessions.Handler(http.HandlerFunc(stream)))
		return
	}
	lambda.Start((&counter{sessions}).handle)
}

// newSessions does what there is to do at a cold start.
func newSessions(ctx context.Context, getenv func(string) string) (*cookiestore.Manager, error) {
	key, fallbacks, err := keys(ctx, getenv)
	if err != nil {
		return nil, err
	}
	store, err := cookiestore.New(key, cookiestore.WithFallbackKeys(fallbacks...))
	if err != nil {
		return nil, err
	}
	return cookiestore.NewManager(store)
}

// greet counts a visit. The name in ?name= is remembered.
func greet(session *cookiestore.Session, name string) string {
	if name != "" {
		session.Set("name", name)
	}
	visits := cookiestore.Get(session, "num_visits", 0) + 1
	session.Set("num_visits", visits)
	return fmt.Sprintf("Hello, %s. Visits: %d\n", cookiestore.Get(session, "name", "stranger"), visits)
}

// stream is the page with net/http: any handler in the middleware is a function.
func stream(w http.ResponseWriter, r *http.Request) {
	session := cookiestore.FromContext(r.Context())
	greeting := greet(session, r.FormValue("name"))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, greeting) // the cookie goes out with it
	for left := range 3 {
		fmt.Fprintln(w, "still here:", left)
	}
}
