// Puts the path editor on the nodes that take box paths, and on subgraphs that offer the paths of such a node.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { attachEditor } from "./paths/attach.mjs";
import { registerOnce } from "./register.mjs";
import { speak } from "./words.mjs";

const NODES = new Set(["VaceMoveAnything", "VaceLayoutToVideo"]);

const takesPaths = (node) => NODES.has(node.comfyClass);

function attachToSubgraph(node) {
  if (node.subgraph?.nodes?.some(takesPaths)) attachEditor(node, { app, api });
}

registerOnce(app, {
  name: "VACE.PathEditor",
  setup: () => speak(app),
  nodeCreated(node) {
    if (takesPaths(node)) attachEditor(node, { app, api });
    else setTimeout(() => attachToSubgraph(node)); // what it offers is known a little later
  },
  loadedGraphNode: attachToSubgraph,
});
