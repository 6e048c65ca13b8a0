// Puts the templates of this pack into an order in the dialog: what runs at once, what needs models, what needs packs.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { registerOnce } from "./register.mjs";
import { sorted } from "./templates/sorted.mjs";

registerOnce(app, {
  name: "VACE.Templates",
  init() {
    const given = api.getWorkflowTemplates;
    if (given) api.getWorkflowTemplates = async (...said) => sorted(await given.apply(api, said));
  },
});
