// What is linked into an input. A subgraph's node answers for the inside of its outputs where other nodes answer for
// their inputs, so it is asked as any node is.

// Whether a link goes into an input. Old frontends lack the first way, new ones warn of the second.
export function isLinked(node, slot) {
  return node.isInputConnected ? node.isInputConnected(slot) : node.inputs[slot].link != null;
}

// The link, or null.
export function linkInto(node, slot) {
  const kind = node.subgraph ? globalThis.LiteGraph?.LGraphNode.prototype : node;
  return kind?.getInputLink?.call(node, slot) ?? null;
}

// The node that it comes from, or null: links into a subgraph come from none.
export function nodeInto(node, slot) {
  if (!node.subgraph) return node.getInputNode(slot) ?? null;
  const link = linkInto(node, slot);
  return link ? (node.graph?.getNodeById(link.origin_id) ?? null) : null;
}
