package echo

import (
	"io"
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
)

func TestSessionsWithEcho4(t *testing.T) {
	site := drive.New(t)
	app := New(site.Sessions, site.News)
	app.Logger.SetOutput(io.Discard)
	site.Serve(t, app)
	site.Run(t)
}
