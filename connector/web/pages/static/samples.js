// What a flow is tried with: a sample, a dry run, and tests that tell what is otherwise now.

import { send, url } from "./base.js";
import { button, dialog, fill, h } from "./dom.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export class Samples {
  constructor(builder, begin, may, words) {
    Object.assign(this, { builder, may, words, runs: [], pinned: begin.pinned });
    this.pasted = begin.pinned?.sample.record ?? null;
    this.chosen = begin.pinned && !begin.pinned.gone ? begin.pinned.sample : null;
  }

  // --- the sample ------------------------------------------------------------------------------

  line() {
    const { words: w, pinned } = this;
    const select = h("select", { "aria-label": w.sample });
    const run = pinned?.sample.run;
    const options = [{ label: w.madeUp, value: null }, ...this.runs.map((one) => ({ label: fill(w.fromRun, one), value: { run: one.run } }))];
    if (run && !pinned.gone && !this.runs.some((one) => one.run === run)) options.push({ label: fill(w.fromOldRun, { run }), value: { run } });
    if (this.pasted) options.push({ label: w.pastedOne, value: { record: this.pasted } });
    options.forEach((one, at) => {
      const label = pinned && same(one.value, pinned.sample) ? `${one.label} (${w.pinnedShort})` : one.label;
      select.append(h("option", { value: String(at), selected: same(one.value, this.chosen) }, label));
    });
    select.addEventListener("change", () => this.use(options[Number(select.value)].value));
    const isPinned = pinned ? same(pinned.sample, this.chosen) : !this.chosen;
    const pin = !this.may || (isPinned && !pinned) ? null
      : isPinned ? button(w.unpin, () => this.pin(null)) : button(w.pin, () => this.pin(this.chosen));
    const told = !pinned ? null : pinned.gone ? w.pinGone : [fill(w.pinnedBy, pinned), pinned.until ? fill(w.until, pinned) : ""].filter(Boolean).join(" ");
    return h("div", { class: "sample" }, h("div", { class: "row bottom" }, h("label", { class: "field" }, h("span", {}, w.sample), select), button(w.paste, () => this.paste()), pin),
      told ? h("p", { class: "help", role: "status" }, told) : null);
  }

  use(sample) {
    this.chosen = sample;
    this.builder.draw();
  }

  async pin(sample) {
    const flow = await this.builder.named();
    if (!flow) return;
    try {
      ({ pinned: this.pinned } = await send("/flows/draft/pin", { flow, sample }));
    } catch (error) {
      this.builder.trouble(error);
      return;
    }
    // What must not be kept is masked in it.
    if (this.pinned?.sample.record) this.pasted = this.pinned.sample.record;
    this.builder.focusOn = ".sample select";
    this.use(this.pinned?.sample ?? this.chosen);
  }

  paste() {
    const { words: w } = this;
    const area = h("textarea", { rows: "12", "aria-label": w.paste });
    const wrong = h("p", { class: "mistake", role: "alert" });
    const made = dialog(w.paste, w, h("p", { class: "quiet" }, w.pasteHelp), area, wrong, button(w.use, () => {
      try {
        this.pasted = JSON.parse(area.value);
      } catch (error) {
        wrong.textContent = fill(w.notJson, { why: error.message });
        return;
      }
      made.close();
      this.use({ record: this.pasted });
    }, { class: "button main" }));
    area.focus();
  }

  // --- the dry run -----------------------------------------------------------------------------

  async dry() {
    const { words: w } = this;
    if (!(await this.builder.upToDate())) return;
    let told;
    try {
      told = await send("/flows/draft/try", { text: this.builder.text, sample: this.chosen });
    } catch (error) {
      this.builder.trouble(error);
      return;
    }
    const state = { would_run: w.wouldSend, skipped: w.skipped, failed: w.failed, not_reached: w.notReached };
    const parts = told.steps.map((one) => h("section", { class: "tried" }, h("h3", {}, `${one.id}: ${one.request || one.state !== "would_run" ? (one.off ? w.isOffStep : state[one.state]) : w.reads}`),
      one.error ? h("p", { class: "mistake" }, [one.error.message, one.error.remedy].filter(Boolean).join(" "), h("br"), ...(one.error.issues ?? []).map((issue) => h("span", {}, `${issue.field ?? ""} ${issue.message} `))) : null,
      one.request ? h("div", {}, h("p", { class: "mono" }, `${one.request.method} ${one.request.url}`), one.request.body ? h("pre", { tabindex: "0" }, pretty(one.request.body)) : null) : one.inputs ? h("pre", { tabindex: "0" }, JSON.stringify(one.inputs, null, 2)) : null,
      one.warnings.map((text) => h("p", { class: "quiet" }, text))));
    const made = dialog(w.try, w, h("p", { class: "quiet" }, w.tryHelp), told.error ? h("p", { class: "mistake" }, told.error.message) : null, told.passes || told.error ? null : h("p", {}, w.filtered), ...parts,
      this.may ? this.asTest(() => made.close()) : null);
    made.classList.add("roomy");
  }

  /** Keep what was just shown, under a name. */
  asTest(saved) {
    const { words: w } = this;
    const name = h("input", { type: "text", maxlength: "80", placeholder: w.testExample });
    const wrong = h("p", { class: "mistake", role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      const flow = await this.builder.named();
      if (!flow) return;
      try {
        const { items } = await send("/flows/draft/tests/save", { flow, text: this.builder.text, name: name.value, sample: this.chosen });
        saved();
        this.list(items);
      } catch (error) {
        wrong.textContent = [error.problem?.detail ?? w.lost, error.problem?.remedy].filter(Boolean).join(" ");
        name.focus();
      }
    };
    return h("form", { class: "tried", onsubmit: save }, h("h3", {}, w.saveTest), h("p", { class: "quiet" }, w.saveTestHelp, " ", this.chosen ? w.testPersonal : ""),
      h("div", { class: "row bottom" }, h("label", { class: "field" }, h("span", {}, w.testName), name), h("button", { class: "button", type: "submit" }, w.save)), wrong);
  }

  // --- tests -----------------------------------------------------------------------------------

  /** Run every test of this flow, and show what is otherwise. */
  async tests() {
    if (!(await this.builder.upToDate())) return;
    try {
      const { items } = await send("/flows/draft/tests", { flow: this.builder.flow, text: this.builder.text });
      this.list(items);
    } catch (error) {
      this.builder.trouble(error);
    }
  }

  list(items) {
    const { words: w } = this;
    const failed = items.filter((one) => one.differences.length).length;
    const again = async (path, one, more) => {
      try {
        const told = await send(`/flows/draft/tests/${path}`, { flow: this.builder.flow, text: this.builder.text, name: one.name, ...more });
        made.close();
        this.list(told.items);
      } catch (error) {
        made.close();
        this.builder.trouble(error);
      }
    };
    const shown = (value) => value === null ? w.nothingThere : typeof value === "string" ? value : JSON.stringify(value);
    // A request is made of the inputs: where these differ, it says the same once more.
    const told = (one) => one.differences.filter((it) => !it.where.includes(".request.") || !one.differences.some((other) => other.where.startsWith(`${it.where.split(".request.")[0]}.inputs.`)));
    const parts = items.map((one) => h("section", { class: "tried" },
      h("div", { class: "row spread" }, h("h3", {}, one.name, " ", h("span", { class: `badge ${one.differences.length ? "bad" : "good"}` }, one.differences.length ? w.testFailed : w.testFine)),
        this.may ? h("div", { class: "row" }, one.differences.length ? button(w.expectThis, () => again("save", one, { expect: true }), { "aria-label": `${w.expectThis}: ${one.name}` }) : null,
          button(w.remove, () => again("remove", one), { class: "button quiet", "aria-label": `${w.remove}: ${one.name}` })) : null),
      h("p", { class: "quiet" }, fill(w.savedBy, one), " ", one.until ? fill(w.until, one) : ""),
      one.differences.length ? h("div", { class: "scroll", tabindex: "0" }, h("table", {}, h("thead", {}, h("tr", {}, [w.where, w.expected, w.found].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, told(one).map((it) => h("tr", {}, h("td", {}, it.label, h("code", {}, it.where)), h("td", {}, shown(it.expected)), h("td", {}, shown(it.found))))))) : null));
    const made = dialog(w.tests, w, h("p", { role: "status" }, !items.length ? w.noTests : failed ? fill(w.someFailed, { failed, count: items.length }) : w.allFine), ...parts,
      items.length ? h("p", { class: "quiet tried" }, h("a", { href: url(`/flows/${encodeURIComponent(this.builder.flow)}/tests`), download: true }, w.download), " ", w.downloadHelp) : null);
    made.classList.add("roomy");
  }
}

/** A body as people read it: JSON in lines, a form field by field. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text.includes("=") ? [...new URLSearchParams(text)].map(([key, value]) => `${key} = ${value}`).join("\n") : text;
  }
}
