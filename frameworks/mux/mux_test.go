package mux

import (
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
)

func TestSessionsWithGorillaMux(t *testing.T) {
	site := drive.New(t)
	site.ClosesOnPanic = true // net/http's server recovers
	site.Serve(t, New(site.Sessions, site.News))
	site.Run(t)
}
