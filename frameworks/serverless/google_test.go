package serverless

import (
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/stretchr/testify/require"
)

func TestGoogleFunctionsFramework(t *testing.T) {
	site := drive.New(t)
	functions.HTTP("Visits", New(site.Sessions, site.News).ServeHTTP)
	t.Setenv("FUNCTION_TARGET", "Visits")
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	go funcframework.StartHostPort("127.0.0.1", port) // for as long as the test program runs
	site.URL = "http://127.0.0.1:" + port
	require.Eventually(t, func() bool {
		response, err := http.Get(site.URL + "/plain")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	site.Run(t)
}
