// The model that is linked to a node, and what it takes where the node leaves that to it, as far as can be told before a
// run.

import { Refused, Server } from "./desk/server.mjs";
import { heldBy, outsideOf, slotOf } from "./held.mjs";
import { isLinked, linkInto, nodeInto } from "./links.mjs";

const NAMED = { VaceLoadStarter: "starter", VaceUseNativeModel: "Wan 2.1" }; // what some nodes give without a choice
const FARTHEST = 12; // nodes that a model is looked for through
const AGAIN = 10_000; // milliseconds until a server that did not answer is asked once more

const told = new Map(); // name as JSON -> what the server says of it, null until then

// {isLinked, name}: the profile that the linked model is chosen by, or its family, or {file} for what is in a file. The
// name is undefined where no node further up says it.
export function modelOf(node) {
  const slot = slotOf(node, "model");
  let here = sourceOf(node, slot);
  for (let steps = 0; here && steps < FARTHEST; steps++) {
    const kind = here.comfyClass ?? here.type;
    if (kind === "VaceChooseModel") return { isLinked: true, name: heldBy(here, "profile").value };
    if (kind === "VaceLoadModel") return { isLinked: true, name: fileIn(here) };
    if (NAMED[kind]) return { isLinked: true, name: NAMED[kind] };
    here = sourceOf(here, kind === "Reroute" ? 0 : slotOf(here, "model"));
  }
  return { isLinked: isFed(node, slot), name: undefined };
}

// {width, height, length, fps} that a model of this name takes; null where it is not known, or not yet.
export function numbersOf(name, api) {
  const key = JSON.stringify(name);
  if (name !== undefined && !told.has(key)) ask(name, key, api);
  return told.get(key) ?? null;
}

function fileIn(node) {
  const file = heldBy(node, "model").value;
  return file ? { file } : undefined;
}

async function ask(name, key, api) {
  told.set(key, null);
  const server = new Server((route, options) => api.fetchApi(route, options));
  try {
    told.set(key, await server.json("model", { model: name }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    setTimeout(() => told.delete(key), AGAIN);
  }
}

// The node whose output goes into an input, in or out of subgraphs; null where there is none.
function sourceOf(node, slot) {
  if (!node.inputs?.[slot] || !isLinked(node, slot)) return null;
  const border = outsideOf(node, slot);
  if (border) return sourceOf(border.node, slotOf(border.node, border.name));
  const from = nodeInto(node, slot);
  return from?.subgraph ? insideOf(from, linkInto(node, slot).origin_slot) : from;
}

function insideOf({ subgraph }, output) {
  const link = subgraph.outputNode?.slots?.[output]?.getLinks()[0];
  const from = link && subgraph.getNodeById(link.origin_id);
  return from?.subgraph ? insideOf(from, link.origin_slot) : (from ?? null);
}

function isFed(node, slot) {
  if (!node.inputs?.[slot] || !isLinked(node, slot)) return false;
  const border = outsideOf(node, slot);
  return !border || isFed(border.node, slotOf(border.node, border.name));
}
