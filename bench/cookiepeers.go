package main

import (
	"net/http"
	"slices"
	"time"

	"example.com/cookiestore"
	"github.com/alexedwards/scs/v2/memstore"
	ginsessions "github.com/gin-contrib/sessions"
	gincookie "github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/securecookie"
)

const uncompressed = "cookiestore, never compressed"

// cookiePeers are the peers of the speed command: those that need no database.
func cookiePeers() []peer {
	return []peer{
		floorPeer(floorName, floors),
		floorPeer(pooledFloorName, pooledFloors),
		cookiestorePeer("cookiestore", must(cookiestore.New(key))),
		cookiestorePeer(uncompressed, must(cookiestore.New(key, cookiestore.WithCompressionOver(-1)))),
		gorillaPeer(),
		ginPeer(),
		scsPeer("scs, in memory", memstore.NewWithCleanupInterval(0)),
		jwtPeer(),
		securecookiePeer("securecookie with JSON", nil),
	}
}

// peersFor are the peers of a session of size bytes of JSON. Up to 1024 bytes the
// cookie store compresses nothing, and is there once.
func peersFor(size int) []peer {
	return slices.DeleteFunc(cookiePeers(), func(p peer) bool { return p.name == uncompressed && size <= 1024 })
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ginPeer is gin-contrib/sessions with its cookie store, inside gin.
func ginPeer() peer {
	gin.SetMode(gin.ReleaseMode)
	store := gincookie.NewStore(key)
	store.Options(ginsessions.Options{Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode})
	site := func(visits func(ginsessions.Session, http.ResponseWriter) error) http.Handler {
		engine := gin.New()
		engine.Use(ginsessions.Sessions(cookieName, store))
		engine.GET("/", func(c *gin.Context) {
			if err := visits(ginsessions.Default(c), c.Writer); err != nil {
				http.Error(c.Writer, err.Error(), http.StatusInternalServerError)
			}
		})
		return engine
	}
	return peer{
		name: "gin-contrib/sessions",
		login: func(v visit) http.Handler {
			return site(func(s ginsessions.Session, w http.ResponseWriter) error {
				v.each(func(key string, value any) { s.Set(key, value) })
				return s.Save()
			})
		},
		read: func(reply answer) http.Handler {
			return site(func(s ginsessions.Session, w http.ResponseWriter) error {
				n, ok := s.Get("num_visits").(int)
				if !ok {
					return errNotThere
				}
				reply(w, n)
				return nil
			})
		},
		change: func(reply answer) http.Handler {
			return site(func(s ginsessions.Session, w http.ResponseWriter) error {
				n, ok := s.Get("num_visits").(int)
				if !ok {
					return errNotThere
				}
				s.Set("num_visits", n+1)
				if err := s.Save(); err != nil {
					return err
				}
				reply(w, n+1)
				return nil
			})
		},
		untouched: site(func(ginsessions.Session, http.ResponseWriter) error { return nil }),
	}
}

// structPeer is a peer whose session is a struct that two functions turn into the
// value of a cookie and back.
func structPeer(name string, encode func(visit) (string, error), decode func(string) (visit, error)) peer {
	save := func(w http.ResponseWriter, v visit) error {
		value, err := encode(v)
		if err != nil {
			return err
		}
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: value,
			Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		return nil
	}
	load := func(r *http.Request) (visit, error) {
		cookie, err := r.Cookie(cookieName)
		if err != nil {
			return visit{}, err
		}
		return decode(cookie.Value)
	}
	return peer{
		name: name,
		login: func(v visit) http.Handler {
			return handle(noAnswer, func(w http.ResponseWriter, r *http.Request) (int, error) { return 0, save(w, v) })
		},
		read: func(reply answer) http.Handler {
			return handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				v, err := load(r)
				return v.Visits, err
			})
		},
		change: func(reply answer) http.Handler {
			return handle(reply, func(w http.ResponseWriter, r *http.Request) (int, error) {
				v, err := load(r)
				if err != nil {
					return 0, err
				}
				v.Visits++
				return v.Visits, save(w, v)
			})
		},
		untouched: nothing,
	}
}

// jwtPeer is golang-jwt as sites use it for sessions: HS256 claims in a cookie.
func jwtPeer() peer {
	type claims struct {
		jwt.RegisteredClaims
		visit
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Name}), jwt.WithExpirationRequired())
	signingKey := func(*jwt.Token) (any, error) { return key, nil }
	return structPeer("golang-jwt",
		func(v visit) (string, error) {
			now := time.Now()
			return jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
				jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(maxAge))}, v,
			}).SignedString(key)
		},
		func(token string) (visit, error) {
			var c claims
			_, err := parser.ParseWithClaims(token, &c, signingKey)
			return c.visit, err
		})
}

// securecookiePeer is gorilla/securecookie alone, with JSON, and encrypted if there is a
// block key.
func securecookiePeer(name string, blockKey []byte) peer {
	codec := securecookie.New(key, blockKey).SetSerializer(securecookie.JSONEncoder{})
	return structPeer(name,
		func(v visit) (string, error) { return codec.Encode(cookieName, v) },
		func(value string) (visit, error) {
			var v visit
			err := codec.Decode(cookieName, value, &v)
			return v, err
		})
}
