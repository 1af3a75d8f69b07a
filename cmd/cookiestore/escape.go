package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped makes text that anybody may have written safe to show. What isn't a visible
// character or a space becomes an escape of JSON's: it could move the cursor, recolor or
// rename a terminal (control characters, U+009B), reverse what stands around it
// (bidirectional controls), or hide (zero-width characters). In a JSON string the escape
// means the same character. Bytes that are not UTF-8 become \x and two digits.
func escaped(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unicode.IsGraphic(r):
			out.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
		i += size
	}
	return out.String()
}
