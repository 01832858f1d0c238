// What every page does: dialogs, menus that close, and fetch with our token.

export const body = document.body;

/** The address of one of our paths, wherever we are mounted. */
export const url = (path) => body.dataset.root + path;

/** Send JSON to one of our paths; gives the answer's JSON, or throws {status, problem}. */
export async function send(path, data, { method = "POST", signal, keepalive = false } = {}) {
  const answer = await fetch(url(path), {
    method,
    signal,
    keepalive,
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      "x-csrf-token": body.dataset.csrf,
    },
    body: JSON.stringify(data),
  });
  return read(answer);
}

/** Get JSON from one of our paths. */
export async function get(path, { signal } = {}) {
  return read(await fetch(url(path), { signal, headers: { accept: "application/json" } }));
}

async function read(answer) {
  const text = await answer.text();
  const told = text ? JSON.parse(text) : null;
  if (!answer.ok) {
    throw Object.assign(new Error(told?.detail ?? answer.statusText), {
      status: answer.status,
      problem: told,
    });
  }
  return told;
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    document.getElementById(opener.dataset.opens).showModal();
    return;
  }
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Times are told where the reader is: the server cannot know it otherwise.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const kept = `connector_zone=${encodeURIComponent(zone)}`;
if (zone && !document.cookie.split("; ").includes(kept)) {
  const framed = self !== top && location.protocol === "https:";
  const site = framed ? "none; secure; partitioned" : "lax";
  document.cookie = `${kept}; path=${body.dataset.root || "/"}; max-age=31536000; samesite=${site}`;
}
