package main

import (
	"testing"
	"time"

	"example.com/cookiestore/example/databases/internal/tour"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (b *browser) wait(condition string) {
	b.Helper()
	require.NoError(b, tour.Wait(b.ctx, condition), "%s", b.text())
}

func (b *browser) do(script string) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script))
	require.NoError(b, err)
}

// typed puts text into the field of the editor, as if it were typed.
func (b *browser) typed(field, text string) {
	b.Helper()
	b.do(`document.querySelector("` + field + `").value = ""`)
	require.NoError(b, chromedp.Do(b.ctx, chromedp.SendKeys(chromedp.CSS(field), text)))
}

const said = `document.querySelector("#verdict").innerText`

func TestVerdictComesWhileOneTypes(t *testing.T) {
	server := newPlace(t, "cookie").Serve(t, time.Now)
	b := startBrowser(t, findBrowser(t), t.TempDir(), server.URL)
	b.open("/")
	assert.Contains(t, b.open("/forge"), "Accepted. This is your own cookie, byte for byte.")
	before, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("[data-part=payload]").textContent`))
	require.NoError(t, err)

	b.typed("textarea", `{"num_visits": 99}`)
	b.wait(said + `.includes("Refused: signature does not match. The signature was made for another payload.")`)
	b.wait(`document.querySelector("[data-part=payload].changed").textContent === btoa('{"num_visits":99}').replace(/=+$/, "")`)
	b.wait(`document.querySelectorAll("[data-part].changed").length === 1`)
	b.typed("textarea", `{"num_visits": 1}`)
	b.wait(said + `.includes("Accepted.") && document.querySelector("#verdict.good") && !document.querySelector(".changed")`)
	b.wait(`document.querySelector("[data-part=payload]").textContent === "` + before + `"`)
	b.typed("[name=name]", "admin")
	b.wait(said + `.includes("worthless under another")`)
	b.typed("[name=timestamp]", "a;b")
	b.wait(said + `.includes("no cookie can look like this")`)

	server.CloseClientConnections()
	server.Listener.Close()
	b.typed("[name=signature]", "x")
	b.wait(said + `.includes("No verdict.")`)
}

func TestCountdownCounts(t *testing.T) {
	server := newPlace(t, "cookie").Serve(t, time.Now)
	b := startBrowser(t, findBrowser(t), t.TempDir(), server.URL)
	b.open("/set-session?name=Ankit")
	b.wait(`document.querySelector(".left").textContent === "29 seconds" && document.querySelector("progress").value === 29`)

	// The page's own clock is put forward: nobody waits.
	b.do(`performance.now = (now => () => now() + 28000)(performance.now.bind(performance))`)
	b.wait(`document.querySelector(".left").textContent === "1 second"`)
	b.wait(`document.querySelector(".left").textContent === "0 seconds" && document.querySelector("progress").value === 0`)
	assert.Contains(t, b.text(), "Expired. The next request finds no session.")
	b.noProblems()
}

func TestForgingWithoutJavaScript(t *testing.T) {
	server := newPlace(t, "cookie").Serve(t, time.Now)
	b := startBrowser(t, findBrowser(t), t.TempDir(), server.URL)
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	b.open("/")
	assert.Contains(t, b.open("/forge"), "Accepted.")
	assert.Contains(t, b.press("[value=payload]"), "Refused: signature does not match.")
	assert.Contains(t, b.press("[value=send]"), "Reason: signature does not match.")
	assert.Contains(t, b.open("/account"), "Not signed in")
	b.open("/forge/sent")
	assert.Contains(t, b.press("form button"), "Accepted.")
	assert.Contains(t, b.open("/"), "2 times.")
}

// press clicks and returns the text of the page that follows.
func (b *browser) press(button string) string {
	b.Helper()
	_, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(button)))
	require.NoError(b, err)
	return b.text()
}

func TestVerdictOnChunksComesWhileOneTypes(t *testing.T) {
	server := newPlace(t, "cookie").Serve(t, time.Now, "-encrypt", "-chunks", "3")
	b := startBrowser(t, findBrowser(t), t.TempDir(), server.URL)
	b.open("/large")
	b.do(`document.querySelector("[name=size]").value = 5000`)
	assert.Contains(t, b.press("form.card button"), "In 2 cookies, ")
	assert.Contains(t, b.open("/forge"), "Accepted. These are your own cookies, byte for byte.")

	const second = `document.querySelectorAll("textarea")[1]`
	own, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](second+`.value`))
	require.NoError(t, err)
	b.do(`(field => { field.value = "xyz"; field.dispatchEvent(new Event("input", {bubbles: true})) })(` + second + `)`)
	b.wait(said + `.includes("Refused: malformed: chunk 1 of 2 is missing")`)
	b.wait(`document.querySelector("[data-part=value-1].changed").textContent === "xyz" && document.querySelectorAll(".changed").length === 1`)
	b.do(`(field => { field.value = "` + own + `"; field.dispatchEvent(new Event("input", {bubbles: true})) })(` + second + `)`)
	b.wait(said + `.includes("Accepted.") && !document.querySelector(".changed")`)
	b.wait(`document.querySelector("[data-part=value-1]").textContent === "` + own + `"`)
	b.noProblems()
}
