// What a pointer does on the stage of the desk, by the tool in hand. Every gesture is one step to undo.

import { StageGestures } from "../paths/gestures.mjs";
import { keptInReach } from "../paths/geometry.mjs";
import { Recorder } from "./recorder.mjs";
import { TURN, hitTurned, resizedTurned, turned } from "./hits.mjs";
import { simplified } from "./shapes.mjs";

export const PAINTING = new Set(["brush", "erase", "lasso", "cut"]);
const DRAWN = { brush: true, erase: true };
const NEAREST = 0.75; // pixels of the screen that a simplified line may be off
const STEP = 15; // degrees, with Shift
const IN_REACH = 14;

export class DeskGestures extends StageGestures {
  // `onPoint(point, isOutside)` gets the clicks of a selection by points.
  constructor(stage, session, { onStart, onPoint }) {
    super(stage, session, { onStart });
    this.onPoint = onPoint;
    this.recorder = new Recorder(session);
    const target = stage.element;
    target.addEventListener("contextmenu", (event) => session.state.tool === "points" && stop(event));
    target.addEventListener("pointerleave", () => stage.showBrush(null));
  }

  // Nodes 2.0 takes the wheel on its way down to the stage: the window has it first.
  listenToWheel() {
    this.onWheel ??= (event) => this.wheel(event);
    window.addEventListener("wheel", this.onWheel, { capture: true, passive: false });
  }

  close() {
    window.removeEventListener("wheel", this.onWheel, { capture: true });
  }

  wheel(event) {
    if ((!event.ctrlKey && !event.metaKey) || !this.stage.element.contains(event.target)) return;
    stop(event);
    this.stage.look(1.0015 ** -event.deltaY, event);
    this.session.onChange();
  }

  start(event) {
    const { session, stage } = this;
    const { tool } = session.state;
    if (this.drag || !session.isEditable) return super.start(event);
    if (tool === "points" && (event.button === 0 || event.button === 2)) return this.point(event);
    if (event.button !== 0) return undefined;
    if (PAINTING.has(tool)) return this.startStroke(event, tool);
    if (tool === "record") return this.startRecording(event);
    session.state.drawing = tool === "box";
    const isPan = tool === "select" && (event.ctrlKey || event.metaKey) && !this.under(event, stage.pointAt(event));
    super.start(event);
    if (isPan && this.drag) this.drag.pan = { clientX: event.clientX, clientY: event.clientY };
    return undefined;
  }

  point(event) {
    stop(event);
    this.onStart();
    const { x, y } = this.stage.pointAt(event);
    this.onPoint([x, y], event.button === 2 || event.altKey);
  }

  startStroke(event, kind) {
    event.stopPropagation();
    this.onStart();
    this.stage.element.setPointerCapture(event.pointerId);
    const { x, y } = this.stage.pointAt(event);
    this.drag = { stroke: { kind, width: DRAWN[kind] ? this.session.state.brush : 0, points: [[x, y]] } };
    this.session.show({ live: DRAWN[kind] ? this.drag.stroke : null });
  }

  startRecording(event) {
    event.stopPropagation();
    this.onStart();
    const point = this.stage.pointAt(event);
    const found = this.under(event, point);
    if (!found) return;
    this.stage.element.setPointerCapture(event.pointerId);
    if (found.path !== this.session.state.selected) this.session.select(found.path);
    this.drag = { recording: true };
    this.recorder.start(point, () => (this.drag = null));
  }

  move(event) {
    const { drag } = this;
    if (drag.stroke) return this.moveStroke(event);
    if (drag.recording) return this.recorder.move(this.stage.pointAt(event));
    if (!drag.pan) return super.move(event);
    event.stopPropagation();
    const { width, height } = this.stage.frame.getBoundingClientRect();
    this.stage.pan((event.clientX - drag.pan.clientX) / width, (event.clientY - drag.pan.clientY) / height);
    drag.pan = { clientX: event.clientX, clientY: event.clientY };
    drag.moved = true;
    return this.session.onChange();
  }

  moveStroke(event) {
    event.stopPropagation();
    const { stroke } = this.drag;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) {
      const { x, y } = this.stage.pointAt(one);
      stroke.points.push([x, y]);
    }
    if (DRAWN[stroke.kind]) this.stage.showBrush(event, stroke.width);
    const isArea = stroke.points.length >= 3;
    this.session.show({ live: DRAWN[stroke.kind] || isArea ? { ...stroke, points: [...stroke.points] } : null });
  }

  // A turned box is moved and resized along its own sides.
  draggedBox(point, event) {
    const { box, from, found } = this.drag;
    const { stage } = this;
    const aspect = stage.place.width / stage.place.height;
    if (found.handle === TURN) return turned(box, from, point, aspect, event.shiftKey ? STEP : 0.5);
    if (!found.handle) {
      const moved = super.draggedBox(point, event);
      return box.angle ? keptInReach({ ...moved, angle: box.angle }, stage.room(IN_REACH)) : moved;
    }
    const options = { even: event.shiftKey, centred: event.altKey };
    return resizedTurned(box, found.handle, point.x - from.x, point.y - from.y, aspect, options);
  }

  under(event, point) {
    const { stage, session } = this;
    const reach = stage.reach(event.pointerType === "touch" ? 16 : 9);
    const aspect = stage.place.width / stage.place.height;
    return hitTurned(session.state, point, reach, aspect, (box) => stage.turner(box));
  }

  end(event) {
    const { drag, session } = this;
    if (!drag?.stroke && !drag?.recording && !drag?.pan) return super.end(event);
    event.stopPropagation();
    this.drag = null;
    if (drag.pan && !drag.moved) return session.select(-1);
    if (drag.recording) return this.recorder.finish();
    return drag.stroke ? this.endStroke(drag.stroke) : undefined;
  }

  endStroke({ kind, width, points }) {
    const { session, stage } = this;
    session.state.live = null;
    const aspect = stage.place.width / stage.place.height;
    const fewer = simplified(points, stage.reach(NEAREST).x, aspect);
    if (!DRAWN[kind] && fewer.length < 3) return session.onChange();
    return session.addStroke({ kind, width, points: fewer });
  }

  // What is in front is chosen; a goal and its object count as one.
  click(event, found) {
    if (found.handle) return;
    super.click(event, found);
  }

  // Only the tool for boxes draws one.
  drawn(rubber, from) {
    if (this.session.state.tool === "box") super.drawn(rubber, from);
    else this.session.select(-1);
  }

  stop() {
    const { drag } = this;
    if (drag?.recording) this.recorder.cancel();
    this.session.state.live = null;
    super.stop();
  }

  hover(event) {
    const { session, stage } = this;
    const { tool, brush } = session.state;
    const isPainted = session.isEditable && (tool === "brush" || tool === "erase");
    stage.showBrush(isPainted ? event : null, brush);
    if (tool === "box") stage.element.style.cursor = "crosshair";
    else if (isPainted) stage.element.style.cursor = "none";
    else if (tool !== "select" && tool !== "record") stage.element.style.cursor = "crosshair";
    else this.hoverBoxes(event, tool);
  }

  hoverBoxes(event, tool) {
    const { session, stage } = this;
    const found = session.isEditable ? this.under(event, stage.pointAt(event)) : null;
    if (!found) stage.element.style.cursor = "default";
    else if (tool === "record") stage.element.style.cursor = "grab";
    else if (found.handle === TURN) stage.element.style.cursor = "alias";
    else super.hover(event);
  }
}

function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}
