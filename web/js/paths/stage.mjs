// Draws the boxes over the picture: outlines, the line each follows, its keys, the handles of the selected one.

import { inkOn, shownColour } from "./colours.mjs";
import { backToFront, clamp } from "./edits.mjs";
import { make, makeSvg } from "./elements.mjs";
import { HANDLES, edges, fitFrame } from "./geometry.mjs";
import { boxAt, trace } from "./motion.mjs";

const HANDLE = 7; // pixels
const TAG = 15;
const TAG_FONT = "600 10px Inter, system-ui, sans-serif"; // as in style.mjs

export class Stage {
  constructor(backdrop) {
    this.drawing = makeSvg("svg", { class: "vp-boxes" });
    this.frame = make("div", { class: "vp-frame" }, backdrop.element);
    this.element = make("div", { class: "vp-stage" }, this.frame, this.drawing);
    this.place = { x: 0, y: 0, width: 1, height: 1 }; // the frame's, in the stage's own pixels
    this.size = { width: 1, height: 1 };
  }

  // Fits the frame into `width` by `height` pixels, which the browser may then show at any zoom.
  layOut(width, height, aspect) {
    this.size = { width, height };
    this.place = fitFrame(width, height, aspect);
    for (const [name, side] of [
      ["left", "x"],
      ["top", "y"],
      ["width", "width"],
      ["height", "height"],
    ]) {
      this.frame.style[name] = `${this.place[side]}px`;
    }
  }

  // A pointer's place in fractions of the frame, right at any zoom.
  pointAt(event) {
    const shown = this.frame.getBoundingClientRect();
    return { x: (event.clientX - shown.left) / shown.width, y: (event.clientY - shown.top) / shown.height };
  }

  // `pixels` of the screen in fractions of the frame.
  reach(pixels) {
    const shown = this.frame.getBoundingClientRect();
    return { x: pixels / shown.width, y: pixels / shown.height };
  }

  // The edges of the stage in fractions of the frame, `inset` pixels further in.
  room(inset) {
    const { x, y, width, height } = this.place;
    return {
      left: (inset - x) / width,
      right: (this.size.width - inset - x) / width,
      top: (inset - y) / height,
      bottom: (this.size.height - inset - y) / height,
    };
  }

  draw(state) {
    const parts = [];
    const order = backToFront(state.paths);
    for (const index of order) parts.push(...this.line(state.paths[index], index === state.selected));
    const chosen = state.paths[state.selected];
    if (chosen && !state.playing) parts.push(...this.ghosts(chosen, state));
    for (const index of order) parts.push(this.box(state.paths[index], state.time, index === state.selected));
    for (const index of order) if (index !== state.selected) parts.push(...this.tag(state.paths[index], state.time));
    if (chosen) parts.push(...this.tag(chosen, state.time));
    if (chosen && !state.playing) parts.push(...this.handles(chosen, state.time));
    if (state.rubber) parts.push(this.rectangle(state.rubber, { class: "vp-rubber" }));
    this.drawing.replaceChildren(...parts, ...this.points(state));
  }

  line(path, isSelected) {
    if (path.keys.length < 2) return [];
    const points = trace(path)
      .map((at) => this.toText(at))
      .join(" ");
    const style = `--vp-colour: ${shownColour(path)}`;
    const kind = isSelected ? "vp-line vp-selected" : "vp-line";
    return [
      makeSvg("polyline", { class: "vp-line vp-under", points }),
      makeSvg("polyline", { class: kind, style, points }),
      ...path.keys.map((key) => this.dot(key, { class: kind, style, r: isSelected ? 3.5 : 2.5 })),
    ];
  }

  // Where the box is at its other keys.
  ghosts(path, { time }) {
    const style = `--vp-colour: ${shownColour(path)}`;
    return path.keys.filter((key) => key.time !== time).map((key) => this.rectangle(key, { class: "vp-ghost", style }));
  }

  box(path, time, isSelected) {
    const box = boxAt(path, time);
    const style = `--vp-colour: ${shownColour(path)}`;
    const kind = isSelected ? "vp-box vp-selected" : "vp-box";
    return makeSvg(
      "g",
      { class: kind, style },
      this.rectangle(box, { class: "vp-halo" }),
      this.rectangle(box, { class: "vp-outline" }),
    );
  }

  // The name, above the box or inside it, always on the stage.
  tag(path, time) {
    if (!path.label) return [];
    const { left, top } = edges(boxAt(path, time));
    const words = path.label.slice(0, 24);
    const across = textWidth(words) + 10;
    const [boxX, boxY] = this.toPixels({ x: left, y: top });
    const x = clamp(boxX - 1, 2, this.size.width - across - 2);
    const above = boxY - TAG - 3;
    const y = clamp(above < 2 ? boxY + 4 : above, 2, this.size.height - TAG - 2);
    const style = `--vp-colour: ${shownColour(path)}; --vp-ink: ${inkOn(path)}`;
    return [
      makeSvg("rect", { class: "vp-tag", style, x, y, width: across, height: TAG, rx: 3 }),
      makeSvg("text", { class: "vp-tag-text", style, x: x + 5, y: y + 11 }, words),
    ];
  }

  handles(path, time) {
    const box = boxAt(path, time);
    const style = `--vp-colour: ${shownColour(path)}`;
    return HANDLES.map(([sx, sy]) => {
      const [x, y] = this.toPixels({ x: box.x + (sx * box.width) / 2, y: box.y + (sy * box.height) / 2 });
      const at = { x: x - HANDLE / 2, y: y - HANDLE / 2, width: HANDLE, height: HANDLE, rx: 1.5 };
      return makeSvg("rect", { class: "vp-handle", style, ...at, ...this.turn(box) });
    });
  }

  // Points of other editors, shown but not changed.
  points({ locked, pixels }) {
    return (locked?.points ?? []).flatMap((points) => {
      const places = points.map(({ x, y }) => ({ x: x / pixels.width, y: y / pixels.height }));
      const style = "--vp-colour: var(--vp-accent)";
      return [
        makeSvg("polyline", { class: "vp-line vp-under", points: places.map((at) => this.toText(at)).join(" ") }),
        makeSvg("polyline", {
          class: "vp-line vp-selected",
          style,
          points: places.map((at) => this.toText(at)).join(" "),
        }),
        ...(places.length <= 64 ? places.map((at) => this.dot(at, { class: "vp-line", style, r: 3 })) : []),
      ];
    });
  }

  dot(at, attributes) {
    const [cx, cy] = this.toPixels(at);
    return makeSvg("circle", { ...attributes, cx, cy });
  }

  rectangle(box, attributes) {
    const { left, top, right, bottom } = edges(box);
    const [x, y] = this.toPixels({ x: left, y: top });
    const [farX, farY] = this.toPixels({ x: right, y: bottom });
    return makeSvg("rect", { ...attributes, x, y, width: farX - x, height: farY - y, ...this.turn(box) });
  }

  turn(box) {
    return box.angle ? { transform: `rotate(${box.angle} ${this.toPixels(box).join(" ")})` } : {};
  }

  toPixels({ x, y }) {
    return [this.place.x + x * this.place.width, this.place.y + y * this.place.height];
  }

  toText(at) {
    return this.toPixels(at)
      .map((value) => value.toFixed(2))
      .join(",");
  }
}

let ruler;

function textWidth(words) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = TAG_FONT;
  return ruler.measureText(words).width;
}
