package cookiestore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseChunk(t *testing.T) {
	for value, want := range map[string]*chunk{
		"0.1.12345678.x":   {0, 1, "12345678", "x"},
		"0.2.12345678.x.y": {0, 2, "12345678", "x.y"},
		"1.2.....5678.:":   {1, 2, "....5678", ":"},
		"7.8.12345678.x":   {7, 8, "12345678", "x"},
		"0.8.12345678.x":   {0, 8, "12345678", "x"},
		"8.9.12345678.x":   nil,
		"0.9.12345678.x":   nil,
		"0.0.12345678.x":   nil,
		"1.1.12345678.x":   nil,
		"2.1.12345678.x":   nil,
		"/.1.12345678.x":   nil,
		"..2.12345678.x":   nil,
		"0x2.12345678.x":   nil,
		"0.2x12345678.x":   nil,
		"0.2.12345678xx":   nil,
		"0.2.12345678.":    nil,
		"0.2.12345678":     nil,
		"0.2.1234567.x":    nil,
		"":                 nil,
		"eyJhIjoxfQ:x:y":   nil,
		"~.2.12345678.x":   nil,
	} {
		got, ok := parseChunk(value)
		require.Equal(t, want != nil, ok, value)
		if want != nil {
			require.Equal(t, *want, got, value)
			require.Equal(t, value, got.String())
		}
	}
}

func TestTagOf(t *testing.T) {
	for value, want := range map[string]string{
		"": "--------", "a": "a-------", "abcdefg": "abcdefg-", "abcdefgh": "abcdefgh", "abcdefghi": "bcdefghi",
	} {
		require.Equal(t, want, tagOf(value))
	}
}

func TestSplit(t *testing.T) {
	const value = "abcdefghijklmnop"
	for size, want := range map[int][]string{
		4:  {"0.4.ijklmnop.abcd", "1.4.ijklmnop.efgh", "2.4.ijklmnop.ijkl", "3.4.ijklmnop.mnop"},
		15: {"0.2.ijklmnop.abcdefghijklmno", "1.2.ijklmnop.p"},
		16: {"0.1.ijklmnop.abcdefghijklmnop"},
	} {
		require.Equal(t, want, split(value, size))
	}
}

func TestRoomOfChunks(t *testing.T) {
	one := space{limit: 100, overhead: 40}
	require.False(t, one.needsChunks(make([]byte, 1000)))
	require.Empty(t, one.inChunks())
	three := one.chunked(3)
	require.Equal(t, 60, three.single)
	require.Equal(t, 300, three.limit)
	require.True(t, three.fits(3*45))
	require.False(t, three.fits(3*45+1), "a chunk takes 15 bytes more")
	require.True(t, three.fitsOne(60))
	require.False(t, three.fitsOne(61))
	require.False(t, three.needsChunks(make([]byte, 60)))
	require.True(t, three.needsChunks(make([]byte, 61)))
	for value, want := range map[string]bool{"": false, "0.2.12345678.x": true, "0.2.12345678.": false, "0.2.12345678.xy": true} {
		require.Equal(t, want, three.needsChunks([]byte(value)), value)
	}
	tight := space{limit: 25, overhead: 15}.chunked(2) // ten bytes, if not in chunks
	require.False(t, tight.needsChunks([]byte("0.2.123456")))
	require.True(t, tight.needsChunks([]byte("0.2.1234567")))
}

func TestWhichCookiesAreChunks(t *testing.T) {
	for pair, want := range map[string]int{
		"s-1=1.2.12345678.x": 1, " s-1 = 1.2.12345678.x ": 1, `s-1="1.2.12345678.x"`: 1, "s-7=7.8.12345678.x": 7,
		"s-2=1.2.12345678.x": 0, "s-0=0.2.12345678.x": 0, "s-8=8.9.12345678.x": 0, "s-1x=1.2.12345678.x": 0, "s-10=1.2.12345678.x": 0,
		"s1=1.2.12345678.x": 0, "sx1=1.2.12345678.x": 0, "t-1=1.2.12345678.x": 0, "-1=1.2.12345678.x": 0, "s-=1.2.12345678.x": 0,
		"s-1=1.2.12345678.": 0, "s-1=": 0, "s-1": 0, "s-": 0, "s": 0, "-1": 0, "-": 0, "": 0,
	} {
		var c chunkCookies
		c.add(pair, "s")
		places := c.set() &^ 1
		require.Equal(t, chunkSet(0)|chunkSet(1<<want)&^1, places, pair)
	}
	var c chunkCookies
	for _, short := range []string{"-1", "-", "", "se", "sessionid", "sessionid-"} {
		c.add(short, "sessionid")
	}
	for i := range 2 * maxDuplicates {
		c.add(fmt.Sprintf("sessionid-1=1.2.%08d.x", i), "sessionid")
	}
	require.Len(t, c[1], maxDuplicates)

	for _, test := range []struct {
		value, whole, says string
		limit              int
	}{
		{"plain", "plain", "", 0},
		{"0.1.00000005.x00000005", "x00000005", "", 9},
		{"0.1.00000005.x00000005", "", "the chunks have 9 bytes, over 8", 8},
		{"1.2.00000005.x", "", "chunk 1 is where the first belongs", 100},
		{"0.2.00000008.x", "", "chunk 1 of 2 is missing", 100},
		{"0.3.00000007.x", "", "chunk 1 of 3 is missing", 100}, // the other says that there are two
		{"0.2.00000007.1234567x", "", "don't end with what their tag says", 100},
		{"0.2.00000007.1234567x", "", "chunk 1 of 2 is missing", 100}, // it was used
	} {
		whole, err := c.join(test.value, test.limit)
		require.Equal(t, test.whole, whole, test.value)
		if test.says != "" {
			require.ErrorContains(t, err, test.says)
			require.True(t, IsRefused(err))
		}
	}
}

func TestWhichFieldsAreOfAValue(t *testing.T) {
	const value = "abcdefgh12345678"
	for line, want := range map[string]bool{
		"s=0.2.12345678.x; Path=/": true, "s-1=1.2.12345678.x; Path=/": true, "s-7=7.8.12345678.x": true, " s-1 =1.2.12345678.x": true,
		"s-1=; Max-Age=0": true, "s-7=; Max-Age=0": true,
		"s=; Max-Age=0": false, "s=abcdefgh12345678": false, "s=1.2.12345678.x": false, "s=0.2.87654321.x": false,
		"s-1=1.2.87654321.x; Path=/": false, "s-1=x; Path=/": false, "s-0=; Max-Age=0": false, "s-8=; Max-Age=0": false, "s-9=; Max-Age=0": false,
		"s-=; Max-Age=0": false, "s-11=; Max-Age=0": false, "s1=; Max-Age=0": false, "sx1=; Max-Age=0": false, "-1=; Max-Age=0": false,
		"t-1=; Max-Age=0": false, "xs-1=; Max-Age=0": false, "": false,
	} {
		j := jar{cookie: http.Cookie{Name: "s"}, chunks: 2}
		require.Equal(t, want, j.isOfChunk(line, value), line)
		j.chunks = 1
		require.False(t, j.isOfChunk(line, value), line)
	}
}

// A visitor whose cookie is not complete has sent one more all the same.
func TestIncompleteChunksCountAsACookie(t *testing.T) {
	for field, several := range map[string]bool{
		"s=0.2.12345678.x; s=a": true, "s=a; s=0.2.12345678.x": true, "s=0.2.12345678.x; s=0.2.12345678.y": true,
		"s=a; s=b": true, "s=a": false, "s=0.2.12345678.x": false, "s-1=1.2.12345678.x": false, "": false,
	} {
		var c candidates
		c.gather(strings.Split(field, "|"), "s", MaxCookieSize)
		require.Equal(t, several, c.several, field)
	}
}
