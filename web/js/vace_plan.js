// Puts the time line on the node that plans windows.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { attachTimeline } from "./plan/attach.mjs";
import { registerOnce } from "./register.mjs";
import { speak } from "./words.mjs";

registerOnce(app, {
  name: "VACE.PlanTimeline",
  setup: () => speak(app),
  nodeCreated(node) {
    if (node.comfyClass === "VacePlanWindows") attachTimeline(node, { app, api });
  },
});
