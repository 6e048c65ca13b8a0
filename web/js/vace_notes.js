// Shows what the nodes of this pack say of their work, in the node, until they say something else; and what stopped
// them, until the next run.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { listen } from "./notes/errors.mjs";
import { attachNotes, showNotes } from "./notes/notes.mjs";
import { registerOnce } from "./register.mjs";

// Other packs have nodes with such names too, under categories of their own.
function isOurs({ comfyClass, constructor }) {
  return Boolean(comfyClass?.startsWith("Vace") && /^VACE(\/|$)/.test(constructor.nodeData?.category ?? ""));
}

registerOnce(app, {
  name: "VACE.Notes",
  setup: () => listen({ app, api, isOurs }),
  nodeCreated(node) {
    if (isOurs(node)) attachNotes(node);
  },
  // Of a graph that was left for another and comes back, ComfyUI still knows what its nodes showed.
  loadedGraphNode(node) {
    if (isOurs(node)) showNotes(node, app.nodeOutputs?.[String(node.id)]?.text);
  },
});
