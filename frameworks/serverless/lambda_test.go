package serverless

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"example.com/cookiestore/example/lambda/gateway"
	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/akrylysov/algnhsa"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type invoke = func(context.Context, []byte) (*gateway.Answer, error)

// behind puts the program behind a front of AWS's.
func behind(t *testing.T, site *drive.Site, front gateway.Front, invoke invoke) {
	event, err := gateway.Recorded(front)
	require.NoError(t, err)
	site.URL, site.Transport = "http://visits.example", &gateway.Gateway{Front: front, Event: event, Invoke: invoke}
	site.Websockets = nil // there is no connection to take over
}

// buffered makes a handler of lambda.Start's that answers JSON one for the gateway.
func buffered(handler any) invoke {
	bytewise := lambda.NewHandler(handler)
	return func(ctx context.Context, event []byte) (*gateway.Answer, error) {
		answer, err := bytewise.Invoke(ctx, event)
		if err != nil {
			return nil, err
		}
		return &gateway.Answer{ContentType: "application/json", Body: io.NopCloser(bytes.NewReader(answer))}, nil
	}
}

// These collect the whole response before it goes out.
var streams = []string{"/stream", "/events"}

// fronts are all but a load balancer without multi-value headers.
var fronts = []gateway.Front{gateway.FunctionURL, gateway.HTTPAPI, gateway.RESTAPI, gateway.MultiValue}

func TestAWSLambdaGoAPIProxy(t *testing.T) {
	for _, front := range fronts {
		t.Run(string(front), func(t *testing.T) {
			site := drive.New(t)
			site.Without = streams
			program := New(site.Sessions, site.News)
			switch front {
			case gateway.FunctionURL, gateway.HTTPAPI:
				// Of a Function URL's events it takes each cookie twice: from the header and from the cookies.
				site.MayLog = "session cookie refused"
				behind(t, site, front, buffered(httpadapter.NewV2(program).ProxyWithContext))
			case gateway.RESTAPI:
				behind(t, site, front, buffered(httpadapter.New(program).ProxyWithContext))
			default:
				behind(t, site, front, buffered(httpadapter.NewALB(program).ProxyWithContext))
			}
			site.Run(t)
		})
	}
}

// A load balancer without multi-value headers passes on no header of what
// aws-lambda-go-api-proxy answers, and algnhsa refuses its events.
func TestLoadBalancerNeedsMultiValueHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		adapter func(program http.Handler) any
		status  int
	}{
		"algnhsa":                 {func(program http.Handler) any { return algnhsa.New(program, nil) }, http.StatusBadGateway},
		"aws-lambda-go-api-proxy": {func(program http.Handler) any { return httpadapter.NewALB(program).ProxyWithContext }, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			site := drive.New(t)
			behind(t, site, gateway.LoadBalancer, buffered(test.adapter(New(site.Sessions, site.News))))
			response, err := (&http.Client{Transport: site.Transport}).Get(site.URL + "/visits")
			require.NoError(t, err)
			defer response.Body.Close()
			assert.Equal(t, test.status, response.StatusCode)
			assert.Empty(t, response.Header)
		})
	}
}

func TestAlgnhsa(t *testing.T) {
	for _, front := range fronts {
		t.Run(string(front), func(t *testing.T) {
			site := drive.New(t)
			site.Without = streams
			behind(t, site, front, buffered(algnhsa.New(New(site.Sessions, site.News), nil)))
			site.Run(t)
		})
	}
}

func TestLambdaURLStreams(t *testing.T) {
	site := drive.New(t)
	site.NoFlush = true
	behind(t, site, gateway.FunctionURL, streamed(lambdaurl.Wrap(New(site.Sessions, site.News))))
	site.Run(t)
}

func TestLambdaURLWithCookiesInTheirFieldAlone(t *testing.T) {
	site := drive.New(t)
	site.NoFlush = true
	behind(t, site, gateway.HTTPAPI, streamed(lambdaurl.Wrap(Cookies(New(site.Sessions, site.News)))))
	site.Run(t)
}

func streamed(handler func(context.Context, *events.LambdaFunctionURLRequest) (*events.LambdaFunctionURLStreamingResponse, error)) invoke {
	return func(ctx context.Context, text []byte) (*gateway.Answer, error) {
		var event events.LambdaFunctionURLRequest
		if err := json.Unmarshal(text, &event); err != nil {
			return nil, err
		}
		answer, err := handler(ctx, &event)
		if err != nil {
			return nil, err
		}
		return &gateway.Answer{ContentType: answer.ContentType(), Body: answer}, nil
	}
}
