// Package fiber is a program with github.com/gofiber/fiber/v2. It needs an adapter,
// which is in adapter.go: copy it.
package fiber

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
)

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(recover.New(), Sessions(sessions))
	app.Get("/plain", func(c *fiber.Ctx) error { return c.SendString("plain") })
	app.Get("/peek", func(c *fiber.Ctx) error {
		return c.SendString(fmt.Sprint(cookiestore.Get(session(c), "visits", 0)))
	})
	app.Get("/visits", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(plain.Count(session(c)))) })
	app.Get("/json", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"visits": plain.Count(session(c))}) })
	app.Get("/empty", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return c.SendStatus(http.StatusNoContent)
	})
	app.Get("/redirect", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return c.Redirect("/visits", http.StatusSeeOther)
	})
	app.Get("/denied", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return fiber.ErrForbidden
	})
	app.Get("/broken", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return errors.New("broken")
	})
	app.Get("/panic", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		panic("broken")
	})
	app.Get("/unsaveable", func(c *fiber.Ctx) error {
		session(c).Set("callback", func() {})
		return c.SendString("saved")
	})
	app.Get("/sign-out-broken", func(c *fiber.Ctx) error {
		session(c).Flush()
		return errors.New("signed out, and then something broke")
	})
	app.Post("/flash", func(c *fiber.Ctx) error {
		session(c).AddFlash("Saved.")
		return c.Redirect("/flash", http.StatusSeeOther)
	})
	app.Get("/flash", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(session(c).Flashes()...)) })
	app.Get("/file", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return c.SendFile("testdata/text.txt")
	})
	app.Get("/stream", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		return send(c, news, "%s\n")
	})
	app.Get("/events", func(c *fiber.Ctx) error {
		plain.Count(session(c))
		c.Set("Content-Type", "text/event-stream")
		return send(c, news, "data: %s\n\n")
	})
	var upgrader websocket.FastHTTPUpgrader
	app.Get("/fasthttp-websocket", func(c *fiber.Ctx) error {
		n := plain.Count(session(c)) // the session is saved before the function below runs
		return upgrader.Upgrade(c.Context(), func(conn *websocket.Conn) {
			defer conn.Close()
			conn.WriteMessage(websocket.TextMessage, fmt.Append(nil, n))
		})
	})
	return app
}

// send streams two pieces of news. Fiber calls the function when the handlers have
// returned and the session is saved.
func send(c *fiber.Ctx, news <-chan string, format string) error {
	c.Response().ImmediateHeaderFlush = true // or the header waits for the first piece
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		for range 2 {
			fmt.Fprintf(w, format, <-news)
			w.Flush()
		}
	})
	return nil
}

// session returns the visitor's.
func session(c *fiber.Ctx) *cookiestore.Session { return cookiestore.FromContext(c.UserContext()) }
