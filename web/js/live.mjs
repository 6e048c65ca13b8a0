// An editor works while its node is in the graph that is open: it looks at what the node and others say, and is closed
// then. Copying a node makes others that never get into a graph.

import { after } from "./after.mjs";
import { watch } from "./jobs.mjs";
import { takePlace } from "./place.mjs";

const LOOK = 400; // milliseconds between two looks: nothing tells of another file chosen in a loader further up

// `seen()` gives [name, value] for `watch`.
export function live({ node, app, editor, look, seen }) {
  let timer;
  let unwatch;
  const stop = () => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    unwatch();
    editor.close();
  };
  const start = () => {
    stop();
    editor.open();
    look();
    unwatch = watch(seen);
    requestAnimationFrame(() => takePlace(node, editor.element, app));
    timer = setInterval(() => {
      if (!isThere(node)) return stop();
      takePlace(node, editor.element, app);
      if (editor.element.isConnected) look();
      return undefined;
    }, LOOK);
  };
  after(node, "onAdded", start);
  after(node, "onRemoved", stop);
  if (node.graph) start();
}

// Old frontends leave a subgraph with another workflow, or undo it, without a word to its nodes.
function isThere({ graph }) {
  const root = graph?.rootGraph ?? graph;
  return Boolean(graph) && (graph === root || root.subgraphs?.get(graph.id) === graph);
}
