// What a pointer does on the stage: draws, moves and resizes boxes. Every gesture is one step to undo.

import { changeAllKeys } from "./edits.mjs";
import { boxBetween, frontmost, hit, keptInReach, resized } from "./geometry.mjs";
import { boxAt } from "./motion.mjs";

const STILL = 4; // pixels of the screen that a click may wander
const SMALLEST = 6; // pixels of the screen: a smaller drag draws nothing
const IN_REACH = 14; // pixels of the stage that always stay in sight
const CURSORS = {
  "-1,-1": "nwse",
  "1,1": "nwse",
  "1,-1": "nesw",
  "-1,1": "nesw",
  "0,-1": "ns",
  "0,1": "ns",
  "-1,0": "ew",
  "1,0": "ew",
};

export class StageGestures {
  constructor(stage, session, { onStart }) {
    Object.assign(this, { stage, session, onStart, drag: null });
    const target = stage.element;
    target.addEventListener("pointerdown", (event) => this.start(event));
    target.addEventListener("pointermove", (event) => (this.drag ? this.move(event) : this.hover(event)));
    target.addEventListener("pointerup", (event) => this.end(event));
    target.addEventListener("pointercancel", () => this.stop());
    target.addEventListener("lostpointercapture", () => this.stop());
  }

  start(event) {
    if (event.button !== 0 || this.drag) return;
    event.stopPropagation();
    this.onStart();
    const { session, stage } = this;
    if (!session.isEditable) return;
    stage.element.setPointerCapture(event.pointerId);
    const point = stage.pointAt(event);
    const found = session.state.drawing ? null : this.under(event, point);
    this.drag = { from: point, clientX: event.clientX, clientY: event.clientY, moved: false, found, result: null };
    if (!found) return;
    if (found.path !== session.state.selected) session.select(found.path);
    this.drag.paths = session.state.paths;
    this.drag.box = boxAt(session.path, session.state.time);
  }

  under(event, point) {
    const reach = this.stage.reach(event.pointerType === "touch" ? 16 : 9);
    return hit(this.session.state, point, reach);
  }

  move(event) {
    event.stopPropagation();
    const { drag, stage } = this;
    drag.moved ||= Math.hypot(event.clientX - drag.clientX, event.clientY - drag.clientY) >= STILL;
    if (!drag.moved) return;
    const point = stage.pointAt(event);
    if (drag.found) this.drawDragged(this.draggedBox(point, event), event);
    else this.session.show({ rubber: boxBetween(drag.from, point) });
  }

  draggedBox(point, event) {
    const { box, from, found } = this.drag;
    let [dx, dy] = [point.x - from.x, point.y - from.y];
    if (found.handle) return resized(box, found.handle, dx, dy, { even: event.shiftKey, centred: event.altKey });
    const [across, down] = [dx * this.stage.place.width, dy * this.stage.place.height];
    if (event.shiftKey && Math.abs(across) > Math.abs(down)) dy = 0;
    else if (event.shiftKey) dx = 0;
    return keptInReach({ ...box, x: box.x + dx, y: box.y + dy }, this.stage.room(IN_REACH));
  }

  // With Ctrl the whole path goes along, else a key is set at the current time.
  drawDragged(to, event) {
    const { drag, session } = this;
    session.state.paths = drag.paths;
    drag.result =
      event.ctrlKey || event.metaKey
        ? { paths: changeAllKeys(drag.paths, session.state.selected, drag.box, to) }
        : session.withBox(to);
    session.preview(drag.result.paths);
  }

  end(event) {
    const { drag, session } = this;
    if (!drag) return;
    event.stopPropagation();
    this.drag = null;
    const { rubber } = session.state;
    session.state.rubber = null;
    if (drag.result) session.commit(drag.result.paths);
    else if (drag.found) this.click(event, drag.found);
    else this.drawn(rubber, drag.from);
  }

  // A click that did not drag takes what is in front.
  click(event, found) {
    const { session, stage } = this;
    const front = found.handle ? found : frontmost(session.state, stage.pointAt(event), stage.reach(1));
    session.select((front ?? found).path);
  }

  drawn(rubber, from) {
    const { session, stage } = this;
    const least = stage.reach(SMALLEST);
    if (rubber && rubber.width >= least.x && rubber.height >= least.y) session.addBox(rubber);
    else if (session.state.drawing)
      session.addBox({ ...from, width: 0.2, height: 0.2 * (stage.place.width / stage.place.height) });
    else session.select(-1);
  }

  // The pointer was taken away: as if the drag had never begun.
  stop() {
    if (!this.drag) return;
    this.drag = null;
    this.session.state.rubber = null;
    this.session.cancel();
  }

  hover(event) {
    const { session, stage } = this;
    const found = session.isEditable && !session.state.drawing ? this.under(event, stage.pointAt(event)) : null;
    stage.element.style.cursor = !session.isEditable
      ? "default"
      : !found
        ? "crosshair"
        : found.handle
          ? `${CURSORS[found.handle]}-resize`
          : "move";
  }
}
