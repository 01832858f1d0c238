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
