package cookiestore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// versions is a store of one record, which counts what it is asked.
type versions struct {
	mu        sync.Mutex
	rec       Record // without a Version, there is none
	id        string // the value of its cookie
	number    int
	loads     int
	saves     int
	conflicts int
	saving    func(ctx context.Context) error // is called before a save, if it is set
}

func newVersions(data string) *versions {
	return &versions{rec: Record{Data: data, Saved: time.Now(), Version: "v0"}, id: "id0"}
}

func (v *versions) Load(_ context.Context, _, value string) (Record, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.loads++
	if value != v.id || v.rec.Version == "" {
		return Record{}, ErrNoSession
	}
	return v.rec, nil
}

func (v *versions) Save(ctx context.Context, _ string, rec Record) (value, version string, err error) {
	if v.saving != nil {
		if err := v.saving(ctx); err != nil {
			return "", "", err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if rec.Cookie != v.id || rec.Version != v.rec.Version {
		v.conflicts++
		return "", "", ErrConflict
	}
	v.saves++
	v.put(rec.Data)
	if rec.NewID {
		v.id += "'"
	}
	return v.id, v.rec.Version, nil
}

// put changes the record, as another process does.
func (v *versions) put(data string) {
	v.number++
	v.rec = Record{Data: data, Saved: time.Now(), Version: "v" + strconv.Itoa(v.number)}
}

func (v *versions) Delete(_ context.Context, _, value, version string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if version != "" && (value != v.id || version != v.rec.Version) {
		v.conflicts++
		return ErrConflict
	}
	v.rec = Record{}
	return nil
}

func (v *versions) ClearExpired(context.Context) error { return nil }

func newTurns(t *testing.T, store Store) *Manager {
	t.Helper()
	m, err := NewManager(store)
	require.NoError(t, err)
	return m
}

func (m *Manager) mustLoad(t *testing.T) *Session {
	t.Helper()
	s, err := m.Load(t.Context(), "sessionid=id0")
	require.NoError(t, err)
	require.False(t, s.IsNew())
	return s
}

// However many requests of one session save at once, each loads it once and saves it
// once.
func TestRequestsOfOneSessionTakeTurns(t *testing.T) {
	for _, n := range []int{1, 2, 10, 200} {
		t.Run(fmt.Sprintf("%d requests", n), func(t *testing.T) {
			store := newVersions(`{"n":0}`)
			m := newTurns(t, store)
			var all sync.WaitGroup
			begin := make(chan struct{})
			store.saving = func(context.Context) error {
				for { // until all the others wait
					m.turns.mu.Lock()
					there := m.turns.lines["id0"].there
					m.turns.mu.Unlock()
					if store.saves > 0 || there == n {
						return nil
					}
					time.Sleep(time.Millisecond)
				}
			}
			for i := range n {
				s := m.mustLoad(t)
				all.Go(func() {
					<-begin
					assert.NoError(t, Modify(s, "n", func(n *int) { *n++ }))
					s.AddFlash(i)
					s.Set(strconv.Itoa(i), true)
					_, err := m.Save(t.Context(), s)
					assert.NoError(t, err)
				})
			}
			close(begin)
			all.Wait()
			require.Equal(t, n, store.loads)
			require.Equal(t, n, store.saves)
			require.Zero(t, store.conflicts)
			require.Empty(t, m.turns.lines, "nobody waits any more")
			s := m.mustLoad(t)
			require.Equal(t, n, s.Get("n"))
			require.Len(t, s.Flashes(), min(n, maxFlashes))
			require.Len(t, s.Keys(), n+1)
		})
	}
}

// second has one request save in the middle of the save of another, for which it waits,
// and another process do something just before its turn.
func second(t *testing.T, store *versions, m *Manager, first, then func(*Session), between func(*versions)) (one, two error) {
	t.Helper()
	a, b := m.mustLoad(t), m.mustLoad(t)
	first(a)
	then(b)
	var all sync.WaitGroup
	saves := 0
	store.saving = func(context.Context) error {
		switch saves++; {
		case saves == 1:
			all.Go(func() { _, two = m.Save(t.Context(), b) })
			synctest.Wait()
		case saves == 2 && between != nil:
			between(store)
		}
		return nil
	}
	_, one = m.Save(t.Context(), a)
	all.Wait()
	return one, two
}

func TestWhatTheRequestBeforeHandsOn(t *testing.T) {
	set := func(key string, value any) func(*Session) { return func(s *Session) { s.Set(key, value) } }
	for _, test := range []struct {
		name                    string
		first, then             func(*Session)
		between                 func(*versions) // what another process does
		data                    string
		loads, saves, conflicts int
		err                     error
	}{
		{"what it has saved", set("a", 1), set("b", 2), nil, `{"x":0,"a":1,"b":2}`, 2, 2, 0, nil},
		{"an expiry", func(s *Session) { s.SetExpiry(After(time.Minute)) }, set("b", 2), nil, `{"x":0,"_session_expiry":60,"b":2}`, 2, 2, 0, nil},
		{"nothing, after a new ID", (*Session).CycleKey, set("b", 2), nil, `{"x":0}`, 3, 1, 1, ErrInterrupted},
		{"to one that empties it", set("a", 1), (*Session).Clear, nil, `{"a":1}`, 2, 2, 0, nil},
		{"to one that gives it a new ID", set("a", 1), (*Session).CycleKey, nil, `{"x":0,"a":1}`, 2, 2, 0, nil},
		{"nothing that another process has changed", set("a", 1), set("b", 2),
			func(v *versions) { v.put(`{"x":0,"a":1,"c":3}`) }, `{"x":0,"a":1,"c":3,"b":2}`, 3, 2, 1, nil},
		{"nothing that another process has deleted", set("a", 1), set("b", 2),
			func(v *versions) { v.rec = Record{} }, ``, 3, 1, 1, ErrInterrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newVersions(`{"x":0}`)
				m := newTurns(t, store)
				one, two := second(t, store, m, test.first, test.then, test.between)
				require.NoError(t, one)
				require.ErrorIs(t, two, test.err)
				require.Equal(t, test.data, store.rec.Data)
				require.Equal(t, []int{test.loads, test.saves, test.conflicts}, []int{store.loads, store.saves, store.conflicts})
				require.Empty(t, m.turns.lines)
			})
		})
	}
}

// A request that has loaded what another process saved is not behind this one's.
func TestBehind(t *testing.T) {
	var none *turn
	require.False(t, none.isBehind("v0"))
	none.pass()
	at := &turn{line: &line{}}
	require.False(t, at.isBehind("v0"), "nobody was before")
	at.saved("v0", Record{Version: "v1"})
	require.True(t, at.isBehind("v0"))
	require.False(t, at.isBehind("v1"))
	require.False(t, at.isBehind("v9"), "it may be newer")
	at.saved("v1", Record{Version: "v1"}) // as it was, in the same second
	require.False(t, at.isBehind("v1"))
	for i := 1; i <= 3*maxPast; i++ {
		at.saved("v"+strconv.Itoa(i), Record{Version: "v" + strconv.Itoa(i+1)})
	}
	require.LessOrEqual(t, len(at.line.past), maxPast)
	require.False(t, at.isBehind("v0"))
	for i := 2*maxPast + maxPast/2 + 1; i <= 3*maxPast; i++ {
		require.True(t, at.isBehind("v"+strconv.Itoa(i)))
	}
}

// A visitor who leaves has still saved, and so has the next in the line.
func TestSavesGoOnWhenTheVisitorLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newVersions(`{"x":0}`)
		m := newTurns(t, store)
		a, b := m.mustLoad(t), m.mustLoad(t)
		a.Set("a", 1)
		b.Set("b", 2)
		gone, leave := context.WithCancel(t.Context())
		saves := 0
		store.saving = func(ctx context.Context) error {
			if saves++; saves == 1 {
				leave()
				store.mu.Lock()
				store.put(`{"x":0,"c":3}`) // of another process, so that it is merged
				store.mu.Unlock()
			}
			return ctx.Err()
		}
		_, err := m.Save(gone, a)
		require.NoError(t, err)
		_, err = m.Save(gone, b)
		require.NoError(t, err)
		require.Equal(t, `{"x":0,"c":3,"a":1,"b":2}`, store.rec.Data)
	})
}

// What a request does to save has a bound, its wait for others included.
func TestSavesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newVersions(`{"x":0}`)
		m := newTurns(t, store)
		hang := func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		began := time.Now()
		var all sync.WaitGroup
		store.saving = hang
		for range 3 {
			s := m.mustLoad(t)
			s.Set("a", 1)
			all.Go(func() {
				_, err := m.Save(t.Context(), s)
				assert.EqualError(t, err, "session can't be saved: saving it took over 30s: too many requests change it at the same time, or the store is slow")
			})
		}
		all.Wait()
		require.Equal(t, maxSaveTime, time.Since(began), "they wait side by side")
		require.Empty(t, m.turns.lines)

		s := m.mustLoad(t)
		s.Set("a", 1)
		store.saving = func(context.Context) error { // another process is always faster
			time.Sleep(time.Second)
			store.mu.Lock()
			defer store.mu.Unlock()
			store.put(`{"x":0}`)
			return nil
		}
		_, err := m.Save(t.Context(), s)
		require.ErrorContains(t, err, "saving it took over 30s")
	})
}

// What the first has handed on is worth nothing to the third, after the second has given
// the session a new ID, or ended it.
func TestNothingIsHandedOnOfASessionThatIsGone(t *testing.T) {
	for name, leave := range map[string]func(*Session){
		"a new ID": (*Session).CycleKey,
		"emptied":  func(s *Session) { s.Delete("x", "a") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newVersions(`{"x":0}`)
				m := newTurns(t, store)
				a, b, c := m.mustLoad(t), m.mustLoad(t), m.mustLoad(t)
				a.Set("x", 1)
				leave(b)
				c.Set("c", 3)
				var two, three error
				var all sync.WaitGroup
				saves := 0
				store.saving = func(context.Context) error {
					if saves++; saves > 1 {
						return nil
					}
					all.Go(func() { _, two = m.Save(t.Context(), b) })
					synctest.Wait()
					all.Go(func() { _, three = m.Save(t.Context(), c) })
					synctest.Wait()
					return nil
				}
				_, one := m.Save(t.Context(), a)
				all.Wait()
				require.NoError(t, one)
				require.NoError(t, two)
				require.ErrorIs(t, three, ErrInterrupted)
				require.Equal(t, 1, store.conflicts, "it asks the store at once")
				require.Empty(t, m.turns.lines)
			})
		})
	}
}

// Where nothing can conflict, nobody waits.
func TestStoresWithoutVersionsTakeNoTurns(t *testing.T) {
	store := newVersions(`{"x":0}`)
	m := newTurns(t, unversioned{store})
	s := m.mustLoad(t)
	s.Set("a", 1)
	store.saving = func(context.Context) error {
		require.Empty(t, m.turns.lines)
		return nil
	}
	_, err := m.Save(t.Context(), s)
	require.NoError(t, err)
}

type unversioned struct{ *versions }

func (u unversioned) Load(ctx context.Context, name, value string) (Record, error) {
	rec, err := u.versions.Load(ctx, name, value)
	rec.Version = ""
	return rec, err
}

func (u unversioned) Save(ctx context.Context, name string, rec Record) (value, version string, err error) {
	return u.id, "", u.saving(ctx)
}
