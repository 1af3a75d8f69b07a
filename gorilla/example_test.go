package gorilla_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/gorilla/securecookie"

	"example.com/cookiestore"
	"example.com/cookiestore/gorilla"
)

var exampleKey = bytes.Repeat([]byte("not so random"), 3)

// The cookies of a site that has used gorilla/sessions until now.
func ExampleNewLoader() {
	codecs := securecookie.CodecsFromPairs([]byte("the hash key that the site has used"))
	value, err := codecs[0].Encode("session-name", map[any]any{"user": 7})
	if err != nil {
		log.Fatal(err)
	}

	old, err := gorilla.NewLoader(codecs...)
	if err != nil {
		log.Fatal(err)
	}
	store, err := cookiestore.New(exampleKey, cookiestore.WithLegacy(old))
	if err != nil {
		log.Fatal(err)
	}
	rec, err := store.Load(context.Background(), "session-name", value)
	fmt.Println(rec.Data, rec.Resave, err)
	// Output: {"user":7} true <nil>
}

// To see how a session comes along, load a cookie of the site.
func ExampleLoader_Load() {
	codec := securecookie.New([]byte("the hash key that the site has used"), nil)
	value, err := codec.Encode("session-name", map[any]any{"user": 7, "nearest": complex(1, 2)})
	if err != nil {
		log.Fatal(err)
	}
	old, err := gorilla.NewLoader(codec)
	if err != nil {
		log.Fatal(err)
	}
	_, err = old.Load(context.Background(), "session-name", value)
	fmt.Println(err)
	// Output: cookiestore/gorilla: cookie refused: the value under "nearest", of type complex128, can't be JSON: JSON has no complex128
}

// gorilla/sessions, and so goth, with the keys of a Signer.
func ExampleNewCodec() {
	signer, err := cookiestore.NewSigner(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	signer.SetMaxAge(30 * 24 * time.Hour)
	codec, err := gorilla.NewCodec(signer)
	if err != nil {
		log.Fatal(err)
	}
	codecs := []securecookie.Codec{codec} // for sessions.CookieStore

	value, err := securecookie.EncodeMulti("session-name", map[any]any{1: "\x1f\x8b", "user": 7}, codecs...)
	if err != nil {
		log.Fatal(err)
	}
	values := map[any]any{}
	err = securecookie.DecodeMulti("session-name", value, &values, codecs...)
	fmt.Println(values[1] == "\x1f\x8b", values["user"], err)
	// Output: true 7 <nil>
}

// A store that keeps sessions in files signs more than a cookie holds.
func ExampleCodec_SetMaxLength() {
	signer, err := cookiestore.NewSigner(exampleKey)
	if err != nil {
		log.Fatal(err)
	}
	codec, err := gorilla.NewCodec(signer)
	if err != nil {
		log.Fatal(err)
	}
	large := map[any]any{"page": string(make([]byte, 10_000))}
	_, err = codec.Encode("session-name", large)
	fmt.Println(errors.Is(err, cookiestore.ErrTooLarge))

	codec.SetMaxLength(0)
	_, err = codec.Encode("session-name", large)
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// gorilla/sessions and a Django site share a session.
func ExampleNewJSONCodec() {
	signer, err := cookiestore.NewDjangoSigner(cookiestore.DjangoCookieSalt, []byte("Django's SECRET_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	codec, err := gorilla.NewJSONCodec(signer)
	if err != nil {
		log.Fatal(err)
	}
	value, err := codec.Encode("sessionid", map[any]any{"user": 7}) // as gorilla/sessions does
	if err != nil {
		log.Fatal(err)
	}

	django, err := cookiestore.New([]byte("Django's SECRET_KEY"), cookiestore.WithDjango())
	if err != nil {
		log.Fatal(err)
	}
	rec, err := django.Load(context.Background(), "sessionid", value)
	fmt.Println(rec.Data, err)
	// Output: {"user":7} <nil>
}

func ExampleNewEncryptedCodec() {
	hashKey, blockKey := securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)
	codec, err := gorilla.NewEncryptedCodec(hashKey, blockKey)
	if err != nil {
		log.Fatal(err)
	}
	store, err := cookiestore.NewWithCodec(codec)
	if err != nil {
		log.Fatal(err)
	}
	value, _, err := store.Save(context.Background(), "sessionid", cookiestore.Record{Data: `{"user":7}`, Saved: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	rec, err := store.Load(context.Background(), "sessionid", value)
	fmt.Println(rec.Data, err)
	// Output: {"user":7} <nil>
}
