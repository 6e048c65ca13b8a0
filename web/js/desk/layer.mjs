// The mask of one object at one time, painted on a canvas no larger than it is: its fill and its edge.

import { shownColour } from "../paths/colours.mjs";
import { strokesAt } from "./carry.mjs";

export const SHARP = 1.5; // pixels of a canvas for one of the stage, which may be shown enlarged
const HATCH = 7; // pixels between two lines of what is removed
const EDGE = 1.5; // pixels
const RING = Array.from({ length: 12 }, (_, i) => [Math.cos((i * Math.PI) / 6), Math.sin((i * Math.PI) / 6)]);

export class Layer {
  // `place` is the frame's on the stage of `size`, `pixel` how large one of the clip is there.
  constructor(object, { size, place, time, pixel }) {
    Object.assign(this, { place, blur: object.feather * pixel * SHARP * 0.5 });
    const strokes = strokesAt(object, time, place.width / place.height);
    const room = Math.max(object.grow, 0) * pixel + EDGE + 2;
    if (!this.measure(strokes, size, room)) return; // nothing of it is in sight
    this.mask = this.canvas();
    this.paint(strokes);
    this.plain = object.action === "move" ? copied(this.mask) : null;
    this.grow(object.grow * pixel * SHARP);
    this.fill = this.tinted(shownColour(object), object.action);
    this.edge = this.outline(shownColour(object));
  }

  measure(strokes, { width, height }, room) {
    const [xs, ys] = [[], []];
    for (const stroke of strokes.filter(({ kind }) => kind === "brush" || kind === "lasso")) {
      const reach = (stroke.width / 2) * this.place.width + room;
      for (const [x, y] of stroke.points) {
        const [across, down] = [this.place.x + x * this.place.width, this.place.y + y * this.place.height];
        xs.push(across - reach, across + reach);
        ys.push(down - reach, down + reach);
      }
    }
    const least = (values, low) => Math.max(Math.floor(values.reduce((a, b) => Math.min(a, b), Infinity)), low);
    const most = (values, high) => Math.min(Math.ceil(values.reduce((a, b) => Math.max(a, b), -Infinity)), high);
    const far = 400; // pixels beside the stage that a path may bring into sight
    Object.assign(this, { x: least(xs, -far), y: least(ys, -far) });
    Object.assign(this, { width: most(xs, width + far) - this.x, height: most(ys, height + far) - this.y });
    return this.width > 0 && this.height > 0;
  }

  canvas() {
    const canvas = document.createElement("canvas");
    return Object.assign(canvas, { width: Math.ceil(this.width * SHARP), height: Math.ceil(this.height * SHARP) });
  }

  // Draws one of its canvases where it belongs on the stage.
  put(context, canvas) {
    context.drawImage(canvas, this.x, this.y, canvas.width / SHARP, canvas.height / SHARP);
  }

  toCanvas([x, y]) {
    const { place } = this;
    return [(place.x + x * place.width - this.x) * SHARP, (place.y + y * place.height - this.y) * SHARP];
  }

  paint(strokes) {
    const context = this.mask.getContext("2d");
    context.lineCap = "round";
    context.lineJoin = "round";
    for (const { kind, width, points } of strokes) {
      const takes = kind === "erase" || kind === "cut";
      context.globalCompositeOperation = takes ? "destination-out" : "source-over";
      context.beginPath();
      for (const point of points) context.lineTo(...this.toCanvas(point));
      if (kind === "lasso" || kind === "cut") context.fill();
      else {
        if (points.length === 1) context.lineTo(...this.toCanvas(points[0]));
        context.lineWidth = Math.max(width * this.place.width * SHARP, 1);
        context.stroke();
      }
    }
  }

  // Grows or shrinks the mask by `radius`, round, in steps that double.
  grow(radius) {
    if (Math.abs(radius) < 0.5) return;
    if (radius < 0) this.invert();
    for (let done = 0, step = 4; done < Math.abs(radius); step *= 2) {
      const by = Math.min(step, Math.abs(radius) - done);
      this.mask = this.around(this.mask, by);
      done += by;
    }
    if (radius < 0) this.invert();
  }

  around(mask, by) {
    const wider = copied(mask);
    const context = wider.getContext("2d");
    for (const [x, y] of RING) context.drawImage(mask, x * by, y * by);
    return wider;
  }

  invert() {
    const inverse = this.canvas();
    const context = inverse.getContext("2d");
    context.fillRect(0, 0, inverse.width, inverse.height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.mask, 0, 0);
    this.mask = inverse;
  }

  tinted(colour, action) {
    const canvas = copied(this.mask);
    const context = coloured(canvas, colour);
    if (action === "remove") hatch(context, canvas, [this.x * SHARP, this.y * SHARP]);
    return canvas;
  }

  outline(colour) {
    const canvas = this.around(this.mask, EDGE * SHARP);
    const context = coloured(canvas, colour);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.mask, 0, 0);
    return canvas;
  }

  // What the mask covers of `medium`, or a piece of `colour` where there is none.
  cutOut(medium, colour) {
    const canvas = copied(this.plain ?? this.mask);
    if (!medium) {
      coloured(canvas, colour);
      return canvas;
    }
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = "source-in";
    const { place } = this;
    covered(context, medium, [...this.toCanvas([0, 0]), place.width * SHARP, place.height * SHARP]);
    return canvas;
  }
}

function copied(canvas) {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

function coloured(canvas, colour) {
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

// Lines from corner to corner, the same across all objects.
function hatch(context, { width, height }, [left, top]) {
  const step = HATCH * SHARP;
  context.globalCompositeOperation = "source-atop";
  context.strokeStyle = "rgb(0 0 0 / 0.45)";
  context.lineWidth = 1.6 * SHARP;
  context.beginPath();
  for (let x = -height - ((((left - top) % step) + step) % step); x < width; x += step) {
    context.moveTo(x, 0);
    context.lineTo(x + height, height);
  }
  context.stroke();
}

// Draws `medium` so that it covers the rectangle, as the backdrop does.
function covered(context, medium, [x, y, width, height]) {
  const [across, down] = [medium.videoWidth || medium.naturalWidth, medium.videoHeight || medium.naturalHeight];
  if (!across || !down) return;
  const scale = Math.max(width / across, height / down);
  const [wide, high] = [across * scale, down * scale];
  context.drawImage(medium, x + (width - wide) / 2, y + (height - high) / 2, wide, high);
}
