// The keys of the editor. They are caught by a text field that holds no text: ComfyUI leaves the keys of text fields
// alone, so that Ctrl+Z and Delete here do not undo or delete in the graph.

import { t } from "../words.mjs";
import { make } from "./elements.mjs";

export function makeCatcher() {
  return make("input", {
    class: "vp-catcher",
    readonly: "",
    inputmode: "none",
    value: " ",
    "aria-label": t("Box paths: keyboard"),
    tabindex: 0,
  });
}

// `more` are further keys and what they do.
export function listenToKeys(catcher, session, { onPlay, onEscape, more = {} }) {
  const nudge = (dx, dy) => (event) => {
    const pixels = event.shiftKey ? 10 : 1;
    const { width, height } = session.state.pixels;
    session.nudge((dx * pixels) / width, (dy * pixels) / height);
  };
  const plain = {
    ArrowLeft: nudge(-1, 0),
    ArrowRight: nudge(1, 0),
    ArrowUp: nudge(0, -1),
    ArrowDown: nudge(0, 1),
    Delete: () => session.isEditable && session.remove(),
    Backspace: () => session.isEditable && session.remove(),
    Home: () => session.goTo(0),
    End: () => session.goTo(1),
    ",": () => session.stepFrames(-1),
    ".": () => session.stepFrames(1),
    " ": onPlay,
    k: () => session.isEditable && session.toggleKey(),
    n: () => session.isEditable && session.show({ drawing: !session.state.drawing }),
    Escape: onEscape,
    ...more,
  };
  const withControl = { z: (event) => (event.shiftKey ? session.redo() : session.undo()), y: () => session.redo() };
  catcher.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = (command ? withControl : plain)[key];
    if (!action || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action(event);
  });
}
