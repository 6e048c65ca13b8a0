// ComfyUI lists the templates of a pack as the folder gives them: on many disks that is no order at all.

import { ORDER } from "./order.mjs";

const PLACES = new Map(ORDER.map((name, place) => [name, place]));

// `found` as the server tells it: the names of the templates by pack. Those of this pack come in their order, and what
// somebody else put beside them behind.
export function sorted(found) {
  const place = (name) => PLACES.get(name) ?? PLACES.size;
  const inOrder = (names) => (names.some((name) => PLACES.has(name)) ? [...names].sort((a, b) => place(a) - place(b)) : names);
  return Object.fromEntries(Object.entries(found).map(([pack, names]) => [pack, inOrder(names)]));
}
