// The JSON of the "paths" widget, by the rules of vace_core/inputs/box_paths.py: what one side writes the other reads.

export const LIMITS = { text: 1_000_000, paths: 64, keys: 4096, farthest: 10, smallest: 0.0001 };
export const EMPTY = "[]";

const KEY_RANGES = {
  time: [0, 1],
  x: [-LIMITS.farthest, LIMITS.farthest],
  y: [-LIMITS.farthest, LIMITS.farthest],
  width: [LIMITS.smallest, LIMITS.farthest],
  height: [LIMITS.smallest, LIMITS.farthest],
};
const PATH_CHECKS = {
  label: [(value) => typeof value === "string", "a text"],
  order: [Number.isInteger, "a whole number"],
  smooth: [isSmooth, 'true, false or "auto"'],
  colour: [isColour, "three whole numbers from 0 to 255"],
};
const PATH_DEFAULTS = { label: "", order: 0, colour: [0, 0, 0], smooth: false };

// "auto" goes through a turn without stopping; true, which was all there was before, stops where both x and y turn.
export function isSmooth(value) {
  return typeof value === "boolean" || value === "auto";
}

class Unreadable extends Error {}

// One of {kind: "empty"}, {kind: "paths", paths}, {kind: "points", lists} and {kind: "unreadable", reason}.
export function readPaths(text) {
  try {
    if (!text.trim()) return { kind: "empty" };
    const data = parsed(text);
    if (Array.isArray(data)) return data.length ? { kind: "points", lists: readPoints(data) } : { kind: "empty" };
    if (!isObject(data) || data.version !== 1) refuse("it is not JSON of box paths, version 1");
    if (Array.isArray(data.paths) && !data.paths.length) return { kind: "empty" };
    return { kind: "paths", paths: readOwn(data) };
  } catch (error) {
    if (error instanceof Unreadable) return { kind: "unreadable", reason: error.message };
    throw error;
  }
}

// Paths as they are saved: one line, only the fields that Python knows.
export function writePaths(paths) {
  if (!paths.length) return EMPTY;
  const saved = paths.map(({ label, order, colour, smooth, keys }) => ({
    label,
    order,
    colour,
    smooth,
    keys: keys.map(({ time, x, y, width, height }) => ({ time, x, y, width, height })),
  }));
  return JSON.stringify({ version: 1, paths: saved });
}

export function countKeys(paths) {
  return paths.reduce((sum, path) => sum + path.keys.length, 0);
}

function parsed(text) {
  if (text.length > LIMITS.text) refuse("it is longer than a million characters");
  try {
    return JSON.parse(text);
  } catch {
    return refuse("it is not valid JSON");
  }
}

function readOwn(data) {
  const entries = listed(data.paths, "the list of paths", LIMITS.paths);
  const paths = entries.map((entry, index) => readPath(entry, `path ${index + 1}`));
  if (countKeys(paths) > LIMITS.keys) refuse(`there are more than ${LIMITS.keys} keys`);
  return paths;
}

function readPath(entry, where) {
  if (!isObject(entry)) refuse(`${where} is not an object`);
  for (const name of Object.keys(entry)) {
    if (name !== "keys" && !Object.hasOwn(PATH_DEFAULTS, name)) refuse(`${where} has the unknown field “${name}”`);
  }
  const path = { ...PATH_DEFAULTS, ...entry };
  for (const [name, [fits, words]] of Object.entries(PATH_CHECKS)) {
    if (!fits(path[name])) refuse(`${name} of ${where} is not ${words}`);
  }
  path.keys = listed(path.keys, `the keys of ${where}`, LIMITS.keys).map((key, index) =>
    readKey(key, `key ${index + 1} of ${where}`),
  );
  for (let i = 1; i < path.keys.length; i++) {
    if (path.keys[i].time <= path.keys[i - 1].time) refuse(`the times of ${where} do not rise`);
  }
  return path;
}

function readKey(key, where) {
  if (!isObject(key)) refuse(`${where} is not an object`);
  for (const name of Object.keys(key)) {
    if (!Object.hasOwn(KEY_RANGES, name)) refuse(`${where} has the unknown field “${name}”`);
  }
  for (const [name, [low, high]] of Object.entries(KEY_RANGES)) {
    if (typeof key[name] !== "number" || !(key[name] >= low && key[name] <= high)) {
      refuse(`${name} of ${where} is not a number from ${low} to ${high}`);
    }
  }
  return key;
}

function readPoints(data) {
  const lists = Array.isArray(data[0]) ? data : [data];
  const points = listed(lists, "the list of paths", LIMITS.paths).map((list) => listed(list, "points", LIMITS.keys));
  for (const point of points.flat()) {
    if (!isObject(point) || typeof point.x !== "number" || typeof point.y !== "number") {
      refuse("a point has no x or no y");
    }
  }
  return points;
}

function listed(value, what, most) {
  if (!Array.isArray(value) || !value.length) refuse(`${what} is empty or no list`);
  if (value.length > most) refuse(`there are more than ${most} entries in ${what}`);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isColour(value) {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((part) => Number.isInteger(part) && part >= 0 && part <= 255)
  );
}

function refuse(reason) {
  throw new Unreadable(reason);
}
