package main

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEncryptingPeersCount(t *testing.T) {
	for _, size := range speedSizes {
		for _, p := range encryptingPeers() {
			t.Run(p.name+"/"+strconv.Itoa(size), func(t *testing.T) {
				cookies, err := enter(p, sample(size))
				if err != nil {
					require.ErrorAs(t, err, new(errTooLarge))
					require.Equal(t, 3000, size, "smaller ones fit everywhere")
					return
				}
				requireCounts(t, p, size)
				hidden := !strings.Contains(cookies[0].Value, ":") && p.name != signedName
				require.Equal(t, p.name != signedName, hidden)
			})
		}
	}
}

func TestChunkedPeersTakeAsManyCookiesAsTheTableSays(t *testing.T) {
	for i, size := range chunkSizes {
		for _, p := range chunkedPeers(len(chunkSizes)) {
			cookies, err := enter(p, sample(size))
			require.NoError(t, err)
			require.Len(t, cookies, i+1, "%s, %d bytes", p.name, size)
			w := httptest.NewRecorder()
			c := newCallerWith(p.read(writeVisits), cookies)
			c.handler.ServeHTTP(w, c.request)
			require.Equal(t, strconv.Itoa(sample(size).Visits), w.Body.String())
		}
	}
}
