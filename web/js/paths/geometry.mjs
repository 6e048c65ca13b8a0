// Where things are on the stage. Points and boxes are in fractions of the frame; a box is its centre and its size.

import { backToFront, clamp } from "./edits.mjs";
import { boxAt } from "./motion.mjs";

const SMALLEST_SIDE = 0.01;
const MARGIN = 0.07; // of the stage's smaller side: room to see a box enter and leave

export const HANDLES = [
  [-1, -1],
  [0, -1],
  [1, -1],
  [-1, 0],
  [1, 0],
  [-1, 1],
  [0, 1],
  [1, 1],
];

// The frame's place {x, y, width, height} on a stage of `width` by `height`, all in the same pixels.
export function fitFrame(width, height, aspect) {
  const margin = Math.min(width, height) * MARGIN;
  const [roomX, roomY] = [Math.max(width - 2 * margin, 1), Math.max(height - 2 * margin, 1)];
  const across = Math.min(roomX, roomY * aspect);
  const down = across / aspect;
  return { x: (width - across) / 2, y: (height - down) / 2, width: across, height: down };
}

export function edges({ x, y, width, height }) {
  return { left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 };
}

export function boxBetween(a, b) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) };
}

// What is under `point`: {path, handle: [-1..1, -1..1] or null}, or null. The selected object is taken first, so that
// it can be dragged from under another one. `reach` {x, y} is how near is near.
export function hit({ paths, selected, time }, point, reach) {
  const chosen = paths[selected];
  if (chosen) {
    const handle = handleAt(boxAt(chosen, time), point, reach);
    if (handle) return { path: selected, handle };
    if (isInside(boxAt(chosen, time), point, reach)) return { path: selected, handle: null };
  }
  return frontmost({ paths, time }, point, reach);
}

export function frontmost({ paths, time }, point, reach) {
  const found = backToFront(paths)
    .reverse()
    .find((i) => isInside(boxAt(paths[i], time), point, reach));
  return found === undefined ? null : { path: found, handle: null };
}

export function isInside(box, point, reach) {
  const [x, y] = [Math.max(box.width / 2, reach.x), Math.max(box.height / 2, reach.y)];
  return Math.abs(point.x - box.x) <= x && Math.abs(point.y - box.y) <= y;
}

export function handleAt(box, point, reach) {
  // In a small box the handles would leave no room to move it: they give way.
  const inner = (side, near) => Math.min(near, side / 4);
  let best = null;
  let nearest = 1;
  for (const [sx, sy] of HANDLES) {
    const dx = point.x - (box.x + (sx * box.width) / 2);
    const dy = point.y - (box.y + (sy * box.height) / 2);
    const across = dx * sx < 0 || sx === 0 ? inner(box.width, reach.x) : reach.x;
    const down = dy * sy < 0 || sy === 0 ? inner(box.height, reach.y) : reach.y;
    const distance = Math.max(Math.abs(dx) / across, Math.abs(dy) / down);
    if (distance <= nearest) [best, nearest] = [[sx, sy], distance];
  }
  return best;
}

// `box` with the handle [sx, sy] moved by dx, dy. `even` keeps its shape, `centred` its centre.
export function resized(box, [sx, sy], dx, dy, { even, centred }) {
  const grow = centred ? 2 : 1;
  let width = Math.max(box.width + sx * dx * grow, SMALLEST_SIDE);
  let height = Math.max(box.height + sy * dy * grow, SMALLEST_SIDE);
  if (even && sx && sy) {
    const factor = Math.max(width / box.width, height / box.height);
    [width, height] = [box.width * factor, box.height * factor];
  }
  const [moveX, moveY] = centred ? [0, 0] : [(sx * (width - box.width)) / 2, (sy * (height - box.height)) / 2];
  return { x: box.x + moveX, y: box.y + moveY, width, height };
}

// `box` brought back so far that a bit of it stays on the stage: `room` {left, right, top, bottom}.
export function keptInReach(box, room) {
  return {
    ...box,
    x: clamp(box.x, room.left - box.width / 2, room.right + box.width / 2),
    y: clamp(box.y, room.top - box.height / 2, room.bottom + box.height / 2),
  };
}
