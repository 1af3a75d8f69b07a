package fiber

import (
	"net"
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/gofiber/fiber/v3"
	"github.com/stretchr/testify/require"
)

func TestSessionsWithFiber3(t *testing.T) {
	site := drive.New(t)
	serve(t, site, New(site.Sessions, site.News))
	site.Run(t)
}

func serve(t *testing.T, site *drive.Site, app *fiber.App) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	t.Cleanup(func() { app.ShutdownWithTimeout(0) })
	site.URL = "http://" + listener.Addr().String()
	site.Websockets = []string{"/fasthttp-websocket"}
}
