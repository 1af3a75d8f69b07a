package echo

import (
	"log/slog"
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
)

func TestSessionsWithEcho5(t *testing.T) {
	site := drive.New(t)
	app := New(site.Sessions, site.News)
	app.Logger = slog.New(slog.DiscardHandler)
	site.Serve(t, app)
	site.Run(t)
}
