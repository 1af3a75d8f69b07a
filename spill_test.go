package cookiestore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// place returns where the tab's session is, by its cookie, and how many records there are.
func (b *tab) place(records *rows) (where string, count int) {
	switch value, ok := b.cookies["sessionid"]; {
	case !ok:
		where = "nowhere"
	case strings.HasPrefix(value, "~"):
		where = "record"
	default:
		where = "cookie"
	}
	return where, len(records.rows)
}

func (b *tab) requirePlace(records *rows, where string, count int) {
	b.t.Helper()
	gotWhere, gotCount := b.place(records)
	require.Equal(b.t, where, gotWhere)
	require.Equal(b.t, count, gotCount, "records")
}

func TestSpillMovesSessions(t *testing.T) {
	for _, test := range []struct {
		name    string
		cookie  *cookiestore.CookieStore
		options []cookiestore.Option
		scale   int
	}{
		{"signed", newStore(t, cookiestore.WithCompressionOver(-1)), nil, 1},
		{"encrypted", newStore(t, cookiestore.WithEncryption()), nil, 1},
		{"signed, in two cookies", newStore(t, cookiestore.WithCompressionOver(-1)), []cookiestore.Option{cookiestore.WithChunks(2)}, 2},
		{"encrypted, in two cookies", newStore(t, cookiestore.WithEncryption()), []cookiestore.Option{cookiestore.WithChunks(2)}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			records := newRows()
			b := newTab(t, cookiestore.Spill(test.cookie, records), test.options...)
			for _, step := range []struct {
				size  int
				where string
			}{
				{10, "cookie"},
				{2800, "cookie"},
				{3100, "record"},
				{20_000, "record"},
				{2800, "record"}, // it would fit, but only just
				{2300, "record"},
				{2000, "cookie"},
				{2800, "cookie"},
				{3100, "record"},
				{100_000, "record"}, // more than could be read from a cookie
				{10, "cookie"},
			} {
				resp := b.visit(setCart(step.size * test.scale))
				require.Equal(t, http.StatusOK, resp.StatusCode)
				count := 0
				if step.where == "record" {
					count = 1
				}
				b.requirePlace(records, step.where, count)
				require.Equal(t, step.size*test.scale, b.cart(b.field()))
			}
		})
	}
}

func TestSpilledSessionsEndWhereverTheyAre(t *testing.T) {
	for name, size := range map[string]int{"cookie": 10, "record": 5000} {
		newVisitor := func(t *testing.T) (*tab, *rows) {
			records := newRows()
			b := newTab(t, cookiestore.Spill(newStore(t), records))
			b.visit(setCart(size))
			b.requirePlace(records, name, len(records.rows))
			return b, records
		}
		ends := map[string]func(*cookiestore.Session){
			"flushed":      (*cookiestore.Session).Flush,
			"emptied":      (*cookiestore.Session).Clear,
			"over at once": func(s *cookiestore.Session) { s.SetExpiry(cookiestore.After(0)) },
		}
		for how, end := range ends {
			t.Run(how+" in a "+name, func(t *testing.T) {
				b, records := newVisitor(t)
				b.visit(end)
				b.requirePlace(records, "nowhere", 0)
			})
		}
		for where, next := range map[string]int{"cookie": 20, "record": 6000} {
			t.Run("flushed in a "+name+", and the next one in a "+where, func(t *testing.T) {
				b, records := newVisitor(t)
				before := b.cookies["sessionid"]
				b.visit(func(s *cookiestore.Session) { s.Flush(); setCart(next)(s) })
				b.requirePlace(records, where, next/5000)
				require.NotEqual(t, before, b.cookies["sessionid"])
			})
			t.Run("cycled in a "+name+", on its way to a "+where, func(t *testing.T) {
				b, records := newVisitor(t)
				before := b.cookies["sessionid"]
				b.visit(func(s *cookiestore.Session) { s.CycleKey(); setCart(next)(s) })
				b.requirePlace(records, where, next/5000)
				require.NotEqual(t, before, b.cookies["sessionid"])
				if name == "record" {
					require.Equal(t, noSession, b.cart("sessionid="+before))
				}
			})
		}
	}
}

// What two requests do at the same time to a session that moves.
func TestSpillAndOtherRequests(t *testing.T) {
	type session = *cookiestore.Session
	setup := func(t *testing.T, size int) (*tab, *rows) {
		records := newRows()
		b := newTab(t, cookiestore.Spill(newStore(t), records))
		b.visit(setCart(size))
		return b, records
	}
	shrink := func(s session) { s.Set("cart", "small") }
	grow := func(s session) { s.Set("more", dictionary(9000, true)) }
	// both has inner served while outer is, with the same cookies. The visitor keeps those of
	// outer, which come last.
	both := func(b *tab, outer, inner func(session)) *http.Response {
		field := b.field()
		resp := b.send(field, func(s session) {
			s.Has("cart")
			b.keep(b.send(field, inner))
			outer(s)
		})
		b.keep(resp)
		return resp
	}
	keys := func(b *tab) (keys []string) {
		b.send(b.field(), func(s session) { keys = s.Keys() })
		return keys
	}
	t.Run("a change meanwhile goes with it into the cookie", func(t *testing.T) {
		b, records := setup(t, 5000)
		resp := both(b, shrink, func(s session) { s.Set("inner", 1) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		b.requirePlace(records, "cookie", 0)
		require.Equal(t, []string{"cart", "n", "inner"}, keys(b))
	})
	t.Run("a change meanwhile keeps it in the record if it makes it large", func(t *testing.T) {
		b, records := setup(t, 5000)
		require.Equal(t, http.StatusOK, both(b, shrink, grow).StatusCode)
		b.requirePlace(records, "record", 1)
		require.Equal(t, []string{"cart", "n", "more"}, keys(b))
	})
	t.Run("one that was ended meanwhile is not brought back into the cookie", func(t *testing.T) {
		for name, end := range map[string]func(session){"flushed": session.Flush, "emptied": session.Clear} {
			b, records := setup(t, 5000)
			resp := both(b, shrink, end)
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, name)
			require.Empty(t, resp.Cookies(), name)
			b.requirePlace(records, "nowhere", 0)
		}
	})
	t.Run("one that went into the cookie meanwhile stays there", func(t *testing.T) {
		b, records := setup(t, 5000)
		resp := both(b, func(s session) { s.Set("outer", 1) }, shrink)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, "the record is gone")
		require.Empty(t, resp.Cookies())
		b.requirePlace(records, "cookie", 0)
		require.Equal(t, []string{"cart", "n"}, keys(b))
	})
	t.Run("of two that make it a record the later counts", func(t *testing.T) {
		b, records := setup(t, 10)
		resp := both(b, grow, func(s session) { s.Set("inner", dictionary(9000, true)) })
		require.Equal(t, http.StatusOK, resp.StatusCode)
		b.requirePlace(records, "record", 2)
		require.Equal(t, []string{"cart", "n", "more"}, keys(b))
	})
	t.Run("in a record, both changes count", func(t *testing.T) {
		b, records := setup(t, 5000)
		require.Equal(t, http.StatusOK, both(b, func(s session) { s.Set("outer", 1) }, func(s session) { s.Set("inner", 1) }).StatusCode)
		b.requirePlace(records, "record", 1)
		require.Equal(t, []string{"cart", "n", "inner", "outer"}, keys(b))
	})
	t.Run("saved twice in one request", func(t *testing.T) {
		b, records := setup(t, 10)
		s, err := b.manager.Load(t.Context(), b.field())
		require.NoError(t, err)
		for _, step := range []struct {
			size  int
			where string
		}{{5000, "record"}, {6000, "record"}, {20, "cookie"}, {30, "cookie"}, {7000, "record"}} {
			setCart(step.size)(s)
			cookies, err := b.manager.Save(t.Context(), s)
			require.NoError(t, err)
			require.Len(t, cookies, 1)
			b.cookies["sessionid"] = cookies[0].Value
			b.requirePlace(records, step.where, strings.Count(step.where, "record"))
			require.Equal(t, step.size, b.cart(b.field()))
		}
	})
}

// broken is a store that fails.
type broken struct{}

func (broken) Save(context.Context, string, cookiestore.Record) (string, string, error) {
	return "", "", errDown
}
func (broken) Delete(context.Context, string, string, string) error { return errDown }
func (broken) Load(context.Context, string, string) (cookiestore.Record, error) {
	return cookiestore.Record{}, errDown
}
func (broken) ClearExpired(context.Context) error { return errDown }

func TestSpillWithoutItsRecords(t *testing.T) {
	records := newRows()
	b := newTab(t, cookiestore.Spill(newStore(t), records))
	b.visit(setCart(5000))
	spilled := b.field()
	store := cookiestore.Spill(newStore(t), broken{})
	b = newTab(t, store)
	require.Equal(t, http.StatusOK, b.visit(setCart(10)).StatusCode, "small sessions need no database")
	require.Equal(t, 10, b.cart(b.field()))
	before := b.field()
	require.Equal(t, http.StatusInternalServerError, b.visit(setCart(5000)).StatusCode)
	require.Equal(t, before, b.field())
	require.Equal(t, http.StatusInternalServerError, b.send(spilled, setCart(10)).StatusCode)
	require.ErrorIs(t, store.ClearExpired(t.Context()), errDown)
	require.ErrorIs(t, store.Delete(t.Context(), "sessionid", "~x", ""), errDown)
	require.NoError(t, store.Delete(t.Context(), "sessionid", "x", ""))

	// The record can be read and can't be deleted: the session stays one.
	b = newTab(t, cookiestore.Spill(newStore(t), undeletable{records}))
	resp := b.send(spilled, setCart(10))
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Empty(t, resp.Cookies())
	require.Equal(t, 5000, b.cart(spilled))
}

type undeletable struct{ *rows }

func (undeletable) Delete(context.Context, string, string, string) error { return errDown }

func TestSpillIsAStoreByItself(t *testing.T) {
	records := newRows()
	store := cookiestore.Spill(newStore(t, cookiestore.WithCompressionOver(-1)), records)
	now := time.Unix(1_800_000_000, 0)
	save := func(rec cookiestore.Record, size int) cookiestore.Record {
		t.Helper()
		rec.Data, rec.Saved = dictionary(size, true), now
		value, version, err := store.Save(t.Context(), "sessionid", rec)
		require.NoError(t, err)
		loaded, err := store.Load(t.Context(), "sessionid", value)
		require.NoError(t, err)
		require.Equal(t, rec.Data, loaded.Data)
		require.Equal(t, version, loaded.Version)
		loaded.Cookie = value
		return loaded
	}
	const one = (cookiestore.MaxCookieSize - len("sessionid") - len(":1xocE4:") - 43) / 4 * 3
	const braces = len(`{"cart":"","n":1}`)
	rec := save(cookiestore.Record{}, one-braces)
	require.False(t, strings.HasPrefix(rec.Cookie, "~"), "without a limit, it is that of name and value")
	rec = save(rec, one-braces+1)
	require.True(t, strings.HasPrefix(rec.Cookie, "~"))
	room := (cookiestore.MaxCookieSize - len("sessionid")) * 3 / 4
	back := (room - len(":1xocE4:") - 43) / 4 * 3
	rec = save(rec, back-braces+3)
	require.True(t, strings.HasPrefix(rec.Cookie, "~"), "more than three quarters")
	rec = save(rec, back-braces)
	require.False(t, strings.HasPrefix(rec.Cookie, "~"), "three quarters")
	require.Empty(t, records.rows)

	rec.NewID = true
	rec = save(rec, 5000)
	for _, row := range records.rows {
		require.False(t, row.NewID, "there was no record before")
	}
	rec = save(rec, 10)
	require.Empty(t, records.rows)

	_, err := store.Load(t.Context(), "s", strings.Repeat("x", cookiestore.MaxCookieSize-1))
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	_, err = store.Load(t.Context(), "s", strings.Repeat("x", cookiestore.MaxCookieSize))
	require.ErrorIs(t, err, cookiestore.ErrTooLarge)
	_, _, err = store.Save(t.Context(), "sessionid", cookiestore.Record{Data: "[]", Saved: now})
	require.ErrorIs(t, err, cookiestore.ErrMalformed)
	require.Empty(t, records.rows)
}

// A site that has kept all sessions as records goes on with them.
func TestSpillReadsOtherFormats(t *testing.T) {
	old := newStore(t)
	records := newRows()
	before := begin(t, old, time.Now(), dictionary(10, true))
	recordBefore := begin(t, records, time.Now(), dictionary(20, true))
	cookie := newStore(t, cookiestore.WithEncryption(), cookiestore.WithLegacy(old, records))
	b := newTab(t, cookiestore.Spill(cookie, records))
	for field, size := range map[string]int{before: 10, recordBefore: 20} {
		resp := b.send(field, func(s *cookiestore.Session) { require.Len(t, cookiestore.Get(s, "cart", ""), size) })
		require.Len(t, resp.Cookies(), 1, "it is written anew")
		require.Equal(t, size, b.cart("sessionid="+resp.Cookies()[0].Value))
	}
}

func TestSpillNeedsTwoStores(t *testing.T) {
	require.PanicsWithValue(t, "cookiestore: Spill needs two stores, and one is nil", func() { cookiestore.Spill(nil, newRows()) })
	require.PanicsWithValue(t, "cookiestore: Spill needs two stores, and one is nil", func() { cookiestore.Spill(newStore(t), nil) })
	require.PanicsWithValue(t, "cookiestore: Spill needs two stores, and one is nil", func() { cookiestore.Spill(newStore(t), (*rows)(nil)) })
}

func TestFallbackCodecs(t *testing.T) {
	codec := func(key []byte) *securecookie.SecureCookie {
		return securecookie.New(key, key).SetSerializer(securecookie.NopEncoder{})
	}
	with := func(c cookiestore.Codec, options ...cookiestore.StoreOption) *cookiestore.CookieStore {
		store, err := cookiestore.NewWithCodec(c, options...)
		require.NoError(t, err)
		return store
	}
	third := []byte(strings.Repeat("t", 32))
	signer, err := cookiestore.NewSigner(third)
	require.NoError(t, err)
	store := with(codec(testKey), cookiestore.WithFallbackCodecs(codec(otherKey)), cookiestore.WithFallbackCodecs(signer), cookiestore.WithLegacy(newRows()))
	now := time.Now()
	for _, test := range []struct {
		name   string
		store  *cookiestore.CookieStore
		resave bool
	}{
		{"the first codec's own", with(codec(testKey)), false},
		{"the second's is written anew", with(codec(otherKey)), true},
		{"the third's is, too, and may be a Signer", with(signer), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			field := begin(t, test.store, now, `{"a":1}`)
			rec, err := store.Load(t.Context(), "sessionid", strings.TrimPrefix(field, "sessionid="))
			require.NoError(t, err)
			require.Equal(t, cookiestore.Record{Data: `{"a":1}`, Saved: now.Truncate(time.Second), Resave: test.resave}, rec)
			b := newTab(t, store)
			resp := b.send(field, func(s *cookiestore.Session) { s.Has("a") })
			require.Equal(t, test.resave, len(resp.Cookies()) == 1)
			if test.resave {
				rec, err := with(codec(testKey)).Load(t.Context(), "sessionid", resp.Cookies()[0].Value)
				require.NoError(t, err, "the first writes")
				require.Equal(t, `{"a":1}`, rec.Data)
			}
		})
	}
	t.Run("that of none is refused", func(t *testing.T) {
		field := begin(t, with(codec([]byte(strings.Repeat("u", 32)))), now, `{"a":1}`)
		_, err := store.Load(t.Context(), "sessionid", strings.TrimPrefix(field, "sessionid="))
		require.True(t, cookiestore.IsRefused(err))
	})
	t.Run("what inflates to more than the limit is refused", func(t *testing.T) {
		store := with(codec(testKey), cookiestore.WithFallbackCodecs(signer), cookiestore.WithMaxInflated(2000))
		field := begin(t, with(signer), now, dictionary(3000, false))
		_, err := store.Load(t.Context(), "sessionid", strings.TrimPrefix(field, "sessionid="))
		require.True(t, cookiestore.IsRefused(err))
	})
	t.Run("what makes no sense is an error", func(t *testing.T) {
		_, err := cookiestore.NewWithCodec(signer, cookiestore.WithFallbackCodecs(nil))
		require.ErrorContains(t, err, "WithFallbackCodecs was given a nil Codec")
		for _, options := range [][]cookiestore.StoreOption{
			{cookiestore.WithFallbackCodecs(signer)},
			{cookiestore.WithFallbackCodecs(signer), cookiestore.WithEncryption()},
		} {
			_, err = cookiestore.New(testKey, options...)
			require.ErrorContains(t, err, "WithFallbackCodecs is for NewWithCodec")
		}
	})
}
