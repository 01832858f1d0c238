// Publishing: what changes, what is worth a look, and the way back to the page of the flow.

import { send, url } from "./base.js";
import { button, dialog, fill, h } from "./dom.js";

/** Publishes the flow of a builder (see builder.js); whatever deserves a look is shown before. */
export async function publishing(builder, begin, enable) {
  const w = builder.words;
  let changes, tests;
  try {
    [changes, tests] = await Promise.all([
      send("/flows/draft/changes", { key: begin.stored ?? "", text: builder.text }),
      builder.flow ? send("/flows/draft/tests", { flow: builder.flow, text: builder.text }) : { items: [] }]);
  } catch (error) {
    builder.trouble(error);
    return;
  }
  const items = changes.items ?? [];
  const broken = tests.items.filter((one) => one.differences.length).length;
  const odd = builder.issues.filter((one) => one.severity === "warning" && !one.lacks);
  if (!items.length && !broken && !odd.length) {
    store(builder, begin, enable);
    return;
  }
  const made = dialog(items.length ? w.whatChanges : w.publish, w, h("ul", { class: "changes" }, items.map((one) => h("li", {}, one))),
    odd.length ? h("div", { class: "box warn" }, h("div", {}, h("p", { class: "what" }, w.warnings), h("ul", {}, odd.map((one) => h("li", {}, builder.standing.said(one)))))) : null,
    broken ? h("p", { class: "box warn" }, h("span", {}, fill(w.testsBreak, { count: broken }))) : null, h("div", { class: "row" }, button(w.publish, () => {
      made.close();
      store(builder, begin, enable);
    }, { class: "button main" }), button(w.cancel, () => made.close())));
}

async function store(builder, begin, enable) {
  try {
    const { name: flow, version } = builder.draft;
    const made = await send("/flows/draft/publish", { text: builder.text, enable, new: !begin.stored, stored: begin.stored, version: begin.version, draft: version ? { flow, version } : null });
    location.assign(url(`/flows/${encodeURIComponent(made.key)}?published=${made.version}`));
  } catch (error) {
    builder.trouble(error);
    if (error.problem?.fields?.length) {
      builder.issues = error.problem.fields;
      builder.drawHead();
    }
  }
}
