// Package gin is a program with github.com/gin-gonic/gin. It needs an adapter, which
// is in adapter.go: copy it.
package gin

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/plain"
	"github.com/gin-gonic/gin"
)

// New returns the program.
func New(sessions *cookiestore.Manager, news <-chan string) *gin.Engine {
	engine := gin.New()
	engine.Use(gin.RecoveryWithWriter(io.Discard), Sessions(sessions))
	engine.GET("/plain", func(c *gin.Context) { c.String(200, "plain") })
	engine.GET("/peek", func(c *gin.Context) { c.String(200, "%d", cookiestore.Get(session(c), "visits", 0)) })
	engine.GET("/visits", func(c *gin.Context) { c.String(200, "%d", plain.Visit(c.Request)) })
	engine.GET("/json", func(c *gin.Context) { c.JSON(200, gin.H{"visits": plain.Visit(c.Request)}) })
	engine.GET("/empty", func(c *gin.Context) {
		plain.Visit(c.Request)
		c.Status(http.StatusNoContent)
	})
	engine.GET("/redirect", func(c *gin.Context) {
		plain.Visit(c.Request)
		c.Redirect(http.StatusSeeOther, "/visits")
	})
	engine.GET("/denied", func(c *gin.Context) {
		plain.Visit(c.Request)
		c.AbortWithStatus(http.StatusForbidden)
	})
	engine.GET("/broken", func(c *gin.Context) {
		plain.Visit(c.Request)
		c.AbortWithError(http.StatusInternalServerError, errors.New("broken"))
	})
	engine.GET("/panic", func(c *gin.Context) {
		plain.Visit(c.Request)
		panic("broken")
	})
	engine.GET("/unsaveable", func(c *gin.Context) {
		session(c).Set("callback", func() {})
		c.String(200, "saved")
	})
	engine.GET("/sign-out-broken", func(c *gin.Context) {
		session(c).Flush()
		c.AbortWithStatus(http.StatusInternalServerError)
	})
	engine.POST("/flash", func(c *gin.Context) {
		session(c).AddFlash("Saved.")
		c.Redirect(http.StatusSeeOther, "/flash")
	})
	engine.GET("/flash", func(c *gin.Context) {
		for _, message := range session(c).Flashes() {
			c.String(200, "%v", message)
		}
	})
	engine.GET("/file", func(c *gin.Context) {
		plain.Visit(c.Request)
		http.ServeContent(c.Writer, c.Request, "text.txt", time.Time{}, strings.NewReader(plain.Text))
	})
	engine.GET("/stream", func(c *gin.Context) {
		plain.Visit(c.Request)
		c.Writer.Flush()
		left := 2
		c.Stream(func(w io.Writer) bool {
			io.WriteString(w, <-news+"\n")
			left--
			return left > 0
		})
	})
	engine.GET("/events", func(c *gin.Context) {
		plain.Visit(c.Request)
		for range 2 {
			c.SSEvent("", <-news)
			c.Writer.Flush()
		}
	})
	handlers := plain.Handlers(sessions, news)
	for _, path := range []string{"/coder-websocket", "/gorilla-websocket"} {
		engine.GET(path, gin.WrapF(handlers["GET "+path]))
	}
	return engine
}

// session returns the visitor's: c itself is not the context to ask.
func session(c *gin.Context) *cookiestore.Session {
	return cookiestore.FromContext(c.Request.Context())
}
