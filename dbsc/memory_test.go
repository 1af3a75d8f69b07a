package dbsc

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	const life = challengeLife + skew // of one from a server whose clock is ahead

	t.Run("a challenge is new once, for as long as it lives", func(t *testing.T) {
		var m memory
		require.True(t, m.first("old", start))
		for after := time.Duration(0); after <= 3*life; after += time.Second {
			require.True(t, m.first(after.String(), start.Add(after)))
			if after <= life {
				require.False(t, m.first("old", start.Add(after)))
			}
		}
		for after := 2 * life; after <= 3*life; after += time.Second {
			require.False(t, m.first(after.String(), start.Add(3*life)))
		}
	})
	t.Run("none is forgotten while it lives, whenever that is", func(t *testing.T) {
		for used := time.Duration(0); used < 4*life; used += time.Second {
			var m memory
			m.first("begin", start)
			require.True(t, m.first("used", start.Add(used)))
			for after := used; after <= used+life; after += time.Second {
				m.first(fmt.Sprint("other", after), start.Add(after))
				require.False(t, m.first("used", start.Add(after)))
			}
		}
	})
	t.Run("it is bounded", func(t *testing.T) {
		var m memory
		for i := range 3*maxUsed + 1 {
			m.first(fmt.Sprint(i), start)
			require.LessOrEqual(t, len(m.recent), maxUsed)
			require.LessOrEqual(t, len(m.older), maxUsed)
		}
		require.Len(t, m.recent, 1)
		require.Len(t, m.older, maxUsed)
		require.False(t, m.first(fmt.Sprint(3*maxUsed-1), start), "and forgets the oldest first")
		require.True(t, m.first("0", start))
	})
	t.Run("it forgets what is of no use", func(t *testing.T) {
		var m memory
		m.first("a", start)
		m.first("b", start.Add(time.Hour))
		m.first("c", start.Add(2*time.Hour))
		require.Len(t, m.recent, 1)
		require.Len(t, m.older, 1)
	})
	t.Run("of requests at the same time one is first", func(t *testing.T) {
		var m memory
		var firsts atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if m.first("a", start) {
					firsts.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, firsts.Load())
	})
}

func TestProofsOfUpTo4096Bytes(t *testing.T) {
	_, err := parseProof(strings.Repeat("x", 4096))
	require.ErrorContains(t, err, "not a JWT")
	_, err = parseProof(strings.Repeat("x", 4097))
	require.ErrorContains(t, err, "has 4097 bytes")
}
