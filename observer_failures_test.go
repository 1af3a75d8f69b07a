package cookiestore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// errNoCookie is what a codec of one's own says.
type errNoCookie struct{}

func (errNoCookie) Error() string  { return "not one of mine" }
func (errNoCookie) IsDecode() bool { return true }

// choosy is a store that refuses cookies named x, and can't load others.
type choosy struct{ failingStore }

func (s *choosy) Load(ctx context.Context, name, value string) (cookiestore.Record, error) {
	if value == "x" {
		return cookiestore.Record{}, cookiestore.ErrTampered
	}
	return s.failingStore.Load(ctx, name, value)
}

// What goes wrong is one event, and what goes wrong twice is two.
func TestEachFailureIsOneEvent(t *testing.T) {
	read := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Get("a") }
	set := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 2) }
	flush := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush() }
	recovering := func(h sessionHandler) sessionHandler {
		return func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			defer func() { recover() }()
			h(w, r, s)
			fmt.Fprint(w, "hello")
		}
	}
	store := newStore(t)
	now := newClock()
	good := begin(t, store, now.time(), `{"a":1}`)
	older := begin(t, store, now.time().Add(-time.Hour), `{"a":1}`)
	every := []cookiestore.Option{cookiestore.WithSaveEveryRequest()}
	undeleted := &failingStore{remove: errDown}
	for _, tt := range []struct {
		name    string
		store   cookiestore.Store
		cookies string
		handler sessionHandler
		options []cookiestore.Option
		want    []string
	}{
		{"a store that panics while it loads", &failingStore{panics: true}, "sessionid=x", recovering(read), nil, []string{"failed failed"}},
		{"that panic ends the request", &failingStore{panics: true}, "sessionid=x", read, nil, []string{"failed failed"}},
		{"a store that panics while it saves", &failingStore{savePanics: true}, "sessionid=x", recovering(set), nil, []string{"loaded", "failed failed"}},
		{"that panic ends the request, too", &failingStore{savePanics: true}, "sessionid=x", set, nil, []string{"loaded", "failed failed"}},
		{"a renewal that panics does as well", &failingStore{savePanics: true}, "sessionid=x", read, every, []string{"loaded", "failed failed"}},
		{"a renewal that came second", &failingStore{save: cookiestore.ErrConflict}, "sessionid=x", read, every, []string{"loaded"}},
		{"a flush in a response that failed", undeleted, "sessionid=x", func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Flush()
			w.WriteHeader(http.StatusInternalServerError)
		}, nil, []string{"loaded", "failed failed"}},
		{"a bad value, after a flush that fails", undeleted, "sessionid=x", func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Flush()
			s.Set("a", math.NaN())
		}, nil, []string{"loaded", "failed value", "failed failed"}},
		{"a bad value that the handler has heard of, after a flush that fails", undeleted, "sessionid=x", func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Flush()
			s.Set("a", math.NaN())
			if s.Err() != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}, nil, []string{"loaded", "failed value", "failed failed"}},
		{"a bad value, after a flush", store, good, func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Flush()
			s.Set("a", math.NaN())
		}, nil, []string{"loaded", "failed value", "deleted"}},
		{"a value that no store has room for", store, good, func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Set("a", strings.Repeat("x", 20<<20))
		}, nil, []string{"loaded", "failed too large"}},
		{"a key that can't be stored", store, good, func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Set("\xff", 1)
		}, nil, []string{"loaded", "failed value"}},
		{"one cookie is refused, and the other can't be loaded", &choosy{failingStore{load: errDown}}, "sessionid=x; sessionid=y", read, nil, []string{"refused tampered", "failed failed"}},
		{"a codec's own refusal", &failingStore{load: errNoCookie{}}, "sessionid=x", read, nil, []string{"refused refused"}},
		{"a store that fails in the words of others", &failingStore{save: fmt.Errorf("odd: %w", cookiestore.ErrExpired)}, "sessionid=x", set, nil, []string{"loaded", "failed failed"}},
		{"a flush of a cookie that was refused ends no session", store, "sessionid=x", flush, nil, []string{"refused malformed"}},
		{"a flush of several sessions", store, older + "; " + good, flush, nil, []string{"loaded", "deleted"}},
		{"several sessions that are emptied", store, older + "; " + good, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Clear() }, nil, []string{"loaded", "deleted"}},
		{"a flush that holds though the response failed", store, good, func(w http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			s.Flush()
			w.WriteHeader(http.StatusInternalServerError)
		}, nil, []string{"loaded", "deleted"}},
		{"a session that SetExpiry ends", store, good, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.SetExpiry(cookiestore.After(-time.Second))
		}, nil, []string{"loaded", "deleted"}},
		{"flash messages that there is no room for", store, good, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			for i := range 20 {
				s.AddFlash(fmt.Sprint(i, math.Pi*float64(i)))
			}
		}, []cookiestore.Option{cookiestore.WithMaxCookieSize(300)}, []string{"loaded", "failed flash", "saved asked"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o observed
			func() {
				defer func() { recover() }()
				respond(tt.store, tt.handler, []string{tt.cookies}, append(tt.options, o.option(), now.option())...)
			}()
			for _, e := range o.events {
				require.Contains(t, cookiestore.EventReasons(e.Kind), e.Reason)
			}
			require.Equal(t, tt.want, o.take())
		})
	}
}

// The time is that of the whole load, in its last event.
func TestAFailedLoadHasTookSomeTime(t *testing.T) {
	var o observed
	now := newClock()
	store := &tardy{choosy{failingStore{load: errDown}}, now}
	respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Get("a") },
		[]string{"sessionid=x; sessionid=y"}, o.option(), now.option())
	require.Len(t, o.events, 2)
	require.Zero(t, o.events[0].Took)
	require.Equal(t, 2*time.Second, o.events[1].Took)
}

// tardy takes a second for each load.
type tardy struct {
	choosy
	clock *clock
}

func (s *tardy) Load(ctx context.Context, name, value string) (cookiestore.Record, error) {
	s.clock.add(time.Second)
	return s.choosy.Load(ctx, name, value)
}

func TestAStoreThatCantDeleteIsLogged(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		var log strings.Builder
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "sessionid=x")
		cookiestore.Middleware(&failingStore{remove: errDown}, cookiestore.WithLogger(logTo(&log)))(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := cookiestore.FromContext(r.Context())
				s.Flush()
				s.Set("a", math.NaN())
				require.Error(t, s.Err())
				w.WriteHeader(status)
			})).ServeHTTP(w, r)
		require.Equal(t, 1, strings.Count(log.String(), `msg="session not saved" cookie=sessionid reason=value`), log.String())
		require.Equal(t, 1, strings.Count(log.String(), `msg="session not deleted" cookie=sessionid reason=failed`), log.String())
	}
}

// A client that has gone is not a failure of the store; one that was too slow is.
func TestAClientThatHasGone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		context func(context.Context) (context.Context, context.CancelFunc)
		status  int
		event   string
		level   string
	}{
		{"the client has gone", context.WithCancel, http.StatusOK, "failed canceled", "INFO"},
		{"the client has gone, and the response has failed", context.WithCancel, http.StatusInternalServerError, "failed canceled", "INFO"},
		{"the server's own limit is up", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Unix(0, 0))
		}, http.StatusOK, "failed failed", "ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o observed
			var log strings.Builder
			ctx, cancel := tt.context(t.Context())
			cancel()
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.Header.Set("Cookie", "sessionid=x")
			cookiestore.Middleware(&failingStore{load: errDown}, o.option(), cookiestore.WithLogger(logTo(&log)))(
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					require.ErrorIs(t, cookiestore.FromContext(r.Context()).Err(), errDown)
					w.WriteHeader(tt.status)
				})).ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, []string{tt.event}, o.take())
			require.Equal(t, 1, count(&log, tt.level), log.String())
			require.Equal(t, 1, strings.Count(log.String(), "\n"))
			require.Contains(t, log.String(), "reason="+strings.TrimPrefix(tt.event, "failed "))
		})
	}
}

// marshals is a value whose MarshalJSON fails from the second time on, or always.
type marshals struct {
	err   error
	times *atomic.Int32
}

func (m marshals) MarshalJSON() ([]byte, error) {
	if m.times != nil && m.times.Add(1) == 1 {
		return []byte(`{}`), nil
	}
	return nil, m.err
}

// What a value's own methods return may be any error, which says nothing of the session.
func TestTheErrorOfAValueDecidesNothing(t *testing.T) {
	for _, cause := range []error{
		cookiestore.ErrInterrupted, cookiestore.ErrConflict, cookiestore.ErrCrossSite, cookiestore.ErrTooLarge, cookiestore.ErrTampered,
	} {
		for name, set := range map[string]func(*cookiestore.Session, *atomic.Int32){
			"Set":       func(s *cookiestore.Session, _ *atomic.Int32) { s.Set("b", marshals{err: cause}) },
			"Update":    func(s *cookiestore.Session, _ *atomic.Int32) { s.Update(map[string]any{"b": marshals{err: cause}}) },
			"Flash":     func(s *cookiestore.Session, _ *atomic.Int32) { s.AddFlash(marshals{err: cause}) },
			"a merge":   func(s *cookiestore.Session, n *atomic.Int32) { modify(s, cause, n) },
			"a modify":  func(s *cookiestore.Session, n *atomic.Int32) { n.Add(1); modify(s, cause, n) },
			"versioned": func(s *cookiestore.Session, n *atomic.Int32) { n.Add(1); upgrade(s, cause) },
		} {
			t.Run(name+" "+cause.Error(), func(t *testing.T) {
				var o observed
				store := &slowStore{newRows(), newClock(), 0}
				cookie := begin(t, store, store.clock.time(), `{"a":1}`)
				store.busy = 1
				w := respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
					set(s, new(atomic.Int32))
					if name != "a merge" {
						require.ErrorIs(t, s.Err(), cause)
					}
				}, []string{cookie}, o.option(), store.clock.option())
				require.Equal(t, []string{"loaded", "failed value"}, o.take())
				require.Equal(t, http.StatusInternalServerError, w.Code)
				require.Equal(t, "The session could not be saved.\n", w.Body.String())
			})
		}
	}
}

// lateDeleter is a store in which another request is always first to delete a session.
type lateDeleter struct{ *rows }

func (lateDeleter) Delete(context.Context, string, string, string) error {
	return cookiestore.ErrConflict
}

// Nor does it end a session that the store still has.
func TestTheErrorOfAValueEndsNothing(t *testing.T) {
	var o observed
	store := lateDeleter{newRows()}
	cookie := begin(t, store, time.Now(), `{"a":1}`)
	respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
		modify(s, cookiestore.ErrInterrupted, new(atomic.Int32))
		s.SetExpiry(cookiestore.After(-time.Second))
	}, []string{cookie}, o.option())
	require.Equal(t, []string{"loaded", "failed value"}, o.take())
}

func modify(s *cookiestore.Session, cause error, n *atomic.Int32) {
	_ = cookiestore.Modify(s, "b", func(v *marshals) { *v = marshals{cause, n} })
}

func upgrade(s *cookiestore.Session, cause error) {
	v := cookiestore.Versioned[int]{Key: "a", Version: 1, Upgrade: func(int, json.RawMessage) (int, error) { return 0, cause }}
	_ = v.Modify(s, func(*int) {})
}

// An observer's mistake is not the visitor's: the request goes on, and the store has saved.
func TestAnObserverThatPanics(t *testing.T) {
	var log strings.Builder
	store := newStore(t)
	var session *cookiestore.Session
	handler := cookiestore.Middleware(store, cookiestore.WithLogger(logTo(&log)), cookiestore.WithObserver(func(context.Context, cookiestore.Event) {
		panic("no such metric")
	}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session = cookiestore.FromContext(r.Context())
		session.Set("a", 2)
		fmt.Fprint(w, "hello")
	}))
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", begin(t, store, time.Now(), `{"a":1}`))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, "hello", w.Body.String())
		require.Len(t, w.Result().Cookies(), 1)
	}
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.Contains(t, log.String(), `level=ERROR msg="observer panicked" cookie=sessionid reason=failed error="cookiestore: no such metric" stack=`)
	require.Contains(t, log.String(), "TestAnObserverThatPanics")
	session.Set("b", 1) // in a goroutine, nobody would recover
	require.Equal(t, 1, strings.Count(log.String(), "observer panicked"))
}

func TestWithoutAnObserverNothingIsMeasured(t *testing.T) {
	store := newStore(t)
	cookie := begin(t, store, time.Now(), `{"a":1}`)
	asked := func(options ...cookiestore.Option) (times int) {
		clock := func() time.Time { times++; return time.Now() }
		respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 2) },
			[]string{cookie}, append(options, cookiestore.WithClock(clock))...)
		return times
	}
	require.Equal(t, asked()+4, asked(new(observed).option())) // before and after a load and a save
}

func TestEventReasons(t *testing.T) {
	require.Equal(t, []string{"asked", "renewal", "key"}, cookiestore.EventReasons(cookiestore.EventSaved))
	cookiestore.EventReasons(cookiestore.EventSaved)[0] = "mine"
	require.Contains(t, cookiestore.EventReasons(cookiestore.EventSaved), "asked")
	require.Equal(t, []string{""}, cookiestore.EventReasons(cookiestore.EventLoaded))
	require.Equal(t, []string{""}, cookiestore.EventReasons(cookiestore.EventDeleted))
	require.Empty(t, cookiestore.EventReasons("other"))
}
