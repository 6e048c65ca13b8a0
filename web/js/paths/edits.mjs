// Edits of paths as functions: each takes the paths and gives new ones. Nothing is changed in place.

import { LIMITS } from "./format.mjs";

const BLACK = [0, 0, 0];

// A box in fractions of the frame, rounded to what no eye can see and kept in the range that Python reads.
export function tidyBox({ x, y, width, height, angle }) {
  const { farthest, smallest } = LIMITS;
  return {
    ...(angle ? { angle: tidy(angle) } : {}),
    x: tidy(clamp(x, -farthest, farthest)),
    y: tidy(clamp(y, -farthest, farthest)),
    width: Math.max(tidy(clamp(width, smallest, farthest)), smallest),
    height: Math.max(tidy(clamp(height, smallest, farthest)), smallest),
  };
}

export function tidyTime(time) {
  return Math.round(clamp(time, 0, 1) * 1e6) / 1e6;
}

export function addPath(paths, time, box) {
  const path = {
    label: freeLabel(paths),
    order: paths.length ? Math.max(...paths.map(({ order }) => order)) + 1 : 0,
    colour: BLACK,
    smooth: "auto",
    keys: [{ time: tidyTime(time), ...tidyBox(box) }],
  };
  return [...paths, path];
}

// Paths from elsewhere, in front of those that are there; a copy of one that is there is set aside a little.
export function addCopies(paths, copies) {
  const top = paths.length ? Math.max(...paths.map(({ order }) => order)) + 1 : 0;
  const added = copies.map((copy, index) => {
    const same = paths.some(({ keys }) => JSON.stringify(keys) === JSON.stringify(copy.keys));
    const keys = same
      ? copy.keys.map((key) => ({ ...key, ...tidyBox({ ...key, x: key.x + 0.03, y: key.y + 0.03 }) }))
      : copy.keys;
    const label = paths.some((path) => path.label === copy.label) ? freeLabel(paths, copy.label) : copy.label;
    return { ...copy, keys, label, order: top + index };
  });
  return [...paths, ...added];
}

export function removePath(paths, index) {
  return paths.filter((_, i) => i !== index);
}

export function changePath(paths, index, changes) {
  return paths.map((path, i) => (i === index ? { ...path, ...changes } : path));
}

// Sets the box at `time`: in the key that is within `near` of it, else in a new one. Gives {paths, key}.
export function putKey(paths, index, time, box, near) {
  const { keys } = paths[index];
  const found = keyNear(keys, time, near);
  const made = { time: found < 0 ? tidyTime(time) : keys[found].time, ...tidyBox(box) };
  const others = keys.filter((_, k) => k !== found);
  const sorted = [...others, made].sort((a, b) => a.time - b.time);
  return { paths: changePath(paths, index, { keys: sorted }), key: sorted.indexOf(made) };
}

// Moves a key to another time, past others too, but never onto one. Gives {paths, key}.
export function moveKey(paths, index, key, time, near) {
  const { keys } = paths[index];
  const others = keys.filter((_, k) => k !== key);
  if (keyNear(others, time, near) >= 0) return { paths, key };
  const { tracked, ...kept } = keys[key]; // what a hand moved is its own from now on
  const moved = { ...kept, time: tidyTime(time) };
  const sorted = [...others, moved].sort((a, b) => a.time - b.time);
  return { paths: changePath(paths, index, { keys: sorted }), key: sorted.indexOf(moved) };
}

// A path without its last key is no path.
export function removeKey(paths, index, key) {
  const { keys } = paths[index];
  if (keys.length === 1) return removePath(paths, index);
  return changePath(paths, index, { keys: keys.filter((_, k) => k !== key) });
}

// Moves and scales every key alike: `from` and `to` are the same box before and after.
export function changeAllKeys(paths, index, from, to) {
  const [wider, higher] = [to.width / from.width, to.height / from.height];
  const turned = (to.angle ?? 0) - (from.angle ?? 0);
  const keys = paths[index].keys.map((key) => ({
    ...key,
    ...tidyBox({
      angle: (key.angle ?? 0) + turned,
      x: key.x + to.x - from.x,
      y: key.y + to.y - from.y,
      width: key.width * wider,
      height: key.height * higher,
    }),
  }));
  return changePath(paths, index, { keys });
}

export function keyNear(keys, time, near) {
  let best = -1;
  keys.forEach((key, k) => {
    const distance = Math.abs(key.time - time);
    if (distance <= near && (best < 0 || distance < Math.abs(keys[best].time - time))) best = k;
  });
  return best;
}

// Indices from the back to the front; equal orders in the order given, as they are drawn.
export function backToFront(paths) {
  return paths.map((_, i) => i).sort((a, b) => paths[a].order - paths[b].order || a - b);
}

// One step to the front (by = 1) or to the back (by = -1). The same paths if there is no further.
export function reorder(paths, index, by) {
  const ranks = backToFront(paths);
  const here = ranks.indexOf(index);
  const there = here + by;
  if (there < 0 || there >= ranks.length) return paths;
  [ranks[here], ranks[there]] = [ranks[there], ranks[here]];
  return paths.map((path, i) => ({ ...path, order: ranks.indexOf(i) }));
}

export function freeLabel(paths, wanted = "Box") {
  const stem = wanted.replace(/ \d+$/, "") || "Box";
  for (let number = 1; ; number++) {
    const label = `${stem} ${number}`;
    if (!paths.some((path) => path.label === label)) return label;
  }
}

export function tidy(value) {
  return Math.round(value * 1e5) / 1e5 || 0; // no -0
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
