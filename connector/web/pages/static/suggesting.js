// What could fill a step's fields, each with its reason: loaded when somebody wants to see it.

import { button, dialog, fill, h } from "./dom.js";
import { reach } from "./mapper.js";
import { shown, taken } from "./token-field.js";

/** Shows the suggestions of a mapper (see mapper.js); nothing is filled in by itself. */
export async function suggestions(mapper) {
  const w = mapper.words;
  let items = [];
  try {
    items = await mapper.suggested();
  } catch (error) {
    mapper.host.trouble(error);
    return;
  }
  const label = (path) => mapper.form.fields.find((one) => one.path === path)?.label ?? mapper.form.arrays.find((one) => one.path === path)?.label ?? path;
  // What it gives for the sample, where that is plain to see.
  const example = (value) => {
    const found = typeof value === "string" && taken(value.replace(/^\{\{\s*|\s*\}\}$/g, ""));
    return found && !found.filters.length ? shown(reach(mapper.seen.context, found.path), w) : "";
  };
  const accept = (one, row) => {
    mapper.map[one.path] = one.value;
    row.remove();
    mapper.offered.replaceChildren();
    if (!list.childElementCount) made.close();
    mapper.draw();
    mapper.edited();
  };
  const list = h("ul", { class: "suggestions" }, items.map((one) => {
    const row = h("li", {}, h("div", {}, h("strong", {}, label(one.path)), " ", h("span", { class: "value" }, example(one.value)), h("br"), h("code", {}, typeof one.value === "string" ? one.value : `for_each ${one.value.for_each}`),
      one.value.map ? h("span", { class: "quiet" }, h("br"), Object.entries(one.value.map).map(([key, text]) => `${label(`${one.path}.${key}`)} ← ${text.replace(/^\{\{\s*|\s*(\|.*)?\}\}$/g, "")}`).join(" · ")) : null,
      h("br"), h("span", { class: "quiet" }, `${one.reason.replace(/\.$/, "")} · ${Math.round(one.confidence * 100)} %`)), button(w.accept, () => accept(one, row), { "aria-label": `${w.accept}: ${label(one.path)}` }));
    row.accept = () => accept(one, row);
    return row;
  }));
  const made = dialog(w.suggest, w, h("p", { class: "quiet" }, items.length ? w.suggestHelp : w.noSuggestion), list,
    items.length > 1 ? button(w.acceptAll, () => [...list.children].forEach((one) => one.accept()), { class: "button main" }) : null);
  made.classList.add("roomy");
}

/** A step before this one finds what a field chooses: a new one, unless there is one already. */
export async function findBefore({ host, step }, field) {
  const { steps } = host.data;
  const form = await host.form(field.finder);
  const at = steps.indexOf(step);
  const known = steps.slice(0, at).find((one) => one.node === field.finder && one.enabled !== false);
  const id = known?.id ?? host.freeId(field.finder.split(".")[1].split("_")[0]);
  const own = (one) => one === "company_id" && step.map?.[one] !== undefined && form.fields.some((it) => it.path === one);
  const map = Object.fromEntries(["company_id"].filter(own).map((one) => [one, step.map[one]]));
  (step.map ??= {})[field.path] = `{{ steps.${id}.id }}`;
  host.open = at;
  host.reshape(() => known || steps.splice(at, 0, { id, node: field.finder, connection: step.connection, map }));
}

/** All that a step would send. */
export function whole({ told, words: w }) {
  dialog(w.result, w, h("pre", { tabindex: "0" }, JSON.stringify(told.payload ?? {}, null, 2)), h("p", { class: "quiet" }, w.nothingSent));
}
