// A consent in a small window: the page that opened it asks us how it ended, and goes on. Nothing
// is said from window to window, which neither a frame on another site nor our opener policy allows.
import { send } from "./base.js";

const EVERY = 1500;
const MOST_GONE = 40; // a minute: the answer may be worked on by another process

// Where there is room for a second window, or where a frame must not lead to the app.
const wide = window.top !== window || matchMedia("(min-width: 40rem)").matches;
for (const field of document.querySelectorAll("[data-window]")) field.value = wide ? "1" : "";

const link = document.querySelector("[data-consent]");
const state = document.querySelector("[data-consent-state]");
const failed = document.querySelector("[data-consent-failed]");
let waiting = false;

link?.addEventListener("click", (event) => {
  const left = Math.max(0, screenX + (outerWidth - 560) / 2);
  const opened = open("", "", `popup,width=560,height=720,left=${left},top=${screenY + 60}`);
  if (!opened) return; // a browser that forbids it follows the link
  event.preventDefault();
  opened.opener = null;
  opened.location.replace(link.href);
  if (!waiting) wait();
});

async function wait() {
  waiting = true;
  failed.hidden = true;
  state.textContent = state.dataset.waiting;
  const [place, error] = await end();
  waiting = false;
  state.textContent = "";
  if (place) {
    location.replace(place);
    return;
  }
  const [what, remedy] = error;
  failed.querySelector(".what").textContent = what;
  failed.querySelector(".remedy").textContent = remedy;
  failed.hidden = false;
}

async function end() {
  for (let gone = 0; gone < MOST_GONE; ) {
    await new Promise((done) => setTimeout(done, EVERY));
    try {
      const told = await send("/connections/consent/ended", { state: link.dataset.consent });
      if (told.place || told.error) return [told.place, told.error];
      if (told.gone) gone += 1;
    } catch (refusal) {
      // Without an answer of ours it is asked again: a server may be away for a moment.
      if (refusal.status) return ["", [refusal.message, ""]];
    }
  }
  return ["", [state.dataset.lost, ""]];
}

// The end of the window. Where the browser does not let it close, it goes on to the connection.
const done = document.querySelector("[data-consent-done]");
if (done) {
  window.close();
  setTimeout(() => location.replace(done.href), 1200);
}
