// The draft on the server: kept while one builds, and two people who change it notice each other.

import { body, send, url } from "./base.js";
import { button, dialog, fill, h } from "./dom.js";

export class Draft {
  /** `show` draws how it stands, `take(text)` puts another text into the builder. */
  constructor(begin, may, words, { show, take }) {
    const found = begin.draft;
    Object.assign(this, { begin, may, words, show, take, waiting: null, running: null, away: false });
    this.name = found?.flow ?? begin.stored ?? "";
    this.version = found?.version ?? 0;
    this.base = found?.base ?? begin.version;
    this.by = found && found.who !== begin.me ? found : null;
    this.text = found?.text ?? null;
  }

  /** Where an unsaved text waits in this browser, for as long as the server cannot be reached. */
  get place() {
    return `connector.draft:${body.dataset.root}:${this.name || "new"}`;
  }

  /** What was not saved the last time, if so: it goes on where nobody else went on. */
  resume() {
    let left = null;
    try {
      left = JSON.parse(localStorage.getItem(this.place));
    } catch {
      // Of an older release: a text without its version.
    }
    localStorage.removeItem(this.place);
    if (!this.may || !left?.text || left.text === this.text) return;
    if (left.version === this.version) this.take(left.text);
    else this.differs(left.text, this.begin.draft);
  }

  /** Whether a newer version was published than this draft was begun from. */
  get isBehind() {
    return this.version > 0 && this.base < this.begin.version;
  }

  keep(text) {
    if (!this.may || text === this.text) return;
    this.waiting = text;
    this.go();
  }

  go() {
    this.running ??= this.run().finally(() => (this.running = null));
  }

  /** Everything is saved, or a person has to decide first: tells which. */
  async settled(text) {
    this.keep(text);
    await this.running;
    return this.waiting === null;
  }

  async run() {
    while (this.waiting !== null) {
      const text = this.waiting;
      localStorage.setItem(this.place, JSON.stringify({ text, version: this.version }));
      try {
        const told = await send("/flows/draft/save", { flow: this.name, text, version: this.version, base: this.base }, { keepalive: text.length < 50_000 });
        localStorage.removeItem(this.place);
        if ("other" in told) {
          this.differs(text, told.other);
          return;
        }
        if (!this.name) history.replaceState(null, "", url(`/flows/new?draft=${told.flow}`));
        Object.assign(this, { name: told.flow, version: told.version, text, by: null, away: false });
        if (this.waiting === text) this.waiting = null;
      } catch (error) {
        this.away = error.problem?.detail ?? this.words.lost;
        this.show();
        // What the server refuses is not asked again before something changes.
        if (!error.problem) setTimeout(() => this.waiting !== null && this.go(), 5_000);
        return;
      }
      this.show();
    }
  }

  /** Somebody else was faster: their text or ours, a person says which. */
  differs(mine, other) {
    const { words: w } = this;
    if (this.asked?.isConnected) this.asked.close();
    const said = !other ? w.draftGone : fill(other.who === this.begin.me ? w.draftMine : w.draftOther, other);
    const answer = (label, then, main) => button(label, () => {
      made.close();
      then();
    }, { class: main ? "button main" : "button" });
    const made = this.asked = dialog(w.draftDiffers, w, h("p", {}, said), h("p", { class: "quiet" }, w.draftHelp), h("div", { class: "row" },
      answer(other ? w.draftTheirs : w.draftPublished, () => {
        this.waiting = null;
        if (!other) location.assign(url(this.begin.stored ? `/flows/${this.begin.stored}` : "/flows"));
        else {
          Object.assign(this, { version: other.version, base: other.base, text: other.text, by: other });
          this.take(other.text);
        }
      }, true),
      answer(w.draftKeep, () => {
        this.version = other?.version ?? 0;
        if (!other && !this.begin.stored) this.name = "";
        this.text = null;
        this.keep(mine);
      })));
  }

  /** Throw it away; tells whether it is gone. */
  async discard() {
    this.waiting = null;
    await this.running;
    localStorage.removeItem(this.place);
    if (!this.version) return true;
    const told = await send("/flows/draft/discard", { flow: this.name, version: this.version });
    if (told.other) {
      this.differs(this.text, told.other);
      return false;
    }
    Object.assign(this, { version: 0, text: null, by: null, base: this.begin.version });
    return true;
  }
}
