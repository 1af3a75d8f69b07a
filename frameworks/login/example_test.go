package login_test

import (
	"fmt"

	"example.com/cookiestore/frameworks/login"
)

func ExampleLocalPath() {
	fmt.Println(login.LocalPath("/account?tab=2"))
	fmt.Println(login.LocalPath("//evil.example/account"))
	// Output:
	// /account?tab=2
	// /
}

func ExampleUserID() {
	fmt.Println(login.UserID("https://accounts.example.com", "248289761001"))
	// Output: https://accounts.example.com 248289761001
}
