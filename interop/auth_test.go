package interop

import (
	"crypto/md5"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

// A member is a user of the test's own, in the Django site's table.
type member struct {
	t        *testing.T
	db       *sql.DB
	name     string
	auth     *cookiestore.DjangoAuth
	password string // what the user types
}

// hashed is what Django's MD5PasswordHasher makes of a password. With a salt that is
// shorter, Django would hash the password anew when the user logs in.
func hashed(password string) string {
	salt := rand.Text()
	sum := md5.Sum([]byte(salt + password))
	return "md5$" + salt + "$" + hex.EncodeToString(sum[:])
}

func newMember(t *testing.T, django *djangoSite) *member {
	t.Helper()
	m := &member{t: t, name: "member-" + strings.ToLower(rand.Text()), password: "correct horse"}
	if django.db != nil {
		m.db = django.db.DB
	} else {
		file := django.settings["DATABASES"].(settings)["default"].(settings)["NAME"]
		var err error
		m.db, err = sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(5000)", file))
		require.NoError(t, err)
		t.Cleanup(func() { m.db.Close() })
	}
	m.exec(fmt.Sprintf(`INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
		VALUES ('%s', FALSE, '%s', '', '', '', FALSE, TRUE, '2026-01-01 00:00:00')`, hashed(m.password), m.name))
	var err error
	m.auth, err = cookiestore.NewDjangoAuth([]byte(secretKey))
	require.NoError(t, err)
	return m
}

func (m *member) exec(statement string) {
	m.t.Helper()
	_, err := m.db.ExecContext(m.t.Context(), statement)
	require.NoError(m.t, err)
}

// user reads the user from the table, as a Go program would.
func (m *member) user() (u cookiestore.DjangoUser) {
	m.t.Helper()
	err := m.db.QueryRowContext(m.t.Context(), fmt.Sprintf("SELECT id, password FROM auth_user WHERE username = '%s'", m.name)).Scan(&u.ID, &u.Password)
	require.NoError(m.t, err)
	return u
}

// setPassword stores a new password, as a Go program would.
func (m *member) setPassword(password string) {
	m.t.Helper()
	m.password = password
	m.exec(fmt.Sprintf("UPDATE auth_user SET password = '%s' WHERE username = '%s'", hashed(password), m.name))
}

// requireLoggedIn requires that the visitor is logged in as the user, or as nobody, on
// both sides: first on one, which ends the session if it isn't good, or else the other.
func (m *member) requireLoggedIn(v *visitor, goFirst, want bool) {
	m.t.Helper()
	inGo := func() {
		m.t.Helper()
		v.inGo(func(s *cookiestore.Session) { assert.Equal(m.t, want, m.auth.Check(s, m.user()), "in Go") })
	}
	name := ""
	if want {
		name = m.name
	}
	if goFirst {
		inGo()
	}
	require.Equal(m.t, name, decode[string](m.t, v.inDjango(http.MethodGet, "/user", nil)), "in Django")
	inGo()
}

var csrfField = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// submit fills in a form of the Django site's, and sends it.
func (v *visitor) submit(path string, fields map[string]string) {
	v.t.Helper()
	page := v.django.url + path
	response, err := v.client.Get(page)
	require.NoError(v.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, response.StatusCode, "%s: %s", page, body)
	token := csrfField.FindSubmatch(body)
	require.NotNil(v.t, token, "%s", body)
	form := url.Values{"csrfmiddlewaretoken": {string(token[1])}}
	for name, value := range fields {
		require.Contains(v.t, string(body), `name="`+name+`"`)
		form.Set(name, value)
	}
	response, err = v.client.PostForm(page, form)
	require.NoError(v.t, err)
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusFound, response.StatusCode, "%s: %s", page, body)
}

func (m *member) logInOnDjangosPage(v *visitor) {
	m.t.Helper()
	v.submit("/accounts/login/", map[string]string{"username": m.name, "password": m.password})
}

func (m *member) logInInGo(v *visitor) {
	m.t.Helper()
	v.inGo(func(s *cookiestore.Session) { m.auth.LogIn(s, m.user()) })
}

func (m *member) changeOnDjangosPage(v *visitor) {
	m.t.Helper()
	const next = "battery staple 7"
	v.submit("/accounts/password_change/", map[string]string{"old_password": m.password, "new_password1": next, "new_password2": next})
	m.password = next
}

func (m *member) changeInGo(v *visitor) {
	m.t.Helper()
	m.setPassword("battery staple 8")
	v.inGo(func(s *cookiestore.Session) { m.auth.PasswordChanged(s, m.user()) })
}

// A user logs in on one side, in two browsers, and changes the password on either. The
// browser in which it was changed stays logged in on both sides, and the other one is
// logged out on both.
func TestNewPasswordEndsTheOtherSessions(t *testing.T) {
	for _, test := range []struct {
		name    string
		logIn   func(*member, *visitor)
		change  func(*member, *visitor)
		goFirst bool
	}{
		{"logged in in Django, changed in Django, noticed in Go", (*member).logInOnDjangosPage, (*member).changeOnDjangosPage, true},
		{"logged in in Go, changed in Django, noticed in Go", (*member).logInInGo, (*member).changeOnDjangosPage, true},
		{"logged in in Go, changed in Go, noticed in Django", (*member).logInInGo, (*member).changeInGo, false},
		{"logged in in Django, changed in Go, noticed in Django", (*member).logInOnDjangosPage, (*member).changeInGo, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, django *djangoSite) {
				m := newMember(t, django)
				here, there := newVisitor(t, django), newVisitor(t, django)
				for _, v := range []*visitor{here, there} {
					v.setInGo("cart", 1)
					m.requireLoggedIn(v, test.goFirst, false)
					test.logIn(m, v)
					m.requireLoggedIn(v, test.goFirst, true)
				}
				stolen := there.cookie()
				test.change(m, here)
				m.requireLoggedIn(here, test.goFirst, true)
				m.requireLoggedIn(there, test.goFirst, false)
				there.setCookie(stolen)
				m.requireLoggedIn(there, test.goFirst, false)
				here.inGo(func(s *cookiestore.Session) { assert.True(t, s.Has("cart")) })

				test.logIn(m, there)
				m.requireLoggedIn(there, test.goFirst, true)
			})
		})
	}
}

// Django ends a session whose user has another than the one who logs in.
func TestLogInAsAnother(t *testing.T) {
	onEachStore(t, func(t *testing.T, django *djangoSite) {
		first, second := newMember(t, django), newMember(t, django)
		v := newVisitor(t, django)
		first.logInOnDjangosPage(v)
		v.setInGo("cart", 1)
		second.logInInGo(v)
		second.requireLoggedIn(v, false, true)
		v.inGo(func(s *cookiestore.Session) { assert.False(t, s.Has("cart")) })
		v.setInGo("cart", 1)
		first.logInOnDjangosPage(v)
		first.requireLoggedIn(v, false, true)
		v.inGo(func(s *cookiestore.Session) { assert.False(t, s.Has("cart")) })
	})
}

// After a change of the secret key Go replaces the hash that the old key has made, so
// that Django accepts it: also a Django that doesn't try fallback keys itself.
func TestHashOfAFallbackKey(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		m := newMember(t, django)
		v := newVisitor(t, django)
		m.logInOnDjangosPage(v)
		require.NoError(t, m.auth.SetKeys([]byte(newSecretKey), []byte(secretKey)))
		require.NoError(t, v.store.SetKeys([]byte(newSecretKey), []byte(secretKey)))
		v.inGo(func(s *cookiestore.Session) { assert.True(t, m.auth.Check(s, m.user())) })
		v.django = django.another(t, settings{"SECRET_KEY": newSecretKey})
		require.NoError(t, m.auth.SetKeys([]byte(newSecretKey)))
		m.requireLoggedIn(v, false, true)
	})
}

// Django 3.1 and 3.2 accept hashes with SHA-1 from before, and can be told to make them.
func TestHashWithSHA1(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, django *djangoSite) {
		if !django.since(3, 1) || django.since(4, 0) {
			t.Skip("only Django 3.1 and 3.2 make and accept them; this is another version")
		}
		m := newMember(t, django)
		old := django.another(t, settings{"DEFAULT_HASHING_ALGORITHM": "sha1"})
		v := newVisitor(t, old)
		m.logInOnDjangosPage(v)
		v.inGo(func(s *cookiestore.Session) { assert.Len(t, cookiestore.Get(s, cookiestore.DjangoHashKey, ""), 40) })
		v.django = django
		m.requireLoggedIn(v, true, true)
		m.setPassword("battery staple 9")
		m.requireLoggedIn(v, true, false)
	})
}
