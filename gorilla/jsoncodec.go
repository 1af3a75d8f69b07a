package gorilla

import (
	"fmt"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
)

// A JSONCodec has gorilla/sessions share its sessions with what else uses the
// [cookiestore.Signer]: a [cookiestore.CookieStore] or, with that of
// [cookiestore.NewDjangoSigner], a Django site. A session is the same JSON to all.
//
// JSON keeps less than a [Codec] does: an integer comes back as an int, another number
// as a float64, a list as a []any, a map or a struct as a map[string]any. Keys have to
// be plain strings. Any other key is refused, since it would come back as a string.
//
// A JSONCodec is safe for concurrent use.
type JSONCodec struct{ signer *cookiestore.Signer }

var _ securecookie.Codec = (*JSONCodec)(nil)

// NewJSONCodec returns a JSONCodec that signs with the Signer, whose SetMaxAge says how
// old a cookie may be. It is an error if the Signer is nil.
func NewJSONCodec(signer *cookiestore.Signer) (*JSONCodec, error) {
	if signer == nil {
		return nil, usage(nil, "NewJSONCodec: the Signer is nil", nil)
	}
	return &JSONCodec{signer}, nil
}

// Encode is [cookiestore.Signer.Encode], and takes the map[any]any of gorilla/sessions,
// too.
func (c *JSONCodec) Encode(name string, value any) (string, error) {
	values, ok := value.(map[any]any)
	if !ok {
		return c.signer.Encode(name, value)
	}
	named := make(map[string]any, len(values))
	for key, v := range values {
		text, ok := key.(string)
		if !ok {
			return "", usage(nil, fmt.Sprintf("a key of type %T would come back from JSON as a string: NewCodec keeps it", key), nil)
		}
		named[text] = v
	}
	return c.signer.Encode(name, named)
}

// Decode is [cookiestore.Signer.Decode], and takes a pointer to a map[any]any, too.
func (c *JSONCodec) Decode(name, value string, dst any) error {
	values, ok := dst.(*map[any]any)
	if !ok {
		return c.signer.Decode(name, value, dst)
	}
	var named map[string]any
	if err := c.signer.Decode(name, value, &named); err != nil {
		return err
	}
	if *values == nil {
		*values = make(map[any]any, len(named))
	}
	for key, v := range named {
		(*values)[key] = v
	}
	return nil
}
