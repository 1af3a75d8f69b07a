// The parts of pages that move: countdowns, and the verdict on a forged cookie.
// Without this script the pages say the same when they are loaded.
"use strict";

for (const left of document.querySelectorAll("[data-seconds]")) {
  const end = performance.now() + 1000 * Number(left.dataset.seconds);
  if (Number(left.dataset.seconds) >= 120) continue; // said in minutes or more
  const box = left.closest("[data-countdown]");
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    left.textContent = `${seconds} second${seconds === 1 ? "" : "s"}`;
    if (box) box.querySelector("progress").value = seconds;
    if (seconds > 0) return;
    clearInterval(timer);
    if (!box) return;
    const status = box.querySelector("[data-at-zero]");
    status.textContent = status.dataset.atZero;
  };
  const timer = setInterval(tick, 250);
}

const form = document.getElementById("forge");
if (form) {
  let timer, request;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  });

  async function ask() {
    request?.abort();
    request = new AbortController();
    try {
      const response = await fetch(form.dataset.verdict, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        signal: request.signal,
      });
      if (!response.ok) throw new Error(await response.text());
      show(await response.json());
    } catch (error) {
      if (error.name === "AbortError") return;
      say(false, "No verdict.", error.message);
    }
  }

  function show(verdict) {
    say(verdict.accepted, verdict.says, verdict.why);
    for (const part of form.querySelectorAll("[data-part]")) {
      const name = part.dataset.part;
      const [field, place = 0] = name.split("-"); // value-1 is that of the second cookie
      part.textContent = field === "value" ? verdict.values[place] : verdict[name];
      part.classList.toggle("changed", verdict.changed.includes(name));
    }
  }

  // say leaves alone what is said already, or a screen reader would repeat it.
  function say(accepted, says, why) {
    const verdict = document.getElementById("verdict");
    verdict.classList.toggle("good", accepted);
    verdict.classList.toggle("bad", !accepted);
    for (const [part, text] of [["[data-says]", says], ["[data-why]", why]]) {
      const element = verdict.querySelector(part);
      if (element.textContent !== text) element.textContent = text;
    }
  }
}
