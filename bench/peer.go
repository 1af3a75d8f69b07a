package main

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"example.com/cookiestore"
	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
)

const (
	cookieName = "sessionid"
	maxAge     = 14 * 24 * time.Hour
)

// key signs everything here. It is not a secret.
var key = []byte("the benchmarks' key, which is not secret")

func init() { gob.Register([]item{}) } // gorilla and scs keep sessions as gob

// A peer is one way to keep sessions, with the same handlers as every other,
// written as its users would write them.
type peer struct {
	name string

	// login begins a session that holds the visit.
	login func(visit) http.Handler

	// read answers with the visits counted so far, and change counts one more.
	// untouched has nothing to do with the session.
	read, change func(answer) http.Handler
	untouched    http.Handler
}

// An answer writes the page: the number of visits.
type answer func(w http.ResponseWriter, visits int)

func writeVisits(w http.ResponseWriter, visits int) {
	w.Write(strconv.AppendInt(nil, int64(visits), 10))
}

// noAnswer leaves the page out where only the session is to be measured.
func noAnswer(http.ResponseWriter, int) {}

var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// handle makes a handler of a function that returns the visits.
func handle(reply answer, visits func(http.ResponseWriter, *http.Request) (int, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := visits(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		reply(w, n)
	})
}

var errNotThere = errors.New("the session is not there")

// attributes are at most what a Set-Cookie field has beside name and value.
const attributes = "; Expires=Mon, 02 Jan 2006 15:04:05 GMT; Max-Age=1209600; Path=/; HttpOnly; SameSite=Lax; "

func cookiestorePeer(name string, store cookiestore.Store, options ...cookiestore.Option) peer {
	wrap := cookiestore.Middleware(store, append([]cookiestore.Option{
		cookiestore.WithSecure(false), // this is plain HTTP
		cookiestore.WithMaxAge(maxAge),
		cookiestore.WithMaxCookieSize(cookiestore.MaxCookieSize + len(attributes)), // the peers count no attributes
		cookiestore.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}),
	}, options...)...)
	return peer{
		name: name,
		login: func(v visit) http.Handler {
			return wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				cookiestore.FromContext(r.Context()).Update(v)
			}))
		},
		read: func(reply answer) http.Handler {
			return wrap(handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				return cookiestore.Get(cookiestore.FromContext(r.Context()), "num_visits", 0), nil
			}))
		},
		change: func(reply answer) http.Handler {
			return wrap(handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				session := cookiestore.FromContext(r.Context())
				visits := cookiestore.Get(session, "num_visits", 0) + 1
				session.Set("num_visits", visits)
				return visits, nil
			}))
		},
		untouched: wrap(nothing),
	}
}

// scsPeer is alexedwards/scs, whose sessions are records under a random token.
func scsPeer(name string, store scs.Store) peer {
	m := scsManager(store)
	return peer{
		name: name,
		login: func(v visit) http.Handler {
			return m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				v.each(func(key string, value any) { m.Put(r.Context(), key, value) })
			}))
		},
		read: func(reply answer) http.Handler {
			return m.LoadAndSave(handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				return m.GetInt(r.Context(), "num_visits"), nil
			}))
		},
		change: func(reply answer) http.Handler {
			return m.LoadAndSave(handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				visits := m.GetInt(r.Context(), "num_visits") + 1
				m.Put(r.Context(), "num_visits", visits)
				return visits, nil
			}))
		},
		untouched: m.LoadAndSave(nothing),
	}
}

func scsManager(store scs.Store) *scs.SessionManager {
	m := scs.New()
	m.Store = store
	m.Lifetime = maxAge
	m.Cookie.Name = cookieName
	return m
}

// gorillaPeer is gorilla/sessions, signing as ours does. It has no middleware: a
// handler that doesn't ask for the session pays nothing.
func gorillaPeer() peer {
	store := sessions.NewCookieStore(key)
	store.Options = &sessions.Options{Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	store.MaxAge(store.Options.MaxAge)
	visits := func(r *http.Request) (*sessions.Session, int, error) {
		session, err := store.Get(r, cookieName)
		if err != nil {
			return nil, 0, err
		}
		n, ok := session.Values["num_visits"].(int)
		if !ok {
			return nil, 0, errNotThere
		}
		return session, n, nil
	}
	return peer{
		name: "gorilla/sessions",
		login: func(v visit) http.Handler {
			return handle(noAnswer, func(w http.ResponseWriter, r *http.Request) (int, error) {
				session, err := store.Get(r, cookieName)
				if err != nil {
					return 0, err
				}
				v.each(func(key string, value any) { session.Values[key] = value })
				return 0, session.Save(r, w)
			})
		},
		read: func(reply answer) http.Handler {
			return handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				_, n, err := visits(r)
				return n, err
			})
		},
		change: func(reply answer) http.Handler {
			return handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				session, n, err := visits(r)
				if err != nil {
					return 0, err
				}
				session.Values["num_visits"] = n + 1
				return n + 1, session.Save(r, w)
			})
		},
		untouched: nothing,
	}
}

// errTooLarge is for a session that a peer can't keep in a cookie.
type errTooLarge struct{ why string }

func (e errTooLarge) Error() string { return "does not fit: " + e.why }

// checkCookie refuses what browsers would: more than 4096 bytes of name and value.
func checkCookie(c *http.Cookie) error {
	if n := len(c.Name) + len(c.Value); n > cookiestore.MaxCookieSize {
		return errTooLarge{fmt.Sprintf("a cookie of %d bytes", n)}
	}
	return nil
}
