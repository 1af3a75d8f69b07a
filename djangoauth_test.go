package cookiestore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

const djangoSecret = "django-insecure-8(w3k$2^x!m=u5vq#z@c9&t0_r7)y*e-hb+n1jd4a6"

// What Django 3.2.25 says of users with these password fields: get_session_auth_hash()
// and _legacy_get_session_auth_hash().
var djangoHashes = []struct{ password, hash, legacy string }{
	{
		"pbkdf2_sha256$260000$mKTbNbLsVG1kYcnBNpbpEd$RZcLqCsH3Bk9rYYrDDRpRcF3DqH5q7mQ9o1bVb0t2Gk=",
		"9237e79ab22cd797907475fc6093a619dfffa2deb4d02ba40ca80e5c49e8a9ce", "ca7f735ff5c8b1e28113f68dae0b7077172b5642",
	},
	{"!unusableXYZ", "2afb3feb28c31f493557fbc602dd058187ca1a94168aa73b3ec61b326af0d460", "057e224b31d277b557f3053b8c88b4a95a3162df"},
	{"", "f01183f8eba063b51d9e453b6b10bbc087f4ee7c5a730750d4bc316652207366", "d9322e3fb3b3778e56ab5729c18371a4d3cf5951"},
	{"md5$é$1", "92b576ff4ed1f92f9bc68b420f36c91ae003f1c6ecdf4f27c209327ef843602e", "9cf02bcf56a30f51f85b2a4c577d3492d851d477"},
}

func newDjangoAuth(t testing.TB, secret string, fallbacks ...string) *DjangoAuth {
	t.Helper()
	a, err := NewDjangoAuth([]byte(secret), secrets(fallbacks)...)
	require.NoError(t, err)
	return a
}

func TestDjangoAuthHash(t *testing.T) {
	now := newDjangoAuth(t, djangoSecret)
	rotated := newDjangoAuth(t, "a newer key", "another", djangoSecret)
	other := newDjangoAuth(t, "another key")
	for _, test := range djangoHashes {
		require.Equal(t, test.hash, now.Hash(test.password))
		for _, v := range []struct {
			name           string
			auth           *DjangoAuth
			hash, password string
			ok, current    bool
		}{
			{"the current hash", now, test.hash, test.password, true, true},
			{"one of a fallback key", rotated, test.hash, test.password, true, false},
			{"one with SHA-1", now, test.legacy, test.password, true, true},
			{"one with SHA-1 of a fallback key", rotated, test.legacy, test.password, true, false},
			{"one of an unknown key", other, test.hash, test.password, false, false},
			{"one with SHA-1 of an unknown key", other, test.legacy, test.password, false, false},
			{"one of another password", now, test.hash, test.password + "x", false, false},
			{"one with SHA-1 of another password", now, test.legacy, test.password + "x", false, false},
			{"no hash", now, "", test.password, false, false},
			{"a part of one", now, test.hash[:40], test.password, false, false},
			{"one that goes on", now, test.hash + "0", test.password, false, false},
		} {
			if len(v.hash) == 40 && !sha1Allowed() {
				v.ok, v.current = false, false
			}
			ok, current := v.auth.Verify(v.hash, v.password)
			require.Equal(t, v.ok, ok, "%s: %q", v.name, test.password)
			require.Equal(t, v.current, current, "%s: %q", v.name, test.password)
		}
	}
}

// Where SHA-1 isn't allowed, it panics: a hash of a visitor's session must not cause that.
func TestDjangoAuthUnderFIPS(t *testing.T) {
	if !underFIPS(t) {
		return // the other process has tested the rest
	}
	a := newDjangoAuth(t, djangoSecret)
	for _, test := range djangoHashes {
		ok, current := a.Verify(test.hash, test.password)
		require.True(t, ok && current)
		ok, _ = a.Verify(test.legacy, test.password)
		require.False(t, ok)
	}
}

func TestDjangoAuthKeys(t *testing.T) {
	_, err := NewDjangoAuth(nil)
	require.ErrorContains(t, err, "the key is empty")
	a := newDjangoAuth(t, "an old key")
	require.ErrorContains(t, a.SetKeys([]byte("new"), nil), "fallback key 1 is empty")
	require.Equal(t, newDjangoAuth(t, "an old key").Hash("x"), a.Hash("x"))
	require.NoError(t, a.SetKeys([]byte(djangoSecret)))
	require.Equal(t, djangoHashes[0].hash, a.Hash(djangoHashes[0].password))
}

var (
	djangoZoe = DjangoUser{ID: "7", Password: "md5$zoe's"}
	djangoTom = DjangoUser{ID: "8", Password: "md5$tom's"}
)

// restored is a session as a store has kept it.
func restored(t *testing.T, data string) *Session {
	t.Helper()
	m, err := NewManager(must(New(key1)))
	require.NoError(t, err)
	value, _, err := m.store.Save(t.Context(), "sessionid", Record{Data: data, Saved: m.rules.now()})
	require.NoError(t, err)
	s, err := m.Load(context.Background(), "sessionid="+value)
	require.NoError(t, err)
	require.False(t, s.IsNew())
	return s
}

func TestDjangoAuthLogIn(t *testing.T) {
	a := newDjangoAuth(t, djangoSecret)
	loggedIn := func(user DjangoUser) string {
		return `{"cart":1,"_auth_user_id":"` + user.ID + `","_auth_user_backend":"x","_auth_user_hash":"` + a.Hash(user.Password) + `"}`
	}
	changed := DjangoUser{ID: "7", Password: "md5$new"}
	for _, test := range []struct {
		name, before string
		keeps        bool // what was in the session
	}{
		{"an anonymous visitor keeps what there is", `{"cart":1}`, true},
		{"the same user keeps what there is", loggedIn(djangoZoe), true},
		{"another user's session is ended", loggedIn(djangoTom), false},
		{"one from before a change of the password is ended", loggedIn(changed), false},
		{"one without a hash is ended", `{"cart":1,"_auth_user_id":"7"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := restored(t, test.before)
			a.LogIn(s, djangoZoe)
			require.Equal(t, test.keeps, s.Has("cart"))
			require.Equal(t, !test.keeps, s.flushes > 0)
			require.True(t, s.newID)
			require.Equal(t, "7", a.UserID(s))
			require.Equal(t, DjangoModelBackend, Get(s, DjangoBackendKey, ""))
			require.Equal(t, a.Hash(djangoZoe.Password), Get(s, DjangoHashKey, ""))
			require.True(t, a.Check(s, djangoZoe))
		})
	}
	t.Run("a backend is kept", func(t *testing.T) {
		s := restored(t, `{"cart":1}`)
		a.LogIn(s, DjangoUser{ID: "7", Backend: "shop.auth.LDAP"})
		require.Equal(t, "shop.auth.LDAP", Get(s, DjangoBackendKey, ""))
	})
	require.Panics(t, func() { a.LogIn(restored(t, `{"cart":1}`), DjangoUser{}) })
}

func TestDjangoAuthCheck(t *testing.T) {
	a := newDjangoAuth(t, djangoSecret, "an old key")
	old := newDjangoAuth(t, "an old key")
	const legacy = "057e224b31d277b557f3053b8c88b4a95a3162df"
	unusable := DjangoUser{ID: "7", Password: "!unusableXYZ"}
	for _, test := range []struct {
		name, id, hash string
		user           DjangoUser
		want           bool
		then           string // what becomes of the session
	}{
		{"the hash is current", "7", a.Hash(djangoZoe.Password), djangoZoe, true, "untouched"},
		{"the hash is of a fallback key", "7", old.Hash(djangoZoe.Password), djangoZoe, true, "renewed"},
		{"the hash is one with SHA-1", "7", legacy, unusable, true, "untouched"},
		{"the password was changed", "7", a.Hash("md5$before"), djangoZoe, false, "ended"},
		{"there is no hash", "7", "", djangoZoe, false, "ended"},
		{"nobody is logged in", "", a.Hash(djangoZoe.Password), djangoZoe, false, "untouched"},
		{"somebody else is logged in", "8", a.Hash(djangoZoe.Password), djangoZoe, false, "untouched"},
		{"the user was deleted", "7", a.Hash(djangoZoe.Password), DjangoUser{}, false, "untouched"},
		{"nobody is logged in, and no user was found", "", a.Hash(""), DjangoUser{}, false, "untouched"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.hash == legacy && !sha1Allowed() {
				test.want, test.then = false, "ended"
			}
			s := restored(t, `{"cart":1,"_auth_user_id":"`+test.id+`","_auth_user_hash":"`+test.hash+`"}`)
			require.Equal(t, test.want, a.Check(s, test.user))
			switch test.then {
			case "untouched":
				require.False(t, s.Modified())
			case "renewed":
				require.True(t, s.newID)
				require.True(t, s.Has("cart"))
				require.Equal(t, a.Hash(test.user.Password), Get(s, DjangoHashKey, ""))
				require.True(t, a.Check(s, test.user))
			case "ended":
				require.Positive(t, s.flushes)
				require.True(t, s.IsEmpty())
			}
		})
	}
}

func TestDjangoAuthPasswordChanged(t *testing.T) {
	a := newDjangoAuth(t, djangoSecret)
	s := restored(t, `{"cart":1,"_auth_user_id":"7","_auth_user_hash":"`+a.Hash("md5$before")+`"}`)
	a.PasswordChanged(s, djangoZoe)
	require.True(t, s.newID)
	require.True(t, a.Check(s, djangoZoe))
	require.True(t, s.Has("cart"))
}
