// Puts the desk on its node, and on subgraphs that offer the drawing of such a node.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { attachDesk } from "./desk/attach.mjs";
import { registerOnce } from "./register.mjs";
import { speak } from "./words.mjs";

const isDesk = (node) => node.comfyClass === "VaceDesk";

function attachToSubgraph(node) {
  if (node.subgraph?.nodes?.some(isDesk)) attachDesk(node, { app, api });
}

registerOnce(app, {
  name: "VACE.Desk",
  setup: () => speak(app),
  nodeCreated(node) {
    if (isDesk(node)) attachDesk(node, { app, api });
    else setTimeout(() => attachToSubgraph(node)); // what it offers is known a little later
  },
  loadedGraphNode: attachToSubgraph,
});
