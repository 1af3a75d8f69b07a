package cookiestore

import (
	"errors"

	"example.com/cookiestore/internal/jsonobject"
)

// The reasons for which a cookie is refused or a session can't be saved.
// Test for them with [errors.Is]; the error that carries one says more.
var (
	// ErrMalformed means that a cookie is not formed like one of the store's: a
	// part is missing or not canonically encoded, or the payload is not a JSON
	// object.
	ErrMalformed = errors.New("malformed")

	// ErrTampered means that no accepted key matches the cookie's signature, or
	// decrypts it: it was changed or cut short, or made with another key or salt
	// or for another cookie name.
	ErrTampered = errors.New("signature does not match")

	// ErrNoSession means that a store with records has none for this cookie.
	ErrNoSession = errors.New("no such session")

	// ErrExpired means that the session has expired.
	ErrExpired = errors.New("expired")

	// ErrConflict means that another request has changed or deleted a store's
	// record since it was loaded. The middleware loads it again, merges and
	// saves; it gives up only after many attempts.
	ErrConflict = errors.New("changed meanwhile")

	// ErrInterrupted means that a session can't be saved because another
	// request has deleted it meanwhile: the visitor has logged out in another
	// window, say. It is not brought back; the next request begins a new one.
	// It is Django's SessionInterrupted.
	ErrInterrupted = errors.New("session was deleted meanwhile")

	// ErrRevoked means that the session was ended before it expired: see
	// [WithRevocations].
	ErrRevoked = errors.New("revoked")

	// ErrFuture means that the cookie was signed in the future, by more than the
	// clock skew allowed between servers.
	ErrFuture = errors.New("signed in the future")

	// ErrTooLarge means that a cookie exceeds [MaxCookieSize], or that its
	// payload inflates to more than the store's limit.
	ErrTooLarge = errors.New("too large")

	// ErrNoKey means that the session has no value under the key asked for.
	ErrNoKey = errors.New("no such key")

	// ErrType means that the value under a key is not of the type asked for.
	ErrType = jsonobject.ErrType

	// ErrNewerVersion means that a newer version of the program has stored the value
	// under a key: see [Versioned].
	ErrNewerVersion = errors.New("a newer version of the program has stored it")

	// ErrCrossSite means that a request that another site has the browser make
	// would begin a session: see [WithoutCrossSiteSessions].
	ErrCrossSite = errors.New("cross-site request")
)

// errorClass tells whose fault an error is, in securecookie's terms.
type errorClass int

const (
	decodeError   errorClass = iota // the cookie's: refuse it
	usageError                      // the program's
	internalError                   // the machine's
)

// cookieError is the type of the errors of codecs and stores. It satisfies
// securecookie.Error, so that code written for that package can sort them.
type cookieError struct {
	class  errorClass
	reason error
	detail string
	cause  error
}

// refuse returns the error for a cookie that must not be trusted.
func refuse(reason error, detail string) error {
	return &cookieError{class: decodeError, reason: reason, detail: detail}
}

// usage returns the error for a mistake of the program.
func usage(detail string) error {
	return &cookieError{class: usageError, detail: detail}
}

func (e *cookieError) Error() string {
	what := "cookiestore: "
	if e.class == decodeError {
		what = "cookiestore: cookie refused: "
	}
	switch {
	case e.reason == nil:
		return what + e.detail
	case e.detail == "":
		return what + e.reason.Error()
	}
	return what + e.reason.Error() + ": " + e.detail
}

func (e *cookieError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.reason, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func (e *cookieError) IsDecode() bool   { return e.class == decodeError }
func (e *cookieError) IsUsage() bool    { return e.class == usageError }
func (e *cookieError) IsInternal() bool { return e.class == internalError }
func (e *cookieError) Cause() error     { return e.cause }

// IsRefused reports whether err, returned by a [Store] or a codec, is about
// the cookie and not about the store: the visitor then gets a new session. It
// holds for an error that wraps [ErrMalformed], [ErrTampered], [ErrNoSession],
// [ErrExpired], [ErrRevoked] or [ErrFuture], and for those of codecs that say so with
// securecookie's IsDecode method.
func IsRefused(err error) bool {
	if e, ok := errorIn[interface{ IsDecode() bool }](err); ok && e.IsDecode() {
		return true
	}
	for _, reason := range []error{ErrMalformed, ErrTampered, ErrNoSession, ErrExpired, ErrRevoked, ErrFuture} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// errorIn returns the first error in the tree that is a T. It is what errors.As is for,
// without package reflect's half, which only that needs.
func errorIn[T any](err error) (found T, ok bool) {
	switch e := err.(type) {
	case T:
		return e, true
	case interface{ Unwrap() error }:
		return errorIn[T](e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if found, ok = errorIn[T](inner); ok {
				return found, true
			}
		}
	}
	return found, false
}
