// Edits of what is drawn by brush and lasso: each takes an object and gives a new one.

import { boxAt } from "../paths/motion.mjs";
import { tidy, tidyBox, tidyTime } from "../paths/edits.mjs";
import { along, bounds, carrying, outline, shapeAt, strokesAt } from "./carry.mjs";

// Adds a stroke as it looks at `time` to the shape that holds there. A box becomes a shape by it.
export function withStroke(object, stroke, time, aspect) {
  const index = shapeAt(object.shapes, time);
  if (index < 0) {
    const strokes = object.keys.length ? [outline(boxAt(object, time), aspect), stroke] : [stroke];
    return boxed({ ...object, shapes: [{ time: tidyTime(time), strokes: strokes.map(tidied) }] }, aspect);
  }
  const { [index]: shape } = object.shapes;
  const back = carrying(boxAt(object, time), boxAt(object, shape.time), aspect);
  return withStrokes(object, index, [...shape.strokes, ...along([stroke], back)], aspect);
}

function withStrokes(object, index, strokes, aspect) {
  const shapes = object.shapes.map((shape, i) => (i === index ? { ...shape, strokes: strokes.map(tidied) } : shape));
  return boxed({ ...object, shapes }, aspect);
}

// Puts strokes that a selection found in place of those that hold at `time`.
export function withSelection(object, strokes, time, aspect) {
  const index = shapeAt(object.shapes, time);
  if (index < 0) return boxed({ ...object, shapes: [{ time: tidyTime(time), strokes: strokes.map(tidied) }] }, aspect);
  const back = carrying(boxAt(object, time), boxAt(object, object.shapes[index].time), aspect);
  return withStrokes(object, index, along(strokes, back), aspect);
}

// From `time` on a shape of its own, at first as it looks there.
export function withShapeAt(object, time, aspect) {
  const strokes = strokesAt(object, time, aspect).map(tidied);
  const others = object.shapes.filter((shape) => Math.abs(shape.time - time) > 1e-6);
  const shapes = [...others, { time: tidyTime(time), strokes }].sort((a, b) => a.time - b.time);
  return { ...object, shapes };
}

export function withoutShape(object, index) {
  return { ...object, shapes: object.shapes.filter((_, i) => i !== index) };
}

// `object` with its shapes where the boxes of `before` had them.
export function rebased(object, before, aspect) {
  const shapes = object.shapes.map((shape) => {
    const [from, to] = [before, object].map((one) => one.keys.length && boxAt(one, shape.time));
    if (!from || !to || JSON.stringify(from) === JSON.stringify(to)) return shape;
    return { ...shape, strokes: along(shape.strokes, carrying(from, to, aspect)).map(tidied) };
  });
  return { ...object, shapes };
}

// A copy whose keys were set aside from those of `object`: its shapes and its path go along.
export function setAside(copy, object, aspect) {
  const [dx, dy] = [copy.keys[0]?.x - object.keys[0]?.x, copy.keys[0]?.y - object.keys[0]?.y];
  if (!(dx || dy)) return copy;
  const moved = rebased(copy, object, aspect);
  const keys = copy.path?.keys.map((key) => ({ ...key, ...tidyBox({ ...key, x: key.x + dx, y: key.y + dy }) }));
  return keys ? { ...moved, path: { ...copy.path, keys } } : moved;
}

// A box that has one key stands still, so it may as well fit what was drawn.
function boxed(object, aspect) {
  const { keys, shapes } = object;
  // Where it moves to has the size of its box: that then stays.
  if (keys.length > 1 || shapes.length > 1 || keys[0]?.angle || (keys.length && object.action === "move")) return object;
  const around = bounds(shapes[0].strokes, aspect);
  return around ? { ...object, keys: [{ time: keys[0]?.time ?? shapes[0].time, ...tidyBox(around) }] } : object;
}

function tidied({ kind, width, points }) {
  return { kind, width: tidy(width), points: points.map(([x, y]) => [tidy(x), tidy(y)]) };
}

// Leaves out points that are nearer than `least` to the straight line of their neighbours (Ramer, Douglas, Peucker).
export function simplified(points, least, aspect = 1) {
  if (points.length < 3) return points;
  const keep = new Set([0, points.length - 1]);
  const parts = [[0, points.length - 1]];
  while (parts.length) {
    const [from, to] = parts.pop();
    let [worst, far] = [-1, least];
    for (let i = from + 1; i < to; i++) {
      const distance = fromLine(points[i], points[from], points[to], aspect);
      if (distance > far) [worst, far] = [i, distance];
    }
    if (worst < 0) continue;
    keep.add(worst);
    parts.push([from, worst], [worst, to]);
  }
  return points.filter((_, i) => keep.has(i));
}

function fromLine([x, y], [ax, ay], [bx, by], aspect) {
  const [dx, dy] = [bx - ax, (by - ay) / aspect];
  const [px, py] = [x - ax, (y - ay) / aspect];
  const length = dx * dx + dy * dy;
  const s = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
  return Math.hypot(px - s * dx, py - s * dy);
}
