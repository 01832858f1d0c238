// What a flow is tried with: a made-up sample, a record of a run, or a pasted one; and the pin.

import { send } from "./base.js";
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

  /** What the chosen sample is called. */
  get called() {
    const { words: w, chosen } = this;
    return !chosen ? w.madeUp : chosen.record ? w.pastedOne : fill(w.fromOldRun, { run: chosen.run });
  }

  // --- with it ---------------------------------------------------------------------------------

  async dry() {
    (await this.trying()).dry();
  }

  async tests() {
    (await this.trying()).tests();
  }

  async trying() {
    const { Trying } = await import("./trying.js");
    return new Trying(this);
  }
}
