// A shape is carried by its object's box: moved, scaled and turned as the box is. The same rules as Python's.

import { boxAt } from "../paths/motion.mjs";

// How a point [x, y] (fractions of the frame) goes along from box `from` to box `to`: {point, scale}, where `scale` is
// that of a line's width. `aspect` is the frame's width over its height: turns are in pixels.
export function carrying(from, to, aspect) {
  const [wider, higher] = [to.width / from.width, to.height / from.height];
  const back = turning(-(from.angle ?? 0), aspect);
  const there = turning(to.angle ?? 0, aspect);
  const point = ([x, y]) => {
    const [across, down] = back([x - from.x, y - from.y]);
    const [dx, dy] = there([across * wider, down * higher]);
    return [to.x + dx, to.y + dy];
  };
  return { point, scale: Math.sqrt(wider * higher) };
}

// Turns [x, y], from a centre, clockwise by `angle` degrees.
export function turning(angle, aspect) {
  const [cos, sin] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return ([x, y]) => [cos * x - (sin * y) / aspect, sin * x * aspect + cos * y];
}

// The number of the shape that holds at `time`, or -1.
export function shapeAt(shapes, time) {
  if (!shapes.length) return -1;
  return Math.max(shapes.findLastIndex((shape) => shape.time <= time + 1e-9), 0);
}

// How the shape number `index` of an object goes along from its own time to `time`.
export function carried(object, index, time, aspect) {
  if (!object.keys.length) return { point: (point) => point, scale: 1 };
  return carrying(boxAt(object, object.shapes[index].time), boxAt(object, time), aspect);
}

// What an object's mask is at `time`, as strokes in fractions of the frame.
export function strokesAt(object, time, aspect) {
  const index = object.shapes.some(({ strokes }) => strokes.length) ? shapeAt(object.shapes, time) : -1;
  if (index < 0) return object.keys.length ? [outline(boxAt(object, time), aspect)] : [];
  return along(object.shapes[index].strokes, carried(object, index, time, aspect));
}

// The same where a path takes the object to: carried from its own box to that of the path.
export function strokesOnPath(object, path, time, aspect) {
  return along(strokesAt(object, time, aspect), carrying(boxAt(object, time), boxAt(path, time), aspect));
}

export function along(strokes, { point, scale }) {
  return strokes.map((stroke) => ({ ...stroke, width: stroke.width * scale, points: stroke.points.map(point) }));
}

// A box as a stroke.
export function outline(box, aspect) {
  return { kind: "lasso", width: 0, points: corners(box, aspect) };
}

export function corners({ x, y, width, height, angle = 0 }, aspect) {
  const turn = turning(angle, aspect);
  return [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ].map(([sx, sy]) => {
    const [dx, dy] = turn([(sx * width) / 2, (sy * height) / 2]);
    return [x + dx, y + dy];
  });
}

// The upright box around what the strokes add, or null. `aspect` makes a line as high as it is wide.
export function bounds(strokes, aspect) {
  const adding = strokes.filter(({ kind }) => kind === "brush" || kind === "lasso");
  const edges = adding.flatMap(({ kind, width, points }) => {
    const room = kind === "brush" ? width / 2 : 0;
    return points.flatMap(([x, y]) => [
      [x - room, y - room * aspect],
      [x + room, y + room * aspect],
    ]);
  });
  if (!edges.length) return null;
  const [xs, ys] = [edges.map(([x]) => x), edges.map(([, y]) => y)];
  const [left, right, top, bottom] = [least(xs), most(xs), least(ys), most(ys)];
  return { x: (left + right) / 2, y: (top + bottom) / 2, width: right - left, height: bottom - top };
}

function least(values) {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values) {
  return values.reduce((a, b) => Math.max(a, b));
}
