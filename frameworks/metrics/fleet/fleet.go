// Package fleet runs a site of several servers, visits it, and records what Prometheus
// would have scraped meanwhile: for the tests of the alerts, and for the picture of the
// dashboard.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "modernc.org/sqlite"

	"example.com/cookiestore"
	"example.com/cookiestore/dbstore"
	"example.com/cookiestore/frameworks/metrics/prom"
)

// A Fleet is a few servers that share a key and a database, for sessions that don't fit in
// the cookie, and the browsers that visit them.
type Fleet struct {
	Recording

	// Strays says of how many visits one is by a client that sends a part of its cookie.
	Strays int

	database string
	key      []byte // of the records, and of cookies from before the recording
	servers  []*server
	visitors []*visitor
	random   *rand.Rand
	client   http.Client
	pair     atomic.Pointer[pair]
}

// A pair is two requests of one page at the same time. Each loads the session before the
// other saves it.
type pair struct{ loaded, over chan struct{} }

func (p *pair) wait() {
	select {
	case p.loaded <- struct{}{}:
	case <-p.loaded:
	case <-p.over: // the other has failed
	}
}

type server struct {
	*http.Server
	url     string
	records *dbstore.Store
}

// A visitor is a browser with the one cookie.
type visitor struct {
	cookie string
	cart   int // bytes in their session
}

// New returns servers with that key, whose database is in dir. Close it.
func New(dir string, servers int, key []byte) (*Fleet, error) {
	f := &Fleet{
		database: filepath.Join(dir, "sessions.db"), key: key,
		servers: make([]*server, servers), random: rand.New(rand.NewPCG(1, 2)), Strays: 500,
	}
	for range 300 {
		v, err := f.newVisitor()
		if err != nil {
			return nil, err
		}
		f.visitors = append(f.visitors, v)
	}
	for i := range servers {
		if err := f.Deploy(i, key); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// Deploy replaces a server with one that has these keys.
func (f *Fleet) Deploy(i int, key []byte, fallbacks ...[]byte) error {
	if f.servers[i] != nil {
		f.servers[i].close()
		f.servers[i] = nil
	}
	cookies, err := cookiestore.New(key, cookiestore.WithFallbackKeys(fallbacks...))
	if err != nil {
		return err
	}
	records, err := dbstore.OpenSQLite("sqlite", f.database, f.key)
	if err != nil {
		return err
	}
	if err := records.CreateTable(context.Background()); err != nil {
		return errors.Join(err, records.Close())
	}
	reg := prometheus.NewRegistry()
	withSessions := cookiestore.Middleware(cookiestore.Spill(cookies, records),
		cookiestore.WithSecure(false), cookiestore.WithRenewal(0.5),
		cookiestore.WithLogger(slog.New(slog.DiscardHandler)),
		cookiestore.WithObserver(prom.Observer(reg, "sessionid")))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.Handle("/", withSessions(f.pages()))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, records.Close())
	}
	s := &server{&http.Server{Handler: mux}, "http://" + listener.Addr().String(), records}
	f.servers[i] = s
	go s.Serve(listener)
	return nil
}

// CloseDatabase takes the database from a server, until it is deployed again.
func (f *Fleet) CloseDatabase(i int) error { return f.servers[i].records.Close() }

func (s *server) close() {
	s.Close()
	s.records.Close()
}

// Close ends the servers.
func (f *Fleet) Close() {
	for _, s := range f.servers {
		if s != nil {
			s.close()
		}
	}
	f.client.CloseIdleConnections()
}

func (f *Fleet) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/read", func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Has("cart")
	})
	mux.HandleFunc("/cart/{size}", func(_ http.ResponseWriter, r *http.Request) {
		var size int
		fmt.Sscan(r.PathValue("size"), &size)
		session := cookiestore.FromContext(r.Context())
		session.Set("cart", noise(size))
		if p := f.pair.Load(); p != nil {
			p.wait()
		}
		session.Set("num_visits", cookiestore.Get(session, "num_visits", 0)+1)
	})
	mux.HandleFunc("/leave", func(_ http.ResponseWriter, r *http.Request) {
		cookiestore.FromContext(r.Context()).Flush()
	})
	return mux
}

// noise is text that doesn't compress to nothing.
func noise(size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%x", rand.Uint64())
	}
	return b.String()[:size]
}

// newVisitor is somebody without a session, or with one from a few days or weeks ago.
func (f *Fleet) newVisitor() (*visitor, error) {
	v := &visitor{cart: int(100 * math.Exp(f.random.Float64()*3))} // to 2000
	if f.random.IntN(20) == 0 {
		v.cart = 6000 // a record in the database
	}
	if f.random.IntN(3) == 0 {
		return v, nil
	}
	saved := time.Now().Add(-time.Duration(f.random.IntN(16*24)) * time.Hour)
	store, err := cookiestore.New(f.key)
	if err != nil {
		return nil, err
	}
	m, err := cookiestore.NewManager(store, cookiestore.WithClock(func() time.Time { return saved }))
	if err != nil {
		return nil, err
	}
	session, err := m.Load(context.Background(), "")
	if err != nil {
		return nil, err
	}
	session.Set("cart", noise(min(v.cart, 1000)))
	cookies, err := m.Save(context.Background(), session)
	if err != nil {
		return nil, err
	}
	v.cookie = cookies[0].Value
	return v, nil
}

// Visit makes requests of 15 seconds, as fast as the servers answer, and scrapes.
func (f *Fleet) Visit(requests int) error {
	for range requests {
		if f.random.IntN(50) == 0 {
			v, err := f.newVisitor()
			if err != nil {
				return err
			}
			f.visitors[f.random.IntN(len(f.visitors))] = v
		}
		v := f.visitors[f.random.IntN(len(f.visitors))]
		if err := f.request(v); err != nil {
			return err
		}
	}
	return f.scrape(f.servers)
}

func (f *Fleet) request(v *visitor) error {
	path := "/read"
	switch n := f.random.IntN(100); {
	case n < 30:
		path = fmt.Sprintf("/cart/%d", v.cart)
	case n < 32:
		path = "/leave"
	}
	if f.random.IntN(f.Strays) == 0 && len(v.cookie) > 40 {
		v = &visitor{v.cookie[:len(v.cookie)-1], v.cart}
	}
	if v.cart < 5000 {
		return f.get(v, f.random.IntN(len(f.servers)), path)
	}
	p := &pair{make(chan struct{}), make(chan struct{})}
	f.pair.Store(p)
	defer f.pair.Store(nil)
	first := f.random.IntN(len(f.servers))
	copied, done := *v, make(chan error)
	go func() { done <- f.get(&copied, first, path) }()
	go func() { done <- f.get(v, (first+1)%len(f.servers), path) }()
	err := <-done
	close(p.over)
	return errors.Join(err, <-done)
}

// get asks one server for a page, and keeps the cookie that it sets.
func (f *Fleet) get(v *visitor, i int, path string) error {
	r, err := http.NewRequest(http.MethodGet, f.servers[i].url+path, nil)
	if err != nil {
		return err
	}
	if v.cookie != "" {
		r.Header.Set("Cookie", "sessionid="+v.cookie)
	}
	response, err := f.client.Do(r)
	if err != nil {
		return err
	}
	response.Body.Close()
	for _, c := range response.Cookies() {
		v.cookie = c.Value // "" where it is deleted
	}
	return nil
}
