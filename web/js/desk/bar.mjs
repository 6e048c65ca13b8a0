// The buttons above the stage of the desk, the size of the brush, the colours, and the list of keys to press.

import { TINTS, css } from "../paths/colours.mjs";
import { backToFront, clamp } from "../paths/edits.mjs";
import { make } from "../paths/elements.mjs";
import { icon } from "../paths/icons.mjs";
import { t } from "../words.mjs";
import { masksOf } from "./entries.mjs";

const HELP = [
  ["V N B E L X P R", "the tools at the left"],
  ["[ and ]", "smaller, larger brush"],
  ["Drag a box, or its edge", "move or resize it at this time"],
  ["The round handle", "turn it; Shift by 15 degrees"],
  ["Ctrl + drag", "the whole path, all keys"],
  ["Shift + drag", "straight, or same shape"],
  ["Alt + drag an edge", "around the centre"],
  ["Alt or right click", "a point outside"],
  ["Ctrl + wheel, 0", "look closer, the whole clip"],
  ["Double-click in a row", "add a key"],
  ["Arrows, Shift + arrows", "nudge by 1 or 10 pixels"],
  [", and .", "one frame back, on"],
  ["Space · K", "play · key"],
  ["Ctrl + C, X, V, D", "copy, cut, paste, duplicate"],
  ["Ctrl + Z, Y", "undo, redo"],
  ["Delete", "remove the key or the object"],
];
const SMALLEST = 0.004;
const LARGEST = 0.5;
const STEPS = 100; // of the slider

export class Bar {
  constructor(session, { clipboard, onZoom }) {
    this.session = session;
    const has = () => session.object;
    const ranks = () => backToFront(masksOf(session.state.paths));
    const place = () => masksOf(session.state.paths).indexOf(session.object);
    const { history } = session;
    this.parts = [
      this.button("fresh", "New object: the next thing drawn is one of its own", () => this.fresh(), has),
      "|",
      this.button("undo", "Undo (Ctrl+Z)", () => session.undo(), () => history.canUndo),
      this.button("redo", "Redo (Ctrl+Y)", () => session.redo(), () => history.canRedo),
      "|",
      this.button("copy", "Copy this object (Ctrl+C)", () => clipboard.copy(), has),
      this.button("paste", "Paste (Ctrl+V)", () => clipboard.paste(), () => clipboard.canPaste),
      this.button("duplicate", "Duplicate (Ctrl+D)", () => session.paste(session.copied()), has),
      this.button("remove", "Delete this object", () => session.removeObject(), has),
      "|",
      this.button("front", "Bring forward", () => session.reorder(1), () => has() && ranks().at(-1) !== place()),
      this.button("back", "Send backward", () => session.reorder(-1), () => has() && ranks()[0] !== place()),
    ];
    this.parts[0].element.append(t("New"));
    this.size = make("input", { type: "range", min: 0, max: STEPS, "aria-label": t("Size of the brush ([ and ])"), title: t("Size of the brush ([ and ])") });
    this.size.addEventListener("input", () => session.show({ brush: widthOf(Number(this.size.value)) }));
    this.pixels = make("output", { class: "vd-pixels" });
    this.brush = make("label", { class: "vd-brush-size" }, icon("brush"), this.size, this.pixels);
    this.zoom = make("button", { type: "button", class: "vp-icon vd-zoom", title: t("The whole clip (0)"), onclick: onZoom });
    this.help = make(
      "div",
      { class: "vp-panel vp-help", hidden: "" },
      ...HELP.flatMap(([keys, words]) => [make("b", {}, t(keys)), make("span", {}, t(words))]),
    );
    this.colours = make("div", { class: "vp-panel vp-colours", hidden: "" });
    this.helper = this.button("help", "What can be done here", () => this.toggle(this.help), () => true);
    const shown = this.parts.map((part) => part.element ?? make("i", { class: "vp-gap" }));
    const rest = [make("i", { class: "vp-space" }), this.brush, this.zoom, this.helper.element];
    this.element = make("div", { class: "vp-tools" }, ...shown, ...rest);
  }

  button(name, words, action, isEnabled) {
    const title = t(words);
    const element = make("button", { type: "button", class: "vp-icon", title, "aria-label": title, onclick: action }, icon(name));
    return { name, element, isEnabled };
  }

  fresh() {
    this.session.select(-1);
    if (this.session.state.tool === "select" || this.session.state.tool === "record") this.session.show({ tool: "box" });
  }

  draw(state, zoom) {
    for (const { name, element, isEnabled } of this.parts.filter((part) => part.element)) {
      const undoes = name === "undo" || name === "redo";
      element.disabled = !((undoes ? !state.linked : this.session.isEditable) && isEnabled());
    }
    this.brush.hidden = state.tool !== "brush" && state.tool !== "erase";
    this.size.value = Math.round(valueOf(state.brush));
    this.pixels.textContent = `${Math.round(state.brush * state.pixels.width)} px`;
    this.zoom.textContent = `${Math.round(zoom * 100)} %`;
    this.zoom.hidden = zoom === 1;
    this.helper.element.setAttribute("aria-pressed", String(!this.help.hidden));
  }

  resize(by) {
    const { brush } = this.session.state;
    this.session.show({ brush: widthOf(clamp(valueOf(brush) + by, 0, STEPS)) });
  }

  toggle(panel) {
    const wasHidden = panel.hidden;
    this.closePanels();
    panel.hidden = !wasHidden;
    this.session.onChange();
  }

  get hasPanel() {
    return !this.help.hidden || !this.colours.hidden;
  }

  closePanels() {
    this.help.hidden = true;
    this.colours.hidden = true;
  }

  // Offers the colours of one object, `bottom` pixels above the lower edge.
  chooseColour(index, bottom) {
    const { session, colours } = this;
    if (!session.isEditable) return;
    session.select(index);
    const choices = TINTS.map((colour) => {
      const choice = make("button", { type: "button", class: "vp-swatch", style: `--vp-colour: ${css(colour)}` });
      choice.classList.toggle("vp-on", session.state.paths[index].colour.join() === colour.join());
      choice.addEventListener("click", () => {
        session.change(index, { colour });
        this.closePanels();
      });
      return choice;
    });
    colours.replaceChildren(...choices);
    colours.style.bottom = `${bottom + 6}px`;
    this.toggle(colours);
  }
}

// The slider goes in equal steps of size, not of pixels.
function widthOf(value) {
  return SMALLEST * (LARGEST / SMALLEST) ** (value / STEPS);
}

function valueOf(width) {
  return (STEPS * Math.log(width / SMALLEST)) / Math.log(LARGEST / SMALLEST);
}
