package handler

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVercelFunctionCountsVisits(t *testing.T) {
	t.Setenv("SESSION_KEY", strings.Repeat("07", 32))
	server := httptest.NewTLSServer(http.HandlerFunc(Handler))
	defer server.Close()
	client := server.Client()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client.Jar = jar
	for _, text := range []string{"You have visited this page 1 times.\n", "You have visited this page 2 times.\n"} {
		response, err := client.Get(server.URL)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err)
		assert.Equal(t, text, string(body))
	}
}
