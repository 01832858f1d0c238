// Live pieces of a page, keys of lists, and what filters need. Without it every page still works.

const EVERY = 2000;
const LONGEST = 30000;

/** Ask for a piece again and again; what has changed takes its place, and a lost server is said. */
class Live {
  constructor(place) {
    this.place = place;
    this.tag = "";
    this.failures = 0;
    this.state = document.querySelector("[data-live-state]");
    this.timer = 0;
    this.ask = this.ask.bind(this);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.soon(0);
    });
    addEventListener("online", () => this.soon(0));
    this.soon(EVERY);
  }

  soon(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.ask, delay);
  }

  async ask() {
    if (document.hidden) return;
    const began = performance.now();
    try {
      const answer = await fetch(this.place.dataset.live, {
        headers: { accept: "text/html", "if-none-match": this.tag },
        redirect: "error",
      });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        const first = this.tag === "";
        this.tag = answer.headers.get("etag") ?? "";
        this.put(await answer.text(), first);
      }
      this.failures = 0;
      this.say(this.place.dataset.fresh, "on");
    } catch {
      this.failures += 1;
      this.say(this.place.dataset.lost, "off");
    }
    // What takes the server long is asked for more rarely.
    const patience = Math.max(EVERY * 2 ** this.failures, 20 * (performance.now() - began));
    this.soon(Math.min(patience, LONGEST));
  }

  say(text, kind) {
    if (!this.state) return;
    if (this.state.textContent !== text) this.state.textContent = text;
    this.state.className = `live ${kind}`;
  }

  /** Escaped by the server, and parsed without running anything. */
  put(text) {
    if (busy(this.place)) {
      this.tag = "";
      return;
    }
    const known = new Set([...this.place.querySelectorAll("[data-row]")].map((one) => one.dataset.row));
    const open = [...this.place.querySelectorAll("details")].map((one) => one.open);
    const focus = pathTo(this.place, document.activeElement);
    const here = this.place.querySelector("tr.here")?.dataset.row;
    const parsed = new DOMParser().parseFromString(text, "text/html");
    const fresh = parsed.body.textContent.trim() !== this.place.textContent.trim();
    if (!fresh) return;
    this.place.replaceChildren(...parsed.body.childNodes);
    this.place.querySelectorAll("details").forEach((one, place) => {
      if (open[place]) one.open = true;
    });
    for (const row of this.place.querySelectorAll("[data-row]")) {
      if (known.size && !known.has(row.dataset.row)) row.classList.add("fresh");
      if (row.dataset.row === here) row.classList.add("here");
    }
    if (focus) this.place.querySelector(focus)?.focus({ preventScroll: true });
  }
}

/** Whether somebody has marked text in there, which must not vanish under the hand. */
function busy(place) {
  const marked = getSelection();
  return marked && !marked.isCollapsed && place.contains(marked.anchorNode);
}

function pathTo(place, one) {
  if (!one || one === document.body || !place.contains(one)) return "";
  const href = one.getAttribute("href");
  if (href) return `a[href="${CSS.escape(href).replaceAll("\\/", "/")}"]`;
  const every = [...place.querySelectorAll(one.tagName)];
  return `${one.tagName.toLowerCase()}:nth-of-type(${every.indexOf(one) + 1})`;
}

for (const place of document.querySelectorAll("[data-live]:not([data-still])")) new Live(place);

// j and k walk through a list, Enter opens, / goes to the search.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  if (event.key === "/") {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    return;
  }
  if (event.key !== "j" && event.key !== "k") return;
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const before = rows.findIndex((row) => row.contains(document.activeElement) || row.classList.contains("here"));
  const next = event.key === "j" ? Math.min(before + 1, rows.length - 1) : Math.max(before - 1, 0);
  for (const row of rows) row.classList.toggle("here", row === rows[next]);
  rows[next].querySelector("a").focus();
});

// Days are asked for only where a period is given by days; a choice is shown at once.
for (const form of document.querySelectorAll("[data-filters]")) {
  form.addEventListener("change", (event) => {
    const period = event.target.closest("[data-period]");
    if (period) {
      for (const field of form.querySelectorAll("[data-days]")) field.hidden = period.value !== "days";
      if (period.value === "days") return;
    }
    if (event.target.closest("select, [type=checkbox]")) form.requestSubmit();
  });
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });
}

// Whoever comes from a filtered list goes back to it.
for (const link of document.querySelectorAll("[data-back]")) {
  const before = document.referrer && new URL(document.referrer);
  if (before && before.origin === location.origin && before.pathname === link.pathname) link.href = before.href;
}
