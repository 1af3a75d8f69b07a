package jsonobject

import (
	"errors"
	"fmt"
)

// Test for these errors with [errors.Is]. No error's text holds a value, nor what a
// method of a value said; a cause that could is kept, for [errors.As], and not quoted.
var (
	// ErrNotUTF8 means that text is not UTF-8.
	ErrNotUTF8 = errors.New("not UTF-8")

	// ErrTooDeep means that arrays and objects nest deeper than [MaxDepth] in the
	// object that has the value.
	ErrTooDeep = fmt.Errorf("nests deeper than %d", MaxDepth)

	// ErrType means that a value is not of the type asked for.
	ErrType = errors.New("another type")
)

var (
	errStringNotUTF8 = fmt.Errorf("it has a string that is %w", ErrNotUTF8)
	errNestsTooDeep  = fmt.Errorf("it %w", ErrTooDeep)
	errNotFinite     = errors.New("JSON has no infinity and no NaN")
	errCannotTell    = errors.New("it holds U+FFFD, and is too deep or has too much in it to tell whether that stands for text that is not UTF-8")
)

// typeError says why a value is not of a type.
type typeError struct {
	detail string
	cause  error
}

func (e *typeError) Error() string { return e.detail }

func (e *typeError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrType}
	}
	return []error{ErrType, e.cause}
}

// marshalError says why encoding/json can't encode a value.
type marshalError struct {
	detail string
	cause  error
}

func (e *marshalError) Error() string { return e.detail }

func (e *marshalError) Unwrap() error { return e.cause }
