// The time line of a plan: asks for the plan, draws it, has its borders moved. It knows no ComfyUI; `attach.mjs`
// connects it to a node.

import { Refused } from "../desk/server.mjs";
import { make } from "../paths/elements.mjs";
import { t } from "../words.mjs";
import { Borders } from "./borders.mjs";
import { describeBorder, describeWindow, summary } from "./sentences.mjs";
import { addPlanStyle } from "./style.mjs";
import { Track } from "./track.mjs";

const REST = 120; // milliseconds without a change before the server is asked
const AGAIN = 4000; // milliseconds until a server that did not answer is asked once more
const READ = 8000; // milliseconds that it stays said why a border went no further
const CLOSER = 1.6;
const CLOSEST = 40;

export class PlanEditor {
  // `ask(said, signal)` gives a plan as the route answers it, `write(text)` sets the changes of the node, `keep(flag)`
  // what unit is shown.
  constructor({ ask, write, keep }) {
    addPlanStyle();
    Object.assign(this, { asks: ask, write, keep });
    this.state = { said: null, plan: null, error: "", waiting: "", inFrames: false, zoom: 1, pointed: null, moving: null, stopped: null };
    const button = (text, words, act) => {
      return make("button", { type: "button", class: "vt-button", title: words, "aria-label": words, onclick: act }, text);
    };
    this.summary = make("span", { class: "vt-summary" });
    this.unit = button("", t("Seconds or frames"), () => {
      this.show({ inFrames: !this.state.inFrames });
      this.keep(this.state.inFrames);
    });
    this.wide = button("−", t("The whole clip, or more of it"), () => this.zoom(1 / CLOSER));
    this.close_ = button("+", t("Closer (Ctrl + wheel)"), () => this.zoom(CLOSER));
    this.head = make("div", { class: "vt-head" }, this.summary, this.wide, this.close_, this.unit);
    this.track = new Track({ onPoint: (pointed) => this.show({ pointed }) });
    this.words = make("p", { class: "vt-words", role: "status", "aria-live": "polite" });
    this.element = make("div", { class: "vace-plan" }, this.head, this.track.element, this.words);
    this.borders = new Borders(this.track, {
      canMove: () => this.canMove,
      plan: () => this.state.plan,
      move: (window, frames) => this.move(window, frames),
      commit: () => this.commit(),
      cancel: () => this.cancel(),
      point: (pointed) => this.show({ pointed }),
    });
    this.element.addEventListener("wheel", (event) => this.wheel(event), { capture: true });
    this.resizes = new ResizeObserver(() => this.redraw());
  }

  open() {
    this.resizes.observe(this.track.element);
  }

  close() {
    this.key = undefined; // where it comes back, it asks again
    clearTimeout(this.timer);
    clearTimeout(this.reading);
    this.abort?.abort();
    this.resizes.disconnect();
  }

  get canMove() {
    const { plan, error, waiting, said } = this.state;
    return Boolean(plan && !error && !waiting && said?.isEditable && !this.isWriting);
  }

  // What the node says now, as `said.mjs` has it.
  see(said, inFrames) {
    if (this.state.moving) return; // what is typed meanwhile counts afterwards
    if (inFrames !== this.state.inFrames) this.show({ inFrames });
    const key = JSON.stringify(said);
    if (key === this.key) return;
    const isFirst = this.key === undefined;
    this.key = key;
    this.stop(null);
    clearTimeout(this.timer);
    this.abort?.abort();
    if (said.waiting) return this.show({ said, waiting: said.waiting, error: "", plan: null });
    this.state.said = said;
    this.timer = setTimeout(() => this.refresh(), isFirst ? 0 : REST);
    return undefined;
  }

  async refresh() {
    const { said } = this.state;
    try {
      const plan = await this.request(said);
      if (said === this.state.said) this.show({ plan, error: "", waiting: "" });
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refused)) throw error;
      if (!error.message) this.timer = setTimeout(() => (this.key = ""), AGAIN); // the next look asks again
      this.show({ error: error.message || t("The server did not answer: the plan cannot be shown."), waiting: "" });
    }
  }

  request({ values, clip, model }, more = {}) {
    this.abort?.abort();
    this.abort = new AbortController();
    return this.asks({ values, clip, model, ...more }, this.abort.signal);
  }

  // Shows the border before a window so many frames from where it is, as far as the plan lets it.
  move(window, frames) {
    clearTimeout(this.timer);
    const { plan, moving } = this.state;
    this.stop(null);
    this.show({ moving: { before: plan, answer: null, answered: 0, gesture: {}, ...moving, window, frames } });
    this.asking ??= this.follow().finally(() => (this.asking = null));
  }

  // One question at a time, then that for where the border is by then.
  async follow() {
    for (let { moving } = this.state; moving && moving.frames !== moving.answered; { moving } = this.state) {
      const { window, frames, gesture, before } = moving;
      try {
        const answer = await this.request(this.state.said, { move: { window, frames } });
        const now = this.state.moving;
        if (now?.gesture !== gesture) continue;
        this.show({ plan: answer, moving: { ...now, answer, answered: frames } });
      } catch (error) {
        if (error.name === "AbortError") continue;
        if (!(error instanceof Refused)) throw error;
        this.show({ moving: null, plan: before, error: error.message || t("The server did not answer: nothing was moved.") });
      }
    }
  }

  // Types what the last move is.
  async commit() {
    if (!this.state.moving || this.isWriting) return;
    this.isWriting = true;
    await this.asking;
    this.isWriting = false;
    const { moving, said } = this.state;
    if (!moving) return;
    const { window, answer } = moving;
    this.show({ moving: null });
    if (answer && answer.changes !== said.values.changes) this.write(answer.changes);
    if (answer?.refused) this.stop({ window, words: answer.refused });
  }

  // Says for a while why a border goes no further.
  stop(stopped) {
    clearTimeout(this.reading);
    if (stopped) this.reading = setTimeout(() => this.show({ stopped: null }), READ);
    this.show({ stopped });
  }

  cancel() {
    const { moving } = this.state;
    if (!moving) return;
    this.key = ""; // the next look asks for the plan as it is
    this.abort?.abort();
    this.show({ moving: null, plan: moving.before });
  }

  zoom(by, at = 0.5) {
    const zoom = Math.min(Math.max(this.state.zoom * by, 1), CLOSEST);
    const pixels = this.track.element.clientWidth * at;
    const held = (this.track.element.scrollLeft + pixels) / this.state.zoom;
    this.state.zoom = zoom;
    this.draw();
    this.track.element.scrollLeft = held * zoom - pixels;
  }

  wheel(event) {
    if (!event.ctrlKey || !event.target.closest?.(".vt-scroll")) return;
    event.preventDefault();
    event.stopPropagation();
    const { left, width } = this.track.element.getBoundingClientRect();
    this.zoom(event.deltaY < 0 ? CLOSER : 1 / CLOSER, (event.clientX - left) / width);
  }

  show(changes) {
    Object.assign(this.state, changes);
    this.redraw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  draw() {
    const { plan, error, waiting, inFrames, zoom, moving } = this.state;
    const { classList } = this.element;
    classList.toggle("vt-refused", Boolean(error));
    classList.toggle("vt-waiting", !plan);
    classList.toggle("vt-fixed", !this.canMove);
    this.unit.textContent = inFrames ? t("frames") : t("seconds");
    this.wide.disabled = zoom <= 1;
    this.close_.disabled = zoom >= CLOSEST;
    this.summary.textContent = plan ? summary(plan, this.state.said) : "";
    this.track.draw({ plan, inFrames, zoom, moving });
    const words = error || waiting || this.told();
    if (this.words.textContent !== words) this.words.textContent = words;
    classList.toggle("vt-stopped", Boolean(!error && this.refusal));
  }

  // Why a border goes no further.
  get refusal() {
    const { moving, stopped } = this.state;
    return (moving ? moving.answer?.refused : stopped?.words) || "";
  }

  told() {
    const { plan, inFrames, pointed, moving, stopped, said } = this.state;
    if (!plan) return "";
    const held = moving ?? stopped;
    const at = held ? { window: held.window, isBorder: true } : pointed;
    if (!at || at.window >= plan.windows.length) {
      if (plan.windows.length < 2) return t("The whole clip is one window.");
      if (!said.isEditable) return t("The changes come from the linked node. Remove the link to move borders here.");
      return t("Drag a border between windows, or choose it with Tab and move it with the arrow keys.");
    }
    const words = at.isBorder ? describeBorder(plan, at.window, inFrames) : describeWindow(plan, at.window, inFrames);
    return this.refusal ? `${words} ${this.refusal}` : words;
  }
}
