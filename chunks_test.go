package cookiestore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A tab is a browser's, with a cookie jar for one scope.
type tab struct {
	t       *testing.T
	manager *cookiestore.Manager
	domain  string
	cookies map[string]string
	log     strings.Builder
}

func newTab(t *testing.T, store cookiestore.Store, options ...cookiestore.Option) *tab {
	t.Helper()
	b := &tab{t: t, cookies: map[string]string{}}
	m, err := cookiestore.NewManager(store, append([]cookiestore.Option{cookiestore.WithLogger(logTo(&b.log))}, options...)...)
	require.NoError(t, err)
	b.manager = m
	return b
}

// visit sends a request with the tab's cookies, and keeps those of the response.
func (b *tab) visit(handler func(*cookiestore.Session)) *http.Response {
	b.t.Helper()
	resp := b.send(b.field(), handler)
	b.keep(resp)
	return resp
}

// send sends a request with a Cookie field.
func (b *tab) send(field string, handler func(*cookiestore.Session)) *http.Response {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", field)
	w := httptest.NewRecorder()
	b.manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handler(cookiestore.FromContext(r.Context()))
	})).ServeHTTP(w, r)
	return w.Result()
}

func (b *tab) keep(resp *http.Response) {
	for _, c := range resp.Cookies() {
		if c.Domain != b.domain || c.Path != "/" || c.Partitioned {
			continue
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

// names returns the names of the tab's cookies, sorted.
func (b *tab) names() []string {
	names := []string{}
	for name := range b.cookies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (b *tab) field() string {
	var pairs []string
	for _, name := range b.names() {
		pairs = append(pairs, name+"="+b.cookies[name])
	}
	return strings.Join(pairs, "; ")
}

// setCart fills a session with so many bytes that don't compress.
func setCart(size int) func(*cookiestore.Session) {
	return func(s *cookiestore.Session) { s.Update(json.RawMessage(dictionary(size, true))) }
}

const noSession = -1

// cart returns the size of the cart that the visitor with that Cookie field has.
func (b *tab) cart(field string) (size int) {
	b.t.Helper()
	resp := b.send(field, func(s *cookiestore.Session) {
		if size = noSession; s.IsNew() {
			return
		}
		text, err := s.MarshalJSON()
		require.NoError(b.t, err)
		size = len(cookiestore.Get(s, "cart", ""))
		require.True(b.t, string(text) == dictionary(size, true), "nothing but its size has changed")
	})
	require.Equal(b.t, http.StatusOK, resp.StatusCode)
	require.Empty(b.t, resp.Cookies(), "reading sets and deletes nothing")
	return size
}

// wrapped is a store of a program's own, around one of ours.
type wrapped struct{ cookiestore.Store }

func TestASessionTakesAsManyCookiesAsItNeeds(t *testing.T) {
	for kind, store := range map[string]cookiestore.Store{
		"signed":    newStore(t, cookiestore.WithCompressionOver(-1)),
		"encrypted": newStore(t, cookiestore.WithEncryption()),
		"wrapped":   wrapped{newStore(t, cookiestore.WithCompressionOver(-1))},
		"legacy":    newStore(t, cookiestore.WithCompressionOver(-1), cookiestore.WithLegacy(wrapped{newStore(t, cookiestore.WithEncryption())})),
	} {
		t.Run(kind, func(t *testing.T) {
			b := newTab(t, store, cookiestore.WithChunks(4))
			for _, step := range []struct {
				size  int
				names []string
			}{
				{10, []string{"sessionid"}},
				{2700, []string{"sessionid"}},
				{3500, []string{"sessionid", "sessionid-1"}},
				{11_000, []string{"sessionid", "sessionid-1", "sessionid-2", "sessionid-3"}},
				{7000, []string{"sessionid", "sessionid-1", "sessionid-2"}},
				{6900, []string{"sessionid", "sessionid-1", "sessionid-2"}},
				{100, []string{"sessionid"}},
				{5000, []string{"sessionid", "sessionid-1"}},
			} {
				resp := b.visit(setCart(step.size))
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.Equal(t, step.names, b.names(), step.size)
				for _, line := range resp.Header["Set-Cookie"] {
					require.LessOrEqual(t, len(line), cookiestore.MaxCookieSize)
				}
				require.Equal(t, step.size, b.cart(b.field()))
			}
			b.visit((*cookiestore.Session).Flush)
			require.Empty(t, b.names())
		})
	}
}

func TestChunksAreAsLongAsTheLimitAllows(t *testing.T) {
	for _, limit := range []int{180, 200, 1000, cookiestore.MaxCookieSize, 5000} {
		b := newTab(t, newStore(t, cookiestore.WithCompressionOver(-1)), cookiestore.WithChunks(2), cookiestore.WithMaxCookieSize(limit))
		largest, size := 0, 0
		counts := []int{}
		for ; ; size++ {
			resp := b.visit(setCart(size))
			if resp.StatusCode != http.StatusOK {
				break
			}
			for _, line := range resp.Header["Set-Cookie"] {
				require.LessOrEqual(t, len(line), limit)
				largest = max(largest, len(line))
			}
			if n := len(b.names()); !slices.Contains(counts, n) {
				counts = append(counts, n)
			}
			size += limit / 500 // not each size of large ones
		}
		require.Contains(t, [][]int{{1, 2}, {2}}, counts)
		require.Greater(t, largest, limit-5-limit/300, "no room is wasted")
		require.Contains(t, b.log.String(), fmt.Sprintf("the limit is %d in all chunks", 2*limit))
	}
}

// Whatever a visitor sends, only all chunks of one save are a session.
func TestOnlyTheChunksOfOneSaveAreASession(t *testing.T) {
	clock := newClock()
	b := newTab(t, newStore(t), cookiestore.WithChunks(3), clock.option())
	chunksOf := func(size int) []string {
		b.cookies = map[string]string{}
		b.visit(setCart(size))
		chunks := []string{}
		for _, name := range b.names() {
			chunks = append(chunks, b.cookies[name])
		}
		clock.add(time.Second)
		return chunks
	}
	const oldSize, curSize, twoSize, oneSize = 8000, 8500, 4000, 10
	old, cur, two, one := chunksOf(oldSize), chunksOf(curSize), chunksOf(twoSize), chunksOf(oneSize)
	require.Len(t, old, 3)
	require.Len(t, cur, 3)
	require.Len(t, two, 2)
	require.Len(t, one, 1)
	head, tail := func(s string) string { return s[:13] }, func(s string) string { return s[13:] }

	for _, test := range []struct {
		name  string
		field []string // of sessionid, sessionid-1, sessionid-2, in turn; "" for none
		want  int      // bytes of the cart
	}{
		{"all chunks of a save are its session", cur, curSize},
		{"all chunks of an older save are, too", old, oldSize},
		{"the second of another save", []string{cur[0], old[1], cur[2]}, noSession},
		{"the last of another save", []string{cur[0], cur[1], old[2]}, noSession},
		{"the first of another save", []string{old[0], cur[1], cur[2]}, noSession},
		{"the first is missing", []string{"", cur[1], cur[2]}, noSession},
		{"the second is missing", []string{cur[0], "", cur[2]}, noSession},
		{"the last is missing", []string{cur[0], cur[1]}, noSession},
		{"the first alone", []string{cur[0]}, noSession},
		{"a small session with chunks that were left behind", []string{one[0], cur[1], cur[2]}, oneSize},
		{"a session of two with a third that was left behind", []string{two[0], two[1], cur[2]}, twoSize},
		{"chunks in each other's places", []string{cur[0], cur[2], cur[1]}, noSession},
		{"the second in place of the first", []string{cur[1], cur[1], cur[2]}, noSession},
		{"the whole as a chunk of one", []string{"0.1." + one[0][len(one[0])-8:] + "." + one[0]}, oneSize},
		{"a tag that isn't that of the value", []string{"0.1.AAAAAAAA." + one[0]}, noSession},
		{"a chunk without a piece", []string{cur[0], head(cur[1]), cur[2]}, noSession},
		{"a chunk that is cut short", []string{cur[0], cur[1][:len(cur[1])-1], cur[2]}, noSession},
		{"a chunk that is too long", []string{cur[0], cur[1] + "A", cur[2]}, noSession},
		{"a piece moved from one chunk to the next", []string{cur[0], cur[1][:len(cur[1])-1], head(cur[2]) + cur[1][len(cur[1])-1:] + tail(cur[2])}, curSize},
		{"no count", []string{"0.0." + head(cur[0])[4:] + tail(cur[0]), cur[1], cur[2]}, noSession},
		{"a count of nine", []string{"0.9." + cur[0][4:], "1.9." + cur[1][4:], "2.9." + cur[2][4:]}, noSession},
		{"a count that is too large by one", []string{"0.4." + cur[0][4:], "1.4." + cur[1][4:], "2.4." + cur[2][4:]}, noSession},
		{"a count that is too small by one", []string{"0.2." + cur[0][4:], "1.2." + cur[1][4:], "2.2." + cur[2][4:]}, noSession},
		{"no number in front", []string{"x" + cur[0][1:], cur[1], cur[2]}, noSession},
		{"nothing but dots", []string{"....................", "....................", "...................."}, noSession},
	} {
		t.Run(test.name, func(t *testing.T) {
			var pairs []string
			for place, value := range test.field {
				if value != "" {
					pairs = append(pairs, nameOf(place)+"="+value)
				}
			}
			require.Equal(t, test.want, b.cart(strings.Join(pairs, "; ")))
			slices.Reverse(pairs)
			require.Equal(t, test.want, b.cart(strings.Join(pairs, "; ")), "the order doesn't matter")
		})
	}

	t.Run("the newest of several scopes counts, each with its own chunks", func(t *testing.T) {
		var pairs []string
		for place := range 3 {
			pairs = append(pairs, nameOf(place)+"="+old[place], nameOf(place)+"="+cur[place])
		}
		for range 2 {
			require.Equal(t, curSize, b.cart(strings.Join(pairs, "; ")))
			slices.Reverse(pairs)
		}
		require.Equal(t, oldSize, b.cart(strings.Join(append(pairs[:3:3], pairs[4:]...), "; ")), "but for one that isn't complete")
	})
	t.Run("a refused cookie is told", func(t *testing.T) {
		b := newTab(t, newStore(t), cookiestore.WithChunks(3), clock.option())
		var refused error
		b.send("sessionid="+cur[0], func(s *cookiestore.Session) { refused = s.Refused() })
		require.ErrorIs(t, refused, cookiestore.ErrMalformed)
		require.ErrorContains(t, refused, "chunk 1 of 3 is missing")
		require.Contains(t, b.log.String(), "chunk 1 of 3 is missing")
		b.send("sessionid="+cur[1], func(s *cookiestore.Session) { refused = s.Refused() })
		require.ErrorContains(t, refused, "chunk 1 is where the first belongs")
		b.send("sessionid-1="+cur[1], func(s *cookiestore.Session) { refused = s.Refused() })
		require.ErrorIs(t, refused, cookiestore.ErrMalformed)
		require.ErrorContains(t, refused, "chunk 0 of 3 is missing")
		require.Contains(t, b.log.String(), "chunk 0 of 3 is missing")
	})
	t.Run("a value that isn't in chunks is refused for what it is", func(t *testing.T) {
		var refused error
		b.send("sessionid="+one[0]+"x", func(s *cookiestore.Session) { refused = s.Refused() })
		require.ErrorIs(t, refused, cookiestore.ErrTampered)
	})
	t.Run("a proxy may have encoded the colons", func(t *testing.T) {
		field := "sessionid=" + cur[0] + "; sessionid-1=" + cur[1] + "; sessionid-2=" + cur[2]
		require.Equal(t, curSize, b.cart(strings.ReplaceAll(field, ":", "%3A")))
	})
	t.Run("without the option they are refused", func(t *testing.T) {
		b := newTab(t, newStore(t), clock.option())
		require.Equal(t, noSession, b.cart("sessionid="+two[0]+"; sessionid-1="+two[1]))
	})
	t.Run("a session that needs more than the option says is refused", func(t *testing.T) {
		b := newTab(t, newStore(t), cookiestore.WithChunks(2), clock.option())
		require.Equal(t, twoSize, b.cart("sessionid="+two[0]+"; sessionid-1="+two[1]))
		require.Equal(t, noSession, b.cart("sessionid="+cur[0]+"; sessionid-1="+cur[1]+"; sessionid-2="+cur[2]))
	})
}

func nameOf(place int) string {
	if place == 0 {
		return "sessionid"
	}
	return fmt.Sprintf("sessionid-%d", place)
}

func TestCookiesOfOtherProgramsStay(t *testing.T) {
	others := map[string]string{
		"sessionid-1": "another's", "sessionid-2": "1.3.AAAAAAAA.x", "sessionid-3": "3.2.AAAAAAAA.x", "sessionid-10": "1.2.AAAAAAAA.x",
		"sessionid-x": "1", "sessionid-8": "8.8.AAAAAAAA.x", "sessionid-0": "0.2.AAAAAAAA.x", "sessionid-": "1.2.AAAAAAAA.x",
		"sessionid1": "1.2.AAAAAAAA.x", "Sessionid-1": "1.2.AAAAAAAA.x", "xsessionid-1": "1.2.AAAAAAAA.x",
	}
	b := newTab(t, newStore(t), cookiestore.WithChunks(8))
	b.visit(setCart(10))
	session := b.cookies["sessionid"]
	for name, value := range others {
		b.cookies[name] = value
	}
	for _, change := range []func(*cookiestore.Session){setCart(11), (*cookiestore.Session).Flush} {
		b.cookies["sessionid"] = session
		resp := b.visit(change)
		require.Len(t, resp.Cookies(), 1, "the session's own")
	}
	require.Equal(t, len(others), len(b.cookies))
	b.cookies["sessionid-4"] = "4.5.AAAAAAAA.x" // left behind
	resp := b.visit(setCart(12))
	require.Len(t, resp.Cookies(), 2)
	require.Equal(t, "sessionid-4", resp.Cookies()[1].Name)
	require.Negative(t, resp.Cookies()[1].MaxAge)
}

// lines returns a response's fields, each without what is between name and scope.
func deleted(resp *http.Response) (all []string) {
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %s%s %v", c.Name, c.Domain, c.Path, c.Partitioned), " false"))
		}
	}
	return all
}

func TestEndedSessionsLeaveNoChunk(t *testing.T) {
	options := []cookiestore.Option{
		cookiestore.WithChunks(3), cookiestore.WithDomain("example.org"), cookiestore.WithFormerScope("", "/shop"),
	}
	everywhere := []string{"sessionid example.org/", "sessionid /", "sessionid /shop"}
	for _, place := range []string{"-1", "-2"} {
		everywhere = append(everywhere, "sessionid"+place+" example.org/", "sessionid"+place+" /", "sessionid"+place+" /shop")
	}
	for name, end := range map[string]func(*cookiestore.Session){
		"flushed":      (*cookiestore.Session).Flush,
		"cleared":      (*cookiestore.Session).Clear,
		"emptied":      func(s *cookiestore.Session) { s.Delete("cart", "n") },
		"over at once": func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTab(t, newStore(t), options...)
			b.domain = "example.org"
			b.visit(setCart(8000))
			require.Len(t, b.names(), 3)
			require.ElementsMatch(t, everywhere, deleted(b.visit(end)))
			require.Empty(t, b.names())
		})
	}
	t.Run("flushed, and a new one begun", func(t *testing.T) {
		b := newTab(t, newStore(t), options...)
		b.domain = "example.org"
		b.visit(setCart(8000))
		resp := b.visit(func(s *cookiestore.Session) { s.Flush(); setCart(4000)(s) })
		require.ElementsMatch(t, []string{
			"sessionid /", "sessionid /shop", "sessionid-1 /", "sessionid-1 /shop",
			"sessionid-2 example.org/", "sessionid-2 /", "sessionid-2 /shop",
		}, deleted(resp))
		require.Equal(t, 4000, b.cart(b.field()))
	})
	t.Run("flushed at status 500", func(t *testing.T) {
		b := newTab(t, newStore(t), options...)
		b.domain = "example.org"
		b.visit(setCart(8000))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", b.field())
		w := httptest.NewRecorder()
		b.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookiestore.FromContext(r.Context()).Flush()
			w.WriteHeader(http.StatusInternalServerError)
		})).ServeHTTP(w, r)
		require.ElementsMatch(t, everywhere, deleted(w.Result()))
	})
	t.Run("flushed, with a partitioned twin", func(t *testing.T) {
		b := newTab(t, newStore(t), cookiestore.WithChunks(3))
		b.visit(setCart(4000))
		b.keep(b.send(b.field()+"; sessionid=x", (*cookiestore.Session).Flush))
		resp := b.send(b.field(), (*cookiestore.Session).Flush)
		require.Empty(t, deleted(resp))
		b.visit(setCart(4000))
		resp = b.send(b.field()+"; sessionid=x", (*cookiestore.Session).Flush)
		require.ElementsMatch(t, []string{"sessionid /", "sessionid / true", "sessionid-1 /", "sessionid-1 / true"}, deleted(resp))
	})
	t.Run("one that shrinks leaves former scopes alone", func(t *testing.T) {
		b := newTab(t, newStore(t), options...)
		b.domain = "example.org"
		b.visit(setCart(8000))
		require.Equal(t, []string{"sessionid-1 example.org/", "sessionid-2 example.org/"}, deleted(b.visit(setCart(10))))
	})
}

func TestManagerSaveReturnsAllChunks(t *testing.T) {
	b := newTab(t, newStore(t), cookiestore.WithChunks(3), cookiestore.WithName("__Host-session"))
	s, err := b.manager.Load(t.Context())
	require.NoError(t, err)
	save := func(size int) (names []string) {
		setCart(size)(s)
		cookies, err := b.manager.Save(t.Context(), s)
		require.NoError(t, err)
		for _, c := range cookies {
			require.NoError(t, c.Valid())
			require.True(t, c.Secure && c.HttpOnly && c.Path == "/" && c.Domain == "")
			names = append(names, strings.TrimSuffix(fmt.Sprintf("%s %d", c.Name, c.MaxAge), " 1209600"))
			if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
				delete(b.cookies, c.Name)
			}
		}
		require.Equal(t, size, b.cart(b.field()))
		return names
	}
	require.Equal(t, []string{"__Host-session", "__Host-session-1", "__Host-session-2"}, save(8000))
	require.Equal(t, []string{"__Host-session", "__Host-session-1", "__Host-session-2 -1"}, save(4000))
	require.Equal(t, []string{"__Host-session", "__Host-session-1 -1", "__Host-session-2 -1"}, save(10))
	require.Equal(t, []string{"__Host-session", "__Host-session-1", "__Host-session-2 -1"}, save(4001))
}

// A handler saves, and goes on: the response then has the cookies of the last save alone.
func TestSavedTwiceInOneResponse(t *testing.T) {
	for _, sizes := range [][2]int{{8000, 8001}, {8000, 4000}, {8000, 10}, {10, 8000}, {4000, 8000}, {4000, 0}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			b := newTab(t, newStore(t), cookiestore.WithChunks(3))
			w := httptest.NewRecorder()
			b.manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := cookiestore.FromContext(r.Context())
				setCart(sizes[0])(s)
				cookies, err := b.manager.Save(r.Context(), s)
				assert.NoError(t, err)
				for _, c := range cookies {
					http.SetCookie(w, c)
				}
				http.SetCookie(w, &http.Cookie{Name: "sessionid-x", Value: "another's"})
				http.SetCookie(w, &http.Cookie{Name: "sessionid-1x", Value: "another's"})
				if setCart(sizes[1])(s); sizes[1] == 0 {
					s.Flush()
				}
			})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			seen := map[string]bool{}
			for _, c := range w.Result().Cookies() {
				require.False(t, seen[c.Name] && sizes[1] > 0, "%s is set once", c.Name)
				seen[c.Name] = true
			}
			b.keep(w.Result())
			require.True(t, seen["sessionid-x"] && seen["sessionid-1x"], "those are not ours")
			delete(b.cookies, "sessionid-x")
			delete(b.cookies, "sessionid-1x")
			if sizes[1] == 0 {
				require.Empty(t, b.names())
				return
			}
			require.Equal(t, sizes[1], b.cart(b.field()))
			require.NotContains(t, b.log.String(), "set twice")
		})
	}
}

// A countingStore counts what is verified.
type countingStore struct {
	*rows
	loads, bytes int
}

func (s *countingStore) Load(ctx context.Context, name, value string) (cookiestore.Record, error) {
	s.loads++
	s.bytes += len(value)
	return s.rows.Load(ctx, name, value)
}

func TestHostileChunksCostNoMoreThanTheyMay(t *testing.T) {
	const n = 8
	store := &countingStore{rows: newRows()}
	b := newTab(t, store, cookiestore.WithChunks(n))
	var pairs []string
	for i := range 100 {
		for place := range n {
			piece := strings.Repeat("x", 200) + fmt.Sprintf("%08d", i%20)
			pairs = append(pairs, fmt.Sprintf("%s=%d.%d.%08d.%s", nameOf(place), place, n, i%20, piece))
		}
	}
	require.Equal(t, noSession, b.cart(strings.Join(pairs, "; ")))
	require.Equal(t, 8, store.loads, "as without chunks")
	require.Equal(t, 8*n*208, store.bytes)
	require.Equal(t, 1, strings.Count(b.log.String(), "\n"), "one line")

	// With a few chunks, many beginnings would be as much work as many sessions.
	store.loads = 0
	var few []string
	for i := range 8 {
		few = append(few, fmt.Sprintf("sessionid=0.2.xxxxxxxx.%d", i))
	}
	few = append(few, "sessionid-1=1.2.xxxxxxxx."+strings.Repeat("x", 4000))
	require.Equal(t, noSession, b.cart(strings.Join(few, "; ")))
	require.Equal(t, 1, store.loads)

	store.loads = 0
	few[8] = "sessionid-1=1.2.xxxxxxxx." + strings.Repeat("x", n*cookiestore.MaxCookieSize)
	require.Equal(t, noSession, b.cart(strings.Join(few, "; ")))
	require.Zero(t, store.loads, "it is too large before it is put together")

	store.loads = 0
	for i := range pairs {
		pairs[i] = fmt.Sprintf("sessionid=0.8.%08d.x", i)
	}
	require.Equal(t, noSession, b.cart(strings.Join(pairs, "; ")))
	require.Zero(t, store.loads, "what isn't complete is not verified")

	pairs = pairs[:0]
	for i := range 100 {
		pairs = append(pairs, fmt.Sprintf("sessionid-1=1.2.%08d.x", i), fmt.Sprintf("sessionid=0.2.%08d.x", i))
	}
	require.Equal(t, noSession, b.cart(strings.Join(pairs, "; ")))
	require.Zero(t, store.loads, "their ends aren't what the tag says")
}

// chunkLike is a store whose values look like chunks.
type chunkLike struct{ value string }

func (s chunkLike) Load(_ context.Context, _, value string) (cookiestore.Record, error) {
	if value != s.value {
		return cookiestore.Record{}, cookiestore.ErrNoSession
	}
	return cookiestore.Record{Data: `{"a":1}`}, nil
}
func (s chunkLike) Save(context.Context, string, cookiestore.Record) (string, string, error) {
	return s.value, "", nil
}
func (chunkLike) Delete(context.Context, string, string, string) error { return nil }
func (chunkLike) ClearExpired(context.Context) error                   { return nil }

func TestValuesThatLookLikeChunksComeBack(t *testing.T) {
	for _, value := range []string{
		"0.1.AAAAAAAA.x", "0.2.AAAAAAAA.x", "1.2.AAAAAAAA.x", "0.2.AAAAAAAA.", "0.2.AAAAAAAA", "0.2.", "~.2.AAAAAAAA.x", "x",
		"0.2.AAAAAAAA." + strings.Repeat("x", 3960), "0.2.AAAAAAAA." + strings.Repeat("y", 6000),
	} {
		b := newTab(t, chunkLike{value}, cookiestore.WithChunks(2))
		resp := b.visit(func(s *cookiestore.Session) { s.Set("a", 1) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		b.send(b.field(), func(s *cookiestore.Session) { require.Equal(t, 1, s.Get("a"), value) })
	}
}

func TestCompressionComesBeforeMoreCookies(t *testing.T) {
	words := strings.Builder{}
	for i := range 1500 {
		fmt.Fprintf(&words, "%d ", i*i%1000)
	}
	count := func(options ...cookiestore.StoreOption) int {
		b := newTab(t, newStore(t, options...), cookiestore.WithChunks(4))
		b.visit(func(s *cookiestore.Session) { s.Set("words", words.String()) })
		return len(b.names())
	}
	require.Equal(t, 2, count(cookiestore.WithCompressionOver(-1)))
	require.Equal(t, 1, count())
}

func TestWithChunksRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		options []cookiestore.Option
		says    string
	}{
		{"none", []cookiestore.Option{cookiestore.WithChunks(0)}, "WithChunks takes 1 to 8, and got 0"},
		{"nine", []cookiestore.Option{cookiestore.WithChunks(9)}, "WithChunks takes 1 to 8, and got 9"},
		{"chunks with less room than one cookie", []cookiestore.Option{cookiestore.WithChunks(2), cookiestore.WithMaxCookieSize(135)}, "leaves no room for chunks"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cookiestore.NewManager(newStore(t), test.options...)
			require.ErrorContains(t, err, test.says)
		})
	}
	for n := 1; n <= 8; n++ {
		_, err := cookiestore.NewManager(newStore(t), cookiestore.WithChunks(n))
		require.NoError(t, err)
	}
}

// A session that fits in one cookie costs no more where more are allowed.
func TestChunksCostSmallSessionsNothing(t *testing.T) {
	allocs := func(handler func(*cookiestore.Session), options ...cookiestore.Option) float64 {
		store := newStore(t)
		m, err := cookiestore.NewManager(store, append(options, cookiestore.WithLogger(slog.New(slog.DiscardHandler)))...)
		require.NoError(t, err)
		served := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handler(cookiestore.FromContext(r.Context())) }))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", begin(t, store, time.Now(), benchSession))
		w := &discard{header: http.Header{}}
		least := math.Inf(1)
		for range 100 { // the race detector has a sync.Pool forget things
			least = min(least, testing.AllocsPerRun(1, func() {
				clear(w.header)
				served.ServeHTTP(w, r)
			}))
		}
		return least
	}
	for name, handler := range map[string]func(*cookiestore.Session){
		"untouched": func(*cookiestore.Session) {},
		"read":      func(s *cookiestore.Session) { s.Has("num_visits") },
		"changed":   func(s *cookiestore.Session) { s.Set("num_visits", 7) },
	} {
		require.LessOrEqual(t, allocs(handler, cookiestore.WithChunks(8)), allocs(handler), name)
	}
}
