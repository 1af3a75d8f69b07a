package cookiestore

// The dictionary key and the value with which Django tests whether a browser takes
// cookies.
const (
	testCookieKey   = "testcookie"
	testCookieValue = "worked"
)

// SetTestCookie stores a test value, to find out with the next request whether
// the browser takes cookies.
func (s *Session) SetTestCookie() { s.Set(testCookieKey, testCookieValue) }

// TestCookieWorked reports whether the value of SetTestCookie came back.
func (s *Session) TestCookieWorked() bool {
	return Get(s, testCookieKey, "") == testCookieValue
}

// DeleteTestCookie removes the value of SetTestCookie.
func (s *Session) DeleteTestCookie() { s.Delete(testCookieKey) }
