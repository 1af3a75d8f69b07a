package connect

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A client is a visitor of the program.
type client struct {
	t       *testing.T
	http    *http.Client
	url     string
	options []connect.ClientOption
}

// call returns what the procedure answers, and the code of its error, or 0.
func (c *client) call(procedure string) (int64, connect.Code, http.Header) {
	call := connect.NewClient[emptypb.Empty, wrapperspb.Int64Value](c.http, c.url+"/visits.v1/"+procedure, c.options...)
	out, err := call.CallUnary(c.t.Context(), connect.NewRequest(&emptypb.Empty{}))
	if err != nil {
		return 0, connect.CodeOf(err), nil
	}
	return out.Msg.Value, 0, out.Header()
}

func (c *client) wants(procedure string, n int64) {
	c.t.Helper()
	got, code, _ := c.call(procedure)
	assert.Zero(c.t, code, procedure)
	assert.Equal(c.t, n, got, procedure)
}

func (c *client) fails(procedure string, want connect.Code) {
	c.t.Helper()
	_, code, _ := c.call(procedure)
	assert.Equal(c.t, want, code, procedure)
}

var protocols = []struct {
	name    string
	options []connect.ClientOption
}{
	{"Connect", nil},
	{"gRPC", []connect.ClientOption{connect.WithGRPC()}},
	{"gRPC-Web", []connect.ClientOption{connect.WithGRPCWeb()}},
}

// serve starts a server for both versions of HTTP, and returns a new visitor.
func serve(t *testing.T, h http.Handler, options []connect.ClientOption) *client {
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of panics
	server.StartTLS()
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &client{t, &http.Client{Jar: jar, Transport: server.Client().Transport}, server.URL, options}
}

func TestMiddlewareAroundProcedures(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.name, func(t *testing.T) {
			site := drive.New(t)
			c := serve(t, New(site.Sessions, site.News), protocol.options)
			_, _, header := c.call("Plain")
			assert.Empty(t, header["Set-Cookie"])
			c.wants("Visit", 1)
			c.wants("Visit", 2)
			c.wants("Peek", 2)
			c.fails("Denied", connect.CodePermissionDenied)
			c.wants("Peek", 3)
			c.fails("Panic", connect.CodeInternal)
			c.wants("Peek", 3)
			c.fails("Unsaveable", connect.CodeUnknown) // the middleware answers, and not in the protocol
			c.wants("Peek", 3)
			c.fails("Broken", connect.CodeInternal)
			if protocol.name == "Connect" {
				c.wants("Peek", 3)
			} else {
				c.wants("Peek", 4) // the status is 200
			}
			c.fails("SignOutBroken", connect.CodeUnknown)
			c.wants("Peek", 0)
		})
	}
}

func TestStreamSavesBeforeTheFirstMessage(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.name, func(t *testing.T) {
			site := drive.New(t)
			c := serve(t, New(site.Sessions, site.News), protocol.options)
			call := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](c.http, c.url+"/visits.v1/Stream", c.options...)
			go func() { site.News <- "first" }() // the header goes with it
			stream, err := call.CallServerStream(t.Context(), connect.NewRequest(&emptypb.Empty{}))
			require.NoError(t, err)
			require.True(t, stream.Receive(), stream.Err())
			assert.Equal(t, "first", stream.Msg().Value)
			assert.Len(t, stream.ResponseHeader()["Set-Cookie"], 1)
			c.wants("Visit", 2) // while it goes on
			site.News <- "second"
			require.True(t, stream.Receive(), stream.Err())
			assert.Equal(t, "second", stream.Msg().Value)
			assert.False(t, stream.Receive())
			require.NoError(t, stream.Err())
			require.NoError(t, stream.Close())
			assert.Empty(t, site.Log.Messages())
		})
	}
}

func TestInterceptorSavesNothingAfterAnError(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.name, func(t *testing.T) {
			site := drive.New(t)
			c := serve(t, Procedures(site.News, connect.WithInterceptors(Sessions(site.Sessions))), protocol.options)
			_, _, header := c.call("Plain")
			assert.Empty(t, header["Set-Cookie"])
			c.wants("Visit", 1)
			_, _, header = c.call("Visit")
			assert.Len(t, header["Set-Cookie"], 1)
			assert.Equal(t, []string{"private"}, header["Cache-Control"])
			assert.Contains(t, header["Vary"], "Cookie")
			c.wants("Peek", 2)
			c.fails("Denied", connect.CodePermissionDenied)
			c.fails("Broken", connect.CodeInternal)
			c.fails("Panic", connect.CodeInternal)
			c.fails("Unsaveable", connect.CodeInternal)
			c.wants("Peek", 2)
			c.fails("SignOutBroken", connect.CodeUnknown)
			if protocol.name == "gRPC" {
				c.wants("Peek", 2) // what an error says of itself are trailers, where no cookie can be set
			} else {
				c.wants("Peek", 0)
			}
		})
	}
}
