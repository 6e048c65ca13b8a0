// The time line of the desk: a row for each object, one more for where it moves to; shapes and tracked keys are told apart.

import { make } from "../paths/elements.mjs";
import { icon } from "../paths/icons.mjs";
import { Row, Timeline } from "../paths/timeline.mjs";
import { t } from "../words.mjs";
import { ACTION_WORDS } from "./icons.mjs";

export class DeskTimeline extends Timeline {
  newRow() {
    return new DeskRow(this.session, this.onColour);
  }
}

class DeskRow extends Row {
  constructor(session, onColour) {
    super(session, onColour);
    this.action = make("span", { class: "vd-row-action" });
    this.name.append(this.action);
    this.marks = [];
  }

  draw(state, index) {
    super.draw(state, index);
    const entry = state.paths[index];
    this.element.classList.toggle("vd-goal-row", Boolean(entry.goal));
    this.element.classList.toggle("vd-row-chosen", entry.id !== undefined && entry.id === this.session.object?.id);
    if (entry.goal && !this.input) this.label.textContent = t("its way");
    this.drawAction(entry.goal ? "" : entry.action);
    const shapes = entry.shapes ?? [];
    while (this.marks.length > shapes.length) this.marks.pop().remove();
    shapes.forEach((shape, i) => this.mark(i).style.setProperty("left", `${shape.time * 100}%`));
    entry.keys.forEach((key, k) => this.keys[k].classList.toggle("vd-tracked", Boolean(key.tracked)));
  }

  drawAction(action) {
    if (this.shown === action) return;
    this.shown = action;
    this.action.replaceChildren(...(action ? [icon(action)] : []));
    this.action.title = action ? t(ACTION_WORDS[action]) : "";
  }

  mark(i) {
    if (!this.marks[i]) {
      this.marks[i] = make("i", { class: "vd-mark", title: t("A shape begins here") });
      this.track.append(this.marks[i]);
    }
    return this.marks[i];
  }

  rename() {
    if (!this.session.state.paths[this.index].goal) super.rename();
  }
}
