// What is under a pointer, where boxes may be turned.

import { backToFront } from "../paths/edits.mjs";
import { handleAt, isInside, resized } from "../paths/geometry.mjs";
import { boxAt } from "../paths/motion.mjs";
import { turning } from "./carry.mjs";

export const TURN = "turn"; // the handle that turns a box

// As `hit` of the shared geometry: {path, handle}, or null. `turner` says where the turning handle of a box is.
export function hitTurned({ paths, selected, time }, point, reach, aspect, turner) {
  const chosen = paths[selected];
  if (chosen) {
    const box = boxAt(chosen, time);
    const knob = turner(box);
    if (Math.abs(knob.x - point.x) <= reach.x && Math.abs(knob.y - point.y) <= reach.y) return { path: selected, handle: TURN };
    const own = upright(point, box, aspect);
    const handle = handleAt(box, own, reach);
    if (handle) return { path: selected, handle };
    if (isInside(box, own, reach)) return { path: selected, handle: null };
  }
  const found = backToFront(paths)
    .reverse()
    .find((i) => isInside(boxAt(paths[i], time), upright(point, boxAt(paths[i], time), aspect), reach));
  return found === undefined ? null : { path: found, handle: null };
}

// `point` as if `box` were not turned.
function upright(point, box, aspect) {
  if (!box.angle) return point;
  const [dx, dy] = turning(-box.angle, aspect)([point.x - box.x, point.y - box.y]);
  return { x: box.x + dx, y: box.y + dy };
}

// `box` with its handle moved by dx, dy, along its own sides.
export function resizedTurned(box, handle, dx, dy, aspect, options) {
  if (!box.angle) return resized(box, handle, dx, dy, options);
  const [ownX, ownY] = turning(-box.angle, aspect)([dx, dy]);
  const made = resized(box, handle, ownX, ownY, options);
  const [moveX, moveY] = turning(box.angle, aspect)([made.x - box.x, made.y - box.y]);
  return { ...made, x: box.x + moveX, y: box.y + moveY, angle: box.angle };
}

// `box` turned so that its handle, which was at `from`, points to `point`. `steps` are degrees to snap to.
export function turned(box, from, point, aspect, steps) {
  const direction = ({ x, y }) => (Math.atan2(y - box.y, (x - box.x) * aspect) * 180) / Math.PI;
  let by = direction(point) - direction(from);
  by -= 360 * Math.round(by / 360);
  const angle = (box.angle ?? 0) + by;
  return { ...box, angle: Math.round(angle / steps) * steps };
}
