// Where a box is at a time, by the rules of vace_core/inputs/layout.py (`boxes`): the preview shows what will be made.

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
  const gap = keys[i + 1].time - keys[i].time;
  const s = (time - keys[i].time) / gap;
  const box = {};
  for (const part of keys.some(({ angle }) => angle) ? WITH_ANGLE : PARTS) {
    const [from, to] = [keys[i][part] ?? 0, keys[i + 1][part] ?? 0];
    box[part] = smooth
      ? cubic(s, from, to, slope(keys, i, part) * gap, slope(keys, i + 1, part) * gap)
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
function slope(keys, i, part) {
  const rise = (j) => ((keys[j + 1][part] ?? 0) - (keys[j][part] ?? 0)) / gapAfter(j);
  const gapAfter = (j) => keys[j + 1].time - keys[j].time;
  if (i === 0) return rise(0);
  if (i === keys.length - 1) return rise(i - 1);
  const [before, after] = [rise(i - 1), rise(i)];
  if (before * after <= 0) return 0;
  const [weightBefore, weightAfter] = [2 * gapAfter(i) + gapAfter(i - 1), gapAfter(i) + 2 * gapAfter(i - 1)];
  return (weightBefore + weightAfter) / (weightBefore / before + weightAfter / after);
}
