package scratch

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHugeBuffersAreNotPooled(t *testing.T) {
	huge := &Buffer{B: make([]byte, maxPooled+1)}
	huge.Free()
	require.LessOrEqual(t, cap(Get().B), maxPooled)
}

func TestBuffersComeEmpty(t *testing.T) {
	buf := Get()
	buf.B = append(buf.B, "text"...)
	buf.Free()
	require.Empty(t, Get().B)
}
