// Sentences on the stage of the desk.

import { Notice } from "../paths/notice.mjs";
import { t } from "../words.mjs";

const DOING = { track: "Following it through the clip…", select: "Looking for its outline…" };
const FIRST = "Draw on what you want to change.";
const THEN = "A box or the brush marks it; what shall happen is said at the right.";
const UNSEEN = "Link a clip to “clip”: it appears here before anything runs.";
const HELD = "Hold an object and move it: time runs while you drag.";
const POINTS = "Click what belongs to the object. Alt or the right button: what does not.";
const LINKED = "The drawing comes from the linked node. Remove the link to draw here.";

export class DeskNotice extends Notice {
  told(state) {
    const { paths, busy, message, tool, live, playing, recording } = state;
    if (state.linked) return { kind: "linked", words: t(LINKED) };
    if (state.locked) return { kind: "locked", words: state.locked.reason };
    if (busy) return { kind: "line", words: t(DOING[busy]) };
    if (message) return { kind: "line", words: message };
    if (state.rubber || playing || live || recording) return { kind: "none", words: "" };
    if (!paths.length) return { kind: "first", words: t(state.hasPicture ? FIRST : UNSEEN), more: t(state.hasPicture ? THEN : FIRST) };
    if (tool === "record") return { kind: "line", words: t(HELD) };
    if (tool === "points" && !state.points) return { kind: "line", words: t(POINTS) };
    return { kind: "none", words: "" };
  }
}
