package chi

import (
	"testing"

	"example.com/cookiestore/frameworks/internal/drive"
)

func TestSessionsWithChi(t *testing.T) {
	site := drive.New(t)
	site.Serve(t, New(site.Sessions, site.News))
	site.Run(t)
}
