// How a flow stands: what is still to do, what is wrong, and what can be done with it as a whole.

import { url } from "./base.js";
import { button, fill, h } from "./dom.js";

const isError = (one) => one.severity !== "warning";

export class Standing {
  /** `host` is the builder (see builder.js). */
  constructor(host, begin, may, words) {
    Object.assign(this, { host, begin, may, words, spots: [], tried: false });
    this.element = h("div", { class: "status" });
    // What comes after publishing scrolls away; the page has drawn what can be done in an emulated app.
    this.news = h("div", { class: "news" });
    this.deeds = document.querySelector(".happen") ?? "";
  }

  /** What is only not there yet is wrong once somebody wants to publish, or has published it. */
  get strict() {
    return this.tried || !this.host.isDraft;
  }

  /** An issue in words; of what is empty only what to do. */
  said(one) {
    const { words: w } = this;
    if (one.lacks === "value") return this.isChosen(one) ? w.chooseIt : w.writeIt;
    if (one.lacks === "choice") return w.chooseIt;
    return [one.message, one.remedy].filter(Boolean).join(" ");
  }

  field(issue) {
    const { host } = this;
    const [part, name] = (issue.where ?? "").split(".");
    const node = part === "trigger" ? host.data?.trigger?.node : host.data?.steps?.find((one, at) => [one.id, String(at)].includes(name))?.node;
    const form = host.known?.[node];
    return form?.fields.find((one) => one.path === issue.field) ?? form?.arrays.find((one) => one.path === issue.field);
  }

  isChosen(issue) {
    const field = this.field(issue);
    return Boolean(field?.from || field?.choices?.length || field?.type === "boolean");
  }

  // --- above the cards -------------------------------------------------------------------------

  draw() {
    const { host, begin, may, words: w } = this;
    const errors = host.issues.filter(isError);
    const warnings = host.issues.filter((one) => !isError(one));
    const wrong = errors.filter((one) => this.strict || !one.lacks);
    const todo = [...errors, ...warnings].filter((one) => !this.strict && one.lacks);
    const odd = warnings.filter((one) => !todo.includes(one));
    const listed = (title, tone, items) => items.length ? h("details", { class: `box ${tone}`, open: host.isDraft && (tone === "bad" || items.length < 4) },
      h("summary", {}, `${title} (${items.length})`), h("ul", {}, items.map((one) => h("li", {}, this.leadsTo(one), one.lacks === "step" ? null : this.said(one))))) : "";
    const version = begin.version ? fill(w.version, { number: begin.version }) : "";
    const told = [host.isDraft ? this.standing() : w.saved, version, begin.stored ? (begin.enabled ? w.isOn : w.isOff) : ""];
    const where = this.held();
    this.element.replaceChildren(
      h("div", { class: "row spread" },
        h("div", { class: "standing" }, h("p", { class: "quiet", role: "status" }, told.filter(Boolean).join(" · ").replaceAll(". · ", " · ")),
          errors.length || warnings.length ? null : h("p", { class: "quiet fine" }, w.fine)),
        h("div", { class: "row" },
          button(w.try, () => host.samples.dry(), { disabled: !host.ok }),
          !may ? null : begin.enabled ? button(w.publish, () => host.publish(null), { disabled: !host.isDraft, class: host.ok ? "button main" : "button" }) : button(w.publishOn, () => host.publish(true), { class: host.ok ? "button main" : "button" }),
          host.asText ? button(host.left ? w.noText : w.cards, () => host.flip()) : null,
          this.menu(where.open))),
      host.problem ? h("div", { class: "box bad", role: "alert" }, h("div", {}, h("p", { class: "what" }, host.problem.detail), host.problem.remedy ? h("p", {}, host.problem.remedy) : null)) : "",
      host.draft.away ? h("p", { class: "box warn", role: "alert" }, host.draft.away) : "",
      host.isDraft && host.draft.isBehind ? h("p", { class: "box warn" }, fill(w.draftBehind, { number: begin.version })) : "",
      listed(w.issues, "bad", wrong),
      // Whoever has just begun sees what to choose, and needs no list of it.
      host.isBare || !todo.length ? "" : h("div", { class: "box todo" }, h("strong", {}, `${w.todo} (${todo.length})`), h("ul", {}, todo.map((one) => h("li", {}, this.leadsTo(one), one.lacks === "one_of" ? this.said(one) : null)))),
      listed(w.warnings, "warn", odd));
    where.back();
    if (Boolean(this.news.firstChild) === host.isDraft) this.news.replaceChildren(...host.isDraft ? [] : this.just());
    this.spots.forEach((one) => this.tell(one));
  }

  /** What is opened and has the focus here stays so. */
  held() {
    const all = () => [...this.element.querySelectorAll("summary, button, a")];
    const at = all().indexOf(document.activeElement);
    const open = Boolean(this.element.querySelector("details.menu[open]"));
    return { open, back: () => at >= 0 && all()[Math.min(at, all().length - 1)]?.focus({ preventScroll: true }) };
  }

  /** What is wanted now and then. */
  menu(open) {
    const { host, begin, may, words: w } = this;
    const quiet = { class: "button quiet" };
    const made = h("details", { class: "menu more", open }, h("summary", { class: "button" }, w.menu), h("div", { class: "sheet" },
      button(w.tests, () => host.samples.tests(), { ...quiet, disabled: !host.ok }),
      may && !begin.enabled ? button(w.publishOff, () => host.publish(null), { ...quiet, disabled: !host.isDraft }) : null,
      begin.stored ? h("a", { class: "button quiet", href: this.runs }, w.runs) : null,
      host.asText ? null : button(w.yaml, () => host.flip(), quiet),
      host.isDraft && (begin.stored || host.draft.version) && may ? button(w.discard, () => host.discard(), quiet) : null));
    made.addEventListener("click", (event) => {
      if (event.target.closest(".sheet button")) made.open = false;
    });
    return made;
  }

  get runs() {
    return url(`/runs?flow=${encodeURIComponent(this.begin.stored)}`);
  }

  /** How the draft stands. */
  standing() {
    const { words: w, host: { draft } } = this;
    if (!this.may) return w.draftOnlyHere;
    return draft.version ? [w.draft, draft.by ? fill(w.draftBy, draft.by) : ""].filter(Boolean).join(" ") : "";
  }

  /** What comes now, for whoever has just published. */
  just() {
    const { host, begin, words: w } = this;
    if (new URLSearchParams(location.search).get("published") === null) return [];
    const card = host.card(host.data?.trigger?.node);
    return [h("div", { class: "box good", role: "status" }, h("div", {}, h("p", { class: "what" }, `${fill(w.published, { number: begin.version })} ${begin.enabled ? w.isOn : w.isOff}`),
      begin.enabled && card ? h("p", {}, fill(w.startsNext, { what: card.label, app: card.app_title })) : null,
      h("div", { class: "row" }, h("a", { class: "button", href: this.runs }, w.runs)))), this.deeds];
  }

  // --- beside the fields -----------------------------------------------------------------------

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
    const own = this.host.issues.filter((one) => about(one) && (this.strict || !one.lacks));
    made.hidden = !own.length;
    made.textContent = own.map((one) => this.said(one)).join(" ");
    made.classList.toggle("mild", own.length > 0 && !own.some(isError));
    if (!control.matches("button, fieldset")) (control.box ?? control).setAttribute("aria-invalid", String(own.some(isError)));
  }

  /** The way from an issue to its place, where the cards show it. */
  leadsTo(issue) {
    const { host, words: w } = this;
    const [part, name] = (issue.where ?? "").split(".");
    const at = this.step(issue);
    const spot = this.spots.find((one) => one.about(issue));
    const link = (label) => button(label, () => this.go(issue), { class: "button link", title: issue.where });
    if (host.left && issue.lacks === "step") return link(w.addStep);
    if (!issue.where && issue.who === "connection_owner") return h("a", { class: "link", href: url("/connections") }, `${w.connection}: `);
    if (!host.left || (at < 0 && !spot && part !== "trigger")) return issue.where ? h("code", {}, `${issue.where} `) : null;
    return link([part === "steps" ? `${w.stepName} ${at + 1}` : part === "trigger" ? w.when : "", spot?.label ?? this.field(issue)?.label].filter(Boolean).join(": "));
  }

  step(issue) {
    const [part, name] = (issue.where ?? "").split(".");
    return part === "steps" ? (this.host.data?.steps ?? []).findIndex((one, place) => [one.id, String(place)].includes(name)) : -1;
  }

  /** Go to the place of an issue. */
  go(issue) {
    const { host } = this;
    const spot = this.spots.find((one) => one.about(issue) && one.control.isConnected);
    spot?.control.closest("details:not([open])")?.setAttribute("open", "");
    if (issue.lacks === "step") document.getElementById("add-step")?.focus();
    else if (spot) spot.control.focus();
    else if (issue.where?.startsWith("trigger")) host.left.querySelector(".trigger select, .trigger input, .trigger button")?.focus();
    else if (this.step(issue) >= 0) host.show(this.step(issue), issue.field);
  }

  /** Somebody wants to publish what is not whole: now it is said, at the first of it. */
  refuse() {
    this.tried = true;
    this.draw();
    this.host.mapper?.tell();
    const first = this.host.issues.find(isError);
    if (first) this.go(first);
  }
}
