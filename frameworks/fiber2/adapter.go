package fiber

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"example.com/cookiestore"
	"github.com/gofiber/fiber/v2"
)

// Sessions is [cookiestore.Middleware] for Fiber, which has no http.ResponseWriter: the
// middleware is given one that only notes the header. Fiber holds a response back until
// the handlers have returned, so that the session is saved in time. Put recover.New()
// before it. Handlers ask cookiestore.FromContext(c.UserContext()).
func Sessions(sessions *cookiestore.Manager) fiber.Handler {
	return func(c *fiber.Ctx) error {
		noted := &note{header: headerOf(c), before: headerOf(c)}
		defer func() { noted.copyTo(c) }() // after a panic, too
		sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.SetUserContext(r.Context())
			if err := c.Next(); err != nil {
				if err = c.App().ErrorHandler(c, err); err != nil { // the status must be known here
					c.Status(http.StatusInternalServerError)
				}
			}
			clear(w.Header())
			maps.Copy(w.Header(), headerOf(c))
			noted.before = headerOf(c)
			w.WriteHeader(c.Response().StatusCode())
		})).ServeHTTP(noted, requestOf(c))
		return nil
	}
}

// requestOf is of the request what the middleware looks at. Fiber's strings don't
// outlive the request; these are copies.
func requestOf(c *fiber.Ctx) *http.Request {
	r := &http.Request{Method: string(c.Request().Header.Method()), URL: &url.URL{Path: string(c.Request().URI().Path())}, Header: http.Header{}}
	for name, value := range c.Request().Header.All() {
		r.Header.Add(string(name), string(value))
	}
	return r.WithContext(c.UserContext())
}

func headerOf(c *fiber.Ctx) http.Header {
	header := http.Header{}
	for name, value := range c.Response().Header.All() {
		header.Add(string(name), string(value))
	}
	return header
}

// A note is the response of the middleware alone: the header, and a page if the
// session could not be saved.
type note struct {
	before http.Header // as Fiber's response has it
	header http.Header
	status int
	page   []byte
}

func (n *note) Header() http.Header { return n.header }

func (n *note) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}
}

func (n *note) Write(p []byte) (int, error) {
	n.page = append(n.page, p...)
	return len(p), nil
}

// copyTo puts what the middleware has changed into Fiber's response.
func (n *note) copyTo(c *fiber.Ctx) {
	response := c.Response()
	if n.page != nil {
		response.Reset()
		response.SetStatusCode(n.status)
		response.SetBodyRaw(n.page)
		n.before = nil
	}
	for name, values := range n.header {
		if slices.Equal(values, n.before[name]) {
			continue
		}
		response.Header.Del(name) // of Set-Cookie, all fields
		for _, value := range values {
			response.Header.Add(name, value)
		}
	}
	for name := range n.before {
		if n.header[name] == nil {
			response.Header.Del(name)
		}
	}
}
