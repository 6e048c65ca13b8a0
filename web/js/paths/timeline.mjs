// The time line: a ruler to scrub on, and a row for each object with its name and its keys. The front object is on top.

import { shownColour } from "./colours.mjs";
import { backToFront } from "./edits.mjs";
import { make } from "./elements.mjs";
import { t } from "../words.mjs";
import { icon } from "./icons.mjs";

const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
const ROOM = 38; // pixels between two numbers of the ruler
const FLAG = 32; // pixels that the flag goes to the left on its way from start to end

export class Timeline {
  constructor(session, { onPlay, onColour }) {
    this.session = session;
    this.onColour = onColour;
    const button = (name, words, action) => {
      const title = t(words);
      return make("button", { type: "button", class: "vp-icon", title, "aria-label": title, onclick: action }, icon(name));
    };
    this.play = button("play", "Play (Space)", onPlay);
    this.key = button("key", "Add or remove a key here (K)", () => session.toggleKey());
    const previous = button("previous", "To the key before", () => session.jumpToKey(-1));
    const next = button("next", "To the key after", () => session.jumpToKey(1));
    this.flag = make("span", { class: "vp-flag" });
    this.ticks = make("div", { class: "vp-track" });
    this.ruler = make("div", { class: "vp-ruler", title: t("Drag to go through the time") }, this.ticks);
    this.rows = make("div", { class: "vp-rows", "data-capture-wheel": "true", "data-empty": t("Each object gets a row here") });
    this.head = make(
      "div",
      { class: "vp-row vp-head" },
      make("div", { class: "vp-name" }, this.play, previous, this.key, next),
      this.ruler,
    );
    this.element = make("div", { class: "vp-time" }, this.head, this.rows);
    this.drawn = [];
  }

  draw(state) {
    const { session } = this;
    this.element.style.setProperty("--vp-time", state.time);
    this.element.hidden = Boolean(state.locked || state.linked);
    if (this.isPlaying !== state.playing) this.play.replaceChildren(icon(state.playing ? "pause" : "play"));
    this.isPlaying = state.playing;
    this.key.classList.toggle("vp-on", session.keyHere >= 0);
    this.key.disabled = !session.path;
    this.drawRuler(state);
    const order = backToFront(state.paths).reverse();
    while (this.drawn.length > order.length) this.drawn.pop().element.remove();
    order.forEach((index, place) => this.row(place).draw(state, index));
    this.head.style.paddingRight = `${this.rows.offsetWidth - this.rows.clientWidth}px`;
  }

  row(place) {
    if (!this.drawn[place]) {
      this.drawn[place] = this.newRow();
      this.rows.append(this.drawn[place].element);
    }
    return this.drawn[place];
  }

  newRow() {
    return new Row(this.session, this.onColour);
  }

  drawRuler({ frames, fps, time, unknown }) {
    const [hasFrames, hasRate] = ["length", "fps"].map((name) => !unknown.includes(name));
    const length = (frames - 1) / fps;
    const step = SECONDS.find((seconds) => (seconds / length) * this.ticks.clientWidth >= ROOM) ?? SECONDS.at(-1);
    const ticks = [];
    for (let i = 0; i * step <= length + 1e-6; i++) {
      const at = (i * step) / length;
      const offset = (at - time) * this.ticks.clientWidth + time * FLAG; // from the left end of the flag, nearly
      const isCovered = offset > -20 && offset < FLAG + 20;
      const label = isCovered ? "" : `${+(i * step).toFixed(1)}s`;
      ticks.push(make("span", { class: "vp-tick", style: `left: ${100 * at}%` }, label));
    }
    this.flag.textContent = hasFrames ? `${Math.round(time * (frames - 1)) + 1} / ${frames}` : `${Math.round(100 * time)} %`;
    this.ticks.replaceChildren(...(length > 0 && hasFrames && hasRate ? ticks : []), this.flag);
  }
}

// One object: its colour, its name and its keys. Elements are kept from drawing to drawing, so that a drag or a
// double click that began on one ends on it.
export class Row {
  constructor(session, onColour) {
    this.session = session;
    this.swatch = make("button", {
      type: "button",
      class: "vp-swatch",
      title: t("Colour of the outline"),
      "aria-label": t("Colour of the outline"),
    });
    this.swatch.addEventListener("click", () => onColour(this.index));
    this.label = make("span", { class: "vp-label", title: t("Double-click to rename") });
    this.track = make("div", { class: "vp-track" });
    this.bar = make("div", { class: "vp-bar" });
    this.track.append(this.bar);
    this.lane = make("div", { class: "vp-lane" }, this.track);
    this.name = make("div", { class: "vp-name" }, this.swatch, this.label);
    this.element = make("div", { class: "vp-row" }, this.name, this.lane);
    this.name.addEventListener("click", () => session.select(this.index));
    this.label.addEventListener("dblclick", () => this.rename());
    this.keys = [];
  }

  draw(state, index) {
    const path = state.paths[index];
    this.index = index;
    this.element.dataset.path = index;
    this.element.classList.toggle("vp-selected", index === state.selected);
    this.element.style.setProperty("--vp-colour", shownColour(path));
    if (!this.input) this.label.textContent = path.label || `Box ${index + 1}`;
    const last = path.keys.at(-1);
    this.bar.style.left = `${path.keys[0].time * 100}%`;
    this.bar.style.width = `${(last.time - path.keys[0].time) * 100}%`;
    while (this.keys.length > path.keys.length) this.keys.pop().remove();
    path.keys.forEach((key, k) => this.drawKey(key, k, index === state.selected && k === state.key));
  }

  drawKey({ time }, k, isSelected) {
    if (!this.keys[k]) {
      this.keys[k] = make("div", { class: "vp-key", "data-key": k, title: t("Drag to another time. Delete removes it.") });
      this.track.append(this.keys[k]);
    }
    this.keys[k].style.left = `${time * 100}%`;
    this.keys[k].classList.toggle("vp-on", isSelected);
  }

  rename() {
    const { session, label } = this;
    if (!session.isEditable || this.input) return;
    const input = make("input", { class: "vp-rename", maxlength: 60, "aria-label": t("Name of the object") });
    const finish = (keep) => {
      if (!this.input) return;
      this.input = null;
      const name = input.value.trim();
      input.replaceWith(label);
      if (keep && name && name !== session.state.paths[this.index].label) session.change(this.index, { label: name });
    };
    input.value = label.textContent;
    input.addEventListener("blur", () => finish(true));
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    this.input = input;
    label.replaceWith(input);
    input.select();
  }
}
