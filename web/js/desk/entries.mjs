// The objects of the desk as the shared editor knows paths: an object is an entry with keys, and where it moves to is
// another entry behind it (`goal`), so that both are dragged, keyed and drawn alike. `id` and `owner` tie them
// together; they are never saved.

import { bounds, strokesAt } from "./carry.mjs";

let last = 0;

export function newId() {
  return ++last;
}

export function entriesOf(objects, aspect) {
  return objects.flatMap((object) => entryOf({ ...object, keys: keysOf(object, aspect) }));
}

// One object with the goal that it has, if it moves.
export function entryOf({ path, ...object }) {
  const own = { ...object, id: newId() };
  if (!path) return [own];
  return own.action === "move" ? [own, goalOf(own, path)] : [{ ...own, path }];
}

export function goalOf({ id, label, order, colour, tint }, { smooth, ease, keys }) {
  return { goal: true, owner: id, label, order, colour, tint, smooth, ease, keys };
}

// A shape that stands still has no keys: it gets the box around it, which changes nothing.
function keysOf(object, aspect) {
  if (object.keys.length || !object.shapes.length) return object.keys;
  const { time } = object.shapes[0];
  const around = bounds(strokesAt(object, time, aspect), aspect);
  return around ? [{ time, ...around }] : [];
}

export function objectsOf(entries) {
  return masksOf(entries).map((mask) => {
    const goal = entries.find(({ owner }) => owner === mask.id);
    return { ...mask, path: goal ? { smooth: goal.smooth, ease: goal.ease, keys: goal.keys } : mask.path };
  });
}

export function masksOf(entries) {
  return entries.filter(({ goal }) => !goal);
}

// The index of the object that entry number `index` belongs to, or -1.
export function ownerOf(entries, index) {
  const entry = entries[index];
  if (!entry) return -1;
  return entry.goal ? entries.findIndex(({ id }) => id === entry.owner) : index;
}

export function goalIndex(entries, mask) {
  return entries.findIndex(({ owner }) => owner !== undefined && owner === mask?.id);
}

// Changes an object; its goal has the same name, order and colour.
export function changeObject(entries, id, changes) {
  const shared = Object.fromEntries(
    ["label", "order", "colour"].filter((name) => name in changes).map((name) => [name, changes[name]]),
  );
  return entries.map((entry) => {
    if (entry.id === id) return { ...entry, ...changes };
    return entry.owner === id ? { ...entry, ...shared } : entry;
  });
}

export function withoutObject(entries, id) {
  return entries.filter((entry) => entry.id !== id && entry.owner !== id);
}

// Gives an object another action. One that moves has a goal, at first where it is; without moving the goal is kept aside.
export function withAction(entries, id, action, box) {
  const mask = entries.find((entry) => entry.id === id);
  const goal = entries.find(({ owner }) => owner === id);
  const path = goal ? { smooth: goal.smooth, ease: goal.ease, keys: goal.keys } : mask.path;
  const others = entries.filter(({ owner }) => owner !== id);
  const { path: _, ...plain } = mask;
  if (action !== "move") return others.map((entry) => (entry === mask ? { ...plain, action, path } : entry));
  const start = path ?? { smooth: "auto", ease: "linear", keys: [0, 1].map((time) => ({ time, ...box })) };
  const moving = { ...plain, action };
  return others.flatMap((entry) => (entry === mask ? [moving, goalOf(moving, start)] : [entry]));
}
