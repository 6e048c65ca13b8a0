// The stage of the desk: masks over the clip, boxes that can be turned, points of a selection, a closer look.

import { shownColour } from "../paths/colours.mjs";
import { clamp } from "../paths/edits.mjs";
import { make, makeSvg } from "../paths/elements.mjs";
import { fitFrame } from "../paths/geometry.mjs";
import { boxAt } from "../paths/motion.mjs";
import { Stage } from "../paths/stage.mjs";
import { turning } from "./carry.mjs";
import { masksOf } from "./entries.mjs";
import { Overlay } from "./overlay.mjs";

export const ARM = 22; // pixels from a box to its turning handle
const CLOSEST = 12;

export class DeskStage extends Stage {
  constructor(backdrop, session) {
    super(backdrop);
    Object.assign(this, { backdrop, session, zoom: 1, middle: { x: 0.5, y: 0.5 } });
    this.overlay = new Overlay(make("canvas", { class: "vd-masks" }));
    this.brush = make("div", { class: "vd-brush", hidden: "" });
    this.frame.after(this.overlay.element);
    this.element.append(this.brush);
  }

  layOut(width, height, aspect) {
    this.given = [width, height, aspect];
    super.layOut(width, height, aspect);
    if (this.zoom === 1) return;
    const fitted = fitFrame(width, height, aspect);
    const [across, down] = [fitted.width * this.zoom, fitted.height * this.zoom];
    this.place = {
      x: width / 2 - this.middle.x * across,
      y: height / 2 - this.middle.y * down,
      width: across,
      height: down,
    };
    for (const [name, side] of [["left", "x"], ["top", "y"], ["width", "width"], ["height", "height"]]) {
      this.frame.style[name] = `${this.place[side]}px`;
    }
  }

  // Looks closer by `factor`; what is under the pointer stays there.
  look(factor, event) {
    const at = event ? this.pointAt(event) : { x: 0.5, y: 0.5 };
    const before = this.zoom;
    this.zoom = clamp(before * factor, 1, CLOSEST);
    const by = before / this.zoom;
    if (before === 1) this.middle = { x: 0.5, y: 0.5 };
    this.middle = { x: at.x + (this.middle.x - at.x) * by, y: at.y + (this.middle.y - at.y) * by };
    this.layOut(...this.given);
  }

  pan(dx, dy) {
    if (this.zoom === 1) return;
    this.middle = { x: clamp(this.middle.x - dx, 0, 1), y: clamp(this.middle.y - dy, 0, 1) };
    this.layOut(...this.given);
  }

  draw(state) {
    const shown = state.tool === "select" || state.tool === "box" || state.tool === "record" ? state : { ...state, quiet: true };
    super.draw(shown);
    const objects = masksOf(state.paths).map((object) => this.session.withLive(object));
    const { size, place, backdrop } = this;
    this.overlay.draw({ objects: withNew(objects, state, this.session), paths: state.paths, state, size, place, medium: backdrop.medium });
  }

  // Keys of the tracker are too many for an outline each.
  ghosts(path, state) {
    if (state.quiet) return [];
    return super.ghosts({ ...path, keys: path.keys.filter(({ tracked }) => !tracked) }, state);
  }

  line(path, isSelected) {
    const parts = super.line(path, isSelected);
    const dots = parts.slice(-path.keys.length);
    dots.forEach((dot, i) => path.keys[i]?.tracked && dot.classList.add("vd-tracked"));
    return parts;
  }

  box(path, time, isSelected) {
    const group = super.box(path, time, isSelected);
    group.classList.toggle("vd-goal", Boolean(path.goal));
    group.classList.toggle("vd-shaped", Boolean(path.shapes?.length));
    return group;
  }

  tag(path, time) {
    return path.goal ? [] : super.tag(path, time);
  }

  handles(path, time) {
    if (this.session.state.tool !== "select") return [];
    const box = boxAt(path, time);
    const style = `--vp-colour: ${shownColour(path)}`;
    const [cx, cy] = this.toPixels(this.turner(box));
    const [x, y] = this.toPixels(this.turner(box, 0));
    return [
      makeSvg("line", { class: "vd-arm", style, x1: x, y1: y, x2: cx, y2: cy }),
      makeSvg("circle", { class: "vp-handle vd-turn", style, cx, cy, r: 4.5 }),
      ...super.handles(path, time),
    ];
  }

  // Where the turning handle of a box is, in fractions of the frame: below it, so that the name stays legible.
  turner(box, arm = ARM) {
    const { width, height } = this.place;
    const [dx, dy] = turning(box.angle ?? 0, width / height)([0, box.height / 2 + arm / height]);
    return { x: box.x + dx, y: box.y + dy };
  }

  points(state) {
    const { points, time } = state;
    const shown = points && Math.abs(points.time - time) < 1e-6 ? points : { inside: [], outside: [] };
    const dots = ["inside", "outside"].flatMap((side) =>
      shown[side].map(([x, y]) => this.dot({ x, y }, { class: `vd-point vd-${side}`, r: 5 })),
    );
    return [...super.points(state), ...dots];
  }

  // The circle of the brush at the pointer; none where nothing is painted.
  showBrush(event, width) {
    this.brush.hidden = !event;
    if (!event) return;
    const at = this.pointAt(event);
    const side = width * this.place.width;
    const [x, y] = this.toPixels(at);
    Object.assign(this.brush.style, { left: `${x - side / 2}px`, top: `${y - side / 2}px`, width: `${side}px`, height: `${side}px` });
  }
}

// A first stroke has no object yet: it is shown in the colour of the one that it will be.
function withNew(objects, { live, paths, selected }, session) {
  if (!live || paths[selected]) return objects;
  const order = 1 + Math.max(0, ...objects.map((object) => object.order));
  return [...objects, { ...session.newObject([]), order, shapes: [{ time: 0, strokes: [live] }] }];
}
