// A dry run, and tests that tell what is otherwise now: loaded when somebody wants them.

import { send, url } from "./base.js";
import { button, dialog, fill, h } from "./dom.js";

export class Trying {
  /** `samples` is what a flow is tried with (see samples.js). */
  constructor(samples) {
    this.samples = samples;
  }

  // --- the dry run -----------------------------------------------------------------------------

  async dry() {
    const { words: w } = this.samples;
    if (!(await this.samples.builder.upToDate())) return;
    let told;
    try {
      told = await send("/flows/draft/try", { text: this.samples.builder.text, sample: this.samples.chosen });
    } catch (error) {
      this.samples.builder.trouble(error);
      return;
    }
    const forms = await Promise.all(told.steps.map((one) => this.samples.builder.form(one.node)));
    const { pickers } = this.samples.builder;
    const name = await Promise.all(told.steps.map((one) => namesIn(pickers.asked, one.node)));
    const title = (one, at) => {
      const card = this.samples.builder.card(one.node);
      return `${at + 1}. ${card ? `${card.app_title}: ${card.label}` : one.id}`;
    };
    const state = { would_run: w.wouldSend, skipped: w.skipped, failed: w.failed, not_reached: w.notReached };
    const parts = told.steps.map((one, at) => h("section", { class: "tried" }, h("h3", {}, `${title(one, at)}: ${one.request || one.state !== "would_run" ? (one.off ? w.isOffStep : state[one.state]) : w.reads}`),
      one.error ? h("p", { class: "mistake" }, [one.error.message, one.error.remedy].filter(Boolean).join(" "), h("br"), ...(one.error.issues ?? []).map((issue) => h("span", {}, `${issue.field ?? ""} ${issue.message} `))) : null,
      one.inputs ? valuesOf(one.inputs, forms[at], w, name[at]) : null,
      one.request ? h("details", { class: "rest" }, h("summary", {}, w.exactRequest), h("p", { class: "mono" }, `${one.request.method} ${one.request.url}`), one.request.body ? h("pre", { tabindex: "0" }, pretty(one.request.body)) : null) : null,
      one.warnings.map((text) => h("p", { class: "quiet" }, text))));
    const made = dialog(w.try, w, h("p", { class: "quiet" }, w.tryHelp, " ", `${this.samples.called}.`), told.error ? h("p", { class: "mistake" }, told.error.message) : null, told.passes || told.error ? null : h("p", {}, w.filtered), ...parts,
      this.samples.may ? this.asTest(() => made.close()) : null, this.ending(() => made.close()));
    made.classList.add("roomy");
  }

  /** The two ways on from what was shown. */
  ending(close) {
    const { may, builder, words: w } = this.samples;
    const { enabled } = builder.standing.begin;
    const publish = () => {
      close();
      builder.publish(enabled ? null : true);
    };
    return h("div", { class: "row tried" }, may && (builder.isDraft || !enabled) ? button(enabled ? w.publish : w.publishOn, publish, { class: "button main" }) : null,
      button(w.close, close));
  }

  /** Keep what was just shown, under a name. */
  asTest(saved) {
    const { words: w } = this.samples;
    const name = h("input", { type: "text", maxlength: "80", placeholder: w.testExample });
    const wrong = h("p", { class: "mistake", role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      const flow = await this.samples.builder.named();
      if (!flow) return;
      try {
        const { items } = await send("/flows/draft/tests/save", { flow, text: this.samples.builder.text, name: name.value, sample: this.samples.chosen });
        saved();
        this.list(items);
      } catch (error) {
        wrong.textContent = [error.problem?.detail ?? w.lost, error.problem?.remedy].filter(Boolean).join(" ");
        name.focus();
      }
    };
    return h("details", { class: "rest tried" }, h("summary", {}, w.saveTest), h("form", { onsubmit: save }, h("p", { class: "quiet" }, w.saveTestHelp, " ", this.samples.chosen ? w.testPersonal : ""),
      h("div", { class: "row bottom" }, h("label", { class: "field" }, h("span", {}, w.testName), name), h("button", { class: "button", type: "submit" }, w.save)), wrong));
  }

  // --- tests -----------------------------------------------------------------------------------

  /** Run every test of this flow, and show what is otherwise. */
  async tests() {
    if (!(await this.samples.builder.upToDate())) return;
    try {
      const { items } = await send("/flows/draft/tests", { flow: this.samples.builder.flow, text: this.samples.builder.text });
      this.list(items);
    } catch (error) {
      this.samples.builder.trouble(error);
    }
  }

  list(items) {
    const { words: w } = this.samples;
    const failed = items.filter((one) => one.differences.length).length;
    const again = async (path, one, more) => {
      try {
        const told = await send(`/flows/draft/tests/${path}`, { flow: this.samples.builder.flow, text: this.samples.builder.text, name: one.name, ...more });
        made.close();
        this.list(told.items);
      } catch (error) {
        made.close();
        this.samples.builder.trouble(error);
      }
    };
    const shown = (value) => value === null ? w.nothingThere : typeof value === "string" ? value : JSON.stringify(value);
    // A request is made of the inputs: where these differ, it says the same once more.
    const told = (one) => one.differences.filter((it) => !it.where.includes(".request.") || !one.differences.some((other) => other.where.startsWith(`${it.where.split(".request.")[0]}.inputs.`)));
    const parts = items.map((one) => h("section", { class: "tried" },
      h("div", { class: "row spread" }, h("h3", {}, one.name, " ", h("span", { class: `badge ${one.differences.length ? "bad" : "good"}` }, one.differences.length ? w.testFailed : w.testFine)),
        this.samples.may ? h("div", { class: "row" }, one.differences.length ? button(w.expectThis, () => again("save", one, { expect: true }), { "aria-label": `${w.expectThis}: ${one.name}` }) : null,
          button(w.remove, () => again("remove", one), { class: "button quiet", "aria-label": `${w.remove}: ${one.name}` })) : null),
      h("p", { class: "quiet" }, fill(w.savedBy, one), " ", one.until ? fill(w.until, one) : ""),
      one.differences.length ? h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, [w.where, w.expected, w.found].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, told(one).map((it) => h("tr", {}, h("td", {}, it.label, h("code", {}, it.where)), h("td", {}, shown(it.expected)), h("td", {}, shown(it.found))))))) : null));
    const made = dialog(w.tests, w, h("p", { role: "status" }, !items.length ? w.noTests : failed ? fill(w.someFailed, { failed, count: items.length }) : w.allFine), ...parts,
      items.length ? h("p", { class: "quiet tried" }, h("a", { href: url(`/flows/${encodeURIComponent(this.samples.builder.flow)}/tests`), download: true }, w.download), " ", w.downloadHelp) : null);
    made.classList.add("roomy");
  }
}

/** What a step gets, by the words of its form. */
function valuesOf(inputs, form, w, named) {
  const rows = [];
  const walk = (value, path) => {
    if (value !== null && typeof value === "object" && Object.keys(value).length) {
      for (const [key, inner] of Object.entries(value)) walk(inner, path ? `${path}.${key}` : key);
      return;
    }
    const bare = path.replace(/\.\d+(?=\.|$)/g, "");
    const row = path === bare ? "" : `${Number(path.match(/\.(\d+)(?:\.|$)/)[1]) + 1}. `;
    const field = form.fields.find((one) => one.path === bare);
    const choice = field?.choices?.find((one) => one.value === value)?.label ?? (field && named(field, value)) ?? dated(field, value);
    rows.push(h("tr", {}, h("th", { scope: "row" }, row + (field?.label ?? bare)), h("td", {}, choice ?? (typeof value === "boolean" ? (value ? w.yes : w.no) : typeof value === "string" ? value : JSON.stringify(value)))));
  };
  walk(inputs, "");
  return h("div", { class: "scroll", tabindex: "0" }, h("table", { class: "values" }, h("tbody", {}, rows)));
}

/** A day as people write it; the exact request has it as it is sent. */
function dated(field, value) {
  const day = field?.type === "date" && /^\d{4}-\d\d-\d\d$/.test(value) ? new Date(`${value}T00:00:00Z`) : null;
  return day && !Number.isNaN(day.valueOf()) ? day.toLocaleDateString(document.documentElement.lang, { dateStyle: "medium", timeZone: "UTC" }) : undefined;
}

/** What an id is called in the lists that were read already: nothing is asked for. */
async function namesIn(asked, node) {
  const lists = [...asked].map(([query, told]) => [new URLSearchParams(query), told]).filter(([query]) => query.get("node") === node);
  const known = await Promise.all(lists.map(([query, told]) => told.then(({ options }) => [query.get("field"), options], () => ["", []])));
  return (field, value) => {
    const found = known.filter(([path]) => path === field.path).flatMap(([, options]) => options).find((one) => String(one.value) === String(value));
    return found && found.label !== String(value) ? `${found.label} (${value})` : undefined;
  };
}

/** A body as people read it: JSON in lines, a form field by field. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text.includes("=") ? [...new URLSearchParams(text)].map(([key, value]) => `${key} = ${value}`).join("\n") : text;
  }
}
