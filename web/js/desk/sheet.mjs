// What the model gets, below the desk: asked for after every edit, with no run.

import { make } from "../paths/elements.mjs";
import { icon } from "../paths/icons.mjs";
import { t } from "../words.mjs";
import { Refused } from "./server.mjs";

const REST = 300; // milliseconds without an edit before the server is asked

export class Sheet {
  constructor(server) {
    this.server = server;
    this.picture = make("img", { alt: t("What the model gets"), draggable: "false" });
    this.words = make("p", { class: "vd-refused", role: "status" });
    this.notes = make("p", { class: "vd-sheet-notes" });
    this.body = make("div", { class: "vd-sheet-body", "data-capture-wheel": "true" }, this.words, this.picture, this.notes);
    this.mark = make("i", { class: "vd-busy" });
    this.head = make(
      "button",
      { type: "button", class: "vd-sheet-head", "aria-expanded": "true", onclick: () => this.toggle() },
      icon("next"),
      make("span", {}, t("What the model gets")),
      make("small", {}, t("live, without a run")),
      this.mark,
    );
    this.element = make("section", { class: "vd-sheet" }, this.head, this.body);
    this.shown = "";
    this.tell("");
  }

  get isOpen() {
    return this.head.getAttribute("aria-expanded") === "true";
  }

  toggle() {
    this.head.setAttribute("aria-expanded", String(!this.isOpen));
    if (this.isOpen) this.wanted && this.see(this.wanted, true);
  }

  // Asks again where what it depends on is not what it was. Nothing is asked for where nothing is drawn.
  see(wanted, again = false) {
    this.wanted = wanted;
    const key = JSON.stringify(wanted);
    if ((key === this.shown && !again) || !this.isOpen) return;
    this.shown = key;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(wanted), REST);
  }

  async ask(wanted) {
    this.abort?.abort();
    if (!wanted.hasObjects) return this.empty();
    if (wanted.waiting) return this.empty(wanted.waiting);
    const abort = new AbortController();
    this.abort = abort;
    this.element.classList.add("vd-asking");
    try {
      const { desk, clip } = wanted;
      const { pictures, control, ...settings } = wanted.settings;
      const answer = await this.server.ask("sheet", { desk, clip, settings, pictures, control }, abort.signal);
      const notes = decodeURIComponent(answer.headers.get("X-Vace-Notes") ?? "");
      this.put(URL.createObjectURL(await answer.blob()), notes);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      if (!(error instanceof Refused)) throw error;
      this.tell(error.message || t("The preview cannot be made here: the server did not answer. The drawing is kept."));
    } finally {
      if (this.abort === abort) this.element.classList.remove("vd-asking");
    }
    return undefined;
  }

  put(url, notes) {
    this.drop();
    this.picture.src = url;
    this.notes.textContent = notes;
    this.tell("");
  }

  empty(words = "") {
    this.drop();
    this.notes.textContent = "";
    this.element.classList.remove("vd-asking");
    this.tell(words);
  }

  tell(words) {
    this.words.textContent = words;
    this.words.hidden = !words;
    this.picture.hidden = !this.picture.getAttribute("src");
    this.picture.classList.toggle("vd-stale", Boolean(words));
    this.notes.hidden = !this.notes.textContent;
    this.body.classList.toggle("vd-empty", this.picture.hidden && !words);
    this.body.dataset.hint = t("Draw something: what the model gets appears here.");
  }

  drop() {
    if (this.picture.getAttribute("src")) URL.revokeObjectURL(this.picture.src);
    this.picture.removeAttribute("src");
  }

  close() {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.empty();
    this.shown = ""; // a node that comes back asks again
  }
}
