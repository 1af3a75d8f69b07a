// Command none is a function of `coldstart -lambda`: without sessions.
package main

import (
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/lambdaurl"
)

func main() {
	lambdaurl.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, 1)
	}))
}
