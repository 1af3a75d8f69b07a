// Package echo is a program with github.com/labstack/echo/v4. It needs an adapter of a
// few lines, which is Sessions: copy it.
package echo

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// Sessions is [cookiestore.Middleware] for Echo. Alone, echo.WrapMiddleware would save
// the session when a handler returns an error, before the error page says which status
// it is. So the error handler answers here, inside.
func Sessions(sessions *cookiestore.Manager) echo.MiddlewareFunc {
	wrap := echo.WrapMiddleware(sessions.Handler)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return wrap(func(c echo.Context) error {
			err := next(c)
			if err != nil {
				c.Error(err)
			}
			return err // to loggers and the like outside
		})
	}
}

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) *echo.Echo {
	app := echo.New()
	app.Use(middleware.Recover(), Sessions(sessions))
	app.GET("/plain", func(c echo.Context) error { return c.String(200, "plain") })
	app.GET("/peek", func(c echo.Context) error {
		return c.String(200, fmt.Sprint(cookiestore.Get(session(c), "visits", 0)))
	})
	app.GET("/visits", func(c echo.Context) error { return c.String(200, fmt.Sprint(plain.Visit(c.Request()))) })
	app.GET("/json", func(c echo.Context) error {
		return c.JSON(200, map[string]int{"visits": plain.Visit(c.Request())})
	})
	app.GET("/empty", func(c echo.Context) error {
		plain.Visit(c.Request())
		return c.NoContent(http.StatusNoContent)
	})
	app.GET("/redirect", func(c echo.Context) error {
		plain.Visit(c.Request())
		return c.Redirect(http.StatusSeeOther, "/visits")
	})
	app.GET("/denied", func(c echo.Context) error {
		plain.Visit(c.Request())
		return echo.NewHTTPError(http.StatusForbidden, "denied")
	})
	app.GET("/broken", func(c echo.Context) error {
		plain.Visit(c.Request())
		return errors.New("broken")
	})
	app.GET("/panic", func(c echo.Context) error {
		plain.Visit(c.Request())
		panic("broken")
	})
	app.GET("/unsaveable", func(c echo.Context) error {
		session(c).Set("callback", func() {})
		return c.String(200, "saved")
	})
	app.GET("/sign-out-broken", func(c echo.Context) error {
		session(c).Flush()
		return errors.New("signed out, and then something broke")
	})
	app.POST("/flash", func(c echo.Context) error {
		session(c).AddFlash("Saved.")
		return c.Redirect(http.StatusSeeOther, "/flash")
	})
	app.GET("/flash", func(c echo.Context) error { return c.String(200, fmt.Sprint(session(c).Flashes()...)) })
	app.GET("/file", func(c echo.Context) error {
		plain.Visit(c.Request())
		http.ServeContent(c.Response(), c.Request(), "text.txt", time.Time{}, strings.NewReader(plain.Text))
		return nil
	})
	app.GET("/stream", func(c echo.Context) error {
		plain.Visit(c.Request())
		response := http.NewResponseController(c.Response())
		response.Flush()
		for range 2 {
			fmt.Fprintln(c.Response(), <-news)
			response.Flush()
		}
		return nil
	})
	app.GET("/events", func(c echo.Context) error {
		plain.Visit(c.Request())
		c.Response().Header().Set("Content-Type", "text/event-stream")
		response := http.NewResponseController(c.Response())
		for range 2 {
			fmt.Fprintf(c.Response(), "data: %s\n\n", <-news)
			response.Flush()
		}
		return nil
	})
	handlers := plain.Handlers(sessions, news)
	for _, path := range []string{"/coder-websocket", "/gorilla-websocket"} {
		app.GET(path, echo.WrapHandler(handlers["GET "+path]))
	}
	return app
}

// session returns the visitor's.
func session(c echo.Context) *cookiestore.Session {
	return cookiestore.FromContext(c.Request().Context())
}
