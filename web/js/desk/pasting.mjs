// What may be pasted: objects of a desk, box paths of this pack, points and boxes of other packs.

import { readPaths } from "../paths/format.mjs";
import { readDesk } from "./format.mjs";

const USUAL = {
  action: "generate",
  prompt: "",
  picture: 0,
  grow: 0,
  feather: 0,
  strength: 1,
  smooth: false,
  colour: [0, 0, 0],
  order: 0,
  label: "",
  shapes: [],
};
const SIDE = 0.2; // of the frame's width: the box around a point

// {objects}, or {points: {inside, outside}} for a selection, or null. `size` is the clip's, in pixels.
export function pasted(text, size) {
  const desk = readDesk(text);
  if (desk.kind === "desk") return { objects: desk.objects };
  const boxes = boxesOf(text, size);
  if (boxes) return boxes;
  const paths = readPaths(text);
  if (paths.kind === "paths") return { objects: paths.paths.map((path) => ({ ...USUAL, ...path })) };
  if (paths.kind === "points") return { objects: paths.lists.map((points) => alongPoints(points, size)) };
  return null;
}

// Boxes, which have sides where points have none, and what a points editor writes.
function boxesOf(text, size) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    return null;
  }
  if (Array.isArray(data?.positive)) return { points: pointsOf(data, size) };
  const boxes = Array.isArray(data) ? data : [data];
  const keys = boxes.map((box, i) => keyOf(box, i / Math.max(boxes.length - 1, 1), size));
  return keys.length && keys.every(Boolean) ? { objects: [{ ...USUAL, keys }] } : null;
}

function alongPoints(points, { width, height }) {
  const box = { width: SIDE, height: (SIDE * width) / height };
  const keys = points.map(({ x, y }, i) => ({ time: i / Math.max(points.length - 1, 1), x: x / width, y: y / height, ...box }));
  return { ...USUAL, keys };
}

// Points of a points editor: {"positive": [{x, y}], "negative": [{x, y}]} in pixels.
function pointsOf({ positive, negative = [] }, { width, height }) {
  const places = (list) => list.filter((one) => one?.x >= 0).map(({ x, y }) => [x / width, y / height]);
  return { inside: places(positive), outside: places(negative) };
}

// {x, y, width, height} or [left, top, right, bottom], in pixels.
function keyOf(box, time, size) {
  const [x, y, width, height] = Array.isArray(box)
    ? [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    : [box?.x, box?.y, box?.width, box?.height];
  if (![x, y, width, height].every(Number.isFinite) || !(width > 0 && height > 0)) return null;
  return {
    time,
    x: (x + width / 2) / size.width,
    y: (y + height / 2) / size.height,
    width: width / size.width,
    height: height / size.height,
  };
}
