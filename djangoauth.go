package cookiestore

import (
	"crypto/hmac"
	"crypto/sha1" // what Django hashed with before 3.1
	"crypto/sha256"
	"encoding/hex"
)

// The dictionary keys with which django.contrib.auth says who is logged in.
const (
	// DjangoUserKey has the user's primary key, as text.
	DjangoUserKey = "_auth_user_id"

	// DjangoBackendKey has the path of the backend that knows the user.
	DjangoBackendKey = "_auth_user_backend"

	// DjangoHashKey has a hash of the user's password field: see [DjangoAuth].
	DjangoHashKey = "_auth_user_hash"
)

// DjangoModelBackend is Django's own backend, which finds users in the database.
const DjangoModelBackend = "django.contrib.auth.backends.ModelBackend"

// A DjangoUser is a user of django.contrib.auth, as the program has read it from the
// table (auth_user, unless AUTH_USER_MODEL says otherwise).
type DjangoUser struct {
	// ID is the primary key, as Django writes it as text: "7".
	ID string

	// Password is the column password, as it stands: it holds the hash of the
	// password, "pbkdf2_sha256$...".
	Password string

	// Backend is one of Django's AUTHENTICATION_BACKENDS. "" is [DjangoModelBackend].
	Backend string
}

// A DjangoAuth logs users in and out in sessions that are shared with a Django site, as
// django.contrib.auth does: what one side does counts on the other.
//
// Beside the user a session has a hash of the user's password field, and counts as
// logged in only while they match, so that a new password logs the user out
// everywhere else. The hash is
//
//	hex of HMAC-SHA256(key, password field)
//	key = SHA-256("django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash" secret)
//
// What was made with a fallback key is accepted, and written anew, as in Django from
// 4.1.8 on. A hash with SHA-1 in place of SHA-256 is accepted, too, and stays as it is:
// so do Django 3.1 and 3.2, for sessions from before; 4.0 and later end them. HMAC-SHA1
// is still sound for that; a program that runs under GODEBUG=fips140=only refuses it, as
// it must. A Django that has DEFAULT_HASHING_ALGORITHM = "sha1" doesn't
// accept what is made here. Nor is a user model known that has a get_session_auth_hash
// of its own.
//
// A DjangoAuth is safe for concurrent use.
type DjangoAuth struct{ keys keyring }

// djangoAuthSalt is Django's, for the hash of a password field.
const djangoAuthSalt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"

// NewDjangoAuth returns a DjangoAuth with Django's SECRET_KEY and, newest first, its
// SECRET_KEY_FALLBACKS. They may have any length but zero.
func NewDjangoAuth(secret []byte, fallbacks ...[]byte) (*DjangoAuth, error) {
	a := &DjangoAuth{keyring{minSize: 1}}
	return a, a.keys.set(secret, fallbacks)
}

// SetKeys replaces the keys while they are in use; see [Signer.SetKeys].
func (a *DjangoAuth) SetKeys(secret []byte, fallbacks ...[]byte) error {
	return a.keys.set(secret, fallbacks)
}

// Hash returns the hash of a password field, for [DjangoHashKey].
func (a *DjangoAuth) Hash(password string) string {
	return string(saltedHMAC(sha256.New, djangoAuthSalt, a.keys.current.Load().secrets[0], []byte(password)))
}

// Verify reports whether the hash is that of the password field, in constant time for
// each key. If it isn't current, a fallback key made it, and it is to be replaced with
// what Hash returns.
func (a *DjangoAuth) Verify(hash, password string) (ok, current bool) {
	newHash := sha256.New
	if len(hash) == hex.EncodedLen(sha1.Size) && sha1Allowed() {
		newHash = sha1.New
	}
	for i, secret := range a.keys.current.Load().secrets {
		if hmac.Equal([]byte(hash), saltedHMAC(newHash, djangoAuthSalt, secret, []byte(password))) {
			return true, i == 0
		}
	}
	return false, false
}

// UserID returns the primary key of the user that the session says is logged in, and ""
// if none is. It is not to be believed before Check has said so.
func (a *DjangoAuth) UserID(s *Session) string { return Get(s, DjangoUserKey, "") }

// Check reports whether the user is still logged in: find the one that UserID names, and
// refuse one who isn't active (is_active), as Django does. If the password was changed
// since the log-in, Check ends the session with [Session.Flush]. If the hash is good
// but not current, it calls [Session.CycleKey] and replaces the hash. For another user
// than UserID names it is false, and the session stays as it is.
func (a *DjangoAuth) Check(s *Session, user DjangoUser) bool {
	if user.ID == "" || a.UserID(s) != user.ID {
		return false
	}
	ok, current := a.Verify(Get(s, DjangoHashKey, ""), user.Password)
	switch {
	case !ok:
		s.Flush()
	case !current:
		s.CycleKey()
		s.Set(DjangoHashKey, a.Hash(user.Password))
	}
	return ok
}

// LogIn logs the user in: check the password first. As Django's login(), it keeps what an
// anonymous visitor had in the session, and gives it a new ID; a session of another
// user, or from before a change of the password, is ended first with [Session.Flush].
// It panics if the user has no ID.
func (a *DjangoAuth) LogIn(s *Session, user DjangoUser) {
	if user.ID == "" {
		panic("cookiestore: LogIn: the user has no ID")
	}
	if before := a.UserID(s); before != "" {
		if ok, _ := a.Verify(Get(s, DjangoHashKey, ""), user.Password); !ok || before != user.ID {
			s.Flush()
		}
	}
	backend := user.Backend
	if backend == "" {
		backend = DjangoModelBackend
	}
	s.CycleKey()
	s.Set(DjangoUserKey, user.ID)
	s.Set(DjangoBackendKey, backend)
	s.Set(DjangoHashKey, a.Hash(user.Password))
}

// PasswordChanged keeps the user logged in in this session, after the program has stored
// a new password field; all other sessions of the user end. The session gets a new ID.
// It is Django's update_session_auth_hash().
func (a *DjangoAuth) PasswordChanged(s *Session, user DjangoUser) {
	s.CycleKey()
	s.Set(DjangoHashKey, a.Hash(user.Password))
}
