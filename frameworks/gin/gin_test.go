package gin

import (
	"net/http"
	"os"
	"testing"

	"example.com/cookiestore"
	"example.com/cookiestore/frameworks/internal/drive"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

func TestSessionsWithGin(t *testing.T) {
	site := drive.New(t)
	site.Serve(t, New(site.Sessions, site.News))
	site.Run(t)
}

func TestSessionsWithGinAndABuffer(t *testing.T) {
	site := drive.New(t, cookiestore.WithBuffer(1<<16))
	engine := New(site.Sessions, site.News)
	engine.GET("/late", func(c *gin.Context) {
		c.String(http.StatusOK, "the page, then the ")
		session(c).Set("visits", 7)
		c.String(http.StatusOK, "change")
	})
	site.Websockets = []string{"/gorilla-websocket"} // the buffer would hold coder/websocket's header back
	site.Serve(t, engine)
	site.Run(t)
	site.Change(t, "/late", 200, "the page, then the change", 8)
}

func TestWriterSaysWhatHasBeenWritten(t *testing.T) {
	site := drive.New(t)
	engine := New(site.Sessions, site.News)
	engine.GET("/written", func(c *gin.Context) {
		session(c).Set("visits", 7)
		before := c.Writer.Written()
		c.Writer.WriteHeaderNow()
		after := c.Writer.Written()
		c.Writer.WriteString("text")
		assert.Equal(t, []any{false, true, 4}, []any{before, after, c.Writer.Size()})
	})
	site.Serve(t, engine)
	site.Change(t, "/written", 200, "text", 8)
}
