// Shows what the nodes of this pack say of their work, in the node, until they say something else; and what stopped
// them, until the next run.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { followJobs } from "./jobs.mjs";
import { listen } from "./notes/errors.mjs";
import { attachNotes, showNotes } from "./notes/notes.mjs";
import { locator } from "./paths/attach.mjs";
import { registerOnce } from "./register.mjs";

const AGAIN = [0, 300, 1000, 3000]; // milliseconds after a graph is there until ComfyUI has what its nodes showed

// Other packs have nodes with such names too, under categories of their own.
function isOurs({ comfyClass, constructor }) {
  return Boolean(comfyClass?.startsWith("Vace") && /^VACE(\/|$)/.test(constructor.nodeData?.category ?? ""));
}

let showErrors;

function showAll(graph) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    if (isOurs(node)) showNotes(node, app.nodeOutputs?.[locator(node)]);
    if (node.subgraph) showAll(node.subgraph);
  }
}

followJobs({ app, api });

registerOnce(app, {
  name: "VACE.Notes",
  setup: () => (showErrors = listen({ app, api, isOurs })),
  nodeCreated(node) {
    if (isOurs(node)) attachNotes(node);
  },
  // Of a graph that was left for another and comes back, ComfyUI still knows what its nodes showed.
  afterConfigureGraph() {
    for (const wait of AGAIN) {
      setTimeout(() => {
        showAll(app.rootGraph ?? app.graph);
        showErrors?.();
      }, wait);
    }
  },
});
