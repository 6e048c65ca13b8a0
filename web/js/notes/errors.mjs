// What stopped a run stands in the node that it stopped, until the next run begins.

import { isElsewhere, isHere } from "../jobs.mjs";
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

// Gives what shows the error in nodes that were made anew since: its workflow was left and came back, or was undone.
export function listen({ app, api, isOurs }) {
  const shown = new Set();
  let last = null; // what the server said
  const show = () => {
    const nodes = nodesOf(app.rootGraph ?? app.graph, last.node_id);
    if (!nodes.length || !isOurs(nodes.at(-1))) return;
    for (const node of nodes) {
      shown.add(node);
      showError(node, last.exception_message);
    }
  };
  api.addEventListener("execution_start", () => {
    shown.forEach(hideError);
    shown.clear();
    last = null;
  });
  api.addEventListener("execution_error", ({ detail }) => {
    last = detail;
    if (!isElsewhere(detail.prompt_id)) show();
  });
  return () => last && isHere(last.prompt_id) && show();
}
