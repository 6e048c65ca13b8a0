// Paints the masks over the clip as the model will get them, each in the colour of its object, and what moves where it
// will be.

import { shownColour } from "../paths/colours.mjs";
import { backToFront } from "../paths/edits.mjs";
import { boxAt } from "../paths/motion.mjs";
import { strokesAt } from "./carry.mjs";
import { goalIndex } from "./entries.mjs";

const SHARP = 2; // pixels of the canvas for one of the stage, which may be shown enlarged
const HATCH = 7; // pixels between two lines of what is removed
const RING = Array.from({ length: 12 }, (_, i) => [Math.cos((i * Math.PI) / 6), Math.sin((i * Math.PI) / 6)]);

export class Overlay {
  constructor(element) {
    this.element = element;
    [this.mask, this.tinted, this.spare] = Array.from({ length: 3 }, () => document.createElement("canvas"));
  }

  // `size` is the stage's, `place` the frame's on it, in its pixels; `medium` an image or a video to cut out of.
  draw({ objects, paths, state, size, place, medium }) {
    this.fit(size);
    Object.assign(this, { place, perPixel: place.width / state.pixels.width, aspect: place.width / place.height });
    const context = cleared(this.element);
    context.save();
    context.beginPath();
    context.rect(...this.rectangle());
    context.clip();
    for (const index of backToFront(objects)) this.object(context, objects[index], { paths, state, medium });
    context.restore();
  }

  fit({ width, height }) {
    for (const canvas of [this.element, this.mask, this.tinted, this.spare]) {
      const [across, down] = [Math.round(width * SHARP), Math.round(height * SHARP)];
      if (canvas.width !== across) canvas.width = across;
      if (canvas.height !== down) canvas.height = down;
    }
  }

  rectangle() {
    const { x, y, width, height } = this.place;
    return [x, y, width, height].map((value) => value * SHARP);
  }

  object(context, object, { paths, state, medium }) {
    const { time, selected } = state;
    const goal = paths[goalIndex(paths, object)];
    const isChosen = object.id === (paths[selected]?.owner ?? paths[selected]?.id);
    this.paint(strokesAt(object, time, this.aspect));
    if (goal) this.cutOut(object, goal, time, medium);
    this.grow(object.grow * this.perPixel * SHARP);
    this.tint(shownColour(object), object.action);
    const blur = object.feather * this.perPixel * SHARP * 0.5;
    context.globalAlpha = { keep: 0.25, move: 0.4 }[object.action] ?? (isChosen ? 0.62 : 0.48);
    context.filter = blur > 0.3 ? `blur(${blur}px)` : "none";
    context.drawImage(this.tinted, 0, 0);
    context.filter = "none";
    this.edge(shownColour(object));
    context.globalAlpha = isChosen ? 1 : 0.75;
    context.drawImage(this.spare, 0, 0);
    context.globalAlpha = 1;
    if (this.cut) this.ghost(context, object, goal, time);
  }

  paint(strokes) {
    const context = cleared(this.mask);
    context.lineCap = "round";
    context.lineJoin = "round";
    for (const { kind, width, points } of strokes) {
      const takes = kind === "erase" || kind === "cut";
      context.globalCompositeOperation = takes ? "destination-out" : "source-over";
      context.beginPath();
      for (const [x, y] of points) context.lineTo(...this.toCanvas(x, y));
      if (kind === "lasso" || kind === "cut") context.fill();
      else {
        if (points.length === 1) context.lineTo(...this.toCanvas(...points[0]));
        context.lineWidth = Math.max(width * this.place.width * SHARP, 1);
        context.stroke();
      }
    }
    context.globalCompositeOperation = "source-over";
  }

  toCanvas(x, y) {
    return [(this.place.x + x * this.place.width) * SHARP, (this.place.y + y * this.place.height) * SHARP];
  }

  // Grows or shrinks the mask by `radius`, round, in steps that double.
  grow(radius) {
    if (Math.abs(radius) < 0.5) return;
    if (radius < 0) this.invert();
    for (let done = 0, step = 4; done < Math.abs(radius); step *= 2) {
      const by = Math.min(step, Math.abs(radius) - done);
      const context = cleared(this.spare);
      context.drawImage(this.mask, 0, 0);
      for (const [x, y] of RING) context.drawImage(this.mask, x * by, y * by);
      done += by;
      [this.mask, this.spare] = [this.spare, this.mask];
    }
    if (radius < 0) this.invert();
  }

  invert() {
    const context = cleared(this.spare);
    context.fillRect(0, 0, this.spare.width, this.spare.height);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.mask, 0, 0);
    context.globalCompositeOperation = "source-over";
    [this.mask, this.spare] = [this.spare, this.mask];
  }

  tint(colour, action) {
    const context = cleared(this.tinted);
    context.drawImage(this.mask, 0, 0);
    context.globalCompositeOperation = "source-atop";
    context.fillStyle = colour;
    context.fillRect(0, 0, this.tinted.width, this.tinted.height);
    if (action === "remove") this.hatch(context);
    context.globalCompositeOperation = "source-over";
  }

  hatch(context) {
    const { width, height } = this.tinted;
    const step = HATCH * SHARP;
    context.strokeStyle = "rgb(0 0 0 / 0.45)";
    context.lineWidth = 1.6 * SHARP;
    context.beginPath();
    for (let x = -height; x < width; x += step) {
      context.moveTo(x, 0);
      context.lineTo(x + height, height);
    }
    context.stroke();
  }

  // A line around the mask, dark outside.
  edge(colour) {
    const context = cleared(this.spare);
    const ring = (by, style) => {
      for (const [x, y] of RING) context.drawImage(this.mask, x * by, y * by);
      context.globalCompositeOperation = "source-in";
      context.fillStyle = style;
      context.fillRect(0, 0, this.spare.width, this.spare.height);
      context.globalCompositeOperation = "source-over";
    };
    ring(1.5 * SHARP, colour);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.mask, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  cutOut(object, goal, time, medium) {
    this.cut ??= document.createElement("canvas");
    if (this.cut.width !== this.mask.width || this.cut.height !== this.mask.height) {
      Object.assign(this.cut, { width: this.mask.width, height: this.mask.height });
    }
    const context = cleared(this.cut);
    context.drawImage(this.mask, 0, 0);
    context.globalCompositeOperation = "source-in";
    if (medium) covered(context, medium, this.rectangle());
    else {
      context.fillStyle = shownColour(object);
      context.fillRect(0, 0, this.cut.width, this.cut.height);
    }
    context.globalCompositeOperation = "source-over";
  }

  // What was cut out, where the path takes it.
  ghost(context, object, goal, time) {
    if (!goal) return;
    const [from, to] = [boxAt(object, time), boxAt(goal, time)];
    context.save();
    context.shadowColor = shownColour(object);
    context.shadowBlur = 5 * SHARP;
    context.translate(...this.toCanvas(to.x, to.y));
    context.rotate(((to.angle ?? 0) * Math.PI) / 180);
    context.scale(to.width / from.width, to.height / from.height);
    context.rotate((-(from.angle ?? 0) * Math.PI) / 180);
    const [x, y] = this.toCanvas(from.x, from.y);
    context.drawImage(this.cut, -x, -y);
    context.restore();
  }
}

function cleared(canvas) {
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, canvas.width, canvas.height);
  return context;
}

// Draws `medium` so that it covers the rectangle, as the backdrop does.
function covered(context, medium, [x, y, width, height]) {
  const [across, down] = [medium.videoWidth || medium.naturalWidth, medium.videoHeight || medium.naturalHeight];
  if (!across || !down) return;
  const scale = Math.max(width / across, height / down);
  const [wide, high] = [across * scale, down * scale];
  context.drawImage(medium, x + (width - wide) / 2, y + (height - high) / 2, wide, high);
}
