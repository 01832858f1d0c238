// Text with pills: a pill stands for an expression, and is picked from the sample or typed after {{.

import { arrows, button, dialog, fill, h, plain } from "./dom.js";

const PART = /\{\{\s*([\s\S]*?)\s*\}\}/g;
const PATH = /^[A-Za-z_][\w]*(?:\.[\w\\.-]+|\[[^\]]*\])*$/;

/** The path an expression begins with, and the filters after it; null for anything else. */
export function taken(expression) {
  const [path, ...filters] = expression.split("|").map((one) => one.trim());
  return PATH.test(path) ? { path, filters } : null;
}

/** Every value below a place, as {path, value, label}: what can be picked. */
export function leaves(value, path, labels, found = [], depth = 0) {
  if (found.length > 1500 || depth > 8) return found;
  if (Array.isArray(value)) {
    found.push({ path, value, label: labels[plainPath(path)] });
    value.slice(0, 1).forEach((one) => leaves(one, `${path}[0]`, labels, found, depth + 1));
  } else if (value && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      const below = /^[A-Za-z_]\w*$/.test(key) ? `${path}.${key}` : `${path}[${quoted(key)}]`;
      leaves(inner, below, labels, found, depth + 1);
    }
  } else found.push({ path, value, label: labels[plainPath(path)] });
  return found;
}

const quoted = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
const plainPath = (path) => path.replace(/\[\d+\]/g, "");

/** The words for a path: its label, else its last key. */
function wordFor(path, labels) {
  const known = labels[plainPath(path)];
  if (known) return known;
  const key = plainPath(path).split(/[.[]/).pop().replace(/[\]']/g, "");
  return key.replaceAll("_", " ").replace(/^./, (char) => char.toUpperCase());
}

/** A value as it is shown beside a path. */
export function shown(value, words) {
  if (Array.isArray(value)) return fill(words.list, { count: value.length });
  if (value === null || value === undefined) return "—";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

class TokenField extends HTMLElement {
  /** Make it ready: `sees()` gives {context, labels}, `filters` and `words` are for the dialogs. */
  begin({ value, label, sees, filters, words, describedby, rows = false }) {
    Object.assign(this, { sees, filters, words, rows });
    this.box = h("div", {
      class: "tokens", role: "textbox", contenteditable: "true", spellcheck: "false",
      "aria-label": label, "aria-describedby": describedby,
      oninput: () => this.typed(), onkeydown: (event) => this.pressed(event),
      onpaste: (event) => {
        event.preventDefault();
        this.insertText(event.clipboardData.getData("text/plain").replace(/\s*\n\s*/g, " "));
      },
      onclick: (event) => {
        const pill = event.target.closest(".pill");
        if (pill) this.edit(pill);
        else this.settle(event);
      },
    });
    this.append(this.box, button("{ }", () => this.pick(), {
      class: "button quiet insert", title: words.insert, "aria-label": `${words.insert}: ${label}`,
    }));
    this.value = value ?? "";
    return this;
  }

  get value() {
    let text = "";
    for (const one of this.box.childNodes) {
      if (one.dataset?.expression !== undefined) text += `{{ ${one.dataset.expression} }}`;
      else text += one.textContent.replaceAll("\u00a0", " ");
    }
    return text.trim() === "" ? "" : text;
  }

  set value(text) {
    this.box.replaceChildren();
    let from = 0;
    for (const found of String(text).matchAll(PART)) {
      if (found.index > from) this.box.append(String(text).slice(from, found.index));
      this.box.append(this.pill(found[1]));
      from = found.index + found[0].length;
    }
    if (from < String(text).length) this.box.append(String(text).slice(from));
  }

  focus() {
    this.box.focus();
  }

  pill(expression) {
    const { labels } = this.sees();
    const simple = taken(expression);
    const words = simple
      ? [wordFor(simple.path, labels), ...simple.filters].join(" · ")
      : expression;
    return h("button", {
      type: "button", class: simple ? "pill" : "pill code", contenteditable: "false",
      "data-expression": expression, title: expression,
    }, words);
  }

  typed() {
    const selection = getSelection();
    const node = selection.anchorNode;
    if (node?.nodeType === Node.TEXT_NODE && this.box.contains(node)) {
      const before = node.data.slice(0, selection.anchorOffset);
      if (before.endsWith("{{")) {
        node.deleteData(selection.anchorOffset - 2, 2);
        this.pick();
      }
    }
    this.changed();
  }

  pressed(event) {
    if (event.target !== this.box) return;
    if (event.key === "Enter") event.preventDefault();
  }

  changed() {
    this.dispatchEvent(new CustomEvent("tokens", { bubbles: true }));
  }

  insertText(text) {
    this.place(document.createTextNode(text));
  }

  /** Put something where the caret is, or was. */
  place(node) {
    const range = this.kept ?? this.caret();
    this.kept = null;
    if (range && this.box.contains(range.commonAncestorContainer)) {
      range.deleteContents();
      range.insertNode(node);
    } else this.box.append(node);
    const after = document.createRange();
    after.setStartAfter(node);
    this.box.focus();
    getSelection().removeAllRanges();
    getSelection().addRange(after);
    this.changed();
  }

  caret() {
    const selection = getSelection();
    const inside = selection.rangeCount && this.box.contains(selection.anchorNode);
    return inside ? selection.getRangeAt(0).cloneRange() : null;
  }

  /** A click beside the text, as at the lower edge, still puts the caret where it is nearest. */
  settle({ target, clientX, clientY }) {
    // A browser may put it into the nearest pill, where nothing can be typed.
    const { anchorNode: at } = getSelection();
    if (target !== this.box || at === this.box || at?.parentNode === this.box) return;
    const lines = [...this.box.childNodes].map((one) => {
      const range = document.createRange();
      range.selectNode(one);
      return { one, edge: range.getBoundingClientRect() };
    });
    const before = lines.find(({ edge }) => edge.bottom >= clientY && edge.left + edge.width / 2 > clientX);
    const range = document.createRange();
    if (before) range.setStartBefore(before.one);
    else range.selectNodeContents(this.box);
    range.collapse(Boolean(before));
    this.box.focus();
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  /** Choose a value of the sample. */
  pick() {
    this.kept = this.caret();
    const { context, labels, ranks = {} } = this.sees();
    const every = [];
    for (const root of ["item", "index", "trigger", "steps"]) {
      if (root in context) leaves(context[root], root, labels, every);
    }
    // What people know by name comes first; what is empty in the sample last of its kind.
    const rank = ({ path, value }) => (ranks[plainPath(path)] ?? 1) * 2 + Number(value === null || value === "");
    every.sort((one, other) => rank(one) - rank(other));
    const list = h("ul", { class: "choices" });
    const search = h("input", { type: "search", "aria-label": this.words.search, placeholder: this.words.search });
    let all = false;
    const show = () => {
      const wanted = plain(search.value).split(/\s+/).filter(Boolean);
      const fits = every.filter((one) => {
        const text = plain(`${wordFor(one.path, labels)} ${one.path} ${shown(one.value, this.words)}`);
        return wanted.every((word) => text.includes(word));
      });
      const seen = all || wanted.length ? fits : fits.filter((one) => rank(one) < 4);
      list.replaceChildren(...seen.slice(0, 200).map((one) => h("li", {}, h("button", {
        type: "button", class: "option", onclick: () => {
          made.close();
          this.place(this.pill(one.path));
        },
      }, h("span", { class: "what" }, wordFor(one.path, labels)), h("code", {}, one.path),
      h("span", { class: "value" }, shown(one.value, this.words))))));
      if (!fits.length) list.append(h("li", { class: "quiet" }, this.words.nothing));
      if (seen.length < fits.length) {
        list.append(h("li", {}, h("button", { type: "button", class: "option more", onclick: () => {
          all = true;
          show();
          list.querySelectorAll("button")[seen.length]?.focus();
        } }, fill(this.words.technical, { count: fits.length - seen.length }))));
      }
    };
    search.addEventListener("input", show);
    arrows(search, list);
    const made = dialog(this.words.from, this.words, search, list);
    show();
    search.focus();
  }

  /** Change or remove a pill. */
  edit(pill) {
    const raw = h("input", { type: "text", value: pill.dataset.expression, "aria-label": this.words.raw, class: "mono" });
    raw.value = pill.dataset.expression;
    const close = (fresh) => {
      made.close();
      if (fresh) pill.replaceWith(fresh);
      else pill.remove();
      this.changed();
      (fresh ?? this.box).focus();
    };
    const list = h("ul", { class: "choices" }, this.filters.map((one) => h("li", {}, h("button", {
      type: "button", class: "option", onclick: () => {
        raw.value = `${raw.value} | ${one.name}`;
        raw.focus();
      },
    }, h("span", { class: "what" }, one.name), h("span", { class: "help" }, one.help)))));
    const search = h("input", { type: "search", placeholder: this.words.search, "aria-label": `${this.words.filters}: ${this.words.search}` });
    search.addEventListener("input", () => {
      const wanted = plain(search.value);
      for (const one of list.children) one.hidden = !plain(one.textContent).includes(wanted);
    });
    arrows(search, list);
    const done = () => close(raw.value.trim() ? this.pill(raw.value.trim()) : null);
    raw.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      // Else the same key would press the pill that gets the focus.
      event.preventDefault();
      done();
    });
    const made = dialog(this.words.raw, this.words, raw,
      h("div", { class: "row" }, button(this.words.done, done, { class: "button main" }),
        button(this.words.remove, () => close(null), { class: "button danger" })),
      h("h3", {}, this.words.filters), search, list);
    raw.focus();
  }
}

customElements.define("token-field", TokenField);
