package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"example.com/cookiestore"
	"example.com/cookiestore/sessiontest"
	"github.com/stretchr/testify/require"
)

func TestSessionsHaveTheSizesThatTheTablesName(t *testing.T) {
	for _, size := range append([]int{smallSize}, sizes...) {
		text, err := json.Marshal(sample(size))
		require.NoError(t, err)
		require.Len(t, text, size)

		store, err := cookiestore.New(key)
		require.NoError(t, err)
		session := sessiontest.Session(t, store, []*http.Cookie{sessiontest.Cookie(t, store, sample(size))})
		kept, err := json.Marshal(session)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(kept))
		require.Len(t, kept, size, "as cookiestore writes it")
	}
}

func TestTheBiggestSessionFitsACookieWithoutCompression(t *testing.T) {
	store, err := cookiestore.New(key, cookiestore.WithCompressionOver(-1))
	require.NoError(t, err)
	require.NoError(t, checkCookie(sessiontest.Cookie(t, store, sample(3000),
		cookiestore.WithMaxCookieSize(cookiestore.MaxCookieSize+len(attributes)))))
}

// requireCounts follows a visitor through three changes and a read.
func requireCounts(t *testing.T, p peer, size int) {
	t.Helper()
	cookie, err := logIn(p, sample(size))
	require.NoError(t, err)
	visits := sample(size).Visits
	for _, step := range []struct {
		handler http.Handler
		add     int
	}{{p.change(writeVisits), 1}, {p.read(writeVisits), 0}, {p.change(writeVisits), 1}, {p.change(writeVisits), 1}, {p.read(writeVisits), 0}} {
		visits += step.add
		var page string
		page, cookie, err = visitOnce(step.handler, cookie)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(visits), page)
	}
}

func TestEveryPeerCounts(t *testing.T) {
	for _, size := range append([]int{smallSize}, sizes...) {
		for _, p := range cookiePeers() {
			if isFloor(p.name) {
				continue
			}
			t.Run(p.name+"/"+strconv.Itoa(size), func(t *testing.T) {
				if _, err := logIn(p, sample(size)); errors.As(err, new(errTooLarge)) {
					require.Equal(t, 3000, size, "smaller ones fit everywhere")
					return
				}
				requireCounts(t, p, size)
			})
		}
	}
}

func TestTheFloorsVerifyAndSign(t *testing.T) {
	for _, p := range cookiePeers()[:2] {
		t.Run(p.name, func(t *testing.T) {
			require.True(t, isFloor(p.name))
			requireVerifiesAndSigns(t, p)
		})
	}
}

func requireVerifiesAndSigns(t *testing.T, p peer) {
	t.Helper()
	cookie, err := logIn(p, smallVisit)
	require.NoError(t, err)
	_, changed, err := visitOnce(p.change(noAnswer), cookie)
	require.NoError(t, err)
	require.NotSame(t, cookie, changed, "a change sets a cookie")
	require.Equal(t, cookie.Value, changed.Value, "with what was read, signed again")
	_, _, err = visitOnce(p.read(noAnswer), changed)
	require.NoError(t, err)

	for i := range len(cookie.Value) {
		forged := *cookie
		value := []byte(cookie.Value)
		value[i] = 'A' + (value[i]-'A'+1)%26
		forged.Value = string(value)
		_, _, err = visitOnce(p.read(noAnswer), &forged)
		require.Error(t, err, "with another character %d", i)
	}
}

func TestBenchmarkedCallsSetTheCookieEachTime(t *testing.T) {
	for _, p := range cookiePeers() {
		cookie, err := logIn(p, smallVisit)
		require.NoError(t, err)
		c := newCaller(p.change(noAnswer), cookie)
		for range 3 {
			c.call()
			set := c.discard.header["Set-Cookie"]
			require.Len(t, set, 1, p.name)
			parsed, err := http.ParseSetCookie(set[0])
			require.NoError(t, err)
			if isFloor(p.name) {
				continue
			}
			page, _, err := visitOnce(p.read(writeVisits), parsed)
			require.NoError(t, err)
			if p.name == "scs, in memory" { // the cookie names a session that all calls change
				continue
			}
			require.Equal(t, strconv.Itoa(smallVisit.Visits+1), page, p.name)
		}
	}
}
