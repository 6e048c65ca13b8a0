// Sentences on the stage: what to do first, what just happened, or why nothing can be drawn.

import { t } from "../words.mjs";
import { make } from "./elements.mjs";

const FIRST = "Drag a box around what should move.";
const FIRST_ON_GRID = "Drag to draw a box where an object should be.";
const THEN = "Then go to a later time and drag the box to its new place.";
const SECOND = "Now go to another time below, and drag the box to its new place.";
const DRAWING = "Drag to draw a box. Esc stops.";
const LINKED = "The paths come from the linked node. Remove the link to draw here.";

export class Notice {
  constructor(session) {
    this.session = session;
    this.words = make("span");
    this.more = make("small");
    this.text = make("pre");
    this.button = make(
      "button",
      { type: "button", class: "vp-button", onclick: () => session.startOver() },
      t("Start over"),
    );
    this.element = make("div", { class: "vp-notice", role: "status" }, this.words, this.more, this.text, this.button);
  }

  told(state) {
    return told(state);
  }

  draw(state) {
    const { kind, words, more = "" } = this.told(state);
    this.element.dataset.kind = kind;
    this.element.hidden = !words;
    this.words.textContent = words;
    this.more.textContent = more;
    const text = kind === "locked" ? (state.locked.text ?? "") : "";
    this.text.textContent = text.slice(0, 2000);
    this.text.hidden = !text;
    this.button.hidden = kind !== "locked";
  }
}

function told(state) {
  const { paths, rubber, playing } = state;
  if (state.linked) return { kind: "linked", words: t(LINKED) };
  if (state.locked) return { kind: "locked", words: state.locked.reason };
  if (state.message) return { kind: "line", words: state.message };
  if (rubber || playing) return { kind: "none", words: "" };
  if (state.drawing) return { kind: "line", words: t(DRAWING) };
  if (!paths.length) return { kind: "first", words: t(state.hasPicture ? FIRST : FIRST_ON_GRID), more: t(THEN) };
  if (paths.every(({ keys }) => keys.length === 1)) return { kind: "line", words: t(SECOND) };
  return { kind: "none", words: "" };
}
