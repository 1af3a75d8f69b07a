// Package tour walks through the pages of the demo site in a browser, for its tests
// and its screenshots.
package tour

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"
)

// A stop is a page, and how to get there. Each begins where the one before has left.
type stop struct {
	name string
	path string
	then string // a script that leads on from there
	wait string // a condition that then holds, of the page that it has led to
}

const (
	pressFirst = `document.querySelector("form button").click()`
	signIn     = `document.querySelector("[name=remember]").checked = true, document.querySelector("#remember button").click()`
	isFlashed  = `document.querySelector(".flash")`
)

// grow makes the session as large as the site takes, of what its page offers.
const grow = `[...document.querySelectorAll("button")].find(b =>
	b.textContent === (document.body.textContent.includes("can’t be saved") ? "1000" : "5000")).click()`

var stops = []stop{
	{name: "nothing-to-inspect", path: "/inspect"},
	{name: "nothing-to-forge", path: "/forge"},
	{name: "home", path: "/"},
	{name: "login", path: "/login"},
	{name: "account", path: "/login", then: signIn, wait: `location.pathname === "/account"`},
	{name: "login-again", path: "/login"},
	{name: "car", path: "/car", then: pressFirst, wait: isFlashed},
	{name: "flash", path: "/flash", then: pressFirst, wait: isFlashed},
	{name: "inspect", path: "/inspect"},
	{name: "forge", path: "/forge", then: `(field => {
		field.value = field.value.replace('"Ada"', '"root"') + (field.name === "value" ? "x" : "");
		field.dispatchEvent(new Event("input", {bubbles: true}));
	})(document.querySelector("textarea, [name=value]"))`, wait: `document.querySelector("#verdict.bad")`},
	{name: "forge-sent", path: "/forge", then: `(field => {
		field.value = field.name === "value" ? field.value.replace(/..$/, "xy") : '{"user": "root"}';
		document.querySelector("[value=send]").click();
	})(document.querySelector("textarea, [name=value]"))`, wait: `location.pathname === "/forge/sent"`},
	{name: "forge-locked-out", path: "/forge"},
	{name: "inspect-refused", path: "/inspect"},
	{name: "forge-restored", path: "/forge/sent", then: pressFirst, wait: `location.pathname === "/forge"`},
	{name: "encryption", path: "/encryption"},
	{name: "rotate", path: "/rotate"},
	{name: "large", path: "/large"},
	{name: "large-grown", path: "/large", then: grow, wait: `document.querySelector("[name=size]").value !== "0"`},
	{name: "inspect-large", path: "/inspect"},
	{name: "forge-large", path: "/forge"},
	{name: "home-large", path: "/"},
	{name: "large-shrunk", path: "/large", then: `[...document.querySelectorAll("button")].at(-1).click()`, wait: `document.querySelector("[name=size]").value === "0"`},
	{name: "everywhere", path: "/everywhere"},
	{name: "dbsc", path: "/dbsc"},
	{name: "stores", path: "/stores"},
	{name: "api", path: "/api"},
	{name: "changed", path: "/api", then: pressFirst, wait: `location.pathname === "/session"`},
	{name: "logout-everywhere", path: "/account", then: `document.querySelector("[action='/logout-everywhere'] button").click()`, wait: `location.pathname === "/logout-everywhere"`},
	{name: "login-at-last", path: "/login", then: signIn, wait: `location.pathname === "/account"`},
	{name: "expire", path: "/set-session?name=Ankit"},
	{name: "get", path: "/get-session"},
	{name: "ends-soon", path: "/car"},
	{name: "logout", path: "/account", then: pressFirst, wait: `location.pathname === "/logout"`},
	{name: "gone", path: "/get-session"},
	{name: "unauthorized", path: "/account"},
	{name: "bad-field", path: "/set-session"},
	{name: "not-found", path: "/nothing"},
	{name: "not-allowed", path: "/session"},
}

// Walk visits every page in a tab of a visitor who is new to the site at base, and
// calls at on each.
func Walk(tab context.Context, base string, at func(page string) error) error {
	for _, s := range stops {
		if err := visit(tab, base, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := at(s.name); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func visit(tab context.Context, base string, s stop) error {
	if err := chromedp.Do(tab, chromedp.Navigate(base+s.path)); err != nil {
		return err
	}
	ready := `document.readyState === "complete"`
	if s.then != "" {
		if _, err := chromedp.Run(tab, chromedp.Evaluate[any](s.then)); err != nil {
			return err
		}
		ready += ` && !!(` + s.wait + `)`
	}
	return Wait(tab, ready)
}

// Wait waits until a condition holds in the page, through navigations, for ten seconds
// at most.
func Wait(tab context.Context, condition string) error {
	ctx, cancel := context.WithTimeout(tab, 10*time.Second)
	defer cancel()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition))
		if err == nil && holds {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within ten seconds: %s", condition)
		case <-time.After(20 * time.Millisecond): // an error is that of a page that is just going
		}
	}
}
