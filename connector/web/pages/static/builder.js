// The builder: a flow as cards, a draft that survives, and the way from draft to published.

import { get, send, url } from "./base.js";
import { arrows, button, dialog, fill, h, later, plain } from "./dom.js";
import { Draft } from "./draft.js";
import { Mapper } from "./mapper.js";
import { Samples } from "./samples.js";
import "./token-field.js";

const { begin, may, words: w } = JSON.parse(document.getElementById("begin").textContent);
const place = document.getElementById("builder");
/** A key made of a name: "Città nuove" is `citta-nuove`. */
const keyOf = (name) => name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[-0-9]+|-+$/g, "").slice(0, 60).replace(/-+$/, "");
/** Wide enough for cards and text side by side. */
const wide = matchMedia("(min-width: 75rem)");

const FIELDS = "button, input, select, textarea, summary, [contenteditable]";

/** Gives the way back to where the focus is, when its card has been drawn anew. */
function focused() {
  const card = document.activeElement?.closest("#builder .card");
  if (!card) return null;
  const cards = () => [...place.querySelectorAll(".card")];
  const [at, of] = [cards().indexOf(card), [...card.querySelectorAll(FIELDS)].indexOf(document.activeElement)];
  return () => {
    if (document.activeElement === document.body) cards()[at]?.querySelectorAll(FIELDS)[of]?.focus();
  };
}

/** An issue in words. */
const said = (one) => [one.message, one.remedy].filter(Boolean).join(" ");

class Builder {
  constructor() {
    this.words = w;
    this.filters = begin.filters;
    this.samples = new Samples(this, begin, may, w);
    this.take(begin);
    this.published = begin.published;
    this.open = null;
    this.asText = false;
    this.typed = null;
    this.canChoose = true;
    this.draft = new Draft(begin, may, w, { show: () => this.drawHead(), take: (text) => this.check(text, null).then(() => this.draw()) });
    this.send = later(() => this.check(this.text, this.data), 400);
    // A list may be run through by keys: the cards follow when that is over.
    this.soon = later(() => this.changed(), 400);
    this.draw();
    this.draft.resume();
  }

  get sample() {
    return this.samples.chosen;
  }

  /** What a draft, a sample and tests of this flow are kept under; empty for one never changed. */
  get flow() {
    return begin.stored ?? this.draft.name;
  }

  /** The same, when it must be there: a new flow gets a draft first. */
  async named() {
    if (!this.flow) await this.draft.settled(this.text);
    return this.flow;
  }

  get isDraft() {
    return this.text !== this.published || !begin.stored;
  }

  get isBare() {
    return !begin.stored && this.readable && !this.data.trigger?.node && !this.data.steps?.length;
  }

  // --- the document ----------------------------------------------------------------------------

  take(told) {
    this.text = told.text;
    if (told.data) this.data = told.data;
    this.readable = Boolean(told.data);
    this.issues = told.issues;
    this.ok = told.ok;
  }

  /** Something changed in a form: the text follows, and is checked. */
  edited() {
    this.typed = null;
    (this.data.steps ?? []).forEach((step, at) => {
      const count = place.querySelector(`.steps > li:nth-child(${at + 1}) .filled`);
      if (count) count.textContent = this.counted(step);
    });
    this.send();
  }

  /** The same at once, and the cards are drawn anew. */
  async changed() {
    this.typed = null;
    await this.check(this.text, this.data);
    this.draw();
  }

  check(text, data) {
    return (this.latest = this.ask(text, data));
  }

  async ask(text, data) {
    const mine = (this.asked = (this.asked ?? 0) + 1);
    try {
      const told = await send("/flows/draft/check", data ? { text, data } : { text });
      if (mine !== this.asked) return;
      // What was typed meanwhile is newer than what was asked about.
      this.take({ ...told, data: data && told.data ? this.data : told.data });
      if (this.isDraft || this.draft.version) this.draft.keep(this.text);
      this.trouble(null);
    } catch (error) {
      this.trouble(error);
    }
    if (this.area && this.typed === null) this.area.value = this.text;
    this.drawHead();
  }

  /** What was just typed counts, though its turn has not come: tells whether nothing is wrong. */
  async upToDate() {
    this.check(this.typed ?? this.text, this.typed === null ? this.data : null);
    // One that was asked meanwhile is the one that counts.
    for (let last; last !== this.latest; ) await (last = this.latest);
    return this.ok;
  }

  trouble(error) {
    this.problem = error ? error.problem ?? { detail: w.lost } : null;
    if (this.status) this.drawHead();
  }

  // --- drawing ---------------------------------------------------------------------------------

  draw() {
    this.spots = [];
    const back = this.focusOn ? null : focused();
    this.status = h("div", { class: "status" });
    this.area = this.asText ? this.editor() : null;
    this.left = this.asText && !wide.matches ? null : h("div", {});
    place.replaceChildren(this.status, this.left && this.area ? h("div", { class: "both" }, this.left, this.area) : this.left ?? this.area);
    this.drawCards();
    if (this.focusOn) {
      place.querySelector(this.focusOn)?.focus();
      this.focusOn = null;
    }
    // The fields of a card come a moment after it.
    if (back) requestAnimationFrame(back);
    this.drawHead();
  }

  drawCards() {
    if (!this.left) return;
    this.spots = [];
    this.left.inert = false;
    this.left.replaceChildren(this.readable ? this.cards() : h("p", { class: "box bad" }, w.broken));
  }

  drawHead() {
    const errors = this.issues.filter((one) => one.severity !== "warning");
    const warnings = this.issues.filter((one) => one.severity === "warning");
    const listed = (title, tone, items) => items.length ? h("details", { class: `box ${tone}`, open: this.isDraft && (tone === "bad" || items.length < 4) },
      h("summary", {}, `${title} (${items.length})`), h("ul", {}, items.map((one) => h("li", {}, this.leadsTo(one), said(one))))) : null;
    const version = begin.version ? ` · ${fill(w.version, { number: begin.version })}` : "";
    this.status.replaceChildren(
      h("div", { class: "row spread" },
        h("div", { class: "standing" }, h("p", { class: "quiet", role: "status" }, (this.isDraft ? this.standing() : w.saved) + version + (begin.stored ? ` · ${begin.enabled ? w.isOn : w.isOff}` : "")),
          errors.length || warnings.length ? null : h("p", { class: "quiet fine" }, w.fine)),
        h("div", { class: "row" },
          this.isDraft && (begin.stored || this.draft.version) && may ? button(w.discard, () => this.discard(), { class: "button quiet" }) : null,
          begin.stored ? h("a", { class: "button quiet", href: url(`/runs?flow=${encodeURIComponent(begin.stored)}`) }, w.runs) : null,
          button(!this.asText ? w.yaml : this.left ? w.noText : w.cards, () => this.flip()),
          button(w.try, () => this.samples.dry(), { disabled: !this.ok }),
          button(w.tests, () => this.samples.tests(), { disabled: !this.ok }),
          may ? button(w.publish, () => this.publish(null), { disabled: !this.ok || !this.isDraft, class: begin.enabled ? "button main" : "button" }) : null,
          may && !begin.enabled ? button(w.publishOn, () => this.publish(true), { disabled: !this.ok, class: "button main" }) : null)),
      this.problem ? h("div", { class: "box bad", role: "alert" }, h("div", {}, h("p", { class: "what" }, this.problem.detail), this.problem.remedy ? h("p", {}, this.problem.remedy) : null)) : "",
      this.draft.away ? h("p", { class: "box warn", role: "alert" }, this.draft.away) : "",
      this.isDraft && this.draft.isBehind ? h("p", { class: "box warn" }, fill(w.draftBehind, { number: begin.version })) : "",
      // Whoever has just begun has done nothing wrong yet.
      this.isBare ? h("p", { class: "box note" }, w.begin) : listed(w.issues, "bad", errors) ?? "", listed(w.warnings, "warn", warnings) ?? "");
    this.spots.forEach((one) => this.tell(one));
  }

  /** What is wrong with a control is told below it; `about` says which of the issues are its own. */
  spot(control, label, about) {
    const id = `spot${(this.numbered = (this.numbered ?? 0) + 1)}`;
    const made = h("p", { class: "mistake", id, hidden: true });
    (control.box ?? control).setAttribute("aria-describedby", id);
    const spot = { control, label, about, made };
    this.spots.push(spot);
    this.tell(spot);
    return made;
  }

  tell({ control, about, made }) {
    const own = this.isBare ? [] : this.issues.filter(about);
    made.hidden = !own.length;
    made.textContent = own.map(said).join(" ");
    made.classList.toggle("mild", own.length > 0 && own.every((one) => one.severity === "warning"));
    if (!control.matches("button, fieldset")) (control.box ?? control).setAttribute("aria-invalid", String(own.some((one) => one.severity !== "warning")));
  }

  /** The way from an issue to its place, where the cards show it. */
  leadsTo(issue) {
    const [part, name] = (issue.where ?? "").split(".");
    const at = part === "steps" ? (this.data?.steps ?? []).findIndex((one, place) => [one.id, String(place)].includes(name)) : -1;
    const spot = this.spots.find((one) => one.about(issue));
    if (this.left && issue.where === "steps") return button(w.addStep, () => document.getElementById("add-step").focus(), { class: "button link", title: issue.where });
    if (!issue.where && issue.who === "connection_owner") return h("a", { class: "link", href: url("/connections") }, `${w.connection}: `);
    if (!this.left || (at < 0 && !spot)) return issue.where ? h("code", {}, `${issue.where} `) : null;
    const labels = at >= 0 ? this.known?.[this.data.steps[at].node] : null;
    const field = labels?.fields.find((one) => one.path === issue.field) ?? labels?.arrays.find((one) => one.path === issue.field);
    const named = spot?.label ?? field?.label;
    return button([part === "steps" ? `${w.stepName} ${at + 1}` : part === "trigger" ? w.when : "", named].filter(Boolean).join(": "), () => {
      if (spot?.control.isConnected) spot.control.focus();
      else if (at >= 0) this.show(at, issue.field);
    }, { class: "button link", title: issue.where });
  }

  /** Open a step, at one of its fields. */
  show(at, field) {
    const step = this.left.querySelector(`.steps > li:nth-child(${at + 1}) details.step`);
    const go = () => this.mapper?.at === at && this.mapper.find(field) || step.querySelector("summary").focus();
    this.wanted = go;
    if (step.open && this.mapper?.at === at) go();
    else step.open = true;
  }

  /** How the draft stands. */
  standing() {
    const { by } = this.draft;
    return !may ? w.draftOnlyHere : [w.draft, by ? fill(w.draftBy, by) : ""].filter(Boolean).join(" ");
  }

  cards() {
    const { data } = this;
    return h("div", { class: "cardlist" }, this.nameCard(), this.triggerCard(), this.filterCard(),
      h("ol", { class: "steps" }, (data.steps ?? []).map((step, at) => this.stepCard(step, at))),
      button(`+ ${w.addStep}`, () => this.chooseNode(["action", "search"], (node) => this.addStep(node)), { class: "button add", id: "add-step" }));
  }

  nameCard() {
    const { data } = this;
    const line = (label, value, write, more = {}) => {
      const input = h("input", { type: "text", "aria-label": label, ...more });
      input.value = value ?? "";
      input.addEventListener("input", () => {
        write(input.value);
        this.edited();
      });
      return h("label", { class: "field" }, h("span", {}, label), input);
    };
    return h("section", { class: "card" }, h("div", { class: "two" },
      line(w.name, data.name, (text) => {
        // A key that nobody has chosen follows the name.
        const follows = !begin.stored && (data.flow === this.ownKey || this.ownKey === undefined && /^my-flow(-\d+)?$/.test(data.flow));
        data.name = text;
        if (follows) data.flow = this.ownKey = keyOf(text) || data.flow;
        if (follows) this.keyInput.querySelector("input").value = data.flow;
      }),
      this.keyInput = line(w.key, data.flow, (text) => (data.flow = text), { readOnly: Boolean(begin.stored), pattern: "[a-z0-9][a-z0-9\\-]*", title: w.keyHelp })), this.samples.line());
  }

  head(kind, node, onChange, more = []) {
    const card = this.nodes?.find((one) => one.name === node);
    const title = card ? `${card.app_title}: ${card.label}` : node || w.pick;
    return h("div", { class: "row spread" }, h("div", { class: "cardtitle" }, h("span", { class: "initial", "aria-hidden": "true" }, (card?.app_title ?? "?").slice(0, 1)),
      h("div", {}, h("p", { class: "quiet" }, kind), h("h2", {}, title), card ? h("p", { class: "quiet" }, card.description) : null)),
    h("div", { class: "row" }, ...more, button(node ? w.change : w.pick, onChange, { class: node ? "button quiet" : "button main", "aria-label": `${node ? w.change : w.pick} ${kind}` })));
  }

  connectionOf(node, holder, where) {
    const app = node.split(".")[0];
    if (!app) return null;
    const known = begin.connections.filter((one) => one.app === app);
    if (!known.length) return h("p", { class: "box warn" }, h("span", {}, w.noConnection, " ", h("a", { href: url(`/connections/new?app=${app}`) }, w.connect)));
    const select = h("select", { "aria-label": w.connection }, h("option", { value: "" }, w.pick),
      known.map((one) => h("option", { value: one.name, selected: one.name === holder.connection }, one.name)));
    select.addEventListener("change", () => {
      holder.connection = select.value;
      if (holder === this.data.trigger) this.changed();
      this.edited();
    });
    return h("div", { class: "field short" }, h("label", { class: "field" }, h("span", {}, w.connection), select), this.spot(select, w.connection, (one) => one.where === `${where}.connection`));
  }

  triggerCard() {
    const trigger = (this.data.trigger ??= { node: "" });
    const made = h("section", { class: "card trigger" }, this.head(w.when, trigger.node, () => this.chooseNode(["trigger"], (node) => {
      this.data.trigger = { node: node.name, connection: this.only(node.app), with: this.defaults(node.app) };
      this.focusOn = ".trigger select";
      this.changed();
    })));
    if (!trigger.node) return made;
    made.append(this.spot(made.querySelector("button"), "", (one) => one.where === "trigger.node" || one.where === "trigger"));
    made.append(this.connectionOf(trigger.node, trigger, "trigger") ?? "");
    const inputs = h("div", { class: "two" });
    made.append(inputs);
    this.form(trigger.node).then((form) => {
      inputs.replaceChildren(...form.fields.map((field) => this.setting(field, (trigger.with ??= {}))));
      this.drawHead();
    });
    return made;
  }

  /** One input of a trigger: a fixed value. */
  setting(field, holder) {
    const value = holder[field.path];
    let keys = false;
    const write = (fresh) => {
      if (fresh === "" || fresh?.length === 0) delete holder[field.path];
      else holder[field.path] = fresh;
      if (field.path !== "resource") this.edited();
      else if (keys) this.soon();
      else this.changed();
    };
    const help = field.help ? h("span", { class: "help" }, field.help) : null;
    const mine = (control) => this.spot(control, field.label, ({ where, field: of }) => where === `trigger.with.${field.path}` || where?.startsWith(`trigger.with.${field.path}.`) || (where === "trigger.with" && of === field.path));
    const named = [field.label, field.required ? h("span", { class: "needed", title: w.required }, " *") : null];
    if (field.choices?.length && field.array === field.path) {
      const chosen = new Set([].concat(value ?? []));
      const group = h("fieldset", { class: "field", tabindex: "-1" }, h("legend", {}, named), field.choices.map((one) => h("label", { class: "pick" },
        h("input", { type: "checkbox", checked: chosen.has(one.value), onchange: (event) => {
          if (event.target.checked) chosen.add(one.value);
          else chosen.delete(one.value);
          write([...chosen]);
        } }), h("span", {}, one.label))), help);
      group.append(mine(group));
      return group;
    }
    if (field.choices?.length) {
      const select = h("select", {}, h("option", { value: "" }, w.pick), field.choices.map((one) => h("option", { value: one.value, selected: one.value === value }, one.label)));
      select.addEventListener("keydown", () => (keys = true));
      select.addEventListener("pointerdown", () => (keys = false));
      select.addEventListener("change", () => write(select.value));
      return h("div", { class: "field" }, h("label", { class: "field" }, h("span", {}, named), select, help), mine(select));
    }
    const input = h("input", { type: "text", "aria-label": field.label });
    input.value = value ?? "";
    const trigger = this.data.trigger;
    const pick = field.from && trigger.connection ? button(w.choose, () => this.pickFrom(trigger.node, field, trigger.connection, holder, (one) => {
      input.value = one.value;
      write(one.value);
    }), { "aria-label": `${w.choose}: ${field.label}` }) : null;
    input.addEventListener("input", () => {
      const text = input.value.trim();
      write(["integer", "number"].includes(field.type) && /^-?\d+$/.test(text) ? Number(text) : text);
    });
    return h("div", { class: "field" }, h("span", { class: "what" }, named), h("div", { class: "row bottom" }, input, pick), help, mine(input));
  }

  /** The same for a step's field; the inputs that say which list is meant are fixed values of its mapping. */
  choose(at, field, picked) {
    const step = this.data.steps[at];
    const fixed = Object.fromEntries(Object.entries(step.map ?? {}).filter(([, value]) => value !== null && typeof value !== "object" && !String(value).includes("{{")));
    this.pickFrom(step.node, field, step.connection, fixed, picked);
  }

  /** A list of the app, as it is now. */
  pickFrom(node, field, connection, given, picked) {
    const list = h("ul", { class: "choices" });
    const note = h("p", { class: "quiet", role: "status" });
    const search = h("input", { type: "search", placeholder: w.search, "aria-label": w.search });
    const show = async () => {
      const query = new URLSearchParams({ node, field: field.path, connection: connection ?? "", search: search.value, with: JSON.stringify(given) });
      try {
        const told = await get(`/flows/choices?${query}`);
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
    const made = dialog(field.label, w, search, note, list);
    show();
    search.focus();
  }

  condition(holder, label, at) {
    const made = document.createElement("token-field");
    const value = holder.when === undefined || holder.when === null ? "" : String(holder.when);
    let seen = { context: {}, labels: {} };
    made.begin({ value, label, sees: () => seen, filters: this.filters, words: w });
    this.sees(at).then((told) => {
      seen = told;
      made.value = value;
    });
    made.addEventListener("tokens", () => {
      if (made.value) holder.when = made.value;
      else delete holder.when;
      this.edited();
    });
    const where = holder === this.data ? "when" : `steps.${holder.id}.when`;
    return h("div", {}, made, this.spot(made, label, (one) => one.where === where));
  }

  filterCard() {
    return h("section", { class: "card filter" }, h("h2", {}, w.filter), h("p", { class: "quiet" }, w.filterHelp), this.condition(this.data, w.filter, 0));
  }

  stepCard(step, at) {
    const steps = this.data.steps;
    const name = `${w.stepName} ${at + 1}`;
    const move = (to) => {
      steps.splice(to, 0, steps.splice(at, 1)[0]);
      if (this.open === at) this.open = to;
      this.focusOn = `.step:nth-child(${to + 1}) summary`;
      this.changed();
    };
    const tools = h("div", { class: "row tools" },
      button("↑", () => move(at - 1), { disabled: at === 0, "aria-label": `${w.up}: ${name}`, class: "button quiet" }),
      button("↓", () => move(at + 1), { disabled: at === steps.length - 1, "aria-label": `${w.down}: ${name}`, class: "button quiet" }),
      button(w.copy, () => {
        steps.splice(at + 1, 0, { ...structuredClone(step), id: this.freeId(step.id) });
        this.changed();
      }, { class: "button quiet", "aria-label": `${w.copy}: ${name}` }),
      button(step.enabled === false ? w.stepOn : w.stepOff, () => {
        if (step.enabled === false) delete step.enabled;
        else step.enabled = false;
        this.focusOn = `.step:nth-child(${at + 1}) summary`;
        this.changed();
      }, { class: "button quiet", "aria-label": `${step.enabled === false ? w.stepOn : w.stepOff}: ${name}` }),
      button(w.remove, () => this.sure(w.sure, () => {
        steps.splice(at, 1);
        this.open = null;
        this.focusOn = "#add-step";
        this.changed();
      }), { class: "button quiet", "aria-label": `${w.remove}: ${name}` }));
    const inside = h("div", { class: "inside" });
    const made = h("details", { class: step.enabled === false ? "card step off" : "card step", open: this.open === at },
      h("summary", {}, this.summary(step, at)), inside);
    const draw = async () => {
      inside.replaceChildren(tools, this.connectionOf(step.node, step, `steps.${step.id}`) ?? "",
        h("div", { class: "field" }, h("span", { class: "what" }, w.stepWhen), this.condition(step, `${w.stepWhen} (${name})`, at)));
      const [form, seen] = await Promise.all([this.form(step.node), this.sees(at)]);
      this.mapper = new Mapper(this, at, form, seen);
      inside.append(this.mapper.element);
      this.wanted?.();
      this.wanted = null;
    };
    made.addEventListener("toggle", () => {
      if (!made.open) {
        if (this.open === at) this.open = null;
        return;
      }
      this.open = at;
      if (!inside.childElementCount) draw();
    });
    return h("li", {}, made);
  }

  summary(step, at) {
    const card = this.nodes?.find((one) => one.name === step.node);
    return h("span", { class: "cardtitle" }, h("span", { class: "initial", "aria-hidden": "true" }, (card?.app_title ?? "?").slice(0, 1)),
      h("span", {}, h("span", { class: "quiet" }, `${at + 1}. ${w.then} · ${step.id} · `, h("span", { class: "filled" }, this.counted(step))), h("span", { class: "title" }, card ? `${card.app_title}: ${card.label}` : step.node, step.enabled === false ? h("span", { class: "badge warn" }, w.stepIsOff) : null)));
  }

  /** How many values a step fills: a column of rows is one. */
  counted(step) {
    const count = Object.values(step.map ?? {}).reduce((sum, one) => sum + (one?.for_each !== undefined ? Object.keys(one.map ?? {}).length : 1), 0);
    return `${count} ${count === 1 ? w.value : w.values}`;
  }

  // --- what cards ask ----------------------------------------------------------------------------

  form(node) {
    this.forms ??= {};
    this.forms[node] ??= get(`/flows/form?node=${encodeURIComponent(node)}`).then((form) => {
      (this.known ??= {})[node] = form;
      return form;
    }).catch((error) => {
      delete this.forms[node];
      this.trouble(error);
      return { fields: [], sections: [], arrays: [] };
    });
    return this.forms[node];
  }

  sees(at) {
    return send("/flows/draft/step", { data: this.data, step: at, sample: this.sample }).catch((error) => {
      this.trouble(error);
      return { context: {}, labels: {} };
    });
  }

  only(app) {
    const known = begin.connections.filter((one) => one.app === app);
    return known.length === 1 ? known[0].name : "";
  }

  defaults(app) {
    const known = begin.connections.find((one) => one.app === app);
    return known?.settings.company_id ? { company_id: known.settings.company_id } : {};
  }

  freeId(wanted) {
    const known = new Set((this.data.steps ?? []).map((one) => one.id));
    let id = wanted;
    for (let number = 2; known.has(id); number += 1) id = `${wanted}_${number}`;
    return id;
  }

  addStep(node) {
    const id = this.freeId(node.name.split(".")[1].split("_")[0]);
    const map = {};
    const company = this.defaults(node.app).company_id ?? this.data.trigger?.with?.company_id
      ?? this.data.steps?.find((one) => one.node?.startsWith(`${node.app}.`) && one.map?.company_id)?.map.company_id;
    this.form(node.name).then((form) => {
      if (company && form.fields.some((one) => one.path === "company_id")) map.company_id = company;
      (this.data.steps ??= []).push({ id, node: node.name, connection: this.only(node.app), map });
      this.open = this.data.steps.length - 1;
      this.focusOn = `.steps > li:nth-child(${this.open + 1}) summary`;
      this.changed();
    });
  }

  chooseNode(kinds, picked) {
    const list = h("ul", { class: "choices" });
    const search = h("input", { type: "search", placeholder: w.searchNodes, "aria-label": w.searchNodes });
    const show = () => {
      const wanted = plain(search.value).split(/\s+/).filter(Boolean);
      // What is called so comes before what only says so.
      const near = (one) => Number(wanted.every((word) => plain(`${one.app_title} ${one.label} ${one.also} ${one.name}`).includes(word)));
      const fits = (this.nodes ?? []).filter((one) => kinds.includes(one.kind) && wanted.every((word) => plain(`${one.app_title} ${one.label} ${one.also} ${one.description} ${one.name}`).includes(word)))
        .sort((a, b) => near(b) - near(a));
      list.replaceChildren(...fits.map((one) => h("li", {}, h("button", { type: "button", class: "option node", onclick: () => {
        made.close();
        picked(one);
      } }, h("span", { class: "initial", "aria-hidden": "true" }, one.app_title.slice(0, 1)), h("span", {}, h("span", { class: "what" }, `${one.app_title}: ${one.label}`), h("span", { class: "help" }, one.description))))));
      if (!fits.length) list.append(h("li", { class: "quiet" }, w.nothing));
    };
    search.addEventListener("input", show);
    arrows(search, list);
    const made = dialog(kinds.includes("trigger") ? w.chooseTrigger : w.chooseStep, w, search, list);
    if (this.nodes) show();
    this.whenNodes.then(show);
    search.focus();
  }

  sure(text, go) {
    const made = dialog(text, w, h("div", { class: "row" }, button(w.remove, () => {
      made.close();
      go();
    }, { class: "button danger" }), button(w.close, () => made.close())));
  }

  // --- the whole -----------------------------------------------------------------------------

  flip() {
    this.asText = !this.asText;
    this.typed = null;
    this.draw();
  }

  editor() {
    const area = h("textarea", { rows: "30", "aria-label": "YAML", spellcheck: "false" });
    area.value = this.text;
    const follow = later(async () => {
      await this.check(area.value, null);
      if (this.text !== area.value) return;
      this.typed = null;
      this.drawCards();
    }, 400);
    area.addEventListener("input", () => {
      this.typed = area.value;
      // Until the cards say what is written here, a change on them would undo it.
      if (this.left) this.left.inert = true;
      follow();
    });
    return area;
  }

  discard() {
    this.sure(w.discardSure, async () => {
      try {
        if (!(await this.draft.discard())) return;
      } catch (error) {
        this.trouble(error);
        return;
      }
      if (!begin.stored) {
        location.assign(url("/flows"));
        return;
      }
      this.data = null;
      await this.check(this.published, null);
      this.draw();
    });
  }

  async publish(enable) {
    await this.upToDate();
    // What a colleague did meanwhile is looked at before anything is published.
    if (!this.ok || (may && this.isDraft && !(await this.draft.settled(this.text)))) return;
    let items = null;
    let broken = 0;
    try {
      const [changes, tests] = await Promise.all([
        send("/flows/draft/changes", { key: begin.stored ?? "", text: this.text }),
        this.flow ? send("/flows/draft/tests", { flow: this.flow, text: this.text }) : { items: [] }]);
      items = changes.items;
      broken = tests.items.filter((one) => one.differences.length).length;
    } catch (error) {
      this.trouble(error);
      return;
    }
    if (!items?.length && !broken) {
      this.store(enable);
      return;
    }
    const made = dialog(w.whatChanges, w, h("ul", { class: "changes" }, (items ?? []).map((one) => h("li", {}, one))),
      broken ? h("p", { class: "box warn" }, h("span", {}, fill(w.testsBreak, { count: broken }))) : null, h("div", { class: "row" }, button(w.publish, () => {
      made.close();
      this.store(enable);
    }, { class: "button main" }), button(w.close, () => made.close())));
  }

  async store(enable) {
    try {
      const { name: flow, version } = this.draft;
      const made = await send("/flows/draft/publish", { text: this.text, enable, new: !begin.stored, stored: begin.stored, version: begin.version, draft: version ? { flow, version } : null });
      location.assign(url(`/flows/${encodeURIComponent(made.key)}?published=${made.version}`));
    } catch (error) {
      this.trouble(error);
      if (error.problem?.fields?.length) {
        this.issues = error.problem.fields;
        this.drawHead();
      }
    }
  }
}

const coming = get("/flows/nodes");
const builder = new Builder();
wide.addEventListener("change", () => builder.asText && builder.draw());
builder.whenNodes = coming.then(({ items }) => {
  builder.nodes = items;
  if (!builder.asText) builder.draw();
}).catch((error) => builder.trouble(error));
if (begin.stored) {
  get(`/flows/samples?flow=${encodeURIComponent(begin.stored)}`).then(({ items }) => {
    builder.samples.runs = items;
    place.querySelector(".sample")?.replaceWith(builder.samples.line());
  }).catch(() => {});
}
