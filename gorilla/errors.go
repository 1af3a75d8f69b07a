package gorilla

import (
	"errors"
	"strings"

	"github.com/gorilla/securecookie"
)

// codecError is the type of this package's errors. Its text holds no value of a session
// and no signing key.
type codecError struct {
	usage  bool  // it is the program's fault, and not the cookie's
	reason error // of package cookiestore, or nil
	detail string
	cause  error // not quoted: it may hold what it choked on
}

var _ securecookie.Error = (*codecError)(nil)

// refuse returns the error for a cookie that can't be read or must not be believed.
func refuse(reason error, detail string, cause error) error {
	return &codecError{reason: reason, detail: detail, cause: cause}
}

// usage returns the error for what the program does wrong.
func usage(reason error, detail string, cause error) error {
	return &codecError{usage: true, reason: reason, detail: detail, cause: cause}
}

func (e *codecError) Error() string {
	text := "cookiestore/gorilla: "
	if !e.usage {
		text += "cookie refused: "
	}
	if e.reason != nil {
		text += e.reason.Error() + ": "
	}
	return text + e.detail
}

func (e *codecError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.reason, e.cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

func (e *codecError) IsUsage() bool    { return e.usage }
func (e *codecError) IsDecode() bool   { return !e.usage }
func (e *codecError) IsInternal() bool { return false }
func (e *codecError) Cause() error     { return e.cause }

var errPanicked = errors.New("it panicked")

// quietly takes a panic of f for an error. Serializers that sites have written for
// gorilla/sessions know one type, and may panic for any other.
func quietly(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return f()
}

// because returns what may be told of why a serializer failed, to follow a sentence.
// The errors of encoding/gob name types, which is what a reader needs to know; those of
// other serializers, and of types' own methods, may hold values.
func because(err error) string {
	for {
		outer, ok := err.(securecookie.Error)
		if !ok {
			break
		}
		err = outer.Cause()
	}
	if err == nil {
		return ""
	}
	if text := err.Error(); err == errPanicked || strings.HasPrefix(text, "gob: ") {
		return ": " + text
	}
	return ""
}
