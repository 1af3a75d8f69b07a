package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/cookiestore"
)

var findPythonWithAES = sync.OnceValue(func() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import cryptography.hazmat.primitives.ciphers.aead").Run() == nil {
			return python
		}
	}
	return ""
})

// encryptedCookies runs testdata/encrypted_cookies.py, which knows the format of
// encrypted cookies from its description alone.
func encryptedCookies(t *testing.T, command string, input []byte) []byte {
	t.Helper()
	python := findPythonWithAES()
	if python == "" {
		skipIfMissing(t, &missing{"no python3 can import cryptography: install Debian's python3-cryptography package (apt-get install python3-cryptography)"})
	}
	script := exec.CommandContext(t.Context(), python, "testdata/encrypted_cookies.py", command)
	script.Stdin = bytes.NewReader(input)
	var errors bytes.Buffer
	script.Stderr = &errors
	output, err := script.Output()
	require.NoError(t, err, "%s", errors.String())
	return output
}

func TestEncryptedVectorsAreWhatPythonMakes(t *testing.T) {
	want, err := os.ReadFile("../testdata/encrypted.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(encryptedCookies(t, "vectors", nil)),
		"make it with: python3 interop/testdata/encrypted_cookies.py vectors >testdata/encrypted.json")
}

// Each side opens what the other has made, and refuses it under another name, with
// another key and with a bit changed.
func TestEncryptedCookiesGoBothWays(t *testing.T) {
	type toOpen struct {
		Name  string   `json:"name"`
		Value string   `json:"value"`
		Keys  []string `json:"keys"`
	}
	type toMake struct {
		Name string `json:"name"`
		Data string `json:"data"`
		At   int64  `json:"at"`
		Key  string `json:"key"`
	}
	type session struct {
		name, data string
		at         time.Time
	}
	key, other := bytes.Repeat([]byte("k"), 32), bytes.Repeat([]byte("o"), 47)
	both, one := []string{hex.EncodeToString(other), hex.EncodeToString(key)}, []string{hex.EncodeToString(other)}
	store, err := cookiestore.New(key, cookiestore.WithEncryption(), cookiestore.WithCompressionOver(500))
	require.NoError(t, err)
	rotated, err := cookiestore.New(other, cookiestore.WithEncryption(), cookiestore.WithFallbackKeys(key))
	require.NoError(t, err)
	stranger, err := cookiestore.New(other, cookiestore.WithEncryption())
	require.NoError(t, err)

	var sessions []session
	var asked struct {
		Open []toOpen `json:"open"`
		Make []toMake `json:"make"`
	}
	for i := range 150 {
		s := session{fmt.Sprint("sitzung-ü", i), fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("é😀", i)), time.Unix(1_800_000_000+int64(i), 0)}
		value, _, err := store.Save(t.Context(), s.name, cookiestore.Record{Data: s.data, Saved: s.at})
		require.NoError(t, err)
		sessions = append(sessions, s)
		asked.Open = append(asked.Open,
			toOpen{s.name, value, both},
			toOpen{s.name, value, one},
			toOpen{s.name + "0", value, both},
			toOpen{s.name, changed(value, i), both})
		asked.Make = append(asked.Make, toMake{s.name, s.data, s.at.Unix(), both[1]})
	}
	input, err := json.Marshal(asked)
	require.NoError(t, err)
	var answer struct {
		Opened []struct {
			Data, Refused string
			At            int64
			Key           int
		}
		Made []string
	}
	require.NoError(t, json.Unmarshal(encryptedCookies(t, "exchange", input), &answer))
	require.Len(t, answer.Opened, 4*len(sessions))
	require.Len(t, answer.Made, len(sessions))
	for i, s := range sessions {
		good := answer.Opened[4*i]
		require.Empty(t, good.Refused)
		require.Equal(t, s, session{s.name, good.Data, time.Unix(good.At, 0)}, "Python opens it")
		require.Equal(t, 1, good.Key)
		for _, refused := range answer.Opened[4*i+1 : 4*i+4] {
			require.NotEmpty(t, refused.Refused, "Python refuses it")
		}

		rec, err := rotated.Load(t.Context(), s.name, answer.Made[i])
		require.NoError(t, err)
		require.Equal(t, cookiestore.Record{Data: s.data, Saved: s.at, Resave: true}, rec, "Go opens it")
		_, err = stranger.Load(t.Context(), s.name, answer.Made[i])
		require.ErrorIs(t, err, cookiestore.ErrTampered)
		_, err = rotated.Load(t.Context(), s.name+"0", answer.Made[i])
		require.ErrorIs(t, err, cookiestore.ErrTampered)
		_, err = rotated.Load(t.Context(), s.name, changed(answer.Made[i], i))
		require.True(t, cookiestore.IsRefused(err))
	}
}

// changed returns the value with another letter in one place.
func changed(value string, place int) string {
	letter := "A"
	if value[place%len(value)] == 'A' {
		letter = "B"
	}
	return value[:place%len(value)] + letter + value[place%len(value)+1:]
}
