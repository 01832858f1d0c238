// The builder: a flow as cards, a draft that survives, and the way from draft to published.

import { get, send, url } from "./base.js";
import { button, dialog, h, later } from "./dom.js";
import { Draft } from "./draft.js";
import { Mapper } from "./mapper.js";
import { Pickers, whole } from "./pickers.js";
import { Samples } from "./samples.js";
import { Standing } from "./standing.js";
import "./token-field.js";

const { begin, may, words: w } = JSON.parse(document.getElementById("begin").textContent);
const place = document.getElementById("builder");
/** A key made of a name: "Città nuove" is `citta-nuove`. */
const keyOf = (name) => name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[-0-9]+|-+$/g, "").slice(0, 60).replace(/-+$/, "");
/** Wide enough for cards and text side by side. */
const wide = matchMedia("(min-width: 75rem)");

const CARDS = "#builder .card, #builder .cardlist > .field";
const FIELDS = "button, input, select, textarea, summary, [contenteditable]";

/** Gives the way back to where the focus is, when its card has been drawn anew. */
function focused() {
  const card = document.activeElement?.closest(CARDS);
  if (!card) return null;
  const cards = () => [...place.querySelectorAll(CARDS)];
  const [at, of] = [cards().indexOf(card), [...card.querySelectorAll(FIELDS)].indexOf(document.activeElement)];
  return () => {
    if (document.activeElement === document.body) cards()[at]?.querySelectorAll(FIELDS)[of]?.focus();
  };
}

class Builder {
  constructor(nodes) {
    this.words = w;
    this.nodes = nodes;
    this.filters = begin.filters;
    this.samples = new Samples(this, begin, may, w);
    this.pickers = new Pickers(w);
    this.standing = new Standing(this, begin, may, w);
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
    this.drawHead();
  }

  // --- drawing ---------------------------------------------------------------------------------

  draw() {
    const back = this.focusOn ? null : focused();
    this.area = this.asText ? this.editor() : null;
    this.left = this.asText && !wide.matches ? null : h("div", {});
    place.replaceChildren(this.standing.element, this.standing.news, this.left && this.area ? h("div", { class: "both" }, this.left, this.area) : this.left ?? this.area);
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
    this.standing.spots = [];
    if (!this.left) return;
    this.left.inert = false;
    this.left.replaceChildren(this.readable ? this.cards() : h("p", { class: "box bad" }, w.broken));
  }

  drawHead() {
    this.standing?.draw();
  }

  spot(control, label, about) {
    return this.standing.spot(control, label, about);
  }

  /** Open a step, at one of its fields. */
  show(at, field) {
    const step = this.left.querySelector(`.steps > li:nth-child(${at + 1}) details.step`);
    const go = () => this.mapper?.at === at && this.mapper.find(field) || step.querySelector("summary").focus();
    this.wanted = go;
    if (step.open && this.mapper?.at === at) go();
    else step.open = true;
  }

  cards() {
    const { data } = this;
    const steps = data.steps ?? [];
    return h("div", { class: "cardlist" }, this.nameLine(), this.triggerCard(),
      h("ol", { class: "steps" }, steps.map((step, at) => this.stepCard(step, at))), this.addCard(), this.advanced());
  }

  line(label, value, write, more = {}) {
    const input = h("input", { type: "text", "aria-label": label, ...more });
    input.value = value ?? "";
    input.addEventListener("input", () => {
      write(input.value);
      this.edited();
    });
    return h("label", { class: "field" }, h("span", {}, label), input);
  }

  nameLine() {
    return this.nameInput = this.line(w.name, this.data.name, (text) => this.rename(text));
  }

  /** A key that nobody has chosen follows the name. */
  rename(name) {
    const { data } = this;
    const follows = !begin.stored && ([this.ownKey, this.keyFor(data.name ?? "")].includes(data.flow) || /^my-flow(-\d+)?$/.test(data.flow));
    data.name = name;
    if (follows) data.flow = this.ownKey = this.keyFor(name) || data.flow;
    if (follows && this.keyInput) this.keyInput.querySelector("input").value = data.flow;
  }

  /** A key for a name that no flow has. */
  keyFor(name) {
    const key = keyOf(name);
    for (let number = 1; ; number += 1) {
      const free = number === 1 ? key : `${key}-${number}`;
      if (!begin.keys.includes(free)) return free;
    }
  }

  card(node) {
    return this.nodes.find((one) => one.name === node);
  }

  /** What a flow is called that nobody has named: by what it does. */
  get ownName() {
    const trigger = this.card(this.data.trigger?.node);
    const steps = (this.data.steps ?? []).map((one) => this.card(one.node)).filter(Boolean);
    const does = steps.find((one) => one.kind === "action") ?? steps[0];
    return trigger ? trigger.label + (does ? ` → ${does.app_title}: ${does.label}` : "") : w.myFlow;
  }

  /** Change what the flow does; a name that says what it did follows. */
  reshape(change) {
    const follows = !begin.stored && (this.data.name ?? "") === this.ownName;
    change();
    if (follows) this.rename(this.ownName);
    return this.changed();
  }

  /** What is rarely wanted: the key, and the record that everything is shown for. */
  advanced() {
    const { data } = this;
    const made = h("details", { class: "card advanced", open: this.isAdvanced }, h("summary", {}, h("span", { class: "what" }, w.advanced), h("span", { class: "quiet" }, w.advancedHelp)),
      this.samples.line(),
      this.keyInput = this.line(w.key, data.flow, (text) => (data.flow = text), { readOnly: Boolean(begin.stored), pattern: "[a-z0-9][a-z0-9\\-]*", title: w.keyHelp }), h("p", { class: "help" }, w.keyHelp),
      data.steps?.length ? h("p", { class: "help" }, data.steps.map((one, at) => `${w.stepName} ${at + 1}: ${one.id}`).join(" · ")) : null);
    this.keyInput.classList.add("short");
    made.addEventListener("toggle", () => (this.isAdvanced = made.open));
    return made;
  }

  head(kind, node, onChange) {
    const card = this.card(node);
    return h("div", { class: "row spread" }, h("div", { class: "cardtitle" }, h("span", { class: "initial", "aria-hidden": "true" }, (card?.app_title ?? "?").slice(0, 1)),
      h("div", {}, h("p", { class: "quiet" }, kind), h("h2", { title: card?.description }, card ? whole(`${card.app_title}: ${card.label}`) : node))),
    button(w.change, onChange, { class: "button quiet", "aria-label": `${w.change}: ${kind}` }));
  }

  /** What most people look for, one click away, and the way to all of it. */
  offer(kinds, title, all, props, picked) {
    const open = () => this.chooseNode(kinds, title, picked);
    const ours = this.nodes.filter((one) => kinds.includes(one.kind) && begin.connections.some((known) => known.app === one.app));
    const often = all ? this.pickers.often(ours, 6) : [];
    return [often.length ? h("ul", { class: "quick plain" }, this.pickers.buttons(often, picked, false)) : null, button(all || title, open, props)];
  }

  connectionOf(node, holder, where, redraw = null) {
    const app = node.split(".")[0];
    if (!app) return null;
    const known = begin.connections.filter((one) => one.app === app);
    if (!known.length) return h("p", { class: "box warn" }, h("span", {}, w.noConnection, " ", h("a", { href: url(`/connections/new?app=${app}`) }, w.connect)));
    const select = h("select", { "aria-label": w.connection }, h("option", { value: "" }, w.pick),
      known.map((one) => h("option", { value: one.name, selected: one.name === holder.connection }, one.name)));
    select.addEventListener("change", () => {
      holder.connection = select.value;
      // Each list is one of the connection.
      if (redraw) redraw();
      else this.changed();
      this.edited();
    });
    return h("div", { class: "field short" }, h("label", { class: "field" }, h("span", {}, w.connection), select), this.spot(select, w.connection, (one) => one.where === `${where}.connection`));
  }

  triggerCard() {
    const trigger = (this.data.trigger ??= { node: "" });
    const kinds = ["trigger"];
    const take = (node) => this.takeTrigger(node);
    if (!trigger.node) {
      const made = h("section", { class: "card trigger" }, h("h2", {}, w.when), this.offer(kinds, w.chooseTrigger, w.allTriggers, { class: "button", id: "choose-trigger" }, take));
      made.append(this.spot(made.querySelector("#choose-trigger"), "", (one) => one.where === "trigger.node" || one.where === "trigger"));
      return made;
    }
    const made = h("section", { class: "card trigger" }, this.head(w.when, trigger.node, () => this.chooseNode(kinds, w.chooseTrigger, take)));
    made.append(this.spot(made.querySelector("button"), "", (one) => one.where === "trigger.node" || one.where === "trigger"));
    const connection = this.connectionOf(trigger.node, trigger, "trigger") ?? "";
    const inputs = h("div", { class: "two" }, connection);
    made.append(inputs, this.filter());
    this.form(trigger.node).then((form) => {
      inputs.replaceChildren(connection, ...form.fields.map((field) => this.setting(field, (trigger.with ??= {}), form)));
      this.drawHead();
    });
    return made;
  }

  /** Another trigger; the account goes with it, where it is of the same app. */
  async takeTrigger(node) {
    const { data } = this;
    const old = data.trigger?.node?.startsWith(`${node.app}.`) ? data.trigger.with?.company_id : undefined;
    const trigger = { node: node.name, connection: this.only(node.app), with: this.defaults(node.app) };
    if (old !== undefined) trigger.with.company_id = old;
    await this.reshape(() => (data.trigger = trigger));
    const form = await this.form(node.name);
    if (trigger.connection) await Promise.allSettled(form.fields.filter((one) => one.from).map((one) => this.listOf(one, trigger.with, form)).filter((one) => this.lists(one)).map((one) => this.pickers.list(one)));
    // On to what is still to be filled, else to what comes next.
    const empty = trigger.connection ? form.fields.findIndex((one) => one.required && !(one.path in trigger.with)) + 1 : 0;
    const next = trigger.connection && !empty ? place.querySelector(".addcard button") : place.querySelector(`.trigger .two > :nth-child(${empty + 1})`)?.querySelector("select, input, a");
    next?.focus();
  }

  /** Which list of the app a field of the trigger is chosen from. */
  listOf(field, holder, form) {
    const given = Object.fromEntries(Object.entries(holder).filter(([path]) => path !== field.path && form.fields.some((one) => one.from && one.path === path)));
    return { node: this.data.trigger.node, field, connection: this.data.trigger.connection, given };
  }

  /** One input of a trigger: a fixed value. */
  setting(field, holder, form) {
    const value = holder[field.path];
    let keys = false;
    const write = (fresh) => {
      if (fresh === "" || fresh?.length === 0) delete holder[field.path];
      else holder[field.path] = fresh;
      // Other lists depend on what was chosen from one.
      const leads = field.path === "resource" || form.fields.some((one) => one.needs?.includes(field.path));
      if (!leads) this.edited();
      else if (keys) this.soon();
      else this.changed();
    };
    const help = field.help && value === undefined ? h("span", { class: "help" }, field.help) : null;
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
    input.addEventListener("input", () => {
      const text = input.value.trim();
      write(["integer", "number"].includes(field.type) && /^-?\d+$/.test(text) ? Number(text) : text);
    });
    const trigger = this.data.trigger;
    const ask = this.listOf(field, holder, form);
    if (!field.from || !this.lists(ask)) return h("div", { class: "field" }, h("span", { class: "what" }, named), input, help, mine(input));
    const told = h("div", {});
    const pick = () => this.pickers.pickFrom(ask, (one) => {
      input.value = one.value;
      write(one.value);
    });
    const fallback = () => h("div", { class: "row bottom" }, input, button(w.choose, pick, { "aria-label": `${w.choose}: ${field.label}` }));
    return h("div", { class: "field" }, h("span", { class: "what" }, named), this.pickers.picker(() => this.data?.trigger === trigger && this.listOf(field, holder, form), {
      value, label: field.label, write, fallback, place: `${trigger.node}.${field.path}`,
      mine: (control) => {
        told.replaceChildren(mine(control.matches("select") ? control : input));
        this.drawHead();
      },
    }), help, told);
  }

  /** Whether a list of the app can be shown now. */
  lists(ask) {
    const known = begin.connections.find((one) => one.name === ask.connection);
    return Boolean(known) && this.pickers.ready(ask, known.settings);
  }

  /** Which list a field of a step is chosen from; what says which is meant are fixed values of its mapping. */
  askOf(at, field) {
    const step = this.data.steps[at];
    const given = Object.fromEntries(Object.entries(step.map ?? {}).filter(([path, value]) => path !== field.path && value !== null && typeof value !== "object" && !String(value).includes("{{")));
    return { node: step.node, field, connection: step.connection, given };
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

  /** A condition is rarely wanted: it is folded away until there is one. */
  folded(title, holder, label, at, help) {
    const inside = h("div", {});
    const has = holder.when !== undefined && holder.when !== null && holder.when !== "";
    const made = h("details", { class: "filter", open: has || holder === this.unfolded }, h("summary", {}, h("span", { class: "what" }, title), h("span", { class: "quiet" }, help)), inside);
    const draw = () => inside.childElementCount || inside.append(this.condition(holder, label, at));
    made.addEventListener("toggle", () => {
      if (made.open) draw();
      if (made.open) this.unfolded = holder;
    });
    if (made.open) draw();
    return made;
  }

  filter() {
    return this.folded(w.filter, this.data, w.filter, 0, w.optional);
  }

  addCard() {
    const { data } = this;
    const kinds = ["action", "search"];
    const first = data.trigger?.node && !data.steps?.length;
    const made = h("section", { class: first ? "card addcard" : "addcard" }, first ? h("h2", {}, w.then) : null,
      this.offer(kinds, w.chooseStep, first ? w.allSteps : "", { class: "button add", id: "add-step" }, (node) => this.addStep(node)));
    if (!first) made.querySelector("#add-step").textContent = `+ ${w.addStep}`;
    return made;
  }

  stepCard(step, at) {
    const steps = this.data.steps;
    const name = `${w.stepName} ${at + 1}`;
    const move = (to) => {
      if (this.open === at) this.open = to;
      this.focusOn = `.steps > li:nth-child(${to + 1}) summary`;
      this.reshape(() => steps.splice(to, 0, steps.splice(at, 1)[0]));
    };
    const tools = h("div", { class: "row tools" },
      button("↑", () => move(at - 1), { disabled: at === 0, "aria-label": `${w.up}: ${name}`, class: "button quiet" }),
      button("↓", () => move(at + 1), { disabled: at === steps.length - 1, "aria-label": `${w.down}: ${name}`, class: "button quiet" }),
      button(w.copy, () => {
        this.reshape(() => steps.splice(at + 1, 0, { ...structuredClone(step), id: this.freeId(step.id) }));
      }, { class: "button quiet", "aria-label": `${w.copy}: ${name}` }),
      button(step.enabled === false ? w.stepOn : w.stepOff, () => {
        if (step.enabled === false) delete step.enabled;
        else step.enabled = false;
        this.focusOn = `.step:nth-child(${at + 1}) summary`;
        this.changed();
      }, { class: "button quiet", "aria-label": `${step.enabled === false ? w.stepOn : w.stepOff}: ${name}` }),
      button(w.remove, () => this.sure(w.sure, () => {
        this.open = null;
        this.focusOn = "#add-step";
        this.reshape(() => steps.splice(at, 1));
      }), { class: "button quiet", "aria-label": `${w.remove}: ${name}` }));
    const inside = h("div", { class: "inside" });
    const made = h("details", { class: step.enabled === false ? "card step off" : "card step", open: this.open === at },
      h("summary", {}, this.summary(step, at)), inside);
    let mapper = null;
    const redraw = () => {
      mapper?.draw();
      mapper?.refresh();
    };
    const draw = async () => {
      const offered = h("div", {});
      inside.replaceChildren(offered, tools, h("div", { class: "two" }, this.connectionOf(step.node, step, `steps.${step.id}`, redraw) ?? "",
        this.folded(w.stepWhen, step, `${w.stepWhen} (${name})`, at, w.optional)));
      const [form, seen] = await Promise.all([this.form(step.node), this.sees(at)]);
      this.mapper = mapper = new Mapper(this, at, form, seen, offered);
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
    const card = this.card(step.node);
    return h("span", { class: "cardtitle" }, h("span", { class: "initial", "aria-hidden": "true" }, (card?.app_title ?? "?").slice(0, 1)),
      h("span", {}, h("span", { class: "quiet" }, `${at + 1}. ${w.then} · `, h("span", { class: "filled" }, this.counted(step))), h("span", { class: "title" }, card ? whole(`${card.app_title}: ${card.label}`) : step.node, step.enabled === false ? h("span", { class: "badge warn" }, w.stepIsOff) : null)));
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

  /** What the only connection of an app says: of several none speaks for the others. */
  defaults(app) {
    const known = begin.connections.find((one) => one.name === this.only(app));
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
    const ours = (one) => one?.node?.startsWith(`${node.app}.`);
    const company = (ours(this.data.trigger) && this.data.trigger.with?.company_id) || this.defaults(node.app).company_id
      || this.data.steps?.find((one) => ours(one) && one.map?.company_id)?.map.company_id;
    this.form(node.name).then((form) => {
      if (company && form.fields.some((one) => one.path === "company_id")) map.company_id = company;
      const steps = (this.data.steps ??= []);
      this.open = steps.length;
      this.focusOn = `.steps > li:nth-child(${this.open + 1}) summary`;
      const summary = this.focusOn;
      this.reshape(() => steps.push({ id, node: node.name, connection: this.only(node.app), map })).then(() => place.querySelector(summary)?.scrollIntoView({ block: "start" }));
    });
  }

  chooseNode(kinds, title, picked) {
    this.pickers.chooseNode(title, this.nodes.filter((one) => kinds.includes(one.kind)), picked);
  }

  sure(text, go) {
    const made = dialog(text, w, h("div", { class: "row" }, button(w.remove, () => {
      made.close();
      go();
    }, { class: "button danger" }), button(w.cancel, () => made.close())));
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
    if (!this.ok) {
      this.standing.refuse();
      return;
    }
    // What a colleague did meanwhile is looked at before anything is published.
    if (may && this.isDraft && !(await this.draft.settled(this.text))) return;
    (await import("./publishing.js")).publishing(this, begin, enable);
  }
}

// Nothing is drawn before it is known what there is: whoever types at once would lose the focus.
let failed = null;
const nodes = await get("/flows/nodes").then(({ items }) => items).catch((error) => {
  failed = error;
  return [];
});
const builder = new Builder(nodes);
if (failed) builder.trouble(failed);
wide.addEventListener("change", () => builder.asText && builder.draw());
if (begin.stored) {
  get(`/flows/samples?flow=${encodeURIComponent(begin.stored)}`).then(({ items }) => {
    builder.samples.runs = items;
    place.querySelector(".sample")?.replaceWith(builder.samples.line());
  }).catch(() => {});
}
// A run that failed leads to its field here.
const asked = new URLSearchParams(location.hash.slice(1));
const askedStep = builder.data?.steps?.findIndex?.((one) => one.id === asked.get("step")) ?? -1;
if (askedStep >= 0 && builder.left) builder.show(askedStep, asked.get("field"));
