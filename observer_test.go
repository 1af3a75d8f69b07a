package cookiestore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// observed is an observer that keeps the events.
type observed struct {
	mu     sync.Mutex
	events []cookiestore.Event
}

func (o *observed) option() cookiestore.Option {
	return cookiestore.WithObserver(func(_ context.Context, e cookiestore.Event) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.events = append(o.events, e)
	})
}

// take returns what has happened since the last time, each event as "kind reason".
func (o *observed) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := []string{}
	for _, e := range o.events {
		names = append(names, strings.TrimSpace(string(e.Kind)+" "+e.Reason))
	}
	o.events = nil
	return names
}

// respond has a handler answer a request with those Cookie fields.
func respond(store cookiestore.Store, h sessionHandler, fields []string, options ...cookiestore.Option) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Cookie"] = fields
	w := httptest.NewRecorder()
	options = append(options, cookiestore.WithLogger(slog.New(slog.DiscardHandler)))
	cookiestore.Middleware(store, options...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r, cookiestore.FromContext(r.Context()))
	})).ServeHTTP(w, r)
	return w
}

func TestWhatAnObserverIsTold(t *testing.T) {
	now := newClock()
	older, err := cookiestore.New([]byte("an older key, of thirty-two bytes"))
	require.NoError(t, err)
	store, err := cookiestore.New(testKey, cookiestore.WithFallbackKeys([]byte("an older key, of thirty-two bytes")))
	require.NoError(t, err)
	revocations := cookiestore.NewMemoryRevocations(cookiestore.WithMemoryClock(now.time))
	read := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Get("a") }
	set := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 2) }
	good := begin(t, store, now.time(), `{"a":1}`)
	aged := begin(t, store, now.time().Add(-10*24*time.Hour), `{"a":1}`)
	expired := begin(t, store, now.time().Add(-15*24*time.Hour), `{"a":1}`)
	outdated := begin(t, older, now.time(), `{"a":1}`)
	ahead := begin(t, store, now.time().Add(time.Hour), `{"a":1}`)
	down := &failingStore{load: errDown}
	unsaved := &failingStore{save: errDown}
	undeleted := &failingStore{remove: errDown}

	for _, tt := range []struct {
		name    string
		store   cookiestore.Store
		cookies []string
		handler sessionHandler
		options []cookiestore.Option
		want    []string
	}{
		{"nothing happens without a cookie", store, nil, read, nil, []string{}},
		{"a session that nobody uses isn't loaded", store, []string{good}, func(http.ResponseWriter, *http.Request, *cookiestore.Session) {}, nil, []string{}},
		{"a session is loaded", store, []string{good}, read, nil, []string{"loaded"}},
		{"of several one is loaded", store, []string{good, aged}, read, nil, []string{"loaded"}},
		{"each refused cookie counts", store, []string{"sessionid=x", expired, good}, read, nil, []string{"refused malformed", "refused expired", "loaded"}},
		{"a cookie from a key that is missing", store, []string{good[:len(good)-1] + "A"}, read, nil, []string{"refused tampered"}},
		{"an expired session", store, []string{expired}, read, nil, []string{"refused expired"}},
		{"a session from the future", store, []string{ahead}, read, nil, []string{"refused future"}},
		{"a record that is gone", newRows(), []string{"sessionid=id:9"}, read, nil, []string{"refused unknown"}},
		{"a cookie that is too large", store, []string{"sessionid=" + strings.Repeat("x", 5000)}, read, nil, []string{"refused too large"}},
		{"chunks of which one is missing", store, []string{"sessionid=0.2.AAAAAAAA.x"}, read, []cookiestore.Option{cookiestore.WithChunks(2)}, []string{"refused malformed"}},
		{"a change is saved", store, []string{good}, set, nil, []string{"loaded", "saved asked"}},
		{"a session is begun", store, nil, set, nil, []string{"saved asked"}},
		{"a session is renewed", store, []string{aged}, read, []cookiestore.Option{cookiestore.WithRenewal(0.5)}, []string{"loaded", "saved renewal"}},
		{"every request saves", store, []string{good}, read, []cookiestore.Option{cookiestore.WithSaveEveryRequest()}, []string{"loaded", "saved renewal"}},
		{"an outdated key is replaced", store, []string{outdated}, read, nil, []string{"loaded", "saved key"}},
		{"a change with an outdated key", store, []string{outdated}, set, nil, []string{"loaded", "saved asked"}},
		{"a session is flushed", store, []string{good}, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush() }, nil, []string{"loaded", "deleted"}},
		{"a session is emptied", store, []string{good}, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Clear() }, nil, []string{"loaded", "deleted"}},
		{"a session is flushed, and another begun", store, []string{good}, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Flush()
			s.Set("b", 1)
		}, nil, []string{"loaded", "deleted", "saved asked"}},
		{"the store can't load", down, []string{"sessionid=x"}, read, nil, []string{"failed failed"}},
		{"the store can't load one of several", down, []string{"sessionid=x", "sessionid=y"}, set, nil, []string{"failed failed"}},
		{"the store can't save", unsaved, nil, set, nil, []string{"failed failed"}},
		{"the store can't renew", unsaved, []string{"sessionid=x"}, read, []cookiestore.Option{cookiestore.WithSaveEveryRequest()}, []string{"loaded", "failed renewal"}},
		{"the store can't delete", undeleted, []string{"sessionid=x"}, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush() }, nil, []string{"loaded", "failed failed"}},
		{"a session is too large", store, nil, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", strings.Repeat("é\x01", 3000)+fmt.Sprint(make([]int, 9000)))
		}, []cookiestore.Option{cookiestore.WithMaxCookieSize(200)}, []string{"failed too large"}},
		{"a value can't be stored", store, []string{good}, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", math.Inf(1)) }, nil, []string{"loaded", "failed value"}},
		{"a change comes too late", store, []string{good}, func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Get("a")
			fmt.Fprint(w, "hello")
			s.Set("a", 2)
		}, nil, []string{"loaded", "failed late"}},
		{"changes are dropped with the response that failed", store, []string{good}, func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("a", 2)
			http.Error(w, "", http.StatusInternalServerError)
		}, nil, []string{"loaded"}},
		{"a session is revoked", store, []string{good}, func(_ http.ResponseWriter, r *http.Request, s *cookiestore.Session) {
			require.NoError(t, revocations.RevokeUser(r.Context(), "1", now.time(), now.time().Add(time.Hour)))
			s.Get("a")
		}, []cookiestore.Option{cookiestore.WithRevocations(revocations, "a")}, []string{"refused revoked"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o observed
			respond(tt.store, tt.handler, tt.cookies, append(tt.options, o.option(), now.option())...)
			for _, e := range o.events {
				require.Equal(t, "sessionid", e.Cookie)
				require.Equal(t, e.Kind == cookiestore.EventRefused || e.Kind == cookiestore.EventFailed, e.Err != nil, "%+v", e)
				require.Zero(t, e.Conflicts)
				require.Contains(t, cookiestore.EventReasons(e.Kind), e.Reason)
			}
			require.Equal(t, tt.want, o.take())
		})
	}
}

func TestAnObserverIsToldTheSizes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bytes  int
		chunks int
	}{{"one cookie", 100, 1}, {"two cookies", 5000, 2}, {"three cookies", 8000, 3}} {
		t.Run(tt.name, func(t *testing.T) {
			var o observed
			store, err := cookiestore.New(testKey, cookiestore.WithCompressionOver(-1))
			require.NoError(t, err)
			w := respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
				s.Set("a", strings.Repeat("x", tt.bytes))
			}, nil, cookiestore.WithChunks(4), o.option())
			lines := w.Header()["Set-Cookie"]
			require.Len(t, lines, tt.chunks)
			require.Len(t, o.events, 1)
			require.Equal(t, tt.chunks, o.events[0].Chunks)
			require.Equal(t, len(strings.Join(lines, "")), o.events[0].CookieBytes)
			require.Equal(t, len(`{"a":""}`)+tt.bytes, o.events[0].JSONBytes)
		})
	}
	t.Run("a session that is deleted has none", func(t *testing.T) {
		var o observed
		store := newStore(t)
		respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Flush() },
			[]string{begin(t, store, time.Now(), `{"a":1}`)}, o.option())
		require.Equal(t, cookiestore.Event{Kind: cookiestore.EventDeleted, Cookie: "sessionid", Took: o.events[1].Took}, o.events[1])
	})
}

// slowStore is one whose calls take a second each, and which is busy for a few saves.
type slowStore struct {
	*rows
	clock *clock
	busy  int
}

func (s *slowStore) Load(ctx context.Context, name, value string) (cookiestore.Record, error) {
	s.clock.add(time.Second)
	return s.rows.Load(ctx, name, value)
}

func (s *slowStore) Save(ctx context.Context, name string, rec cookiestore.Record) (value, version string, err error) {
	s.clock.add(time.Second)
	if s.busy--; s.busy >= 0 {
		return "", "", cookiestore.ErrConflict
	}
	return s.rows.Save(ctx, name, rec)
}

func TestAnObserverIsToldTheTimeInTheStore(t *testing.T) {
	set := func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("a", 2) }
	for _, tt := range []struct {
		name  string
		busy  int
		extra []string
		want  []cookiestore.Event
	}{
		{"a load and a save", 0, nil, []cookiestore.Event{
			{Kind: "loaded", Took: time.Second},
			{Kind: "saved", Reason: "asked", Took: time.Second},
		}},
		{"conflicts cost a load and a save each", 2, nil, []cookiestore.Event{
			{Kind: "loaded", Took: time.Second},
			{Kind: "saved", Reason: "asked", Took: 5 * time.Second, Conflicts: 2},
		}},
		{"a store that is busy for too long", 1000, nil, []cookiestore.Event{
			{Kind: "loaded", Took: time.Second},
			{Kind: "failed", Reason: "conflict", Took: 201 * time.Second, Conflicts: 100},
		}},
		{"refused cookies of one that is loaded", 0, []string{"sessionid=x", "sessionid=y"}, []cookiestore.Event{
			{Kind: "refused", Reason: "unknown", Beside: true},
			{Kind: "refused", Reason: "unknown", Beside: true},
			{Kind: "loaded", Took: 3 * time.Second},
			{Kind: "saved", Reason: "asked", Took: time.Second},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o observed
			store := &slowStore{newRows(), newClock(), 0}
			cookie := begin(t, store, store.clock.time(), `{"a":1}`)
			store.busy = tt.busy
			respond(store, set, append(tt.extra, cookie), o.option(), store.clock.option())
			for i := range o.events {
				e := &o.events[i]
				e.Cookie, e.Err, e.CookieBytes, e.Chunks, e.JSONBytes = "", nil, 0, 0, 0
			}
			require.Equal(t, tt.want, o.events)
		})
	}
	t.Run("the last of several refused cookies has it", func(t *testing.T) {
		var o observed
		store := &slowStore{newRows(), newClock(), 0}
		respond(store, func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Get("a") },
			[]string{"sessionid=x", "sessionid=y"}, o.option(), store.clock.option())
		require.Zero(t, o.events[0].Took)
		require.Equal(t, 2*time.Second, o.events[1].Took)
	})
}

func TestAnObserverIsToldOfManagers(t *testing.T) {
	var o observed
	m, err := cookiestore.NewManager(newStore(t), o.option())
	require.NoError(t, err)
	s, err := m.Load(t.Context(), "sessionid=x")
	require.NoError(t, err)
	s.Set("a", 1)
	_, err = m.Save(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, []string{"refused malformed", "saved asked"}, o.take())
	s.Set("a", math.NaN())
	_, err = m.Save(t.Context(), s)
	require.Error(t, err)
	require.Equal(t, []string{"failed value"}, o.take())
}

func TestAnObserverGetsTheContextOfTheRequest(t *testing.T) {
	type key struct{}
	var found []any
	handler := cookiestore.Middleware(newStore(t), cookiestore.WithObserver(func(ctx context.Context, _ cookiestore.Event) {
		found = append(found, ctx.Value(key{}))
	}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := cookiestore.FromContext(r.Context())
		s.Set("a", 1)
		fmt.Fprint(w, "hello")
		s.Set("a", 2)
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "sessionid=x")
	handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(t.Context(), key{}, "trace")))
	require.Equal(t, []any{"trace", "trace", "trace"}, found) // refused, saved, late
}

func TestNilObserver(t *testing.T) {
	_, err := cookiestore.NewManager(newStore(t), cookiestore.WithObserver(nil))
	require.ErrorContains(t, err, "the observer is nil")
}

// No event names a value, whatever went wrong with it.
func TestEventsHoldNoValue(t *testing.T) {
	var o observed
	store := newStore(t)
	cookie := begin(t, store, time.Now(), `{"a":"secret"}`)
	for _, h := range []sessionHandler{
		func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) { s.Set("b", "secret") },
		func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("b", []any{"secret", func() {}})
		},
		func(_ http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			s.Set("b", strings.Repeat("secret", 2000))
			s.Set("c", faulty{})
		},
		func(w http.ResponseWriter, _ *http.Request, s *cookiestore.Session) {
			fmt.Fprint(w)
			s.Set("b", "secret")
		},
	} {
		respond(store, h, []string{cookie, cookie + "secret"}, o.option())
	}
	require.NotEmpty(t, o.events)
	for _, e := range o.events {
		require.NotContains(t, fmt.Sprintf("%+v", e), "secret")
	}
}

// faulty is a value whose MarshalJSON fails.
type faulty struct{}

func (faulty) MarshalJSON() ([]byte, error) { return nil, errors.New("no JSON") }
