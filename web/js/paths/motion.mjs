// Where a box is at a time, by the rules of vace_core/inputs/layout.py (`boxes`): the preview shows what will be made.

const PLACE = ["x", "y"];
const PARTS = ["x", "y", "width", "height"];
const WITH_ANGLE = [...PARTS, "angle"];
const STEPS = 24;

// How far along a path is when the part `s` of its time is over, both 0..1.
export const EASES = {
  linear: (s) => s,
  in: (s) => s * s,
  out: (s) => s * (2 - s),
  "in-out": (s) => s * s * (3 - 2 * s),
};

// The box {x, y, width, height} of `path` at `moment`, 0..1, and its angle in degrees if a key has one. Before the first
// key and after the last it stands still.
export function boxAt(path, moment) {
  const { keys, smooth, ease = "linear" } = path;
  const last = keys.length - 1;
  const [first, end] = [keys[0].time, keys[last].time];
  if (moment <= first) return boxOf(keys[0]);
  if (moment >= end) return boxOf(keys[last]);
  const time = first + EASES[ease]((moment - first) / (end - first)) * (end - first);
  let i = 0;
  while (i < last - 1 && keys[i + 1].time <= time) i++;
  const between = gap(keys, i);
  const s = (time - keys[i].time) / between;
  const box = {};
  for (const part of keys.some(({ angle }) => angle) ? WITH_ANGLE : PARTS) {
    const [from, to] = [keys[i][part] ?? 0, keys[i + 1][part] ?? 0];
    const slope = smooth === "auto" && PLACE.includes(part) ? through : level;
    box[part] = smooth
      ? cubic(s, from, to, slope(keys, i, part) * between, slope(keys, i + 1, part) * between)
      : from + (to - from) * s;
  }
  return box;
}

export function boxOf({ x, y, width, height, angle }) {
  return angle ? { x, y, width, height, angle } : { x, y, width, height };
}

const traces = new WeakMap(); // paths never change, they are replaced

// The line that the centre of the box follows, as points {x, y}.
export function trace(path) {
  if (!traces.has(path)) traces.set(path, traced(path));
  return traces.get(path);
}

function traced(path) {
  const { keys, smooth } = path;
  if (!smooth) return keys;
  const points = [keys[0]];
  for (let i = 1; i < keys.length; i++) {
    for (let step = 1; step <= STEPS; step++) {
      points.push(boxAt(path, keys[i - 1].time + ((keys[i].time - keys[i - 1].time) * step) / STEPS));
    }
  }
  return points;
}

function cubic(s, from, to, slopeFrom, slopeTo) {
  const [s2, s3] = [s * s, s * s * s];
  return (2 * s3 - 3 * s2 + 1) * from + (3 * s2 - 2 * s3) * to + (s3 - 2 * s2 + s) * slopeFrom + (s3 - s2) * slopeTo;
}

// Fritsch and Butland (1984): the motion never swings past a key, and a turning point is passed level.
function level(keys, i, part) {
  if (i === 0) return rise(keys, 0, part);
  if (i === keys.length - 1) return rise(keys, i - 1, part);
  const [before, after] = [rise(keys, i - 1, part), rise(keys, i, part)];
  if (before * after <= 0) return 0;
  const [gapBefore, gapAfter] = [gap(keys, i - 1), gap(keys, i)];
  const [weightBefore, weightAfter] = [2 * gapAfter + gapBefore, gapAfter + 2 * gapBefore];
  return (weightBefore + weightAfter) / (weightBefore / before + weightAfter / after);
}

// The motion goes on through a turn: as on a parabola through the key and its neighbours, no faster than thrice the
// slower side, so that it starts from rest and on a straight line never swings past a key.
function through(keys, i, part) {
  if (i === 0) return rise(keys, 0, part);
  if (i === keys.length - 1) return rise(keys, i - 1, part);
  const [before, after] = [gap(keys, i - 1), gap(keys, i)];
  const at = (one) => (after * rise(keys, i - 1, one) + before * rise(keys, i, one)) / (after + before);
  const speed = Math.hypot(...PLACE.map(at));
  const most = 3 * Math.min(...[i - 1, i].map((j) => Math.hypot(...PLACE.map((one) => rise(keys, j, one)))));
  return speed > most ? (at(part) * most) / speed : at(part);
}

function rise(keys, i, part) {
  return ((keys[i + 1][part] ?? 0) - (keys[i][part] ?? 0)) / gap(keys, i);
}

function gap(keys, i) {
  return keys[i + 1].time - keys[i].time;
}
