// The buttons above the stage, the choice of colours, and the list of keys to press.

import { OUTLINES, css } from "./colours.mjs";
import { backToFront } from "./edits.mjs";
import { make } from "./elements.mjs";
import { t } from "../words.mjs";
import { icon } from "./icons.mjs";

const HELP = [
  ["Drag on the image", "new box"],
  ["Drag a box, or its edge", "move or resize it at this time"],
  ["Ctrl + drag", "the whole path, all keys"],
  ["Shift + drag", "straight, or same shape"],
  ["Alt + drag an edge", "around the centre"],
  ["Double-click in a row", "add a key"],
  ["Double-click a name", "rename"],
  ["Arrows, Shift + arrows", "nudge by 1 or 10 pixels"],
  [", and .", "one frame back, on"],
  ["Space · K · N", "play · key · new box"],
  ["Ctrl + C, X, V", "copy, cut, paste a path"],
  ["Ctrl + Z, Y", "undo, redo"],
  ["Delete", "remove the key or the object"],
];

export class Toolbar {
  constructor(session, clipboard) {
    this.session = session;
    const path = () => session.path;
    const ranks = () => backToFront(session.state.paths);
    const { history } = session;
    this.buttons = [
      this.button(
        "add",
        "Draw a box, also over others (N)",
        () => session.show({ drawing: !session.state.drawing }),
        () => true,
        () => session.state.drawing,
      ),
      "|",
      this.button(
        "undo",
        "Undo (Ctrl+Z)",
        () => session.undo(),
        () => history.canUndo,
      ),
      this.button(
        "redo",
        "Redo (Ctrl+Y)",
        () => session.redo(),
        () => history.canRedo,
      ),
      "|",
      this.button("copy", "Copy the path of this object (Ctrl+C)", () => clipboard.copy(), path),
      this.button(
        "paste",
        "Paste a path (Ctrl+V)",
        () => clipboard.paste(),
        () => clipboard.canPaste,
      ),
      this.button("remove", "Remove this object", () => session.removeObject(), path),
      "|",
      this.button(
        "front",
        "Bring forward",
        () => session.reorder(1),
        () => path() && ranks().at(-1) !== session.state.selected,
      ),
      this.button(
        "back",
        "Send backward",
        () => session.reorder(-1),
        () => path() && ranks()[0] !== session.state.selected,
      ),
      this.button(
        "smooth",
        "Smooth: no corners at the keys",
        () => session.change(session.state.selected, { smooth: path().smooth ? false : "auto" }),
        path,
        () => Boolean(path()?.smooth),
      ),
      "",
      this.button(
        "help",
        "What can be done here",
        () => this.toggle(this.help),
        () => true,
        () => !this.help.hidden,
      ),
    ];
    this.buttons[0].element.append(t("Box"));
    this.help = make(
      "div",
      { class: "vp-panel vp-help", hidden: "" },
      ...HELP.flatMap(([keys, words]) => [make("b", {}, t(keys)), make("span", {}, t(words))]),
    );
    this.colours = make("div", { class: "vp-panel vp-colours", hidden: "" });
    const parts = this.buttons.map((part) => part.element ?? make("i", { class: part ? "vp-gap" : "vp-space" }));
    this.element = make("div", { class: "vp-tools" }, ...parts);
  }

  button(name, words, action, isEnabled, isOn = () => false) {
    const title = t(words);
    const element = make(
      "button",
      { type: "button", class: "vp-icon", title, "aria-label": title, onclick: action },
      icon(name),
    );
    return { name, element, isEnabled, isOn };
  }

  draw(state) {
    for (const { name, element, isEnabled, isOn } of this.buttons.filter((part) => part.element)) {
      const undoes = name === "undo" || name === "redo";
      const allowed = name === "help" || (undoes ? !state.linked : this.session.isEditable);
      element.disabled = !(allowed && isEnabled());
      element.classList.toggle("vp-on", Boolean(isOn()));
      element.setAttribute("aria-pressed", Boolean(isOn()));
    }
  }

  toggle(panel) {
    const wasHidden = panel.hidden;
    this.closePanels();
    panel.hidden = !wasHidden;
    this.draw(this.session.state);
  }

  closePanels() {
    this.help.hidden = true;
    this.colours.hidden = true;
  }

  // Offers the outlines for one object, `bottom` pixels above the lower edge.
  chooseColour(index, bottom) {
    const { session, colours } = this;
    if (!session.isEditable) return;
    session.select(index);
    const choices = Object.entries(OUTLINES).map(([name, colour]) => {
      const isOn = session.state.paths[index].colour.join() === colour.join();
      const choice = make("button", {
        type: "button",
        class: "vp-swatch",
        title: t(name),
        "aria-label": name,
        style: `--vp-colour: ${css(colour)}`,
      });
      choice.classList.toggle("vp-on", isOn);
      choice.addEventListener("click", () => {
        session.change(index, { colour });
        this.closePanels();
      });
      return choice;
    });
    const note = make(
      "span",
      {},
      t("Colour of the outline in the layout. Models learned black, which is shown here in a colour of its own."),
    );
    colours.replaceChildren(...choices, note);
    colours.style.bottom = `${bottom + 6}px`;
    this.toggle(colours);
  }
}
