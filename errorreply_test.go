package cookiestore_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// The visitor gets the error page, with the header as it was when the request came.
func TestHeaderOfTheErrorReply(t *testing.T) {
	handlers := http.Header{
		"X-Accel-Redirect": {"/secret"}, "X-Sendfile": {"/secret"}, "Hx-Redirect": {"/done"}, "Hx-Trigger": {"saved"}, "Location": {"/done"},
		"Set-Cookie": {"theme=dark"}, "Content-Encoding": {"br"}, "Content-Length": {"9999"}, "Link": {"</done>"}, "Clear-Site-Data": {`"*"`},
	}
	for name, answer := range map[string]func(w http.ResponseWriter){
		"it sets its fields one by one": func(w http.ResponseWriter) {
			for name, values := range handlers {
				w.Header()[name] = values
			}
		},
		"it changes those that are there": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "br")
			w.Header().Add("X-Outer", "inner")
			w.Header()["Vary"][0] = "inner"
		},
		"it removes them": func(w http.ResponseWriter) { clear(w.Header()) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t, &failingStore{save: errDown})
			v.serve(func(next http.Handler) http.Handler {
				mine := cookiestore.Middleware(v.store, cookiestore.WithLogger(logTo(v.log)))(next)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Encoding", "identity") // a compressor
					w.Header().Set("Vary", "Accept-Encoding")
					w.Header()["X-Outer"] = []string{"1", "2"}
					http.SetCookie(w, &http.Cookie{Name: "outer", Value: "1"})
					mine.ServeHTTP(w, r)
				})
			}, false)
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				answer(w)
				s.Set("a", 1)
				fmt.Fprint(w, "page")
			})
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			require.Equal(t, tryAgain, v.body)
			resp.Header.Del("Date")
			resp.Header.Del("Content-Length")
			require.Equal(t, http.Header{
				"Content-Encoding": {"identity"}, "Vary": {"Accept-Encoding", "Cookie"}, "X-Outer": {"1", "2"}, "Set-Cookie": {"outer=1"},
				"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Content-Type": {"text/plain; charset=utf-8"},
			}, resp.Header)
		})
	}
}

// Which of two sessions can't be saved: its error is the answer, and the other's cookie
// doesn't go out.
func TestErrorReplyOfOneOfTwoSessions(t *testing.T) {
	for _, test := range []struct {
		name         string
		outer, inner cookiestore.Store
	}{
		{"the outer can't be saved", &failingStore{save: errDown}, newStore(t)},
		{"the inner can't be saved", newStore(t), &failingStore{save: errDown}},
		{"neither can be saved", &failingStore{save: errDown}, &failingStore{save: errDown}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := newVisitor(t, test.inner)
			logger := cookiestore.WithLogger(logTo(v.log))
			outer, inner := cookiestore.Middleware(test.outer, logger, cookiestore.WithName("outer")), cookiestore.Middleware(test.inner, logger)
			v.serve(func(next http.Handler) http.Handler { return outer(inner(next)) }, false)
			resp := v.get(func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
				other, _ := cookiestore.FromContextNamed(r.Context(), "outer")
				other.Set("a", 1)
				s.Set("b", 2)
				w.WriteHeader(http.StatusCreated)
			})
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			require.Equal(t, tryAgain, v.body)
			require.Empty(t, resp.Header["Set-Cookie"])
			require.Contains(t, v.log.String(), "the database is down")
		})
	}
}

func TestTextOfTheErrorReply(t *testing.T) {
	const interrupted = "Your session ended while this page was being made. Please try again."
	tooLarge := func(s *cookiestore.Session) { s.Update(jsonObject(t, dictionary(4000, true))) }
	set := func(s *cookiestore.Session) { s.Set("b", 2) }
	for _, test := range []struct {
		name   string
		accept []string
		store  cookiestore.Store
		change func(*cookiestore.Session)
		status int
		text   string
		json   bool
	}{
		{"no word of what it takes", nil, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"only JSON", []string{"application/json"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), true},
		{"only JSON, in other words", []string{"Application/Problem+JSON; q=0.9, application/json;charset=utf-8"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), true},
		{"only JSON, in two fields", []string{"application/hal+json", "application/json, "}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), true},
		{"JSON first", []string{"application/json, */*;q=0.1"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"anything", []string{"*/*"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"nothing that makes sense", []string{"application/json; q"}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"nothing", []string{""}, &failingStore{save: errDown}, set, 500, strings.TrimSpace(tryAgain), false},
		{"too large, for JSON", []string{"application/json"}, newStore(t), tooLarge, 500, strings.TrimSpace(notSaved), true},
		{"too large", nil, newStore(t), tooLarge, 500, strings.TrimSpace(notSaved), false},
		{"a record that is too large", nil, &failingStore{save: fmt.Errorf("row: %w", cookiestore.ErrTooLarge)}, set, 500, strings.TrimSpace(notSaved), false},
		{"a value that JSON can't hold", nil, newStore(t), func(s *cookiestore.Session) { s.Set("f", func() {}) }, 500, strings.TrimSpace(notSaved), false},
		{"a store's value that a cookie can't hold", nil, badValues{newRows()}, set, 500, strings.TrimSpace(tryAgain), false},
		{"deleted meanwhile", nil, &busyRecord{loads: []string{`{"a":1}`, ``}, conflicts: 1}, set, 400, interrupted, false},
		{"deleted meanwhile, for JSON", []string{"application/json"}, &busyRecord{loads: []string{`{"a":1}`, ``}, conflicts: 1}, set, 400, interrupted, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			served := cookiestore.Middleware(test.store, quiet)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				test.change(cookiestore.FromContext(r.Context()))
			}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", "sessionid=x")
			r.Header["Accept"] = test.accept
			w := httptest.NewRecorder()
			served.ServeHTTP(w, r)
			require.Equal(t, test.status, w.Code)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			if test.json {
				require.Equal(t, "application/json", w.Header().Get("Content-Type"))
				require.JSONEq(t, fmt.Sprintf(`{"error":%q}`, test.text), w.Body.String())
				return
			}
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			require.Equal(t, test.text+"\n", w.Body.String())
		})
	}
}

// A logger or an error handler that panics leaves no success behind.
func TestPanicsWhileTheErrorIsReported(t *testing.T) {
	explode := slog.New(panicHandler{slog.DiscardHandler})
	for name, options := range map[string][]cookiestore.Option{
		"the logger":        {cookiestore.WithLogger(explode)},
		"the error handler": {cookiestore.WithErrorHandler(func(http.ResponseWriter, *http.Request, error) { panic("a bug") })},
	} {
		for _, recovered := range []string{"by the handler", "around the middleware"} {
			t.Run(name+", recovered "+recovered, func(t *testing.T) {
				served := cookiestore.Middleware(&failingStore{save: errDown}, append([]cookiestore.Option{quiet}, options...)...)(
					http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if recovered == "by the handler" {
							defer func() { assert.NotNil(t, recover()) }()
						}
						cookiestore.FromContext(r.Context()).Set("a", 1)
						w.Header().Set("Location", "/done")
						w.WriteHeader(http.StatusSeeOther)
					}))
				w := httptest.NewRecorder()
				func() {
					if recovered != "by the handler" {
						defer func() { assert.NotNil(t, recover()) }()
					}
					served.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
				}()
				require.Equal(t, http.StatusInternalServerError, w.Code)
				require.Empty(t, w.Header().Get("Location"))
			})
		}
	}
}

// badValues is a store whose values no cookie can hold.
type badValues struct{ *rows }

func (badValues) Save(ctx, string, cookiestore.Record) (value, version string, err error) {
	return "a;b", "v", nil
}

type panicHandler struct{ slog.Handler }

func (panicHandler) Enabled(ctx, slog.Level) bool { panic("a bug in the logger") }

// Flush holds at every status, and after a panic; what else was changed is dropped there,
// and that is logged.
func TestFailedResponses(t *testing.T) {
	type session = *cookiestore.Session
	flush := func(s session) { s.Flush() }
	for _, test := range []struct {
		name    string
		change  func(session)
		alive   bool // the session that there was
		deleted bool // its cookie
		dropped bool
	}{
		{"nothing is changed", func(s session) { s.Get("a") }, true, false, false},
		{"a value is set", func(s session) { s.Set("a", 2) }, true, false, true},
		{"it is cleared", func(s session) { s.Clear() }, true, false, true},
		{"it gets a new ID", func(s session) { s.CycleKey() }, true, false, true},
		{"it is flushed", flush, false, true, false},
		{"it is flushed, and a value set", func(s session) { s.Flush(); s.Set("a", 2) }, false, true, true},
		{"a value is set, and it is flushed", func(s session) { s.Set("a", 2); s.Flush() }, false, true, false},
		{"it is flushed twice", func(s session) { s.Flush(); s.Set("a", 2); s.Flush() }, false, true, false},
	} {
		for how, end := range map[string]func(w http.ResponseWriter){
			"a status of 500":  func(w http.ResponseWriter) { http.Error(w, "sorry", http.StatusInternalServerError) },
			"a status of 503":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
			"a panic":          func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
			"recovered inside": func(w http.ResponseWriter) { recovering(w, func() { panic("a bug") }) },
		} {
			t.Run(test.name+", "+how, func(t *testing.T) {
				store := newRows()
				v := newVisitor(t, store)
				mine := cookiestore.Middleware(store, cookiestore.WithLogger(logTo(v.log)))
				v.serve(func(next http.Handler) http.Handler {
					inner := mine(next)
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						recovering(w, func() { inner.ServeHTTP(w, r) })
					})
				}, false)
				cookie := begin(t, store, time.Now(), `{"a":1}`)
				v.cookie = cookie
				resp := v.get(func(w http.ResponseWriter, _ *http.Request, s session) {
					test.change(s)
					end(w)
				})
				v.server.Close()
				require.GreaterOrEqual(t, resp.StatusCode, 500)
				require.Equal(t, []string{"Cookie"}, resp.Header["Vary"])
				require.Equal(t, test.deleted, len(resp.Cookies()) == 1 && resp.Cookies()[0].MaxAge < 0)
				require.Equal(t, test.deleted, len(resp.Cookies()) > 0)
				rec, err := store.Load(t.Context(), "", strings.TrimPrefix(cookie, "sessionid="))
				require.Equal(t, test.alive, err == nil)
				if test.alive {
					require.Equal(t, `{"a":1}`, rec.Data)
				}
				require.Equal(t, test.dropped, strings.Contains(v.log.String(), `level=WARN msg="session changes dropped" cookie=sessionid`), v.log.String())
				lines := 0
				if test.dropped {
					lines = 1
				}
				require.Equal(t, lines, strings.Count(v.log.String(), "\n"))
			})
		}
	}
	for _, test := range []struct {
		name  string
		store *failingStore
		use   func(session)
		says  string
	}{
		{"a load that failed", &failingStore{load: errDown}, func(s session) { s.Get("a") }, "session can't be loaded: the database is down"},
		{"a deletion that failed", &failingStore{remove: errDown}, flush, "session can't be deleted: the database is down"},
	} {
		t.Run(test.name+" is logged", func(t *testing.T) {
			v := newVisitor(t, test.store)
			v.cookie = "sessionid=x"
			resp := v.get(func(w http.ResponseWriter, _ *http.Request, s session) {
				test.use(s)
				http.Error(w, "my own words", http.StatusInternalServerError)
			})
			require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
			require.Equal(t, "my own words\n", v.body)
			require.Empty(t, resp.Cookies())
			require.Contains(t, v.log.String(), `level=ERROR msg="session not loaded or not deleted"`)
			require.Contains(t, v.log.String(), test.says)
		})
	}
}

// recovering answers for a handler that panics.
func recovering(w http.ResponseWriter, serve func()) {
	defer func() {
		if recover() != nil {
			http.Error(w, "sorry", http.StatusInternalServerError)
		}
	}()
	serve()
}
