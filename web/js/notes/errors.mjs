// What stopped a run stands in the node that it stopped, until the next run begins.

import { hideError, showError } from "./notes.mjs";

// The nodes of `graph` that an id of the server names: "7", or "3:7" for the node 7 in the subgraph that node 3 is.
// The last one failed; the others are what one sees of it from outside.
export function nodesOf(graph, id) {
  const found = [];
  for (const part of String(id).split(":")) {
    const node = graph?.getNodeById(part) ?? graph?.getNodeById(Number(part));
    if (!node) return [];
    found.push(node);
    graph = node.subgraph;
  }
  return found;
}

export function listen({ app, api, isOurs }) {
  let shown = [];
  api.addEventListener("execution_start", () => {
    shown.forEach(hideError);
    shown = [];
  });
  api.addEventListener("execution_error", ({ detail }) => {
    const nodes = nodesOf(app.rootGraph ?? app.graph, detail.node_id);
    if (!nodes.length || !isOurs(nodes.at(-1))) return;
    shown.push(...nodes);
    for (const node of nodes) showError(node, detail.exception_message);
  });
}
