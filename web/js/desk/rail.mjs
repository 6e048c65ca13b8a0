// The tools at the side of the stage.

import { make } from "../paths/elements.mjs";
import { icon } from "../paths/icons.mjs";
import { t } from "../words.mjs";
import { TOOLS } from "./icons.mjs";

export class Rail {
  constructor(session) {
    this.session = session;
    this.buttons = TOOLS.map(([tool, words, key]) => {
      const title = `${t(words)} (${key.toUpperCase()})`;
      return make(
        "button",
        { type: "button", class: "vp-icon", title, "aria-label": title, "data-tool": tool, onclick: () => this.take(tool) },
        icon(tool),
      );
    });
    this.element = make("div", { class: "vd-rail", role: "toolbar" }, ...this.buttons);
  }

  take(tool) {
    if (this.session.isEditable) this.session.show({ tool, drawing: tool === "box", live: null });
  }

  draw({ tool }) {
    for (const button of this.buttons) {
      const isOn = button.dataset.tool === tool;
      button.classList.toggle("vp-on", isOn);
      button.setAttribute("aria-pressed", String(isOn));
      button.disabled = !this.session.isEditable;
    }
  }
}

// The keys that take a tool.
export function toolKeys(rail) {
  return Object.fromEntries(TOOLS.map(([tool, , key]) => [key, () => rail.take(tool)]));
}
