package jsonobject

import "unsafe"

// unsafeString returns a string that changes with the buffer, as the strings of Fiber do.
func unsafeString(buffer []byte) string { return unsafe.String(&buffer[0], len(buffer)) }
