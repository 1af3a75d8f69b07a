package serverless

import (
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
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
	port := freePort(t)
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

func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(11_000 + rand.N(20_000)) // below those that the system gives to clients
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
}
