package gorilla_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

var (
	testKey  = bytes.Repeat([]byte("k"), 32)
	otherKey = bytes.Repeat([]byte("o"), 32)
)

var quiet = cookiestore.WithLogger(slog.New(slog.DiscardHandler))

func init() {
	gob.Register([]any{}) // as gorilla/sessions does
	gob.Register(map[string]any{})
	gob.Register(userKey(""))
	gob.Register(numberKey(0))
	gob.Register([2]int{})
	gob.Register(failing{})
	gob.RegisterName("shop.Kart", kart{})
}

// Keys of the kinds that sites define.
type (
	userKey   string
	numberKey uint16
)

// A failing value is one that gob can hold, and JSON can't.
type failing struct{ Panics bool }

func (f failing) MarshalJSON() ([]byte, error) {
	if f.Panics {
		panic("a secret")
	}
	return nil, &json.UnsupportedValueError{Str: "a secret"}
}

type kart struct{ N int }

// unregistered is a cookie that another program has made, with a type that this one
// doesn't register.
func unregistered(tb testing.TB) string {
	tb.Helper()
	stream, err := securecookie.GobEncoder{}.Serialize(map[any]any{"cart": kart{7}})
	require.NoError(tb, err)
	stream = bytes.Replace(stream, []byte("shop.Kart"), []byte("shop.Cart"), 1)
	return encoded(tb, securecookie.New(testKey, nil).SetSerializer(securecookie.NopEncoder{}), "sessionid", stream)
}

// pickySerializer is like what sites write to have gorilla/sessions keep JSON.
type pickySerializer struct{}

func (pickySerializer) Serialize(src any) ([]byte, error) { return []byte(src.(string)), nil }

func (pickySerializer) Deserialize(src []byte, dst any) error {
	values := *dst.(*map[any]any)
	var named map[string]any
	if err := json.Unmarshal(src, &named); err != nil {
		return err
	}
	for key, v := range named {
		values[key] = v
	}
	return nil
}

func newLoader(tb testing.TB, codecs ...securecookie.Codec) *gorilla.Loader {
	tb.Helper()
	loader, err := gorilla.NewLoader(codecs...)
	require.NoError(tb, err)
	return loader
}

func newCodec(tb testing.TB, key []byte, fallbacks ...[]byte) (*gorilla.Codec, *cookiestore.Signer) {
	tb.Helper()
	signer, err := cookiestore.NewSigner(key, fallbacks...)
	require.NoError(tb, err)
	codec, err := gorilla.NewCodec(signer)
	require.NoError(tb, err)
	return codec, signer
}

// encoded is the cookie that a codec makes.
func encoded(tb testing.TB, c securecookie.Codec, name string, value any) string {
	tb.Helper()
	text, err := c.Encode(name, value)
	require.NoError(tb, err)
	return text
}

// dated returns a cookie of securecookie as it would be if it had been signed at
// another time: base64url of date "|" value "|" MAC of name "|" date "|" value.
func dated(tb testing.TB, cookie string, key []byte, name string, at time.Time) string {
	tb.Helper()
	text, err := base64.URLEncoding.DecodeString(cookie)
	require.NoError(tb, err)
	value := bytes.SplitN(text, []byte("|"), 3)[1]
	text = append(strconv.AppendInt(nil, at.Unix(), 10), '|')
	text = append(text, value...)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name + "|" + string(text)))
	return base64.URLEncoding.EncodeToString(mac.Sum(append(text, '|')))
}
