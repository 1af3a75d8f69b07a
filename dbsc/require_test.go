package dbsc_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/dbsc"
)

func TestOtherMiddlewaresAreAround(t *testing.T) {
	s := newSite(t, newStore(t), true)
	inner, err := cookiestore.NewManager(newStore(t), cookiestore.WithName("other"), cookiestore.WithClock(s.clock.Now))
	require.NoError(t, err)
	s.handler = s.sessions.Handler(inner.Handler(s.binder.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			session, _ := cookiestore.FromContextNamed(r.Context(), "sessionid")
			session.Set("user", "ann")
			s.binder.Offer(w, r)
		default:
			session, _ := cookiestore.FromContextNamed(r.Context(), "sessionid")
			fmt.Fprint(w, cookiestore.Get(session, "user", "nobody"))
		}
	}))))
	b := newBrowser(s)
	b.get("/login")
	require.NotContains(t, b.cookies, "other")
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	require.Equal(t, "200 ann", b.get("/account"))
	b.end()
	require.Equal(t, http.StatusUnauthorized, b.status("/account"))

	require.PanicsWithValue(t, `dbsc: no session of the cookie "sessionid" in this request: put Require inside of the manager's Handler`, func() {
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "a", Value: "b"})
		inner.Handler(s.binder.Require(http.NotFoundHandler())).ServeHTTP(httptest.NewRecorder(), r)
	})
}

// What browsers believe to be good they don't refresh.
func TestABoundCookieThatIsWrongIsDeleted(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	b.login()
	good := b.cookies["__Host-dbsc"]
	s.clock.Advance(2 * time.Minute)
	b.cookies["__Host-dbsc"] = "wrong"
	w := b.send("GET", "/account", nil)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Equal(t, "__Host-dbsc=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax", w.Header().Get("Set-Cookie"))
	w = b.send("GET", "/account", nil)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Empty(t, w.Header().Get("Set-Cookie"), "there is none")
	b.cookies["__Host-dbsc"] = good
	require.Equal(t, "200 ann", b.get("/account"))
}

// What answers browsers on their own, and what refuses, renews no session.
func TestTheSessionIsNotRenewedBeside(t *testing.T) {
	s := newSite(t, newStore(t), true, dbsc.WithUnbound(func(http.ResponseWriter, *http.Request, *cookiestore.Session, http.Handler) {}))
	sessions, err := cookiestore.NewManager(newStore(t), cookiestore.WithSaveEveryRequest(), cookiestore.WithClock(s.clock.Now))
	require.NoError(t, err)
	s.handler = sessions.Handler(s.binder.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			cookiestore.FromContext(r.Context()).Set("user", "ann")
			s.binder.Offer(w, r)
		}
	})))
	b := newBrowser(s)
	b.get("/login")
	set := func(w *httptest.ResponseRecorder) (names []string) {
		require.Equal(t, http.StatusOK, w.Code)
		for _, c := range w.Result().Cookies() {
			names = append(names, c.Name)
		}
		return names
	}
	require.Equal(t, []string{"__Host-dbsc"}, set(b.register(b.proof(true))))
	require.Equal(t, []string{"sessionid"}, set(b.send("GET", "/account", nil)))
	b.refresh("")
	require.Equal(t, []string{"__Host-dbsc"}, set(b.refresh(b.proof(false))))
	s.clock.Advance(time.Minute)
	b.send("GET", "/account", map[string]string{"Sec-Fetch-Mode": "navigate"})
	s.clock.Advance(time.Hour)
	require.Equal(t, []string{"__Host-dbsc"}, set(b.send("GET", "/account", nil)))
}

func TestUnboundRequests(t *testing.T) {
	const bounce = `<!DOCTYPE html><meta http-equiv="refresh" content="0"><title>One moment</title>`
	click := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	for _, tt := range []struct {
		name    string
		options []dbsc.Option
		method  string
		path    string
		header  map[string]string
		code    int
		says    string
	}{
		{"a page", nil, "GET", "/account", nil, 401, `<!DOCTYPE html><title>Not signed in</title><p>This session belongs to another browser, or could not be refreshed. ` +
			`Load the page again, or sign in again.</p>`},
		{"a form", nil, "POST", "/account", click, 401, "sign in again"},
		{"a click on another site", nil, "GET", "/account", click, 200, bounce},
		{"a click on another host of the site", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 200, `<meta http-equiv="refresh" content="0">`},
		{"a picture in another site's page", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 401, "sign in again"},
		{"a click on the own site", nil, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}, 401, "sign in again"},
		{"an excluded path", nil, "POST", "/logout", nil, 200, ""},
		{"a path below an excluded one", nil, "POST", "/logout/x", nil, 404, ""},
		{"a path below an excluded folder", nil, "GET", "/static/x", nil, 404, ""},
		{"an excluded folder itself", nil, "GET", "/static", nil, 401, ""},
		{"a path that another server may take for another one", nil, "GET", "/login/../account", nil, 401, ""},
		{"the same, escaped", nil, "GET", "/login/%2e%2e/account", nil, 401, ""},
		{"with a slash that is escaped", nil, "GET", "/login%2f..%2faccount", nil, 401, ""},
		{"with a backslash", nil, "GET", "/login/..%5caccount", nil, 401, ""},
		{"with two slashes", nil, "GET", "//login", nil, 401, ""},
		{"a path that begins like an excluded one", nil, "POST", "/logouts", nil, 401, ""},
		{"report only", []dbsc.Option{dbsc.WithReportOnly()}, "GET", "/account", nil, 200, "ann"},
		{"start over", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", nil, 200, "nobody"},
		{"start over, for a picture in another site's page", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 401, "sign in again"},
		{"with path parameters, as Java has them", nil, "GET", "/static/..;/account", nil, 401, ""},
		{"escaped twice", nil, "GET", "/static/%252e%252e/account", nil, 401, ""},
		{"start over, at a click", []dbsc.Option{dbsc.WithUnbound(dbsc.StartOver)}, "GET", "/account", click, 200, "http-equiv"},
		{"a handler of one's own", []dbsc.Option{dbsc.WithUnbound(func(w http.ResponseWriter, r *http.Request, _ *cookiestore.Session, _ http.Handler) {
			http.Error(w, "go away", http.StatusTeapot)
		})}, "GET", "/account", nil, 418, "go away"},
		{"another lifetime has ended", []dbsc.Option{dbsc.WithLifetime(10*time.Minute - 1)}, "GET", "/account", nil, 401, ""},
		{"another lifetime", []dbsc.Option{dbsc.WithLifetime(10*time.Minute + 1500*time.Millisecond)}, "GET", "/account", nil, 200, "ann"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, newStore(t), true, tt.options...)
			b := newBrowser(s)
			b.login()
			s.clock.Advance(10 * time.Minute)
			w := b.send(tt.method, tt.path, tt.header)
			require.Equal(t, tt.code, w.Code)
			require.Contains(t, w.Body.String(), tt.says)
			if tt.name == "a page" {
				require.Equal(t, tt.says, w.Body.String())
			}
			if isClick := strings.Contains(w.Body.String(), "http-equiv"); isClick {
				require.Equal(t, bounce, w.Body.String())
			}
			if tt.code == 401 || strings.Contains(tt.says, "http-equiv") {
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
				require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			}
			if tt.name == "report only" {
				require.Equal(t, []string{"unbound"}, s.refused)
			}
		})
	}
	t.Run("starting over ends the session", func(t *testing.T) {
		s := newSite(t, newStore(t), true, dbsc.WithUnbound(dbsc.StartOver))
		b := newBrowser(s)
		b.login()
		copied := b.copied()
		b.end()
		require.Equal(t, "200 nobody", b.get("/account"))
		require.Equal(t, "200 nobody", copied.get("/account"))
	})
}

func TestWhatAHandlerHasPutInTheSessionIsNotTrusted(t *testing.T) {
	for _, value := range []string{"", "x", ".1", "x.y", "x.1.y.z"} {
		s := newSite(t, newStore(t), true)
		b := newBrowser(s)
		b.send("GET", "/login", nil)
		b.get("/set?key=_dbsc&value=" + value)
		require.Equal(t, http.StatusUnauthorized, b.status("/account"), "%q", value)
		require.Equal(t, "Bad Request\n", b.refresh("").Body.String())
		for _, what := range []string{"refresh refused", "unbound request of a bound session"} {
			require.Contains(t, s.log.String(), fmt.Sprintf("msg=%q cookie=sessionid reason=refused error=\"dbsc: what the session says of its binding is not from this package\"", what))
		}
		require.Equal(t, `200 {"Offered":"0001-01-01T00:00:00Z","Bound":false,"Until":"0001-01-01T00:00:00Z"}`, b.copied().withoutBinder("/status"))
	}
}

// withoutBinder gets a page past Require.
func (b *browser) withoutBinder(path string) string {
	r := httptest.NewRequest("GET", path, nil)
	r.AddCookie(&http.Cookie{Name: "sessionid", Value: b.cookies["sessionid"]})
	w := httptest.NewRecorder()
	b.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(b.binder.Status(r))
	})).ServeHTTP(w, r)
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

func TestStatus(t *testing.T) {
	s := newSite(t, newStore(t), true)
	b := newBrowser(s)
	read := func() (status dbsc.Status) {
		require.NoError(t, json.Unmarshal(b.send("GET", "/status", nil).Body.Bytes(), &status))
		return status
	}
	require.Zero(t, read())
	start := s.clock.Now().Truncate(time.Second).UTC()
	b.send("GET", "/login", nil)
	require.Equal(t, start, read().Offered.UTC())
	require.False(t, read().Bound)
	s.clock.Advance(5 * time.Second)
	require.Equal(t, http.StatusOK, b.register(b.proof(true)).Code)
	require.True(t, read().Bound)
	require.Equal(t, start.Add(10*time.Minute+5*time.Second), read().Until.UTC())
	require.Equal(t, start, read().Offered.UTC())
	s.clock.Advance(55 * time.Second)
	b.get("/account")
	delete(b.cookies, "__Host-dbsc")
	s.clock.Advance(-time.Second) // or Require refuses it
	require.True(t, read().Bound)
	require.Zero(t, read().Until)
}

// The log has a line for each session and cause.
func TestTheLogIsBounded(t *testing.T) {
	s := newSite(t, newStore(t), true)
	first, second := newBrowser(s), newBrowser(s)
	first.login()
	second.login()
	s.clock.Advance(time.Hour)
	for range 3 {
		first.get("/account")
		second.get("/account")
	}
	require.Equal(t, 2, strings.Count(s.log.String(), "reason=unbound"))
	require.Len(t, s.refused, 6)
	for _, identifier := range []string{"a:b:c", "a:b:d", "a:b:c"} {
		first.identifier = identifier
		first.refresh("")
	}
	require.Equal(t, 2, strings.Count(s.log.String(), `msg="refresh refused"`))
	newBrowser(s).register("")
	require.Contains(t, s.log.String(), `msg="registration refused"`)
}
