package gin

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"example.com/cookiestore"
	"github.com/gin-gonic/gin"
)

// Sessions is [cookiestore.Middleware] for Gin. Gin's handlers write to a Writer of
// Gin's, which decides on its own when the header goes out: it has to go through the
// middleware's, or changes are lost. Put gin.Recovery before it.
func Sessions(sessions *cookiestore.Manager) gin.HandlerFunc {
	return func(c *gin.Context) {
		ginWriter := c.Writer
		sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			saving := &writer{ResponseWriter: ginWriter, saving: w}
			c.Request, c.Writer = r, saving
			defer func() { c.Writer = ginWriter }()
			c.Next()
			saving.WriteHeaderNow()
		})).ServeHTTP(ginWriter, c.Request)
	}
}

// writer is Gin's, but writes through the middleware's.
type writer struct {
	gin.ResponseWriter
	saving http.ResponseWriter
	begun  bool
}

func (w *writer) Unwrap() http.ResponseWriter { return w.saving }
func (w *writer) Header() http.Header         { return w.saving.Header() }
func (w *writer) Written() bool               { return w.begun || w.ResponseWriter.Written() }

func (w *writer) WriteHeaderNow() {
	if !w.Written() {
		w.begun = true
		w.saving.WriteHeader(w.Status())
		if w.Status() == http.StatusSwitchingProtocols { // Hijack comes next
			w.ResponseWriter.WriteHeaderNow()
		}
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeaderNow()
	return w.saving.Write(p)
}

func (w *writer) WriteString(s string) (int, error) {
	w.WriteHeaderNow()
	return io.WriteString(w.saving, s)
}

func (w *writer) ReadFrom(src io.Reader) (int64, error) {
	w.WriteHeaderNow()
	return io.Copy(w.saving, src)
}

func (w *writer) Flush() {
	w.WriteHeaderNow()
	_ = http.NewResponseController(w.saving).Flush()
}

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.saving).Hijack()
}
