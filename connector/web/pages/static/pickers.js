// Choosing: a value from a list of the app, and a node from all that there are.

import { get } from "./base.js";
import { arrows, button, dialog, fill, h, later, plain } from "./dom.js";

/** More than this is looked for by a word. */
const MOST_AT_ONCE = 200;
const empty = (value) => value === undefined || value === null || value === "";
/** A hyphen at which no line ends: "e-fattura" stays whole. */
export const whole = (text) => text.replace(/\b([eE])-(?=\p{L})/gu, "$1\u2011");

export class Pickers {
  constructor(words) {
    Object.assign(this, { words, asked: new Map(), byItself: new Map() });
  }

  // --- values ----------------------------------------------------------------------------------

  /** A list of the app, asked for once; `ask` is {node, field, connection, given}. */
  list({ node, field, connection, given }, search = "") {
    const query = String(new URLSearchParams({ node, field: field.path, connection: connection ?? "", search, with: JSON.stringify(given) }));
    if (search) return get(`/flows/choices?${query}`);
    if (!this.asked.has(query)) this.asked.set(query, get(`/flows/choices?${query}`).catch((error) => {
      this.asked.delete(query);
      throw error;
    }));
    return this.asked.get(query);
  }

  /**
   * A list to choose from, there at once, with names in the place of ids.
   * The company of a connection that reaches one only is chosen: it says so and can be taken back.
   * `asks` gives what is asked for, as long as it is: when a list comes, it may be another one.
   */
  picker(asks, { value, label, write, place, mine, more = null, fallback }) {
    const { words: w } = this;
    const ask = asks();
    const { field } = ask;
    const meant = ({ connection, given }) => JSON.stringify([place, connection, (field.needs ?? []).map((path) => given[path])]);
    // Who took it back has decided for this connection, and for no other.
    const decided = meant(ask);
    const over = () => {
      const now = asks();
      return !box.isConnected || !now || meant(now) !== decided;
    };
    const box = h("div", { class: "row picker" });
    const note = h("p", { class: "help", role: "status" });
    const wait = h("select", { "aria-label": label, "aria-busy": "true" }, h("option", {}, w.reading));
    box.append(wait);
    const show = (control) => {
      const had = box.contains(document.activeElement);
      box.replaceChildren(control, ...(more ? [more()] : []));
      mine?.(control);
      if (had) control.focus();
    };
    this.list(ask).then((told) => {
      // Drawn anew, or for another connection: what is chosen here would be written there.
      if (over()) return;
      if (told.open || told.note || told.options.length > MOST_AT_ONCE || !told.options.length) {
        show(fallback());
        if (told.note && told.options.length) note.textContent = told.note;
        return;
      }
      const { options } = told;
      const is = (one) => String(one.value) === String(value) || one.label === value;
      if (empty(value) && field.account && field.required && options.length === 1 && !this.byItself.has(decided)) {
        this.byItself.set(decided, options[0].value);
        value = options[0].value;
        write(value);
      }
      const select = h("select", { "aria-label": label }, h("option", { value: "" }, w.pick),
        options.map((one, at) => h("option", { value: String(at), selected: !empty(value) && is(one) }, one.label)));
      if (!empty(value) && !options.some(is)) {
        select.append(h("option", { value: "given", selected: true }, String(value)));
        note.textContent = w.notListed;
      }
      if (!empty(value) && options.length === 1 && String(this.byItself.get(decided)) === String(value)) note.textContent = fill(w.onlyOne, { name: options[0].label });
      select.addEventListener("change", () => {
        note.textContent = "";
        if (select.value !== "given") write(select.value === "" ? "" : options[Number(select.value)].value);
      });
      show(select);
    }).catch((error) => {
      if (over()) return;
      show(fallback());
      note.textContent = [error.problem?.detail ?? w.lost, error.problem?.remedy].filter(Boolean).join(" ");
    });
    return [box, note];
  }

  /** Whether all is known that says which list is meant. */
  ready({ field, given }, settings) {
    return (field.needs ?? []).every((path) => !empty(given[path]) || !empty(settings?.[path]));
  }

  /** A list of the app in a dialog, to be searched. */
  pickFrom(ask, picked) {
    const { words: w } = this;
    const list = h("ul", { class: "choices" });
    const note = h("p", { class: "quiet", role: "status" });
    const search = h("input", { type: "search", placeholder: w.search, "aria-label": w.search });
    const show = async () => {
      try {
        const told = await this.list(ask, search.value);
        note.textContent = told.note || (told.options.length ? "" : w.nothing);
        list.replaceChildren(...told.options.slice(0, 300).map((one) => h("li", {}, h("button", { type: "button", class: "option", onclick: () => {
          made.close();
          picked(one);
        } }, h("span", { class: "what" }, one.label), h("code", {}, String(one.value))))));
      } catch (error) {
        list.replaceChildren();
        note.textContent = [error.problem?.detail ?? w.lost, error.problem?.remedy].filter(Boolean).join(" ");
      }
    };
    search.addEventListener("input", later(show, 250));
    arrows(search, list);
    const made = dialog(ask.field.label, w, search, note, list);
    show();
    search.focus();
  }

  // --- nodes -----------------------------------------------------------------------------------

  /** Nodes as buttons; `shows` is false where what they do need not be said. */
  buttons(nodes, picked, shows = true) {
    return nodes.map((one) => h("li", {}, h("button", { type: "button", class: "option node", onclick: () => picked(one) },
      h("span", { class: "initial", "aria-hidden": "true" }, one.app_title.slice(0, 1)),
      h("span", {}, h("span", { class: "what" }, shows ? whole(`${one.app_title}: ${one.label}`) : whole(one.label)),
        h("span", { class: "help" }, shows ? whole(one.description) : one.app_title)))));
  }

  /** Those that most people look for, of all apps in turn. */
  often(nodes, most) {
    const found = nodes.filter((one) => one.often).sort((a, b) => a.often - b.often || a.app_title.localeCompare(b.app_title));
    return found.slice(0, most);
  }

  /** All nodes of some kinds, to be searched. */
  chooseNode(title, nodes, picked) {
    const { words: w } = this;
    const list = h("div", { class: "choices" });
    const search = h("input", { type: "search", placeholder: w.searchNodes, "aria-label": w.searchNodes });
    const take = (one) => {
      made.close();
      picked(one);
    };
    const group = (name, found) => found.length ? [h("h3", {}, name), h("ul", { class: "plain" }, this.buttons(found, take))] : [];
    const show = () => {
      const wanted = plain(search.value).split(/\s+/).filter(Boolean);
      const has = (text) => wanted.every((word) => plain(text).includes(word));
      const named = (one) => `${one.app_title} ${one.label} ${one.also} ${one.name}`;
      const fits = nodes.filter((one) => has(`${named(one)} ${one.description}`));
      // What is called so comes before what only says so, then what most people look for.
      const near = (a, b) => Number(has(named(b))) - Number(has(named(a))) || (a.often || 99) - (b.often || 99) || byName(a, b);
      if (wanted.length) list.replaceChildren(h("ul", { class: "plain" }, this.buttons(fits.sort(near), take)));
      else {
        const first = this.often(nodes, 6);
        const apps = [...new Set(nodes.map((one) => one.app_title))].sort((a, b) => a.localeCompare(b));
        list.replaceChildren(...group(w.often, first), ...apps.flatMap((app) => group(app, nodes.filter((one) => one.app_title === app && !first.includes(one)).sort(byName))));
      }
      if (!fits.length) list.append(h("p", { class: "quiet" }, w.nothing));
    };
    search.addEventListener("input", show);
    arrows(search, list);
    const made = dialog(title, w, search, list);
    made.classList.add("nodes");
    show();
    search.focus();
  }
}

const byName = (a, b) => a.label.localeCompare(b.label, document.documentElement.lang) || a.app_title.localeCompare(b.app_title);
