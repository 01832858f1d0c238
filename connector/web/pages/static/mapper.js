// The mapper: a node's fields in sections, each with its value, what that gives, and what is wrong.

import { send } from "./base.js";
import { button, fill, h, later, plain } from "./dom.js";
import { leaves, shown } from "./token-field.js";

/** What a step gets, to be put into a card; `host` is the builder (see builder.js). */
export class Mapper {
  constructor(host, at, form, seen, offered) {
    Object.assign(this, { host, at, form, seen, offered, words: host.words, rows: new Map(), show: "all", wanted: "" });
    this.told = { fields: {}, issues: [] };
    this.refresh = later(() => this.preview());
    this.element = h("div", { class: "mapper" }, this.bar(), (this.body = h("div", { class: "sections" })));
    this.draw();
    this.preview();
    this.offer();
  }

  get step() {
    return this.host.data.steps[this.at];
  }

  get map() {
    return (this.step.map ??= {});
  }

  // --- the bar above -------------------------------------------------------------------------

  bar() {
    const w = this.words;
    const search = this.look = h("input", { type: "search", placeholder: w.searchFields, "aria-label": w.searchFields });
    search.addEventListener("input", () => {
      this.wanted = plain(search.value.trim());
      this.draw();
    });
    const switches = h("div", { class: "segments", role: "group", "aria-label": w.fields });
    for (const [key, text] of [["all", w.all], ["used", w.used], ["wrong", w.wrong]]) {
      switches.append(button(text, () => {
        this.show = key;
        for (const one of switches.children) one.setAttribute("aria-pressed", one.dataset.key === key);
        this.draw();
      }, { "data-key": key, "aria-pressed": String(key === this.show) }));
    }
    return h("div", { class: "bar" }, search, switches,
      button(w.suggest, () => this.suggestions()), button(w.json, () => this.whole()));
  }

  // --- the fields ----------------------------------------------------------------------------

  used(field) {
    const { path, array } = field;
    if (path in this.map) return true;
    const list = this.map[array];
    return Boolean(list?.map && path.slice(array.length + 1) in list.map);
  }

  wrong(field) {
    const near = (path) => path && plainPath(path) === field.path;
    return this.told.issues.some((one) => one.severity !== "warning" && near(one.field));
  }

  fits(field) {
    if (this.show === "used" && !this.used(field)) return false;
    if (this.show === "wrong" && !this.wrong(field)) return false;
    if (!this.wanted) return true;
    const text = plain(`${field.label} ${field.path} ${field.help ?? ""} ${field.also ?? ""}`);
    return this.wanted.split(/\s+/).every((word) => text.includes(word));
  }

  draw() {
    this.rows.clear();
    this.lists = [];
    this.counts = [];
    const w = this.words;
    const narrowed = this.wanted || this.show !== "all";
    const shownFields = this.form.fields.filter((field) => !field.by_id || this.used(field) || this.wanted);
    const fields = shownFields.filter((field) => this.fits(field));
    const first = (field) => field.required || field.common || this.used(field);
    this.body.replaceChildren();
    const sections = this.form.sections.length > 1 ? this.form.sections : [{ key: null, label: w.fields }];
    // What must be filled is not looked for below all the rest.
    const home = (field) => (field.required && field.section === "other" ? sections[0].key : field.section);
    for (const section of sections) {
      const own = fields.filter((field) => section.key === null || home(field) === section.key);
      if (!own.length) continue;
      const head = own.filter((field) => narrowed || first(field));
      const rest = own.filter((field) => !head.includes(field));
      const inside = h("div", { class: "fields" });
      const open = narrowed || head.length > 0;
      const count = h("span", { class: "quiet" });
      this.counts.push({ count, own });
      const made = h("details", { class: "section", open },
        h("summary", {}, h("span", { class: "what" }, section.label), count), inside);
      const draw = () => {
        if (inside.childElementCount) return;
        this.group(inside, head);
        if (rest.length) inside.append(this.hidden(rest));
        this.tell();
      };
      made.addEventListener("toggle", () => made.open && draw());
      this.body.append(made);
      if (open) draw();
    }
    if (!this.body.childElementCount) this.body.append(h("p", { class: "quiet" }, w.nothing));
    this.count();
    this.tell();
  }

  /** How many fields of each section are filled. */
  count() {
    for (const { count, own } of this.counts) count.textContent = `${own.filter((field) => this.used(field)).length} / ${own.length}`;
  }

  /** Something was filled, changed or emptied. */
  edited() {
    this.count();
    this.host.edited();
    this.refresh();
  }

  /** Show a field and go to it; tells whether it is there. */
  find(path) {
    const of = (one) => this.body.querySelector(`[data-path="${CSS.escape(one.path)}"]`);
    const own = this.form.fields.filter((one) => one.path === plainPath(path ?? "") || one.array === plainPath(path ?? ""));
    // Of a list the first of its fields that is shown.
    const field = own.find((one) => one.path === path) ?? own.find(of) ?? own[0];
    if (!field) return false;
    const row = () => of(field);
    row()?.closest("details.section")?.setAttribute("open", "");
    if (!row()) {
      this.look.value = field.path;
      this.look.dispatchEvent(new Event("input"));
    }
    row()?.querySelector("select, [contenteditable=true], input, button")?.focus();
    return Boolean(row());
  }

  /** Fields that are rarely used: drawn when somebody wants them. */
  hidden(rest) {
    const inside = h("div", { class: "fields" });
    const made = h("details", { class: "rest" }, h("summary", {}, rest.length === 1 ? this.words.moreOne : fill(this.words.more, { count: rest.length })), inside);
    made.addEventListener("toggle", () => {
      if (made.open && !inside.childElementCount) {
        this.group(inside, rest);
        this.tell();
      }
    });
    return made;
  }

  /** Fields in their order; those of one list stand together. */
  group(inside, fields) {
    const done = new Set();
    for (const field of [...fields].sort((a, b) => Number(b.required) - Number(a.required))) {
      const { array } = field;
      if (!array || array === field.path) inside.append(this.field(field));
      else if (!done.has(array)) {
        done.add(array);
        inside.append(this.list(array, fields.filter((one) => one.array === array)));
      }
    }
  }

  field(field, inner = null) {
    const w = this.words;
    const id = `f${this.at}-${field.path.replace(/\W/g, "-")}${inner ? "-row" : ""}`;
    const label = field.label + (field.required ? ` (${w.required})` : "");
    const row = h("div", { class: "fieldrow", "data-path": field.path });
    const result = h("output", { class: "result", "aria-live": "off" });
    const mistake = h("p", { class: "mistake", id: `${id}-e`, hidden: true });
    row.append(h("div", { class: "label", title: [field.path, field.help].join(" ") }, h("span", { class: "what" }, field.label),
      field.required ? h("span", { class: "needed", title: w.required }, " *") : null,
      field.help && !this.used(field) ? h("span", { class: "help" }, field.help) : null),
    h("div", { class: "value" }, this.input(field, label, `${id}-e`, inner), mistake), result);
    this.rows.set(inner ? `${inner}.*.${field.path.slice(inner.length + 1)}` : field.path, { row, result, mistake });
    return row;
  }

  /** The place of a field's value: the mapping, or that of a list's rows. */
  place(field, inner) {
    return inner ? [(this.map[inner].map ??= {}), field.path.slice(inner.length + 1)] : [this.map, field.path];
  }

  input(field, label, describedby, inner) {
    const [map, key] = this.place(field, inner);
    const value = map[key];
    const write = (fresh) => {
      const [now, name] = this.place(field, inner);
      if (fresh === "" || fresh === undefined) delete now[name];
      else now[name] = fresh;
      this.edited();
    };
    if (value !== null && typeof value === "object") {
      return h("code", { class: "fixed" }, JSON.stringify(value));
    }
    const closed = field.choices?.length && !(typeof value === "string" && value.includes("{{"));
    if (closed || field.type === "boolean") return this.chooser(field, label, describedby, value, write, inner);
    const written = typeof value === "string" && value.includes("{{");
    if (field.from && !written && (value !== undefined || field.required) && this.host.lists(this.host.askOf(this.at, field))) {
      return this.picker(field, label, describedby, value, write, inner);
    }
    return this.tokens(field, label, describedby, value, write, inner);
  }

  /** What is chosen from a list of the app is shown by its name, and the list is there at once. */
  picker(field, label, describedby, value, write, inner) {
    const box = h("div", { class: "picking" });
    const asTokens = (now) => this.tokens(field, label, describedby, now, write, inner);
    // Other lists can be shown once this is known.
    const leads = this.form.fields.some((one) => one.needs?.includes(field.path));
    const choose = (fresh) => {
      write(fresh);
      const here = box.contains(document.activeElement);
      if (leads) this.draw();
      if (leads && here) this.find(field.path);
    };
    const { step } = this;
    box.append(...this.host.pickers.picker(() => this.host.data?.steps?.[this.at] === step && this.host.askOf(this.at, field), {
      value, label, write: choose, place: `${this.step.id}.${field.path}`, fallback: () => asTokens(value),
      mine: (control) => control.setAttribute("aria-describedby", describedby),
      more: () => this.braces(label, () => box.replaceChildren(asTokens(undefined))),
    }));
    return box;
  }

  /** The way from a choice to an expression. */
  braces(label, go) {
    return button("{ }", (event) => {
      const row = event.target.closest(".value");
      go();
      row.querySelector("token-field").focus();
    }, { class: "button quiet insert", "aria-label": `${this.words.insert}: ${label}`, title: this.words.insert });
  }

  tokens(field, label, describedby, value, write, inner) {
    const made = document.createElement("token-field");
    made.begin({
      value: value === undefined || value === null ? "" : String(value), label, describedby,
      sees: () => (inner ? this.inRow(inner) : this.seen), filters: this.host.filters, words: this.words,
    });
    made.addEventListener("tokens", () => write(made.value));
    if (!field.from || !this.host.canChoose) return made;
    return h("div", { class: "row" }, made, button(this.words.choose, () => this.host.pickers.pickFrom(this.host.askOf(this.at, field), (one) => {
      made.value = String(one.value);
      write(one.value);
    })));
  }

  /** A fixed choice, or an expression where the choice depends on the record. */
  chooser(field, label, describedby, value, write, inner) {
    const w = this.words;
    const choices = field.choices ?? [{ value: true, label: w.yes }, { value: false, label: w.no }];
    const box = h("div", { class: "row" });
    const asTokens = () => box.replaceChildren(this.tokens(field, label, describedby, value, write, inner));
    if (typeof value === "string" && value.includes("{{")) {
      asTokens();
      return box;
    }
    const select = h("select", { "aria-label": label, "aria-describedby": describedby }, h("option", { value: "" }, w.unset),
      choices.map((one, at) => h("option", { value: String(at), selected: String(one.value) === String(value) }, one.label)));
    if (value !== undefined && value !== null && !choices.some((one) => String(one.value) === String(value))) {
      select.append(h("option", { value: "given", selected: true }, String(value)));
    }
    select.addEventListener("change", () => {
      if (select.value !== "given") write(select.value === "" ? "" : choices[Number(select.value)].value);
    });
    box.append(select, this.braces(label, () => {
      value = "";
      asTokens();
    }));
    return box;
  }

  // --- lists ---------------------------------------------------------------------------------

  inRow(array) {
    const source = this.map[array]?.for_each ?? "";
    const path = source.replace(/^\{\{\s*|\s*\}\}$/g, "").split("|")[0].trim();
    const rows = reach(this.seen.context, path);
    // What is known of the list is known of its row.
    const inside = (known = {}) => ({ ...known, ...Object.fromEntries(Object.entries(known).filter(([key]) => key.startsWith(`${path}.`)).map(([key, told]) => [`item.${key.slice(path.length + 1)}`, told])) });
    return { context: { item: Array.isArray(rows) ? rows[0] : null, index: 0, ...this.seen.context }, labels: inside(this.seen.labels), ranks: { index: 2, ...inside(this.seen.ranks) } };
  }

  list(array, fields) {
    const w = this.words;
    const name = this.form.arrays.find((one) => one.path === array)?.label ?? array;
    const mistake = h("p", { class: "mistake", id: `f${this.at}-${array.replace(/\W/g, "-")}-e`, hidden: true });
    const made = h("fieldset", { class: "list", "aria-describedby": mistake.id }, h("legend", {}, name), mistake);
    this.rows.set(array, { row: made, result: h("output"), mistake });
    const fresh = () => made.replaceWith(this.list(array, fields));
    const rows = this.map[array];
    if (rows?.for_each !== undefined) {
      const source = document.createElement("token-field");
      source.begin({ value: rows.for_each, label: `${w.rows}: ${name}`, sees: () => this.seen, filters: this.host.filters, words: w });
      source.addEventListener("tokens", () => {
        rows.for_each = source.value;
        this.edited();
      });
      const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name });
      made.append(h("div", { class: "fieldrow" }, h("div", { class: "label" }, h("span", { class: "what" }, w.rows), h("span", { class: "help" }, w.rowsHelp)),
        h("div", { class: "value" }, source),
        button(w.noRows, () => {
          delete this.map[array];
          for (const [key, value] of Object.entries(rows.map ?? {})) if (!String(value).includes("item.")) this.map[`${array}.${key}`] = value;
          fresh();
          this.edited();
        })), ...fields.map((field) => this.field(field, array)), table);
      this.lists.push({ array, fields, table });
      return made;
    }
    made.append(button(w.addRows, () => {
      const given = {};
      for (const field of this.form.fields) {
        if (field.array === array && field.path in this.map) {
          given[field.path.slice(array.length + 1)] = this.map[field.path];
          delete this.map[field.path];
        }
      }
      const found = leaves(this.seen.context.trigger, "trigger", this.seen.labels)
        .filter((one) => Array.isArray(one.value) && typeof one.value[0] === "object" && !one.path.includes("["));
      const alike = found.find((one) => one.path.endsWith(`.${array.split(".").pop()}`)) ?? (found.length === 1 ? found[0] : null);
      this.map[array] = { for_each: alike ? `{{ ${alike.path} }}` : "", map: given };
      fresh();
      this.edited();
    }), ...fields.map((field) => this.field(field)));
    return made;
  }

  // --- what it gives -------------------------------------------------------------------------

  async preview() {
    const mine = (this.asked = (this.asked ?? 0) + 1);
    try {
      const told = await send("/flows/draft/preview", { data: this.host.data, step: this.at, sample: this.host.sample });
      if (mine !== this.asked) return;
      this.told = told;
      this.failed = null;
    } catch (error) {
      if (mine !== this.asked) return;
      this.failed = error;
      this.host.trouble(error);
    }
    this.tell();
  }

  tell() {
    for (const [path, parts] of this.rows) {
      const [array, key] = path.includes(".*.") ? path.split(".*.") : [null, path];
      const found = array ? this.told.fields[`${array}.0.${key}`] ?? this.told.fields[`${array}.${key}`] : this.told.fields[path];
      const issue = found?.issue ?? this.told.issues.find((one) => plainPath(one.field ?? "") === (array ? `${array}.${key}` : path));
      parts.result.replaceChildren();
      if (found?.state === "set") {
        parts.result.append(h("span", { class: "exact" }, found.value === "" ? "“”" : found.value), h("span", { class: "kind" }, [found.type, found.note, found.same && this.words.same].filter(Boolean).join(" · ")));
      } else if (found?.state === "empty") parts.result.append(h("span", { class: "quiet" }, this.words.empty));
      parts.mistake.hidden = !issue;
      parts.mistake.textContent = issue ? this.said(issue) : "";
      const lacking = issue?.lacks === "value" && this.form.fields.find((one) => one.path === path && one.finder);
      if (lacking) parts.mistake.append(" ", button(this.words.findIt, () => this.finding(lacking), { class: "button link" }));
      // What is only empty is no mistake before somebody wants to publish it.
      const calm = issue?.lacks && !this.host.standing.strict;
      parts.mistake.classList.toggle("mild", issue?.severity === "warning");
      parts.mistake.classList.toggle("todo", Boolean(calm));
      if (parts.row.matches(".fieldrow")) parts.row.classList.toggle("wrong", Boolean(issue) && issue.severity !== "warning" && !calm);
    }
    for (const { array, fields, table } of this.lists ?? []) this.table(array, fields, table);
  }

  said(issue) {
    const { words: w } = this;
    const field = this.form.fields.find((one) => one.path === plainPath(issue.field ?? ""));
    if (issue.lacks === "value") return field?.from || field?.choices?.length || field?.type === "boolean" ? w.chooseIt : w.writeIt;
    return [issue.message, issue.remedy].filter(Boolean).join(" ");
  }

  /** The rows as they would be sent. */
  table(array, fields, table) {
    const rows = reach(this.told.payload ?? {}, array);
    table.hidden = !Array.isArray(rows) || !rows.length;
    if (table.hidden) return;
    const columns = fields.filter((field) => rows.some((row) => reach(row, field.path.slice(array.length + 1)) !== undefined));
    table.replaceChildren(h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "#"), columns.map((field) => h("th", { scope: "col" }, field.label)))),
      h("tbody", {}, rows.slice(0, 20).map((row, at) => h("tr", {}, h("th", { scope: "row" }, String(at + 1)),
        columns.map((field) => h("td", {}, shown(reach(row, field.path.slice(array.length + 1)), this.words))))))));
  }

  async whole() {
    (await import("./suggesting.js")).whole(this);
  }

  async suggested() {
    return (await send("/flows/draft/suggest", { data: this.host.data, step: this.at, sample: this.host.sample })).items;
  }

  /** A step that takes nothing from the record yet: what could be filled is said where the eye is. */
  async offer() {
    if (Object.values(this.map).some((one) => typeof one === "object" || String(one).includes("{{"))) return;
    const items = await this.suggested().catch(() => []);
    if (!items.length || !this.element.isConnected) return;
    const w = this.words;
    this.offered.replaceChildren(h("div", { class: "box note line" }, h("p", {}, items.length === 1 ? w.offerOne : fill(w.offer, { count: items.length })),
      button(w.look, () => this.suggestions(), { class: "button main" })));
  }

  async finding(field) {
    (await import("./suggesting.js")).findBefore(this, field);
  }

  async suggestions() {
    (await import("./suggesting.js")).suggestions(this);
  }
}

const plainPath = (path) => path.replace(/\.\d+(?=\.|$)/g, "");

/** What lies at a dotted path, as far as it is simple. */
export function reach(value, path) {
  return path.split(".").reduce((place, key) => (place === null || place === undefined ? undefined : place[key]), value);
}

