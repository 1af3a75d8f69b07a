package cookiestore_test

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A response that sets a session's cookie is one that shared caches don't keep.
func TestResponsesWithACookieArePrivate(t *testing.T) {
	for _, test := range []struct {
		name          string
		control, want []string
	}{
		{"nothing is said", nil, []string{"private"}},
		{"it is public", []string{"public"}, []string{"private"}},
		{"it is public for a while", []string{"public, max-age=3600"}, []string{"max-age=3600, private"}},
		{"shared caches have an age of their own", []string{"s-maxage=60, max-age=5"}, []string{"max-age=5, private"}},
		{"in more than one field", []string{"Public", "max-age=5,S-MaxAge = 60"}, []string{"max-age=5, private"}},
		{"it is private", []string{"private, max-age=5"}, []string{"private, max-age=5"}},
		{"private comes last", []string{"max-age=5, Private"}, []string{"max-age=5, Private"}},
		{"one field is private", []string{`private="x-a, public", max-age=5`}, []string{"max-age=5, private"}},
		{"one field is not to be kept", []string{`no-cache="set-cookie, x-a", public`}, []string{`no-cache="set-cookie, x-a", private`}},
		{"it is not to be stored", []string{"no-store"}, []string{"no-store"}},
		{"it is not to be stored, in capitals", []string{"No-Store, public"}, []string{"No-Store"}},
		{"it is to be asked for again", []string{"no-cache"}, []string{"no-cache, private"}},
		{"empty parts", []string{" , ,, public ,"}, []string{"private"}},
		{"a quote that does not end", []string{`x="public, y`}, []string{`x="public, y, private`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, change := range map[string]func(w http.ResponseWriter, s *cookiestore.Session){
				"a save":                  func(_ http.ResponseWriter, s *cookiestore.Session) { s.Set("a", 2) },
				"a deletion":              func(_ http.ResponseWriter, s *cookiestore.Session) { s.Flush() },
				"a cookie of the handler": func(w http.ResponseWriter, _ *cookiestore.Session) { w.Header().Set("Set-Cookie", "sessionid=x") },
			} {
				store := newStore(t)
				v := newVisitor(t, store)
				v.cookie = begin(t, store, time.Now(), `{"a":1}`)
				resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
					w.Header()["Cache-Control"] = test.control
					for _, name := range []string{"CDN-Cache-Control", "Surrogate-Control", "Cloudflare-CDN-Cache-Control",
						"Vercel-CDN-Cache-Control", "Netlify-CDN-Cache-Control", "Akamai-Cache-Control", "Edge-Control", "X-Accel-Expires"} {
						w.Header().Set(name, "max-age=60")
					}
					change(w, s)
				})
				require.Len(t, resp.Cookies(), 1)
				require.Equal(t, test.want, resp.Header["Cache-Control"], what)
				require.Empty(t, resp.Header["Cdn-Cache-Control"])
				require.Empty(t, resp.Header["Surrogate-Control"])
				for _, name := range []string{"Vercel-Cdn-Cache-Control", "Netlify-Cdn-Cache-Control", "Akamai-Cache-Control", "Edge-Control", "X-Accel-Expires"} {
					require.Empty(t, resp.Header[name], name)
				}
				require.Empty(t, resp.Header["Cloudflare-Cdn-Cache-Control"])
			}
		})
	}
	t.Run("a response without a cookie stays as it is", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("Surrogate-Control", "max-age=60")
			w.Header().Set("Set-Cookie", "theme=dark")
			s.Get("a")
		})
		require.Equal(t, "public, max-age=60", resp.Header.Get("Cache-Control"))
		require.Equal(t, "max-age=60", resp.Header.Get("Surrogate-Control"))
	})
	t.Run("the next response has a field of its own", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		for range 2 {
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Set("a", 1)
				w.WriteHeader(http.StatusOK)
				w.Header()["Cache-Control"] = append(w.Header()["Cache-Control"], "public")
			})
			require.Equal(t, []string{"private"}, resp.Header["Cache-Control"])
		}
	})
	t.Run("without a session, too, if the handler sets its cookie", func(t *testing.T) {
		v := newVisitor(t, newStore(t))
		v.serve(func(http.Handler) http.Handler {
			return cookiestore.Middleware(v.store)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "public")
				w.Header().Set("Set-Cookie", "sessionid=x")
				fmt.Fprint(w, "page")
			}))
		}, false)
		resp := v.get(nil)
		require.Equal(t, "private", resp.Header.Get("Cache-Control"))
		require.Empty(t, resp.Header["Vary"])
	})
}

// A page whose handler has no session says nothing of it.
func TestNoVaryWithoutASession(t *testing.T) {
	v := newVisitor(t, newStore(t))
	v.serve(func(http.Handler) http.Handler {
		return cookiestore.Middleware(v.store)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, ok := cookiestore.FromContextNamed(r.Context(), "another")
			assert.False(t, ok)
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("Set-Cookie", "theme=dark")
			fmt.Fprint(w, "page")
		}))
	}, false)
	v.cookie = "sessionid=bad"
	resp := v.get(nil)
	require.Empty(t, resp.Header["Vary"])
	require.Equal(t, "public, max-age=60", resp.Header.Get("Cache-Control"))
	require.Empty(t, v.log.String())
}

var page = template.Must(template.New("page").Parse(`<h1>Hello{{with .Get "name"}} {{.}}{{end}}</h1>{{range .Flashes}}<p>{{.}}</p>{{end}}`))

// A template that uses the session while it writes is the commonest page of Go.
func TestTemplatesThatUseTheSession(t *testing.T) {
	serve := func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { _ = page.Execute(w, s) }
	const data, html = `{"name":"Ann","_flash":["Saved."]}`, "<h1>Hello Ann</h1><p>Saved.</p>"
	t.Run("it depends on the cookie, and what comes too late is logged once", func(t *testing.T) {
		store := newStore(t)
		v := newVisitor(t, store)
		v.cookie = begin(t, store, time.Now(), data)
		resp := v.get(serve)
		require.Equal(t, html, v.body)
		require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
		require.Empty(t, resp.Cookies())
		v.server.Close() // waits for the handler's end
		log := v.log.String()
		require.Contains(t, log, `level=WARN msg="session first used after the response began" cookie=sessionid reason=failed error="cookiestore: it is not renewed, and an error could not be shown: render the page into a buffer first, or see WithBuffer" method=GET path=/`)
		require.Contains(t, log, `level=ERROR msg="session changed after the response began"`)
		require.Contains(t, log, `a change of session key \"_flash\" is not saved" method=GET path=/ changes=1`)
		require.Equal(t, 2, strings.Count(log, "\n"))
	})
	t.Run("a store that is down is at least in the log", func(t *testing.T) {
		v := newVisitor(t, &failingStore{load: errDown})
		v.cookie = "sessionid=x"
		resp := v.get(serve)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		v.server.Close()
		require.Contains(t, v.log.String(), `level=ERROR msg="session first used after the response began"`)
		require.Contains(t, v.log.String(), "the database is down")
	})
	t.Run("with WithBuffer all is well", func(t *testing.T) {
		store := newStore(t)
		clock := newClock()
		v := newVisitor(t, store, cookiestore.WithBuffer(1<<10), cookiestore.WithRenewal(0.5), clock.option())
		v.cookie = begin(t, store, clock.time().Add(-8*24*time.Hour), data)
		resp := v.get(serve)
		require.Equal(t, html, v.body)
		require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
		require.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
		require.Len(t, resp.Cookies(), 1)
		v.get(serve)
		require.Equal(t, "<h1>Hello Ann</h1>", v.body, "a flash message is shown once")
		require.Empty(t, v.log.String())
	})
	t.Run("and a store that is down is an error", func(t *testing.T) {
		v := newVisitor(t, &failingStore{load: errDown}, cookiestore.WithBuffer(1<<10))
		v.cookie = "sessionid=x"
		resp := v.get(serve)
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.Equal(t, tryAgain, v.body)
	})
}
