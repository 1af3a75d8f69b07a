package cookiestore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/cookiestore"
)

func ExampleWithEncryption() {
	key := []byte("32 random bytes, kept as a secret")
	store, err := cookiestore.New(key, cookiestore.WithEncryption())
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, data := context.Background(), `{"token":"ya29.a0AfH6SMB"}`
	value, _, err := store.Save(ctx, "sessionid", cookiestore.Record{Data: data, Saved: time.Now()})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("can be read in the browser:", strings.Contains(value, ":"))

	session, err := store.Load(ctx, "sessionid", value)
	fmt.Println(session.Data, err)

	signing, err := cookiestore.New(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = signing.Load(ctx, "sessionid", value)
	fmt.Println(err)
	// Output:
	// can be read in the browser: false
	// {"token":"ya29.a0AfH6SMB"} <nil>
	// cookiestore: cookie refused: malformed: it looks like an encrypted cookie, and only signed ones are accepted
}

func ExampleEncrypter() {
	oldKey := []byte("32 random bytes, kept as a secret")
	newKey := []byte("32 other bytes, kept like those were")
	encrypter, err := cookiestore.NewEncrypter(oldKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	value := encrypter.Encrypt("sessionid", `{"num_visits":1}`, time.Unix(1_800_000_000, 0))

	if err := encrypter.SetKeys(newKey, oldKey); err != nil {
		fmt.Println(err)
		return
	}
	decrypted, err := encrypter.Decrypt("sessionid", value)
	fmt.Println(decrypted.Data, decrypted.At.UTC(), decrypted.KeyIndex, err)

	_, err = encrypter.Decrypt("another", value)
	fmt.Println(errors.Is(err, cookiestore.ErrTampered))
	// Output:
	// {"num_visits":1} 2027-01-15 08:00:00 +0000 UTC 1 <nil>
	// true
}
