// The document of the desk: JSON of the "desk" widget, read and written by the rules that Python has for it.

import { isSmooth, LIMITS as PATH_LIMITS } from "../paths/format.mjs";
import { EASES } from "../paths/motion.mjs";

export const LIMITS = { ...PATH_LIMITS, objects: 64, strokes: 512, points: 20_000, label: 200, prompt: 20_000, grow: 512, feather: 256, strength: 2 };
export const EMPTY = '{"version":1,"objects":[]}';
export const ACTIONS = ["remove", "generate", "replace", "move", "control", "keep"];
const KINDS = ["brush", "erase", "lasso", "cut"];
const FAR = LIMITS.farthest;

const isFlag = (value) => typeof value === "boolean";
const isWhole = Number.isInteger;
const isNumber = (low, high) => (value) => typeof value === "number" && value >= low && value <= high;
const isPart = (value) => isWhole(value) && value >= 0 && value <= 255;

const DOCUMENT = { version: [(value) => value === 1], clip: [isObject], objects: [Array.isArray] };
const CLIP = { width: [isWhole], height: [isWhole], frames: [isWhole] };
const OBJECT = {
  label: [isTextOf(LIMITS.label), ""],
  order: [isWhole, 0],
  colour: [(value) => Array.isArray(value) && value.length === 3 && value.every(isPart), [0, 0, 0]],
  action: [(value) => ACTIONS.includes(value)],
  prompt: [isTextOf(LIMITS.prompt), ""],
  picture: [(value) => isWhole(value) && value >= 0, 0],
  grow: [(value) => isWhole(value) && Math.abs(value) <= LIMITS.grow, 0],
  feather: [(value) => isWhole(value) && value >= 0 && value <= LIMITS.feather, 0],
  strength: [isNumber(0, LIMITS.strength), 1],
  smooth: [isSmooth, false],
  keys: [Array.isArray, []],
  shapes: [Array.isArray, []],
  path: [isObject, undefined],
};
const KEY = {
  time: [isNumber(0, 1)],
  x: [isNumber(-FAR, FAR)],
  y: [isNumber(-FAR, FAR)],
  width: [isNumber(LIMITS.smallest, FAR)],
  height: [isNumber(LIMITS.smallest, FAR)],
  angle: [isNumber(-3600, 3600), 0],
};
const TRACKED_KEY = { ...KEY, tracked: [isFlag, false] };
const SHAPE = { time: [isNumber(0, 1)], strokes: [Array.isArray] };
const STROKE = { kind: [(value) => KINDS.includes(value)], width: [isNumber(0, FAR), 0], points: [Array.isArray] };
const PATH = {
  smooth: [isSmooth, false],
  ease: [(value) => Object.hasOwn(EASES, value), "linear"],
  keys: [(value) => Array.isArray(value) && value.length > 1],
};

export class Unreadable extends Error {}

// One of {kind: "empty"}, {kind: "desk", objects, clip} and {kind: "unreadable", reason}.
export function readDesk(text) {
  try {
    if (!text.trim() || text.trim() === "[]") return { kind: "empty" };
    if (text.length > LIMITS.text) refuse("it is longer than a million characters");
    const { objects = [], clip } = fields(parsed(text), DOCUMENT, "the document");
    if (clip) fields(clip, CLIP, "clip");
    if (objects.length > LIMITS.objects) refuse(`there are more than ${LIMITS.objects} objects`);
    return { kind: objects.length ? "desk" : "empty", objects: objects.map(readObject), clip };
  } catch (error) {
    if (error instanceof Unreadable) return { kind: "unreadable", reason: error.message };
    throw error;
  }
}

// The document of `objects`, one line. What is as it always is, is left out of keys.
export function writeDesk(objects, clip) {
  const saved = objects.map((object) => {
    const { path } = object;
    const own = Object.fromEntries(Object.keys(OBJECT).map((name) => [name, object[name]]));
    own.keys = object.keys.map(savedKey);
    if (path) own.path = { smooth: path.smooth, ease: path.ease, keys: path.keys.map(savedKey) };
    return own;
  });
  return JSON.stringify({ version: 1, ...(clip ? { clip } : {}), objects: saved });
}

function savedKey({ time, x, y, width, height, angle, tracked }) {
  return { time, x, y, width, height, ...(angle ? { angle } : {}), ...(tracked ? { tracked } : {}) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return refuse("it is not valid JSON");
  }
}

function readObject(entry, index) {
  const where = `object ${index + 1}`;
  const object = fields(entry, OBJECT, where);
  object.keys = keysOf(object.keys, TRACKED_KEY, where);
  object.shapes = object.shapes.map((shape, i) => readShape(shape, `shape ${i + 1} of ${where}`));
  rising(object.shapes, where);
  const strokes = object.shapes.flatMap((shape) => shape.strokes);
  if (strokes.length > LIMITS.strokes) refuse(`${where} has more than ${LIMITS.strokes} strokes`);
  if (countPoints(strokes) > LIMITS.points) refuse(`${where} has more than ${LIMITS.points} points`);
  if (object.path) {
    const path = fields(object.path, PATH, `the path of ${where}`);
    object.path = { ...path, keys: keysOf(path.keys, KEY, `the path of ${where}`) };
  }
  return object;
}

export function countPoints(strokes) {
  return strokes.reduce((sum, { points }) => sum + points.length, 0);
}

function keysOf(list, known, where) {
  if (list.length > LIMITS.keys) refuse(`${where} has more than ${LIMITS.keys} keys`);
  const keys = list.map((key, i) => fields(key, known, `key ${i + 1} of ${where}`));
  rising(keys, where);
  return keys;
}

function readShape(entry, where) {
  const shape = fields(entry, SHAPE, where);
  const strokes = shape.strokes.map((stroke, i) => {
    const read = fields(stroke, STROKE, `stroke ${i + 1} of ${where}`);
    const least = read.kind === "lasso" || read.kind === "cut" ? 3 : 1;
    if (read.points.length < least) refuse(`a ${read.kind} of ${where} has too few points`);
    if (!read.points.every(isPoint)) refuse(`the points of ${where} are no pairs of numbers`);
    return read;
  });
  return { ...shape, strokes };
}

function isTextOf(longest) {
  return (value) => typeof value === "string" && value.length <= longest;
}

function isPoint(point) {
  return Array.isArray(point) && point.length === 2 && point.every(isNumber(-FAR, FAR));
}

function rising(list, where) {
  for (let i = 1; i < list.length; i++) if (list[i].time <= list[i - 1].time) refuse(`the times of ${where} do not rise`);
}

// The fields of `entry` by a table of [check, default]; a default that is not given makes a field necessary.
function fields(entry, known, where) {
  if (!isObject(entry)) refuse(`${where} is not an object`);
  for (const name of Object.keys(entry)) if (!Object.hasOwn(known, name)) refuse(`${where} has the unknown field “${name}”`);
  const read = {};
  for (const [name, [fits, usual]] of Object.entries(known)) {
    const value = entry[name] ?? usual;
    const isOptional = known === DOCUMENT || known === CLIP || name === "path";
    if (value === undefined && isOptional && name !== "version") continue;
    if (!fits(value)) refuse(`${name} of ${where} is not as it should be`);
    read[name] = value;
  }
  return read;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(reason) {
  throw new Unreadable(reason);
}
