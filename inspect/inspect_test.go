package inspect_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
	"example.com/cookiestore/inspect"
)

var signedAt = time.Unix(1_800_000_000, 0)

func TestParse(t *testing.T) {
	e, err := cookiestore.NewEncrypter([]byte(strings.Repeat("k", cookiestore.MinKeySize)))
	require.NoError(t, err)
	encrypted := e.Encrypt("s", `{"a":1}`, signedAt)
	for _, test := range []struct {
		name, value string
		want        inspect.Value
		reason      error
		says        string
	}{
		{"a good value", "e30:1xocE4:sig", inspect.Value{Payload: "e30", Timestamp: "1xocE4", Signature: "sig", At: signedAt, Data: "{}"}, nil, ""},
		{"no signature", "e30", inspect.Value{Payload: "e30"}, cookiestore.ErrMalformed, "no signature"},
		{"no timestamp", "e30:sig", inspect.Value{Payload: "e30", Signature: "sig"}, cookiestore.ErrMalformed, "no timestamp"},
		{"a bad timestamp", "e30:!:sig", inspect.Value{Payload: "e30", Timestamp: "!", Signature: "sig", Data: "{}"}, cookiestore.ErrMalformed, "timestamp is not base62"},
		{"a time past the year 9999", "e30:4SbCEFs:sig", inspect.Value{Payload: "e30", Timestamp: "4SbCEFs", Signature: "sig", Data: "{}"}, cookiestore.ErrMalformed, "past the year 9999"},
		{"a bad payload", ".e30:1xocE4:sig", inspect.Value{Payload: ".e30", Timestamp: "1xocE4", Signature: "sig", Compressed: true, At: signedAt}, cookiestore.ErrMalformed, "not a zlib stream"},
		{"an encrypted value", encrypted, inspect.Value{Payload: encrypted, Encrypted: true}, nil, ""},
		{"an encrypted value that is cut short", encrypted[:len(encrypted)-4], inspect.Value{Payload: encrypted[:len(encrypted)-4]}, cookiestore.ErrMalformed, "no signature"},
		{"nothing", "::", inspect.Value{}, cookiestore.ErrMalformed, "timestamp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := inspect.Parse(test.value)
			require.ErrorIs(t, err, test.reason)
			if test.reason != nil {
				require.ErrorContains(t, err, "cookiestore: cookie refused: malformed: ")
				require.ErrorContains(t, err, test.says)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// What a real Django made can be taken apart, and so can what it refuses: no key takes
// part in it, and nothing panics.
func TestDjangoVectors(t *testing.T) {
	text, err := os.ReadFile("../testdata/django.json")
	require.NoError(t, err)
	var file struct {
		Vectors []struct {
			Kind, Value string
			JSON        *string
			Valid       bool
		}
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Vectors)
	for _, v := range file.Vectors {
		seen, err := inspect.Parse(v.Value)
		if !v.Valid {
			assert.True(t, err == nil || cookiestore.IsRefused(err), v.Value)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, *v.JSON, seen.Data)
		require.Equal(t, v.Kind == "legacy_db_row", seen.Legacy)
		require.Equal(t, strings.HasPrefix(v.Value, "."), seen.Compressed)
	}
}

func ExampleParse() {
	seen, err := inspect.Parse("eyJudW1fdmlzaXRzIjoxfQ:1fPj03:3Nu5Hmzye20IZTdt9QReim3P2S2gToTuMTN-3H8rgwI")
	fmt.Println(seen.Data, seen.At.UTC(), err)
	// Output: {"num_visits":1} 2018-06-04 06:29:51 +0000 UTC <nil>
}
