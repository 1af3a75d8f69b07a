package dbsc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// recordedProof is a registration as Chromium 156 has sent it.
const recordedProof = "eyJhbGciOiJFUzI1NiIsImp3ayI6eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6Ijd2Q21LU2xvdV90Wm5ldU9MUEVaa3ZuaUNuLXB6MHFQM1hiMzFULWYwaFUiLCJ5IjoiZl82c2k5TkN6QnA5ampGa1ZIMXZaLWxjMjBCMXBOc1h1bjlDUnN2eVFEQSJ9LCJ0eXAiOiJkYnNjK2p3dCJ9." +
	"eyJqdGkiOiJRWHd0YWZMQ2dWUjk4bmluWmRKRTBBLnZpdk94UnVfZEdkbmRCbjhiUXNQWWc6MXhXUE4xOktkV1NBSXdNRFFuWDFWLVVQTU1vYnJ6VVMzUU10Z3FwMXY1dkw2b1g0TGMifQ." +
	"HpZejOctKXkDk71REpHNdq1YkWOGqnKkApQIBInu8Vzig5HtNhD9_i74Dl4RMMTGfTrU-nrDQoOBUe4ZGFc2gg"

func TestARecordedProof(t *testing.T) {
	p, err := parseProof(recordedProof)
	require.NoError(t, err)
	key, err := p.key()
	require.NoError(t, err)
	challenge, err := p.verify(key)
	require.NoError(t, err)
	require.Equal(t, "QXwtafLCgVR98ninZdJE0A.vivOxRu_dGdndBn8bQsPYg:1xWPN1:KdWSAIwMDQnX1V-UPMMobrzUS3QMtgqp1v5vL6oX4Lc", challenge)

	for i := range recordedProof { // whatever is changed
		changed := []byte(recordedProof)
		changed[i] ^= 1
		p, err := parseProof(string(changed))
		if err != nil {
			continue
		}
		_, err = p.verify(key)
		require.Error(t, err, i)
	}
}

// What is read as a proof has one spelling, and the challenge that encoding/json finds in it.
func FuzzProof(f *testing.F) {
	f.Add(recordedProof)
	f.Add("e30.e30." + recordedProof[len(recordedProof)-86:])
	f.Add("..")
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseProof(text)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(text), maxProof)
		require.Equal(t, text, p.signed+"."+base64.RawURLEncoding.EncodeToString(p.signature), "one spelling")
		_, err = p.verify(&other.PublicKey)
		require.Error(t, err)
		key, err := p.key()
		if err != nil {
			return
		}
		challenge, err := p.verify(key)
		if err != nil {
			return
		}
		var claims map[string]any
		decoded, err := base64.RawURLEncoding.DecodeString(p.claims)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(decoded, &claims))
		require.Equal(t, claims["jti"], challenge)
	})
}
