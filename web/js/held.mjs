// What an input of a node will get: the value of its widget, or of the node that is linked into it.

import { isLinked, linkInto, nodeInto } from "./links.mjs";

const BORDER = -10; // the number of what stands in a subgraph for its inputs

// {value, isKnown}: of other nodes than primitive ones the value is known only once they ran.
export function heldBy(node, name) {
  const slot = slotOf(node, name);
  const widget = node.widgets?.find((one) => one.name === name);
  if (slot < 0 || !isLinked(node, slot)) return { value: widget?.value, isKnown: widget?.value !== undefined };
  const border = outsideOf(node, slot);
  if (border) return heldBy(border.node, border.name);
  const from = nodeInto(node, slot);
  const isPrimitive = /^Primitive/.test(from?.comfyClass ?? from?.type ?? "");
  const given = isPrimitive ? from.widgets?.[0]?.value : undefined;
  return { value: given, isKnown: given !== undefined };
}

export function slotOf(node, name) {
  return (node.inputs ?? []).findIndex((input) => (input.widget?.name ?? input.name) === name);
}

export function has(node, name) {
  return slotOf(node, name) >= 0 || Boolean(node.widgets?.some((one) => one.name === name));
}

// Which node says what an input gets: this one, or the node inside of the subgraph that it stands for, which holds `value`.
export function sayerOf(node, name, value) {
  if (has(node, name)) return node;
  return node.subgraph?.nodes?.find((one) => has(one, value)) ?? node;
}

// {node, name}: the input outside of a subgraph from which a link in it comes. Null where it comes from a node beside,
// or where several nodes stand for the subgraph, which may differ.
export function outsideOf(node, slot) {
  const link = linkInto(node, slot);
  if (Number(link?.origin_id) !== BORDER) return null;
  const name = node.graph?.inputs?.[link.origin_slot]?.name;
  const found = nodesOf(node.graph?.rootGraph).filter(({ subgraph }) => subgraph === node.graph);
  return name !== undefined && found.length === 1 ? { node: found[0], name } : null;
}

// All nodes of a graph and of the subgraphs in it.
function nodesOf(graph) {
  const nodes = graph?._nodes ?? graph?.nodes ?? [];
  return nodes.flatMap((node) => (node.subgraph ? [node, ...nodesOf(node.subgraph)] : [node]));
}
