// Package serverless puts net/http handlers, with the middleware around them, on AWS
// Lambda and on Google's Functions Framework, through the packages that people use for
// it. None needs anything of the middleware but what is said here.
package serverless

import (
	"net/http"
	"strings"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) http.Handler {
	router := http.NewServeMux()
	for pattern, handler := range plain.Handlers(sessions, news) {
		router.Handle(pattern, handler)
	}
	return Recover(sessions.Handler(router))
}

// Recover answers in place of a handler that panics. lambdaurl, algnhsa and
// aws-lambda-go-api-proxy don't, so that the process ends and the next visitor waits
// for a cold start. Outside of the middleware, it leaves the middleware to drop the
// changes first.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "Something broke.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Cookies goes around the middleware where lambdaurl gets events that have the cookies
// in their field of that name alone, as those of API Gateway do: lambdaurl looks at the
// header only.
func Cookies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, ok := lambdaurl.RequestFromContext(r.Context())
		if ok && r.Header["Cookie"] == nil && event.Cookies != nil {
			r.Header["Cookie"] = []string{strings.Join(event.Cookies, "; ")}
		}
		next.ServeHTTP(w, r)
	})
}
