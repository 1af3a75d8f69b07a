package main

import (
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // sessions fail here on purpose
	os.Exit(m.Run())
}

// send hands the handler an event as API Gateway would write it.
func send(t *testing.T, name string, cookies ...string) events.APIGatewayV2HTTPResponse {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": "/",
		"cookies":               cookies,
		"queryStringParameters": map[string]string{"name": name},
	})
	require.NoError(t, err)
	var request events.APIGatewayV2HTTPRequest
	require.NoError(t, json.Unmarshal(text, &request))

	c, err := newCounter(hexKey) // a new one each time, as after a cold start
	require.NoError(t, err)
	response, err := c.handle(t.Context(), request)
	require.NoError(t, err)
	return response
}

// sentBack is the part of the response's only cookie that a browser sends back.
func sentBack(t *testing.T, response events.APIGatewayV2HTTPResponse) string {
	t.Helper()
	require.Len(t, response.Cookies, 1)
	pair, attributes, _ := strings.Cut(response.Cookies[0], "; ")
	assert.Contains(t, attributes, "HttpOnly; Secure; SameSite=Lax")
	return pair
}

func TestVisitsAreCountedFromEventToEvent(t *testing.T) {
	first := send(t, "")
	assert.Equal(t, http.StatusOK, first.StatusCode)
	assert.Equal(t, "Hello, stranger. Visits: 1\n", first.Body)

	second := send(t, "Ankit", "theme=dark", sentBack(t, first))
	assert.Equal(t, "Hello, Ankit. Visits: 2\n", second.Body)

	third := send(t, "", sentBack(t, second), "theme=dark")
	assert.Equal(t, "Hello, Ankit. Visits: 3\n", third.Body)
}

func TestCookieThatWasChangedCountsForNothing(t *testing.T) {
	cookie := sentBack(t, send(t, "Ankit"))
	changed := strings.Replace(cookie, "=", "=x", 1)
	response := send(t, "", changed)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "Hello, stranger. Visits: 1\n", response.Body)
}

func TestSessionThatIsTooLargeSetsNoCookie(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // so that it hardly compresses
	long := make([]byte, 5000)
	for i := range long {
		long[i] = byte('a' + random.IntN(26))
	}
	cookie := sentBack(t, send(t, "Ankit"))
	response := send(t, string(long), cookie)
	assert.Equal(t, http.StatusInternalServerError, response.StatusCode)
	assert.Equal(t, "The session could not be saved, and nothing was changed.\n", response.Body)
	assert.Empty(t, response.Cookies)

	assert.Equal(t, "Hello, Ankit. Visits: 2\n", send(t, "", cookie).Body, "the session before it still holds")
}

func TestKeysThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ key, says string }{
		"none":                {"", "must have at least 32"},
		"one that is short":   {hexKey[:62], "has 31 bytes"},
		"one that is not hex": {"?" + hexKey[1:], "SESSION_KEY: cookiestore: the key is neither hex nor base64"},
	} {
		_, err := newCounter(test.key)
		require.ErrorContains(t, err, test.says, name)
		assert.NotContains(t, err.Error(), hexKey[1:], name)
	}
}
