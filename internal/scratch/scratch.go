// Package scratch lends buffers for what is soon thrown away again.
package scratch

import "sync"

// A Buffer is scratch space: append to B, and hand it back with Free.
type Buffer struct{ B []byte }

var pool = sync.Pool{New: func() any { return new(Buffer) }}

// maxPooled keeps a rare huge session from staying in memory for ever.
const maxPooled = 64 << 10

// Get returns an empty buffer.
func Get() *Buffer {
	buf := pool.Get().(*Buffer)
	buf.B = buf.B[:0]
	return buf
}

// Free hands the buffer back. Nothing may refer to what is in B any longer.
func (buf *Buffer) Free() {
	if cap(buf.B) <= maxPooled {
		pool.Put(buf)
	}
}
