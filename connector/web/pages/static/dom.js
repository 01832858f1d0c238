// Making elements: text is always text, never markup.

/** h("p", {class: "quiet", onclick}, "text", other) gives an element. */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(9).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

/** A button with words. */
export const button = (label, onclick, props = {}) =>
  h("button", { type: "button", class: "button", onclick, ...props }, label);

/** A text with its %(name)s filled in. */
export const fill = (text, values) =>
  text.replace(/%\((\w+)\)s/g, (_, name) => String(values[name] ?? ""));

/** Call again only after so many milliseconds without a call. */
export function later(work, wait = 250) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
}

/** A dialog that is shown at once and gone when it closes. */
export function dialog(title, words, ...content) {
  const id = `d${Math.random().toString(36).slice(2)}`;
  const before = document.activeElement;
  const made = h("dialog", { "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title),
      button("✕", () => made.close(), { class: "button quiet", "aria-label": words.close })),
    ...content);
  made.addEventListener("close", () => {
    made.remove();
    // Whoever looks at a dialog comes back to where they were on the page.
    if (before?.isConnected) before.focus({ preventScroll: true });
  });
  document.body.append(made);
  made.showModal();
  return made;
}

/** Arrow keys move through a list of buttons; from the search field they begin. */
export function arrows(search, list) {
  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) {
      if (event.key === "Enter" && event.target === search) {
        event.preventDefault();
        list.querySelector("button")?.click();
      }
      return;
    }
    event.preventDefault();
    const all = [...list.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement) + step;
    if (at < 0) search.focus();
    else all[Math.min(at, all.length - 1)]?.focus();
  };
  search.addEventListener("keydown", move);
  list.addEventListener("keydown", move);
}

/** Words without capitals, accents and print's own signs, to compare what people type. */
export const plain = (text) => String(text).normalize("NFD").replace(/\p{M}/gu, "").replace(/\u2019/g, "'").replace(/\u2011/g, "-").toLowerCase();
